//! Bytes to transactions.
//!
//! The lowest room of the house: it knows headers ([`link`]) and application protocols (one folder each), and no rule, sink,
//! thread, file or clock. What every protocol is written in is in [`protocol`]; the list of them is [`REGISTRY`].
#![forbid(unsafe_code)]

pub mod arp;
pub mod calendar;
pub mod cotp;
pub mod dhcp;
pub mod dnp3;
pub mod dns;
pub mod forwarded;
pub mod ftp;
pub mod ftp_data;
pub mod goose;
pub mod http;
pub mod json;
pub mod link;
pub mod llmnr;
pub mod mdns;
pub mod modbus;
pub mod ntp;
pub mod protocol;
pub mod s7comm;
pub mod sip;
pub mod ssh;
pub mod tftp;
pub mod tls;
pub mod websocket;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use protocol::{Carrier, Protocol, ProtocolId};

/// Every application protocol. Of two that are equally sure that bytes are theirs the first one has them.
pub static REGISTRY: &[&Protocol] = &[
    &http::PROTOCOL,
    &sip::PROTOCOL,
    &tls::PROTOCOL,
    &ssh::PROTOCOL,
    &dns::PROTOCOL,
    &mdns::PROTOCOL,
    &llmnr::PROTOCOL,
    &dhcp::PROTOCOL,
    &ntp::PROTOCOL,
    &tftp::PROTOCOL,
    &ftp::PROTOCOL,
    &ftp_data::PROTOCOL,
    &websocket::PROTOCOL,
    &modbus::PROTOCOL,
    &dnp3::PROTOCOL,
    &cotp::PROTOCOL,
    &s7comm::PROTOCOL,
    &arp::PROTOCOL,
    &goose::PROTOCOL,
];

/// The protocol of an id that [`REGISTRY`] gave out.
pub fn protocol(id: ProtocolId) -> &'static Protocol {
    REGISTRY.get(usize::from(id.0)).copied().unwrap_or(&http::PROTOCOL)
}

/// The protocol that frames of an Ethernet type carry without IP.
pub fn carried_by(ether_type: u16) -> Option<ProtocolId> {
    static CARRIED: LazyLock<BTreeMap<u16, ProtocolId>> = LazyLock::new(|| {
        let carriers =
            (0..).zip(REGISTRY).flat_map(|(id, card)| card.carriers.iter().map(move |carrier| (carrier, id)));
        let of_frames = carriers.filter_map(|(carrier, id)| match carrier {
            Carrier::Link(ether_type) => Some((*ether_type, ProtocolId(id))),
            _ => None,
        });
        of_frames.collect()
    });
    CARRIED.get(&ether_type).copied()
}

/// The id of a protocol by its name in rules and records (`http`, `dns`) or one of its aliases.
pub fn protocol_id(name: &str) -> Option<ProtocolId> {
    let index = REGISTRY.iter().position(|p| p.name == name || p.aliases.contains(&name))?;
    u8::try_from(index).ok().map(ProtocolId)
}
