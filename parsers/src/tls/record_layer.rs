//! The record layer (RFC 8446, section 5): bytes of a flow to handshake fragments, alerts and heartbeats.
//!
//! Every byte is taken when it comes: five octets of header are remembered, bodies are handed on as they arrive, so nothing
//! is scanned twice and records of any size cost what they weigh. Once both sides encrypt, the flow is left aside, but for the
//! frames of its records where somebody wants them.

use super::handshake::{Assembler, Message};
use super::sslv2;
use super::tables::{content, message, server};
use super::transaction::{Fingerprints, Transaction};
use crate::protocol::{Advance, Both, Course, Direction, Input, Output, Parser, TransactionList, Transactions, held};

/// Records in one chunk, before encryption, from which on they are too many.
const RECORDS_LIMIT: usize = 255;
/// Longest body of a record, with what encryption may add.
const RECORD_LENGTH_LIMIT: usize = (1 << 14) + 2048;

/// What becomes of flows that are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encrypted {
    /// They are left aside.
    LeaveAside,
    /// Their records are read on.
    ReadOn,
}

/// Most octets of a handshake message that are read, unless the settings say otherwise.
pub(super) const MESSAGE_LIMIT_BYTES: u64 = 128 << 10;

/// The settings of a parser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Most octets of a handshake message that are read.
    pub(super) message_limit: usize,
    pub(super) encrypted: Encrypted,
    pub(super) fingerprints: Fingerprints,
}

/// The parser of a TLS flow.
pub(super) struct TlsParser {
    options: Options,
    transactions: Transactions<Transaction, 1>,
    sides: Both<Side>,
    /// The flow goes on in SSL 2.
    ssl2: bool,
    stopped: bool,
    /// Records are frames and nothing else: the flow is encrypted.
    frames_only: bool,
    /// Length of an encrypted heartbeat that awaits its answer, and who sent it.
    heartbeat: Option<(Direction, usize)>,
}

/// The state of one direction.
#[derive(Debug, Default)]
struct Side {
    header: [u8; 5],
    header_filled: usize,
    /// The record whose body is being taken.
    record: Option<Record>,
    /// First octets of an alert or a heartbeat.
    head: [u8; 3],
    head_filled: usize,
    /// Body of an SSL 2 message.
    ssl2_body: Vec<u8>,
    assembler: Assembler,
    /// A record was taken.
    begun: bool,
    /// Handshake messages are encrypted.
    encrypted: bool,
    application_data: bool,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    kind: Kind,
    length: usize,
    missing: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ssl2,
    Tls(u8),
}

impl TlsParser {
    pub(super) fn new(options: Options, before: Option<&'static str>) -> Self {
        let mut transactions = Transactions::default();
        transactions.open(Transaction::after(before));
        let sides = Both::default_sides();
        Self { options, transactions, sides, ssl2: false, stopped: false, frames_only: false, heartbeat: None }
    }

