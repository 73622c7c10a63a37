//! Configuration and rules to the engine that all workers share, with every problem on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tapwire_parsers::protocol::{ProtocolId, Transport, parse_size};
use tapwire_parsers::{REGISTRY, protocol};
use tapwire_signatures::language::classification::Classification;
use tapwire_signatures::language::load::{self, Environment, Loaded, Located, Source};
use tapwire_signatures::language::references::References;
use tapwire_signatures::language::variables::Sets;
use tapwire_signatures::lua;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::state::threshold_file::{Entry, Rules, ThresholdFile};

use crate::cli::Common;
use crate::config::{self, Configuration, Enabled, Problem};
use crate::inspect::Engine;
use crate::inspect::files::Hashes;
use crate::inspect::recognise::Recogniser;

/// The version of the rule language and of the records.
pub const LANGUAGE_VERSION: (u32, u32, u32) = (9, 0, 0);
/// Bytes of the largest rule file.
const RULE_FILE_LIMIT: u64 = 512 << 20;
/// Bytes of the largest script.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// What a run needs before its first packet.
pub struct Prepared {
    /// The configuration.
    pub configuration: Configuration,
    /// Rules and protocols.
    pub engine: Arc<Engine>,
    /// What the threshold file says.
    pub thresholds: Arc<[(Rules, Entry)]>,
    /// What cannot be right.
    pub faults: Vec<Problem>,
    /// What is odd.
    pub warnings: Vec<Problem>,
    /// Rules that ask for what this sensor does not have.
    pub left_out: Vec<Problem>,
    /// Counts of the rules.
    pub rules: RuleCounts,
}

/// Counts of a load of rules.
#[derive(Clone, Debug, Default)]
pub struct RuleCounts {
    /// Rules that are used.
    pub loaded: usize,
    /// Rules that were refused.
    pub failed: usize,
    /// Rules that were left out because the sensor lacks what they require.
    pub skipped: usize,
    /// Rules that cannot match yet, by the keyword or protocol that is missing.
    pub later: std::collections::BTreeMap<String, usize>,
    /// Bytes of memory that the prefilters hold.
    pub prefilter_bytes: usize,
}

/// Reads configuration and rules.
pub fn prepare(common: &Common) -> Result<Prepared, Problem> {
    let config::Loaded { configuration, mut faults, mut warnings } =
        config::load(common.config.as_deref(), &common.set)?;
    let sources = sources(common, &configuration, &mut faults, &mut warnings);
    let environment = environment(&configuration, &mut faults, &mut warnings);
    let Loaded { set, faults: rule_faults, skipped, later } = load::load(&sources, &environment);
    let mut rules = RuleCounts { loaded: set.rules.len(), skipped: skipped.len(), later, ..RuleCounts::default() };
    drop(sources);
    for located in rule_faults {
        let warning = located.warning;
        if warning {
            warnings.push(rule_problem(located));
        } else {
            rules.failed += 1;
            faults.push(rule_problem(located));
        }
    }
    // What a rule requires is its author's word for "not here": told, but no problem.
    let left_out = skipped.into_iter().map(rule_problem).collect();
    let thresholds = thresholds(&configuration, &mut faults, &mut warnings);
    let plan = Plan::new(set, &configuration.action_order);
    rules.prefilter_bytes = plan.prefilter_bytes();
    let engine = Arc::new(engine(&configuration, plan, &mut faults));
    Ok(Prepared { configuration, engine, thresholds, faults, warnings, left_out, rules })
}

fn rule_problem(located: Located) -> Problem {
    Problem {
        file: located.file,
        line: located.line,
        column: located.column,
        message: located.fault.message,
        hint: located.fault.hint,
        excerpt: Some(located.text),
    }
}

