//! What records show of commands.

use super::transaction::Exchange;
use crate::protocol::{Recorder, Settings};

pub(super) fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, _, record| {
        let Some(tx) = transaction.as_any().downcast_ref::<Exchange>() else { return false };
        record.object("ftp", |ftp| {
            if !tx.command().is_empty() {
                ftp.text("command", tx.command());
                if !tx.argument().is_empty() {
                    ftp.text("command_data", tx.argument()).boolean("command_truncated", tx.is_command_cut());
                }
            }
            if !tx.codes().is_empty() {
                ftp.array("completion_code", |codes| {
                    for code in tx.codes() {
                        codes.text(code);
                    }
                });
            }
            if tx.is_answered() {
                ftp.array("reply", |replies| {
                    for line in tx.replies() {
                        replies.text(line);
                    }
                });
            }
            if let Some((is_passive, port)) = tx.mode() {
                ftp.number("dynamic_port", port).text("mode", if is_passive { "passive" } else { "active" });
            }
            ftp.text("reply_received", if tx.is_answered() { "yes" } else { "no" });
            ftp.boolean("reply_truncated", tx.is_reply_cut());
        });
        true
    })
}
