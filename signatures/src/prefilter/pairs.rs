//! Patterns that have no grams to be known by, such as those of two to four bytes, each known by its rarest two to four neighbours.
//!
//! Tables over the halves of these bytes tell places where some pattern may stand; a bitmap tells whether the bytes are there.

use super::PatternId;
use super::bitmap::Bitmap;
use super::patterns::Patterns;
use super::rarity::{Shares, rarest_part};

/// Bytes by which a pattern is known, at most.
const PART: usize = 4;

/// The bytes by which a pattern is known: two to [`PART`].
type Part<'a> = &'a [u8];

/// A pattern in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: u32,
    pattern: PatternId,
    /// Where the part stands in the pattern.
    offset: u16,
}

/// The filter.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) nibbles: Nibbles,
    bitmap: Bitmap,
    /// Lengths that parts have.
    lengths: Vec<usize>,
    /// Sorted.
    entries: Vec<Entry>,
}

/// Lots of parts, by the lower and the upper half of each byte: a part is in those lots that all of its halves have.
#[derive(Debug)]
pub(super) struct Nibbles(pub(super) [[[u8; 16]; 2]; PART]);

/// The halves that the bytes of a lot have: one bit for each value.
#[derive(Clone, Copy, Debug, Default)]
struct Halves([[u16; 2]; PART]);

impl Halves {
    /// Those of one part: behind it may be anything.
    fn of(part: Part<'_>) -> Self {
        let mut halves = [[u16::MAX; 2]; PART];
        for (halves, byte) in halves.iter_mut().zip(part) {
            *halves = [1 << (byte & 15), 1 << (byte >> 4)];
        }
        Self(halves)
    }

    fn with(mut self, other: &Self) -> Self {
        self.0.iter_mut().flatten().zip(other.0.iter().flatten()).for_each(|(own, others)| *own |= others);
        self
    }

    /// The share of places in traffic that these halves let through: as if halves were independent, beside runs of one byte.
    fn share(&self, shares: &Shares) -> f32 {
        let of_half = |half: u16, shares: &[f32; 16]| -> f32 {
            (0..).zip(shares).filter(|(value, _)| half >> value & 1 != 0).map(|(_, share)| share).sum()
        };
        let pairs = self.0.iter().flat_map(|halves| halves.iter().zip(&shares.halves));
        let independent: f32 = pairs.map(|(half, shares)| of_half(*half, shares)).product();
        let has = |byte: u8| {
            self.0.iter().all(|[lower, upper]| lower >> (byte & 15) & 1 != 0 && upper >> (byte >> 4) & 1 != 0)
        };
        let runs: f32 = shares.runs.iter().filter(|(byte, _)| has(*byte)).map(|(_, share)| share).sum();
        independent + runs
    }
}

impl Nibbles {
    /// That of no parts.
    #[cfg(target_arch = "x86_64")]
    pub(super) const NONE: Self = Self([[[0; 16]; 2]; PART]);
    const LOTS: usize = 8;
    /// So many lots are made of parts that are alike before those are joined that let through the least together.
    const FIRST_LOTS: usize = 128;

