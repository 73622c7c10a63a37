//! Sets of values as rules name them: their files, what is odd in those, and what rules may do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::load::{Loaded, Source, load};
use tapwire_signatures::rule::files::Files;

/// Loads a rule of `rules/site.rules` that looks at a name. Each file holds one right value, a wrong one and its own name.
fn loaded(options: &str, change: impl FnOnce(&mut Environment)) -> Loaded {
    let files = Files::new(
        |rule_file, name| Ok(format!("YQ==\n?\n# {rule_file} {name}\n").into_bytes()),
        |name| Ok(Some(format!("YQ==\n# {name}\n").into_bytes())),
    );
    let mut environment = Environment { files, ..Environment::default() };
    change(&mut environment);
    let text = format!("alert dns any any -> any any (dns.query; {options} sid:1;)");
    load(&[Source { name: "rules/site.rules".into(), text }], &environment)
}

#[test]
fn what_is_wrong_in_a_file_is_passed_over_and_told() {
    for options in ["dataset:isset,s,type string,load s.lst;", "dataset:isset,s,type string,load s.lst,format csv;"] {
        let loaded = loaded(options, |_| {});
        assert_eq!((loaded.set.rules.len(), loaded.set.datasets[0].entries.len()), (1, 1));
        let [warning] = loaded.faults.as_slice() else { panic!("{:?}", loaded.faults) };
        assert!(warning.warning && warning.fault.message.starts_with("s.lst:2: `?` is no base64"), "{warning:?}");
    }
    let defined = loaded("dataset:isset,s;", |e| e.datasets = vec!["s,type string,load s.lst".into()]);
    assert!(defined.set.rules.len() == 1 && defined.faults[0].warning, "{:?}", defined.faults);
    let wrong = loaded("dataset:isset,s,type ipv4,load s.lst;", |_| {});
    assert!(wrong.set.rules.is_empty() && !wrong.faults[0].warning, "nothing in it is right");
}

#[test]
fn rules_read_any_file_and_write_where_they_may() {
    type Change = fn(&mut Environment);
    let anywhere: Change = |e| e.absolute_dataset_names = true;
    let nowhere: Change = |e| e.kept_datasets = false;
    let off: Change = |e| e.uses_datasets = false;
    let plain: Change = |_| {};
    for (options, change, wrong) in [
        ("load /lists/s.lst", plain, ""),
        ("load ../lists/s.lst", plain, ""),
        ("state s.lst", plain, ""),
        ("load /lists/s.lst,save s.lst", plain, ""),
        ("state /lists/s.lst", plain, "`/lists/s.lst` leads out"),
        ("save ../s.lst", plain, "`../s.lst` leads out"),
        ("load /lists/s.lst,save /lists/t.lst", plain, "`/lists/t.lst` leads out"),
        ("state /lists/s.lst", anywhere, ""),
        ("load s.lst", nowhere, ""),
        ("state s.lst", nowhere, "may not keep"),
        ("load s.lst,save t.lst", nowhere, "may not keep"),
        ("load s.lst", off, "switched off"),
    ] {
        let loaded = loaded(&format!("dataset:isset,s,type string,{options};"), change);
        let faults: Vec<_> = loaded.faults.iter().filter(|f| !f.warning).map(|f| f.fault.message.clone()).collect();
        assert_eq!(faults.is_empty(), wrong.is_empty(), "{options} {faults:?}");
        assert!(faults.iter().all(|message| message.contains(wrong)), "{options} {faults:?}");
    }
}

#[test]
fn a_rule_has_as_many_flowbits_as_the_configuration_allows() {
    let bits: String = (0..9).map(|n| format!("flowbits:set,b{n};")).collect();
    let count = |limit: Option<usize>| {
        let change = |e: &mut Environment| e.flowbit_limit = limit.unwrap_or(e.flowbit_limit);
        loaded(&format!("content:\"x\"; {bits}"), change).set.rules.len()
    };
    assert_eq!([count(None), count(Some(9)), count(Some(8))], [0, 1, 0]);
}
