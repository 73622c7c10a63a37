//! A load that follows another one: what did not change is shared, and what flows, transactions and sets remember goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod request;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use request::Request;
use tapwire_parsers::link::Timestamp;
use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::load::Source;
use tapwire_signatures::language::loading::Loader;
use tapwire_signatures::plan::order::ActionOrder;
use tapwire_signatures::plan::{Changes, Plan};
use tapwire_signatures::rule::dataset::{Kind, Operation};
use tapwire_signatures::rule::files::Files;
use tapwire_signatures::state::hostbits::Parties;
use tapwire_signatures::state::shared::{Shared, Step};

/// Loads one text after the other, each of a file of its own.
struct Loads {
    loader: Loader,
    environment: Environment,
    plan: Option<Plan>,
}

impl Loads {
    fn new(environment: Environment) -> Self {
        Self { loader: Loader::default(), environment, plan: None }
    }

    /// Loads a text; the sids of the rules that are the very ones of the load before, and what else changed.
    fn next(&mut self, text: &str) -> (Vec<u32>, Changes) {
        let sources = [Source { name: "rules/test.rules".into(), text: text.into() }];
        let loaded = self.loader.load(&sources, &self.environment, self.plan.as_ref());
        assert!(loaded.faults.iter().all(|f| f.warning), "{:?}", loaded.faults);
        let before = self.plan.take().unwrap_or_default();
        let plan = Plan::after(&before, loaded.set, &ActionOrder::default());
        let rules = |plan: &Plan| (0..).map_while(|i| plan.rule(i).map(|r| (r.sid, std::ptr::from_ref(r)))).collect();
        let (old, new): (Vec<_>, Vec<_>) = (rules(&before), rules(&plan));
        let shared = new.into_iter().filter(|rule| old.contains(rule)).map(|rule| rule.0).collect();
        let changes = plan.changes_since(&before);
        self.plan = Some(plan);
        (shared, changes)
    }

    fn plan(&self) -> &Plan {
        self.plan.as_ref().unwrap()
    }
}

#[test]
fn only_rules_that_changed_are_read_again() {
    let mut loads = Loads::new(Environment::default());
    let rule = |sid: u32, content: &str| {
        format!("alert tcp any any -> any any (msg:\"x\"; content:\"{content}\"; sid:{sid};)\n")
    };
    loads.next(&[rule(1, "one"), rule(2, "two"), rule(3, "three")].concat());
    let (shared, changes) = loads.next(&[rule(9, "nine"), rule(1, "one"), rule(2, "zwei"), rule(3, "three")].concat());
    assert_eq!(shared, [1, 3]);
    assert_eq!(changes, Changes { added: 1, removed: 0, changed: 1, unchanged: 2 });
    let (shared, changes) = loads.next(&rule(3, "three"));
    assert_eq!((shared, changes.removed), (vec![3], 3));
    // Another meaning of a variable is another meaning of every rule.
    loads.environment.addresses.insert("HOME_NET".into(), "10.0.0.0/8".into());
    assert_eq!(loads.next(&rule(3, "three")).0, [0; 0]);
    assert_eq!(loads.next(&rule(3, "three")).0, [3]);
}

#[test]
fn names_keep_their_numbers() {
    let mut loads = Loads::new(Environment::default());
    let rule = |sid: u32, bit: &str| format!("alert tcp any any -> any any (flowbits:set,{bit}; sid:{sid};)\n");
    loads.next(&[rule(1, "a"), rule(2, "b")].concat());
    loads.next(&[rule(3, "c"), rule(2, "b")].concat());
    assert_eq!(loads.plan().names[0], ["a", "b", "c"]);
}

#[test]
fn a_set_is_read_again_when_its_file_changes() {
    let stamp = Arc::new(AtomicU64::new(1));
    let text = Arc::new(Mutex::new(String::from("YQ==\n")));
    let reads = Arc::new(AtomicU64::new(0));
    let (read, stamped, counted) = (Arc::clone(&text), Arc::clone(&stamp), Arc::clone(&reads));
    let files = Files::new(
        move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(read.lock().unwrap().clone().into_bytes())
        },
        |_| Ok(None),
    )
    .with_stamps(move |_| Some(stamped.load(Ordering::Relaxed)));
    let mut loads = Loads::new(Environment { files, ..Environment::default() });
    let rules = "alert http any any -> any any (http.host; dataset:isset,known,type string,load known.lst; sid:1;)\n\
        alert http any any -> any any (http.uri; dataset:isset,known; sid:2;)\n\
        alert http any any -> any any (http.uri; content:\"/x\"; sid:3;)\n";
    let first_values = |loads: &Loads| loads.plan().datasets[0].entries.len();
    loads.next(rules);
    assert_eq!(loads.next(rules).0, [1, 2, 3]);
    assert_eq!((first_values(&loads), reads.load(Ordering::Relaxed)), (1, 1));
    "YQ==\nYg==\n".clone_into(&mut text.lock().unwrap());
    stamp.store(2, Ordering::Relaxed);
    assert_eq!(loads.next(rules).0, [3]);
    assert_eq!((first_values(&loads), reads.load(Ordering::Relaxed), loads.plan().datasets.len()), (2, 2, 1));
    assert_eq!(loads.next(rules).0, [1, 2, 3]);
    // Another type is another set, in the same place.
    let (shared, _) = loads.next(&rules.replace("type string", "type sha256").replace(",load known.lst", ""));
    assert_eq!((shared, first_values(&loads), loads.plan().datasets.len()), (vec![3], 0, 1));
}

