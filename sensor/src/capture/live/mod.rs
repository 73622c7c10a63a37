//! Interfaces that are watched, as one source of packets.
//!
//! Packets come from rings that the kernel fills ([`ring`], [`block`]), one for each interface and worker that reads its own, or through
//! [`libpcap`] where a link or a system has none. An interface may be away, come back and change: [`port`] looks after it, and the source goes on.
//!
//! Several interfaces are one source: a TAP has a port for each direction. Their packets are put into the order of their times, for which those
//! of one wait until the others' that may be older have come.

mod block;
mod filter;
mod libpcap;
mod link;
mod netlink;
mod port;
mod ring;
mod settings;
mod spread;
mod steady;
mod system;
mod tap;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tapwire_parsers::link::Timestamp;

use self::libpcap::Interface;
use self::port::{Port, Share};
pub use self::settings::{RunMode, Sums, Watched, Way};
use self::spread::Group;
pub use self::spread::Spread;
use self::steady::Steady;
use self::tap::Tap;
use super::batch::Batch;
use super::{CaptureError, Losses, More, Source};

/// Interfaces, read by one thread.
pub struct Taps {
    taps: Vec<Box<dyn Tap>>,
    stop: Arc<AtomicBool>,
    /// Packets of the run, those that others read as well.
    numbers: Arc<AtomicU64>,
    clock: Steady,
    /// A batch without packets tells the time after so long.
    tick: Duration,
    looked: Option<Instant>,
    /// Packets of one interface wait for so long for those of others.
    hold: Duration,
    /// No more is taken since then.
    closed: Option<Instant>,
    news: Vec<String>,
}

/// Opens interfaces for so many readers, until `stop` is set.
pub fn open(watched: &[Watched], readers: u16, stop: &Arc<AtomicBool>) -> Result<Vec<Taps>, CaptureError> {
    match open_for(watched, readers, stop) {
        // What libpcap captures comes to one reader.
        Err(CaptureError::Unsupported { .. }) if readers > 1 => open_for(watched, 1, stop),
        opened => opened,
    }
}

fn open_for(watched: &[Watched], readers: u16, stop: &Arc<AtomicBool>) -> Result<Vec<Taps>, CaptureError> {
    let numbers = Arc::new(AtomicU64::new(0));
    // Where packets of a flow go must be the same for all interfaces, and is nobody else's business.
    let key = u32::try_from(RandomState::new().hash_one(readers) >> 32).unwrap_or(0) | 1;
    let groups: Vec<_> = watched.iter().map(|_| Arc::new(Mutex::new(Group::default()))).collect();
    let mut all = Vec::new();
    for reader in 0..readers {
        let mut taps = Vec::new();
        for ((index, watched), group) in (0..).zip(watched).zip(&groups) {
            let share = Share { worker: (reader, readers), group: Arc::clone(group), key };
            taps.push(tap(watched, index, share)?);
        }
        let tick = if readers > 1 { TICK_SHARED } else { TICK };
        all.push(Taps::new(taps, tick, Arc::clone(stop), Arc::clone(&numbers)));
    }
    Ok(all)
}

/// Opens one interface.
fn tap(watched: &Watched, index: u16, share: Share) -> Result<Box<dyn Tap>, CaptureError> {
    let name = &watched.name;
    let is_name = |c: char| !(c == '/' || c.is_whitespace() || c.is_control());
    if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(is_name) {
        // It would be waited for in vain.
        return Err(CaptureError::Interface { name: name.clone(), cause: "no interface has such a name".into() });
    }
    if watched.way == Way::AfPacket {
        let readers = share.worker.1;
        let mut port = Port::new(watched, index, share)?;
        match port.look() {
            Ok(()) => return Ok(Box::new(port)),
            // libpcap knows more kinds of links.
            Err(CaptureError::Unsupported { .. }) if readers == 1 => {}
            Err(error) => return Err(error),
        }
    }
    let mut interface = Interface::new(watched, index);
    interface.look()?;
    Ok(Box::new(interface))
}

impl Taps {
    fn new(taps: Vec<Box<dyn Tap>>, tick: Duration, stop: Arc<AtomicBool>, numbers: Arc<AtomicU64>) -> Self {
        let hold = taps.iter().map(|tap| tap.held()).max().unwrap_or_default();
        Self { taps, tick, stop, numbers, clock: Steady::new(), looked: None, hold, closed: None, news: Vec::new() }
    }