fn engine(configuration: &Configuration, plan: Plan, faults: &mut Vec<Problem>) -> Engine {
    let mut recogniser = Recogniser::default();
    let (mut openers, mut depths) = (Vec::new(), Vec::new());
    let mut sets = Sets::default();
    for id in (0..).map(ProtocolId).take(REGISTRY.len()) {
        let card = protocol(id);
        let mut said = configuration.protocols.get(card.name).cloned().unwrap_or_default();
        for field in card.fields {
            said.settings.note_in_rules(field.name, plan.fields.contains(field.name));
        }
        // What is no size was named when the configuration was read.
        depths.extend(said.settings.text("stream-depth").and_then(parse_size).map(|bytes| (id, bytes)));
        let enabled = said.enabled.unwrap_or(if card.on_by_default { Enabled::Yes } else { Enabled::No });
        openers.push((enabled == Enabled::Yes).then(|| (card.configure)(&said.settings)));
        if enabled == Enabled::No {
            continue;
        }
        let usual = || card.ports.iter().map(|&p| (p, p)).collect();
        let ports: Vec<(u16, u16)> = match &said.ports {
            None => usual(),
            Some(text) => match sets.ports(text, &configuration.port_groups) {
                Ok(ports) => ports.0.clone(),
                Err(message) => {
                    faults.push(Problem {
                        file: "app-layer.protocols".into(),
                        line: 0,
                        column: 0,
                        message: format!("detection-ports of {}: {message}", card.name),
                        hint: "a list of ports such as 80, 8080".into(),
                        excerpt: None,
                    });
                    usual()
                }
            },
        };
        for &transport in card.transports {
            let on = match transport {
                Transport::Tcp => said.tcp,
                Transport::Udp => said.udp,
            };
            if on != Some(false) {
                recogniser.add(id, transport, ports.clone());
            }
        }
    }
    let [mut md5, mut sha1, mut sha256] = plan.file_hashes;
    for hashes in configuration.eve.iter().filter_map(|e| e.files).map(|f| f.hashes) {
        let [a, b, c] = hashes;
        (md5, sha1, sha256) = (md5 || a, sha1 || b, sha256 || c);
    }
    let sha256_of_cut = configuration.file_store;
    let hashes = Hashes { md5, sha1, sha256: sha256 || sha256_of_cut, sha256_of_cut };
    Engine { plan: Arc::new(plan), recogniser, openers, depths, hashes }
}

