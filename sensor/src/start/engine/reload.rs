//! Rules that are read again while packets are inspected.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tapwire_parsers::link::Timestamp;

use super::{Again, Found, Prepared, Reloaded, Requests, RuleCounts};
use crate::inspect::Engine;
use crate::run::Active;
use crate::start::cli::Common;
use crate::start::config::{self, Configuration, Problem, Severity};

/// How often somebody who asks for a reload, or for the end, is listened to.
const NAP: Duration = Duration::from_millis(100);

/// Reads rules again when it is asked to or when their files changed, and puts them in the place of those before.
pub struct Reloader {
    common: Common,
    /// As at the start. A reload takes what concerns rules from its file again, and nothing else.
    configuration: Configuration,
    active: Arc<Active>,
    again: Again,
    /// Problems that were told already.
    told: HashSet<u64>,
    /// Files that could not be read at the last load.
    unread: usize,
    /// Engines that workers may still hold: the last one to let go of one is here, for it takes its time.
    retired: Vec<Arc<Engine>>,
}

impl Reloader {
    /// A reloader of what was prepared, and of which everything was told.
    pub fn new(common: &Common, prepared: Prepared) -> Self {
        let Prepared { configuration, engine, found, again, .. } = prepared;
        let (common, active) = (common.clone(), Active::new(engine));
        let mut reloader =
            Self { common, configuration, active, again, told: HashSet::new(), unread: found.unread, retired: vec![] };
        reloader.news(&found);
        reloader
    }

    /// The rules of the moment.
    pub fn active(&self) -> Arc<Active> {
        Arc::clone(&self.active)
    }

    /// Waits for a request, or for files to change, and reloads, until `stop` is set. `say` is given the lines that tell of it, as
    /// are those who asked.
    pub fn run(mut self, requests: &Requests, stop: &AtomicBool, say: &dyn Fn(&str)) {
        let interval = Duration::from_secs(u64::from(self.configuration.rule_watch.interval_s));
        let mut looked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(NAP);
            let before = self.retired.len();
            self.retired.retain(|engine| Arc::strong_count(engine) > 1);
            if self.retired.len() < before {
                give_back();
            }
            let (signal, waiting) = requests.take();
            let mut due = signal || !waiting.is_empty();
            if self.configuration.rule_watch.enabled && looked.elapsed() >= interval {
                looked = Instant::now();
                due |= self.again.is_due(&self.common, &self.configuration);
            }
            if due {
                let lines = RefCell::new(Vec::new());
                let rules = self.reload(&|line| {
                    say(line);
                    lines.borrow_mut().push(line.to_owned());
                });
                if rules.is_none() {
                    // What was read and refused is gone by now.
                    give_back();
                }
                let answer = Reloaded { done: rules.is_some(), lines: lines.into_inner() };
                rules.into_iter().for_each(|rules| requests.note(rules));
                // Who does not wait any more is not told.
                waiting.iter().for_each(|waiting| drop(waiting.try_send(answer.clone())));
            }
        }
    }

    /// Reads everything again; the rules that are in use from now on, where they may be.
    fn reload(&mut self, say: &dyn Fn(&str)) -> Option<RuleCounts> {
        let start = Instant::now();
        let mut found = Found::default();
        match config::load(self.common.given()) {
            Ok(config::Loaded { configuration, faults, warnings, .. }) => {
                self.take_over(configuration);
                (found.faults, found.warnings) = (faults, warnings);
            }
            Err(problems) => {
                problems.iter().for_each(|problem| say(&problem.render(Severity::Error)));
                return self.refuse("the configuration cannot be used", say);
            }
        }
        let before = self.active.engine();
        let (mut engine, rules) = self.again.engine(&self.common, &self.configuration, Some(&before), &mut found);
        self.news(&found).iter().for_each(|line| say(line));
        if found.unread > self.unread {
            // A folder that is being replaced is not there for a moment.
            return self.refuse("there are rule files that cannot be read", say);
        }
        if self.common.strict && !found.faults.is_empty() {
            let count = found.faults.len();
            return self.refuse(&format!("there are {count} problems, and --strict was given"), say);
        }
        if rules.none_is_right(found.unread) {
            return self.refuse("none of the new ones can be used", say);
        }
        self.unread = found.unread;
        engine.tenants.note_reload(now());
        let changes = engine.plan.changes_since(&before.plan);
        self.retired.push(self.active.replace(Arc::new(engine)));
        if !self.common.quiet {
            say(&format!(
                "rules reloaded in {:.2} s: {} added, {} removed, {} changed, {} as before, {} refused",
                start.elapsed().as_secs_f64(),
                changes.added,
                changes.removed,
                changes.changed,
                changes.unchanged,
                rules.failed
            ));
        }
        Some(rules)
    }

    fn refuse(&mut self, reason: &str, say: &dyn Fn(&str)) -> Option<RuleCounts> {
        self.active.note_refused();
        say(&format!("error: the rules stay as they were: {reason}"));
        None
    }

    /// Takes what rules are read with out of a configuration.
    fn take_over(&mut self, fresh: Configuration) {
        let own = &mut self.configuration;
        (own.address_groups, own.port_groups) = (fresh.address_groups, fresh.port_groups);
        (own.rule_path, own.rule_files) = (fresh.rule_path, fresh.rule_files);
        own.classification_file = fresh.classification_file;
        own.reference_config_file = fresh.reference_config_file;
        own.threshold_file = fresh.threshold_file;
        own.action_order = fresh.action_order;
        (own.datasets, own.reputation, own.countries) = (fresh.datasets, fresh.reputation, fresh.countries);
        own.tenancy = fresh.tenancy;
    }

    /// The problems that were not there at the load before, as lines.
    fn news(&mut self, found: &Found) -> Vec<String> {
        let errors = found.faults.iter().chain(&found.lines).map(|problem| (problem, Severity::Error));
        let warnings = found.warnings.iter().filter(|_| !self.common.quiet);
        let all = errors.chain(warnings.map(|problem| (problem, Severity::Warning)));
        let (mut told, mut lines) = (HashSet::new(), Vec::new());
        for (problem, severity) in all {
            let identity = identity(problem);
            told.insert(identity);
            if !self.told.contains(&identity) {
                lines.push(problem.render(severity));
            }
        }
        self.told = told;
        lines
    }
}

