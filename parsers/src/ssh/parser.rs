//! The stream of each direction: a line with the identification string, packets in the clear, and what is encrypted.
//!
//! The parser takes every byte at once and keeps of them only the line and the key exchange message, each within its limit.
//! Behind NEWKEYS a direction cannot be read; once neither can, the flow is left aside. Version 1 is read no further than its
//! identification strings.

use super::hassh::Hassh;
use super::state;
use super::transaction::{Identity, Transaction};
use crate::protocol::{Advance, Both, Course, Direction, Input, Output, Parser, TransactionList, Transactions, held};

/// Longest line with its end; RFC 4253, section 4.2, allows 255.
const LINE_LIMIT_BYTES: usize = 256;
/// Lines before the identification string.
const LINES_LIMIT: usize = 64;
/// Length of a packet, from which on it cannot be: more than any implementation sends.
const PACKET_LIMIT_BYTES: usize = 256 << 10;
/// Longest key exchange message that is read: the payload that every implementation must take (RFC 4253, section 6.1).
const KEXINIT_LIMIT_BYTES: usize = 32 << 10;
/// Octets of a packet up to the number of its message: two lengths and the number.
const HEADER_BYTES: usize = 6;
/// The same, as far as a packet begins before the end of its header.
const HEADER_PLACE: i64 = 6;

const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;

/// The settings of a parser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Fingerprints are made.
    pub(super) hassh: bool,
    /// Flows that are encrypted are not left aside.
    pub(super) reads_encrypted: bool,
}

/// The parser of one flow.
pub(super) struct SshParser {
    options: Options,
    sides: Both<Side>,
    transactions: Transactions<Transaction, 1>,
    stopped: bool,
}

/// Where a direction stands.
#[derive(Debug, Default)]
struct Side {
    stage: Stage,
    /// What came of the line, or of the key exchange message.
    kept: Vec<u8>,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    /// Bytes of the packet that are still to come.
    missing: usize,
    lines: usize,
    encrypted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// In a line.
    #[default]
    Line,
    /// In the part of a line that is too long.
    LineRest,
    /// In the header of a packet.
    Header,
    /// In a packet that is passed over.
    Packet,
    /// In a key exchange message that is kept.
    KeyExchange,
    /// In what cannot be read.
    Opaque,
}

impl SshParser {
    /// A parser for a new flow.
    pub(super) fn new(options: Options) -> Self {
        let mut transactions = Transactions::default();
        transactions.open(Transaction::new(options.hassh));
        Self { options, sides: Both::default(), transactions, stopped: false }
    }

    fn line(&mut self, direction: Direction, data: &mut &[u8], output: &mut Output<'_>) {
        let side = self.sides.of_mut(direction);
        let room = LINE_LIMIT_BYTES.saturating_sub(side.kept.len());
        let area = data.get(..room).unwrap_or(data);
        let end = memchr::memchr(b'\n', area);
        let (line, rest) = data.split_at_checked(end.map_or(area.len(), |at| at + 1)).unwrap_or_default();
        side.kept.extend_from_slice(line);
        *data = rest;
        if end.is_some() || side.kept.len() >= LINE_LIMIT_BYTES {
            side.lines += 1;
            side.stage = if end.is_some() { Stage::Line } else { Stage::LineRest };
            let line = std::mem::take(&mut side.kept);
            self.identify(direction, &line, end.is_some(), output);
        }
    }

    /// Reads a line that came, whole or as much as is kept of it.
    fn identify(&mut self, direction: Direction, line: &[u8], whole: bool, output: &mut Output<'_>) {
        let Some(transaction) = self.transactions.find_mut(0) else { return };
        if !whole {
            transaction.raise("ssh.long_banner");
        }
        match identity(line) {
            Some(identity) => {
                transaction.identify(direction, identity);
                transaction.reach(direction, if whole { state::BANNER_DONE } else { state::BANNER_WAIT_EOL });
            }
            None => transaction.raise("ssh.invalid_banner"),
        }
        if whole {
            self.end_line(direction, output);
        }
    }

    fn line_rest(&mut self, direction: Direction, data: &mut &[u8], output: &mut Output<'_>) {
        let end = memchr::memchr(b'\n', data);
        *data = end.and_then(|at| data.get(at + 1..)).unwrap_or_default();
        if end.is_some() {
            self.end_line(direction, output);
        }
    }

    fn end_line(&mut self, direction: Direction, output: &mut Output<'_>) {
        let Some(transaction) = self.transactions.find_mut(0) else { return };
        output.flush_raw = true;
        let side = self.sides.of_mut(direction);
        if transaction.side(direction).is_some() {
            transaction.reach(direction, state::BANNER_DONE);
            side.stage = Stage::Header;
        } else if side.lines < LINES_LIMIT {
            side.stage = Stage::Line;
        } else {
            self.stop(output);
        }
    }

