//! Rules of several tenants in one plan: each has its own variables, sids and sets, and none sees another's packets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what is wrong by failing")]

use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::cache::write;
use tapwire_signatures::language::load::{Loaded, Source};
use tapwire_signatures::language::loading::{Counts, Loader};
use tapwire_signatures::plan::{Changes, Plan};
use tapwire_signatures::rule::condition::PacketView;
use tapwire_signatures::state::flow::FlowState;
use tapwire_signatures::verify::packet::Occasion;
use tapwire_signatures::verify::{Matcher, Settings};

const RULES: &str = "alert udp $HOME any -> any any (content:\"x\"; sid:1;)\nalert udp any any -> any any (sid:2;)\n";

/// Nobody's and those of tenants 3 and 8: home is another network for each.
fn environments() -> [Environment; 3] {
    [(0, "10.0.0.0/8"), (3, "10.3.0.0/16"), (8, "10.8.0.0/16")].map(|(tenant, home)| Environment {
        tenant,
        addresses: [("HOME".to_owned(), home.to_owned())].into(),
        ..Environment::default()
    })
}

/// Loads rules of each environment.
fn load(loader: &mut Loader, texts: [&str; 3], before: Option<&Plan>) -> (Loaded, Vec<Counts>) {
    let environments = environments();
    let mut loading = loader.begin(&environments, before);
    let source = |text: &str| [Source { name: "own.rules".into(), text: text.into() }];
    let counts = texts.iter().enumerate().map(|(place, text)| loading.add(place, source(text))).collect();
    (loading.finish(), counts)
}

fn plan(loaded: Loaded) -> Plan {
    assert!(loaded.faults.is_empty(), "{:?}", loaded.faults);
    Plan::new(loaded.set, &Default::default())
}

/// Tenant and sid of the rules that match a datagram.
fn matched(plan: &Plan, tenant: u32, source: [u8; 4], payload: u8) -> Vec<(u32, u32)> {
    let [a, b, c, d] = source;
    let data = [0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, a, b, c, d, 10, 0, 0, 9, 1, 1, 0, 99, 0, 9, 0, 0, payload];
    let mut packet = Packet::decode(1, Timestamp(0), 101, &data, 29, false);
    packet.tenant = tenant;
    let view = PacketView { packet: &packet, flow: None, stream_anomalies: &[], flow_anomalies: &[] };
    let (mut matcher, mut matches) = (Matcher::new(plan, Settings::default()), Vec::new());
    let occasion = Occasion { first: true, ..Occasion::default() };
    matcher.packet(plan, &view, occasion, &mut FlowState::default(), &mut matches);
    matches.iter().map(|found| (plan.tenant(found.rule), plan.rule(found.rule).unwrap().sid)).collect()
}

#[test]
fn each_tenant_is_inspected_with_its_own_rules_and_variables() {
    let (loaded, counts) =
        load(&mut Loader::default(), [RULES, RULES, "alert udp $HOME any -> any any (sid:1;)"], None);
    assert_eq!(counts.iter().map(|counts| counts.loaded).collect::<Vec<_>>(), [2, 2, 1]);
    let plan = plan(loaded);
    assert_eq!(plan.len(), 5);
    for (tenant, source, expected) in [
        (0, [10, 3, 0, 1], &[(0, 1), (0, 2)][..]),
        (3, [10, 3, 0, 1], &[(3, 1), (3, 2)]),
        (3, [10, 8, 0, 1], &[(3, 2)]),
        (8, [10, 8, 0, 1], &[(8, 1)]),
        (8, [10, 3, 0, 1], &[]),
        (5, [10, 3, 0, 1], &[]),
    ] {
        assert_eq!(matched(&plan, tenant, source, b'x'), expected, "tenant {tenant}, {source:?}");
    }
}

#[test]
fn what_is_wrong_counts_for_its_tenant_and_the_same_sid_is_no_fault_across_them() {
    let twice = "alert udp any any -> any any (sid:1;)\nalert udp any any -> any any (sid:1; rev:2;)\n";
    let wrong = "alert udp any any -> any any (contnt:1; sid:1;)\n";
    let (loaded, counts) = load(&mut Loader::default(), [RULES, twice, wrong], None);
    let said: Vec<_> = counts.iter().map(|counts| (counts.loaded, counts.failed)).collect();
    assert_eq!(said, [(2, 0), (1, 0), (0, 1)]);
    assert_eq!(loaded.faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_reload_takes_what_did_not_change_of_each_tenant_from_the_plan_before() {
    let mut loader = Loader::default();
    let first = plan(load(&mut loader, [RULES; 3], None).0);
    let other = RULES.replace("sid:2;", "sid:2; rev:2;");
    let (loaded, _) = load(&mut loader, [RULES, &other, "alert udp any any -> any any (sid:7;)"], Some(&first));
    assert_eq!(loaded.unknown, 2, "the changed one of tenant 3, the new one of tenant 8");
    let second = Plan::after(&first, loaded.set, &Default::default());
    assert_eq!(second.changes_since(&first), Changes { added: 1, removed: 2, changed: 1, unchanged: 3 });
    assert_eq!(matched(&second, 8, [10, 8, 0, 1], b'x'), [(8, 7)]);
    assert_eq!(matched(&second, 3, [10, 3, 0, 1], b'x'), [(3, 1), (3, 2)]);
}

#[test]
fn the_cache_knows_the_rules_of_each_tenant() {
    let left = write(&plan(load(&mut Loader::default(), [RULES; 3], None).0), "tapwire 1", &[7; 32]);
    let mut loader = Loader::default();
    assert!(loader.recall(&left, "tapwire 1", &[7; 32]));
    let (loaded, _) = load(&mut loader, [RULES; 3], None);
    assert_eq!((loaded.unknown, loaded.set.rules.len()), (0, 6));
    let plan = plan(loaded);
    assert_eq!(matched(&plan, 3, [10, 8, 0, 1], b'x'), [(3, 2)]);
    assert_eq!(matched(&plan, 8, [10, 8, 0, 1], b'x'), [(8, 1), (8, 2)]);
}

#[test]
fn sets_of_the_same_name_are_different_ones() {
    let rule = |kind: &str| format!("alert dns any any -> any any (dns.query; dataset:set,seen,type {kind}; sid:1;)\n");
    let mut loader = Loader::default();
    let texts = [rule("string"), rule("string"), rule("md5")];
    let (loaded, _) = load(&mut loader, texts.each_ref().map(String::as_str), None);
    let plan = plan(loaded);
    let sets: Vec<_> = plan.datasets.iter().map(|set| (set.tenant, &*set.name, usize::from(set.index))).collect();
    assert_eq!(sets, [(0, "seen", 0), (3, "seen", 1), (8, "seen", 2)]);
    let (again, _) = load(&mut loader, texts.each_ref().map(String::as_str), Some(&plan));
    assert_eq!((again.set.datasets.len(), again.unknown), (3, 0), "{:?}", again.faults);
}
