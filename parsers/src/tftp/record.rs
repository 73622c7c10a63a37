//! What records show: `packet` (read or write), `file`, `mode`.

use super::transaction::Transaction;
use crate::protocol::{Purpose, Recorder, Settings};

pub(super) fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, purpose, record| {
        let Some(transaction) = transaction.as_any().downcast_ref::<Transaction>() else { return false };
        // A transfer shows in the record of its file.
        if purpose == Purpose::Record && !transaction.is_request() {
            return false;
        }
        record.object("tftp", |tftp| {
            tftp.text("packet", if transaction.is_read() { "read" } else { "write" });
            tftp.text("file", transaction.name()).text("mode", transaction.mode());
        });
        true
    })
}