    fn header(&mut self, direction: Direction, data: &mut &[u8], total: usize, output: &mut Output<'_>) {
        let Some(transaction) = self.transactions.find_mut(0) else { return };
        let side = self.sides.of_mut(direction);
        if transaction.is_version_1() {
            return self.leave(direction, output);
        }
        while side.header_filled < HEADER_BYTES
            && let Some((&octet, rest)) = data.split_first()
        {
            if let Some(slot) = side.header.get_mut(side.header_filled) {
                *slot = octet;
            }
            side.header_filled += 1;
            *data = rest;
        }
        if side.header_filled < HEADER_BYTES {
            return;
        }
        output.place = total - data.len();
        side.header_filled = 0;
        output.spend(1);
        let [a, b, c, d, padding, number] = side.header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > PACKET_LIMIT_BYTES || length < 2 + usize::from(padding) {
            // To a side that did not identify itself, the other may say in plain text that it will not go on.
            if transaction.side(direction.reverse()).is_some() {
                transaction.raise("ssh.invalid_record");
            }
            return self.stop(output);
        }
        side.missing = length - 2;
        let header = HEADER_BYTES as u64;
        output.frame("record.hdr", -HEADER_PLACE, header, Some(0));
        output.frame("record.data", 0, side.missing as u64, Some(0));
        output.frame("record.pdu", -HEADER_PLACE, header + side.missing as u64, Some(0));
        let wanted = number == KEXINIT && self.options.hassh;
        side.stage = if wanted && side.missing <= KEXINIT_LIMIT_BYTES { Stage::KeyExchange } else { Stage::Packet };
        if wanted && side.stage == Stage::Packet {
            transaction.raise("ssh.long_kex_record");
        }
        if side.missing == 0 {
            self.end_packet(direction, output);
        }
    }

    fn packet(&mut self, direction: Direction, data: &mut &[u8], output: &mut Output<'_>) {
        let side = self.sides.of_mut(direction);
        let (part, rest) = data.split_at_checked(side.missing).unwrap_or((data, &[]));
        *data = rest;
        side.missing -= part.len();
        if side.stage == Stage::KeyExchange {
            side.kept.extend_from_slice(part);
        }
        if side.missing == 0 {
            self.end_packet(direction, output);
        }
    }

    fn end_packet(&mut self, direction: Direction, output: &mut Output<'_>) {
        let Some(transaction) = self.transactions.find_mut(0) else { return };
        let side = self.sides.of_mut(direction);
        output.flush_raw = true;
        let [.., padding, number] = side.header;
        let kept = std::mem::take(&mut side.kept);
        if side.stage == Stage::KeyExchange {
            output.spend(kept.len() as u64);
            let message = kept.get(..kept.len().saturating_sub(padding.into())).unwrap_or_default();
            match Hassh::read(message, direction) {
                Some(hassh) => transaction.fingerprint(direction, hassh),
                None => transaction.raise("ssh.invalid_record"),
            }
        }
        side.stage = Stage::Header;
        match number {
            KEXINIT => transaction.reach(direction, state::KEXINIT_DONE),
            NEWKEYS => {
                side.encrypted = true;
                self.leave(direction, output);
            }
            _ => {}
        }
    }

    /// A direction cannot be read any more.
    fn leave(&mut self, direction: Direction, output: &mut Output<'_>) {
        let side = self.sides.of_mut(direction);
        *side = Side { stage: Stage::Opaque, encrypted: side.encrypted, ..Side::default() };
        self.finish(direction);
        if Direction::BOTH.into_iter().any(|direction| self.sides.of(direction).stage != Stage::Opaque) {
            return;
        }
        // A gap may have hidden that of the other side.
        let encrypted = self.sides.to_server.encrypted || self.sides.to_client.encrypted;
        match (encrypted, self.options.reads_encrypted) {
            (true, false) => output.course = Course::Encrypted,
            (true, true) => {}
            (false, _) => self.stop(output),
        }
    }

    fn stop(&mut self, output: &mut Output<'_>) {
        self.stopped = true;
        output.course = Course::Stop;
        Direction::BOTH.into_iter().for_each(|direction| self.finish(direction));
    }

    fn finish(&mut self, direction: Direction) {
        if let Some(transaction) = self.transactions.find_mut(0) {
            transaction.reach(direction, state::FINISHED);
        }
    }
}

impl Parser for SshParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        output.spend(chunk.len() as u64);
        let mut data = chunk;
        // What comes after the transaction was retired belongs to nothing.
        self.stopped |= self.transactions.find(0).is_none();
        while !data.is_empty() && !self.stopped {
            match self.sides.of(direction).stage {
                Stage::Line => self.line(direction, &mut data, output),
                Stage::LineRest => self.line_rest(direction, &mut data, output),
                Stage::Header => self.header(direction, &mut data, chunk.len(), output),
                Stage::Packet | Stage::KeyExchange => self.packet(direction, &mut data, output),
                Stage::Opaque => break,
            }
        }
        Advance::consumed(chunk.len())
    }

    fn gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) -> bool {
        let side = self.sides.of_mut(direction);
        let within = usize::try_from(missing).ok().and_then(|missing| side.missing.checked_sub(missing));
        match (side.stage, within) {
            (Stage::Opaque, _) => {}
            (Stage::Packet, Some(left)) => {
                side.missing = left;
                if left == 0 {
                    self.end_packet(direction, output);
                }
            }
            _ => self.leave(direction, output),
        }
        !self.stopped
    }

    fn close(&mut self, direction: Direction, _: &mut Output<'_>) {
        self.finish(direction);
    }

    fn held_bytes(&self) -> usize {
        let Both { to_server, to_client } = &self.sides;
        size_of::<Self>() + self.transactions.held_bytes() + held::list(&to_server.kept) + held::list(&to_client.kept)
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

/// Reads an identification string, `SSH-protocol-software comments` (RFC 4253, section 4.2).
fn identity(line: &[u8]) -> Option<Identity> {
    let line = line.strip_prefix(b"SSH-")?;
    let dash = memchr::memchr(b'-', line)?;
    let (protocol, rest) = line.split_at_checked(dash)?;
    let software = rest.get(1..)?.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).next()?;
    let is_version = |byte: &u8| byte.is_ascii_graphic();
    let valid = !protocol.is_empty() && protocol.iter().all(is_version);
    valid.then(|| Identity { protocol: protocol.to_vec(), software: software.to_vec(), hassh: None })
}
