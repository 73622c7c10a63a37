//! What one call of a script may cost: instructions, with all that functions of libraries do counted as such, and time.
//!
//! Instructions are counted so that the same call ends at the same place each time. A single one can be costly (a number read out of a
//! long string, a large table that is laid out anew), which no count tells beforehand: for that there is the time that the thread's
//! processor worked, far above what so many ordinary instructions take.

use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use mlua::{Error, Lua, Value};
use rustix::time::{ClockId, clock_gettime};

use crate::rule::script::Settings;

/// Bytes that cost as much as an instruction.
const BYTES_FOR_ONE: u64 = 16;
/// Instructions between two looks at the clock.
const LOOK_EVERY: u64 = 256;
/// Time after which the processor's clock is asked, which takes longer than the other one.
const MARK_NS: u64 = 1_000_000;

/// Why a script was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It called a function that it must not call.
    Blocked(&'static str),
    /// It took too many instructions.
    Instructions,
    /// It took too much time.
    Time,
}

impl Stop {
    /// What it is called.
    pub(super) fn text(self) -> &'static CStr {
        match self {
            Stop::Blocked(_) => c"blocked function called",
            Stop::Instructions => c"instruction limit exceeded",
            Stop::Time => c"time limit exceeded",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().to_str().unwrap_or_default())?;
        match self {
            Stop::Blocked(name) => write!(f, ": {name}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Stop {}

/// Counts what a call costs. Atomic only because a state may move between threads; one at a time uses it.
#[derive(Debug)]
pub(super) struct Meter {
    instructions: u64,
    limit_ns: u64,
    /// Bytes of memory that a script may hold.
    limit_bytes: usize,
    base: Instant,
    left: AtomicU64,
    /// How much is left when the clock is looked at again.
    look_at: AtomicU64,
    started_ns: AtomicU64,
    /// The processor's clock when the call had taken a while, 0 before.
    marked_ns: AtomicU64,
    stopped: AtomicU8,
}

impl Meter {
    /// That of a state.
    pub(super) fn new(settings: Settings) -> Arc<Self> {
        let or_none = |limit: u64| if limit == 0 { u64::MAX } else { limit };
        let meter = Self {
            instructions: or_none(settings.max_instructions.into()),
            limit_ns: or_none(settings.max_time_ms).saturating_mul(1_000_000),
            limit_bytes: if settings.max_bytes == 0 { usize::MAX } else { settings.max_bytes },
            base: Instant::now(),
            left: AtomicU64::new(0),
            look_at: AtomicU64::new(0),
            started_ns: AtomicU64::new(0),
            marked_ns: AtomicU64::new(0),
            stopped: AtomicU8::new(0),
        };
        meter.begin();
        Arc::new(meter)
    }

    /// The meter of a state.
    pub(super) fn of(lua: &Lua) -> Option<Arc<Self>> {
        lua.app_data_ref::<Arc<Self>>().map(|meter| Arc::clone(&meter))
    }

    /// A call begins.
    pub(super) fn begin(&self) {
        self.left.store(self.instructions, Relaxed);
        self.look_at.store(self.instructions - LOOK_EVERY.min(self.instructions), Relaxed);
        self.started_ns.store(self.now(), Relaxed);
        self.marked_ns.store(0, Relaxed);
        self.stopped.store(0, Relaxed);
    }

    /// What was taken since the call began.
    pub(super) fn taken(&self) -> u64 {
        self.instructions.saturating_sub(self.left.load(Relaxed))
    }

    /// Instructions were taken, or work that costs as much.
    pub(super) fn spend(&self, instructions: u64) -> Result<(), Stop> {
        if let Some(stop) = self.stopped() {
            return Err(stop);
        }
        let Some(left) = self.left.load(Relaxed).checked_sub(instructions) else {
            return Err(self.stop(Stop::Instructions));
        };
        self.left.store(left, Relaxed);
        if left <= self.look_at.load(Relaxed) {
            self.look_at.store(left.saturating_sub(LOOK_EVERY), Relaxed);
            self.look()?;
        }
        Ok(())
    }

    /// Bytes were looked at or copied.
    pub(super) fn spend_bytes(&self, bytes: usize) -> Result<(), Stop> {
        self.spend(bytes as u64 / BYTES_FOR_ONE)
    }

    /// Bytes are about to be held.
    pub(super) fn hold(&self, bytes: usize) -> mlua::Result<()> {
        if bytes > self.limit_bytes {
            return Err(Error::MemoryError("not enough memory".into()));
        }
        Ok(())
    }

    /// What the call was stopped by.
    pub(super) fn stopped(&self) -> Option<Stop> {
        match self.stopped.load(Relaxed) {
            0 => None,
            1 => Some(Stop::Instructions),
            _ => Some(Stop::Time),
        }
    }

    fn stop(&self, why: Stop) -> Stop {
        self.stopped.store(if why == Stop::Time { 2 } else { 1 }, Relaxed);
        why
    }

    fn look(&self) -> Result<(), Stop> {
        if self.now().saturating_sub(self.started_ns.load(Relaxed)) < MARK_NS || self.limit_ns == u64::MAX {
            return Ok(());
        }
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let part = |n: i64| u64::try_from(n).unwrap_or(0);
        let cpu_ns = part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec);
        match self.marked_ns.load(Relaxed) {
            0 => self.marked_ns.store(cpu_ns.max(1), Relaxed),
            marked if cpu_ns.saturating_sub(marked) > self.limit_ns => return Err(self.stop(Stop::Time)),
            _ => {}
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Charges work to the call that runs in a state.
pub(super) fn spend(lua: &Lua, instructions: u64, bytes: usize) -> mlua::Result<()> {
    let Some(meter) = Meter::of(lua) else { return Ok(()) };
    meter.spend(instructions + bytes as u64 / BYTES_FOR_ONE).map_err(Error::external)
}

/// Bytes of the strings among some values.
pub(super) fn bytes_of<'a>(values: impl IntoIterator<Item = &'a Value>) -> usize {
    values.into_iter().map(|value| if let Value::String(text) = value { text.as_bytes().len() } else { 0 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone_until_the_next_call() {
        let meter = Meter::new(Settings { max_instructions: 1_000, max_bytes: 10, ..Settings::default() });
        for _ in 0..2 {
            assert_eq!((meter.spend(600), meter.spend_bytes(400 * 16)), (Ok(()), Ok(())));
            assert_eq!((meter.spend(1), meter.spend(0)), (Err(Stop::Instructions), Err(Stop::Instructions)));
            assert_eq!(meter.stopped(), Some(Stop::Instructions));
            meter.begin();
        }
        assert!(meter.hold(10).is_ok() && meter.hold(11).is_err());
    }

    #[test]
    fn time_is_a_limit_where_instructions_are_none() {
        let meter = Meter::new(Settings { max_instructions: 0, max_time_ms: 1, ..Settings::default() });
        let stop = (0..u64::MAX).find_map(|_| meter.spend(64).err());
        assert_eq!(stop, Some(Stop::Time));
    }
}
