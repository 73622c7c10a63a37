//! The rules of the moment: each batch of packets takes them along when it is read, so that all workers and the writer change
//! over between the same two packets; where workers read packets of their own, in the same millisecond.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::inspect::Engine;

/// The engine of the moment, and the one before it, with the moment from which on it counts no more.
#[derive(Debug)]
struct Both {
    now: Arc<Engine>,
    before: Option<(u64, Arc<Engine>)>,
}

/// The engine that packets are inspected with from now on, and what was counted of its predecessors.
#[derive(Debug)]
pub struct Active {
    engine: Mutex<Both>,
    began: Instant,
    /// Workers read packets of their own.
    is_shared: AtomicBool,
    reloads: AtomicU64,
    refused: AtomicU64,
}

impl Active {
    /// The first one.
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        let engine = Mutex::new(Both { now: engine, before: None });
        Arc::new(Self {
            engine,
            began: Instant::now(),
            is_shared: AtomicBool::new(false),
            reloads: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// The engine for the next packets.
    pub fn engine(&self) -> Arc<Engine> {
        // Nobody panics with it in the hand, and it is whole all the time.
        Arc::clone(&self.engine.lock().unwrap_or_else(PoisonError::into_inner).now)
    }

    /// Several read side by side from here on.
    pub(super) fn share(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// The moment, for those who read side by side.
    pub(super) fn moment(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The engine for packets that were read at a moment.
    pub(super) fn engine_of(&self, moment: u64) -> Arc<Engine> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        match &engine.before {
            Some((until, before)) if moment < *until => return Arc::clone(before),
            // Nobody is so slow that it is asked for any more.
            Some((until, _)) if moment > until + FORGOTTEN_MS => engine.before = None,
            _ => {}
        }
        Arc::clone(&engine.now)
    }

    /// Puts another engine in its place, which it gives back.
    pub(crate) fn replace(&self, engine: Arc<Engine>) -> Arc<Engine> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        let until = self.moment() + AHEAD_MS;
        let mut both = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut both.now, engine);
        both.before = self.is_shared.load(Ordering::Relaxed).then(|| (until, Arc::clone(&before)));
        before
    }

    /// Notes that a reload was refused.
    pub(crate) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted, by name.
    pub fn counters(&self) -> [(&'static str, u64); 2] {
        [
            ("tapwire.rules.reloads", self.reloads.load(Ordering::Relaxed)),
            ("tapwire.rules.reloads_refused", self.refused.load(Ordering::Relaxed)),
        ]
    }
}

/// So many milliseconds after it came, all change over to an engine: those who read side by side have heard of it by then.
const AHEAD_MS: u64 = 20;
/// And so long the one before is kept.
const FORGOTTEN_MS: u64 = 1_000;
