//! Whether checksums that are wrong mean anything: a host that leaves them to its network card is captured before the card.
//!
//! What such a host leaves in the field of a TCP or UDP header is the sum of the pseudo header (Linux: `CHECKSUM_PARTIAL`), also for
//! segments that the kernel glued together on their way in. That is told packet by packet, from the first one on. Other wrong
//! checksums are judged by the first thousand TCP and UDP packets of an interface, and again later.

use tapwire_parsers::link::Packet;

use super::batch::Batch;

/// TCP and UDP packets that are judged by.
const SAMPLE: u64 = 1_000;
/// So many packets after a judgement the next one begins.
const PACKETS_BETWEEN: u64 = 100_000;
/// Before the sample is whole, so many packets are enough if most are wrong.
const FEW: u64 = 20;

/// Whether checksums are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Guessed from the first packets.
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

/// Judges the checksums of an interface.
#[derive(Debug)]
pub struct Offload {
    treatment: Treatment,
    automatic: bool,
    /// Packets to come before the next sample.
    pause: u64,
    seen: u64,
    wrong: u64,
}

impl Offload {
    /// One for an interface.
    pub fn new(checksums: Checksums) -> Self {
        let treatment = match checksums {
            Checksums::On => Treatment::Verified,
            Checksums::Off => Treatment::Ignored,
            Checksums::Auto => Treatment::Lenient,
        };
        Self { treatment, automatic: checksums == Checksums::Auto, pause: 0, seen: 0, wrong: 0 }
    }

    /// Looks at a batch, and says what its checksums mean.
    pub fn judge(&mut self, batch: &Batch) -> Treatment {
        if self.automatic {
            self.sample(batch);
        }
        self.treatment
    }

    fn sample(&mut self, batch: &Batch) {
        let packets = batch.frames.len() as u64;
        if self.pause >= packets {
            self.pause -= packets;
            return;
        }
        let skipped = usize::try_from(std::mem::take(&mut self.pause)).unwrap_or(usize::MAX);
        for frame in batch.frames.iter().skip(skipped) {
            let mut packet = frame.decode(batch, true);
            let is_right = packet.tcp().map(|t| t.checksum_ok).or(packet.udp().map(|u| u.checksum_ok));
            let Some(is_right) = is_right else { continue };
            self.seen += 1;
            self.wrong += u64::from(!is_right && !packet.accept_unfinished_checksum());
            if self.seen == SAMPLE {
                self.treatment =
                    if is_offloaded(self.seen, self.wrong) { Treatment::Ignored } else { Treatment::Lenient };
                (self.seen, self.wrong, self.pause) = (0, 0, PACKETS_BETWEEN);
                return;
            }
        }
        if self.seen >= FEW && self.wrong * 2 > self.seen {
            self.treatment = Treatment::Ignored;
        }
    }
}

/// Whether the first packets of a capture tell that the host that captured them left checksums to its card.
pub fn looks_offloaded(batch: &Batch) -> bool {
    let (mut seen, mut wrong) = (0, 0);
    for frame in batch.frames.iter().take(usize::try_from(SAMPLE).unwrap_or(usize::MAX)) {
        let packet = Packet::decode(frame.number, frame.time, frame.link_type, batch.data(frame), frame.wire_len, true);
        let right = packet.tcp().map(|t| t.checksum_ok).or(packet.udp().map(|u| u.checksum_ok));
        seen += u64::from(right.is_some());
        wrong += u64::from(right == Some(false));
    }
    is_offloaded(seen, wrong)
}

/// A tenth of all is more than damage on a wire does.
fn is_offloaded(seen: u64, wrong: u64) -> bool {
    wrong * 10 > seen
}

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
            let mut packet = batch.frames[0].decode(&batch, true);
            assert_eq!(packet.has_right_checksum(), right);
            assert_eq!(packet.accept_unfinished_checksum(), accepted);
            assert_eq!(packet.has_right_checksum(), right || accepted);
        }
    }

    #[test]
    fn the_first_thousand_decide_and_later_ones_again() {
        let many = |kind: u8, count: usize| batch(&vec![kind; count]);
        let mut offload = Offload::new(Checksums::Auto);
        assert_eq!(offload.judge(&many(b'u', 10)), Treatment::Lenient);
        assert_eq!(offload.judge(&many(b'w', 5)), Treatment::Lenient, "too few to tell");
        assert_eq!(offload.judge(&many(b'w', 100)), Treatment::Ignored, "most are wrong");
        assert_eq!(offload.judge(&many(b'r', 885)), Treatment::Ignored, "a tenth of a thousand");
        for _ in 0..100 {
            assert_eq!(offload.judge(&many(b'r', 1_000)), Treatment::Ignored);
        }
        assert_eq!(offload.judge(&many(b'r', 1_000)), Treatment::Lenient, "they are right by now");
        assert_eq!(Offload::new(Checksums::On).judge(&many(b'w', 1_000)), Treatment::Verified);
        assert_eq!(Offload::new(Checksums::Off).judge(&many(b'r', 1_000)), Treatment::Ignored);
    }
}