/// Gives memory that old rules had back to the system: between what lives on, the allocator keeps it otherwise.
#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "after a hundred reloads of a large set 4 % more memory was held than after three, which is what this gives back"
)]
fn give_back() {
    // SAFETY: it takes no pointers, and locks what it looks at.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn give_back() {}

#[expect(clippy::disallowed_methods, reason = "there are reloads only while an interface is watched")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(0))
}

/// What a problem is about, wherever its line went meanwhile.
fn identity(problem: &Problem) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&problem.file, &problem.message, &problem.excerpt).hash(&mut hasher);
    if problem.excerpt.is_none() {
        problem.line.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::capture::batch::{Arrival, Batch};
    use crate::capture::offload::Checksums;
    use crate::capture::{CaptureError, More, Source};
    use crate::run;
    use crate::start::engine::prepare;

    /// Batches of datagrams of many flows. Before some of them the rules change.
    struct Steps<'a> {
        texts: std::iter::Copied<std::slice::Iter<'a, (&'a str, &'a [u8])>>,
        rules: &'a std::path::Path,
        reloader: Reloader,
        number: u64,
    }

    const FLOWS: u8 = 40;

    impl Source for Steps<'_> {
        fn next_batch(&mut self, batch: &mut Batch) -> Result<More, CaptureError> {
            let Some((rules, payload)) = self.texts.next() else { return Ok(More::No) };
            if self.number > 0 {
                fs::write(self.rules, rules).unwrap();
                self.reloader.reload(&|line| assert!(line.starts_with("rules reloaded"), "{line}"));
            }
            for flow in 0..FLOWS {
                self.number += 1;
                let arrival = Arrival { time: Timestamp(self.number), link_type: 101, interface: 0, wire_len: 28 + 8 };
                let mut data = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1 + flow, 10, 0, 1, 2];
                data.extend([1, 1, 0, 99, 0, 16, 0, 0]);
                data.extend(payload);
                batch.push(self.number, arrival, &data);
            }
            Ok(More::Yes)
        }
    }

    fn records(texts: &[(&str, &[u8])], workers: u16) -> String {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("own.rules");
        fs::write(&rules, texts[0].0).unwrap();
        let set = [("outputs.0.eve-log.filename", "eve.json"), ("outputs.0.eve-log.compression", "none")];
        let set = set.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let common = Common { rules: vec![rules.display().to_string()], set, ..Common::default() };
        let prepared = prepare(&common).unwrap_or_else(|problems| panic!("{problems:?}"));
        let configuration = prepared.configuration.clone();
        let reloader = Reloader::new(&common, prepared);
        let plan = run::Plan {
            settings: &configuration.settings(),
            active: reloader.active(),
            folder: folder.path(),
            data_dir: folder.path(),
            workers,
            checksums: Checksums::Off,
            progress: None,
            stop: None,
            reopen: None,
            costly: None,
            sandbox: None,
            window: run::window::Window::new(workers),
            warn: None,
        };
        let mut source = Steps { texts: texts.iter().copied(), rules: &rules, reloader, number: 0 };
        let summary = run::from_source(&plan, &mut source);
        assert!(summary.errors.is_empty(), "{:?}", summary.errors);
        let all = fs::read_to_string(folder.path().join("eve.json")).unwrap();
        all.lines().filter(|line| !line.contains("\"stats\"")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn all_workers_change_over_between_the_same_packets() {
        let text = |rules: &[(u32, &str)]| -> String {
            let line = |(sid, options): &(u32, &str)| format!("alert udp any any -> any any ({options} sid:{sid};)\n");
            rules.iter().map(line).collect()
        };
        let sets = (7, "content:\"first\"; flowbits:set,seen; xbits:set,host,track ip_src;");
        let asks = (3, "content:\"next\"; flowbits:isset,seen; xbits:isset,host,track ip_src;");
        let limited = (9, "content:\"t\"; threshold:type limit,track by_rule,count 50,seconds 600;");
        let (a, b, c) = (text(&[sets, limited]), text(&[asks, sets, limited]), text(&[limited]));
        let steps: [(&str, &[u8]); 4] = [(&a, b"   first"), (&b, b"    next"), (&c, b"    next"), (&b, b"    next")];
        let expected = records(&steps, 1);
        let count = |sid: u32| expected.matches(&format!("\"signature_id\":{sid},")).count();
        assert_eq!(
            [7, 3, 9].map(count),
            [40, 80, 50],
            "of {FLOWS} flows, with two sets that ask, and one limit over all"
        );
        for workers in [2, 3] {
            assert!(records(&steps, workers) == expected, "{workers} workers write other records");
        }
    }

    /// A site with two tenants, which a test changes.
    struct Site {
        folder: tempfile::TempDir,
        reloader: Reloader,
    }

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().display();
            let list = "tenants: [{id: 1, yaml: one.yaml}, {id: 2, yaml: two.yaml}]\n  mappings: [{vlan-id: 5, tenant-id: 1}]\n";
            let main = format!("multi-detect:\n  enabled: yes\n  selector: vlan\n  config-path: {path}\n  {list}");
            let tenant = |rules: &str| format!("default-rule-path: {path}\nrule-files: [{rules}]\n");
            for (name, text) in
                [("main.yaml", main), ("one.yaml", tenant("one.rules")), ("two.yaml", tenant("two.rules"))]
            {
                fs::write(folder.path().join(name), text).unwrap();
            }
            for name in ["one.rules", "two.rules"] {
                fs::write(folder.path().join(name), "alert ip any any -> any any (sid:1;)\n").unwrap();
            }
            let common = Common { config: Some(folder.path().join("main.yaml")), ..Common::default() };
            let prepared = prepare(&common).unwrap_or_else(|problems| panic!("{problems:?}"));
            assert!(prepared.found.faults.is_empty(), "{:?}", prepared.found.faults);
            Self { reloader: Reloader::new(&common, prepared), folder }
        }

        /// Changes a file: whether that is noticed once it is quiet, what is said of the reload, and the rules of each tenant then.
        fn change(&mut self, name: &str, change: impl Fn(&str) -> String) -> (bool, String, Vec<(u32, usize)>) {
            let path = self.folder.path().join(name);
            fs::write(&path, change(&fs::read_to_string(&path).unwrap())).unwrap();
            let Reloader { again, common, configuration, .. } = &mut self.reloader;
            let noticed = [0, 1].map(|_| again.is_due(common, configuration)) == [false, true];
            let said = RefCell::new(String::new());
            self.reloader.reload(&|line| said.borrow_mut().push_str(line));
            let numbers = self.reloader.active().engine().tenants.numbers();
            (noticed, said.into_inner(), numbers.iter().map(|rules| (rules.tenant, rules.loaded)).collect())
        }
    }

    #[test]
    fn what_changes_of_a_tenant_becomes_active_for_it_alone() {
        let mut site = Site::new();
        let (noticed, said, rules) =
            site.change("two.rules", |text| format!("{text}alert udp any any -> any any (sid:2;)\n"));
        assert!(noticed && said.contains("1 added, 0 removed, 0 changed, 2 as before"), "{said}");
        assert_eq!(rules, [(0, 0), (1, 1), (2, 2)]);
        let (noticed, said, rules) = site.change("one.yaml", |text| text.replace("one.rules", "one.rules, two.rules"));
        assert!(noticed && said.contains("the higher revision is used"), "{said}");
        assert_eq!(rules, [(0, 0), (1, 2), (2, 2)]);
        let (noticed, said, rules) = site.change("one.yaml", |_| "rule-files: [\n".into());
        assert!(noticed && said.contains("the rules stay as they were"), "{said}");
        assert_eq!(rules, [(0, 0), (1, 2), (2, 2)]);
        let (_, _, rules) = site.change("one.yaml", |_| "rule-files: []\n".into());
        assert_eq!(rules, [(0, 0), (1, 0), (2, 2)]);
        let (_, _, rules) =
            site.change("main.yaml", |text| text.replace("{id: 2, yaml: two.yaml}", "{id: 7, yaml: two.yaml}"));
        assert_eq!(rules, [(0, 0), (1, 0), (7, 2)]);
        let (_, said, rules) = site.change("two.rules", |_| "alert nonsense\n".into());
        assert!(said.contains("none of the new ones can be used"), "{said}");
        assert_eq!(rules, [(0, 0), (1, 0), (7, 2)]);
        let engine = site.reloader.active().engine();
        assert!((0..2).all(|rule| engine.plan.tenant(rule) == 7 && engine.own_of_rule(rule).tenant == 7));
    }
}