    fn new(mut parts: Vec<Part<'_>>) -> Self {
        parts.sort_unstable_by_key(|part| (part.len(), part.iter().map(|byte| byte >> 4).collect::<Vec<_>>(), *part));
        parts.dedup();
        let each = parts.len().div_ceil(Self::FIRST_LOTS).max(1);
        let join =
            |parts: &[Part<'_>]| parts.iter().fold(Halves::default(), |halves, part| halves.with(&Halves::of(part)));
        let lots = Self::joined(parts.chunks(each).map(join).collect());
        let mut tables = [[[0; 16]; 2]; PART];
        for (number, lot) in lots.iter().enumerate() {
            for (table, half) in tables.iter_mut().flatten().zip(lot.0.iter().flatten()) {
                for (value, lots) in table.iter_mut().enumerate() {
                    *lots |= u8::from(half >> value & 1 != 0) << number;
                }
            }
        }
        Self(tables)
    }

    /// Joins lots until there are few enough, always the two that let through the least more than they did.
    fn joined(mut lots: Vec<Halves>) -> Vec<Halves> {
        let shares = Shares::counted();
        let price = |lots: &[Halves], first: usize, second: usize| match (lots.get(first), lots.get(second)) {
            (Some(a), Some(b)) => a.with(b).share(&shares) - a.share(&shares) - b.share(&shares),
            _ => f32::MAX,
        };
        // What it costs to join a lot to each before it.
        let mut prices: Vec<Vec<f32>> =
            (0..lots.len()).map(|second| (0..second).map(|first| price(&lots, first, second)).collect()).collect();
        while lots.len() > Self::LOTS {
            let rows = (0..).zip(&prices);
            let couples =
                rows.flat_map(|(second, row)| (0..).zip(row).map(move |(first, price)| (first, second, price)));
            let Some((first, second, _)) = couples.min_by(|a, b| a.2.total_cmp(b.2)) else { break };
            let other = lots.remove(second);
            lots.iter_mut().skip(first).take(1).for_each(|lot| *lot = lot.with(&other));
            prices.remove(second);
            for (later, row) in (0..).zip(&mut prices) {
                if later >= second {
                    row.remove(second);
                }
                match later {
                    _ if later == first => {
                        row.iter_mut().enumerate().for_each(|(at, it)| *it = price(&lots, at, later))
                    }
                    _ => row.iter_mut().skip(first).take(1).for_each(|it| *it = price(&lots, first, later)),
                }
            }
        }
        lots
    }
}

/// A factor that makes a hash of a key.
const FACTOR: u32 = 0x9e37_79b1;
/// Bitmap bits for each key.
const BITS_EACH: usize = 32;

impl Pairs {
    /// The filter of some patterns of two and more bytes; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, &'a [u8])>) -> Option<Self> {
        let mut parts = Vec::new();
        let entry = |(pattern, bytes): (PatternId, &'a [u8])| {
            let length = bytes.len().min(PART);
            let offset = rarest_part(bytes, length)?;
            let part = bytes.get(offset..offset + length)?;
            parts.push(part);
            Some(Entry { key: key(part), pattern, offset: u16::try_from(offset).ok()? })
        };
        let mut entries: Vec<Entry> = patterns.filter_map(entry).collect();
        if entries.is_empty() {
            return None;
        }
        entries.sort_unstable();
        let mut bitmap = Bitmap::new(entries.len() * BITS_EACH, FACTOR);
        entries.iter().for_each(|entry| bitmap.insert(entry.key));
        let lengths = (2..=PART).filter(|length| parts.iter().any(|part| part.len() == *length)).collect();
        Some(Self { nibbles: Nibbles::new(parts), bitmap, lengths, entries })
    }

    /// Compares the patterns whose part stands at a place; `found` is told which, and where they start. How many there were.
    #[inline]
    pub(super) fn compare(
        &self,
        text: &[u8],
        position: usize,
        patterns: &Patterns,
        found: &mut impl FnMut(PatternId, usize),
    ) -> usize {
        let mut compared = 0;
        for length in &self.lengths {
            let Some(part) = text.get(position..position + length) else { break };
            let key = key(part);
            if self.bitmap.contains(key) {
                compared += self.compare_key(text, (position, key), patterns, found);
            }
        }
        compared
    }

    fn compare_key(
        &self,
        text: &[u8],
        (position, key): (usize, u32),
        patterns: &Patterns,
        found: &mut impl FnMut(PatternId, usize),
    ) -> usize {
        let from = self.entries.partition_point(|entry| entry.key < key);
        let entries = self.entries.get(from..).unwrap_or(&[]).iter().take_while(|entry| entry.key == key);
        let mut compared = 0;
        for entry in entries {
            compared += 1;
            let Some(start) = position.checked_sub(usize::from(entry.offset)) else { continue };
            if text.get(start..).is_some_and(|rest| rest.starts_with(patterns.get(entry.pattern))) {
                found(entry.pattern, start);
            }
        }
        compared
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bitmap.memory_bytes() + self.entries.len() * size_of::<Entry>()
    }
}

/// What a part is known by; parts of different lengths rarely have the same.
#[inline]
fn key(part: Part<'_>) -> u32 {
    const SHORTER: u32 = 0x85eb_ca6b;
    match *part {
        [a, b] => u32::from_le_bytes([a, b, 0, 0]) ^ SHORTER,
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]) ^ SHORTER.rotate_left(8),
        [a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}
