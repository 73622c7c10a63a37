//! S7comm, the protocol of SIMATIC S7-300 and S7-400 controllers and of what speaks with them, inside COTP.
//!
//! Its header, functions and references; what the functions say is not read. A job and its acknowledgement are one transaction.

mod message;
mod parser;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

use crate::fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Field, Opener, Probe, Protocol, Settings, Usual, Value};
use message::{FUNCTIONS, GROUPS, Message, ROSCTRS};
use transaction::Transaction;

/// The card of S7comm.
pub static PROTOCOL: Protocol = Protocol {
    name: "s7comm",
    aliases: &[],
    doc: "S7comm, the protocol of SIMATIC S7 controllers, inside COTP: header, function and PDU reference.",
    parsed: Usual::WithoutConfiguration,
    carriers: &[Carrier::Within("cotp")],
    link: None,
    patterns: &[],
    stands_alone: true,
    ports: &[],
    probe: |_, _, data| if Message::read(data).is_some() { Probe::Yes } else { Probe::No },
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("s7comm"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: true,
    configure,
    recorder: record::recorder,
};

fn configure(_: &Settings) -> Opener {
    Box::new(|_| Box::<parser::S7Parser>::default())
}

const DONE: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Transaction:
    "s7comm.rosctr": Number(Numbers::named(255, || named(ROSCTRS))), "What a message is: job, ack, ack_data, userdata.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, Some(tx.message(d)?.rosctr));
    "s7comm.function": Number(Numbers::named(255, || named(FUNCTIONS))), "What a job asks for and an acknowledgement answers: read_var, write_var, plc_stop and others.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.message(d)?.function);
    "s7comm.pdu_reference": Number(Numbers::up_to(65_535)), "The number that a job and its acknowledgement have in common.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, Some(tx.message(d)?.reference));
    "s7comm.group": Number(Numbers::named(15, || named(GROUPS))), "The group of functions of a userdata message: block, cpu, security, time and others.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.message(d)?.group);
    "s7comm.subfunction": Number(Numbers::up_to(255)), "The function of a userdata message within its group.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.message(d)?.subfunction);
    "s7comm.error_class": Number(Numbers::up_to(255)), "The class of the error that an acknowledgement tells; 0 is none.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.message(d)?.error.map(|(class, _)| class));
    "s7comm.error_code": Number(Numbers::up_to(255)), "The error that an acknowledgement tells, within its class.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.message(d)?.error.map(|(_, code)| code));
};

const fn anomaly(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    anomaly("s7comm.malformed_message", "malformed_message", "A message is none of S7comm, or shorter than it says."),
    anomaly(
        "s7comm.unknown_function",
        "unknown_function",
        "A job or an acknowledgement with a function that is not known.",
    ),
    anomaly(
        "s7comm.unrequested_answer",
        "unrequested_answer",
        "An acknowledgement that no job with its reference waits for.",
    ),
    anomaly(
        "s7comm.reused_reference",
        "reused_reference",
        "A job has the reference of one that waits for its acknowledgement.",
    ),
    anomaly(
        "s7comm.too_many_transactions",
        "too_many_transactions",
        "More jobs wait than are kept; one was passed over.",
    ),
];
