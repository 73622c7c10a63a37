//! `outputs`: `tcp-data` and `http-body-data`, bytes as they were read.

use super::node::Node;
use super::outputs::append;
use super::{Problem, StoreLimits};
use crate::sinks::stream_data::Settings;

/// Reads either of them.
pub(super) fn stream_data(name: &'static str, node: &Node, faults: &mut Vec<Problem>) -> Settings {
    let [file, folder] = match name {
        "tcp-data" => ["tcp-data.log", "tcp-data"],
        _ => ["http-data.log", "http-data"],
    };
    let kind = node.choice_at("type", &["file", "dir", "both"], faults);
    let named = |key: &str, usual: &str| Some(node.get(key).and_then(Node::text).unwrap_or(usual).into());
    Settings {
        filename: named("filename", file).filter(|_| kind != "dir"),
        folder: named("log-dir", folder).filter(|_| kind != "file"),
        short_addresses: node.switch_at("ipv6-compress", false, faults),
        append: append(node, faults).unwrap_or(true),
        files: StoreLimits::default().data_files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_places() {
        for (text, file, folder) in [
            ("enabled: yes\n", Some("tcp-data.log"), None),
            ("type: dir\n", None, Some("tcp-data")),
            ("type: both\nfilename: a\nlog-dir: b\n", Some("a"), Some("b")),
        ] {
            let mut faults = Vec::new();
            let read = stream_data("tcp-data", &Node::parse(text), &mut faults);
            assert_eq!((read.filename, read.folder), (file.map(Into::into), folder.map(Into::into)), "{text}");
            assert!(faults.is_empty());
        }
        let mut faults = Vec::new();
        stream_data("http-body-data", &Node::parse("type: tape\n"), &mut faults);
        assert_eq!(faults.len(), 1);
    }
}
