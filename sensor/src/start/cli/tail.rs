//! `tapwire tail`: the last records of the log, and those that come.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::cat::{Choice, Lines};
use crate::sinks::log::cursor::{self, Cursor, Limits};
use crate::sinks::log::search::segments_in;
use crate::sinks::log::wanted::Wanted;
use crate::start::terminal::say;

pub(super) const HELP: &str = "Examples:
  tapwire tail /var/log/tapwire
  tapwire tail -f --type alert /var/log/tapwire
  tapwire tail -n 0 -f /var/log/tapwire | your-shipper";

/// Records that are read at once.
const LIMITS: Limits = Limits { bytes: 4 << 20, records: usize::MAX };
/// Between two looks at whether there are more.
const NAP: Duration = Duration::from_millis(100);

/// `tapwire tail`
#[derive(Clone, Debug, Args)]
pub struct Tail {
    /// Folder of a log
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// How many of the last
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    count: usize,
    /// Go on with those that come
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    choice: Choice,
}

impl Tail {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let mut out = Lines::default();
        match self.write(&self.choice.wanted(), &mut out) {
            Ok(()) => out.end(),
            Err(error) => {
                say(&format!("error: {}: {error}", self.folder.display()));
                1
            }
        }
    }

    fn write(&self, wanted: &Wanted, out: &mut Lines) -> io::Result<()> {
        // What comes while the last are looked for is among them, or comes behind.
        let mut cursor = Cursor::open(&self.folder, Some(cursor::end(&self.folder)?))?;
        let end = cursor.position();
        let mut parts: Vec<VecDeque<Vec<u8>>> = Vec::new();
        let mut left = self.count;
        for segment in segments_in(&self.folder)?.iter().rev().filter(|segment| segment.number() <= end.segment) {
            if left == 0 {
                break;
            }
            let mut last = VecDeque::new();
            let wrong = segment.read_before(end, wanted, &mut |line| {
                if last.len() == left {
                    last.pop_front();
                }
                last.push_back(line.to_vec());
                true
            })?;
            wrong.iter().for_each(|wrong| say(&format!("warning: {wrong}")));
            left -= last.len();
            parts.push(last);
        }
        let shown = parts.iter().rev().flatten().all(|line| out.write(line));
        while self.follow && shown && out.flush() {
            let batch = cursor.next(LIMITS)?;
            for gap in &batch.gaps {
                say(&format!("warning: {} records of segment {} are gone", gap.records.total(), gap.segment));
            }
            let mut new = batch.records().filter(|record| wanted.holds(record.line));
            if !new.all(|record| out.write(record.line)) {
                break;
            }
            if batch.is_empty() {
                std::thread::sleep(NAP);
            }
        }
        Ok(())
    }
}