const BEGIN: &str = "POST /secret HTTP/1.1\r\n";
const HEADERS: &str = "Host: example.org\r\nContent-Length: 4\r\n\r\n";

fn rule(sid: u32, options: &str) -> String {
    format!("alert http any any -> any any ({options} sid:{sid};)\n")
}

#[test]
fn a_transaction_goes_on_under_the_next_plan() {
    let matched = rule(10, "http.uri; content:\"/secret\";");
    let waits = rule(20, "http.uri; content:\"/secret\"; http.host; content:\"example\";");
    let gone = rule(30, "http.uri; content:\"/secret\"; http.host; content:\"org\";");
    let mut loads = Loads::new(Environment::default());
    loads.next(&[&*matched, &waits, &gone].concat());
    let mut request = Request::new();
    let before = request.send(loads.plan(), BEGIN);
    // Rules before, between and behind the others, which they move: on what was there already, and on what comes.
    let there = rule(5, "http.method; content:\"POST\";");
    let both = rule(15, "http.uri; content:\"secret\"; http.host; content:\"example\";");
    let other = rule(40, "http.uri; content:\"/other\";");
    loads.next(&[&*there, &matched, &both, &waits, &other].concat());
    let after = request.send(loads.plan(), HEADERS);
    let mut all = [before, after].concat();
    all.sort_unstable();
    assert_eq!(all, [5, 10, 15, 20], "each once, and those that are gone not at all");
    assert_eq!(request.send(loads.plan(), "body"), [0; 0]);
}

#[test]
fn a_rule_on_request_and_response_matches_when_the_response_comes() {
    let both = |sid: u32, options: &str| format!("alert http any any => any any ({options} sid:{sid};)\n");
    let rules = [
        both(1, "http.uri; content:\"/secret\"; http.stat_code; content:\"200\";"),
        both(2, "http.uri; content:\"/secret\"; http.stat_code; content:\"404\";"),
        both(3, "urilen:7; http.server; content:\"x\";"),
        both(4, "http.uri; content:\"/other\"; http.stat_code; content:\"200\";"),
    ];
    let mut loads = Loads::new(Environment::default());
    loads.next(&rules.concat());
    let mut request = Request::new();
    assert_eq!(request.send(loads.plan(), &[BEGIN, HEADERS, "body"].concat()), [0; 0]);
    assert_eq!(request.answer(loads.plan(), "HTTP/1.1 200 OK\r\n"), [1]);
    assert_eq!(request.answer(loads.plan(), "Server: x\r\nContent-Length: 2\r\n\r\n"), [3]);
    assert_eq!(request.answer(loads.plan(), "ok"), [0; 0]);
}

#[test]
fn a_rule_on_files_matches_once_for_each_file() {
    let named = rule(10, "http.uri; content:\"/secret\"; filename:\"picture\";");
    let plain = rule(20, "http.uri; content:\"/secret\";");
    let mut loads = Loads::new(Environment::default());
    loads.next(&[&*named, &plain].concat());
    let mut request = Request::new();
    assert_eq!(request.send(loads.plan(), BEGIN), [20]);
    request.files.push("picture-1");
    assert_eq!(request.send(loads.plan(), HEADERS), [10]);
    assert_eq!(request.send(loads.plan(), "b"), [0; 0], "the same file");
    request.files.push("letter");
    assert_eq!(request.send(loads.plan(), "o"), [0; 0], "a file that it does not mean");
    loads.next(&[&*rule(5, "http.method; content:\"GET\";"), &*named, &plain].concat());
    request.files.push("picture-2");
    assert_eq!(request.send(loads.plan(), "d"), [10], "another file, under the next plan");
    assert_eq!(request.send(loads.plan(), "y"), [0; 0]);
}

#[test]
fn a_transaction_that_slept_through_reloads_is_found_again() {
    let mut loads = Loads::new(Environment::default());
    let (matched, late) = (rule(10, "http.uri; content:\"/secret\";"), rule(11, "http.host; content:\"example\";"));
    for (reloads, expected) in [(0, &[11][..]), (1, &[11]), (20, &[11]), (40, &[11])] {
        loads.next(&[&*matched, &late].concat());
        let mut request = Request::new();
        assert_eq!(request.send(loads.plan(), BEGIN), [10]);
        for reload in 0..reloads {
            loads.next(&[&*rule(reload % 3 + 1, "http.host; content:\"nothing\";"), &matched, &late].concat());
        }
        assert_eq!(request.send(loads.plan(), HEADERS), expected, "after {reloads} reloads");
    }
}

