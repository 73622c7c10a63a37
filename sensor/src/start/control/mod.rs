//! Who asks a live sensor how it is, and tells it what to do: the control socket, Prometheus, and the service manager.
//!
//! A [`Desk`] knows the run through its window and the rules through their reloader; behind it stand a server for JSON lines ([`socket`]),
//! one for metrics ([`pages`]) and one that tells the service manager that all is well ([`service`]), a thread each, and one more for whoever
//! is being served. All of them are in the role [`Role::Control`].

pub mod client;
mod commands;
pub mod doors;
mod pages;
mod service;
pub mod socket;

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use crate::metrics::text::Facts;
use crate::rights::{self, Level, Role};
use crate::run::window::{Pulse, Window};
use crate::start::engine::{Requests, RuleCounts};
use crate::start::terminal::say;

/// A thread that does not move for so long is stuck, where no watchdog says otherwise.
const STUCK: Duration = Duration::from_secs(30);
/// How often each server looks whether the run has ended.
const NAP: Duration = Duration::from_millis(100);
/// How many are served at once by each server.
const SERVED: usize = 64;

/// What is known of a run beside what it counts.
#[derive(Clone, Debug)]
pub struct About {
    /// What is watched.
    pub interfaces: Vec<String>,
    /// Where records go.
    pub folder: PathBuf,
    /// Number of workers.
    pub workers: u16,
    /// How far the sensor has given up its rights; nothing where that is switched off.
    pub sandbox: Option<Level>,
    /// When it began.
    pub started: Instant,
}

impl About {
    fn sandbox(&self) -> String {
        self.sandbox.map_or_else(|| "off".into(), |level| level.to_string())
    }
}

/// Where all questions come together.
pub struct Desk {
    about: About,
    window: Arc<Window>,
    requests: Arc<Requests>,
    /// Ends the run, and begins the files of outputs anew.
    switches: Switches,
    pulse: Mutex<Pulse>,
    /// Threads that did not move when that was last looked at.
    stuck: Mutex<Vec<String>>,
}

/// What a run looks at while it goes on.
#[derive(Clone, Debug, Default)]
pub struct Switches {
    /// It ends.
    pub stop: Arc<AtomicBool>,
    /// Its outputs begin new files: one for each interface with records of its own.
    pub reopen: Vec<Arc<AtomicBool>>,
}

/// What is open before the doors close.
#[derive(Debug, Default)]
pub struct Open {
    /// The control socket.
    pub socket: Option<UnixListener>,
    /// The port of metrics.
    pub metrics: Option<TcpListener>,
}

impl Desk {
    /// One for a run.
    pub fn new(about: About, window: Arc<Window>, requests: Arc<Requests>, switches: Switches) -> Self {
        let limit = sd_notify::watchdog_enabled().map_or(STUCK, |limit| limit.mul_f64(0.8));
        let pulse = Mutex::new(Pulse::new(Arc::clone(&window), limit));
        Self { about, window, requests, switches, pulse, stuck: Mutex::default() }
    }

    /// Starts its threads, which end once `ended` is set.
    pub fn serve<'s>(&'s self, scope: &'s Scope<'s, '_>, open: &'s Open, ended: &'s AtomicBool) {
        if let Some(listener) = &open.socket {
            scope.spawn(move || {
                rights::enter(Role::Control);
                socket::serve(self, listener, ended);
            });
        }
        if let Some(listener) = &open.metrics {
            scope.spawn(move || {
                rights::enter(Role::Control);
                pages::serve(self, listener, ended);
            });
        }
        scope.spawn(move || {
            rights::enter(Role::Control);
            service::watch(self, ended);
        });
    }

    /// The rules of the moment, as they were counted.
    fn rules(&self) -> RuleCounts {
        self.requests.rules()
    }

    /// Looks which threads do not move.
    fn look(&self) -> Vec<String> {
        let stuck = self.pulse.lock().unwrap_or_else(PoisonError::into_inner).stuck();
        let mut known = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        for name in stuck.iter().filter(|name| !known.contains(name)) {
            say(&format!("warning: {name} does not move any more"));
        }
        known.clone_from(&stuck);
        stuck
    }

    /// Threads that did not move when that was last looked at.
    fn stuck(&self) -> Vec<String> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn facts(&self) -> Facts {
        let rules = self.rules();
        Facts {
            sandbox: self.about.sandbox(),
            rules: (rules.in_use() as u64, rules.failed as u64),
            resident_bytes: resident_bytes(),
            is_well: self.stuck().is_empty(),
        }
    }
}

/// Serves those who come, each in a thread of its own, up to a number of them at once; others are turned away.
fn serve_each<S: Send>(accept: &dyn Fn() -> std::io::Result<S>, ended: &AtomicBool, serve: &(dyn Fn(S) + Sync)) {
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        while !ended.load(Ordering::Relaxed) {
            let Ok(stream) = accept() else {
                std::thread::sleep(NAP);
                continue;
            };
            if served.fetch_add(1, Ordering::Relaxed) >= SERVED {
                served.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let served = &served;
            let begun = std::thread::Builder::new().spawn_scoped(scope, move || {
                serve(stream);
                served.fetch_sub(1, Ordering::Relaxed);
            });
            if begun.is_err() {
                served.fetch_sub(1, Ordering::Relaxed);
            }
        }
    });
}

/// Memory of the whole process.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
