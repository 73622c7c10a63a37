use std::fs;

use super::*;
use crate::start::config::{Given, Loaded, load};

/// What a main configuration and files of tenants beside it say.
fn read(main: &str, files: &[(&str, &str)], set: &[(&str, &str)]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().chain([&("main.yaml", main)]) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let set: Vec<_> = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    load(Given { file: Some(&folder.path().join("main.yaml")), set: &set, over: &[] }).unwrap()
}

const ONE: (&str, &str) = ("one.yaml", "rule-files: [one.rules]\nvars: {address-groups: {HOME_NET: 10.1.0.0/16}}\n");
const TWO: (&str, &str) = ("two.yaml", "default-rule-path: /two\nrule-files: [two.rules]\nthreshold-file: two.conf\n");

const MAIN: &str = "default-rule-path: /main
rule-files: [main.rules]
threshold-file: main.conf
vars: {address-groups: {HOME_NET: 10.0.0.0/8, PRINTERS: 10.9.0.0/16}}
multi-detect:
  enabled: yes
  selector: vlan
  loaders: 3
  tenants:
  - id: 2
    yaml: two.yaml
  - tenant:
      id: 1
      yaml: one.yaml
  mappings:
  - vlan-id: 1000
    tenant-id: 1
  - vlan:
      vlan-id: 20
      tenant-id: 2
";

#[test]
fn tenants_have_their_own_words_and_those_of_all() {
    let Loaded { configuration, faults, warnings, .. } =
        read(MAIN, &[ONE, TWO], &[("multi-detect.1.default-rule-path", "/one")]);
    assert_eq!((faults, warnings), (vec![], vec![]));
    let tenancy = configuration.tenancy.unwrap();
    assert!(
        tenancy.default_rules
            && matches!(&tenancy.selector, Selector::Vlan(map) if *map == [(20, 2), (1000, 1)].into())
    );
    let [one, two] = &tenancy.tenants[..] else { panic!("there are two") };
    assert_eq!((one.id, two.id), (1, 2));
    let said = |tenant: &Tenant| {
        let c = &tenant.configuration;
        let path = |path: &Option<PathBuf>| path.as_ref().unwrap().display().to_string();
        let network = |name: &str| c.address_groups[name].clone();
        (path(&c.rule_path), c.rule_files.concat(), path(&c.threshold_file), network("HOME_NET"), network("PRINTERS"))
    };
    let expected = |of: [&str; 5]| {
        let [a, b, c, d, e] = of.map(str::to_owned);
        (a, b, c, d, e)
    };
    assert_eq!(said(one), expected(["/one", "one.rules", "main.conf", "10.1.0.0/16", "10.9.0.0/16"]));
    assert_eq!(said(two), expected(["/two", "two.rules", "two.conf", "10.0.0.0/8", "10.9.0.0/16"]));
    assert_eq!(read(MAIN, &[ONE, TWO], &[("multi-detect.enabled", "no")]).configuration.tenants().len(), 0);
}

#[test]
fn the_other_selectors_read_what_they_need() {
    let devices = MAIN.replace("vlan-id: 1000", "device: eth0").replace("      vlan-id: 20", "      device: eth1");
    let devices = read(&devices, &[ONE, TWO], &[("multi-detect.selector", "device"), ("multi-detect.default", "no")]);
    let tenancy = devices.configuration.tenancy.unwrap();
    assert!(matches!(&tenancy.selector, Selector::Device(map) if map["eth0"] == 1 && map["eth1"] == 2));
    assert!(!tenancy.default_rules && devices.faults.is_empty(), "{:?}", devices.faults);
    for (said, expected, count) in [("2", Some(2), 0), ("none", None, 0), ("7", None, 1)] {
        let set = [("multi-detect.selector", "direct"), ("pcap-file.tenant-id", said)];
        let Loaded { configuration, faults, .. } = read(MAIN, &[ONE, TWO], &set);
        let Selector::Direct(tenant) = configuration.tenancy.unwrap().selector else { panic!("{said}") };
        assert_eq!((tenant, faults.len()), (expected, count), "{said}");
    }
}

#[test]
fn what_cannot_be_right_is_told_with_its_place_and_the_rest_is_used() {
    for (old, new, line, message) in [
        ("id: 2\n", "id: zero\n", 10, "a tenant needs a number"),
        ("id: 1\n", "id: 2\n", 13, "tenant 2 is there twice"),
        ("yaml: one.yaml", "yaml: lost.yaml", 14, "the file of tenant 1, lost.yaml, cannot be read"),
        ("      yaml: one.yaml\n", "", 13, "tenant 1 has no file"),
        ("yaml: one.yaml", "yaml: odd.yaml", 2, "invalid"),
        ("tenant-id: 1", "tenant-id: 9", 17, "there is no tenant `9`"),
        ("vlan-id: 1000", "vlan-id: 4095", 16, "from 1 to 4094"),
        ("vlan-id: 20", "vlan-id: 1000", 19, "belongs to a tenant already"),
        ("vlan-id: 1000", "device: eth0", 16, "a mapping needs `vlan-id` and `tenant-id`"),
        ("selector: vlan", "selector: port", 7, "what tells tenants apart is missing"),
        ("  selector: vlan\n", "", 6, "what tells tenants apart is missing"),
    ] {
        assert!(MAIN.contains(old), "{old}");
        let odd = ("odd.yaml", "rule-files: [x]\nvars: [}\n");
        let Loaded { configuration, faults, .. } = read(&MAIN.replace(old, new), &[ONE, TWO, odd], &[]);
        let found = faults.iter().find(|fault| fault.message.contains(message) || fault.file.ends_with("odd.yaml"));
        let found = found.unwrap_or_else(|| panic!("{new}: {faults:?}"));
        assert_eq!(found.line, line, "{found:?}");
        assert!(!found.hint.is_empty() && configuration.tenants().iter().any(|tenant| tenant.id < 3), "{found:?}");
    }
    let Loaded { faults, .. } = read(&format!("{MAIN}vlan:\n  use-for-tracking: no\n"), &[ONE, TWO], &[]);
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [22], "{faults:?}");
}

#[test]
fn what_is_ignored_is_named() {
    let one = ("one.yaml", "rule-files: [a]\ndetect: {profile: low}\noutputs: []\n");
    let two = ("two.yaml", "default-rule-path: /two\n");
    let Loaded { faults, warnings, .. } = read(MAIN, &[one, two], &[("multi-detect.7.rule-files", "x")]);
    assert!(faults.is_empty(), "{faults:?}");
    let told: Vec<&str> = warnings.iter().map(|warning| &*warning.message).collect();
    for part in ["`outputs` cannot be another one", "tenant 2 has no rules", "`multi-detect.7` is not known"] {
        assert!(told.iter().any(|told| told.contains(part)), "{part} in {told:?}");
    }
    assert_eq!(told.len(), 3, "{told:?}");
    let alone = MAIN.replace("tenant-id: 2", "tenant-id: 1");
    let Loaded { warnings, .. } = read(&alone, &[ONE, TWO], &[]);
    assert!(warnings.len() == 1 && warnings[0].message.contains("no packet belongs to tenant 2"), "{warnings:?}");
}
