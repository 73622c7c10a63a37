//! Whether checksums that are wrong mean anything: a host that leaves them to its network card is captured before the card.
//!
//! What such a host leaves in the field of a TCP or UDP header is the sum of the pseudo header (Linux: `CHECKSUM_PARTIAL`), also for
//! segments that the kernel glued together on their way in. That is told packet by packet, from the first one on. Other wrong
//! checksums are judged by samples: all of the first packets of each capture, later one of some, and all again where that one is news. What is
//! left to a card is left by one host and for one protocol, so that each interface, and on it each sender, is judged by itself ([`sides`]).

mod sides;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use tapwire_parsers::link::{How, Packet};

pub use self::sides::Sum;
use self::sides::{Sides, Tally, Verdict};
use super::batch::{Batch, Frame, SumSaid};
use super::origin::CaptureFile;

/// Whether checksums are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Guessed from samples.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

/// What wrong checksums mean for the packets of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Treatment {
    /// Nothing.
    Ignored,
    /// The packet is refused.
    #[default]
    Verified,
    /// The same, unless the checksum is one that its host left to its card.
    Lenient,
}

impl Treatment {
    /// Whether checksums are looked at.
    pub fn verifies(self) -> bool {
        self != Self::Ignored
    }
}

/// The checksums of a sender that mean nothing if they are wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Excused(u8);

impl Excused {
    /// Those of all for which something holds.
    fn which(holds: impl Fn(Sum) -> bool) -> Self {
        Sum::ALL.into_iter().filter(|sum| holds(*sum)).fold(Self(0), |all, sum| Self(all.0 | 1 << sum as u8))
    }

    fn has(self, sum: Sum) -> bool {
        self.0 & 1 << sum as u8 != 0
    }
}

/// Whose wrong checksums mean nothing: those of whole interfaces, and of single senders. Who has a wrong one in hand looks it up; others
/// need not.
#[derive(Debug, Default)]
pub struct Excuses {
    interfaces: [Excused; INTERFACES],
    senders: HashMap<u64, Excused, FixedState>,
}

impl Excuses {
    fn of(&self, packet: &Packet<'_>, interface: u16) -> Excused {
        let Some(ip) = &packet.ip else { return Excused::default() };
        let of_all = self.interfaces.get(place(interface)).copied().unwrap_or_default();
        let own = self.senders.get(&sides::key(packet, interface, ip.source)).copied().unwrap_or_default();
        Excused(of_all.0 | own.0)
    }
}

/// What is known of the checksums of a packet beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Whose mean nothing.
    pub excuses: Option<&'a Excuses>,
    /// The interface that it came from.
    pub interface: u16,
    /// What is said of this one.
    pub said: SumSaid,
}

/// What became of a packet with a wrong checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused.
    Refused,
    /// It is accepted: its host left the sum to its card.
    Accepted,
}

/// Takes checksums for right that are wrong and mean nothing. Nothing if none was wrong.
#[inline]
pub fn settle(packet: &mut Packet<'_>, treatment: Treatment, known: Known<'_>) -> Option<Outcome> {
    let wrong_header = packet.ip.as_ref().is_some_and(|ip| !ip.checksum_ok);
    let wrong_sum = packet.has_transport_sum() && !packet.has_right_checksum();
    if wrong_header || wrong_sum { Some(settle_wrong(packet, treatment, known)) } else { None }
}

#[cold]
fn settle_wrong(
    packet: &mut Packet<'_>,
    treatment: Treatment,
    Known { excuses, interface, said }: Known<'_>,
) -> Outcome {
    let (treatment, excused) = match said {
        SumSaid::Strict => (Treatment::Verified, Excused::default()),
        _ => (treatment, excuses.map(|excuses| excuses.of(packet, interface)).unwrap_or_default()),
    };
    let header = packet.accept_header_checksum(|header| excused.has(Sum::Ipv4) && left_to_card(header));
    let is_excused = |packet: &Packet<'_>| {
        let is_lenient = treatment == Treatment::Lenient;
        is_lenient && (said == SumSaid::Unfinished || packet.has_unfinished_checksum())
            || Sum::of(packet).is_some_and(|sum| excused.has(sum))
    };
    let transport =
        packet.has_right_checksum() || !packet.has_transport_sum() || (is_excused(packet) && packet.accept_checksum());
    if header && transport { Outcome::Accepted } else { Outcome::Refused }
}

