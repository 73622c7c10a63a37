//! What records show of a message.

use super::message::Message;
use crate::protocol::{Recorder, Settings};

pub(super) fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, _, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        record.object("arp", |arp| {
            arp.text("hw_type", "ethernet").text("proto_type", "ipv4").text("opcode", message.operation_name());
            arp.text("src_mac", &message.sender.0).text("src_ip", &message.sender.1);
            arp.text("dest_mac", &message.target.0).text("dest_ip", &message.target.1);
        });
        true
    })
}
