//! `tapwire outputs`: whether receivers take records, and how far deliveries are.

mod status;
mod test;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::begin::refused;
use crate::sinks::deliver::Settings;
use crate::start::config::{self, Configuration, Given, Severity};
use crate::start::terminal::{say, tell};

pub(super) const HELP: &str = "Examples:
  tapwire outputs test --config /etc/tapwire/tapwire.yaml
  tapwire outputs status --config /etc/tapwire/tapwire.yaml --log-dir /var/log/tapwire

Exit status: 0 all receivers take everything, 1 one does not, or there is none.";

/// `tapwire outputs`
#[derive(Clone, Debug, Args)]
pub struct Outputs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Send one sample record of each type to each output and report the answers
    Test(test::Test),
    /// Show how far each output is, what waits for it, how fast it answers and its last error
    Status(status::Status),
}

impl Outputs {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        match &self.command {
            Command::Test(options) => options.run(),
            Command::Status(options) => options.run(),
        }
    }
}

/// Which outputs, and where they are configured.
#[derive(Clone, Debug, Args)]
struct Which {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File of the same kind that is laid over it (repeatable)
    #[arg(long, value_name = "FILE")]
    include: Vec<PathBuf>,
    /// Set a configuration value: dotted key, list positions as numbers; later ones win
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::pair)]
    set: Vec<(String, String)>,
    /// Folder of records
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Only this output (repeatable)
    #[arg(long, value_name = "NAME")]
    output: Vec<String>,
    /// Tell it as JSON, one line for each
    #[arg(long)]
    json: bool,
}

impl Which {
    /// The outputs and the folder of records, or the exit status.
    fn outputs(&self) -> Result<(Vec<Settings>, PathBuf), u8> {
        let given = Given { file: self.config.as_deref(), over: &self.include, set: &self.set };
        let loaded = config::load(given).map_err(|problems| refused(&problems))?;
        loaded.faults.iter().for_each(|problem| tell(problem, Severity::Error));
        let Configuration { deliveries, log_dir, .. } = loaded.configuration;
        let folder = self.log_dir.clone().unwrap_or(log_dir);
        if let Some(unknown) = self.output.iter().find(|name| deliveries.iter().all(|known| known.name != **name)) {
            say(&format!("error: no output is called `{unknown}`"));
            return Err(1);
        }
        let is_wanted = |known: &Settings| self.output.is_empty() || self.output.contains(&known.name);
        let wanted: Vec<_> = deliveries.into_iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            say("error: no output is configured; `tapwire.outputs` is where they are");
            return Err(1);
        }
        if !loaded.faults.is_empty() {
            return Err(1);
        }
        Ok((wanted, folder))
    }
}
