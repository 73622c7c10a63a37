//! The command line.

pub mod manual;
pub mod rules;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::start::config::Given;

/// A network detection sensor: packets to alerts, flows and transactions.
#[derive(Debug, Parser)]
#[command(name = "tapwire", version, about, max_term_width = 110)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read captures and write records
    #[command(after_help = "Examples:
  tapwire replay capture.pcap                         flows and transactions into ./eve.json.zst
  tapwire replay --rules my.rules --log-dir out *.pcap.gz
  cat capture.pcap | tapwire replay -
  zstdcat out/eve.json.zst | jq 'select(.event_type == \"alert\")'

Exit status: 0 done, 1 rules or configuration refused or input unreadable, 2 usage, 3 a capture is cut off,
4 a capture is damaged, 5 a capture is of a kind that is not supported.")]
    Replay(Replay),
    /// Watch interfaces and write records, until interrupted
    #[command(after_help = "Example:
  tapwire run -i eth1 --rules /etc/tapwire/rules --log-dir /var/log/tapwire")]
    Run(Live),
    /// Load configuration and rules and report every problem
    #[command(after_help = "Exit status: 0 when there is no problem, 1 when there is one.")]
    Check(Check),
    /// Look at rules and try them
    Rules(rules::Rules),
    /// Show what the program knows: protocols, keywords, configuration, anomalies, counters
    #[command(after_help = manual::HELP)]
    Manual(manual::Manual),
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

/// `tapwire replay`
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// Common options.
    #[command(flatten)]
    pub common: Common,
    /// Each capture by itself, its records below LOG_DIR/<file name>/
    #[arg(long)]
    pub each: bool,
    /// Capture files (pcap, pcapng; plain, .gz, .zst, .lz4), folders of them, or - for standard input
    #[arg(required = true, value_name = "CAPTURE|DIR|-")]
    pub captures: Vec<PathBuf>,
}

/// `tapwire run`
#[derive(Clone, Debug, Args)]
pub struct Live {
    /// Common options.
    #[command(flatten)]
    pub common: Common,
    /// Interface to watch
    #[arg(short, long = "interface", value_name = "IFACE", required = true)]
    pub interfaces: Vec<String>,
    /// Only packets that a BPF expression lets through
    #[arg(long, value_name = "EXPRESSION")]
    pub bpf: Option<String>,
}

/// `tapwire check`
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Common options.
    #[command(flatten)]
    pub common: Common,
    /// Report as JSON, for tools
    #[arg(long)]
    pub json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
