//! What records show: for each side its kind, function and error.

use super::message::{FUNCTIONS, GROUPS, ROSCTRS, name};
use super::transaction::Transaction;
use crate::protocol::{Direction, Recorder, Settings};

pub(super) fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, _, record| {
        let Some(transaction) = transaction.as_any().downcast_ref::<Transaction>() else { return false };
        record.object("s7comm", |s7comm| {
            let sides = Direction::BOTH.map(|direction| transaction.message(direction));
            if let Some(message) = sides.into_iter().flatten().next() {
                s7comm.number("pdu_reference", message.reference);
            }
            for (side_name, message) in ["to_server", "to_client"].into_iter().zip(sides) {
                let Some(message) = message else { continue };
                s7comm.object(side_name, |side| {
                    side.text("rosctr", name(ROSCTRS, message.rosctr).unwrap_or("unknown"));
                    if let Some(function) = message.function {
                        match name(FUNCTIONS, function) {
                            Some(name) => side.text("function", name),
                            None => side.text("function", format!("unknown-{function}")),
                        };
                    }
                    if let Some(group) = message.group {
                        match name(GROUPS, group) {
                            Some(name) => side.text("group", name),
                            None => side.text("group", format!("unknown-{group}")),
                        };
                    }
                    if let Some(subfunction) = message.subfunction {
                        side.number("subfunction", subfunction);
                    }
                    if let Some((class, code)) = message.error {
                        side.number("error_class", class).number("error_code", code);
                    }
                });
            }
        });
        true
    })
}
