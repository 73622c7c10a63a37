//! Connections of the File Transfer Protocol that carry what is transferred (RFC 959, section 5.2).
//!
//! One is announced by its control connection ([`crate::ftp`]), and recognised by nothing else. All of it is one transaction, and
//! for most commands a file.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::fields;
use crate::protocol::{
    Advance, Anomaly, Both, Carrier, Context, Direction, Field, Input, Opener, Opening, Output, Parser, Probe,
    Protocol, Recorder, Settings, Transaction, TransactionList, Transactions, Usual, Value, held,
};

/// The card of a connection that carries what a command of another one transfers.
pub static PROTOCOL: Protocol = Protocol {
    name: "ftp-data",
    aliases: &[],
    doc: "A connection of the File Transfer Protocol that carries a file or a list (RFC 959, section 5.2). A control connection announces it.",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: &[],
    stands_alone: false,
    ports: &[],
    probe: |_, _, _| Probe::No,
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: &[],
    features: &[],
    retired_anomalies: &[],
    event_type: Some("ftp_data"),
    shows_transaction_id: false,
    listed_as: Some("ftp"),
    settings: &[],
    is_own: false,
    configure: |_: &Settings| -> Opener { Box::new(|opening| Box::new(DataParser::new(opening))) },
    recorder,
};

static FIELDS: &[Field] = fields! { Transfer:
    "ftpdata_command": Number(Numbers::named(2, || named(COMMANDS))), "The command that the data is sent for.", [Some(0), Some(0)], false,
        |tx, _, i| tx.command_number().filter(|_| i == 0).map(|number| Value::Number(number.into()));
    files "What is transferred.", [Some(0), Some(0)];
};

/// The command that a connection for data serves, told when it is given: the connection may be there before.
pub(crate) type Order = Arc<OnceLock<(Vec<u8>, Vec<u8>)>>;

/// Commands that rules can ask for.
const COMMANDS: &[(u8, &str)] = &[(RETRIEVE, "retr"), (STORE, "stor")];
const RETRIEVE: u8 = 1;
const STORE: u8 = 2;

/// What is transferred.
#[derive(Debug, Default)]
pub(crate) struct Transfer {
    command: Vec<u8>,
    name: Vec<u8>,
    way: Option<Direction>,
    closed: Both<bool>,
}

impl Transfer {
    fn command(&self) -> &[u8] {
        &self.command
    }

    /// The name of the file; a list has none.
    pub(crate) fn name(&self) -> &[u8] {
        if self.is_list() { &[] } else { &self.name }
    }

    fn is_list(&self) -> bool {
        matches!(self.command.as_slice(), b"LIST" | b"NLST" | b"MLSD")
    }

    fn command_number(&self) -> Option<u8> {
        match self.command.as_slice() {
            b"RETR" => Some(RETRIEVE),
            b"STOR" => Some(STORE),
            _ => None,
        }
    }
}

impl Transaction for Transfer {
    fn progress(&self, _: Direction) -> u8 {
        u8::from(self.is_complete())
    }

    fn is_complete(&self) -> bool {
        match self.way {
            Some(way) => *self.closed.of(way),
            None => self.closed.to_server && self.closed.to_client,
        }
    }

    fn anomalies(&self) -> &[Anomaly] {
        &[]
    }

    fn held_bytes(&self) -> usize {
        held::list(&self.command) + held::list(&self.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The parser of a connection for data.
struct DataParser {
    order: Option<Order>,
    id: Option<u64>,
    transactions: Transactions<Transfer, 1>,
}

impl DataParser {
    /// That of a connection that was announced.
    fn new(opening: &Opening) -> Self {
        let order = opening.context.as_ref().and_then(Context::get::<Order>).cloned();
        Self { order, id: None, transactions: Transactions::default() }
    }

    /// The transfer that goes in a direction, which begins with its first byte.
    fn begin(&mut self, direction: Direction, output: &mut Output<'_>) -> Option<u64> {
        if self.id.is_none() {
            let (command, name) = self.order.as_ref().and_then(|order| order.get()).cloned().unwrap_or_default();
            let transfer = Transfer { command, name, way: Some(direction), ..Transfer::default() };
            let opened = (!transfer.is_list()).then(|| transfer.name.clone());
            self.id = self.transactions.open(transfer);
            if let (Some(id), Some(name)) = (self.id, opened) {
                output.files.open(direction.into(), id, &name, None);
            }
        }
        self.id
    }
}

impl Parser for DataParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data, .. } = *input;
        output.spend(data.len() as u64);
        if let Some(id) = self.begin(direction, output)
            && let Some(transfer) = self.transactions.find_mut(id)
            && transfer.way == Some(direction)
            && !transfer.is_list()
        {
            output.files.append(direction.into(), data);
        }
        Advance::consumed(data.len())
    }

    fn gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) -> bool {
        if let Some(id) = self.begin(direction, output)
            && let Some(transfer) = self.transactions.find_mut(id)
            && transfer.way == Some(direction)
            && !transfer.is_list()
        {
            output.files.gap(direction.into(), missing);
        }
        true
    }

    fn close(&mut self, direction: Direction, output: &mut Output<'_>) {
        let Some(transfer) = self.id.and_then(|id| self.transactions.find_mut(id)) else { return };
        *transfer.closed.of_mut(direction) = true;
        if transfer.way == Some(direction) && !transfer.is_list() {
            output.files.close(direction.into(), true);
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

fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, _, record| {
        let Some(tx) = transaction.as_any().downcast_ref::<Transfer>() else { return false };
        record.object("ftp_data", |data| {
            if !tx.name().is_empty() {
                data.text("filename", tx.name());
            }
            if !tx.command().is_empty() {
                data.text("command", tx.command());
            }
        });
        true
    })
}
