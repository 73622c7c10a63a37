//! Names of segments: `20231114T221320.000005Z-00000007.pcapng.zst`, the time of the first packet and a number that grows.

use std::io;
use std::path::{Path, PathBuf};

use tapwire_parsers::link::Timestamp;

/// What names of segments end with.
const ENDING: &str = ".pcapng.zst";
/// Segments of one folder.
const LIMIT: usize = 1 << 20;

/// The name of the segment of a number that begins at a time.
pub fn name(first: Timestamp, number: u64) -> String {
    let seconds = i64::try_from(first.0 / 1_000_000).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{}.{:06}Z-{number:08}{ENDING}", time.strftime("%Y%m%dT%H%M%S"), first.0 % 1_000_000)
}

/// The number in a name; nothing where it is none of a segment.
fn number(name: &str) -> Option<u64> {
    let (time, number) = name.strip_suffix(ENDING)?.rsplit_once('-')?;
    let is_time = time.len() >= 16 && time.ends_with('Z') && time.contains('T');
    number.parse().ok().filter(|_| is_time && number.len() >= 8)
}

/// The segments of a folder, in the order in which they were written.
pub fn segments(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(number);
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        all.extend(number.filter(|_| is_file && all.len() < LIMIT).map(|number| (number, entry.path())));
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_those_of_other_files() {
        let name = name(Timestamp(1_700_000_000_000_005), 7);
        assert_eq!((name.as_str(), number(&name)), ("20231114T221320.000005Z-00000007.pcapng.zst", Some(7)));
        for other in ["capture.pcapng.zst", "a-1.pcapng.zst", "20231114T221320.000005Z-00000007.pcapng", ""] {
            assert_eq!(number(other), None, "{other}");
        }
        let folder = tempfile::tempdir().unwrap();
        for number in [12, 3, 100_000_000] {
            std::fs::write(folder.path().join(super::name(Timestamp(0), number)), "").unwrap();
        }
        std::fs::write(folder.path().join("mine.pcapng.zst"), "").unwrap();
        let numbers: Vec<u64> = segments(folder.path()).unwrap().into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [3, 12, 100_000_000]);
    }
}
