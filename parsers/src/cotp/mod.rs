//! Connection-Oriented Transport Protocol, class 0 (ISO 8073, ITU-T X.224), over TCP (RFC 1006).
//!
//! A connection is a transaction: who asked for whom, and what was agreed. What it carries is handed on, message by message, to the
//! protocol inside: that of controllers, of substations, of remote desktops.

mod message;
mod parser;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

use crate::fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Direction, Field, Opener, Probe, Protocol, Settings, Usual, Value};
use message::{KINDS, TPKT_BYTES, kind};
use transaction::Transaction;

/// The card of COTP.
pub static PROTOCOL: Protocol = Protocol {
    name: "cotp",
    aliases: &[],
    doc: "Connection-Oriented Transport Protocol class 0 (ISO 8073) over TCP (RFC 1006).",
    parsed: Usual::WithoutConfiguration,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: &[],
    stands_alone: true,
    ports: &[102],
    probe,
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("cotp"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: true,
    configure,
    recorder: record::recorder,
};

fn configure(_: &Settings) -> Opener {
    Box::new(|_| Box::<parser::CotpParser>::default())
}

/// A length that both headers agree on, and a kind that is defined.
fn probe(_: Carrier, _: Direction, data: &[u8]) -> Probe {
    let [3, 0, rest @ ..] = data else {
        return if data.len() < 2 && data.first().is_none_or(|first| *first == 3) { Probe::Unsure } else { Probe::No };
    };
    let &[high, low, indicator, code, ..] = rest else { return Probe::Unsure };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let fits = indicator >= 2 && length >= TPKT_BYTES + 1 + usize::from(indicator);
    if fits && kind(code).is_some() { Probe::Either } else { Probe::No }
}

const DONE: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Transaction:
    "cotp.type": Number(Numbers::named(255, || KINDS.iter().map(|(code, name)| (*name, u64::from(*code))).collect())), "What a unit is: a request for a connection, its confirmation, a disconnection.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, Some(tx.tpdu(d)?.code));
    "cotp.source_reference": Number(Numbers::up_to(65_535)), "The number that the sender has for the connection.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.tpdu(d)?.source);
    "cotp.destination_reference": Number(Numbers::up_to(65_535)), "The number that the receiver has for the connection.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.tpdu(d)?.destination);
    "cotp.class": Number(Numbers::up_to(15)), "The class of the connection.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.tpdu(d)?.class);
    "cotp.reason": Number(Numbers::up_to(255)), "Why a connection is refused, or a unit rejected.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.tpdu(d)?.reason);
    "cotp.tpdu_size": Number(Numbers::up_to(65_536)), "The largest unit that is asked for or agreed to, in bytes.", [DONE, DONE], false,
        |tx, d, i| Value::only_number(i, tx.tpdu(d)?.size_bytes);
    "cotp.calling_tsap": Bytes, "Who asks: of controllers it has the kind of connection, the rack and the slot.", [DONE, DONE], false,
        |tx, d, i| Value::only_bytes(i, tx.tpdu(d)?.calling.as_deref());
    "cotp.called_tsap": Bytes, "Who is asked for: of controllers it has the kind of connection, the rack and the slot.", [DONE, DONE], false,
        |tx, d, i| Value::only_bytes(i, tx.tpdu(d)?.called.as_deref());
    frame "frame:cotp.tpkt", "A packet of RFC 1006, with its header.", [true, true];
};

const fn anomaly(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    anomaly("cotp.malformed_packet", "malformed_packet", "The header of RFC 1006 is none; parsing ends."),
    anomaly(
        "cotp.malformed_unit",
        "malformed_unit",
        "A unit does not fit into its packet, or lacks what its kind has.",
    ),
    anomaly("cotp.unknown_unit", "unknown_unit", "A unit of a kind that is not defined."),
    anomaly("cotp.unexpected_unit", "unexpected_unit", "A unit that no connection over TCP has."),
    anomaly(
        "cotp.data_without_connection",
        "data_without_connection",
        "Data came before the connection was confirmed.",
    ),
    anomaly(
        "cotp.message_too_long",
        "message_too_long",
        "A message of several units is longer than what is kept of one; it is not read.",
    ),
    anomaly(
        "cotp.too_many_transactions",
        "too_many_transactions",
        "More connections wait for inspection than are kept; one was passed over.",
    ),
];
