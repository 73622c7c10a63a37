//! Urgent bytes (RFC 9293 section 3.8.5, RFC 6093).
//!
//! Hosts hand the byte that the urgent pointer points at to the program by another way, so that it is missing in the bytes
//! that the program reads, unless it asked for it inline. Numbers here are places in the stream with these bytes counted.

use std::collections::VecDeque;

/// What becomes of an urgent byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrgentPolicy {
    /// It is taken out of the stream.
    #[default]
    OutOfBand,
    /// It is as any other byte.
    Inline,
    /// The whole segment is dropped.
    Drop,
}

/// The places of bytes that were taken out.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    /// The latest ones, in order.
    places: VecDeque<i64>,
    /// How many there were before these.
    older: u32,
}

impl Urgent {
    /// How many bytes were taken out.
    pub(super) fn count(&self) -> u64 {
        u64::from(self.older) + self.places.len() as u64
    }

    /// How many of them lie before `place`. Of the older ones all are said to, which is so but for very late repetitions.
    pub(super) fn before(&self, place: i64) -> i64 {
        if self.count() == 0 || place <= 0 {
            return 0;
        }
        i64::from(self.older) + self.places.partition_point(|taken| *taken < place) as i64
    }

    /// What is left of bytes that begin at `first`, if some of them were taken out.
    pub(super) fn left_of(&self, first: i64, data: &[u8]) -> Option<Vec<u8>> {
        let end = first.saturating_add_unsigned(data.len() as u64);
        let from = self.places.partition_point(|taken| *taken < first);
        let mut taken = self.places.range(from..).take_while(|taken| **taken < end).peekable();
        taken.peek()?;
        let (mut left, mut rest, mut at) = (Vec::with_capacity(data.len()), data, first);
        for &place in taken {
            let (before, behind) = rest.split_at_checked(usize::try_from(place - at).ok()?)?;
            left.extend_from_slice(before);
            (rest, at) = (behind.get(1..)?, place + 1);
        }
        left.extend_from_slice(rest);
        Some(left)
    }

    /// Takes a byte behind all others out, unless there were too many.
    pub(super) fn take_out(&mut self, place: i64) -> bool {
        if place < 0 || self.count() >= MAX_URGENT || self.places.back().is_some_and(|last| *last >= place) {
            return false;
        }
        if self.places.len() >= REMEMBERED {
            self.places.pop_front();
            self.older += 1;
        }
        self.places.push_back(place);
        true
    }
}

const MAX_URGENT: u64 = 65_535;
const REMEMBERED: usize = 256;
