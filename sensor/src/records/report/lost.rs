//! Packets that the sensor lost, by time, so that records of flows and alerts can say what was lost while they went on.

use std::collections::VecDeque;

use tapwire_parsers::link::Timestamp;

/// When how many packets were lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// All so far.
    total: u64,
    spans: VecDeque<Span>,
}

#[derive(Debug)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    packets: u64,
}

impl Lost {
    /// So many are lost by now.
    pub(super) fn note(&mut self, total: u64, now: Timestamp) {
        let packets = total.saturating_sub(std::mem::replace(&mut self.total, total));
        if packets == 0 {
            return;
        }
        // What the system dropped is asked for once a second, and hidden in what waited.
        let from = Timestamp(now.0.saturating_sub(LATE_US));
        match self.spans.back_mut() {
            Some(last) if last.to >= from => {
                last.to = last.to.max(now);
                last.packets += packets;
            }
            _ => self.spans.push_back(Span { from, to: now, packets }),
        }
        if self.spans.len() > SPANS
            && let Some(first) = self.spans.pop_front()
            && let Some(second) = self.spans.front_mut()
        {
            // Of long ago it is not known any more when.
            second.from = second.from.min(first.from);
            second.packets += first.packets;
        }
    }

    /// How many were lost while something went on, as far as is known.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> u64 {
        let during = self.spans.iter().rev().take_while(|span| span.to >= from).filter(|span| span.from <= to);
        during.map(|span| span.packets).sum()
    }
}

/// How late a loss may be known.
const LATE_US: u64 = 2_000_000;
/// Times of loss that are kept apart.
const SPANS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_before_and_after_is_not_counted() {
        let second = |s: u64| Timestamp(s * 1_000_000);
        let mut lost = Lost::default();
        lost.note(0, second(1));
        lost.note(10, second(10));
        lost.note(15, second(11));
        lost.note(15, second(20));
        lost.note(115, second(100));
        assert_eq!(lost.between(second(0), second(7)), 0);
        assert_eq!(lost.between(second(0), second(9)), 15);
        assert_eq!(lost.between(second(11), second(200)), 115);
        assert_eq!(lost.between(second(12), second(97)), 0);
        for at in 0..2_000 {
            lost.note(200 + at, second(1_000 + at * 10));
        }
        assert_eq!(lost.spans.len(), SPANS);
        assert_eq!(lost.between(second(0), second(1_000_000)), 2_199, "none is forgotten");
    }
}
