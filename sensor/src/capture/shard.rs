//! Which worker a packet belongs to: a hash that is the same for both directions of a flow.
//!
//! A packet within a packet goes by its own flow: the worker that owns the outer one need not be the one that owns the inner one.
//! Flows between two hosts belong to one worker, for one of them may announce another, or bring parts of the same file. Those of protocols that do neither are
//! spread by their ports, as far as the port of a server tells that. Pieces of datagrams have no ports and go by their
//! addresses; an error of ICMPv4 goes with the packet that it tells of, as it belongs to that one's flow (of ICMPv6 each has its own). Frames without IP go by their
//! stations, and by what tells flows between them apart where their protocol announces none. VLANs do not count, as the configuration may say that they do not separate flows.

use std::net::IpAddr;
use std::sync::LazyLock;

use tapwire_parsers::link::{Layer4, Packet, icmp};
use tapwire_parsers::{REGISTRY, carried_by, protocol};

/// How flows are spread over workers.
#[derive(Clone, Copy, Debug)]
pub struct Shards {
    /// A secret of the run.
    pub key: u64,
    /// How many workers there are.
    pub count: u16,
}

impl Shards {
    /// The worker that a packet belongs to.
    pub fn of(&self, packet: &Packet<'_>) -> u16 {
        if self.count < 2 { 0 } else { of_hash(flow_hash(packet, self.key), self.count) }
    }
}

/// The hash of the flow that a packet belongs to, under a secret key; 0 where it has none.
pub fn flow_hash(packet: &Packet<'_>, key: u64) -> u64 {
    let Some(ip) = &packet.ip else { return link_hash(packet, key) };
    if let Some(cause) = icmp::cause(packet).filter(|cause| cause.source.is_ipv4()) {
        return hash(cause.source, cause.destination, cause.protocol, cause.ports, key);
    }
    let ports = match &packet.layer4 {
        Layer4::Tcp(tcp) => Some((tcp.source_port, tcp.destination_port)),
        Layer4::Udp(udp) => Some((udp.source_port, udp.destination_port)),
        Layer4::Sctp(sctp) => Some((sctp.source_port, sctp.destination_port)),
        Layer4::Icmp(_) | Layer4::Igmp(_) | Layer4::None => None,
    };
    // Broken transport headers and pieces have no ports, and no protocol that could be trusted.
    match ports {
        Some(ports) => hash(ip.source, ip.destination, ip.protocol, ports, key),
        None => hash(ip.source, ip.destination, 0, (0, 0), key),
    }
}

/// The hash of a frame whose Ethernet type a card names, the same for both directions.
#[cold]
fn link_hash(packet: &Packet<'_>, key: u64) -> u64 {
    let Some(card) = carried_by(packet.ether_type).map(protocol) else { return 0 };
    let (source, destination) = packet.ethernet.map(|header| (header.source, header.destination)).unwrap_or_default();
    let [source, destination] =
        [source, destination].map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    let both = fold(source.min(destination) ^ key, source.max(destination) ^ key.rotate_left(32) ^ SALT_1);
    let apart = card.link.filter(|_| card.stands_alone).map_or(0, |link| (link.id)(packet.payload));
    fold(both ^ u64::from(packet.ether_type) << 16 ^ u64::from(apart), key ^ SALT_2)
}

/// Whether the flows of a port announce no others.
fn stands_alone(port: u16) -> bool {
    static ALONE: LazyLock<Box<[u64; 1024]>> = LazyLock::new(|| {
        let mut bits = Box::new([0; 1024]);
        for port in REGISTRY.iter().filter(|card| card.stands_alone).flat_map(|card| card.ports) {
            if let Some(word) = bits.get_mut(usize::from(port >> 6)) {
                *word |= 1 << (port & 63);
            }
        }
        bits
    });
    ALONE.get(usize::from(port >> 6)).is_some_and(|word| word >> (port & 63) & 1 != 0)
}

/// The ports whose flows announce no others, those of much traffic first.
pub(super) fn ports_apart() -> Vec<u16> {
    let mut ports: Vec<u16> =
        REGISTRY.iter().filter(|card| card.stands_alone).flat_map(|card| card.ports).copied().collect();
    ports.sort_unstable_by_key(|port| (MUCH.iter().position(|much| much == port).unwrap_or(MUCH.len()), *port));
    ports.dedup();
    ports
}

