use tapwire_parsers::link::{Packet, Timestamp};

use super::conditions::agree;
use super::{Look, Mark, Outcome};
use crate::builder::Environment;
use crate::language::load::{Source, load};
use crate::plan::Plan;
use crate::plan::order::ActionOrder;
use crate::rule::condition::PacketView;
use crate::state::flow::FlowState;
use crate::verify::packet::Occasion;
use crate::verify::{Evidence, Match, Matcher, Settings};

fn plan(rules: &[&str]) -> Plan {
    let environment = Environment { keep_labels: true, ..Environment::default() };
    let loaded = load(&[Source { name: "t".into(), text: rules.join("\n") }], &environment);
    assert!(loaded.faults.is_empty(), "{:?}", loaded.faults);
    Plan::new(loaded.set, &ActionOrder::default())
}

/// A datagram over IPv4 without link header.
fn datagram(payload: &[u8]) -> Vec<u8> {
    let length = |headers: usize| u16::try_from(headers + payload.len()).unwrap().to_be_bytes();
    let [total, udp] = [length(28), length(8)];
    let mut data = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    data.extend([0x10, 0, 0, 53, udp[0], udp[1], 0, 0]);
    data.extend(payload);
    data
}

/// What a plan says of one datagram: its matches, and the nearest looks at rule 0.
fn ask(plan: &Plan, payload: &[u8]) -> (Vec<Match>, Vec<Look>) {
    let data = datagram(payload);
    let packet = Packet::decode(1, Timestamp(0), 101, &data, u32::try_from(data.len()).unwrap(), false);
    let view = PacketView { packet: &packet, flow: None, stream_anomalies: &[], flow_anomalies: &[] };
    let mut matcher = Matcher::new(plan, Settings { evidence_pieces: 32, watch: Some((0, 10)), ..Settings::default() });
    let (mut state, mut matches) = (FlowState::default(), Vec::new());
    let occasion = Occasion { first: true, ..Occasion::default() };
    matcher.packet(plan, &view, occasion, &mut state, &mut matches);
    (matches, matcher.watch.take().unwrap().into_looks())
}

/// The conditions behind the header of the only look.
fn told(options: &str, payload: &[u8]) -> Vec<String> {
    let plan = plan(&[&format!("alert udp any any -> any any (msg:\"m\"; {options} sid:1;)")]);
    let (_, looks) = ask(&plan, payload);
    assert_eq!(looks.len(), 1, "{options}: {looks:?}");
    let behind = looks[0].conditions.iter().filter(|c| !c.text.starts_with("protocol "));
    let shown = behind.map(|condition| {
        let mark = match condition.mark {
            Mark::Held => "held",
            Mark::Failed => "FAILED",
            Mark::Open => "open",
            Mark::NotLooked => "-",
        };
        let bytes = condition.bytes.as_ref();
        let place = bytes.map_or(String::new(), |b| format!(" @{}+{}", b.offset, b.length));
        format!("{mark}{place} {}", condition.note).trim_end().to_owned()
    });
    shown.collect()
}

