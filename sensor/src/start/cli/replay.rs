//! `tapwire replay`: captures to records.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;

use super::begin::{folder, leave_to_system, plan, prepared};
use super::progress::Shown;
use super::summary::Told;
use super::{Common, ended};
use crate::capture::listing::{Listing, own_names};
use crate::run::{self, Active};
use crate::start::engine::Prepared;
use crate::start::terminal::say;

pub(super) const HELP: &str = "Examples:
  tapwire replay capture.pcap                         flows and transactions into ./eve.json.zst
  tapwire replay --rules my.rules --log-dir out *.pcap.gz
  cat capture.pcap | tapwire replay -
  tapwire show out                                    what is in the records

Ctrl-C ends it with what was read so far; a second one at once.

Exit status: 0 done, 1 rules or configuration refused or input unreadable, 2 usage, 3 a capture is cut off,
4 a capture is damaged, 5 a capture is of a kind that is not supported, 130 interrupted.";

/// The exit status of a program that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// `tapwire replay`
#[derive(Clone, Debug, Args)]
pub struct Replay {
    /// Common options.
    #[command(flatten)]
    pub common: Common,
    /// Each capture by itself, its records below LOG_DIR/<file name>/
    #[arg(long)]
    pub each: bool,
    /// Tell at the end what was done as JSON on standard output, one line for each run
    #[arg(long)]
    pub json: bool,
    /// Capture files (pcap, pcapng; plain, .gz, .zst, .lz4, .xz, .bz2), folders of them, or - for standard input
    #[arg(required = true, value_name = "CAPTURE|DIR|-")]
    pub captures: Vec<PathBuf>,
}

impl Replay {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let common = &self.common;
        // Before rules are read: a signal that means nothing must not end it then either.
        let stop = match stop() {
            Ok(stop) => stop,
            Err(error) => {
                say(&format!("error: signals cannot be caught: {error}"));
                return 1;
            }
        };
        let prepared = match prepared(common) {
            Ok(prepared) => prepared,
            Err(status) => return status,
        };
        let Listing { captures, others } = match Listing::of(&self.captures) {
            Ok(listing) => listing,
            Err(error) => return ended(&error),
        };
        if !common.quiet {
            for path in others {
                say(&format!("{}: is no capture and is left out", path.display()));
            }
        }
        let Prepared { configuration, engine, data_dir, rules, .. } = prepared;
        leave_to_system(Arc::clone(&engine));
        let (obeyed, active) = (configuration.replay_settings(), Active::new(engine));
        let settings = (&configuration, &obeyed, data_dir.as_deref());
        let folder = folder(common, &configuration);
        let told = Told {
            rules: (!common.no_rules).then_some(&rules),
            damage_status: configuration.damage_status,
            quiet: common.quiet || self.each,
            json: self.json,
        };
        let mut status = 0;
        if self.each {
            for (capture, name) in captures.iter().zip(own_names(&captures)) {
                let own = folder.join(name);
                let mut plan = plan(common, settings, Arc::clone(&active), &own);
                plan.stop = Some(Arc::clone(&stop));
                let captures = std::slice::from_ref(capture);
                status = status.max(told.of(&run::replay(&plan, captures), captures));
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        } else {
            let mut plan = plan(common, settings, active, &folder);
            plan.stop = Some(Arc::clone(&stop));
            let shown = (!common.quiet).then(|| Shown::start(&mut plan, &captures));
            let summary = run::replay(&plan, &captures);
            drop(shown);
            status = told.of(&summary, &captures);
        }
        if stop.load(Ordering::Relaxed) {
            say("interrupted: the records hold what was read until then");
            return INTERRUPTED;
        }
        status
    }
}

/// A flag that Ctrl-C sets; the second one ends the program.
fn stop() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    // They mean nothing here, and must not end it.
    for signal in [SIGUSR1, SIGUSR2] {
        flag::register(signal, Arc::default())?;
    }
    Ok(stop)
}
