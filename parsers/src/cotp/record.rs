//! What records show: the request and the answer, with addresses in hex.

use data_encoding::HEXLOWER;

use super::message::kind;
use super::transaction::Transaction;
use crate::protocol::{Direction, Recorder, Settings};

pub(super) fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, _, record| {
        let Some(transaction) = transaction.as_any().downcast_ref::<Transaction>() else { return false };
        record.object("cotp", |cotp| {
            for (name, direction) in [("request", Direction::ToServer), ("response", Direction::ToClient)] {
                let Some(unit) = transaction.tpdu(direction) else { continue };
                cotp.object(name, |side| {
                    side.text("type", kind(unit.code).unwrap_or("unknown"));
                    for (name, value) in
                        [("source_reference", unit.source), ("destination_reference", unit.destination)]
                    {
                        if let Some(value) = value {
                            side.number(name, value);
                        }
                    }
                    for (name, value) in [("class", unit.class), ("reason", unit.reason)] {
                        if let Some(value) = value {
                            side.number(name, value);
                        }
                    }
                    if let Some(bytes) = unit.size_bytes {
                        side.number("tpdu_size", bytes);
                    }
                    for (name, tsap) in [("calling_tsap", &unit.calling), ("called_tsap", &unit.called)] {
                        if let Some(tsap) = tsap {
                            side.text(name, HEXLOWER.encode(tsap));
                        }
                    }
                });
            }
        });
        true
    })
}
