//! Packets without bytes, which stand for what is no packet any more.

use tapwire_parsers::link::sctp::Sctp;
use tapwire_parsers::link::{Ip, Layer4, Packet, Tcp, TcpOptions, Timestamp, Udp};

use super::key::{self, Key};

/// A packet that has nothing but addresses, ports and a time.
pub fn packet(key: &Key, time: Timestamp) -> Packet<'static> {
    let mut packet = Packet::new(0, time, 0, &[], 0);
    (packet.vlans, packet.tenant) = (key.vlans, key.tenant.into());
    packet.ip = Some(Ip {
        source: key.source,
        destination: key.destination,
        protocol: key.protocol,
        ttl: 0,
        tos: 0,
        id: 0,
        fragment: None,
        flags: 0,
        header: &[],
        payload: &[],
        detour: false,
        checksum_ok: true,
    });
    packet.layer4 = match key.protocol {
        key::TCP => Layer4::Tcp(Tcp {
            source_port: key.source_port,
            destination_port: key.destination_port,
            sequence: 0,
            acknowledgement: 0,
            flags: 0,
            window: 0,
            urgent: 0,
            header: &[],
            options: TcpOptions::default(),
            checksum_ok: true,
        }),
        key::UDP => Layer4::Udp(Udp {
            source_port: key.source_port,
            destination_port: key.destination_port,
            header: &[],
            checksum_ok: true,
        }),
        key::SCTP => Layer4::Sctp(Sctp::without_chunks(key.source_port, key.destination_port)),
        _ => Layer4::None,
    };
    packet
}
