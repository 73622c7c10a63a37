//! One interface and a ring of its packets: bound when the interface is there, and bound anew when it was gone.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_error;
use tapwire_parsers::link::Timestamp;

use super::super::batch::{Arrival, Batch, SumSaid};
use super::super::clock::now;
use super::super::{CaptureError, Losses, PACKET_LIMIT_BYTES};
use super::block::{Cursor, Lying};
use super::filter;
use super::link::{Link, State};
use super::netlink::Counts;
use super::ring::{Ring, Shape};
use super::settings::{Sums, Watched};
use super::spread::Group;
use super::steady::Steady;
use super::system::{Program, Statement, attach, bind, packet_socket, set};
use super::tap::Tap;

/// One of the rings that share an interface.
#[derive(Clone, Debug)]
pub(super) struct Share {
    /// Which of the workers it is of, and of how many.
    pub(super) worker: (u16, u16),
    /// Those that share the interface.
    pub(super) group: Arc<Mutex<Group>>,
    /// A secret of the run.
    pub(super) key: u32,
}

/// An interface, and a ring of its packets.
pub(super) struct Port {
    watched: Watched,
    /// Its position among those that are watched.
    interface: u16,
    share: Share,
    shape: Shape,
    /// What the kernel runs to tell whether a packet is taken, and how much of it.
    program: Option<Vec<Statement>>,
    ring: Ring,
    /// Sockets for rings to come, when this one cannot be bound any more (`tapwire.live.returns`): later none may be opened.
    spare: Vec<OwnedFd>,
    link: Link,
    /// How the interface was when the ring was bound to it.
    bound: Option<State>,
    /// How it was when it was last looked at.
    state: Option<State>,
    /// The ring has been bound before.
    used: bool,
    cursor: Option<Cursor>,
    peeked: Option<Lying>,
    /// When the block that is read was first seen.
    seen: Instant,
    said: SumSaid,
    /// How its packets begin, and whether they may have VLAN tags.
    link_type: u32,
    tagged: bool,
    /// The card's clock is not set: the system's tells when its packets came.
    mistrusted: bool,
    /// Why the ring could not be bound, as it was told.
    failed: Option<String>,
    losses: Losses,
    counted: Option<Counts>,
    /// Since when it is up and there is no link, and whether that was told.
    unlinked: Option<Instant>,
    unlinked_told: bool,
    news: Vec<String>,
}

impl Port {
    /// Makes the ring of an interface, which need not be there.
    pub(super) fn new(watched: &Watched, interface: u16, share: Share) -> Result<Self, CaptureError> {
        let name = &watched.name;
        let failed = |cause: io::Error| CaptureError::Interface { name: name.clone(), cause: cause.to_string() };
        let shape = shape(watched, share.worker.1);
        let ring = packet_socket().and_then(|socket| Ring::new(socket, shape)).map_err(failed)?;
        let spare = if share.worker.1 > 1 { watched.returns } else { 0 };
        let said = match watched.sums {
            Sums::Auto => SumSaid::Nothing,
            Sums::Yes => SumSaid::Strict,
            Sums::No => SumSaid::Ignored,
        };
        Ok(Self {
            program: program(watched)?,
            watched: watched.clone(),
            interface,
            share,
            shape,
            ring,
            spare: (0..spare).map(|_| packet_socket()).collect::<Result<_, _>>().map_err(failed)?,
            link: Link::new(name).map_err(failed)?,
            bound: None,
            state: None,
            used: false,
            cursor: None,
            peeked: None,
            seen: Instant::now(),
            said,
            link_type: ETHERNET,
            tagged: true,
            mistrusted: false,
            failed: None,
            losses: Losses::default(),
            counted: None,
            unlinked: None,
            unlinked_told: false,
            news: Vec::new(),
        })
    }

    /// Looks how the interface is: binds the ring if it is there, and says what changed.
    fn look_at_link(&mut self) -> Result<(), CaptureError> {
        let (before, now) = (self.state, self.link.state());
        self.state = now;
        self.tell_change(before, now);
        if let (Some(bound), true) = (self.bound, now.map(|now| now.index) != self.bound.map(|bound| bound.index)) {
            // What was counted of it is kept; what lies in the ring is read first.
            self.count(Some(bound));
            if self.peek().is_some() {
                return Ok(());
            }
            (self.bound, self.counted) = (None, None);
        }
        // A packet socket tells once that its interface went down.
        let _ = socket_error(self.ring.socket());
        match now {
            Some(state) if self.bound.is_none() && state.up => self.bind(state),
            _ => Ok(()),
        }
    }

