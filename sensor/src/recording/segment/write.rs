//! A segment that grows: packets are gathered in a block, which is compressed and put behind its head in one piece. What was written of a
//! piece that did not fit on the disk is cut off again.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::time::Instant;

use hashbrown::HashMap;
use tapwire_parsers::link::Timestamp;
use zstd::bulk::Compressor;

use super::block;
use super::head::Head;
use super::index::Growing;
use crate::recording::packet::{Alerted, Belongs, Captured, Id};

/// Bytes of packets at which a block is full: what is read for one packet of it.
pub const BLOCK_BYTES: usize = 256 << 10;
/// Rows of an index at which a segment is full, each of 16 bytes.
const ROW_LIMIT: usize = 4 << 20;
/// Alerts of one block.
const ALERT_LIMIT: usize = 65_536;
/// Bytes of a block that interfaces may take.
const INTERFACE_LIMIT: usize = 1_024;

/// A segment in the making.
pub struct Writer {
    file: File,
    compressor: Compressor<'static>,
    index: Growing,
    /// Length of the file as far as it is good.
    len: u64,
    block: Vec<u8>,
    head: Head,
    /// When the block was begun.
    begun: Option<Instant>,
    /// Interfaces of the block, with their link types.
    interfaces: Vec<(u16, u32)>,
    /// The last block with packets of an id.
    latest: HashMap<Id, u32, foldhash::fast::RandomState>,
    blocks: u32,
    /// A head with its block.
    piece: Vec<u8>,
}

impl Writer {
    /// Begins a segment in an empty file.
    pub fn begin(mut file: File, level: i32) -> io::Result<Self> {
        let mut compressor = Compressor::new(level)?;
        compressor.include_checksum(true)?;
        // Programs tell by the first bytes what a file is, and do not look behind a frame that is to be skipped.
        let mut section = Vec::new();
        block::begin(&mut section);
        let begin = compressor.compress(&section)?;
        append(&mut file, 0, &begin)?;
        Ok(Self {
            file,
            compressor,
            index: Growing::default(),
            len: begin.len() as u64,
            block: Vec::new(),
            head: Head::default(),
            begun: None,
            interfaces: Vec::new(),
            latest: HashMap::default(),
            blocks: 0,
            piece: Vec::new(),
        })
    }

    /// Takes a packet; the block must not be full.
    pub fn packet(&mut self, packet: &Captured, data: &[u8], owners: &[Belongs]) {
        if self.block.is_empty() {
            block::begin(&mut self.block);
            self.blocks += 1;
            self.begun = Some(Instant::now());
        }
        let from = (packet.interface, packet.link_type);
        let place = self.interfaces.iter().position(|known| *known == from).unwrap_or_else(|| {
            block::interface(&mut self.block, packet.link_type);
            self.interfaces.push(from);
            self.interfaces.len() - 1
        });
        block::packet(&mut self.block, u32::try_from(place).unwrap_or(0), packet, data, owners);
        let head = &mut self.head;
        head.first = if head.packets == 0 { packet.time } else { head.first.min(packet.time) };
        head.last = head.last.max(packet.time);
        head.packets += 1;
        for owner in owners {
            let block = self.blocks;
            if self.latest.insert(owner.id, block) != Some(block) {
                self.head.owners.push(*owner);
            }
        }
    }

    /// Notes another name of a flow.
    pub fn relate(&mut self, flow: Id, alias: u64) {
        self.head.owners.push(Belongs { id: flow, alias });
    }

    /// Notes an alert.
    pub fn alert(&mut self, alert: &Alerted) {
        if self.head.alerts.len() < ALERT_LIMIT {
            self.head.alerts.push(*alert);
        }
    }

    /// Whether the block has to be written before another packet is taken.
    pub fn is_block_full(&self) -> bool {
        self.block.len() >= BLOCK_BYTES || self.interfaces.len() >= INTERFACE_LIMIT
    }

    /// Whether there is no more room for its index.
    pub fn is_full(&self) -> bool {
        self.index.rows() + self.head.owners.len() >= ROW_LIMIT
    }

    /// When the block was begun that is not written yet.
    pub fn begun(&self) -> Option<Instant> {
        self.begun
    }

    /// Packets that are not written yet.
    pub fn waiting(&self) -> u64 {
        self.head.packets.into()
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.len
    }

    /// The time of the latest packet.
    pub fn newest(&self) -> Timestamp {
        self.head.last.max(self.index.last())
    }

    /// The time of the latest packet that was written.
    pub fn last(&self) -> Timestamp {
        self.index.last()
    }

    /// Writes the block; what could not be written can be tried again.
    pub fn write_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() && self.head.alerts.is_empty() && self.head.owners.is_empty() {
            return Ok(());
        }
        let frame = self.compressor.compress(&self.block)?;
        let length = |len: usize| u32::try_from(len).map_err(io::Error::other);
        (self.head.block_len, self.head.plain_len) = (length(frame.len())?, length(self.block.len())?);
        self.piece.clear();
        self.head.write(&mut self.piece);
        let offset = self.len + self.piece.len() as u64;
        self.piece.extend_from_slice(&frame);
        append(&mut self.file, self.len, &self.piece)?;
        self.len += self.piece.len() as u64;
        self.index.add(offset, &self.head);
        self.drop_block();
        Ok(())
    }

    /// Gives up the block.
    pub fn drop_block(&mut self) {
        self.block.clear();
        self.interfaces.clear();
        let mut owners = std::mem::take(&mut self.head.owners);
        owners.clear();
        self.head = Head { owners, ..Head::default() };
        self.begun = None;
    }

    /// Ends it with its index; without that it can be read all the same.
    pub fn seal(mut self) -> io::Result<u64> {
        let index = self.index.write(self.len);
        append(&mut self.file, self.len, &index)?;
        self.file.sync_all()?;
        Ok(self.len + index.len() as u64)
    }
}

/// Puts bytes behind what a file has; all of them or none.
pub(super) fn append(file: &mut File, len: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(len))?;
    let written = file.write_all(bytes);
    if written.is_err() {
        file.set_len(len)?;
    }
    written
}
