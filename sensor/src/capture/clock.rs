//! The system's clock. In a replay the packets' time is the only one.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tapwire_parsers::link::Timestamp;

/// The time of day.
#[allow(clippy::disallowed_methods, reason = "this is the place that asks the system")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// The packets' time where none come: it goes on from the last one as fast as time does, whatever is done to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Ticking {
    time: Timestamp,
    at: Instant,
}

impl Ticking {
    /// One that begins now.
    pub fn start() -> Self {
        Self { time: now(), at: Instant::now() }
    }

    /// A packet came that carries a time.
    pub fn packet(&mut self, time: Timestamp) {
        *self = Self { time, at: Instant::now() };
    }

    /// What time it is.
    pub fn time(&self) -> Timestamp {
        let since = u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX);
        Timestamp(self.time.0.saturating_add(since))
    }
}
