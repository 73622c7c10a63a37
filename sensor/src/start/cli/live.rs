//! `tapwire run`: packets of interfaces to records, until it is interrupted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::begin::{folder, no_rule_is_used, plan, prepared, refused, workers};
use super::summary::Told;
use super::{Common, ended, plural};
use crate::capture::live::Interface;
use crate::rights::user::RunAs;
use crate::rights::{self, Level, Role};
use crate::run::{self, window::Window};
use crate::sinks::lock::FolderLock;
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
    /// Interface to watch
    #[arg(short, long = "interface", value_name = "IFACE", required = true)]
    pub interfaces: Vec<String>,
    /// Only packets that a BPF expression lets through
    #[arg(long, value_name = "EXPRESSION")]
    pub bpf: Option<String>,
    /// Start also where the system lacks what the sensor gives up its rights with
    #[arg(long)]
    pub allow_unsandboxed: bool,
    /// Tell at the end what was done as JSON on standard output, one line for each interface
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
        let watched = self.open(&records, &stop)?;
        let (open, socket) = doors::open(&configuration.process, &records, common.quiet)?;
        let folders = watched
            .iter()
            .map(|watched| watched.folder.clone())
            .chain(socket.iter().filter_map(|path| folder_of(path)));
        let places = places(&configuration, &folders.collect::<Vec<_>>(), data_dir.as_deref());
        let sandbox = if configuration.process.sandbox { Some(self.close_doors(&places)?) } else { None };
        let level = sandbox.map_or("off", Level::word);
        let requests = Requests::new(reload, rules.clone());
        let window = Window::new(workers(common));
        let about = About {
            interfaces: self.interfaces.clone(),
            folder: records,
            workers: workers(common),
            sandbox,
            started: Instant::now(),
        };
        if !common.quiet {
            begun(&about, &open, socket.as_deref());
        }
        let reopen = watched.iter().map(|watched| Arc::clone(&watched.reopen)).collect();
        let switches = Switches { stop: Arc::clone(&stop), reopen };
        let desk = Desk::new(about, Arc::clone(&window), Arc::clone(&requests), switches);
        let watch = |Watched { source, held, folder, reopen }: Watched| {
            let name = source.name().to_owned();
            let mut plan = plan(common, settings, Arc::clone(&active), &folder);
            plan.sandbox = Some(level);
            plan.reopen = Some(reopen);
            plan.window = Arc::clone(&window);
            let summary = run::live(&plan, source, held);
            told.of(&summary, &[PathBuf::from(name)])
        };
        let ended = AtomicBool::new(false);
        let status = std::thread::scope(|scope| {
            let (watch, ended) = (&watch, &ended);
            let threads: Vec<_> = watched.into_iter().map(|watched| scope.spawn(move || watch(watched))).collect();
            desk.serve(scope, &open, ended);
            scope.spawn(|| {
                rights::enter(Role::Control);
                reloader.run(&requests, ended, &lines);
            });
            rights::enter(Role::Control);
            let status = threads.into_iter().map(|thread| thread.join().unwrap_or(1)).max().unwrap_or(0);
            ended.store(true, Ordering::Relaxed);
            status
        });
        // What is left of it would be in the way of nobody.
        socket.into_iter().for_each(|socket| drop(std::fs::remove_file(socket)));
        Ok(status)
    }

    /// Opens all interfaces, each with a folder of its own below the one of records where there are several.
    fn open(&self, folder: &Path, stop: &Arc<AtomicBool>) -> Result<Vec<Watched>, u8> {
        let many = self.interfaces.len() > 1;
        let open = |interface: &String| {
            let own = if many { folder.join(interface) } else { folder.to_owned() };
            let held = run::hold(&own).map_err(|error| {
                say(&format!("error: {error}"));
                error.exit_status()
            })?;
            let source = Interface::open(interface, 0, self.bpf.as_deref(), Arc::clone(stop));
            let reopen = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(SIGHUP, Arc::clone(&reopen))
                .map_err(|error| failed("signals cannot be caught", &error))?;
            Ok(Watched { source: source.map_err(|error| ended(&error))?, held, folder: own, reopen })
        };
        self.interfaces.iter().map(open).collect()
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

/// An interface that is open, and where its records go.
struct Watched {
    source: Interface,
    held: FolderLock,
    folder: PathBuf,
    /// Files are begun anew.
    reopen: Arc<AtomicBool>,
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
