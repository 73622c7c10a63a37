//! Rules over several buffers: what one reads for another, what stands between, what is told of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod request;

use request::Request;
use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::load::{Source, load};
use tapwire_signatures::plan::Plan;
use tapwire_signatures::plan::order::ActionOrder;

fn plan(options: &str) -> Plan {
    let text = format!("alert http any any -> any any ({options} sid:1;)");
    let loaded = load(&[Source { name: "t".into(), text }], &Environment::default());
    assert!(loaded.faults.is_empty(), "{options}: {:?}", loaded.faults);
    Plan::new(loaded.set, &ActionOrder::default())
}

/// Whether a rule with some options matches a request for a path from a host.
fn matches(options: &str, path: &str, host: &str) -> bool {
    let request = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
    Request::new().send(&plan(options), &request) == [1]
}

#[test]
fn what_a_rule_reads_holds_for_all_that_follows_in_it() {
    let read = "http.uri; byte_extract:1,1,n,string,dec;";
    for (options, path, host, expected) in [
        ("http.host; content:\"x\"; offset:n; depth:1;", "/2", "abx", true),
        ("http.host; content:\"x\"; offset:n; depth:1;", "/1", "abx", false),
        ("http.host; content:\"x\"; depth:n;", "/3", "abx", true),
        ("http.host; content:\"x\"; depth:n;", "/2", "abx", false),
        ("http.host; content:\"a\"; content:\"x\"; distance:n; within:1;", "/1", "abx", true),
        ("http.host; content:\"a\"; content:\"x\"; distance:0; within:n;", "/1", "abx", false),
        ("http.host; isdataat:!n;", "/3", "abx", true),
        ("http.host; isdataat:n;", "/2", "abx", true),
        ("http.host; byte_test:1,=,n,0,string,dec;", "/7", "7", true),
        ("http.host; byte_test:n,=,77,0,string,dec;", "/2", "777", true),
        ("http.host; byte_test:1,=,5,n,string,dec;", "/2", "345", true),
        ("http.host; byte_jump:1,n,string,dec; content:\"x\"; within:1;", "/1", "a2bcx", true),
        ("http.host; byte_jump:0,0,post_offset n; content:\"x\"; within:1;", "/2", "abx", true),
        (
            "http.host; byte_math:bytes 1, offset n, oper *, rvalue n, result m, string dec; http.uri; content:\"x\"; offset:m;",
            "/2abcdx",
            "0130",
            true,
        ),
        (
            "http.host; byte_math:bytes 1, offset n, oper *, rvalue n, result m, string dec; http.uri; content:\"x\"; offset:m;",
            "/2abcdx",
            "0140",
            false,
        ),
    ] {
        let options = format!("{read} {options}");
        assert_eq!(matches(&options, path, host), expected, "{options} {path} {host}");
    }
    // What is not there yet is waited for, and what is never read is no 0.
    let plan = plan(&format!("{read} http.host; content:\"x\"; offset:n;"));
    let mut request = Request::new();
    assert_eq!(request.send(&plan, "POST /2 HTTP/1.1\r\n"), [0; 0]);
    assert_eq!(request.send(&plan, "Host: abx\r\nContent-Length: 0\r\n\r\n"), [1]);
    assert!(!matches(&format!("{read} http.host; content:\"x\"; offset:n;"), "/none", "x"));
}

#[test]
fn a_test_of_the_whole_buffer_may_stand_anywhere() {
    for (options, path, expected) in [
        ("http.uri; urilen:>3; http.method; content:\"POST\";", "/long", true),
        ("http.uri; urilen:<3; http.method; content:\"POST\";", "/long", false),
        ("http.method; content:\"POST\"; urilen:5; http.host; content:\"h\";", "/long", true),
        ("http.method; content:\"POST\"; urilen:5,raw;", "/longer", false),
        ("http.uri; content:\"a\"; urilen:>3; content:\"b\"; within:1;", "/a.ab", true),
        ("http.uri; content:\"a\"; bsize:>3; content:\"b\"; within:1;", "/a.ab", true),
        ("http.uri; content:\"a\"; entropy:value > 0; content:\"b\"; within:1;", "/a.ab", true),
        ("http.uri; content:\"a\"; dataset:isnotset,none,type string; content:\"b\"; within:1;", "/a.ab", true),
        ("http.uri; content:\"a\"; bsize:>9; content:\"b\"; within:1;", "/a.ab", false),
    ] {
        assert_eq!(matches(options, path, "host"), expected, "{options} {path}");
    }
}

#[test]
fn an_entropy_that_was_computed_is_told_whether_or_not_the_rule_matches() {
    let mut request = Request::new();
    let plan = plan("http.uri; content:\"/ab\"; entropy:value > 7;");
    assert_eq!(request.send(&plan, "GET /abc HTTP/1.1\r\nHost: h\r\n\r\n"), [0; 0]);
    assert_eq!(request.state.notes().unwrap().entropies, [("http.uri", 2.0)]);
}
