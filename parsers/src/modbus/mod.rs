//! Modbus/TCP (Modbus application protocol 1.1b3, Modbus messaging on TCP/IP 1.0b).
//!
//! A request and its response are one transaction. It tells what is read or written, in which unit and at which addresses, and
//! the `modbus` rule keyword asks [`ModbusTransaction`] for it.

mod message;
mod parser;
mod record;
mod tables;
#[cfg(test)]
mod tests;
mod transaction;

pub use message::{Data, Message};
pub use tables::{Access, Category, Errors};
pub use transaction::ModbusTransaction;

use crate::fields;
use crate::modbus::parser::ModbusParser;
use crate::protocol::{AnomalyKind, Both, Carrier, Field, Opener, Protocol, Setting, Settings, Usual};

/// The card of Modbus.
pub static PROTOCOL: Protocol = Protocol {
    name: "modbus",
    aliases: &[],
    doc: "Modbus/TCP (Modbus application protocol 1.1b3).",
    parsed: Usual::WithoutConfiguration,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: &[],
    stands_alone: true,
    ports: &[502],
    probe: parser::probe,
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &["modbus.invalid_unit_identifier"],
    event_type: Some("modbus"),
    shows_transaction_id: false,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[Setting::of_parser(
    "request-flood",
    "500",
    "Requests of a flow that wait for their answers; for one more the oldest is given up, with an anomaly (`modbus.flooded`).",
)];

fn configure(settings: &Settings) -> Opener {
    let waiting = usize::try_from(settings.number("request-flood", parser::DEFAULT_WAITING)).unwrap_or(usize::MAX);
    Box::new(move |_| Box::new(ModbusParser::new(waiting)))
}

const READ: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { ModbusTransaction:
    "modbus.unit": Number(Numbers::up_to(255)), "Unit identifier.", [READ, READ], false, |tx, d, _| tx.number_of(d, |m| Some(m.unit.into()));
    "modbus.function": Number(Numbers::up_to(255)), "Function code as sent, with the highest bit set in an exception.", [READ, READ], false,
        |tx, d, _| tx.number_of(d, |m| Some(m.function.into()));
    "modbus.subfunction": Number(Numbers::up_to(65_535)), "Diagnostic subfunction or kind of encapsulated interface.", [READ, READ], false,
        |tx, d, _| tx.number_of(d, |m| m.subfunction().map(u64::from));
    "modbus.category": Number(Numbers::up_to(255)), "Category of the function: 1 assigned, 2 unassigned, 4 user defined, 8 reserved.", [READ, READ], false,
        |tx, d, _| tx.number_of(d, |m| Some(m.category().0.into()));
    "modbus.access": Number(Numbers::up_to(255)), "Sum of 1 read, 2 write, 4 discretes, 8 coils, 16 input registers, 32 holding registers, 64 single, 128 multiple.",
        [READ, READ], false, |tx, d, _| tx.number_of(d, |m| Some(m.access().0.into()));
    "modbus.exception": Number(Numbers::up_to(255)), "Exception code of a response.", [None, READ], false, |tx, d, _| tx.number_of(d, |m| m.exception().map(u64::from));
};

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind("modbus.invalid_protocol_id", "invalid_protocol_id", "The protocol identifier is not 0."),
    kind("modbus.unsolicited_response", "unsolicited_response", "A response to no request that was seen."),
    kind("modbus.invalid_length", "invalid_length", "The length is not that of such a message."),
    kind("modbus.invalid_function_code", "invalid_function_code", "The function code cannot be."),
    kind("modbus.invalid_value", "invalid_value", "A value is not allowed, or does not fit the others."),
    kind("modbus.invalid_exception_code", "invalid_exception_code", "The exception code is not known."),
    kind("modbus.value_mismatch", "value_mismatch", "A response does not fit its request."),
    kind("modbus.flooded", "flooded", "More requests wait for a response than are kept; the oldest was given up."),
];
