//! The `ssh` object of records.

use super::transaction::{Identity, Transaction};
use crate::json::Object;
use crate::protocol::{self, Direction, Purpose, Recorder, Settings};

/// Reads the settings of records.
pub(super) fn recorder(settings: &Settings) -> Recorder {
    let enabled = settings.switch("enabled", true);
    Recorder::new(move |transaction, purpose, record| {
        let transaction: &dyn protocol::Transaction = transaction;
        let Some(transaction) = transaction.as_any().downcast_ref::<Transaction>() else { return false };
        let sides = [("client", Direction::ToServer), ("server", Direction::ToClient)]
            .map(|(key, direction)| (key, transaction.side(direction)));
        if purpose == Purpose::Record && !enabled || sides.iter().all(|(_, side)| side.is_none()) {
            return false;
        }
        record.object("ssh", |ssh| {
            for (key, side) in sides {
                if let Some(side) = side {
                    ssh.object(key, |out| write_side(side, out));
                }
            }
        });
        true
    })
}

fn write_side(side: &Identity, out: &mut Object<'_>) {
    out.text("proto_version", &side.protocol);
    if !side.software.is_empty() {
        out.text("software_version", &side.software);
    }
    if let Some(hassh) = &side.hassh {
        out.object("hassh", |out| {
            out.text("hash", &hassh.hash).text("string", &hassh.string);
        });
    }
}
