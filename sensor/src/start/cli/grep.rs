//! `tapwire grep`: the records of the log that have a text in them.

use std::path::PathBuf;

use clap::Args;

use super::cat::{Choice, Lines, written};

pub(super) const HELP: &str = "The text is looked for in records as they are written, which is JSON: a quote in a value has a backslash before it.
Addresses, names, digests, rules and flows are found faster with the options for them, by the index of each segment.

  tapwire grep sqlmap /var/log/tapwire --since 1d --type http
  tapwire grep -i \"invoke-expression\" /var/log/tapwire";

/// `tapwire grep`
#[derive(Clone, Debug, Args)]
pub struct Grep {
    /// The text
    #[arg(value_name = "TEXT")]
    text: String,
    /// Folders of a log, or files of records
    #[arg(value_name = "RECORDS", default_value = ".")]
    records: Vec<PathBuf>,
    /// Another text that will do as well (repeatable)
    #[arg(short = 'e', long = "or", value_name = "TEXT")]
    or: Vec<String>,
    /// Letters may have any case
    #[arg(short, long)]
    ignore_case: bool,
    #[command(flatten)]
    choice: Choice,
}

impl Grep {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let mut wanted = self.choice.wanted();
        wanted.texts = self.or.iter().chain([&self.text]).cloned().collect();
        wanted.any_case = self.ignore_case;
        written(&self.records, &wanted, &mut Lines::write)
    }
}