    fn bind(&mut self, state: State) -> Result<(), CaptureError> {
        let Watched { name, .. } = &self.watched;
        let failed = |cause: io::Error| CaptureError::Interface { name: name.clone(), cause: cause.to_string() };
        let Some(link_type) = state.link_type() else {
            let what = "its kind of link through packet sockets".to_owned();
            return Err(CaptureError::Unsupported { name: name.clone(), offset: 0, uncompressed: false, what });
        };
        let share = self.share.clone();
        let ((worker, workers), group) = (share.worker, &share.group);
        let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
        if workers > 1 && !group.is_turn(worker, state.index) {
            return Ok(());
        }
        if self.used && workers > 1 {
            // A socket that shared an interface cannot be bound to another one.
            let none = || {
                io::Error::other(
                    "it came back more often than `tapwire.live.returns` says, and no more sockets are opened; start the sensor again",
                )
            };
            let socket = self.spare.pop().ok_or_else(none).map_err(failed)?;
            self.ring = Ring::new(socket, self.shape).map_err(failed)?;
        }
        let socket = self.ring.socket();
        if let Some(program) = &self.program {
            attach(socket, program, Program::Filter).map_err(failed)?;
        }
        if state.is_loopback() {
            // What is sent there comes back, and would be seen twice.
            set(socket, libc::PACKET_IGNORE_OUTGOING, &1).map_err(failed)?;
        }
        if self.watched.card_time {
            let noted = self.link.note_times();
            match noted.and_then(|()| set(socket, libc::PACKET_TIMESTAMP, &RAW_HARDWARE)) {
                Ok(()) => {}
                Err(error) => {
                    self.news.push(format!("{name}: its card tells no times ({error}); the system's clock does"))
                }
            }
        }
        let index = i32::try_from(state.index).unwrap_or(0);
        bind(socket, index).map_err(failed)?;
        self.used = true;
        if self.watched.promiscuous {
            let asked = libc::packet_mreq {
                mr_ifindex: index,
                mr_type: u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or(0),
                mr_alen: 0,
                mr_address: [0; 8],
            };
            set(socket, libc::PACKET_ADD_MEMBERSHIP, &asked).map_err(failed)?;
        }
        if workers > 1 {
            let (spread, rollover) = (self.watched.spread, self.watched.rollover);
            group.join(socket, spread, rollover, share.key).map_err(failed)?;
        }
        (self.link_type, self.tagged) = (link_type, link_type == ETHERNET);
        (self.bound, self.counted) = (Some(state), self.link.counts(state.index));
        if !state.is_loopback() && self.tells() {
            self.look_at_glue();
        }
        Ok(())
    }

    /// Says what glues packets together before they are seen, or switches it off.
    fn look_at_glue(&mut self) {
        let name = self.link.name();
        let on = self.link.gluing();
        if on.is_empty() {
            return;
        }
        let words = on.iter().map(|what| format!(" {what} off")).collect::<String>();
        if !self.watched.unglue {
            self.news.push(format!(
                "{name}: segments are glued together before they are seen ({}); `ethtool -K {name}{words}` leaves them as they came, \
                 or `capture.disable-offloading: yes`",
                on.join(", ")
            ));
            return;
        }
        for what in on {
            match self.link.unglue(what) {
                Ok(()) => {}
                Err(error) => self.news.push(format!("{name}: {what} cannot be switched off: {error}")),
            }
        }
    }

    /// Looks whether the card's clock is set.
    #[cold]
    fn look_at_time(&mut self) {
        let Some(lying) = self.peeked.filter(|lying| lying.status & libc::TP_STATUS_TS_RAW_HARDWARE != 0) else {
            return;
        };
        if !self.mistrusted && lying.time.0.abs_diff(now().0) > CARD_LATE_US {
            self.mistrusted = true;
            let name = self.link.name();
            self.news.push(format!(
                "{name}: its card's clock is not that of the system, which tells the time; phc2sys sets it"
            ));
        }
    }

