//! `tapwire parquet`: records of a log, or of files, as columns.

use std::path::{Path, PathBuf};

use clap::Args;

use super::cat::{self, Choice};
use crate::sinks::log::sealed::mark;
use crate::sinks::log::search::segments_in;
use crate::sinks::log::wanted::Wanted;
use crate::sinks::parquet::Sheets;
use crate::start::terminal::{say, show};

pub(super) const HELP: &str = "RECORDS are folders of a log, or files of records. Each segment and each file becomes files of Parquet below DIR, one for each type and
hour: `event_type=dns/date=2026-12-01/hour=09/…parquet`. Names follow from what is read, so that the same again replaces them; give a
choice of records a DIR of its own. An output of type `folder` does the same for a log that goes on.

  tapwire parquet --out lake /var/log/tapwire
  tapwire parquet --out week48 --since 7d --type flow --type dns /var/log/tapwire
  duckdb -c \"SELECT src_ip, count(*) FROM 'lake/event_type=dns/**/*.parquet' GROUP BY 1 ORDER BY 2 DESC\"";

/// Ends of names that say nothing of what is in the file.
const ENDS: [&str; 5] = [".zst", ".gz", ".lz4", ".json", ".open"];

/// `tapwire parquet`
#[derive(Clone, Debug, Args)]
pub struct Parquet {
    /// Folders of a log, or files of records
    #[arg(value_name = "RECORDS", default_value = ".")]
    records: Vec<PathBuf>,
    /// The folder that files are written below
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The sensor's name, where records do not name theirs
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    #[command(flatten)]
    choice: Choice,
}

/// What was done.
#[derive(Default)]
struct Done {
    files: usize,
    records: u64,
    misfits: u64,
    refused: u64,
}

impl Parquet {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let (wanted, mut done, mut status) = (self.choice.wanted(), Done::default(), 0);
        for path in &self.records {
            if let Err(words) = self.write(path, &wanted, &mut done) {
                status = 1;
                words.iter().for_each(|words| say(&format!("error: {words}")));
            }
        }
        let Done { files, records, misfits, refused } = done;
        let mut text = format!("{records} records in {files} files below {}\n", self.out.display());
        for (count, what) in
            [(misfits, "values fit no column, and are in `raw` alone"), (refused, "lines are no records")]
        {
            if count > 0 {
                text.push_str(&format!("{count} {what}\n"));
            }
        }
        show(text);
        status
    }

    /// Writes what a path has; what was wrong.
    fn write(&self, path: &Path, wanted: &Wanted, done: &mut Done) -> Result<(), Vec<String>> {
        let told = |error: std::io::Error| vec![format!("{}: {error}", path.display())];
        if !path.is_dir() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = |first: &[u8]| format!("{}-{}", stem(&name), mark(first));
            let mut source = Source::new(self, &name, done);
            cat::read_file(path, wanted, &mut |line| source.take(line)).map_err(told)?;
            return source.end().map_err(told);
        }
        let segments = segments_in(path).map_err(told)?;
        if segments.is_empty() {
            return Err(vec![format!("{}: {}", path.display(), cat::NO_LOG)]);
        }
        let mut wrong = Vec::new();
        for segment in segments {
            let name = |first: &[u8]| segment.marked(first);
            let mut source = Source::new(self, &name, done);
            let is_read = segment.read(wanted, &mut |line| source.take(line));
            match is_read.and_then(|damaged| source.end().map(|()| damaged)) {
                Ok(damaged) => wrong.extend(damaged),
                Err(error) => wrong.extend(told(error)),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// A segment or file on its way.
struct Source<'s> {
    options: &'s Parquet,
    /// Names its files, after its first record.
    name: &'s dyn Fn(&[u8]) -> String,
    sheets: Option<Sheets>,
    error: Option<std::io::Error>,
    done: &'s mut Done,
}

impl<'s> Source<'s> {
    fn new(options: &'s Parquet, name: &'s dyn Fn(&[u8]) -> String, done: &'s mut Done) -> Self {
        Self { options, name, sheets: None, error: None, done }
    }

    /// Takes a record; false if no more can be taken.
    fn take(&mut self, line: &[u8]) -> bool {
        let taken = match &mut self.sheets {
            Some(sheets) => sheets.add(line),
            none => {
                let Parquet { out, host, .. } = self.options;
                Sheets::new(out, &(self.name)(line), host.as_deref()).and_then(|sheets| none.insert(sheets).add(line))
            }
        };
        match taken {
            Ok(is_record) => self.done.refused += u64::from(!is_record),
            Err(error) => self.error = Some(error),
        }
        self.error.is_none()
    }

    fn end(self) -> std::io::Result<()> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Some(mut sheets) = self.sheets else { return Ok(()) };
        let (records, misfits) = (sheets.records(), sheets.misfits());
        self.done.files += sheets.finish()?.len();
        sheets.publish()?;
        self.done.records += records;
        self.done.misfits += misfits;
        Ok(())
    }
}

/// The name of a file without what says how it is packed, and with nothing in it that means something in a name.
fn stem(name: &str) -> String {
    let mut rest = name;
    while let Some(shorter) = ENDS.iter().find_map(|end| rest.strip_suffix(end)) {
        rest = shorter;
    }
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let stem: String = rest.trim_start_matches('.').chars().take(100).map(kept).collect();
    if stem.is_empty() || stem == "-" { "records".to_owned() } else { stem }
}