/// Whether the checksum of an IPv4 header is the 0 that is left for the card. No router passes such a packet on.
fn left_to_card(header: &[u8]) -> bool {
    header.get(10..12) == Some(&[0, 0])
}

/// Judges the checksums of a source.
pub struct Offload {
    treatment: Treatment,
    how: How,
    live: bool,
    /// The capture that was judged last.
    capture: Option<Arc<CaptureFile>>,
    /// Packets of it so far.
    packets: u64,
    /// Until here all are looked at, and behind only some.
    until: u64,
    interfaces: [[Tally; Sum::COUNT]; INTERFACES],
    /// How much of each interface was looked at: a packet of TCP or UDP counts much, for others have no sums to learn from.
    looked_at: [u32; INTERFACES],
    sides: Sides,
    excuses: Option<Arc<Excuses>>,
}

impl Offload {
    /// One for the packets of a file or, `live`, of an interface, that are read so.
    pub fn new(checksums: Checksums, live: bool, how: How) -> Self {
        let treatment = match checksums {
            Checksums::On => Treatment::Verified,
            Checksums::Off => Treatment::Ignored,
            Checksums::Auto => Treatment::Lenient,
        };
        Self {
            treatment,
            how: How { checksums: true, ..how },
            live,
            capture: None,
            packets: 0,
            until: FIRST_SAMPLE,
            interfaces: Default::default(),
            looked_at: Default::default(),
            sides: Sides::default(),
            excuses: None,
        }
    }

    /// Looks at a batch, and notes at it what its checksums mean.
    pub fn judge(&mut self, batch: &mut Batch) {
        batch.checksums = self.treatment;
        if !self.treatment.verifies() {
            return;
        }
        if !is_same(batch.capture.as_ref(), self.capture.as_ref()) {
            // Another file is another host.
            self.capture.clone_from(&batch.capture);
            (self.packets, self.until) = (0, FIRST_SAMPLE);
            self.interfaces = Default::default();
            self.sides.forget();
            self.excuses = None;
        }
        let closely = self.packets < self.until || self.is_new(batch);
        if self.sample(batch, if closely { 1 } else { STRIDE }) {
            // Something begins or goes on: it is looked at more closely, and for a while.
            if !closely {
                self.sample(batch, 1);
            }
            self.until = self.until.max(self.packets + SAMPLE);
        }
        self.packets += batch.frames.len() as u64;
        batch.excuses = self.excuses.clone().filter(|_| self.treatment == Treatment::Lenient);
    }

    /// What is to be said of senders whose packets are refused, once for each.
    pub fn news(&mut self) -> Option<String> {
        let treatment = self.treatment;
        self.sides.news(self.live, |verdict: Verdict| treatment == Treatment::Lenient && verdict.excused)
    }

    /// Whether packets are of an interface of which few were looked at so far.
    fn is_new(&self, batch: &Batch) -> bool {
        let few = |frame: &Frame| {
            self.looked_at.get(place(frame.interface)).is_some_and(|looked| *looked < FIRST_OF_INTERFACE)
        };
        self.live && batch.frames.iter().any(few)
    }

    /// Looks at one of `stride` packets of a batch. Whether a wrong checksum is news: nothing tells what those of its sender mean.
    fn sample(&mut self, batch: &Batch, stride: usize) -> bool {
        let (mut is_news, mut is_changed) = (false, false);
        let Self { sides, interfaces, looked_at, live, .. } = self;
        // Of what the kernel left to a card nothing is to be learnt.
        for frame in batch.frames.iter().step_by(stride).filter(|frame| frame.sum == SumSaid::Nothing) {
            let mut nothing = 0;
            let looked = looked_at.get_mut(place(frame.interface)).unwrap_or(&mut nothing);
            *looked = looked.saturating_add(1);
            each_packet(batch, frame, &self.how, &mut |packet| {
                let Some(ip) = packet.ip.as_ref().filter(|ip| ip.missing == 0 && ip.fragment.is_none()) else { return };
                let Some(side) = sides.of(packet, frame.interface, ip.source) else { return };
                let mut count = |sum, wrong: bool| {
                    is_news |= wrong && !side.is_known(sum, *live);
                    is_changed |= side.count(sum, wrong, *live);
                };
                if ip.source.is_ipv4() {
                    count(Sum::Ipv4, !ip.checksum_ok && left_to_card(ip.header));
                }
                if let Some(sum) = Sum::of(packet) {
                    let wrong = !packet.has_right_checksum() && !packet.has_unfinished_checksum();
                    count(sum, wrong);
                    let of_all = interfaces.get_mut(place(frame.interface)).and_then(|sums| sums.get_mut(sum as usize));
                    of_all.into_iter().for_each(|tally| tally.count(wrong, WINDOW));
                    *looked = looked.saturating_add(WITH_SUM);
                }
            });
        }
        let of_interface =
            |sums: &[Tally; Sum::COUNT]| Excused::which(|sum| sums.get(sum as usize).is_some_and(|t| self.tells(*t)));
        let excused = std::array::from_fn(|at| self.interfaces.get(at).map(of_interface).unwrap_or_default());
        if is_changed || self.excuses.as_ref().map(|excuses| excuses.interfaces).unwrap_or_default() != excused {
            self.excuse(excused);
        }
        is_news
    }