    /// Of several rings of one interface one speaks for it.
    fn tells(&self) -> bool {
        self.share.worker.0 == 0
    }

    fn tell_change(&mut self, before: Option<State>, now: Option<State>) {
        if !self.tells() {
            return;
        }
        let name = self.link.name();
        let news = match (before, now) {
            (Some(_), None) => Some(format!("{name}: the interface is gone, and is waited for")),
            (None, Some(_)) if self.used => Some(format!("{name}: the interface is back")),
            (Some(before), Some(now)) if before.up != now.up => Some(match now.up {
                true => format!("{name}: the interface is up again"),
                false => format!("{name}: the interface is down: nothing is seen there until it is up"),
            }),
            (Some(before), Some(now)) if before.mtu != now.mtu => {
                Some(format!("{name}: packets may have {} bytes from now on, not {}", now.mtu, before.mtu))
            }
            _ => None,
        };
        let link = match now {
            Some(now) if now.up && !now.running => {
                let since = *self.unlinked.get_or_insert_with(Instant::now);
                let is_news = !self.unlinked_told && since.elapsed() >= UNLINKED;
                self.unlinked_told |= is_news;
                is_news.then(|| format!("{name}: there is no link: nothing comes until the other end is back"))
            }
            _ => {
                self.unlinked = None;
                let is_news = std::mem::take(&mut self.unlinked_told) && now.is_some_and(|now| now.up);
                is_news.then(|| format!("{name}: there is a link again"))
            }
        };
        self.news.extend(news.into_iter().chain(link));
    }

    fn count(&mut self, bound: Option<State>) {
        // First the interface, so that it is never ahead of the ring.
        let now = bound.filter(|_| self.tells()).and_then(|bound| Some((bound, self.link.counts(bound.index)?)));
        let counted = self.ring.counted();
        self.losses.received += counted.received;
        self.losses.dropped += counted.dropped;
        self.losses.ring_full += counted.full;
        if self.watched.filter.is_some() {
            self.losses.taken += counted.received;
        }
        if let (Some(before), Some((bound, now))) = (self.counted, now) {
            self.losses.dropped_by_interface += now.lost.saturating_sub(before.lost);
            let sent = if bound.is_loopback() { 0 } else { now.sent.saturating_sub(before.sent) };
            if self.watched.filter.is_some() {
                self.losses.offered += now.received.saturating_sub(before.received) + sent;
            }
            self.counted = Some(now);
        }
    }
}

