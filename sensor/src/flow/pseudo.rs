//! Packets without bytes, which stand for what is no packet any more.

use tapwire_parsers::link::sctp::Sctp;
use tapwire_parsers::link::{Ethernet, Ip, Layer4, Packet, Tcp, TcpOptions, Timestamp, Udp};

use super::key::{self, Key, LinkEnds};

/// A packet that has nothing but addresses, ports and a time.
pub fn packet(key: &Key, time: Timestamp) -> Packet<'static> {
    let mut packet = Packet::new(0, time, 0, &[], 0);
    (packet.vlans, packet.tenant) = (key.vlans, key.tenant.into());
    if let Some(LinkEnds { source, destination, ether_type, .. }) = key.link() {
        packet.ethernet = Some(Ethernet { source, destination, kind: ether_type });
        packet.ether_type = ether_type;
    }
    let Some(ends) = key.ip() else { return packet };
    packet.ip = Some(Ip {
        source: ends.source,
        destination: ends.destination,
        protocol: ends.protocol,
        ttl: 0,
        tos: 0,
        id: 0,
        fragment: None,
        flags: 0,
        header: &[],
        payload: &[],
        missing: 0,
        detour: false,
        checksum_ok: true,
    });
    packet.layer4 = match ends.protocol {
        key::TCP => Layer4::Tcp(Tcp {
            source_port: ends.source_port,
            destination_port: ends.destination_port,
            sequence: 0,
            acknowledgement: 0,
            flags: 0,
            window: 0,
            urgent: 0,
            header: &[],
            missing: 0,
            options: TcpOptions::default(),
            checksum_ok: true,
        }),
        key::UDP => Layer4::Udp(Udp {
            source_port: ends.source_port,
            destination_port: ends.destination_port,
            header: &[],
            checksum_ok: true,
        }),
        key::SCTP => Layer4::Sctp(Sctp::without_chunks(ends.source_port, ends.destination_port)),
        _ => Layer4::None,
    };
    packet
}
