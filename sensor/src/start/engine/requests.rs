//! What the reloader is asked, by signals and by who waits for an answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::RuleCounts;

/// Those who wait at once.
const WAITING: usize = 16;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(110);

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Whether other rules are in use now, or the same again.
    pub done: bool,
    /// What was said of it.
    pub lines: Vec<String>,
}

/// What is asked of the reloader, and what it tells.
#[derive(Debug, Default)]
pub struct Requests {
    /// A signal asked.
    pub(super) signal: Arc<AtomicBool>,
    waiting: Mutex<Vec<SyncSender<Reloaded>>>,
    rules: Mutex<RuleCounts>,
}

impl Requests {
    /// Those of a sensor with some rules, which a flag asks to read them again.
    pub fn new(signal: Arc<AtomicBool>, rules: RuleCounts) -> Arc<Self> {
        Arc::new(Self { signal, waiting: Mutex::default(), rules: Mutex::new(rules) })
    }

    /// Asks for a reload and waits for it; nothing where nobody reloads.
    pub fn reload(&self) -> Option<Reloaded> {
        let (sender, receiver) = sync_channel(1);
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= WAITING {
                return None;
            }
            waiting.push(sender);
        }
        receiver.recv_timeout(PATIENCE).ok()
    }

    /// The rules of the moment, counted.
    pub fn rules(&self) -> RuleCounts {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other rules are in use.
    pub(super) fn note(&self, rules: RuleCounts) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Whether a signal asked, and who waits: what comes later is not meant.
    pub(super) fn take(&self) -> (bool, Vec<SyncSender<Reloaded>>) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        (self.signal.swap(false, Ordering::Relaxed), waiting)
    }
}
