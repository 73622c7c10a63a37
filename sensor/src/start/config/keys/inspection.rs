//! Keys of rules: what they are read from and with, and how they are asked.

use super::{Key, idle, number, size, switch, used, value};

const BUILT_IN: &str = "the sensor chooses that";

pub(super) static KEYS: &[Key] = &[
    used(
        "vars.address-groups.NAME",
        |_| {
            "`HOME_NET` is the private networks of IPv4, `EXTERNAL_NET` all others; servers and clients are `$HOME_NET`, `AIM_SERVERS` `$EXTERNAL_NET`".into()
        },
        "Addresses that rules call `$NAME`. A value that means nothing keeps a run from starting.",
    ),
    used("vars.port-groups.NAME", |_| "`HTTP_PORTS` is 80, and so on".into(), "Ports that rules call `$NAME`."),
    used("default-rule-path", |_| "the current folder".into(), "Folder of rule files, and of what rules name."),
    used("rule-files", |_| "none".into(), "Files, folders and patterns of rules. `--rules` goes before it."),
    used(
        "classification-file",
        |_| "`classification.config` beside the rules, else the classes that public rule sets use".into(),
        "Classes of rules with their priorities.",
    ),
    used(
        "reference-config-file",
        |_| "`reference.config` beside the rules, else the kinds that public rule sets use".into(),
        "Kinds of references with their addresses.",
    ),
    used("threshold-file", |_| "none".into(), "Thresholds and suppressions beside the rules."),
    used(
        "action-order",
        |_| value("[pass, drop, reject, alert]"),
        "The order in which rules of each action are asked: `pass`, `drop`, `reject` and `alert`, each once.",
    ),
    used(
        "packet-alert-max",
        |c| number(c.alert_limit as u64),
        "Alerts of one packet. Further ones are counted (`detect.alert_queue_overflow`).",
    ),
    used(
        "asn1-max-frames",
        |c| number(c.asn1_elements.into()),
        "Elements of ASN.1 that a rule looks at in one buffer.",
    ),
    used("geoip-database", |_| "none".into(), "Database of countries for `geoip`, in MaxMind's format."),
    used("reputation-categories-file", |_| "none".into(), "Categories of reputation for `iprep`."),
    used("default-reputation-path", |_| "the current folder".into(), "Folder of `reputation-files`."),
    used("reputation-files", |_| "none".into(), "Lists of addresses with their scores."),
    used(
        "datasets.NAME",
        |_| "none".into(),
        "A set that rules know by this name, with the members of the keyword `dataset`: `type`, `load`, `save`, `state`, `memcap`, `hashsize`; with `enabled: no` it is not there.",
    ),
    used(
        "datasets.defaults.memcap",
        |c| size(c.datasets.limit_bytes),
        "Bytes of values that rules may add to a set that says nothing of it.",
    ),
    idle("datasets.defaults.hashsize", "Size of the table of a set.", "it grows as it needs to"),
    used(
        "datasets.rules.allow-absolute-filenames",
        |c| switch(c.datasets.absolute_names),
        "Rules may name files that sets are kept in by absolute paths; files that sets are loaded from may be anywhere.",
    ),
    used(
        "datasets.rules.allow-write",
        |c| switch(c.datasets.kept_by_rules),
        "Rules may keep sets in files (`save`, `state`); without it, such rules are refused.",
    ),
    used(
        "datasets.save-directory",
        |_| "the folder of data".into(),
        "The folder that sets are kept in; a relative one is below the folder of data.",
    ),
    idle("datasets.limits", "Sizes of the tables of sets.", "they grow as they need to"),
    used(
        "datasets.enabled",
        |c| switch(c.datasets.enabled),
        "Sets are used; without it, rules that ask for one are refused.",
    ),
    used(
        "flowbits.max-per-signature",
        |c| number(c.flowbit_limit as u64),
        "`flowbits` that a rule may have; also as `detect.flowbits.max-per-signature`.",
    ),
    used(
        "detect.flowbits.max-per-signature",
        |c| number(c.flowbit_limit as u64),
        "The same as `flowbits.max-per-signature`, which goes before it.",
    ),
    used(
        "detect.guess-applayer-tx",
        |c| switch(c.guess_transaction),
        "An alert on raw bytes shows the transaction of its direction, where only one is open.",
    ),
    used(
        "detect.sgh-mpm-caching",
        |c| switch(c.rule_cache.enabled),
        "What was found out about rules is left for the next start ([reload](reload.md)).",
    ),
    used(
        "detect.sgh-mpm-caching-path",
        |_| "`cache` in the folder of data, if one is said".into(),
        "The folder for that.",
    ),
    idle("detect.profile", "How many groups of rules there are.", "rules are grouped by what they have in common"),
    idle("detect.custom-values", "Numbers of groups of rules.", "rules are grouped by what they have in common"),
    idle("detect.sgh-mpm-context", "Whether groups of rules share tables.", BUILT_IN),
    idle(
        "detect.sgh-mpm-caching-max-age",
        "Age at which what was left is removed.",
        "there is one file, which is written anew",
    ),
    idle(
        "detect.inspection-recursion-limit",
        "Steps of matching on a packet.",
        "fuel bounds them ([limits](limits.md))",
    ),
    idle("detect.delayed-detect", "Packets are taken before rules are read.", "packets are taken once rules are read"),
    idle("detect.prefilter", "What rules are found by.", BUILT_IN),
    idle("detect.grouping", "Ports that rules are grouped by.", "rules are grouped by what they have in common"),
    idle("detect.thresholds", "Memory for thresholds.", "a fixed number is followed ([limits](limits.md))"),
    idle(
        "detect.tcp-whitelist",
        "An older name of `detect.grouping`.",
        "rules are grouped by what they have in common",
    ),
    idle(
        "detect.udp-whitelist",
        "An older name of `detect.grouping`.",
        "rules are grouped by what they have in common",
    ),
    idle("detect.stream-tx-log-limit", "Transactions that are recorded for alerts on raw bytes.", "an alert shows one"),
    idle("detect.profiling", "What groups of rules cost.", "`tapwire rules profile` measures what rules cost"),
    idle("app-layer-events", "An older name of rules on anomalies.", "rules name them"),
    used("security.lua.allow-rules", |c| switch(c.scripts.allow_rules), "Rules may have scripts."),
    used(
        "security.lua.max-bytes",
        |c| format!("{} bytes", number(c.scripts.max_bytes as u64)),
        "Memory of a script; 0 for any.",
    ),
    used(
        "security.lua.max-instructions",
        |c| number(c.scripts.max_instructions.into()),
        "Instructions of one call of a script; 0 for any number.",
    ),
    used(
        "security.lua.allow-restricted-functions",
        |c| switch(c.scripts.allow_restricted),
        "Scripts may catch errors and change metatables ([scripts](scripts.md)).",
    ),
    used("multi-detect.enabled", |_| switch(false), "There are tenants ([tenants](tenants.md))."),
    used(
        "multi-detect.selector",
        |_| "none".into(),
        "What tells tenants apart: `vlan`, `device` (the interface) or `direct` (`pcap-file.tenant-id`).",
    ),
    used(
        "multi-detect.default",
        |_| switch(true),
        "Packets of no tenant are inspected with the rules of the main configuration.",
    ),
    used(
        "multi-detect.config-path",
        |_| "the current folder, else that of the main configuration".into(),
        "Folder of the configurations of tenants.",
    ),
    used("multi-detect.tenants.N.id", |_| String::new(), "The number of a tenant, from 1 on."),
    used(
        "multi-detect.tenants.N.yaml",
        |_| String::new(),
        "The configuration of a tenant: `vars`, `rule-files` and what else rules are read with.",
    ),
    used(
        "multi-detect.mappings.N.vlan-id",
        |_| String::new(),
        "A VLAN, from 1 to 4094, whose packets are those of `tenant-id`.",
    ),
    used("multi-detect.mappings.N.device", |_| String::new(), "An interface whose packets are those of `tenant-id`."),
    used("multi-detect.mappings.N.tenant-id", |_| String::new(), "The number of the tenant."),
    used(
        "multi-detect.ID",
        |_| "none".into(),
        "What goes before the configuration of the tenant of this number, for `--set`.",
    ),
    idle("multi-detect.loaders", "Threads that read rules of tenants.", BUILT_IN),
    idle("tenants", "An older place of `multi-detect.tenants`.", "write the newer one"),
    idle("detect-engine", "An older name of `detect`.", "write the newer one"),
    idle("delayed-detect", "An older place of `detect.delayed-detect`.", "packets are taken once rules are read"),
    idle("mpm-algo", "The algorithm that looks for many patterns at once.", BUILT_IN),
    idle("spm-algo", "The algorithm that looks for one pattern.", BUILT_IN),
    idle("pcre", "Limits of regular expressions.", "fuel bounds them ([limits](limits.md))"),
    idle("luajit", "States of Lua that are made at the start.", "they are made as they are needed"),
    idle("lua", "An older place of `security.lua`.", "write the newer one"),
    idle("hostbits", "Memory for what rules remember of hosts.", "a fixed number is kept ([limits](limits.md))"),
    idle("iprep", "An older place of the files of reputation.", "`reputation-files` has them"),
    idle("rules", "An older place of `rule-files`.", "write the newer one"),
];
