//! `tapwire run`: packets of interfaces to records, until it is interrupted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::begin::{folder, no_rule_is_used, plan, prepared, refused, workers};
use super::interfaces::{self, Opened};
use super::summary::Told;
use super::{Common, plural};
use crate::capture::live::RunMode;
use crate::rights::user::RunAs;
use crate::rights::{self, Level, Role};
use crate::run::{self, window::Window};
use crate::start::config;
use crate::start::control::{About, Desk, Open, Switches, doors};
use crate::start::engine::{Reloader, Requests};
use crate::start::places::places;
use crate::start::terminal::{lines, say};

pub(super) const HELP: &str = "Example:
  tapwire run -i eth1 --rules /etc/tapwire/rules --log-dir /var/log/tapwire";

/// `tapwire run`
#[derive(Clone, Debug, Args)]
pub struct Live {
    /// Common options.
    #[command(flatten)]
    pub common: Common,
    /// Interface to watch instead of the configuration's `af-packet` (repeatable: all are one link, as the two ports of a TAP are)
    #[arg(short, long = "interface", value_name = "IFACE")]
    pub interfaces: Vec<String>,
    /// Only packets that a BPF expression lets through
    #[arg(long, value_name = "EXPRESSION")]
    pub bpf: Option<String>,
    /// Start also where the system lacks what the sensor gives up its rights with
    #[arg(long)]
    pub allow_unsandboxed: bool,
    /// Tell at the end what was done as JSON on standard output, in one line
    #[arg(long)]
    pub json: bool,
}

impl Live {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        self.begin().unwrap_or_else(|status| status)
    }

    /// Everything in its order: who the sensor is, rules, interfaces, then the doors are closed, and the first packet comes.
    fn begin(&self) -> Result<u8, u8> {
        let common = &self.common;
        // Before rules are read: to ask for a reload too early must not end the program.
        let Signals { stop, reload } = Signals::catch().map_err(|error| failed("signals cannot be caught", &error))?;
        become_user(common)?;
        let prepared = prepared(common)?;
        let (configuration, data_dir) = (prepared.configuration.clone(), prepared.data_dir.clone());
        let obeyed = configuration.live_settings();
        let settings = (&configuration, &obeyed, data_dir.as_deref());
        let rules = prepared.rules.clone();
        if no_rule_is_used(common, &configuration, &rules) {
            say("error: rules are named and none is in use, so nothing would be found; --no-rules goes without any");
            return Err(1);
        }
        let told = Told {
            rules: (!common.no_rules).then_some(&rules),
            damage_status: configuration.damage_status,
            quiet: common.quiet,
            json: self.json,
        };
        let reloader = Reloader::new(common, prepared);
        let active = reloader.active();
        let records = folder(common, &configuration);
        let held = run::hold(&records).map_err(|error| {
            say(&format!("error: {error}"));
            error.exit_status()
        })?;
        let watched = interfaces::watched(&self.interfaces, self.bpf.as_deref(), &configuration.interfaces)?;
        let workers = workers(common, configuration.threads.workers);
        // One recorder takes packets from one reader.
        let is_recorded = configuration.recording.enabled || !configuration.pcap_logs.is_empty();
        let mode = if is_recorded { RunMode::Reader } else { configuration.threads.mode };
        let mut opened = Opened::new(&watched, mode, workers, &stop)?;
        let names: Vec<String> = watched.into_iter().map(|watched| watched.name).collect();
        let reopen = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&reopen))
            .map_err(|error| failed("signals cannot be caught", &error))?;
        let (open, socket) = doors::open(&configuration.process, &records, common.quiet)?;
        let folders = std::iter::once(records.clone()).chain(socket.iter().filter_map(|path| folder_of(path)));
        let places = places(&configuration, &folders.collect::<Vec<_>>(), data_dir.as_deref());
        let sandbox = if configuration.process.sandbox { Some(self.close_doors(&places)?) } else { None };
        let level = sandbox.map_or("off", Level::word);
        let requests = Requests::new(reload, rules.clone());
        let window = Window::new(workers);
        let about =
            About { interfaces: names.clone(), folder: records.clone(), workers, sandbox, started: Instant::now() };
        if !common.quiet {
            begun(&about, &open, socket.as_deref());
            interfaces::described(&names, &opened);
            interfaces::awaited(&names, &opened);
        }
        let switches = Switches { stop: Arc::clone(&stop), reopen: vec![Arc::clone(&reopen)] };
        let desk = Desk::new(about, Arc::clone(&window), Arc::clone(&requests), switches);
        let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        let watch = || {
            let mut plan = plan(common, settings, Arc::clone(&active), &records);
            plan.sandbox = Some(level);
            plan.reopen = Some(reopen);
            plan.window = Arc::clone(&window);
            plan.workers = workers;
            told.of(&run::live(&plan, names, opened.readers(), held), &paths)
        };
        let ended = AtomicBool::new(false);
        let status = std::thread::scope(|scope| {
            let ended = &ended;
            let watching = scope.spawn(watch);
            desk.serve(scope, &open, ended);
            scope.spawn(|| {
                rights::enter(Role::Control);
                reloader.run(&requests, ended, &lines);
            });
            rights::enter(Role::Control);
            let status = watching.join().unwrap_or(1);
            ended.store(true, Ordering::Relaxed);
            status
        });
        // What is left of it would be in the way of nobody.
        socket.into_iter().for_each(|socket| drop(std::fs::remove_file(socket)));
        Ok(status)
    }

    /// Gives up what nobody needs from here on.
    fn close_doors(&self, places: &rights::Places) -> Result<Level, u8> {
        rights::close(places, self.allow_unsandboxed).map_err(|error| failed("the sensor does not start", &error))
    }
}

