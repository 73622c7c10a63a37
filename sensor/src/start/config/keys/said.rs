//! What a configuration says, held against the table: each key of it is obeyed, has no effect here, or is not known.

use std::collections::HashMap;
use std::sync::LazyLock;

use tapwire_parsers::REGISTRY;
use tapwire_signatures::rule::protocols::canonical_protocol;

use super::{Effect, KEYS, Key, is_open};
use crate::start::config::node::{Node, Value, spelling};
use crate::start::config::problem::Problem;

/// A key that changes nothing: its path as it is written, with positions left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Its dotted path.
    pub path: String,
    /// Where it stands, and the reason.
    pub problem: Problem,
}

/// The table by the parts of its paths.
#[derive(Default)]
struct Known {
    key: Option<&'static Key>,
    named: HashMap<&'static str, Known>,
    /// What stands below a name, a number or a position of the site's own.
    open: Option<Box<Known>>,
}

static TABLE: LazyLock<Known> = LazyLock::new(|| {
    let mut root = Known::default();
    for key in KEYS.iter().flat_map(|(_, keys)| keys.iter().copied()) {
        let place = key.path.split('.').fold(&mut root, |known, part| {
            if is_open(part) { known.open.get_or_insert_default() } else { known.named.entry(part).or_default() }
        });
        place.key = Some(key);
    }
    root
});

/// Why a protocol that is known has no effect.
const NOT_PARSED: &str = "it is not parsed yet";
/// The path of the settings of protocols.
const PROTOCOLS: &str = "app-layer.protocols";
/// What tells itself what it does not know.
const TOLD_THERE: [&str; 2] = ["multi-detect", "tapwire.outputs"];
/// Types of records that are of no protocol and that are not written.
const NO_RECORDS: &[(&str, &str)] = &[("drop", "a sensor that only listens drops nothing")];

/// Goes through a configuration: keys that change nothing come back, those that are not known are named among the warnings.
pub(in crate::start::config) fn account(root: &Node, warnings: &mut Vec<Problem>) -> Vec<Idle> {
    let mut walk = Walk { idle: Vec::new(), warnings };
    walk.below(root, &[&TABLE], "", "");
    walk.idle
}

struct Walk<'w> {
    idle: Vec<Idle>,
    warnings: &'w mut Vec<Problem>,
}

