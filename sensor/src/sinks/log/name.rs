//! Names of segments: `eve-SENSOR-20261201T095748Z-0000000042.json.zst` says whose records are in it, since when, and its number, which
//! is never given again. The one that is written to ends with `.open`, the index beside a finished one with `.index`.

use tapwire_parsers::link::Timestamp;

/// The end of a segment's name.
pub(crate) const SEALED: &str = ".json.zst";
/// That of the one that is written to.
pub(crate) const OPEN: &str = ".json.zst.open";
/// That of an index.
pub(crate) const INDEX: &str = ".index";
const BEGIN: &str = "eve-";
/// Digits of a number, so that names are in the order of numbers.
const DIGITS: usize = 10;
/// Characters of a sensor's name that are kept.
const SENSOR_LEN: usize = 64;

/// The name of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Its number.
    pub(crate) number: u64,
    /// Whether it is finished.
    pub(crate) is_sealed: bool,
    /// The name without its end.
    stem: String,
}

impl Name {
    /// That of a new segment.
    pub(crate) fn new(sensor: &str, begin: Timestamp, number: u64) -> Self {
        let second = i64::try_from(begin.0 / 1_000_000).unwrap_or(0);
        let time = jiff::Timestamp::from_second(second).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
        Self { number, is_sealed: false, stem: format!("{BEGIN}{}-{time}-{number:0DIGITS$}", plain(sensor)) }
    }

    /// Reads one; nothing if the file is no segment.
    pub(crate) fn parse(file: &str) -> Option<Self> {
        let (stem, is_sealed) = match file.strip_suffix(SEALED) {
            Some(stem) => (stem, true),
            None => (file.strip_suffix(OPEN)?, false),
        };
        let (rest, number) = stem.rsplit_once('-')?;
        // A copy may have a mark.
        let number = number.split_once('.').map_or(number, |(number, _)| number);
        let (sensor, time) = rest.strip_prefix(BEGIN)?.rsplit_once('-')?;
        let is_time = time.len() == 16 && time.ends_with('Z') && time.get(8..9) == Some("T");
        let is_number = number.len() >= DIGITS && number.bytes().all(|digit| digit.is_ascii_digit());
        (is_time && is_number && !sensor.is_empty()).then_some(())?;
        Some(Self { number: number.parse().ok()?, is_sealed, stem: stem.to_owned() })
    }

    /// The same segment when it is finished.
    pub(crate) fn sealed(&self) -> Self {
        Self { is_sealed: true, ..self.clone() }
    }

    /// The file.
    pub(crate) fn file(&self) -> String {
        format!("{}{}", self.stem, if self.is_sealed { SEALED } else { OPEN })
    }

    /// The name without its end, with a mark that tells it from a segment of another log with the same name.
    pub(crate) fn marked(&self, mark: &str) -> String {
        format!("{}.{mark}", self.stem)
    }

    /// The file of its index.
    pub(crate) fn index(&self) -> String {
        format!("{}{INDEX}", self.stem)
    }
}

/// The segments among names of files, in their order.
pub(crate) fn segments(files: &[String]) -> Vec<Name> {
    let mut names: Vec<Name> = files.iter().filter_map(|file| Name::parse(file)).collect();
    // A finished one stands before what a crash left of the same number.
    names.sort_by_key(|name| (name.number, !name.is_sealed));
    names.dedup_by_key(|name| name.number);
    names
}

/// A sensor's name with nothing in it that means something in a file's name.
fn plain(sensor: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '_' };
    let name: String = sensor.trim_start_matches('.').chars().take(SENSOR_LEN).map(kept).collect();
    if name.is_empty() { "sensor".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_sensor_time_and_number_and_are_read_back() {
        let name = Name::new("dmz-1", Timestamp(1_796_119_068_123_456), 42);
        assert_eq!(name.file(), "eve-dmz_1-20261201T095748Z-0000000042.json.zst.open");
        assert_eq!(Name::parse(&name.file()), Some(name.clone()));
        let sealed = name.sealed();
        assert_eq!(sealed.file(), "eve-dmz_1-20261201T095748Z-0000000042.json.zst");
        assert_eq!((Name::parse(&sealed.file()), sealed.index().len()), (Some(sealed), 43));
        let marked = format!("{}{SEALED}", name.marked("12ab"));
        assert_eq!(marked, "eve-dmz_1-20261201T095748Z-0000000042.12ab.json.zst");
        assert_eq!(Name::parse(&marked).map(|name| (name.number, name.is_sealed)), Some((42, true)));
        for (sensor, kept) in [("", "sensor"), ("../../etc", "_.._etc"), ("a/b\n", "a_b_"), ("..", "sensor")] {
            assert!(Name::new(sensor, Timestamp(0), 1).file().starts_with(&format!("eve-{kept}-1970")), "{sensor}");
        }
        for other in ["eve.json.zst", "eve-a-b-1.json.zst", "eve-x-20261201T095748Z-42.json.zst", "eve-.json.zst"] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn segments_are_in_the_order_of_their_numbers_each_once() {
        let of = |number, sealed| {
            let name = Name::new("s", Timestamp(0), number);
            if sealed { name.sealed().file() } else { name.file() }
        };
        let files = [of(12, false), of(3, true), "other".into(), of(3, false), of(10_000_000_001, true)];
        let found: Vec<_> = segments(&files).iter().map(|name| (name.number, name.is_sealed)).collect();
        assert_eq!(found, [(3, true), (12, false), (10_000_000_001, true)]);
    }
}