/// Says what is watched, and where to look for what.
fn begun(about: &About, open: &Open, socket: Option<&Path>) {
    let About { interfaces, folder, workers, sandbox, .. } = about;
    let sandbox = sandbox.map_or("off".into(), |level| level.to_string());
    let (interfaces, word) = (interfaces.join(", "), plural(usize::from(*workers), "worker", "workers"));
    say(&format!("watching {interfaces} with {workers} {word}, records in {}; end with Ctrl-C", folder.display()));
    let control = socket.map_or("no control socket".into(), |path| format!("control socket: {}", path.display()));
    let metrics = open.metrics.as_ref().and_then(|listener| listener.local_addr().ok());
    let metrics = metrics.map_or("no metrics".into(), |address| format!("metrics: http://{address}/metrics"));
    say(&format!("sandbox: {sandbox}; {control}; {metrics}"));
}

/// The folder of a file, where one is named.
fn folder_of(path: &Path) -> Option<PathBuf> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned)
}

/// What signals ask for.
struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let (stop, reload) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        // USR1 means nothing here, and must not end the sensor.
        let nothing = Arc::new(AtomicBool::new(false));
        let wanted = [(SIGINT, &stop), (SIGTERM, &stop), (SIGHUP, &reload), (SIGUSR2, &reload), (SIGUSR1, &nothing)];
        for (signal, flag) in wanted {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
        }
        Ok(Self { stop, reload })
    }
}

/// Becomes the user that the configuration names, before anything is read or written but the configuration itself.
fn become_user(common: &Common) -> Result<(), u8> {
    let configuration = config::load(common.given()).map_err(|problems| refused(&problems))?.configuration;
    let Some((user, group)) = &configuration.process.run_as else { return Ok(()) };
    let run_as = RunAs::find(user, group.as_deref()).map_err(|why| failed("run-as", &why))?;
    if run_as.is_self() {
        return Ok(());
    }
    let folders = [Some(folder(common, &configuration)), common.data_dir.clone().or(configuration.data_dir.clone())];
    for folder in folders.iter().flatten() {
        run_as.make_folder(folder).map_err(|error| failed(&folder.display().to_string(), &error))?;
    }
    let hint = || format!("to become {} takes root; leave run-as out where a service manager does it", run_as.name());
    run_as.become_them().map_err(|error| failed(&hint(), &error))
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> u8 {
    say(&format!("error: {what}: {why}"));
    1
}
