//! Rules load: those of the project, the examples of every keyword, and, where they are at hand, large public sets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

use std::collections::BTreeMap;
use std::path::Path;

use tapwire_signatures::builder::Environment;
use tapwire_signatures::keywords::KEYWORDS;
use tapwire_signatures::language::load::{Loaded, Source, load};

fn environment() -> Environment {
    let addresses = [
        "HOME_NET",
        "HTTP_SERVERS",
        "SMTP_SERVERS",
        "SQL_SERVERS",
        "DNS_SERVERS",
        "TELNET_SERVERS",
        "AIM_SERVERS",
        "DC_SERVERS",
        "MODBUS_CLIENT",
        "MODBUS_SERVER",
        "ENIP_CLIENT",
        "ENIP_SERVER",
        "DNP3_SERVER",
        "DNP3_CLIENT",
    ];
    let ports = [
        ("HTTP_PORTS", "80"),
        ("SHELLCODE_PORTS", "!80"),
        ("ORACLE_PORTS", "1521"),
        ("SSH_PORTS", "22"),
        ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
        ("MODBUS_PORTS", "502"),
        ("DNP3_PORTS", "20000"),
        ("FTP_PORTS", "21"),
    ];
    let mut addresses: BTreeMap<String, String> =
        addresses.iter().map(|n| ((*n).into(), "[192.168.0.0/16,10.0.0.0/8]".into())).collect();
    addresses.insert("EXTERNAL_NET".into(), "!$HOME_NET".into());
    Environment {
        addresses,
        ports: ports.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        version: (9, 0, 0),
        datasets: vec!["seen,type string".into()],
        ..Environment::default()
    }
}

fn load_text(text: &str) -> Loaded {
    load(&[Source { name: "test.rules".into(), text: text.into() }], &environment())
}

/// Headers that one of fits each example.
const HEADERS: &[&str] = &["ip", "tcp", "http", "tls", "dns", "ssh", "dhcp", "ntp", "modbus", "dnp3"];
/// Buffers and contents that an example may need before it.
const BEFORE: &[&str] = &["", "http.uri; content:\"/\"; ", "http.uri; ", "content:\"a\"; "];

#[test]
fn every_example_loads() {
    for keyword in KEYWORDS.iter().flat_map(|family| family.iter()) {
        for example in keyword.examples {
            let loads = HEADERS.iter().any(|protocol| {
                BEFORE.iter().any(|before| {
                    let rule = format!("alert {protocol} any any -> any any ({before}{example}; sid:1;)");
                    load_text(&rule).faults.is_empty()
                        || load_text(&rule.replace("sid:1;", "content:\"x\"; sid:1;")).faults.is_empty()
                })
            });
            assert!(loads, "{example}");
        }
    }
}

