//! Lists of values and addresses that rules ask about: `datasets`, `reputation-files`.

use std::path::{Path, PathBuf};

use tapwire_parsers::protocol::parse_size;
use tapwire_signatures::rule::dataset::DEFAULT_LIMIT_BYTES;

use super::Problem;
use super::node::Node;

/// `datasets`
#[derive(Clone, Debug)]
pub struct Datasets {
    /// Bytes of values that rules may add to one set (`datasets.defaults.memcap`).
    pub limit_bytes: u64,
    /// Whether rules may name files that sets are kept in by absolute paths (`datasets.rules.allow-absolute-filenames`).
    pub absolute_names: bool,
    /// Whether rules may keep sets in files (`datasets.rules.allow-write`).
    pub kept_by_rules: bool,
    /// Whether sets are used (`datasets.enabled`).
    pub enabled: bool,
    /// The folder that sets are kept in (`datasets.save-directory`).
    pub folder: Option<PathBuf>,
    /// The sets, as the keyword `dataset` describes them: `seen,type string,state seen.lst`.
    pub sets: Vec<String>,
}

impl Default for Datasets {
    fn default() -> Self {
        Self {
            limit_bytes: DEFAULT_LIMIT_BYTES as u64,
            absolute_names: false,
            kept_by_rules: true,
            enabled: true,
            folder: None,
            sets: Vec::new(),
        }
    }
}

/// Files of reputation.
#[derive(Clone, Debug, Default)]
pub struct ReputationFiles {
    /// `reputation-categories-file`
    pub categories: Option<PathBuf>,
    /// `reputation-files`, below `default-reputation-path`
    pub lists: Vec<PathBuf>,
}

pub(super) fn datasets(root: &Node, faults: &mut Vec<Problem>) -> Datasets {
    let mut read = Datasets::default();
    if let Some((node, text)) = root.at("datasets.defaults.memcap").and_then(|node| Some((node, node.text()?))) {
        match parse_size(text) {
            Some(bytes) => read.limit_bytes = bytes,
            None => faults.push(node.problem(format!("`{text}` is no size"), "such as 64mb")),
        }
    }
    if let Some(datasets) = root.get("datasets") {
        read.absolute_names = datasets.switch_at("rules.allow-absolute-filenames", false, faults);
        read.kept_by_rules = datasets.switch_at("rules.allow-write", true, faults);
        read.enabled = datasets.switch_at("enabled", true, faults);
        read.folder = datasets.get("save-directory").and_then(Node::text).map(PathBuf::from);
        let is_set = |(name, node): &&(String, Node)| {
            !NO_SETS.contains(&name.as_str()) && node.get("enabled").and_then(Node::switch) != Some(false)
        };
        for (name, node) in datasets.entries().iter().filter(is_set).filter(|_| read.enabled) {
            let mut text = name.clone();
            for (key, value) in node.entries().iter().filter(|(key, _)| key != "enabled") {
                text.push_str(&format!(",{key} {}", value.text().unwrap_or_default()));
            }
            read.sets.push(text);
        }
    }
    read
}

/// Keys of `datasets` that are no sets.
const NO_SETS: &[&str] = &["defaults", "rules", "limits", "enabled", "save-directory"];

pub(super) fn reputation(root: &Node) -> ReputationFiles {
    let text = |key: &str| root.at(key).and_then(Node::text);
    let folder = Path::new(text("default-reputation-path").unwrap_or_default());
    let named = root.at("reputation-files");
    let listed = named.map(Node::items).unwrap_or(&[]).iter().filter_map(Node::text);
    ReputationFiles {
        categories: text("reputation-categories-file").map(PathBuf::from),
        lists: listed.chain(named.and_then(Node::text)).map(|file| folder.join(file)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_lists_are_read() {
        let root = Node::parse(
            "datasets:\n  defaults: {memcap: 1mb}\n  seen: {type: string, state: seen.lst}\ndefault-reputation-path: /r\nreputation-files: [a, b]\n",
        );
        let mut faults = Vec::new();
        let read = datasets(&root, &mut faults);
        assert_eq!((read.limit_bytes, read.sets), (1 << 20, vec!["seen,type string,state seen.lst".to_owned()]));
        assert_eq!(reputation(&root).lists, [PathBuf::from("/r/a"), PathBuf::from("/r/b")]);
        let root = Node::parse(
            "datasets:\n  save-directory: /sets\n  rules: {allow-write: no}\n  one: {enabled: no, type: ip}\n  two: {enabled: yes, type: ip}\n",
        );
        let read = datasets(&root, &mut faults);
        assert_eq!(
            (read.folder, read.kept_by_rules, read.sets),
            (Some("/sets".into()), false, vec!["two,type ip".into()])
        );
        let read = datasets(&Node::parse("datasets:\n  enabled: no\n  seen: {type: ip}\n"), &mut faults);
        assert!(!read.enabled && read.sets.is_empty() && faults.is_empty());
    }
}
