//! `tapwire ctl`: asks a live sensor, or tells it what to do.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use crate::start::control::client::{Client, usual};
use crate::start::terminal::{escaped, say, show};

pub(super) const HELP: &str = "Examples:
  tapwire ctl status
  tapwire ctl reload                                   rules are read again; what is wrong with them
  tapwire ctl stats | jq .counters
  tapwire ctl datasets do=add name=bad-hosts value=10.1.2.3
  tapwire ctl help                                     all commands

The socket is /run/tapwire/tapwire.socket, that of the service, or one in the folder of records (--log-dir).";

/// How a sensor that runs is found.
#[derive(Clone, Debug, Args)]
pub struct Where {
    /// Its control socket
    #[arg(long, value_name = "FILE", conflicts_with = "log_dir")]
    pub socket: Option<PathBuf>,
    /// Its folder of records, in which its socket is where nothing else is said
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
}

impl Where {
    /// Connects, or tells why not.
    pub(super) fn connect(&self) -> Result<Client, u8> {
        let path = self.socket.clone().unwrap_or_else(|| usual(self.log_dir.as_deref()));
        Client::connect(&path).map_err(|error| {
            say(&format!(
                "error: no sensor answers at {}: {error}; name its socket with --socket, or its folder of records with --log-dir",
                path.display()
            ));
            1
        })
    }
}

/// `tapwire ctl`
#[derive(Clone, Debug, Args)]
pub struct Ctl {
    /// Where it is.
    #[command(flatten)]
    pub place: Where,
    /// What to do: status, stats, reload, rules, memory, datasets, rotate, shutdown, help
    pub command: String,
    /// What it needs
    #[arg(value_name = "NAME=VALUE", value_parser = super::pair)]
    pub arguments: Vec<(String, String)>,
}

impl Ctl {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let arguments: Map<String, Value> =
            self.arguments.iter().map(|(name, value)| (name.clone(), meant(value))).collect();
        let mut client = match self.place.connect() {
            Ok(client) => client,
            Err(status) => return status,
        };
        match client.ask(&self.command, &Value::Object(arguments)) {
            Ok(Ok(answer)) => {
                show(words(&answer));
                0
            }
            Ok(Err(why)) => {
                why.lines().for_each(|line| say(&format!("error: {line}")));
                1
            }
            Err(error) => {
                say(&format!("error: {error}"));
                1
            }
        }
    }
}

/// Numbers are numbers; all else is text.
fn meant(value: &str) -> Value {
    value.parse::<u64>().map_or_else(|_| value.into(), Value::from)
}

/// An answer for people who read JSON: a text as it is, all else in lines.
fn words(answer: &Value) -> String {
    match answer {
        Value::String(text) => format!("{}\n", escaped(text, true)),
        _ => format!("{answer:#}\n"),
    }
}
