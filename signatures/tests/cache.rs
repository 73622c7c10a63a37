//! What one run leaves to the next one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

use std::fmt::Write;

use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::cache::write;
use tapwire_signatures::language::load::{Loaded, Source};
use tapwire_signatures::language::loading::Loader;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::plan::order::ActionOrder;
use tapwire_signatures::rule::files::Files;

const PROGRAM: &str = "tapwire 1";
const KEY: [u8; 32] = [7; 32];

const RULES: &str = r#"
alert http $HOME any -> any any (msg:"a"; http.uri; url_decode; content:"/evil"; pcre:"/x+/U"; flowbits:set,first; sid:1; rev:2;)
pass tcp any any -> any [80,443] (msg:"b"; flow:established,to_server; content:"abcdefgh"; depth:20; flowbits:isset,second; sid:2;)
alert ip [192.0.2.0/24,2001:db8::/32] any -> any any (msg:"c"; sid:3;)
alert dns any any <> any any (msg:"d"; dns.query; content:"example"; tag:host,5,packets,src; priority:1; sid:4;)
alert tcp any any -> any any (msg:"e"; flowbits:set,second; content:"|00 01|"; flags:S; threshold:type limit, track by_src, count 1, seconds 60; sid:5;)
alert http any any => any any (msg:"f"; http.uri; content:"/q"; http.stat_code; content:"200"; sid:6;)
alert http any any -> any any (msg:"g"; http.host; dataset:isset,known,type string,load known.lst; sid:7;)
alert smb any any -> any any (msg:"h"; content:"later"; sid:8;)
alert tcp any any -> any any (msg:"wrong"; contnt:"x"; sid:9;)
"#;

fn environment() -> Environment {
    let files = Files::new(|_, _| Ok(b"YQ==\n".to_vec()), |_| Ok(None));
    let mut environment = Environment { files, ..Environment::default() };
    environment.addresses.insert("HOME".into(), "10.0.0.0/8".into());
    environment
}

fn load(loader: &mut Loader, text: &str, environment: &Environment) -> Loaded {
    loader.load(&[Source { name: "t.rules".into(), text: text.into() }], environment, None)
}

fn plan(loaded: Loaded) -> Plan {
    Plan::new(loaded.set, &ActionOrder::default())
}

/// All that a plan says of its rules, and what they say themselves.
fn shown(plan: &Plan) -> String {
    let mut text = format!("{:?} {:?} {:?} {}\n", plan.names, plan.fields, plan.tags_hosts, plan.prefilter_bytes());
    for index in 0..u32::try_from(plan.len()).unwrap() {
        let rule = plan.rule(index).unwrap();
        let _ = writeln!(
            text,
            "{:?} {:?} {:?}",
            plan.kind(index),
            plan.estimate(index),
            (rule.sid, rule.rev, &rule.message)
        );
        let _ = writeln!(text, "{:?} {:?} {:?}", rule.source, rule.flowbits, rule.sections);
    }
    text
}

#[test]
fn the_next_run_knows_the_rules_again() {
    let environment = environment();
    let first = load(&mut Loader::default(), RULES, &environment);
    assert_eq!((first.unknown, first.faults.len()), (7, 1));
    let later = first.later.clone();
    let first = plan(first);
    let left = write(&first, PROGRAM, &KEY);

    let mut loader = Loader::default();
    assert!(loader.recall(&left, PROGRAM, &KEY));
    let second = load(&mut loader, RULES, &environment);
    assert_eq!((second.unknown, second.faults.len()), (0, 1), "the wrong one is wrong again");
    assert_eq!(second.later, later);
    assert_eq!(shown(&plan(second)), shown(&first));

    // A rule that is new is the only one that is read.
    let mut loader = Loader::default();
    loader.recall(&left, PROGRAM, &KEY);
    let more = format!("alert tcp any any -> any any (flowbits:set,third; content:\"z\"; sid:90;)\n{RULES}");
    let more = load(&mut loader, &more, &environment);
    assert_eq!(more.unknown, 1);
    assert_eq!(plan(more).names[0], ["first", "second", "third"]);
}

#[test]
fn what_does_not_fit_is_not_used() {
    let mut other = environment();
    let left = write(&plan(load(&mut Loader::default(), RULES, &other)), PROGRAM, &KEY);
    for damaged in 0..left.len() {
        let mut bytes = left.clone();
        bytes[damaged] ^= 1;
        assert!(!Loader::default().recall(&bytes, PROGRAM, &KEY), "{damaged}");
    }
    assert!(!Loader::default().recall(&left[..left.len() - 1], PROGRAM, &KEY));
    assert!(!Loader::default().recall(&[], PROGRAM, &KEY));
    // Who can write the cache and does not have the key.
    assert!(!Loader::default().recall(&left, PROGRAM, &[8; 32]));
    assert!(!Loader::default().recall(&left, "tapwire 2", &KEY));
    other.addresses.insert("HOME".into(), "172.16.0.0/12".into());
    let mut loader = Loader::default();
    assert!(loader.recall(&left, PROGRAM, &KEY));
    assert_eq!(load(&mut loader, RULES, &other).unknown, 7, "a variable means something else");
}
