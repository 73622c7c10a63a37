//! A command with its replies.

use std::any::Any;

use super::line::Line;
use crate::protocol::{Anomaly, Direction, Transaction, held};

/// A command with its replies, or what the server says unasked.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    command: Vec<u8>,
    argument: Vec<u8>,
    is_command_cut: bool,
    replies: Vec<Vec<u8>>,
    codes: Vec<[u8; 3]>,
    reply_bytes: usize,
    is_reply_cut: bool,
    /// Whether the client begins the connection for data, and its port.
    mode: Option<(bool, u16)>,
    is_over: bool,
    anomalies: Vec<Anomaly>,
}

impl Exchange {
    /// That of a command; without one it is what the server says unasked.
    pub(super) fn of(line: &Line<'_>) -> Self {
        let text = line.text.trim_ascii_start();
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (command, argument) = text.split_at_checked(end).unwrap_or((text, &[]));
        let mut exchange = Self {
            command: command.get(..COMMAND_LIMIT).unwrap_or(command).to_ascii_uppercase(),
            argument: argument.get(1..).unwrap_or_default().to_vec(),
            is_command_cut: line.is_cut,
            ..Self::default()
        };
        if line.is_cut {
            exchange.anomalies.push(Anomaly("ftp.request_command_too_long"));
        }
        exchange
    }

    /// It moves a file or a list: notes what is missing for that.
    pub(super) fn note_transfer(&mut self, has_connection: bool) {
        if matches!(&self.command[..], b"RETR" | b"STOR" | b"APPE") {
            if !has_connection {
                self.anomalies.push(Anomaly("ftp.file_before_port"));
            }
            if self.argument.trim_ascii().is_empty() {
                self.anomalies.push(Anomaly("ftp.file_without_name"));
            }
        }
    }

    /// Adds a line of a reply: its text, and its code if it is the last one of the reply.
    pub(super) fn reply(&mut self, line: &Line<'_>, text: &[u8], code: Option<[u8; 3]>) {
        if line.is_cut && !std::mem::replace(&mut self.is_reply_cut, true) {
            self.anomalies.push(Anomaly("ftp.response_command_too_long"));
        }
        if self.reply_bytes + text.len() <= REPLY_LIMIT && self.replies.len() < REPLIES_LIMIT {
            self.reply_bytes += text.len();
            self.replies.push(text.to_vec());
        } else {
            self.is_reply_cut = true;
        }
        if self.codes.len() < REPLIES_LIMIT {
            self.codes.extend(code);
        }
        // A preliminary reply promises another one.
        self.is_over |= code.is_some_and(|[first, ..]| first != b'1');
    }

    /// Nothing more will come.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Notes the connection for data.
    pub(super) fn set_mode(&mut self, is_passive: bool, port: u16) {
        self.mode = Some((is_passive, port));
    }

    pub(super) fn command(&self) -> &[u8] {
        &self.command
    }

    pub(super) fn argument(&self) -> &[u8] {
        &self.argument
    }

    pub(super) fn is_command_cut(&self) -> bool {
        self.is_command_cut
    }

    pub(super) fn replies(&self) -> &[Vec<u8>] {
        &self.replies
    }

    pub(super) fn codes(&self) -> &[[u8; 3]] {
        &self.codes
    }

    pub(super) fn is_reply_cut(&self) -> bool {
        self.is_reply_cut
    }

    pub(super) fn is_answered(&self) -> bool {
        !self.replies.is_empty()
    }

    pub(super) fn mode(&self) -> Option<(bool, u16)> {
        self.mode
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Transaction for Exchange {
    fn progress(&self, direction: Direction) -> u8 {
        match direction {
            Direction::ToServer => 1,
            Direction::ToClient => u8::from(self.is_over),
        }
    }

    fn is_complete(&self) -> bool {
        self.is_over
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held_bytes(&self) -> usize {
        let texts = held::list(&self.command) + held::list(&self.argument) + held::lists(&self.replies);
        texts + held::list(&self.codes) + held::list(&self.anomalies)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Bytes of a command's name that are kept.
const COMMAND_LIMIT: usize = 64;
/// Bytes of the replies to a command that are kept.
const REPLY_LIMIT: usize = 16 << 10;
/// Lines of them.
const REPLIES_LIMIT: usize = 256;