impl Tap for Port {
    fn look(&mut self) -> Result<(), CaptureError> {
        let done = self.look_at_link();
        match done {
            // Later it is told, and tried again.
            Err(error) if self.used => {
                let error = error.to_string();
                if self.failed.as_ref() != Some(&error) {
                    self.news.push(error.clone());
                }
                self.failed = Some(error);
                Ok(())
            }
            Ok(()) => {
                self.failed = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    fn described(&self) -> String {
        let link = match self.state.map(State::link_type) {
            None => "not there yet",
            Some(Some(ETHERNET)) => "Ethernet",
            Some(_) => "IP without a link layer",
        };
        let kib = (self.shape.block_bytes * self.shape.blocks) >> 10;
        let room = if kib >= 1024 { format!("{} MiB", kib >> 10) } else { format!("{kib} KiB") };
        match self.link.gluing().as_slice() {
            [] => format!("{link}, ring of {room}, no offloads"),
            on => format!("{link}, ring of {room}, offloads: {}", on.join(", ")),
        }
    }

    fn awaited(&self) -> Option<&'static str> {
        match self.state {
            None => Some("there is no such interface yet"),
            Some(state) if !state.up => Some("the interface is down"),
            Some(_) => None,
        }
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    #[inline]
    fn peek(&mut self) -> Option<Timestamp> {
        while self.peeked.is_none() {
            let block = self.ring.block()?;
            let cursor = self.cursor.get_or_insert_with(|| {
                self.seen = Instant::now();
                Cursor::of(block)
            });
            self.peeked = cursor.next(block, self.tagged);
            if self.peeked.is_none() {
                self.cursor = None;
                self.ring.release();
            }
            if self.watched.card_time {
                self.look_at_time();
            }
        }
        self.peeked.map(|lying| lying.time)
    }

    fn seen(&self) -> Instant {
        self.seen
    }

    fn take(&mut self, batch: &mut Batch, clock: &Steady, most: usize) {
        let (mut left, lenient, said) = (most, self.watched.sums == Sums::Auto, self.said);
        let (link_type, interface) = (self.link_type, self.interface);
        while left > 0 && !batch.is_full() && self.peek().is_some() {
            let (Some(block), Some(cursor)) = (self.ring.block(), &mut self.cursor) else { return };
            let mut next = self.peeked.take();
            while let Some(lying) = next {
                let data = block.get(lying.from..lying.from + lying.len).unwrap_or(&[]);
                let time = clock.of_packet(if self.mistrusted { now() } else { lying.time });
                batch.push(0, Arrival { time, link_type, interface, wire_len: lying.wire_len }, data);
                let unfinished = lying.status & libc::TP_STATUS_CSUMNOTREADY != 0;
                batch.note_sum(if lenient && unfinished { SumSaid::Unfinished } else { said });
                left -= 1;
                if left == 0 || batch.is_full() {
                    return;
                }
                next = cursor.next(block, self.tagged);
            }
            self.cursor = None;
            self.ring.release();
        }
    }

    fn close(&mut self) {
        // A filter that lets nothing through: a socket that is unbound loses the block that it fills.
        let _ = attach(self.ring.socket(), &[(RETURN, 0, 0, 0)], Program::Filter);
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.ring.socket())
    }

    fn held(&self) -> Duration {
        Duration::from_millis(u64::from(self.shape.timeout_ms) * 2 + 2)
    }

    fn losses(&mut self) -> Losses {
        self.count(self.bound);
        std::mem::take(&mut self.losses)
    }
}

/// The program of an interface's filter, and of what is cut off.
fn program(watched: &Watched) -> Result<Option<Vec<Statement>>, CaptureError> {
    let Watched { name, filter, snap_bytes, .. } = watched;
    let cuts = (*snap_bytes as usize) < PACKET_LIMIT_BYTES;
    match filter {
        Some(expression) => filter::compile(name, expression, *snap_bytes).map(Some),
        None => Ok(cuts.then(|| vec![(RETURN, 0, 0, *snap_bytes)])),
    }
}

/// The shape of one of so many rings that share what an interface has.
fn shape(watched: &Watched, rings: u16) -> Shape {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let block_bytes = size(watched.block_bytes.clamp(BLOCK_BYTES.0, BLOCK_BYTES.1)).next_power_of_two();
    let blocks = size(watched.ring_bytes) / block_bytes / usize::from(rings.max(1));
    let timeout_ms = watched.block_timeout_ms.clamp(1, 1_000);
    Shape { block_bytes, blocks: blocks.clamp(2, BLOCKS), timeout_ms, locked: watched.locked }
}

/// The smallest and the largest block.
const BLOCK_BYTES: (u64, u64) = (16 << 10, 4 << 20);
/// Blocks of a ring.
const BLOCKS: usize = 65_536;
/// `BPF_RET | BPF_K`
const RETURN: u16 = 0x06;
/// A link takes a moment to come up.
const UNLINKED: Duration = Duration::from_secs(1);
/// A card's clock that is further off is not set.
const CARD_LATE_US: u64 = 5_000_000;
/// `SOF_TIMESTAMPING_RAW_HARDWARE`
const RAW_HARDWARE: libc::c_int = 1 << 6;
/// `LINKTYPE_ETHERNET`
const ETHERNET: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_share_what_an_interface_has() {
        let watched = Watched { ring_bytes: 8 << 20, block_bytes: 100_000, ..Watched::named("eth1") };
        let Shape { block_bytes, blocks, timeout_ms, .. } = shape(&watched, 2);
        assert_eq!((block_bytes, blocks, timeout_ms), (128 << 10, 32, 10));
        let least = shape(&Watched { ring_bytes: 0, block_bytes: 1, block_timeout_ms: 0, ..watched }, 4);
        assert_eq!((least.block_bytes, least.blocks, least.timeout_ms), (16 << 10, 2, 1));
    }
}
