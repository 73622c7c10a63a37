//! The rules of the moment: each batch of packets takes them along when it is read, so that all workers and the writer change
//! over between the same two packets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::inspect::Engine;

/// The engine that packets are inspected with from now on, and what was counted of its predecessors.
#[derive(Debug)]
pub struct Active {
    engine: Mutex<Arc<Engine>>,
    reloads: AtomicU64,
    refused: AtomicU64,
}

impl Active {
    /// The first one.
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine: Mutex::new(engine), reloads: AtomicU64::new(0), refused: AtomicU64::new(0) })
    }

    /// The engine for the next packets.
    pub fn engine(&self) -> Arc<Engine> {
        // Nobody panics with it in the hand, and it is whole all the time.
        Arc::clone(&self.engine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another engine in its place, which it gives back.
    pub(crate) fn replace(&self, engine: Arc<Engine>) -> Arc<Engine> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        std::mem::replace(&mut self.engine.lock().unwrap_or_else(PoisonError::into_inner), engine)
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
