//! `tapwire run`: packets of interfaces to records, until it is interrupted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};

use super::begin::{folder, plan, prepared};
use super::summary::Told;
use super::{Common, ended};
use crate::capture::live::Interface;
use crate::run;
use crate::start::engine::Reloader;
use crate::start::terminal::{lines, say};

pub(super) const HELP: &str = "Example:
  tapwire run -i eth1 --rules /etc/tapwire/rules --log-dir /var/log/tapwire";

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
    /// Tell at the end what was done as JSON on standard output, one line for each interface
    #[arg(long)]
    pub json: bool,
}

impl Live {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        let common = &self.common;
        // Before rules are read: to ask for a reload too early must not end the program.
        let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        for (signal, flag) in [(SIGINT, &stop), (SIGTERM, &stop), (SIGHUP, &reload), (SIGUSR2, &reload)] {
            if let Err(error) = signal_hook::flag::register(signal, Arc::clone(flag)) {
                say(&format!("error: signals cannot be caught: {error}"));
                return 1;
            }
        }
        let prepared = match prepared(common) {
            Ok(prepared) => prepared,
            Err(status) => return status,
        };
        let (configuration, data_dir) = (prepared.configuration.clone(), prepared.data_dir.clone());
        let obeyed = configuration.settings();
        let settings = (&configuration, &obeyed, data_dir.as_deref());
        let rules = prepared.rules.clone();
        let told = Told {
            rules: (!common.no_rules).then_some(&rules),
            damage_status: configuration.damage_status,
            quiet: common.quiet,
            json: self.json,
        };
        let reloader = Reloader::new(common, prepared);
        let active = reloader.active();
        let folder = folder(common, &configuration);
        let many = self.interfaces.len() > 1;
        let watch = |interface: &String| {
            // Each interface has its own records where there are several.
            let own = if many { folder.join(interface) } else { folder.clone() };
            let held = match run::hold(&own) {
                Ok(held) => held,
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    say(&format!("error: {error}"));
                    return error.exit_status();
                }
            };
            let source = Interface::open(interface, 0, self.bpf.as_deref(), Arc::clone(&stop));
            let source = match source {
                Ok(source) => source,
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return ended(&error);
                }
            };
            if !common.quiet {
                say(&format!("watching {interface}, records in {}; end with Ctrl-C", own.display()));
            }
            let summary = run::live(&plan(common, settings, Arc::clone(&active), &own), source, held);
            told.of(&summary, &[Path::new(interface).to_owned()])
        };
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (watch, ended) = (&watch, &ended);
            let threads: Vec<_> =
                self.interfaces.iter().map(|interface| scope.spawn(move || watch(interface))).collect();
            scope.spawn(|| reloader.run(&reload, ended, &lines));
            let status = threads.into_iter().map(|thread| thread.join().unwrap_or(1)).max().unwrap_or(0);
            ended.store(true, Ordering::Relaxed);
            status
        })
    }
}
