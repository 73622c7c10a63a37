//! The command line.

mod begin;
mod cat;
mod check;
mod ctl;
mod grep;
mod interfaces;
mod letters;
mod live;
pub mod manual;
pub mod outputs;
mod packets;
#[cfg(feature = "parquet")]
mod parquet;
mod problems;
mod progress;
mod replay;
pub mod rules;
mod shells;
mod show;
mod summary;
mod tail;
mod top;
mod version;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::capture::CaptureError;
use crate::start::config::Given;
use crate::start::terminal::{Colour, choose_colour, say, usage};
pub use check::Check;
pub use live::Live;
pub use replay::Replay;

const AFTER_HELP: &str = "First steps:
  tapwire replay --rules my.rules --log-dir out capture.pcap
  tapwire show out

`tapwire COMMAND --help` has examples for each.";

/// A network detection sensor: packets to alerts, flows and transactions.
#[derive(Debug, Parser)]
#[command(
    name = "tapwire",
    version = version::SHORT,
    long_version = version::long(),
    about,
    max_term_width = 110,
    after_help = AFTER_HELP
)]
pub struct Arguments {
    /// Whether what is shown is coloured
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, hide_possible_values = true)]
    pub color: Colour,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads the command line and does what it says; the exit status.
pub fn run() -> u8 {
    let error = match Arguments::try_parse() {
        Ok(arguments) => return arguments.run(),
        Err(error) => error,
    };
    let is_unknown = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand);
    let status = usage(error);
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(command) = letters::translated(&words).filter(|_| is_unknown) {
        say(&format!("Suricata's letters have names here: {command}"));
    }
    status
}

impl Arguments {
    /// Does what they say; the exit status.
    fn run(&self) -> u8 {
        choose_colour(self.color);
        match &self.command {
            Command::Replay(options) => options.run(),
            Command::Run(options) => options.run(),
            Command::Ctl(options) => options.run(),
            Command::Top(options) => options.run(),
            Command::Check(options) => options.run(),
            Command::Rules(options) => options.run(),
            Command::Outputs(options) => options.run(),
            Command::Manual(options) => options.run(),
            Command::Show(options) => options.run(),
            Command::Alerts(options) => options.run(),
            Command::Cat(options) => options.run(),
            Command::Tail(options) => options.run(),
            Command::Grep(options) => options.run(),
            #[cfg(feature = "parquet")]
            Command::Parquet(options) => options.run(),
            Command::Packets(options) => options.run(),
            Command::Completions(options) => options.run(),
            Command::Man(options) => options.run(),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read captures and write records
    #[command(after_help = replay::HELP)]
    Replay(Replay),
    /// Watch interfaces and write records, until interrupted
    #[command(after_help = live::HELP)]
    Run(Live),
    /// Ask a live sensor, or tell it what to do: status, stats, reload, rules, memory, datasets, rotate, shutdown
    #[command(after_help = ctl::HELP)]
    Ctl(ctl::Ctl),
    /// Show what a live sensor does, again and again
    #[command(after_help = top::HELP)]
    Top(top::Top),
    /// Load configuration and rules and report every problem
    #[command(after_help = check::HELP)]
    Check(Check),
    /// Show what is in records: events, alerts by rule, talkers, protocols, what was not decodable
    #[command(after_help = show::HELP)]
    Show(show::Show),
    /// List the alerts in records, as `show alerts` does
    Alerts(show::Alerts),
    /// Write records of a log to standard output, as JSON: by time, type, address, rule, flow
    #[command(after_help = cat::HELP)]
    Cat(cat::Cat),
    /// Write the last records of a log, and those that come
    #[command(after_help = tail::HELP)]
    Tail(tail::Tail),
    /// Write the records of a log that have a text in them
    #[command(after_help = grep::HELP)]
    Grep(grep::Grep),
    /// Write records as columns, in files of Parquet: one for each type and hour
    #[cfg(feature = "parquet")]
    #[command(after_help = parquet::HELP)]
    Parquet(parquet::Parquet),
    /// Write packets out of a recording: of flows, alerts, community ids, or all of a time
    #[command(after_help = packets::HELP)]
    Packets(packets::Packets),
    /// Look at rules and try them
    Rules(rules::Rules),
    /// Try the receivers that records are delivered to, and see how far deliveries are
    #[command(after_help = outputs::HELP)]
    Outputs(outputs::Outputs),
    /// Show what the program knows: protocols, keywords, configuration, anomalies, counters
    #[command(after_help = manual::HELP)]
    Manual(manual::Manual),
    /// Write what a shell needs to complete this command line
    #[command(after_help = shells::COMPLETIONS_HELP)]
    Completions(shells::Completions),
    /// Write pages for `man`
    #[command(after_help = shells::MAN_HELP)]
    Man(shells::Man),
}

/// What all commands share.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Configuration file, YAML with Suricata's keys; none is needed
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File of the same kind that is laid over it (repeatable): what it says counts instead
    #[arg(long, value_name = "FILE")]
    pub include: Vec<PathBuf>,
    /// Set a configuration value: dotted key, list positions as numbers; later ones win
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Rules instead of the configuration's `rule-files`: a file, a folder or a pattern
    #[arg(long, value_name = "FILE|DIR|GLOB")]
    pub rules: Vec<String>,
    /// Use no rules at all
    #[arg(long, conflicts_with = "rules")]
    pub no_rules: bool,
    /// End with status 1 at the first rule or value that cannot be right, instead of using the rest
    #[arg(long)]
    pub strict: bool,
    /// Folder for records
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Folder for state that rules keep
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Whether packets with wrong checksums are left out of streams
    #[arg(long, value_name = "MODE")]
    pub checksums: Option<ChecksumMode>,
    /// Worker threads; as many as cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Say nothing but what is wrong
    #[arg(long)]
    pub quiet: bool,
    /// Name each problem, instead of some of each kind
    #[arg(short, long)]
    pub verbose: bool,
    /// Rules are read to be explained.
    #[arg(skip)]
    pub keep_labels: bool,
}

impl Common {
    /// Where its configuration comes from.
    pub fn given(&self) -> Given<'_> {
        Given { file: self.config.as_deref(), over: &self.include, set: &self.set }
    }
}

/// Whether checksums are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChecksumMode {
    /// Verify
    On,
    /// Do not verify
    Off,
    /// Guess from the first packets whether the capturing host left them to its network card
    Auto,
}

/// Tells why packets cannot be had; the exit status.
fn ended(error: &CaptureError) -> u8 {
    say(&format!("error: {error}"));
    error.exit_status()
}

/// A word after a number of things.
fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