#[test]
fn rules_that_cannot_be_right_are_refused_at_their_place() {
    for (rule, part) in [
        ("alert tcp any any -> any any (msg:\"x\"; content:\"a\"; nocas; sid:1;)", "no keyword"),
        ("alert tcp any any -> any any (content:\"abc\"; depth:2; sid:1;)", "depth"),
        ("alert tcp $NONE any -> any any (content:\"abc\"; sid:1;)", "NONE"),
        ("alert tcp any any -> any any (content:\"a|2\"; sid:1;)", "hex"),
        ("alert tcp any any -> any any (content:\"a\";)", "sid"),
        ("alert http any any -> any any (http.uri; http.method; content:\"a\"; sid:1;)", "sticky"),
        ("alert tcp any any -> any any (pcre:\"/a(/\"; sid:1;)", ""),
        ("alert tcp any any -> any any content:\"a\"; sid:1;)", ""),
        ("alert tcp any any -> any any (content:\"abc\"; replace:\"de\"; sid:1;)", "bytes"),
        (
            "alert tcp any any -> any any (content:\"a\"; fast_pattern; content:\"b\"; fast_pattern; sid:1;)",
            "fast pattern",
        ),
        ("alert tcp any any -> any any (msg:\"a\"; prefilter; sid:1;)", "no condition"),
        ("alert tcp any any -> any any (flags:S; prefilter; ttl:1; prefilter; sid:1;)", "already"),
        ("alert http any any -> any any (http.uri; bsize:5; content:\"a\"; offset:5; sid:1;)", "given size"),
        ("alert http any any -> any any (http.referer; absent; content:\"a\"; sid:1;)", "absent"),
        ("alert http any any -> any any (http.referer; absent:or_else; sid:1;)", "otherwise"),
        ("alert tcp any any -> any any (base64_data; content:\"a\"; sid:1;)", "base64_decode"),
        ("alert tcp any any -> any any (dataset:set,a,type string; sid:1;)", "sticky buffer"),
        ("alert http any any -> any any (http.uri; dotprefix; sid:1;)", "sticky buffer"),
        ("alert tcp any any -> any any (dotprefix; content:\"a\"; sid:1;)", "sticky buffer"),
        ("alert dns any any -> any any (frame:dns.nothing; content:\"a\"; sid:1;)", "no frame"),
        ("alert dns any any -> any any (frame:pdu; content:\"a\"; dns.query; content:\"b\"; sid:1;)", "something else"),
        ("alert tcp any any -> any any (flow:to_server,to_server; sid:1;)", "repeats"),
        ("alert tcp any any -> any any (flow:established,not_established; sid:1;)", "repeats"),
        ("alert udp any any -> any any (tcp.session:setup; sid:1;)", "no TCP"),
        ("alert snmp any any -> any any (tcp.session:closed; sid:1;)", "no phase"),
        ("alert tcp any any -> any any (tcp.session:setup,closing,setup; sid:1;)", "twice"),
        ("alert tcp any any -> any any (tcp.session; sid:1;)", ""),
        ("alert tcp any any -> any any (xbits:isset,a,track ip_src; bypass; sid:1;)", "other flows"),
        ("alert dns any any -> any any (dns.query; dataset:set,a,type string; bypass; sid:1;)", "other flows"),
        (
            "config tcp any any -> any any (config:tracking disable, type flow, scope packet; sid:1;)",
            "whatever rules say",
        ),
        ("alert ip any any -> any any (decode-event:ipv4.nothing_wrong; sid:1;)", "no event"),
        ("alert tcp any any -> any any (stream-event:ipv4.trunc_pkt; sid:1;)", "no event"),
        ("alert dns any any -> any any (app-layer-event:dns.nothing_wrong; sid:1;)", "no event"),
    ] {
        let loaded = load_text(&format!("# a comment\n\n{rule}\n"));
        let fault = loaded.faults.first().unwrap_or_else(|| panic!("loaded: {rule}"));
        assert_eq!(fault.line, 3, "{rule}");
        assert!(fault.fault.message.contains(part), "{rule}: {}", fault.fault.message);
        assert!(loaded.set.rules.is_empty());
    }
}

#[test]
fn a_name_with_a_slip_is_told_the_one_it_is_like() {
    for (option, hint) in [
        ("decode-event:ipv4.trunk_pkt", "`ipv4.trunc_pkt`"),
        ("engine-event:decoder.udp.pkt_to_small", "`udp.pkt_too_small`"),
        ("stream-event:est_pkt_out_of_window", "`est_packet_out_of_window`"),
        ("app-layer-event:dns.malformed_date", "`dns.malformed_data`"),
        ("app-layer-event:applayer_mismatch_protocol", "`applayer_mismatch_protocol_both_directions`"),
    ] {
        let loaded = load_text(&format!("alert ip any any -> any any ({option}; sid:1;)"));
        let fault = &loaded.faults.first().unwrap_or_else(|| panic!("loaded: {option}")).fault;
        assert!(fault.hint.contains(hint), "{option}: {fault:?}");
    }
}