    /// Interfaces that cannot be watched yet, by their positions, and why.
    pub fn awaited(&self) -> Vec<(usize, &'static str)> {
        self.taps.iter().enumerate().filter_map(|(at, tap)| Some((at, tap.awaited()?))).collect()
    }

    /// What each interface is, and where its packets wait, in words.
    pub fn described(&self) -> Vec<String> {
        self.taps.iter().map(|tap| tap.described()).collect()
    }

    /// Looks after the interfaces.
    fn look(&mut self) -> Result<(), CaptureError> {
        self.looked = Some(Instant::now());
        for tap in &mut self.taps {
            let done = tap.look();
            self.news.extend(tap.take_news());
            done?;
        }
        Ok(())
    }

    /// Moves packets that are there into a batch, in the order of their times.
    fn fill(&mut self, batch: &mut Batch) {
        if let [tap] = &mut self.taps[..] {
            return tap.take(batch, &self.clock, usize::MAX);
        }
        let now = Instant::now();
        while !batch.is_full() {
            let (mut first, mut is_open) = (None, false);
            for (at, tap) in self.taps.iter_mut().enumerate() {
                match tap.peek() {
                    Some(time) if first.is_none_or(|(_, earliest)| time < earliest) => first = Some((at, time)),
                    Some(_) => {}
                    None => is_open |= tap.is_bound(),
                }
            }
            let Some(tap) = first.and_then(|(at, _)| self.taps.get_mut(at)) else { return };
            // What another one has in the making may be older.
            if is_open && self.closed.is_none() && now.saturating_duration_since(tap.seen()) < self.hold {
                return;
            }
            tap.take(batch, &self.clock, 1);
        }
    }

    /// Waits until there may be packets.
    fn wait(&self, time: Duration) {
        let sockets = self.taps.iter().filter_map(|tap| tap.socket());
        let mut sockets: Vec<PollFd<'_>> =
            sockets.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
        // A signal ends it early, and an interface that went away at once.
        let ready = poll(&mut sockets, Some(&timeout)).is_ok_and(|ready| ready > 0);
        if sockets.is_empty() || ready && sockets.iter().any(|socket| socket.revents().contains(PollFlags::ERR)) {
            std::thread::sleep(NAP);
        }
    }
}

impl Source for Taps {
    fn next_batch(&mut self, batch: &mut Batch) -> Result<More, CaptureError> {
        let began = Instant::now();
        loop {
            if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                self.look()?;
            }
            self.clock.look();
            if self.closed.is_none() && self.stop.load(Ordering::Relaxed) {
                self.taps.iter_mut().for_each(|tap| tap.close());
                self.closed = Some(Instant::now());
            }
            self.fill(batch);
            if !batch.frames.is_empty() {
                break;
            }
            if self.closed.is_some_and(|closed| closed.elapsed() >= self.hold) {
                return Ok(More::No);
            }
            if began.elapsed() >= self.tick {
                batch.tick = Some(Timestamp(self.clock.time().0.saturating_sub(LATE_US)));
                return Ok(More::Yes);
            }
            let waits = self.taps.iter_mut().any(|tap| tap.peek().is_some());
            self.wait(if waits { NAP } else { self.tick.min(LOOK_EVERY) });
        }
        let count = batch.frames.len() as u64;
        let first = self.numbers.fetch_add(count, Ordering::Relaxed) + 1;
        for (number, frame) in (first..).zip(&mut batch.frames) {
            frame.number = number;
        }
        Ok(More::Yes)
    }

    fn losses(&mut self) -> Losses {
        let mut all = Losses::default();
        self.taps.iter_mut().for_each(|tap| all.add(tap.losses()));
        all
    }

    fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }
}

/// Bytes of an interface's name at most.
const NAME_BYTES: usize = 15;
/// Between two looks at interfaces.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A batch without packets tells the time after so long.
const TICK: Duration = Duration::from_millis(100);
/// The same where others wait for it to put what they found into order.
const TICK_SHARED: Duration = Duration::from_millis(20);
const NAP: Duration = Duration::from_millis(2);
/// Microseconds that packets may lie in a ring whose block is not over.
const LATE_US: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_interface_can_have_is_not_waited_for() {
        for name in ["", "eth 1", "eth/1", "eth1\u{1b}", "a-name-that-is-far-too-long"] {
            let Err(error) = open(&[Watched::named(name)], 1, &Arc::default()) else {
                panic!("{name:?} is waited for")
            };
            assert!(error.to_string().contains("no interface has such a name"), "{error}");
        }
    }
}
