//! The control connection: lines to commands and replies, and which connections for data they announce.

use std::net::IpAddr;
use std::sync::Arc;

use super::line::{Line, Lines};
use super::transaction::Exchange;
use crate::ftp_data::Order;
use crate::protocol::{
    Advance, Anomaly, Both, Carrier, Context, Course, Direction, Expected, Input, Output, Parser, Probe, Sides,
    TransactionList, Transactions,
};

/// The parser of a control connection.
#[derive(Default)]
pub(super) struct FtpParser {
    lines: Both<Lines>,
    /// The code of a reply of several lines.
    multi: Option<[u8; 3]>,
    /// The oldest command without its last reply: no older one waits for one.
    waiting: u64,
    /// The connection for data that was announced last.
    order: Option<Order>,
    /// One was announced.
    has_announced: bool,
    transactions: Transactions<Exchange, MAX_OPEN>,
}

/// Whether bytes to the server begin as a command does.
pub(super) fn begins_with_command(data: &[u8]) -> Probe {
    let end = data.iter().position(|octet| !octet.is_ascii_alphabetic());
    let word = data.get(..end.unwrap_or(data.len())).unwrap_or_default();
    let is = |known: &&str| known.as_bytes().eq_ignore_ascii_case(word);
    match end {
        Some(at) if matches!(data.get(at), Some(b' ' | b'\r' | b'\n')) && COMMANDS.iter().any(is) => Probe::Yes,
        None if data.len() <= 4 => Probe::Unsure,
        _ => Probe::No,
    }
}

/// Whether bytes to the client begin as a reply to a new connection does (RFC 959, section 5.4).
pub(super) fn begins_with_reply(data: &[u8]) -> Probe {
    match data {
        [b'1' | b'2' | b'4', b'2', b'0' | b'1', b' ' | b'-', ..] => Probe::Yes,
        [] | [_] | [_, _] | [_, _, _] => Probe::Unsure,
        _ => Probe::No,
    }
}

impl FtpParser {
    fn command(&mut self, line: &Line<'_>, ends: &Sides<(IpAddr, u16)>, output: &mut Output<'_>) {
        if line.text.trim_ascii().is_empty() {
            return;
        }
        let mut exchange = Exchange::of(line);
        match exchange.command() {
            b"PORT" => {
                if let Some((address, port)) = host_port(exchange.argument()) {
                    exchange.set_mode(false, port);
                    self.expect_from_server(address, port, ends, output);
                }
            }
            b"EPRT" => {
                if let Some((address, port)) = extended(exchange.argument()) {
                    exchange.set_mode(false, port);
                    self.expect_from_server(address.unwrap_or(ends.client.0), port, ends, output);
                }
            }
            b"RETR" | b"STOR" | b"STOU" | b"APPE" | b"LIST" | b"NLST" | b"MLSD" => {
                exchange.note_transfer(self.has_announced);
                if let Some(order) = self.order.take() {
                    let _ = order.set((exchange.command().to_vec(), exchange.argument().to_vec()));
                }
            }
            _ => {}
        }
        if self.transactions.open(exchange).is_none() {
            output.anomalies.push(Anomaly("ftp.too_many_transactions"));
        }
    }

    /// Where the server is to connect to a third host, nobody here sees whether it does.
    fn expect_from_server(&mut self, address: IpAddr, port: u16, ends: &Sides<(IpAddr, u16)>, output: &mut Output<'_>) {
        if address == ends.client.0 || !is_reachable(address) {
            self.expect((ends.server.0, None), (ends.client.0, Some(port)), output);
        }
    }

    fn expect(&mut self, from: (IpAddr, Option<u16>), to: (IpAddr, Option<u16>), output: &mut Output<'_>) {
        let order = Order::default();
        self.order = Some(Arc::clone(&order));
        self.has_announced = true;
        let context = Context::new(order);
        output.expect(Expected { from, to, carrier: Carrier::Tcp, protocol: "ftp-data", context, within_s: WITHIN_S });
    }

