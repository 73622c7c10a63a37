//! What records show of a message.

use super::message::Message;
use crate::protocol::{Recorder, Settings};

pub(super) fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, _, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        let texts = message.texts();
        record.object("arp", |arp| {
            arp.text("hw_type", "ethernet").text("proto_type", "ipv4").text("opcode", message.operation_name());
            arp.text("src_mac", &texts.sender.0).text("src_ip", &texts.sender.1);
            arp.text("dest_mac", &texts.target.0).text("dest_ip", &texts.target.1);
        });
        true
    })
}
