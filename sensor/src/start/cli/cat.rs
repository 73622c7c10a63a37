//! `tapwire cat`: records of the log to standard output, and the choice of records that `tail` and `grep` share.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use tapwire_parsers::link::Timestamp;

use crate::capture::{clock, compression};
use crate::sinks::encode::{self, Encoded, Encoder, Encoding, Facts, Tape};
use crate::sinks::log::search::segments_in;
use crate::sinks::log::wanted::{Kind, Wanted};
use crate::start::terminal::say;

pub(super) const HELP: &str =
    "RECORDS are folders of a log, or files of records; without any, the folder `.`. Times are as in records, or
so long ago: 30s, 10m, 2h, 7d. Segments whose index says that they have nothing of it are not read.

  tapwire cat --since 10m --type alert /var/log/tapwire
  tapwire cat --ip 10.0.0.1 --name example.com --since 2026-12-01T09:00:00Z --until 2026-12-01T10:00:00Z
  tapwire cat /var/log/tapwire | your-shipper
  tapwire cat --as cef --type alert /var/log/tapwire";

/// What is wrong with a folder that is no log.
pub(super) const NO_LOG: &str = "holds no log (eve-SENSOR-TIME-NUMBER.json.zst)";
/// Bytes of the longest line.
const LINE_BYTES: u64 = 64 << 20;

/// `tapwire cat`
#[derive(Clone, Debug, Args)]
pub struct Cat {
    /// Folders of a log, or files of records
    #[arg(value_name = "RECORDS", default_value = ".")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Write records in this encoding, not as they are stored: eve, cef, leef, fast, ecs, ocsf, asim or gelf
    #[arg(long = "as", value_name = "ENCODING", value_parser = encoding)]
    encoding: Option<&'static Encoding>,
}

/// Which records are wanted.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Choice {
    /// Only records from this time on
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only records of this event type (repeatable)
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only records with this address (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// Only records with this host or domain, or a host in it (repeatable)
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Only records with this digest or fingerprint (repeatable)
    #[arg(long, value_name = "HASH")]
    hash: Vec<String>,
    /// Only alerts of this rule (repeatable)
    #[arg(long, value_name = "SID")]
    sid: Vec<u64>,
    /// Only records of this flow (repeatable)
    #[arg(long, value_name = "ID")]
    flow_id: Vec<u64>,
    /// Only records with this community id (repeatable)
    #[arg(long, value_name = "ID")]
    community_id: Vec<String>,
}

impl Choice {
    /// The same for the log.
    pub(super) fn wanted(&self) -> Wanted {
        let numbers = |all: &[u64]| all.iter().map(u64::to_string).collect();
        let values = [
            (Kind::Address, self.ip.clone()),
            (Kind::Name, self.name.clone()),
            (Kind::Hash, self.hash.clone()),
            (Kind::Rule, numbers(&self.sid)),
            (Kind::Flow, numbers(&self.flow_id)),
            (Kind::Community, self.community_id.clone()),
        ];
        Wanted {
            since: self.since,
            until: self.until,
            types: self.types.clone(),
            values: values.into_iter().filter(|(_, any)| !any.is_empty()).collect(),
            ..Wanted::default()
        }
    }
}

impl Cat {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let wanted = self.choice.wanted();
        let Some(encoding) = self.encoding else { return written(&self.records, &wanted, &mut Lines::write) };
        let encoder = Encoder::new(encoding, encode::Settings::default());
        let (mut tape, mut encoded) = (Tape::default(), Vec::new());
        written(&self.records, &wanted, &mut |out, line| {
            encoded.clear();
            let became = tape.read(line).map(|record| encoder.encode(&Facts::of(record), &mut encoded));
            // Not every record has a place in every encoding.
            !matches!(became, Some(Encoded::Whole | Encoded::Cut)) || out.write(&encoded)
        })
    }
}

/// An encoding by its name.
fn encoding(name: &str) -> Result<&'static Encoding, String> {
    encode::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = encode::ENCODINGS.iter().map(|encoding| encoding.name).collect();
        format!("there are {}", names.join(", "))
    })
}

