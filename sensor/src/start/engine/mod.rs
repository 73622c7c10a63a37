//! Configuration and rules to the engine that all workers share, with every problem on the way.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use tapwire_parsers::protocol::{Carrier, ProtocolId, Usual};
use tapwire_parsers::{REGISTRY, protocol};
use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::load::{Loaded, Located};
use tapwire_signatures::language::loading::{Counts, Loader};
use tapwire_signatures::language::threshold_file::{Entry, Rules, ThresholdFile};
use tapwire_signatures::language::variables::Sets;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::verify::Settings;
use tapwire_signatures::verify::cost::CostSettings;

mod cache;
mod counts;
mod environment;
mod files;
mod reload;
mod requests;
mod sources;
mod tenants;
mod watch;

pub use counts::RuleCounts;
pub use reload::Reloader;
pub use requests::{Reloaded, Requests};

use crate::inspect::Engine;
use crate::inspect::context::Context;
use crate::inspect::recognise::Recogniser;
use crate::inspect::tenants::{Own, RuleNumbers, Tenants};
use crate::start::cli::Common;
use crate::start::config::{self, Configuration, Enabled, Idle, Problem};
use cache::Cache;
use watch::{Named, Watch};

/// The version of the rule language and of the records.
pub const LANGUAGE_VERSION: (u32, u32, u32) = (9, 0, 0);
/// The time of one decision on a rule of so many is taken.
const TIMED_EVERY: u32 = 64;
/// Bytes of the largest rule file.
const RULE_FILE_LIMIT: u64 = 512 << 20;

/// What a run needs before its first packet.
pub struct Prepared {
    /// The configuration.
    pub configuration: Configuration,
    /// Rules and protocols.
    pub engine: Arc<Engine>,
    /// The folder of what rules keep from run to run; that of the records where none is named.
    pub data_dir: Option<PathBuf>,
    /// What is to be told.
    pub found: Found,
    /// Counts of the rules.
    pub rules: RuleCounts,
    /// What a further load goes on with.
    pub again: Again,
}

/// What one load of rules leaves to the next one.
#[derive(Debug, Default)]
pub struct Again {
    loader: Loader,
    named: Named,
    watch: Watch,
}

/// What was found on the way.
#[derive(Debug, Default)]
pub struct Found {
    /// What cannot be right.
    pub faults: Vec<Problem>,
    /// The same in lists beside the rules (thresholds, classes, references, reputation), whose other lines are used in any case.
    pub lines: Vec<Problem>,
    /// What is odd.
    pub warnings: Vec<Problem>,
    /// Keys of the configuration that change nothing.
    pub idle: Vec<Idle>,
    /// Rules that ask for what this sensor does not have.
    pub left_out: Vec<Problem>,
    /// Rule files, folders and patterns that could not be read, however that is told.
    pub unread: usize,
}

/// Reads configuration and rules. What keeps anything from starting is all that comes back.
pub fn prepare(common: &Common) -> Result<Prepared, Vec<Problem>> {
    let config::Loaded { configuration, faults, warnings, idle } = config::load(common.given())?;
    let mut found = Found { faults, warnings, idle, ..Found::default() };
    let mut again = Again::default();
    let (engine, rules) = again.engine(common, &configuration, None, &mut found);
    let data_dir = environment::sets_dir(common, &configuration);
    Ok(Prepared { configuration, data_dir, engine: Arc::new(engine), found, rules, again })
}

