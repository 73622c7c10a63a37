//! The system's clock. In a replay the packets' time is the only one.
//!
//! The time of day may be put forward or back while a run goes on. Within it time goes on as if it had not been, so that no flow ends early
//! or late; only what is written for people has the step.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tapwire_parsers::link::Timestamp;

/// By how much the time of day was put forward since the run began.
static STEPS_US: AtomicI64 = AtomicI64::new(0);

/// The time of day.
#[allow(clippy::disallowed_methods, reason = "this is the place that asks the system")]
pub(super) fn time_of_day() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// What time it is, if the time of day was not changed since the run began.
pub fn now() -> Timestamp {
    moved(time_of_day(), STEPS_US.load(Ordering::Relaxed).saturating_neg())
}

/// A time as the clock on the wall has it now.
pub(crate) fn on_the_wall(time: Timestamp) -> Timestamp {
    moved(time, STEPS_US.load(Ordering::Relaxed))
}

/// Notes by how much the time of day was put forward since the run began.
pub(super) fn note_steps(steps_us: i64) {
    STEPS_US.store(steps_us, Ordering::Relaxed);
}

#[inline]
fn moved(time: Timestamp, by_us: i64) -> Timestamp {
    if by_us == 0 { time } else { Timestamp(time.0.saturating_add_signed(by_us)) }
}