/// Whether all flows like one between the same hosts belong to one worker.
pub fn goes_by_hosts(protocol: u8, ports: (u16, u16)) -> bool {
    protocol != SCTP && !stands_alone(ports.0) && !stands_alone(ports.1)
}

fn hash(source: IpAddr, destination: IpAddr, protocol: u8, ports: (u16, u16), key: u64) -> u64 {
    let (protocol, ports) = if goes_by_hosts(protocol, ports) { (0, (0, 0)) } else { (protocol, ports) };
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            hash_v4(source.to_bits(), destination.to_bits(), protocol, ports, key)
        }
        (source, destination) => hash_v6(source, destination, protocol, ports, key),
    }
}

/// One of `count` shards for a hash: each gets an equal part of all hashes.
pub fn of_hash(hash: u64, count: u16) -> u16 {
    let part = (u128::from(hash) * u128::from(count)) >> 64;
    u16::try_from(part).unwrap_or(0)
}

fn hash_v4(source: u32, destination: u32, protocol: u8, ports: (u16, u16), key: u64) -> u64 {
    let a = u64::from(source) << 16 | u64::from(ports.0);
    let b = u64::from(destination) << 16 | u64::from(ports.1);
    let both = fold(a.min(b) ^ key, a.max(b) ^ key.rotate_left(32) ^ SALT_1);
    fold(both ^ u64::from(protocol), key ^ SALT_2)
}

fn hash_v6(source: IpAddr, destination: IpAddr, protocol: u8, ports: (u16, u16), key: u64) -> u64 {
    let (a, b) = (end(source, ports.0, key), end(destination, ports.1, key));
    // The sum is the same in both directions, and ends that are the same do not cancel each other.
    fold(a.wrapping_add(b) ^ u64::from(protocol) ^ key, key.rotate_left(17) ^ SALT_1)
}

fn end(address: IpAddr, port: u16, key: u64) -> u64 {
    let bits = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let (low, high) = halves(bits);
    fold(low ^ key, high ^ u64::from(port) ^ key.rotate_left(32) ^ SALT_2)
}

/// The two halves of a product, folded into one.
fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = halves(u128::from(a) * u128::from(b));
    low ^ high
}

fn halves(number: u128) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, rest @ ..] = number.to_le_bytes();
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest))
}

/// Ports of much traffic.
const MUCH: &[u16] = &[443, 53, 22];
/// Protocol number of SCTP, whose associations announce nothing.
const SCTP: u8 = 132;
/// Digits of pi.
const SALT_1: u64 = 0x243f_6a88_85a3_08d3;
const SALT_2: u64 = 0x1319_8a2e_0370_7344;

#[cfg(test)]
mod tests {
    use tapwire_parsers::link::Timestamp;

    use super::*;

    const KEY: u64 = 0x0123_4567_89ab_cdef;

    fn hash_of(data: &[u8]) -> u64 {
        flow_hash(&Packet::decode(1, Timestamp(0), 101, data, 0, false), KEY)
    }

    fn ipv4(protocol: u8, from: [u8; 4], to: [u8; 4], fragment: u8, payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(20 + payload.len()).unwrap();
        [&[0x45, 0, 0, len, 0, 1, fragment, 0, 64, protocol, 0, 0], &from[..], &to, payload].concat()
    }

    fn ipv6(protocol: u8, from: u8, to: u8, payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(payload.len()).unwrap();
        [&[0x60, 0, 0, 0, 0, len, protocol, 64], &[from; 16][..], &[to; 16], payload].concat()
    }

    fn udp(from: u16, to: u16) -> Vec<u8> {
        [from.to_be_bytes(), to.to_be_bytes(), [0, 8], [0, 0]].concat()
    }

