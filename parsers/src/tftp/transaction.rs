//! A request, or the transfer that it began.

use std::any::Any;

use super::message::{READ, Request, options};
use crate::protocol::{self, Anomaly, Direction, held};

/// What was asked for; the transfer is told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub operation: u16,
    pub file: Vec<u8>,
    pub mode: Vec<u8>,
    /// `name=value`
    pub options: Vec<Vec<u8>>,
}

impl Asked {
    /// What a request states, as far as it is kept.
    pub(super) fn of(request: &Request<'_>) -> Self {
        let kept = |text: &[u8], limit| text.get(..limit).unwrap_or(text).to_vec();
        let option = |(name, value): (&[u8], &[u8])| kept(&[name, b"=", value].concat(), OPTION_LIMIT);
        Self {
            operation: request.operation,
            file: kept(request.file, TEXT_LIMIT),
            mode: kept(request.mode, TEXT_LIMIT),
            options: options(request.options).take(OPTIONS_LIMIT).map(option).collect(),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let texts = [&self.file, &self.mode].into_iter().chain(&self.options);
        texts.map(held::list).sum::<usize>() + held::list(&self.options)
    }
}

/// A request or a transfer.
#[derive(Debug)]
pub(super) struct Transaction {
    asked: Asked,
    kind: Kind,
    anomalies: Vec<Anomaly>,
}

#[derive(Debug)]
enum Kind {
    /// It is whole at once.
    Request(Direction),
    Transfer {
        is_over: bool,
        error: Option<(Direction, u16, Vec<u8>)>,
    },
}

impl Transaction {
    pub(super) fn request(asked: Asked, direction: Direction, anomalies: Vec<Anomaly>) -> Self {
        Self { asked, kind: Kind::Request(direction), anomalies }
    }

    pub(super) fn transfer(asked: Asked) -> Self {
        Self { asked, kind: Kind::Transfer { is_over: false, error: None }, anomalies: Vec::new() }
    }

    /// The transfer is over, with an error or without one.
    pub(super) fn end(&mut self, with: Option<(Direction, u16, &[u8])>) {
        if let Kind::Transfer { is_over, error } = &mut self.kind {
            *is_over = true;
            *error = with.map(|(way, code, text)| (way, code, text.get(..TEXT_LIMIT).unwrap_or(text).to_vec()));
        }
    }

    /// Whether it is a request: those have records.
    pub(super) fn is_request(&self) -> bool {
        matches!(self.kind, Kind::Request(_))
    }

    pub(super) fn operation(&self) -> u16 {
        self.asked.operation
    }

    pub(super) fn is_read(&self) -> bool {
        self.asked.operation == READ
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.asked.file
    }

    pub(super) fn mode(&self) -> &[u8] {
        &self.asked.mode
    }

    pub(super) fn option(&self, index: usize) -> Option<&[u8]> {
        self.asked.options.get(index).map(Vec::as_slice)
    }

    /// Code and text of an error that went in a direction.
    pub(super) fn error(&self, direction: Direction) -> Option<(u16, &[u8])> {
        match &self.kind {
            Kind::Transfer { error: Some((way, code, text)), .. } if *way == direction => Some((*code, text)),
            _ => None,
        }
    }
}

impl protocol::Transaction for Transaction {
    fn progress(&self, direction: Direction) -> u8 {
        match self.kind {
            Kind::Request(way) => u8::from(way == direction),
            Kind::Transfer { is_over, .. } => u8::from(is_over),
        }
    }

    fn is_complete(&self) -> bool {
        match self.kind {
            Kind::Request(_) => true,
            Kind::Transfer { is_over, .. } => is_over,
        }
    }

    fn only_direction(&self) -> Option<Direction> {
        match self.kind {
            Kind::Request(direction) => Some(direction),
            Kind::Transfer { .. } => None,
        }
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held_bytes(&self) -> usize {
        let error = match &self.kind {
            Kind::Transfer { error: Some((.., text)), .. } => held::list(text),
            _ => 0,
        };
        self.asked.held_bytes() + error + held::list(&self.anomalies)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Bytes of a name, mode or text that are kept.
const TEXT_LIMIT: usize = 512;
/// Bytes of an option that are kept.
const OPTION_LIMIT: usize = 128;
/// Options of a request that are kept.
const OPTIONS_LIMIT: usize = 8;