impl Walk<'_> {
    /// What stands below a node: `path` is where it is, `shown` the same without positions.
    fn below(&mut self, node: &Node, known: &[&'static Known], path: &str, shown: &str) {
        match &node.value {
            Value::Null | Value::Scalar(_) => {}
            Value::Map(entries) => {
                for (name, child) in entries {
                    self.entry(name, child, known, (path, shown));
                }
            }
            Value::List(items) => {
                let of_item: Vec<_> = known.iter().filter_map(|known| known.open.as_deref()).collect();
                for (at, item) in items.iter().enumerate() {
                    let path = joined(path, &at.to_string());
                    match item.text() {
                        // An entry such as `- http` is the same as the map `http:`.
                        Some(name) if of_item.iter().any(|known| !known.named.is_empty()) => {
                            self.entry(name, item, &of_item, (&path, shown));
                        }
                        _ => self.below(item, &of_item, &path, shown),
                    }
                }
            }
        }
    }

    fn entry(&mut self, name: &str, child: &Node, known: &[&'static Known], (path, shown): (&str, &str)) {
        let (path, here) = (joined(path, name), joined(shown, name));
        let is_protocol = shown == PROTOCOLS || shown.ends_with(".eve-log.types");
        if is_protocol && let Some(why) = self.of_protocol(name, child, known, &here) {
            if !says_no(child.get("enabled").unwrap_or(child)) {
                self.note(here, child, why);
            }
            return;
        }
        let named = known.iter().filter_map(|known| known.named.get(name));
        let open = known.iter().filter_map(|known| known.open.as_deref());
        let next: Vec<_> = named.chain(open).collect();
        if next.is_empty() {
            if TOLD_THERE.iter().any(|section| shown.starts_with(section)) {
                return;
            }
            let section = if shown.is_empty() { String::new() } else { format!("{shown}.") };
            let hint = elsewhere(shown, name).unwrap_or_else(|| {
                spelling(name, known.iter().flat_map(|known| known.named.keys().copied()).collect::<Vec<_>>())
            });
            let message = format!("the key `{section}{name}` is not known and ignored");
            self.warnings.push(child.key_problem(message, &hint));
            return;
        }
        let goes_on = next.iter().any(|known| !known.named.is_empty() || known.open.is_some());
        match next.iter().find_map(|known| known.key).map(|key| key.effect) {
            Some(Effect::No(why)) if !goes_on => {
                // What is switched off is as it was said.
                let is_off = child.get("enabled").is_some_and(says_no);
                if !is_off && !matches!(child.value, Value::Null) {
                    self.note(here, child, why);
                }
            }
            // What a key has below it is its own matter.
            Some(Effect::Used) if !goes_on => {}
            _ if child.get("enabled").is_some_and(says_no) && here.starts_with("outputs.") => {}
            _ => self.below(child, &next, &path, &here),
        }
    }

    /// Why a protocol, or a type of records, has no effect; nothing if it has, or if it is not known.
    fn of_protocol(&mut self, name: &str, child: &Node, known: &[&'static Known], here: &str) -> Option<&'static str> {
        let is_parsed = REGISTRY
            .iter()
            .any(|card| card.name == name || card.event_type == Some(name) || card.listed_as() == Some(name));
        if is_parsed || known.iter().any(|known| known.named.contains_key(name)) {
            return None;
        }
        if let Some((_, why)) = NO_RECORDS.iter().find(|(known, _)| *known == name) {
            return Some(why);
        }
        if canonical_protocol(name).is_some() {
            return Some(NOT_PARSED);
        }
        let names = REGISTRY.iter().map(|card| card.name);
        let what = if here.starts_with(PROTOCOLS) { "protocol" } else { "type" };
        let message = format!("the {what} `{name}` is not known and ignored");
        self.warnings.push(child.key_problem(message, &spelling(name, names)));
        Some("")
    }

    fn note(&mut self, path: String, node: &Node, why: &str) {
        if !why.is_empty() {
            let message = format!("`{path}` has no effect here: {why}");
            self.idle.push(Idle { path, problem: node.key_problem(message, "").harmless() });
        }
    }
}

fn joined(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

fn says_no(node: &Node) -> bool {
    node.switch() == Some(false)
}

/// A hint at the only key of this name that stands below another one of the section.
fn elsewhere(section: &str, key: &str) -> Option<String> {
    let known = KEYS.iter().flat_map(|(_, keys)| keys).map(|known| known.path);
    let mut deeper = known.filter(|path| {
        let below = path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        below.and_then(|rest| rest.strip_suffix(key)).is_some_and(|rest| rest.ends_with('.'))
    });
    let first = deeper.next()?;
    deeper.next().is_none().then(|| format!("did you mean `{first}`?"))
}

/// Paths in one line: those that differ in their last part only share what is before it.
pub(crate) fn in_one_line(idle: &[Idle]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for Idle { path, .. } in idle {
        let (before, last) = path.rsplit_once('.').unwrap_or(("", path));
        match groups.iter_mut().find(|(known, _)| *known == before && !before.is_empty()) {
            Some((_, lasts)) if lasts.contains(&last) => {}
            Some((_, lasts)) => lasts.push(last),
            None => groups.push((before, vec![last])),
        }
    }
    let name = |(before, lasts): &(&str, Vec<&str>)| match lasts.as_slice() {
        [one] => joined(before, one),
        many => format!("{before}.{{{}}}", many.join(",")),
    };
    let mut names: Vec<String> = groups.iter().map(name).collect();
    names.dedup();
    names.join(", ")
}