#[test]
fn a_set_keeps_what_rules_changed_of_it() {
    let mut loads = Loads::new(Environment { dataset_limit_bytes: 1 << 10, ..Environment::default() });
    let rule =
        |kind: &str| format!("alert http any any -> any any (http.host; dataset:set,seen,type {kind}; sid:1;)\n");
    loads.next(&rule("string"));
    let mut shared = Shared::new(&loads.plan().datasets);
    let [source, destination] = [1, 2].map(|host| IpAddr::from([10, 0, 0, host]));
    let parties = Parties { tenant: 0, source, destination };
    let decide = |loads: &Loads, shared: &mut Shared, operation| {
        let key = Kind::String.key(b"a").unwrap();
        let step = Step { section: 0, instance: 0, set: 0, operation, subdomains: false, key };
        shared.decide(loads.plan().rule(0).unwrap(), &[step], parties, Timestamp(0))
    };
    assert!(decide(&loads, &mut shared, Operation::Set));
    for (text, is_there) in [("", true), (&*rule("string"), true), (&*rule("md5"), false)] {
        loads.next(&[text, &plain_rule(2)].concat());
        shared.follow(&loads.plan().datasets);
        assert_eq!(decide(&loads, &mut shared, Operation::IsSet), is_there, "after {text:?}");
    }
}

fn plain_rule(sid: u32) -> String {
    format!("alert tcp any any -> any any (content:\"x\"; sid:{sid};)\n")
}

#[test]
fn a_rule_is_read_again_when_its_script_changes() {
    let stamp = Arc::new(AtomicU64::new(1));
    let stamped = Arc::clone(&stamp);
    let script = "function init(args) return {packet = true} end function match(args) return 1 end";
    let files = Files::new(move |_, _| Ok(script.as_bytes().to_vec()), |_| Ok(None));
    let files = files.with_stamps(move |_| Some(stamped.load(Ordering::Relaxed)));
    let mut loads = Loads::new(Environment { files, ..Environment::default() });
    let rules = "alert tcp any any -> any any (lua:own.lua; sid:1;)\n";
    loads.next(rules);
    assert_eq!(loads.next(rules).0, [1]);
    stamp.store(2, Ordering::Relaxed);
    assert_eq!(loads.next(rules).0, [0; 0]);
}

/// Rules of which edits choose; the same number and another digit is the same rule with another text.
fn choice(sid: u32, version: u32) -> String {
    let options = match (sid + version) % 6 {
        0 => "http.uri; content:\"/secret\";",
        1 => "http.uri; content:\"secret\"; http.host; content:\"example\"; flowbits:set,a;",
        2 => "http.host; content:\"org\"; flowbits:isset,a;",
        3 => "http.method; content:\"POST\"; flowbits:set,b;",
        4 => "http.uri; content:\"/other\";",
        _ => "http.request_body; content:\"body\";",
    };
    rule(100 + sid, options)
}

proptest! {
    #[test]
    fn any_edits_lead_to_what_a_fresh_load_gives(
        edits in proptest::collection::vec(proptest::collection::btree_map(0_u32..12, 0_u32..3, 0..12), 1..6),
        cuts in proptest::collection::vec(1_usize..40, 5),
    ) {
        let text = |edit: &BTreeMap<u32, u32>| edit.iter().map(|(&sid, &version)| choice(sid, version)).collect::<String>();
        let whole = [BEGIN, HEADERS, "body"].concat();
        let mut loads = Loads::new(Environment::default());
        loads.next(&text(&edits[0]));
        let (mut spanning, mut rest, mut matched) = (Request::new(), &*whole, Vec::new());
        // The first line is there before the first reload, for without it there is no transaction.
        matched.extend(spanning.send(loads.plan(), BEGIN));
        rest = &rest[BEGIN.len()..];
        for (edit, cut) in edits.iter().zip(cuts).skip(1) {
            loads.next(&text(edit));
            let (now, later) = rest.split_at(cut.min(rest.len()));
            matched.extend(spanning.send(loads.plan(), now));
            rest = later;
        }
        matched.extend(spanning.send(loads.plan(), rest));
        for sid in &matched {
            // It may match once each time that it comes, or comes back with another text.
            let versions: Vec<_> = edits.iter().map(|edit| edit.get(&(sid - 100))).collect();
            let first = usize::from(versions[0].is_some());
            let times = first + versions.windows(2).filter(|pair| pair[0] != pair[1] && pair[1].is_some()).count();
            prop_assert!(matched.iter().filter(|other| *other == sid).count() <= times, "{sid} of {matched:?}");
        }
        let mut fresh = Loads::new(Environment::default());
        fresh.next(&text(edits.last().unwrap()));
        let mut of_fresh = Request::new().send(fresh.plan(), &whole);
        let mut of_edited = Request::new().send(loads.plan(), &whole);
        of_fresh.sort_unstable();
        of_edited.sort_unstable();
        prop_assert_eq!(of_fresh, of_edited);
    }
}