    /// Takes octets of a header. Returns the record once its header is whole.
    fn take_header(&mut self, direction: Direction, data: &mut &[u8]) -> Result<Option<Record>, &'static str> {
        let ssl2 = self.ssl2;
        let side = self.sides.of_mut(direction);
        while let Some((&octet, rest)) = data.split_first() {
            if let Some(slot) = side.header.get_mut(side.header_filled) {
                *slot = octet;
            }
            side.header_filled += 1;
            *data = rest;
            let [a, b, c, d, e] = side.header;
            if side.header_filled == 3 && (ssl2 || !side.begun && sslv2::begins_hello(direction, [a, b, c])) {
                return ssl2_record(side).map(Some);
            }
            if side.header_filled == 3 {
                check_header(a, [b, c], side.begun)?;
            }
            if side.header_filled == side.header.len() {
                let length = usize::from(u16::from_be_bytes([d, e]));
                return Ok(Some(Record { kind: Kind::Tls(a), length, missing: length }));
            }
        }
        Ok(None)
    }

    fn begin_record(&mut self, direction: Direction, record: Record, output: &mut Output<'_>) {
        if self.frames_only {
            return self.leave_aside(output);
        }
        let Some(transaction) = self.transactions.find_mut(0) else { return };
        let side = self.sides.of_mut(direction);
        side.begun = true;
        side.head_filled = 0;
        if record.length > RECORD_LENGTH_LIMIT {
            transaction.raise("tls.invalid_record_length");
        }
        let [_, major, minor, ..] = side.header;
        // Servers take any minor version in the first record.
        if record.kind != Kind::Ssl2 && major == 3 && minor > 4 {
            transaction.raise("tls.invalid_record_version");
        }
        let is_alert = record.kind == Kind::Tls(content::ALERT);
        let hello = record.kind == Kind::Ssl2 || matches!(record.kind, Kind::Tls(content::HANDSHAKE));
        if direction == Direction::ToServer && !hello && !transaction.seen.client_hello {
            transaction.raise("tls.record_before_hello");
        }
        let outer = transaction.outer_version.of_mut(direction);
        // An alert has the version of whoever refuses, not one that was agreed on.
        if *outer == 0 && record.kind != Kind::Ssl2 && !is_alert {
            *outer = u16::from_be_bytes([major, minor]);
        }
        if record.kind == Kind::Tls(content::APPLICATION_DATA) {
            self.application_data(direction, output);
        }
    }

    /// A direction sends application data: its handshake is over, and that of both if both do.
    fn application_data(&mut self, direction: Direction, output: &mut Output<'_>) {
        let Some(transaction) = self.transactions.find_mut(0) else { return };
        self.sides.of_mut(direction).application_data = true;
        let both = self.sides.to_server.application_data && self.sides.to_client.application_data;
        if direction == Direction::ToClient || transaction.seen.server_hello {
            transaction.reach_handshake_done(direction);
        }
        if both {
            Direction::BOTH.into_iter().for_each(|direction| transaction.reach_handshake_done(direction));
        }
        self.leave_aside(output);
    }

    fn leave_aside(&mut self, output: &mut Output<'_>) {
        let done =
            self.transactions.find(0).is_none_or(|t| Direction::BOTH.into_iter().all(|d| t.is_handshake_done(d)));
        if done && self.options.encrypted == Encrypted::LeaveAside {
            self.frames_only = output.wants_frames;
            output.course = if self.frames_only { Course::FramesOnly } else { Course::Encrypted };
        }
    }

    fn take_body(&mut self, direction: Direction, kind: Kind, part: &[u8]) {
        if self.frames_only {
            return;
        }
        let Options { fingerprints, message_limit, .. } = self.options;
        let side = self.sides.of_mut(direction);
        match kind {
            Kind::Ssl2 => side.ssl2_body.extend_from_slice(part),
            Kind::Tls(content::HANDSHAKE) if !side.encrypted => {
                let Some(transaction) = self.transactions.find_mut(0) else { return };
                let mut part = part;
                while !part.is_empty() {
                    side.assembler.next(&mut part, message_limit, |message| {
                        read_message(transaction, direction, message, fingerprints);
                    });
                }
            }
            _ => {
                for (slot, octet) in side.head.iter_mut().skip(side.head_filled).zip(part) {
                    *slot = *octet;
                    side.head_filled += 1;
                }
            }
        }
    }

    fn end_record(&mut self, direction: Direction, record: Record, output: &mut Output<'_>) {
        let side = self.sides.of_mut(direction);
        side.record = None;
        side.header_filled = 0;
        let Some(transaction) = self.transactions.find_mut(0).filter(|_| !self.frames_only) else { return };
        match record.kind {
            Kind::Ssl2 => {
                let body = std::mem::take(&mut side.ssl2_body);
                let was_done = transaction.is_handshake_done(direction);
                self.ssl2 = sslv2::read(transaction, direction, &body);
                if was_done {
                    self.leave_aside(output);
                }
            }
            Kind::Tls(content::CHANGE_CIPHER_SPEC) => {
                // In TLS 1.3 this record means nothing, and a second hello may follow it.
                side.encrypted |= !transaction.is_tls13();
                transaction.change_cipher_spec(direction);
            }
            Kind::Tls(content::ALERT) if !side.encrypted => {
                let [level, ..] = side.head;
                if record.length < 2 || !matches!(level, 1 | 2) {
                    transaction.raise("tls.invalid_alert_message");
                }
                transaction.refused |= direction == Direction::ToClient && !transaction.seen.server_hello;
            }
            Kind::Tls(content::HANDSHAKE) if !side.encrypted => {
                if record.length == 0 {
                    transaction.raise("tls.empty_handshake_record");
                }
                if side.assembler.is_within_header() {
                    transaction.raise("tls.fragmented_handshake_header");
                }
            }
            Kind::Tls(content::HEARTBEAT) => self.end_heartbeat(direction, record.length),
            Kind::Tls(_) => {}
        }
        output.flush_raw = true;
    }

    fn end_heartbeat(&mut self, direction: Direction, length: usize) {
        let Some(transaction) = self.transactions.find_mut(0) else { return };
        let side = self.sides.of(direction);
        transaction.raise("tls.heartbeat_message");
        if side.encrypted {
            // What is inside cannot be read, but an honest answer is as long as the request.
            match self.heartbeat.take() {
                Some((sender, asked)) if sender != direction => {
                    if length > asked {
                        transaction.raise("tls.dataleak_heartbeat_mismatch");
                    }
                }
                _ => self.heartbeat = Some((direction, length)),
            }
            return;
        }
        let [kind, a, b] = side.head;
        let payload = usize::from(u16::from_be_bytes([a, b]));
        if length < 3 || !matches!(kind, 1 | 2) {
            transaction.raise("tls.invalid_heartbeat_message");
        } else if payload + 3 > length {
            transaction.raise("tls.overflow_heartbeat_message");
        }
    }

    /// The certificates that came whole of a message whose rest will not come.
    fn end_message(&mut self, direction: Direction) {
        let rest = self.sides.of_mut(direction).assembler.rest();
        if let (Some((message::CERTIFICATE, body)), Some(transaction)) = (rest, self.transactions.find_mut(0)) {
            transaction.certificate(direction, &body, true);
        }
    }

    /// The rest of the flow cannot be read.
    fn stop(&mut self, anomaly: &'static str, output: &mut Output<'_>) {
        Direction::BOTH.into_iter().for_each(|direction| self.end_message(direction));
        self.stopped = true;
        output.course = Course::Stop;
        self.sides = Both::default_sides();
        if let Some(transaction) = self.transactions.find_mut(0).filter(|_| !self.frames_only) {
            transaction.raise(anomaly);
            Direction::BOTH.into_iter().for_each(|direction| transaction.finish(direction));
        }
    }
}