impl Again {
    /// Reads all rules and what belongs to them. What an engine before has that did not change is taken from there.
    fn engine(
        &mut self,
        common: &Common,
        configuration: &Configuration,
        before: Option<&Engine>,
        found: &mut Found,
    ) -> (Engine, RuleCounts) {
        let paths = tenants::paths(common, configuration, found);
        // Before they are read: what changes meanwhile is seen at the next look.
        let stamps = stamps_of(&paths, configuration);
        let environments = self.environments(common, (configuration, &paths), found);
        let before = before.map(|engine| &*engine.plan);
        // A run without rules neither needs nor changes what others left.
        let any_rules = paths.iter().any(|paths| !paths.is_empty());
        let cache = if any_rules { Cache::of(common, configuration) } else { None };
        if let (Some(cache), None) = (&cache, before) {
            found.warnings.extend(cache.recall(&mut self.loader).map(Problem::harmless));
        }
        let mut files = Vec::new();
        let mut loading = self.loader.begin(&environments, before);
        let add = |(place, paths): (usize, &Vec<PathBuf>)| {
            loading.add(place, sources::sources(paths, found).inspect(|source| files.push(source.name.clone())))
        };
        let counts: Vec<Counts> = paths.iter().enumerate().map(add).collect();
        let Loaded { set, faults, skipped, later, unknown } = loading.finish();
        for located in faults {
            let list = if located.warning { &mut found.warnings } else { &mut found.faults };
            list.push(rule_problem(located));
        }
        // What a rule requires is its author's word for "not here": told, but no problem.
        found.left_out = skipped.into_iter().map(rule_problem).collect();
        let with_counts = tenants::configurations(configuration).zip(&counts);
        let own = |((tenant, configuration), counts): ((u32, &Configuration), &Counts)| {
            let Counts { loaded, failed, skipped } = *counts;
            let numbers = RuleNumbers { tenant, loaded, failed, skipped, last_reload: None };
            Own { tenant, thresholds: thresholds(configuration, found), numbers }
        };
        let all = Tenants::new(
            with_counts.map(own).collect(),
            configuration.tenancy.as_ref().map(|tenancy| tenancy.selector.clone()),
        );
        if configuration.tenancy.is_some() {
            tenants::tell_once(found);
        }
        self.watch.note_read((stamps, self.named.stamps(false)));
        let plan = match before {
            Some(before) => Plan::after(before, set, &configuration.action_order),
            None => Plan::new(set, &configuration.action_order),
        };
        let rules = RuleCounts::new(counts, (later, files), configuration, plan.prefilter_bytes());
        if let Some(cache) = cache.filter(|_| unknown > 0) {
            found.warnings.extend(cache.leave(&plan).err().map(Problem::harmless));
        }
        let context = environment::context(configuration, found);
        (Engine { context, ..engine(configuration, plan, all, &mut found.faults) }, rules)
    }

    /// What the rules of nobody, and of each tenant, are read with.
    fn environments(
        &self,
        common: &Common,
        (configuration, paths): (&Configuration, &[Vec<PathBuf>]),
        found: &mut Found,
    ) -> Vec<Environment> {
        let mut rules = paths.iter().map(Vec::as_slice);
        let own = (configuration, rules.next().unwrap_or_default());
        let main = environment::environment(common, own, &self.named, found);
        let mut tenant = |tenant| tenants::environment((&main, own), tenant, common, &self.named, found);
        let tenants: Vec<Environment> = configuration.tenants().iter().zip(rules).map(&mut tenant).collect();
        std::iter::once(main).chain(tenants).collect()
    }

    /// Whether files changed since they were read, and are quiet again.
    fn is_due(&mut self, common: &Common, configuration: &Configuration) -> bool {
        let paths = tenants::paths(common, configuration, &mut Found::default());
        self.watch.is_due((stamps_of(&paths, configuration), self.named.stamps(true)))
    }
}

/// The stamps of rule files and of what is read with them.
fn stamps_of(rules: &[Vec<PathBuf>], configuration: &Configuration) -> u64 {
    let beside = tenants::beside_all(configuration, rules);
    watch::stamps(rules.iter().flatten().chain(&beside).map(PathBuf::as_path))
}

/// Nanoseconds since this was first asked, for what is measured and never recorded of packets.
fn monotonic_ns() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn rule_problem(located: Located) -> Problem {
    Problem {
        file: located.file,
        line: located.line,
        column: located.column,
        length: located.length,
        message: located.fault.message,
        hint: located.fault.hint,
        excerpt: Some(located.text),
        harmless: false,
    }
}