#[test]
fn the_attempt_that_came_furthest_is_told() {
    let table: &[(&str, &[u8], &[&str])] = &[
        (r#"content:"long pattern";"#, b"a long pattern", &["held @2+12"]),
        (r#"content:"long pattern"; depth:12;"#, b"long pattern", &["held @0+12"]),
        // The fast pattern occurs, though not where the content must stand.
        (
            r#"content:"long pattern"; depth:20; offset:1;"#,
            b"long pattern............",
            &["FAILED @0+0 occurs at 0, outside of 1 to 21"],
        ),
        (
            r#"content:"long pattern"; content:"b"; distance:1; within:2;"#,
            b"long pattern..xb",
            &["held @0+12", "FAILED @15+0 occurs at 15, outside of 13 to 15"],
        ),
        // The first occurrence leads nowhere; the second one comes as far as the number.
        (
            r#"content:"long pattern"; content:"k"; distance:0; within:1; byte_test:1,>,9,0,relative; content:"z";"#,
            b"long pattern.long patternk\x05",
            &["held @13+12", "held @25+1", "FAILED @26+0 the number at 26 is 5, and 5 > 9 is false", "-"],
        ),
        (
            r#"content:"long pattern"; content:!"evil";"#,
            b"long pattern evil",
            &["held @0+12", "FAILED @13+0 occurs at 13, and must not occur"],
        ),
        (
            r#"content:"long pattern"; pcre:"/[0-9]+x/R"; isdataat:!1,relative;"#,
            b"long pattern 12x.",
            &["held @0+12", "held @13+3", "FAILED @0+0 there is data at 17: the buffer has 17 bytes"],
        ),
        (
            r#"content:"long pattern"; base64_decode:relative; base64_data; content:"hello"; content:"b";"#,
            b"long patternaGVsbG8=",
            &["held @0+12", "held", "held", "held @0+5", "FAILED @0+0 does not occur in the buffer"],
        ),
        (r#"dsize:>90; content:"long pattern";"#, b"long pattern", &["FAILED", "-"]),
        (
            r#"flowbits:isset,never; content:"long pattern";"#,
            b"long pattern",
            &["FAILED not set in this flow; no rule that is loaded would set it", "-"],
        ),
    ];
    for (options, payload, expected) in table {
        assert_eq!(told(options, payload), *expected, "{options}");
    }
}

#[test]
fn a_match_carries_the_bytes_that_fulfilled_it() {
    let rule = r#"alert udp any any -> any 53 (msg:"m"; content:"AB"; content:"cd"; nocase; distance:0; within:2; content:!"zz"; byte_test:1,=,7,0; entropy:value >= 0; udp.hdr; to_lowercase; content:"|00|5"; sid:1;)"#;
    let plan = plan(&[rule]);
    let (matches, looks) = ask(&plan, b"\x07AB..ABCDxyz");
    let shown: Vec<(&str, u64, u64, bool)> =
        matches[0].evidence.iter().map(|e: &Evidence| (e.keyword, e.offset, e.length, e.transformed)).collect();
    let plain = [("content", 5, 2, false), ("content", 7, 2, false), ("byte_test", 0, 1, false)];
    assert_eq!(shown[..3], plain, "{shown:?}");
    assert!(shown.contains(&("content", 2, 2, true)), "{shown:?}");
    assert!(looks[0].outcome == Outcome::Matched && looks[0].conditions.iter().all(|c| c.mark == Mark::Held));
}

#[test]
fn evidence_has_a_limit() {
    let contents = "content:\"a\"; ".repeat(40);
    let plan = plan(&[&format!("alert udp any any -> any any (msg:\"m\"; {contents} sid:1;)")]);
    assert_eq!(ask(&plan, b"a").0[0].evidence.len(), 32);
}

#[test]
fn conditions_say_what_the_verifier_says() {
    let rules = [
        "alert udp any any -> any any (sid:1;)",
        "alert tcp any any -> any any (sid:2;)",
        "alert udp 10.0.0.2 53 <> any any (sid:3;)",
        "alert udp 10.0.0.2 any -> any any (sid:4;)",
        "alert udp any any -> any !53 (sid:5;)",
        "alert udp any any -> any any (flow:to_server; sid:6;)",
        "alert udp any any -> any any (flow:established; sid:7;)",
        "alert udp any any -> any any (flow:not_established; sid:8;)",
        "alert ip any any -> any any (dsize:2; flowbits:isnotset,a; flowint:n,isset; sid:9;)",
        "alert udp any any -> any any (app-layer-protocol:failed; sid:10;)",
        "alert http any any -> any any (sid:11;)",
        "alert udp any any -> any any (flow:only_frag; sid:12;)",
    ];
    let plan = plan(&rules);
    let data = datagram(b"ab");
    let packet = Packet::decode(1, Timestamp(0), 101, &data, u32::try_from(data.len()).unwrap(), false);
    let view = PacketView { packet: &packet, flow: None, stream_anomalies: &[], flow_anomalies: &[] };
    for rule in plan.entries().filter_map(|entry| entry.rule()) {
        assert!(agree(&plan, rule, &view, &FlowState::default()), "{}", rule.sid);
    }
}
