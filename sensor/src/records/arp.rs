//! `arp`: a message of address resolution.

use std::net::IpAddr;

use tapwire_parsers::link::arp::Arp;

use super::header::{Clock, Header, mac, record};

/// Writes the record of a message for IPv4 over Ethernet.
pub fn write(out: &mut Vec<u8>, header: &Header<'_>, message: &Arp, clock: &mut Clock) {
    record(out, header, clock, |object| {
        object.object("arp", |arp| {
            arp.text("hw_type", "ethernet").text("proto_type", "ipv4").text("opcode", message.operation_name());
            arp.text("src_mac", mac(message.sender.0)).address("src_ip", IpAddr::V4(message.sender.1));
            arp.text("dest_mac", mac(message.target.0)).address("dest_ip", IpAddr::V4(message.target.1));
        });
    });
}
