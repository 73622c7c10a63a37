//! `tapwire show`: records on a terminal: what happened, whose alerts, who talked, and what could not be read.

mod books;
mod lines;
mod records;
mod table;
mod views;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::start::terminal::{is_coloured, say, show_rendered};
use books::Books;
use records::{Record, Sources};
use table::Paint;

pub(super) const HELP: &str =
    "RECORDS are files of EVE records, plain or compressed, folders of them, or - for standard input; without
any, the folder `.`. What to show stands first:

  tapwire show out                    events, alerts by rule, talkers, protocols, what was not decodable
  tapwire show alerts out             each alert; --sid 2001, --host 10.0.0.1 choose
  tapwire show rules out              alerts by rule
  tapwire show talkers out --top 50
  tapwire show out/eve.json.zst --host 10.0.0.1";

/// `tapwire show`
#[derive(Clone, Debug, Args)]
pub struct Show {
    /// What to show, then the records
    #[arg(value_name = "WHAT|RECORDS")]
    arguments: Vec<String>,
    #[command(flatten)]
    choice: Choice,
}

/// `tapwire alerts`
#[derive(Clone, Debug, Args)]
pub struct Alerts {
    /// Files of records, or folders of them
    #[arg(value_name = "RECORDS")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    choice: Choice,
}

/// Which records count, and how many rows are shown.
#[derive(Clone, Debug, Default, Args)]
struct Choice {
    /// Only records of alerts of this rule (repeatable)
    #[arg(long, value_name = "SID")]
    sid: Vec<u64>,
    /// Only records with this address at one end (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    host: Vec<String>,
    /// Rows of each table; all of a list by default, 10 of a table
    #[arg(long, value_name = "N")]
    top: Option<usize>,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum View {
    /// Some of everything
    Overview,
    /// Each alert
    Alerts,
    /// Alerts by rule
    Rules,
    /// Addresses by bytes
    Talkers,
    /// Protocols by flows
    Protocols,
    /// Anomalies, and packets that were not decodable, by reason
    Undecoded,
    /// Each flow
    Flows,
}

impl Show {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let named =
            self.arguments.split_first().and_then(|(first, rest)| Some((View::from_str(first, false).ok()?, rest)));
        let (view, paths) = named.unwrap_or((View::Overview, &self.arguments));
        self.choice.show(view, paths.iter().map(PathBuf::from).collect())
    }
}

impl Alerts {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        self.choice.show(View::Alerts, self.records.clone())
    }
}

impl Choice {
    fn show(&self, view: View, mut paths: Vec<PathBuf>) -> u8 {
        if paths.is_empty() {
            paths.push(PathBuf::from("."));
        }
        let sources = match Sources::of(&paths) {
            Ok(sources) => sources,
            Err(error) => {
                say(&format!("error: {error}"));
                return 1;
            }
        };
        let paint = Paint { coloured: is_coloured(&std::io::stdout()) };
        let mut books = Books::default();
        let mut left = self.top.unwrap_or(usize::MAX);
        let errors = sources.read(&mut |record| {
            if !self.wants(record) {
                return;
            }
            let line = match view {
                View::Alerts => lines::alert(record, paint),
                View::Flows => lines::flow(record),
                _ => return books.add(record),
            };
            if let Some(line) = line.filter(|_| left > 0) {
                left -= 1;
                show_rendered(&(line + "\n"));
            }
        });
        let top = self.top.unwrap_or(views::TOP);
        show_rendered(&match view {
            View::Alerts | View::Flows => String::new(),
            View::Overview => views::overview(&books, top, paint),
            View::Rules => views::rules(&books, top, paint),
            View::Talkers => views::talkers(&books, top, paint),
            View::Protocols => views::protocols(&books, top, paint),
            View::Undecoded => views::undecoded(&books, top, paint),
        });
        errors.iter().for_each(|error| say(&format!("error: {error}")));
        u8::from(!errors.is_empty())
    }

    fn wants(&self, record: &Record) -> bool {
        let ends = [&record.src_ip, &record.dest_ip];
        let has_host = || ends.iter().any(|end| end.as_ref().is_some_and(|end| self.host.contains(end)));
        let has_rule = || record.alert.as_ref().is_some_and(|alert| self.sid.contains(&alert.signature_id));
        (self.host.is_empty() || has_host()) && (self.sid.is_empty() || has_rule())
    }
}