#[test]
fn conditions_on_files_stand_beside_buffers() {
    for options in [
        "filename:\"a\"; file.data; content:\"b\"; depth:3;",
        "file.data; content:\"b\"; filename:\"a\"; content:\"c\"; distance:0;",
        "content:\"x\"; http_uri; filename:\"a\"; content:\"y\"; http_header; nocase;",
        "filename:\"a\"; filename:!\"b\"; content:\"c\"; offset:3;",
    ] {
        let loaded = load_text(&format!("alert http any any -> any any ({options} sid:1;)"));
        assert!(loaded.faults.is_empty(), "{options}: {:?}", loaded.faults);
    }
}

#[test]
fn any_options_in_any_order_are_read_or_refused() {
    let examples = KEYWORDS.iter().flat_map(|family| family.iter()).flat_map(|keyword| keyword.examples);
    let buffers =
        ["http.uri", "http.header", "file.data", "pkt_data", "dns.query", "frame:dns.pdu", "ip.src", "tls.sni"];
    let more = [
        "content:\"abc\"",
        "content:!\"x\"",
        "nocase",
        "depth:5",
        "distance:1",
        "within:9",
        "endswith",
        "fast_pattern",
    ];
    let others = [
        "http_uri",
        "http_header",
        "filename:\"a\"",
        "absent",
        "absent:or_else",
        "base64_data",
        "dotprefix",
        "bsize:3",
    ];
    let mut options: Vec<&str> = examples.copied().collect();
    // What looks at buffers is drawn more often than all the rest.
    let looks = buffers.iter().chain(&more).chain(&others);
    let times = options.len().div_ceil(buffers.len() + more.len() + others.len());
    options.extend(looks.cycle().take((buffers.len() + more.len() + others.len()) * times).copied());
    let mut dice = 1_u64;
    let mut draw = |below: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % below
    };
    let mut text = String::new();
    for sid in 1..=2000 {
        let protocol = HEADERS[draw(HEADERS.len())];
        let arrow = ["->", "->", "=>"][draw(3)];
        let chosen: Vec<&str> = (0..=draw(6)).map(|_| options[draw(options.len())]).collect();
        text += &format!("alert {protocol} any any {arrow} any any ({}; sid:{sid};)\n", chosen.join("; "));
    }
    let loaded = load_text(&text);
    let refused = loaded.faults.iter().filter(|fault| !fault.warning).count();
    assert!(loaded.set.rules.len() > 100 && refused > 100, "{} loaded, {refused} refused", loaded.set.rules.len());
}

#[test]
fn the_enabled_rules_of_a_large_public_set_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/rules/et-open");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("left out: the shared rules are not beside this clone");
        return;
    };
    let sources: Vec<Source> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| Source {
            name: path.display().to_string(),
            text: String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
        })
        .collect();
    let loaded = load(&sources, &environment());
    for located in loaded.faults.iter().filter(|f| !f.warning).take(20) {
        eprintln!("{}:{}: {} ({})", located.file, located.line, located.fault.message, located.text);
    }
    eprintln!("not active yet: {:?}", loaded.later);
    assert_eq!(loaded.faults.iter().filter(|f| !f.warning).count(), 0);
    assert_eq!(loaded.set.rules.len(), 33_230);
    assert!(loaded.set.rules.iter().all(|entry| entry.rule().is_some_and(|rule| rule.digest == entry.digest)));
}