/// Names the frames of a record whose header ends where the parser stands.
fn name_frames(record: Record, output: &mut Output<'_>) {
    let length = record.length as u64;
    let ([head, data, whole], taken, header): (_, i64, i64) = match record.kind {
        Kind::Tls(_) => (["hdr", "data", "pdu"], 5, 5),
        // The third octet of a short header is the first of the body.
        Kind::Ssl2 => (["ssl2.hdr", "ssl2.data", "ssl2.pdu"], 3, if record.missing < record.length { 2 } else { 3 }),
    };
    output.frame(head, -taken, header.cast_unsigned(), Some(0));
    output.frame(data, header - taken, length, Some(0));
    output.frame(whole, -taken, header.cast_unsigned() + length, Some(0));
    match record.kind {
        Kind::Tls(content::ALERT) => output.frame("alert", 0, length, Some(0)),
        Kind::Tls(content::HEARTBEAT) => output.frame("heartbeat", 0, length, Some(0)),
        _ => {}
    }
}

impl Parser for TlsParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        output.spend(chunk.len() as u64);
        let (mut data, mut records) = (chunk, 0);
        // What comes after the transaction was retired belongs to nothing.
        self.stopped |= self.transactions.find(0).is_none() && !self.frames_only;
        while !data.is_empty() && !self.stopped {
            let record = match self.sides.of(direction).record {
                Some(record) => record,
                None => match self.take_header(direction, &mut data) {
                    Ok(None) => break,
                    Ok(Some(record)) => {
                        output.spend(5);
                        records += 1;
                        output.place = chunk.len() - data.len();
                        name_frames(record, output);
                        self.begin_record(direction, record, output);
                        record
                    }
                    Err(anomaly) => {
                        self.stop(anomaly, output);
                        break;
                    }
                },
            };
            let (part, rest) = data.split_at_checked(record.missing).unwrap_or((data, &[]));
            data = rest;
            self.take_body(direction, record.kind, part);
            let record = Record { missing: record.missing - part.len(), ..record };
            self.sides.of_mut(direction).record = Some(record);
            if record.missing == 0 {
                self.end_record(direction, record, output);
            }
        }
        if records > RECORDS_LIMIT
            && let Some(transaction) = self.transactions.find_mut(0)
            && !transaction.is_handshake_done(direction)
        {
            transaction.raise("tls.too_many_records_in_packet");
        }
        Advance::consumed(chunk.len())
    }

    fn gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) -> bool {
        let side = self.sides.of_mut(direction);
        let opaque = |record: &Record| match record.kind {
            Kind::Ssl2 => false,
            Kind::Tls(kind) => kind == content::APPLICATION_DATA || side.encrypted,
        };
        if let Some(mut record) = side.record.filter(opaque)
            && let Ok(missing) = usize::try_from(missing)
            && missing <= record.missing
        {
            record.missing -= missing;
            side.record = Some(record);
            if record.missing == 0 {
                self.end_record(direction, record, output);
            }
            return true;
        }
        self.stop("tls.invalid_ssl_record", output);
        false
    }

    fn close(&mut self, direction: Direction, _: &mut Output<'_>) {
        self.end_message(direction);
        if let Some(transaction) = self.transactions.find_mut(0) {
            transaction.finish(direction);
        }
    }

    fn held_bytes(&self) -> usize {
        let Both { to_server, to_client } = &self.sides;
        let sides = [to_server, to_client].map(|side| held::list(&side.ssl2_body) + side.assembler.held_bytes());
        size_of::<Self>() + self.transactions.held_bytes() + sides.iter().sum::<usize>()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

impl Both<Side> {
    fn default_sides() -> Self {
        Both { to_server: Side::default(), to_client: Side::default() }
    }
}

/// Looks at the type and version of a record header.
fn check_header(kind: u8, version: [u8; 2], begun: bool) -> Result<(), &'static str> {
    let known_type = matches!(kind, content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT);
    // Drafts of 1.3 wrote their own number for a while.
    let known_version = matches!(version, [3, 0..=4] | [0x7f | 0xfb, _]) || !begun && matches!(version, [3, _]);
    match (known_type, known_version) {
        (true, true) => Ok(()),
        (true, false) => Err("tls.invalid_record_version"),
        (false, false) if !begun => Err("tls.invalid_tls_header"),
        (false, _) => Err("tls.invalid_record_type"),
    }
}