    fn reply(&mut self, line: &Line<'_>, ends: &Sides<(IpAddr, u16)>, output: &mut Output<'_>) {
        let head = line.text.split_first_chunk::<3>().filter(|(code, _)| code.iter().all(u8::is_ascii_digit));
        let (code, text) = match (head, self.multi) {
            (Some((code, text @ [])), multi) if multi.is_none_or(|begun| begun == *code) => (Some(*code), text),
            (Some((code, [b' ', text @ ..])), multi) if multi.is_none_or(|begun| begun == *code) => (Some(*code), text),
            (Some((code, [b'-', ..])), None) => {
                self.multi = Some(*code);
                (None, line.text)
            }
            _ => (None, line.text),
        };
        if code.is_some() {
            self.multi = None;
        }
        self.waiting = self.waiting.max(self.transactions.range().start);
        while self.transactions.find(self.waiting).is_some_and(Exchange::is_over) {
            self.waiting += 1;
        }
        let waiting = Some(self.waiting).filter(|id| self.transactions.find(*id).is_some());
        let id = waiting.or_else(|| self.transactions.open(Exchange::default()));
        let Some(exchange) = id.and_then(|id| self.transactions.find_mut(id)) else {
            output.anomalies.push(Anomaly("ftp.too_many_transactions"));
            return;
        };
        exchange.reply(line, text, code);
        let port = match code.as_ref() {
            Some(b"227") => host_port(text).map(|(_, port)| port),
            Some(b"229") => text
                .iter()
                .position(|octet| *octet == b'(')
                .and_then(|at| extended(text.get(at + 1..)?))
                .map(|(_, port)| port),
            Some(b"234") if exchange.command() == b"AUTH" => {
                output.turn_into(Some("tls"), None);
                None
            }
            _ => None,
        };
        if let Some(port) = port {
            exchange.set_mode(true, port);
            self.expect((ends.client.0, None), (ends.server.0, Some(port)), output);
        }
    }
}

impl Parser for FtpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data, .. } = *input;
        let Some(ends) = input.ends.ip() else { return Advance::consumed(data.len()) };
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty())
            && output.course == Course::Parse
            && !output.fuel.is_empty()
            && let Some((line, taken)) = self.lines.of_mut(direction).next(rest, &mut output.fuel)
        {
            done += taken;
            match (line, direction) {
                (Some(line), Direction::ToServer) => self.command(&line, &ends, output),
                (Some(line), Direction::ToClient) => self.reply(&line, &ends, output),
                (None, _) => {}
            }
        }
        Advance::consumed(done)
    }

    fn gap(&mut self, direction: Direction, _: u64, _: &mut Output<'_>) -> bool {
        self.lines.of_mut(direction).restart();
        true
    }

    fn close(&mut self, direction: Direction, _: &mut Output<'_>) {
        if direction == Direction::ToClient {
            for id in self.transactions.range() {
                if let Some(exchange) = self.transactions.find_mut(id) {
                    exchange.end();
                }
            }
        }
    }

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.transactions.held_bytes()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

/// An address and a port as six numbers (RFC 959, section 4.1.2), anywhere in a text.
fn host_port(text: &[u8]) -> Option<(IpAddr, u16)> {
    let start = text.iter().position(u8::is_ascii_digit)?;
    let numbers = text.get(start..)?.split(|octet| !octet.is_ascii_digit() && *octet != b',').next()?;
    let mut parts =
        numbers.split(|octet| *octet == b',').map(|part| std::str::from_utf8(part).ok()?.parse::<u8>().ok());
    let mut next = || parts.next().flatten();
    let address = [next()?, next()?, next()?, next()?];
    Some((IpAddr::from(address), u16::from_be_bytes([next()?, next()?])))
}

/// An address, if there is one, and a port between four equal octets (RFC 2428): `|1|192.0.2.1|6275|`, `|||6446|`.
fn extended(text: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let text = text.trim_ascii_start();
    let (mark, rest) = text.split_first()?;
    let mut parts = rest.split(|octet| octet == mark).map(|part| std::str::from_utf8(part).ok());
    let (_, address, port) = (parts.next()?, parts.next()??, parts.next()??);
    Some((address.parse().ok(), port.parse().ok()?))
}

/// Whether a host beyond a network's own could be meant: an address of a private network in a command is translated on the way.
fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_private() || v4.is_unspecified() || v4.is_loopback()),
        IpAddr::V6(v6) => !(v6.is_unique_local() || v6.is_unspecified() || v6.is_loopback()),
    }
}

/// Commands with which a connection may begin (RFC 959, 2228, 2389, 2428, 3659, 4217).
const COMMANDS: &[&str] = &[
    "USER", "PASS", "ACCT", "AUTH", "FEAT", "HELP", "HOST", "LANG", "NOOP", "OPTS", "PBSZ", "PROT", "QUIT", "SITE",
    "STAT", "SYST", "CLNT", "PORT", "PASV", "EPRT", "EPSV", "RETR", "STOR", "LIST", "NLST", "CWD", "PWD", "TYPE",
];
/// Commands that wait for their replies.
const MAX_OPEN: usize = 256;
/// Seconds in which a connection for data comes.
const WITHIN_S: u32 = 300;