#[test]
fn a_fault_stands_at_the_word_that_is_wrong_and_names_the_one_it_is_like() {
    for (rule, wrong, hint) in [
        ("alert tcp any any -> any any (msg:\"a\"; contnt:\"a\"; sid:1;)", "contnt", "`content`"),
        ("alret tcp any any -> any any (sid:1;)", "alret", "`alert`"),
        ("alert htttp any any -> any any (sid:1;)", "htttp", "`http`"),
        ("alert http1:request_hedders any any -> any any (sid:1;)", "request_hedders", "`request_headers`"),
        ("alert tcp:flow_begin any any -> any any (sid:1;)", "flow_begin", "flow_start"),
        ("alert tcp [$HOME_NET,$HOME_NT] any -> any any (sid:1;)", "$HOME_NT", ""),
        ("alert tcp [10.0.0.0/8,10.0.0.0/99] any -> any any (sid:1;)", "10.0.0.0/99", ""),
        ("alert tcp any any -> any any (content:\"x\"; byte_test:2,>>,100,0; sid:1;)", ">>", ""),
        ("alert tcp any any -> any any (content:\"x\"; byte_test:2,>,1,0,littel; sid:1;)", "littel", "`little`"),
        ("alert tcp any any -> any any (flow:established,to_servr; sid:1;)", "to_servr", "`to_server`"),
        ("alert tcp any any -> any any (content:\"gag|0g|\"; sid:1;)", "g|\"; sid", ""),
        ("alert tcp any any -> any any (content:\"x\"; pcre:\"/a[bc)(d/i\"; sid:1;)", "d/i", ""),
        ("alert tcp any any -> any any (content:\"x\"; pcre:!\"/a{2,1}b/E\"; sid:1;)", "}b", ""),
        ("alert tcp any any -> any any (content:\"x\"; pcre:\"/ax)/\"; sid:1;)", ")/\"", ""),
        ("alert tcp any any -> any any (content:\"x\"; pcre:\"/iq/iq\"; sid:1;)", "q\"; sid", ""),
        ("alert http any any -> any any (http.uri; pcrexform:\"a(b\"; content:\"x\"; sid:1;)", "b\"; con", ""),
        ("alert dns any any -> any any (dns.query; dataset:isset,type,tipe string; sid:1;)", "tipe", "`type`"),
        (
            "alert tcp any any -> any any (threshold:type limit,track by_source,count 1,seconds 1; sid:1;)",
            "by_source",
            "`by_src`",
        ),
        ("alert http any any -> any any (dns.query; content:\"a\"; sid:1;)", "dns.query", ""),
    ] {
        let loaded = load_text(rule);
        let fault = loaded.faults.first().unwrap_or_else(|| panic!("loaded: {rule}"));
        let from = rule.find(wrong).unwrap();
        assert_eq!((fault.column as usize, &rule[from..from + wrong.len()]), (from + 1, wrong), "{rule}: {fault:?}");
        assert!(fault.length > 0 && fault.fault.hint.contains(hint), "{rule}: {fault:?}");
    }
}

#[test]
fn what_is_switched_off_cannot_be_asked_for() {
    for (options, loads) in [
        ("ja4.hash; content:\"x\";", false),
        ("ja3.hash; content:\"x\";", true),
        ("tls.sni; content:\"x\";", true),
        ("requires:feature ja4; ja4.hash; content:\"x\";", true),
    ] {
        let text = format!("alert tls any any -> any any ({options} sid:1;)");
        let environment = Environment { switched_off: vec!["ja4".into()], ..environment() };
        let loaded = load(&[Source { name: "t".into(), text }], &environment);
        assert_eq!(loaded.faults.is_empty(), loads, "{options} {:?}", loaded.faults);
    }
}

#[test]
fn hooks_are_those_of_packets_and_of_the_protocols_states() {
    for (head, loads) in [
        ("tcp:flow_start", true),
        ("ip:pre_flow", true),
        ("udp:pre_stream", true),
        ("ether:all", true),
        ("arp:all", true),
        ("http1:all", false),
        ("http1:request_line", true),
        ("tls:client_hello_done", true),
        ("ssh:request_banner_done", true),
        ("dns:request_complete", true),
        ("tcp:request_complete", false),
    ] {
        let loaded = load_text(&format!("alert {head} any any -> any any (sid:1;)"));
        assert_eq!(loaded.faults.is_empty(), loads, "{head} {:?}", loaded.faults);
    }
    for options in ["http.uri; content:\"x\";", "app-layer-event:http.request_line_missing_protocol;"] {
        assert!(!load_text(&format!("alert tcp:all any any -> any any ({options} sid:1;)")).faults.is_empty());
    }
    assert!(!load_text("alert tcp:pre_flow any any -> any any (flow:established; sid:1;)").faults.is_empty());
}