    fn sctp(from: u16, to: u16) -> Vec<u8> {
        [&udp(from, to)[..4], &[0; 8]].concat()
    }

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];

    #[test]
    fn both_directions_have_one_hash() {
        let echo = |kind| [kind, 0, 0, 0, 0, 1, 0, 1];
        for (there, back, other) in [
            (ipv4(17, A, B, 0, &udp(9, 53)), ipv4(17, B, A, 0, &udp(53, 9)), ipv4(17, A, B, 0, &udp(53, 9))),
            (ipv4(17, A, A, 0, &udp(9, 53)), ipv4(17, A, A, 0, &udp(53, 9)), ipv4(17, A, A, 0, &udp(53, 53))),
            (ipv6(17, 1, 2, &udp(9, 53)), ipv6(17, 2, 1, &udp(53, 9)), ipv6(17, 1, 2, &udp(53, 9))),
            (ipv6(17, 1, 1, &udp(9, 53)), ipv6(17, 1, 1, &udp(53, 9)), ipv6(17, 2, 2, &udp(9, 53))),
            (ipv4(1, A, B, 0, &echo(8)), ipv4(1, B, A, 0, &echo(0)), ipv4(1, A, A, 0, &echo(8))),
            (ipv4(132, A, B, 0, &sctp(1, 2)), ipv4(132, B, A, 0, &sctp(2, 1)), ipv4(17, A, B, 0, &udp(9, 53))),
        ] {
            assert_eq!(hash_of(&there), hash_of(&back));
            assert_ne!(hash_of(&there), hash_of(&other));
        }
    }

    #[test]
    fn flows_that_may_announce_others_go_by_their_hosts() {
        let request = hash_of(&ipv4(17, A, B, 0, &udp(4000, 69)));
        assert_eq!(request, hash_of(&ipv4(17, B, A, 0, &udp(5000, 4000))));
        let tcp = |from: u16, to: u16| {
            [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 8], &[0x50, 2, 0, 0, 0, 0, 0, 0]].concat()
        };
        assert_eq!(request, hash_of(&ipv4(6, A, B, 0, &tcp(4000, 21))));
        assert_eq!(request, hash_of(&ipv4(6, A, B, 0, &tcp(4000, 80))));
        assert_ne!(request, hash_of(&ipv4(6, A, B, 0, &tcp(4000, 443))));
        assert_ne!(hash_of(&ipv4(6, A, B, 0, &tcp(4001, 443))), hash_of(&ipv4(6, A, B, 0, &tcp(4000, 443))));
    }

    #[test]
    fn frames_without_ip_go_by_their_stations() {
        let frame = |from: u8, to: u8, kind: [u8; 2], id: u8| {
            let data = [&[2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from][..], &kind, &[0, id, 0, 8, 0, 0, 0, 0]].concat();
            flow_hash(&Packet::decode(1, Timestamp(0), 1, &data, 0, false), KEY)
        };
        let (goose, unknown) = ([0x88, 0xb8], [0x12, 0x34]);
        let one = frame(1, 2, goose, 7);
        assert_eq!(one, frame(2, 1, goose, 7));
        assert!(one != frame(1, 3, goose, 7) && one != frame(1, 2, goose, 8) && one != 0);
        assert_eq!(frame(1, 2, unknown, 7), 0);
    }

    #[test]
    fn all_pieces_of_a_datagram_have_one_hash() {
        let first = ipv4(17, A, B, 0x20, &udp(1, 2));
        let last = ipv4(17, A, B, 0x01, &[9; 8]);
        assert_eq!(hash_of(&first), hash_of(&last));
    }

    #[test]
    fn an_unreachable_destination_goes_with_the_packet_that_it_tells_of() {
        let packet = ipv4(17, A, B, 0, &udp(1, 2));
        let error = ipv4(1, [10, 9, 9, 9], A, 0, &[&[3, 1, 0, 0, 0, 0, 0, 0], &packet[..]].concat());
        assert_eq!(hash_of(&error), hash_of(&packet));
    }

    #[test]
    fn errors_of_icmpv6_go_by_their_own_ends() {
        let error = |port: u16| {
            let packet = ipv6(17, 1, 3, &udp(port, 53));
            hash_of(&ipv6(58, 2, 1, &[&[1, 4, 0, 0, 0, 0, 0, 0], &packet[..]].concat()))
        };
        assert_eq!(error(4000), error(4001));
    }

    #[test]
    fn shards_get_equal_parts() {
        let mut counts = [0u32; 7];
        for port in 0..7000 {
            let shard = of_hash(hash_of(&ipv4(17, A, B, 0, &udp(port, 53))), 7);
            counts[usize::from(shard)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!((of_hash(u64::MAX, 7), of_hash(0, 7), of_hash(5, 1)), (6, 0, 0));
    }
}