fn engine(configuration: &Configuration, plan: Plan, tenants: Tenants, faults: &mut Vec<Problem>) -> Engine {
    let mut recogniser = Recogniser::default();
    let (mut openers, mut depths, mut bypassed) = (Vec::new(), Vec::new(), Vec::new());
    let mut sets = Sets::default();
    for id in (0..).map(ProtocolId).take(REGISTRY.len()) {
        let card = protocol(id);
        let mut said = configuration.protocols.get(card.name).cloned().unwrap_or_default();
        for field in card.fields {
            said.settings.note_in_rules(field.name, plan.fields.contains(field.name));
        }
        if said.settings.text("encryption-handling") == Some("bypass") {
            bypassed.push(id);
        }
        depths.extend(said.stream_depth.map(|bytes| (id, bytes)));
        let enabled = said.enabled.unwrap_or(if card.parsed == Usual::Always { Enabled::Yes } else { Enabled::No });
        // What is said of a carrier outweighs what is said of the protocol.
        let enabled_on = |carrier| match carrier {
            Carrier::Tcp => said.tcp.unwrap_or(enabled),
            Carrier::Udp => said.udp.unwrap_or(enabled),
            Carrier::Link(_) | Carrier::Within(_) => enabled,
        };
        let is_parsed = card.carriers.iter().any(|carrier| enabled_on(*carrier) == Enabled::Yes);
        openers.push(is_parsed.then(|| (card.configure)(&said.settings)));
        if card.carriers.iter().all(|carrier| enabled_on(*carrier) == Enabled::No) {
            continue;
        }
        let usual = || card.ports.iter().map(|&p| (p, p)).collect();
        let ports: Vec<(u16, u16)> = match &said.ports {
            None => usual(),
            Some(text) => match sets.ports(text, &configuration.port_groups) {
                Ok(ports) => ports.0.clone(),
                Err(message) => {
                    let message = format!("detection-ports of {}: {message}", card.name);
                    let hint = "a list of ports such as 80, 8080";
                    faults.push(Problem::of_line("app-layer.protocols", 0, message, hint));
                    usual()
                }
            },
        };
        for &carrier in card.carriers {
            if enabled_on(carrier) != Enabled::No {
                recogniser.add(id, carrier, ports.clone());
            }
        }
    }
    let files = files::settings(configuration, plan.files);
    let costs = CostSettings { every: TIMED_EVERY, clock: monotonic_ns, ..configuration.costs };
    let alerts = configuration.eve.iter().filter_map(|eve| eve.alerts.as_ref());
    let payloads = alerts.filter(|alerts| alerts.payload || alerts.payload_printable);
    let shown_bytes = payloads.map(|alerts| alerts.payload_limit).max().unwrap_or(0);
    let (evidence_pieces, fuel) = (configuration.evidence_pieces, configuration.fuel);
    let matching = Settings { evidence_pieces, shown_bytes, watch: None, costs, fuel };
    let recorded = configuration.eve.iter().any(|eve| eve.frames);
    let framed = (0..).map(ProtocolId).take(REGISTRY.len()).map(|id| recorded || plan.wants_frames(id)).collect();
    let plan = Arc::new(plan);
    let (layers_limit, parser_fuel) = (configuration.layers, configuration.parser_fuel);
    let context = Context::default();
    Engine {
        plan,
        recogniser,
        openers,
        depths,
        bypassed,
        files,
        tenants,
        context,
        framed,
        matching,
        layers_limit,
        parser_fuel,
    }
}

/// Reads the threshold file, where one is named.
fn thresholds(configuration: &Configuration, found: &mut Found) -> Arc<[(Rules, Entry)]> {
    let Some(path) = &configuration.threshold_file else { return Arc::default() };
    let file = path.display().to_string();
    let problem = |line: usize, message: String, hint: &str| {
        Problem::of_line(&file, u32::try_from(line).unwrap_or(0), message, hint)
    };
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            found.warnings.push(problem(0, format!("the threshold file cannot be read: {error}"), ""));
            return Arc::default();
        }
    };
    let addresses =
        |text: &str| Sets::default().addresses(text, &configuration.address_groups).map(|set| (*set).clone());
    let read = ThresholdFile::read(&text, &addresses);
    found.lines.extend(read.faults.into_iter().map(|(line, fault, text)| Problem {
        column: u32::try_from(fault.span.start).unwrap_or(0).saturating_add(1),
        length: u32::try_from(fault.span.len()).unwrap_or(0),
        excerpt: Some(text),
        ..problem(line, fault.message, &fault.hint)
    }));
    read.entries.into()
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let bytes = environment::read_bytes(path)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
