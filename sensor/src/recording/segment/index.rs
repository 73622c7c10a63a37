//! The index behind the last block of a segment: its tables, and a footer that says where they are.
//!
//! Blocks by where they are; ids with the blocks that have packets of theirs; other names of flows, and flows by those; alerts by rule.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use tapwire_parsers::link::Timestamp;

use super::head::{Head, SKIPPABLE};
use super::table::{self, Row, Table, damaged};
use super::{WORD, Words};
use crate::recording::packet::Id;

const NAME: &[u8; 4] = b"TWi1";
const WORDS: usize = 9;
/// Bytes of the footer: its words, a checksum and a name.
const FOOTER: usize = WORDS * WORD + 8;

/// What is known of a segment while it grows.
#[derive(Debug, Default)]
pub struct Growing {
    blocks: Vec<Row<5>>,
    pairs: Vec<Row<2>>,
    names: Vec<Row<2>>,
    alerts: Vec<Row<5>>,
    first: u64,
    last: u64,
    packets: u64,
}

impl Growing {
    /// Adds a block at a place of the file.
    pub fn add(&mut self, offset: u64, head: &Head) {
        let lengths = u64::from(head.plain_len) << 32 | u64::from(head.block_len);
        if head.packets > 0 {
            self.first = if self.packets == 0 { head.first.0 } else { self.first.min(head.first.0) };
            self.last = self.last.max(head.last.0);
        }
        self.packets += u64::from(head.packets);
        self.blocks.push([offset, lengths, head.packets.into(), head.first.0, head.last.0]);
        for owner in &head.owners {
            self.pairs.push([owner.id, offset]);
            if owner.alias != 0 {
                self.names.push([owner.id, owner.alias]);
            }
        }
        for alert in &head.alerts {
            let flow = alert.flow.unwrap_or(0);
            self.alerts.push([alert.sid.into(), alert.gid.into(), flow, alert.number, alert.time.0]);
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.pairs.len() + 2 * self.names.len() + self.alerts.len()
    }

    /// The time of the latest packet.
    pub fn last(&self) -> Timestamp {
        Timestamp(self.last)
    }

    /// The index as it stands at a place of the file.
    pub fn write(&mut self, offset: u64) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&SKIPPABLE.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(NAME);
        let tables = offset + out.len() as u64;
        self.names.sort_unstable();
        self.names.dedup();
        let mut flows: Vec<Row<2>> = self.names.iter().map(|[flow, alias]| [*alias, *flow]).collect();
        table::write(&mut out, &mut self.blocks);
        table::write(&mut out, &mut self.pairs);
        table::write(&mut out, &mut self.names);
        table::write(&mut out, &mut flows);
        table::write(&mut out, &mut self.alerts);
        let counts =
            [self.blocks.len(), self.pairs.len(), self.names.len(), self.alerts.len()].map(|count| count as u64);
        let [blocks, pairs, names, alerts] = counts;
        let start = out.len();
        for word in [tables, blocks, pairs, names, names, alerts, self.first, self.last, self.packets] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let checksum = crc32fast::hash(out.get(start..).unwrap_or(&[]));
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(NAME);
        let len = u32::try_from(out.len() - 8).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(4..8) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        out
    }
}

/// The index of a segment in a file.
#[derive(Clone, Copy, Debug)]
pub struct Index<'f> {
    blocks: Table<'f, 5>,
    pairs: Table<'f, 2>,
    names: Table<'f, 2>,
    flows: Table<'f, 2>,
    alerts: Table<'f, 5>,
    /// The time of the earliest packet.
    pub first: Timestamp,
    /// The time of the latest.
    pub last: Timestamp,
    /// How many there are.
    pub packets: u64,
}

/// A block and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Its place in the file.
    pub offset: u64,
    /// Its bytes.
    pub len: u32,
    /// Its bytes, before they were compressed.
    pub plain_len: u32,
    /// The time of its earliest packet.
    pub first: Timestamp,
    /// The time of its latest.
    pub last: Timestamp,
}

