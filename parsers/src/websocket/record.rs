//! What records show: `fin`, `mask`, `opcode`, and the payload where that is asked for (`payload-base64`, `payload-printable`).

use data_encoding::BASE64;

use super::frame::opcode_name;
use super::transaction::Transaction;
use crate::protocol::{Recorder, Settings};

pub(super) fn recorder(settings: &Settings) -> Recorder {
    let (as_base64, as_text) = (settings.switch("payload-base64", false), settings.switch("payload-printable", false));
    Recorder::new(move |transaction, _, record| {
        let Some(transaction) = transaction.as_any().downcast_ref::<Transaction>() else { return false };
        let direction = transaction.direction();
        let Some(header) = transaction.header(direction) else { return false };
        let payload = transaction.payload(direction).unwrap_or_default();
        record.object("websocket", |websocket| {
            websocket.boolean("fin", header.is_final());
            if let Some(mask) = header.mask {
                websocket.number("mask", mask);
            }
            match opcode_name(header.opcode) {
                Some(name) => websocket.text("opcode", name),
                None => websocket.text("opcode", format!("unknown-{}", header.opcode)),
            };
            if as_base64 {
                websocket.text("payload_base64", BASE64.encode(payload));
            }
            if as_text {
                websocket.text("payload_printable", payload);
            }
        });
        true
    })
}
