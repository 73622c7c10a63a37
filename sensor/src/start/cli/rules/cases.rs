//! Cases of `tapwire rules test`: folders with rules, captures and the alerts that are expected.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::expected::Expected;
use crate::sinks::plain::read_plain;

/// Name of the file that lists the expected alerts.
pub(super) const EXPECTED: &str = "expected";
/// Bytes of the largest of them.
const EXPECTED_LIMIT: u64 = 16 << 20;
/// Folders within folders.
const DEPTH_LIMIT: usize = 64;

/// A folder that is a case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) folder: PathBuf,
    /// Its rule files, by name.
    rules: Vec<PathBuf>,
    /// Its captures, by name.
    captures: Vec<PathBuf>,
    pub(super) config: Option<PathBuf>,
    has_expected: bool,
}

/// What a case runs with.
pub(super) struct Inputs {
    pub(super) rules: Vec<PathBuf>,
    pub(super) captures: Vec<PathBuf>,
    /// Nothing where the file is not there.
    pub(super) expected: Option<Expected>,
}

impl Case {
    /// The cases in a folder and the folders in it, in the order of their names.
    pub(super) fn below(folder: &Path) -> Result<Vec<Self>, String> {
        let mut cases = Vec::new();
        look(folder, 0, &mut cases).map_err(|(path, error)| format!("{} cannot be read: {error}", path.display()))?;
        Ok(cases)
    }

    /// How it is called in reports: its folder as it was reached.
    pub(super) fn name(&self) -> String {
        self.folder.display().to_string()
    }

    /// Reads what is expected and finds the files that it names.
    pub(super) fn inputs(&self) -> Result<Inputs, String> {
        let path = self.folder.join(EXPECTED);
        let (mut rules, mut captures) = (self.rules.clone(), self.captures.clone());
        let mut expected = None;
        if self.has_expected {
            let read = read(&path).and_then(|text| Expected::read(&text));
            let read = read.map_err(|error| format!("{}: {error}", path.display()))?;
            rules.extend(read.rules.iter().map(|name| self.folder.join(name)));
            captures.extend(read.captures.iter().map(|name| self.folder.join(name)));
            expected = Some(read);
        }
        if captures.is_empty() {
            let hint = "put a *.pcap or *.pcapng beside it, or name one in `expected` with `capture: PATH`";
            return Err(format!("there is no capture; {hint}"));
        }
        match captures.iter().chain(&rules).find(|path| !path.is_file()) {
            Some(missing) => Err(format!("{} is named and is no file; check the path", missing.display())),
            None => Ok(Inputs { rules, captures, expected }),
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = read_plain(path, EXPECTED_LIMIT).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Links to folders are not followed, as they may lead back; hidden folders are passed over.
fn look(folder: &Path, depth: usize, cases: &mut Vec<Case>) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    let list = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut list = list.map_err(failed)?;
    list.sort_by_key(fs::DirEntry::file_name);
    let mut case =
        Case { folder: folder.to_owned(), rules: vec![], captures: vec![], config: None, has_expected: false };
    let mut folders = Vec::new();
    for entry in list {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            folders.extend((!name.starts_with('.')).then_some(path));
        } else if !path.is_file() {
            continue;
        } else if name == EXPECTED {
            case.has_expected = true;
        } else if name == "config.yaml" {
            case.config = Some(path);
        } else if name.ends_with(".rules") {
            case.rules.push(path);
        } else if is_capture(&name) {
            case.captures.push(path);
        }
    }
    // Rules beside a capture were meant to be tested: that nothing is expected of them is told, not passed over.
    if case.has_expected || (!case.rules.is_empty() && !case.captures.is_empty()) {
        cases.push(case);
    }
    if depth < DEPTH_LIMIT {
        folders.iter().try_for_each(|folder| look(folder, depth + 1, cases))?;
    }
    Ok(())
}

fn is_capture(name: &str) -> bool {
    let plain = [".gz", ".zst", ".lz4"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    [".pcap", ".pcapng", ".cap"].iter().any(|end| plain.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_found_at_any_depth() {
        let top = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("b/a.rules", ""),
            ("b/1.pcap.zst", ""),
            ("a/deep/down/expected", "capture: ../../../b/1.pcap.zst\nrules: ../../../b/a.rules\n1"),
            ("rules only/a.rules", ""),
            ("capture only/a.pcapng", ""),
            (".hidden/expected", ""),
            ("empty/expected", ""),
            ("wrong/expected", "capture: nowhere.pcap\n"),
        ] {
            let path = top.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cases = Case::below(top.path()).unwrap();
        let names: Vec<_> = cases.iter().map(|case| case.folder.strip_prefix(top.path()).unwrap()).collect();
        assert_eq!(names, ["a/deep/down", "b", "empty", "wrong"].map(Path::new));
        let inputs: Vec<_> = cases.iter().map(Case::inputs).collect();
        let found = inputs[0].as_ref().unwrap();
        assert_eq!((found.rules.len(), found.captures.len(), found.expected.is_some()), (1, 1, true));
        assert!(inputs[1].as_ref().is_ok_and(|inputs| inputs.expected.is_none()));
        assert!(inputs[2].as_ref().is_err_and(|error| error.starts_with("there is no capture")));
        assert!(inputs[3].as_ref().is_err_and(|error| error.contains("nowhere.pcap is named")));
        assert!(Case::below(Path::new("/no/such/folder")).is_err());
    }
}