impl Block {
    /// The block with a head, at a place.
    pub fn of(offset: u64, head: &Head) -> Self {
        let Head { block_len, plain_len, first, last, .. } = *head;
        Self { offset, len: block_len, plain_len, first, last }
    }

    fn of_row([offset, lengths, _, first, last]: &Row<5>) -> Self {
        let half = |word: u64| u32::try_from(word & 0xffff_ffff).unwrap_or(0);
        let (len, plain_len) = (half(*lengths), half(lengths >> 32));
        Self { offset: *offset, len, plain_len, first: Timestamp(*first), last: Timestamp(*last) }
    }
}

impl<'f> Index<'f> {
    /// The index at the end of a file; an error where there is none, or it is damaged.
    pub fn of(file: &'f File) -> io::Result<Self> {
        let mut footer = [0; FOOTER];
        let begin = file.metadata()?.len().checked_sub(FOOTER as u64).ok_or_else(damaged)?;
        file.read_exact_at(&mut footer, begin)?;
        let read = || {
            let (all, name) = footer.split_last_chunk::<4>()?;
            let (words, checksum) = all.split_last_chunk::<4>()?;
            let is_whole = name == NAME && crc32fast::hash(words) == u32::from_le_bytes(*checksum);
            let mut words = Words(words);
            let mut all = [0; WORDS];
            for word in &mut all {
                *word = words.u64()?;
            }
            is_whole.then_some(all)
        };
        let [tables, blocks, pairs, names, flows, alerts, first, last, packets] = read().ok_or_else(damaged)?;
        let (blocks, len) = Table::at(file, tables, blocks);
        let (pairs, next) = Table::at(file, tables.saturating_add(len), pairs);
        let len = len.saturating_add(next);
        let (names, next) = Table::at(file, tables.saturating_add(len), names);
        let len = len.saturating_add(next);
        let (flows, next) = Table::at(file, tables.saturating_add(len), flows);
        let len = len.saturating_add(next);
        let (alerts, next) = Table::at(file, tables.saturating_add(len), alerts);
        if tables.saturating_add(len).saturating_add(next) != begin {
            return Err(damaged());
        }
        let (first, last) = (Timestamp(first), Timestamp(last));
        Ok(Self { blocks, pairs, names, flows, alerts, first, last, packets })
    }

    /// The blocks that have packets of an id.
    pub fn blocks_of(&self, id: Id, each: &mut dyn FnMut(Block)) -> io::Result<()> {
        let mut offsets = Vec::new();
        self.pairs.find(id, &mut |[_, offset]| offsets.push(*offset))?;
        offsets.into_iter().try_for_each(|offset| self.blocks.find(offset, &mut |row| each(Block::of_row(row))))
    }

    /// All blocks.
    pub fn blocks(&self, each: &mut dyn FnMut(Block)) -> io::Result<()> {
        self.blocks.all(&mut |row| each(Block::of_row(row)))
    }

    /// Other names of a flow.
    pub fn names_of(&self, flow: Id, each: &mut dyn FnMut(u64)) -> io::Result<()> {
        self.names.find(flow, &mut |[_, alias]| each(*alias))
    }

    /// Flows with another name.
    pub fn flows_of(&self, alias: u64, each: &mut dyn FnMut(Id)) -> io::Result<()> {
        self.flows.find(alias, &mut |[_, flow]| each(*flow))
    }

    /// Alerts of rules with an id: group, flow or 0, number of the packet, time.
    pub fn alerts_of(&self, sid: u32, each: &mut dyn FnMut(u64, Id, u64, Timestamp)) -> io::Result<()> {
        self.alerts.find(sid.into(), &mut |[_, gid, flow, number, time]| each(*gid, *flow, *number, Timestamp(*time)))
    }
}