/// The SSL 2 record whose first three octets came. With a header of two octets, the third is the first of the body.
fn ssl2_record(side: &mut Side) -> Result<Record, &'static str> {
    let [a, b, c, ..] = side.header;
    let short = a & 0x80 != 0;
    let length = usize::from(a & if short { 0x7f } else { 0x3f }) << 8 | usize::from(b);
    if length == 0 {
        return Err("tls.invalid_sslv2_header");
    }
    side.ssl2_body.clear();
    if short {
        side.ssl2_body.push(c);
    }
    Ok(Record { kind: Kind::Ssl2, length, missing: length - usize::from(short) })
}

fn read_message(transaction: &mut Transaction, direction: Direction, message: Message<'_>, fingerprints: Fingerprints) {
    let Message { kind, body, is_cut } = message;
    if is_cut {
        transaction.raise("tls.handshake_cut");
    }
    match (kind, direction) {
        (message::CLIENT_HELLO, Direction::ToServer) => transaction.client_hello(body, fingerprints),
        (message::SERVER_HELLO, Direction::ToClient) => transaction.server_hello(body, fingerprints),
        (message::CERTIFICATE, _) => transaction.certificate(direction, body, is_cut),
        (message::SERVER_KEY_EXCHANGE, Direction::ToClient) => {
            (transaction.seen.server_key_exchange, transaction.is_full) = (true, true);
        }
        (message::CLIENT_KEY_EXCHANGE, Direction::ToServer) => transaction.seen.client_key_exchange = true,
        (message::CERTIFICATE_REQUEST, Direction::ToClient) => transaction.certificate_requested = true,
        (message::SERVER_HELLO_DONE, Direction::ToClient) => {
            transaction.is_full = true;
            transaction.reach(direction, server::HELLO_DONE);
        }
        (
            message::CLIENT_HELLO | message::SERVER_HELLO | message::SERVER_KEY_EXCHANGE | message::CLIENT_KEY_EXCHANGE,
            _,
        ) => {
            transaction.raise("tls.invalid_handshake_message");
        }
        (kind, _) if message::is_known(kind) => {}
        _ => {
            transaction.seen.unknown = true;
            transaction.raise("tls.invalid_handshake_message");
        }
    }
}