    /// Has it known whose checksums mean nothing.
    fn excuse(&mut self, interfaces: [Excused; INTERFACES]) {
        let senders: HashMap<_, _, _> = self.sides.excused(self.live).collect();
        let is_any = !senders.is_empty() || interfaces != [Excused::default(); INTERFACES];
        self.excuses = is_any.then(|| Arc::new(Excuses { interfaces, senders }));
    }

    /// A tenth of all is more than damage on a wire does. Of a file all is known at once; of an interface, few packets tell only if most
    /// are wrong.
    fn tells(&self, tally: Tally) -> bool {
        let Tally { seen, wrong } = tally;
        let is_much = wrong * 10 > seen;
        is_much && (!self.live || seen >= WINDOW / 2 || (seen >= FEW && wrong * 2 > seen))
    }
}

/// Looks at the packet of a frame and at those that it carries.
fn each_packet(batch: &Batch, frame: &Frame, how: &How, look: &mut dyn FnMut(&Packet<'_>)) {
    let mut packet = frame.decode(batch, how);
    look(&packet);
    while let Some(inner) = Packet::decode_inner(&packet, how) {
        packet = inner;
        look(&packet);
    }
}

/// Whether two captures are one, and not two of one name.
fn is_same(one: Option<&Arc<CaptureFile>>, other: Option<&Arc<CaptureFile>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Where an interface is counted: beyond so many, some are counted together.
fn place(interface: u16) -> usize {
    usize::from(interface) % INTERFACES
}

const INTERFACES: usize = 16;
/// Packets of a file or an interface that are all looked at.
const FIRST_SAMPLE: u64 = 4_096;
/// Live, a thousand of TCP and UDP of each interface are, or so many times that of others.
const FIRST_OF_INTERFACE: u32 = 1_000 * (WITH_SUM + 1);
const WITH_SUM: u32 = 15;
/// Behind a wrong checksum so many are: few, as what is wrong by chance comes now and then.
const SAMPLE: u64 = 256;
/// One of so many is looked at later: an odd number, as conversations repeat.
const STRIDE: usize = 17;
/// Packets of one protocol after which those before count half.
const WINDOW: u32 = 1_000;
/// Before there are so many, an interface is not judged by part of its packets.
const FEW: u32 = 20;

#[cfg(test)]
mod tests {
    use tapwire_parsers::link::Timestamp;

    use super::*;
    use crate::capture::batch::Arrival;

    /// A datagram with a checksum that is right, left to the card, or wrong.
    fn datagram(kind: u8) -> Vec<u8> {
        let mut data = vec![0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        data.extend([0, 7, 0, 9, 0, 9, 0, 0, b'x']);
        // 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 17 + 9
        let pseudo: u16 = 0x0a00 + 1 + 0x0a00 + 2 + 17 + 9;
        let whole = pseudo + 7 + 9 + 9 + (u16::from(b'x') << 8);
        let sum = match kind {
            b'r' => !whole,
            b'u' => pseudo,
            _ => 0x1234,
        };
        data[26..28].copy_from_slice(&sum.to_be_bytes());
        let header = tapwire_parsers::link::internet_checksum::of(&data[..20]);
        data[10..12].copy_from_slice(&header);
        data
    }

    fn batch(kinds: &[u8]) -> Batch {
        let mut batch = Batch::new();
        for (number, kind) in (1..).zip(kinds) {
            let arrival = Arrival { time: Timestamp(number), link_type: 101, interface: 0, wire_len: 29 };
            batch.push(number, arrival, &datagram(*kind));
        }
        batch
    }

    #[test]
    fn what_a_card_was_to_finish_is_accepted_from_the_first_packet_on() {
        for (kind, right, accepted) in [(b'r', true, false), (b'u', false, true), (b'w', false, false)] {
            let batch = batch(&[kind]);
            let packet = batch.frames[0].decode(&batch, &How::default());
            assert_eq!(packet.has_right_checksum(), right);
            assert_eq!(packet.has_unfinished_checksum(), accepted);
        }
    }

    /// What becomes of packets of these kinds, judged together.
    fn judged(offload: &mut Offload, kinds: &[u8]) -> Vec<Option<Outcome>> {
        let mut batch = batch(kinds);
        offload.judge(&mut batch);
        let settle = |frame: &Frame| {
            let how = How { checksums: batch.checksums.verifies(), ..How::default() };
            let known = Known { excuses: batch.excuses.as_deref(), interface: frame.interface, said: frame.sum };
            settle(&mut frame.decode(&batch, &how), batch.checksums, known)
        };
        batch.frames.iter().map(settle).collect()
    }

    fn many(kind: u8, count: usize) -> Vec<u8> {
        vec![kind; count]
    }

    const ACCEPTED: Option<Outcome> = Some(Outcome::Accepted);
    const REFUSED: Option<Outcome> = Some(Outcome::Refused);

    #[test]
    fn a_file_is_judged_at_once_and_an_interface_by_enough_packets() {
        let offload = |checksums, live| Offload::new(checksums, live, How::default());
        let mut file = offload(Checksums::Auto, false);
        assert_eq!(judged(&mut file, b"rrrrw"), [None, None, None, None, ACCEPTED]);
        let mut interface = offload(Checksums::Auto, true);
        assert_eq!(judged(&mut interface, b"uuw"), [ACCEPTED, ACCEPTED, REFUSED]);
        assert_eq!(judged(&mut interface, &many(b'w', 100))[99], ACCEPTED, "most are wrong");
        for _ in 0..5 {
            assert_eq!(judged(&mut interface, &many(b'r', 1_000))[0], None);
        }
        assert_eq!(judged(&mut interface, b"w"), [REFUSED], "they are right by now");
        assert_eq!(judged(&mut offload(Checksums::On, false), b"rwu"), [None, REFUSED, REFUSED]);
        assert_eq!(judged(&mut offload(Checksums::Off, false), b"rwu"), [None; 3]);
    }

    #[test]
    fn what_begins_later_is_found_later_and_another_file_begins_anew() {
        let mut file = Offload::new(Checksums::Auto, false, How::default());
        for _ in 0..40 {
            judged(&mut file, &many(b'r', 1_000));
        }
        // As many as have passed are remembered, so that those of an interface count for little; those of one sender count.
        assert!(judged(&mut file, &many(b'w', 1_000)).iter().all(|outcome| *outcome == ACCEPTED));
        let mut next = batch(&many(b'r', 100));
        next.capture = Some(Arc::new(CaptureFile { name: "next".into(), ..CaptureFile::default() }));
        file.judge(&mut next);
        assert!(next.excuses.is_none());
    }

    #[test]
    fn a_header_whose_sum_was_left_is_told_by_its_zero() {
        let judged = |sums: [[u8; 2]; 3]| {
            let mut batch = Batch::new();
            for (number, sum) in (1..).zip(sums) {
                let mut data = datagram(b'r');
                data[10..12].copy_from_slice(&sum);
                // Each of another host.
                (data[15], data[26], data[27]) = (data[15] + number, 0, 0);
                let arrival = Arrival { time: Timestamp(1), link_type: 101, interface: 0, wire_len: 29 };
                batch.push(number.into(), arrival, &data);
            }
            Offload::new(Checksums::Auto, false, How::default()).judge(&mut batch);
            let excuses = batch.excuses.as_deref().unwrap();
            let packets = batch.frames.iter().map(|frame| frame.decode(&batch, &How::default()));
            packets.map(|packet| excuses.of(&packet, 0).has(Sum::Ipv4)).collect::<Vec<_>>()
        };
        assert_eq!(judged([[0, 0], [0xde, 0xad], [0, 0]]), [true, false, true]);
    }

    #[test]
    fn who_is_refused_is_said_once() {
        let mut strict = Offload::new(Checksums::On, false, How::default());
        judged(&mut strict, &many(b'w', 9));
        assert_eq!(strict.news(), None);
        judged(&mut strict, &many(b'w', 3));
        let news = strict.news().unwrap();
        assert!(news.starts_with("10.0.0.1: 12 of 12 UDP checksums"), "{news}");
        assert_eq!(strict.news(), None);
    }
}