fn environment(configuration: &Configuration, faults: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Environment {
    let mut read = |path: &Option<PathBuf>, what: &str| -> (String, String) {
        let Some(path) = path else { return (String::new(), String::new()) };
        match read_text(path) {
            Ok(text) => (path.display().to_string(), text),
            Err(error) => {
                let message = format!("the {what} file cannot be read: {error}");
                warnings.push(Problem {
                    file: path.display().to_string(),
                    line: 0,
                    column: 0,
                    message,
                    hint: String::new(),
                    excerpt: None,
                });
                (String::new(), String::new())
            }
        }
    };
    let (class_file, class_text) = read(&configuration.classification_file, "classification");
    let (reference_file, reference_text) = read(&configuration.reference_config_file, "reference");
    let (classes, class_faults) = Classification::parse(&class_text);
    let (references, reference_faults) = References::parse(&reference_text);
    for (file, found) in [(class_file, class_faults), (reference_file, reference_faults)] {
        faults.extend(found.into_iter().map(|(line, fault)| Problem {
            file: file.clone(),
            line,
            column: 1,
            message: fault.message,
            hint: fault.hint,
            excerpt: None,
        }));
    }
    Environment {
        addresses: configuration.address_groups.clone(),
        ports: configuration.port_groups.clone(),
        classes,
        references,
        keep_text: configuration.eve.iter().any(|e| e.alerts.as_ref().is_some_and(|a| a.rule_text)),
        version: LANGUAGE_VERSION,
        features: features(configuration),
        scripts: scripts(configuration),
    }
}

/// Scripts lie beside the rule file that names them, or where the configuration says that rules lie.
fn scripts(configuration: &Configuration) -> lua::Source {
    let rule_path = configuration.rule_path.clone();
    lua::Source::new(configuration.scripts, move |rule_file, name| {
        let beside = Path::new(rule_file).parent().unwrap_or(Path::new("")).join(name);
        let path = match &rule_path {
            Some(folder) if !beside.is_file() => folder.join(name),
            _ => beside,
        };
        let size = std::fs::metadata(&path).map_err(|error| error.to_string())?.len();
        if size > SCRIPT_LIMIT {
            return Err("it is too large".into());
        }
        std::fs::read(&path).map_err(|error| error.to_string())
    })
}

/// What rules may require: fingerprints of TLS, unless they are switched off.
fn features(configuration: &Configuration) -> Vec<String> {
    let tls = configuration.protocols.get("tls");
    let on = |name: &&str| tls.is_none_or(|tls| tls.settings.switch(&format!("{name}-fingerprints"), true));
    ["ja3", "ja4"].iter().filter(|name| on(name)).map(|name| (*name).to_owned()).collect()
}

/// Reads the threshold file, where one is named.
fn thresholds(
    configuration: &Configuration,
    faults: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Arc<[(Rules, Entry)]> {
    let Some(path) = &configuration.threshold_file else { return Arc::default() };
    let file = path.display().to_string();
    let problem = |line: usize, message: String, hint: String| Problem {
        file: file.clone(),
        line: u32::try_from(line).unwrap_or(0),
        column: 1,
        message,
        hint,
        excerpt: None,
    };
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            warnings.push(problem(0, format!("the threshold file cannot be read: {error}"), String::new()));
            return Arc::default();
        }
    };
    let addresses =
        |text: &str| Sets::default().addresses(text, &configuration.address_groups).map(|set| (*set).clone());
    let read = ThresholdFile::read(&text, &addresses);
    faults.extend(read.faults.into_iter().map(|(line, fault)| problem(line, fault.message, fault.hint)));
    if read.entries.iter().any(|(_, entry)| matches!(entry, Entry::RateFilter { .. })) {
        let hint = "thresholds and suppressions are".to_owned();
        warnings.push(problem(0, "rate_filter is not active yet and passed over".into(), hint));
    }
    read.entries.into()
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > RULE_FILE_LIMIT {
        return Err(std::io::Error::other("is too large"));
    }
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// The rule files that the command line or the configuration names.
fn sources(
    common: &Common,
    configuration: &Configuration,
    faults: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<Source> {
    if common.no_rules {
        return Vec::new();
    }
    let from_command = !common.rules.is_empty();
    let named: Vec<String> = if from_command {
        common.rules.clone()
    } else {
        let base = configuration.rule_path.clone().unwrap_or_default();
        configuration.rule_files.iter().map(|f| base.join(f).display().to_string()).collect()
    };
    let mut sources = Vec::new();
    for name in named {
        let files = match expand(&name) {
            Ok(files) => files,
            Err(error) => {
                let hint = "name a rule file, a folder of *.rules, or a pattern";
                let problem = Problem {
                    file: name,
                    line: 0,
                    column: 0,
                    message: format!("cannot be read: {error}"),
                    hint: hint.into(),
                    excerpt: None,
                };
                // A configuration made for another place often names files that are not here.
                if from_command {
                    faults.push(problem)
                } else {
                    warnings.push(problem)
                }
                continue;
            }
        };
        for path in files {
            match read_text(&path) {
                Ok(text) => sources.push(Source { name: path.display().to_string(), text }),
                Err(error) => faults.push(Problem {
                    file: path.display().to_string(),
                    line: 0,
                    column: 0,
                    message: format!("cannot be read: {error}"),
                    hint: "check the path and its permissions".into(),
                    excerpt: None,
                }),
            }
        }
    }
    sources
}

/// A file stands for itself, a folder for its rule files, a pattern (`*` and `?` in its last part) for what it matches.
fn expand(name: &str) -> std::io::Result<Vec<PathBuf>> {
    let path = Path::new(name);
    let listed = |folder: &Path, fits: &dyn Fn(&str) -> bool| -> std::io::Result<Vec<PathBuf>> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
        let mut found: Vec<PathBuf> =
            entries.into_iter().filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(fits)).collect();
        found.sort();
        Ok(found)
    };
    if path.is_dir() {
        return listed(path, &|n| n.ends_with(".rules"));
    }
    let pattern = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if !path.exists() && pattern.contains(['*', '?']) {
        let found = listed(path.parent().unwrap_or(Path::new("")), &|n| fits(pattern.as_bytes(), n.as_bytes()))?;
        return if found.is_empty() { Err(std::io::Error::other("nothing fits the pattern")) } else { Ok(found) };
    }
    std::fs::metadata(path)?;
    Ok(vec![path.to_owned()])
}

/// Whether a name fits a pattern of `*` (anything) and `?` (one character).
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => fits(rest, name) || name.split_first().is_some_and(|(_, tail)| fits(pattern, tail)),
        (Some((b'?', rest)), Some((_, tail))) => fits(rest, tail),
        (Some((p, rest)), Some((n, tail))) => p == n && fits(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, expected) in
            [("*.rules", "a.rules", true), ("a?c*", "abcde", true), ("a?c", "ac", false), ("*", "", true)]
        {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
