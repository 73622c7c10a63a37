//! `outputs`: `file-store` and `tls-store`, the folders of what rules keep of the traffic itself.

use std::path::PathBuf;

use tapwire_parsers::protocol::parse_size;

use super::Problem;
use super::node::{Node, Value};
use super::outputs::forwarded;
use crate::records::forwarded::Forwarded;

/// `file-store`
#[derive(Clone, Debug)]
pub struct FileStore {
    /// `dir`: below the log folder, unless it is absolute.
    pub folder: PathBuf,
    /// `force-filestore`: all files are stored.
    pub all: bool,
    /// `write-fileinfo`: a record is put beside each file.
    pub records_beside: bool,
    /// `stream-depth`: bytes of a stream that are inspected while it carries such a file; 0 for no limit.
    pub depth_bytes: Option<u64>,
    /// `max-open-files`: how many stay open between two pieces of theirs.
    pub open_files: usize,
    /// `force-magic`
    pub magic: bool,
    /// `force-hash`: MD5, SHA-1, SHA-256.
    pub hashes: [bool; 3],
    /// `xff`: how the client behind a proxy is shown in records beside files.
    pub forwarded: Option<Forwarded>,
}

/// `tls-store`
#[derive(Clone, Debug)]
pub struct CertificateStore {
    /// `certs-log-dir`: below the log folder, unless it is absolute.
    pub folder: PathBuf,
}

/// `tapwire.file-store` and `tapwire.tls-store`: how much the stores may take.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// Bytes of files that wait for the word of a rule; 0 for no limit.
    pub waiting_bytes: u64,
    /// Files that are begun and not at their end.
    pub begun_files: u64,
    /// Bytes of them.
    pub begun_bytes: u64,
    /// Certificate chains that a run stores.
    pub chains: u64,
    /// `tapwire.stream-data.files`: files of bare bytes that a run makes.
    pub data_files: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { waiting_bytes: 128 << 20, begun_files: 4_096, begun_bytes: 4 << 30, chains: 65_536, data_files: 65_536 }
    }
}

/// Files that stay open where the configuration does not say how many.
const OPEN_FILES: usize = 256;

/// Reads `file-store`; `None` where it is of the version that is no more.
pub(super) fn file_store(
    node: &Node,
    global_depth_bytes: u64,
    faults: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<FileStore> {
    if node.get("version").and_then(Node::text) != Some("2") {
        faults.push(node.problem(
            "file-store of version 1 is not offered".to_owned(),
            "write `version: 2`; the folder's key is `dir`",
        ));
        return None;
    }
    let mut open_files = OPEN_FILES;
    if let Some((wanted, text)) = node.get("max-open-files").and_then(|wanted| Some((wanted, wanted.text()?))) {
        match text.parse() {
            Ok(count) => open_files = count,
            Err(_) => faults.push(
                wanted.problem(format!("`{text}` is no number of files"), "0 closes each file after each piece of it"),
            ),
        }
    }
    let forwarded = node.get("xff").and_then(|xff| forwarded(xff, faults));
    Some(FileStore {
        folder: node.get("dir").and_then(Node::text).unwrap_or("filestore").into(),
        all: node.switch_at("force-filestore", false, faults),
        records_beside: node.switch_at("write-fileinfo", false, faults),
        depth_bytes: depth(node, faults).filter(|depth| *depth == 0 || *depth > global_depth_bytes),
        open_files,
        magic: node.switch_at("force-magic", false, faults),
        hashes: hashes(node, warnings),
        forwarded,
    })
}

/// `stream-depth`; `no` means that streams are as deep as others.
fn depth(node: &Node, faults: &mut Vec<Problem>) -> Option<u64> {
    let wanted = node.get("stream-depth")?;
    let text = wanted.text()?;
    let size = parse_size(text);
    if size.is_none() && wanted.switch() != Some(false) {
        faults.push(wanted.problem(format!("`{text}` is no size for stream-depth"), "such as 4mb, 0 for all, or no"));
    }
    size
}

/// `force-hash`: MD5, SHA-1, SHA-256.
pub(super) fn hashes(node: &Node, warnings: &mut Vec<Problem>) -> [bool; 3] {
    let Some(said) = node.get("force-hash") else { return [false; 3] };
    let wanted: Vec<String> = match &said.value {
        Value::List(items) => items.iter().filter_map(Node::text).map(str::to_ascii_lowercase).collect(),
        Value::Scalar(one) => one.split(',').map(|word| word.trim().to_ascii_lowercase()).collect(),
        _ => Vec::new(),
    };
    for unknown in wanted.iter().filter(|name| !DIGESTS.contains(&name.as_str())) {
        let message = format!("`{unknown}` is no digest that there is for files, and left out");
        warnings.push(said.word_problem(unknown, message, "md5, sha1 or sha256"));
    }
    DIGESTS.map(|name| wanted.iter().any(|wanted| wanted == name))
}

/// What `force-hash` may name.
const DIGESTS: [&str; 3] = ["md5", "sha1", "sha256"];

/// Reads `tls-store`.
pub(super) fn certificate_store(node: &Node) -> CertificateStore {
    CertificateStore { folder: node.get("certs-log-dir").and_then(Node::text).unwrap_or("certs").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<FileStore>, usize, usize) {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let store = file_store(&Node::parse(text), 1 << 20, &mut faults, &mut warnings);
        (store, faults.len(), warnings.len())
    }

    #[test]
    fn a_store_is_of_version_two_and_says_what_it_does_not_know() {
        let (store, faults, warnings) = read("version: 2\nforce-hash: [MD5, sha1, sha512]\nmax-open-files: 3\n");
        let store = store.unwrap();
        assert_eq!((faults, warnings), (0, 1));
        assert_eq!((store.hashes, store.open_files, store.depth_bytes), ([true, true, false], 3, None));
        for text in ["enabled: yes\n", "version: 1\n"] {
            let (store, faults, _) = read(text);
            assert!(store.is_none() && faults == 1, "{text}");
        }
        let (_, faults, _) = read("version: 2\nmax-open-files: many\nstream-depth: deep\nforce-filestore: perhaps\n");
        assert_eq!(faults, 3);
    }

    #[test]
    fn a_depth_only_adds_to_that_of_all_streams() {
        for (text, expected) in [("0", Some(0)), ("2mb", Some(2 << 20)), ("1mb", None), ("100kb", None), ("no", None)] {
            let (store, faults, _) = read(&format!("version: 2\nstream-depth: {text}\n"));
            assert_eq!((store.unwrap().depth_bytes, faults), (expected, 0), "{text}");
        }
    }
}