/// Hands what is wanted of some records to `write`, for standard output; the exit status.
pub(super) fn written(records: &[PathBuf], wanted: &Wanted, write: &mut dyn FnMut(&mut Lines, &[u8]) -> bool) -> u8 {
    let mut out = Lines::default();
    let mut status = 0;
    for path in records {
        match read(path, wanted, &mut |line| write(&mut out, line)) {
            Ok(wrong) => {
                status = status.max(u8::from(!wrong.is_empty()));
                wrong.iter().for_each(|wrong| say(&format!("error: {wrong}")));
            }
            Err(error) => {
                status = 1;
                say(&format!("error: {}: {error}", path.display()));
            }
        }
    }
    status.max(out.end())
}

/// Gives each record that is wanted, until `give` says no; what was damaged.
fn read(path: &Path, wanted: &Wanted, give: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<Vec<String>> {
    if !path.is_dir() {
        return read_file(path, wanted, give).map(|()| Vec::new());
    }
    let segments = segments_in(path)?;
    if segments.is_empty() {
        return Err(io::Error::other(NO_LOG));
    }
    let (mut wrong, mut goes_on) = (Vec::new(), true);
    for segment in segments {
        if goes_on {
            wrong.extend(segment.read(wanted, &mut |line| {
                goes_on = give(line);
                goes_on
            })?);
        }
    }
    Ok(wrong)
}

/// Gives each record of a file that is wanted, until `give` says no.
pub(super) fn read_file(path: &Path, wanted: &Wanted, give: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
    let (reader, _) = match path.as_os_str() == "-" {
        true => compression::open(io::stdin())?,
        false => compression::open(File::open(path)?)?,
    };
    let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
    while reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)? > 0 {
        let record = line.strip_suffix(b"\n").unwrap_or(&line);
        if wanted.holds(record) && !give(record) {
            break;
        }
        line.clear();
    }
    Ok(())
}

/// Lines on standard output.
pub(super) struct Lines {
    out: BufWriter<io::Stdout>,
    error: Option<io::Error>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { out: BufWriter::with_capacity(256 << 10, io::stdout()), error: None }
    }
}

impl Lines {
    /// Writes one; false when nobody reads any more.
    pub(super) fn write(&mut self, line: &[u8]) -> bool {
        let written = self.out.write_all(line).and_then(|()| self.out.write_all(b"\n"));
        self.note(written)
    }

    /// Shows what was written; false when nobody reads any more.
    pub(super) fn flush(&mut self) -> bool {
        let flushed = self.out.flush();
        self.note(flushed)
    }

    /// The exit status: a reader that has enough is no fault.
    pub(super) fn end(mut self) -> u8 {
        self.flush();
        match self.error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                say(&format!("error: records cannot be written: {error}"));
                1
            }
            _ => 0,
        }
    }

    fn note(&mut self, result: io::Result<()>) -> bool {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
        self.error.is_none()
    }
}

/// A time as in records, or so long ago.
fn time(text: &str) -> Result<Timestamp, String> {
    let unit = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let ago = text
        .char_indices()
        .next_back()
        .and_then(|(at, last)| Some((text.get(..at)?.parse::<u64>().ok()?, unit(last)?)));
    if let Some((count, unit)) = ago {
        return Ok(Timestamp(clock::now().0.saturating_sub(count.saturating_mul(unit).saturating_mul(1_000_000))));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let parsed = whole.parse::<jiff::Timestamp>().ok().or_else(|| {
        // A time without a zone is one of UTC, as in records.
        format!("{whole}Z").parse().ok()
    });
    let micros = parsed.and_then(|time| u64::try_from(time.as_microsecond()).ok());
    micros.map(Timestamp).ok_or_else(|| "write it as 2026-12-01T09:00:00Z, or as 10m for ten minutes ago".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let nine = 1_796_115_600_000_000;
        for text in [
            "2026-12-01T09:00:00Z",
            "2026-12-01T09:00:00",
            "2026-12-01 09:00:00",
            "2026-12-01T10:00:00+01:00",
            "2026-12-01T09:00:00.000000+0000",
        ] {
            assert_eq!(time(text), Ok(Timestamp(nine)), "{text}");
        }
        assert_eq!(time("2026-12-01").unwrap().0 + 9 * 3_600_000_000, nine);
        let ago = clock::now().0 - time("2h").unwrap().0;
        assert!((7_190_000_000..7_260_000_000).contains(&ago));
        for wrong in ["", "yesterday", "10", "10w", "ü", "2026-13-01"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
