//! How the packets of an interface are spread over the rings of several workers (fanout), which the kernel does.
//!
//! By flow, both directions go to one ring whatever the card does: the kernel runs a program of ours, which goes by the two addresses, and by
//! ports where protocols stand alone, as [shards](super::super::shard) do. A card that spreads its queues by a hash of its own does that for
//! one direction only, unless it was told to be symmetric.

use std::io;
use std::os::fd::BorrowedFd;

use super::super::shard::ports_apart;
use super::system::{Program, Statement, attach, get, set};

/// Which ring a packet goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// That of its flow.
    #[default]
    Flow,
    /// That of the processor which took it from the card.
    Cpu,
    /// That of the card's queue.
    Queue,
    /// The first one that has room.
    Rollover,
    /// Each in turn.
    RoundRobin,
    /// Any.
    Random,
}

impl Spread {
    /// What `cluster-type` calls it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "cluster_flow" => Self::Flow,
            "cluster_cpu" => Self::Cpu,
            "cluster_qm" => Self::Queue,
            "cluster_rollover" => Self::Rollover,
            "cluster_round_robin" => Self::RoundRobin,
            "cluster_random" => Self::Random,
            _ => return None,
        })
    }

    /// Whether both directions of a flow go to one ring, whatever the card does.
    pub fn keeps_flows(self) -> bool {
        self == Self::Flow
    }

    fn kind(self) -> u32 {
        match self {
            Self::Flow => libc::PACKET_FANOUT_CBPF,
            Self::Cpu => libc::PACKET_FANOUT_CPU,
            Self::Queue => libc::PACKET_FANOUT_QM,
            Self::Rollover => libc::PACKET_FANOUT_ROLLOVER,
            Self::RoundRobin => libc::PACKET_FANOUT_LB,
            Self::Random => libc::PACKET_FANOUT_RND,
        }
    }
}

/// The rings of one interface, which share its packets: they join in the order of their workers, so that one worker has the same place on each.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The interface that they joined on: its number.
    interface: u32,
    /// The number that the kernel gave the group.
    number: u16,
    /// How many joined.
    joined: u16,
}

impl Group {
    /// Whether it is a worker's turn to join on an interface.
    pub(super) fn is_turn(&mut self, worker: u16, interface: u32) -> bool {
        if self.interface != interface && worker == 0 {
            *self = Self { interface, ..Self::default() };
        }
        self.interface == interface && self.joined == worker
    }

    /// Lets the next one join with its socket. `rollover`: what finds a ring full goes to the next.
    pub(super) fn join(&mut self, socket: BorrowedFd<'_>, spread: Spread, rollover: bool, key: u32) -> io::Result<()> {
        let mut flags = if rollover { libc::PACKET_FANOUT_FLAG_ROLLOVER } else { 0 };
        if self.joined == 0 {
            // No other program takes part by having thought of the same number.
            flags |= libc::PACKET_FANOUT_FLAG_UNIQUEID;
        }
        let argument = u32::from(self.number) | (spread.kind() | flags) << 16;
        set(socket, libc::PACKET_FANOUT, &argument)?;
        if self.joined == 0 {
            let [low, high, ..] = get::<u32>(socket, libc::PACKET_FANOUT)?.to_le_bytes();
            self.number = u16::from_le_bytes([low, high]);
            if spread == Spread::Flow {
                attach(socket, &program(&ports_apart(), key), Program::Spread)?;
            }
        }
        self.joined += 1;
        Ok(())
    }
}

/// A program that turns a packet into a number, the same for both directions of its flow.
fn program(ports: &[u16], key: u32) -> Vec<Statement> {
    let ports = ports.get(..PORTS).unwrap_or(ports);
    let mut out = vec![(LOAD_HALF, 0, 0, AD_PROTOCOL)];
    // What lies between the link's header and that of IP: nothing, a second VLAN tag, PPPoE.
    for (types, base, inner) in [
        (&[IPV4, IPV6][..], 0, None),
        (&[VLAN, QINQ], 4, Some((2, [IPV4, IPV6]))),
        (&[PPPOE], 8, Some((6, [PPP_IPV4, PPP_IPV6]))),
    ] {
        let (mut part, [v4, v6]) = (Vec::new(), inner.map_or([IPV4, IPV6], |(_, types)| types));
        if let Some((at, _)) = inner {
            part.push((LOAD_HALF, 0, 0, NET + at));
        }
        for (kind, code) in [(v4, addresses_v4(base, ports, key)), (v6, addresses_v6(base, ports, key))] {
            // A jump of a condition is short, and the code is long.
            part.extend([(JUMP_EQUAL, 1, 0, kind), (JUMP, 0, 0, number(code.len()))]);
            part.extend(code);
        }
        part.push((RETURN, 0, 0, 0));
        for (left, kind) in types.iter().enumerate().map(|(at, kind)| (types.len() - 1 - at, kind)) {
            out.push((JUMP_EQUAL, u8::try_from(left + 1).unwrap_or(0), 0, *kind));
        }
        out.push((JUMP, 0, 0, number(part.len())));
        out.extend(part);
    }
    out.push((RETURN, 0, 0, 0));
    out
}

fn addresses_v4(base: u32, ports: &[u16], key: u32) -> Vec<Statement> {
    let at = |place: u32| NET + base + place;
    let mut out = vec![(LOAD_WORD, 0, 0, at(12))];
    out.extend(mixed(key));
    out.extend([(STORE, 0, 0, HOSTS), (LOAD_WORD, 0, 0, at(16))]);
    out.extend(mixed(key));
    out.extend([(LOAD_X_KEPT, 0, 0, HOSTS), (ADD_X, 0, 0, 0), (STORE, 0, 0, HOSTS)]);
    let with_ports = with_ports(&[(LOAD_X_HEADER, 0, 0, at(0))], at(0), ports, key);
    let skip = number(with_ports.len());
    // A piece of a datagram goes by its addresses.
    out.extend([(LOAD_HALF, 0, 0, at(6)), (JUMP_BITS, 0, 1, 0x3fff), (JUMP, 0, 0, skip + 5)]);
    out.extend([(LOAD_BYTE, 0, 0, at(9))]);
    out.extend(has_ports(skip));
    out.extend(with_ports);
    out.extend(end(key));
    out
}

fn addresses_v6(base: u32, ports: &[u16], key: u32) -> Vec<Statement> {
    let at = |place: u32| NET + base + place;
    let mut out = Vec::new();
    for (from, keep) in [(8, HOSTS), (24, OTHER)] {
        out.extend([(LOAD_WORD, 0, 0, at(from))]);
        for word in 1..4 {
            out.extend(mixed(key));
            out.extend([(TO_X, 0, 0, 0), (LOAD_WORD, 0, 0, at(from + 4 * word)), (XOR_X, 0, 0, 0)]);
        }
        out.extend(mixed(key));
        out.push((STORE, 0, 0, keep));
    }
    out.extend([(LOAD_X_KEPT, 0, 0, HOSTS), (ADD_X, 0, 0, 0), (STORE, 0, 0, HOSTS)]);
    let with_ports = with_ports(&[(LOAD_X, 0, 0, 40)], at(0), ports, key);
    out.push((LOAD_BYTE, 0, 0, at(6)));
    out.extend(has_ports(number(with_ports.len())));
    out.extend(with_ports);
    out.extend(end(key));
    out
}

/// Whether the protocol that was loaded has ports; if not, so many statements are passed over.
fn has_ports(skip: u32) -> [Statement; 4] {
    [(JUMP_EQUAL, 3, 0, 6), (JUMP_EQUAL, 2, 0, 17), (JUMP_EQUAL, 1, 0, 132), (JUMP, 0, 0, skip)]
}

/// Adds the ports to what is known of the hosts, if one of them is of a protocol that stands alone. `header`: its length goes to X.
fn with_ports(header: &[Statement], at: u32, ports: &[u16], key: u32) -> Vec<Statement> {
    let mut out = header.to_vec();
    out.extend([(LOAD_HALF_X, 0, 0, at + 2), (STORE, 0, 0, OTHER), (LOAD_HALF_X, 0, 0, at), (STORE, 0, 0, PORT)]);
    let mut add = mixed(key.rotate_left(7));
    add.extend([(STORE, 0, 0, PORT), (LOAD_KEPT, 0, 0, OTHER)]);
    add.extend(mixed(key.rotate_left(7)));
    add.extend([
        (LOAD_X_KEPT, 0, 0, PORT),
        (ADD_X, 0, 0, 0),
        (LOAD_X_KEPT, 0, 0, HOSTS),
        (ADD_X, 0, 0, 0),
        (STORE, 0, 0, HOSTS),
    ]);
    // The first port is loaded, then the second.
    let mut tests = Vec::new();
    for (round, next) in [(0, (LOAD_KEPT, 0, 0, OTHER)), (1, (JUMP, 0, 0, number(add.len()) + 1))] {
        for (place, port) in ports.iter().enumerate() {
            let left = ports.len() - 1 - place + (1 - round) * (ports.len() + 1);
            // Behind all tests stands the load of the first port, and what adds them.
            tests.push((JUMP_EQUAL, u8::try_from(left + 1).unwrap_or(0), 0, u32::from(*port)));
        }
        tests.push(next);
    }
    out.extend(tests);
    out.push((LOAD_KEPT, 0, 0, PORT));
    out.extend(add);
    out
}

/// A keyed mix of what is loaded.
fn mixed(key: u32) -> Vec<Statement> {
    vec![(XOR, 0, 0, key), (MULTIPLY, 0, 0, 0x9e37_79b1), (TO_X, 0, 0, 0), (SHIFT, 0, 0, 15), (XOR_X, 0, 0, 0)]
}

fn end(key: u32) -> Vec<Statement> {
    let mut out = vec![(LOAD_KEPT, 0, 0, HOSTS)];
    out.extend(mixed(key.rotate_left(16)));
    out.push((RETURN_LOADED, 0, 0, 0));
    out
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

/// Ports that are told apart at most: a jump reaches over twice as many.
const PORTS: usize = 120;
/// Places of values that are kept.
const HOSTS: u32 = 0;
const OTHER: u32 = 1;
const PORT: u32 = 2;
/// Where the header behind that of the link begins (`SKF_NET_OFF`), and what the kernel says of the protocol of a packet.
const NET: u32 = 0xfff0_0000;
const AD_PROTOCOL: u32 = 0xffff_f000;
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const VLAN: u32 = 0x8100;
const QINQ: u32 = 0x88a8;
const PPPOE: u32 = 0x8864;
const PPP_IPV4: u32 = 0x0021;
const PPP_IPV6: u32 = 0x0057;
/// Codes of `linux/bpf_common.h`.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_X: u16 = 0x48;
const LOAD_KEPT: u16 = 0x60;
const LOAD_X: u16 = 0x01;
const LOAD_X_KEPT: u16 = 0x61;
const LOAD_X_HEADER: u16 = 0xb1;
const STORE: u16 = 0x02;
const ADD_X: u16 = 0x0c;
const MULTIPLY: u16 = 0x24;
const SHIFT: u16 = 0x74;
const XOR: u16 = 0xa4;
const XOR_X: u16 = 0xac;
const TO_X: u16 = 0x07;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;
const RETURN_LOADED: u16 = 0x16;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u32 = 0x1234_5679;

    /// What a program makes of a packet of some protocol, as the kernel runs it.
    fn run(program: &[Statement], protocol: u32, net: &[u8]) -> u32 {
        let (mut a, mut x, mut kept, mut at) = (0_u32, 0_u32, [0_u32; 16], 0);
        let load = |from: u32, len: usize| {
            let from = from.wrapping_sub(NET) as usize;
            net.get(from..from + len).map(|bytes| bytes.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
        };
        loop {
            let (code, jt, jf, k) = program[at];
            at += 1;
            let loaded = match code {
                LOAD_HALF if k == AD_PROTOCOL => Some(protocol),
                LOAD_WORD => load(k, 4),
                LOAD_HALF => load(k, 2),
                LOAD_BYTE => load(k, 1),
                LOAD_HALF_X => load(k.wrapping_add(x), 2),
                LOAD_KEPT => Some(kept[k as usize]),
                ADD_X => Some(a.wrapping_add(x)),
                MULTIPLY => Some(a.wrapping_mul(k)),
                SHIFT => Some(a >> k),
                XOR => Some(a ^ k),
                XOR_X => Some(a ^ x),
                _ => Some(a),
            };
            let Some(loaded) = loaded else { return 0 };
            a = loaded;
            match code {
                LOAD_X => x = k,
                LOAD_X_KEPT => x = kept[k as usize],
                LOAD_X_HEADER => x = load(k, 1).map_or(0, |byte| (byte & 15) * 4),
                TO_X => x = a,
                STORE => kept[k as usize] = a,
                JUMP => at += k as usize,
                JUMP_EQUAL => at += usize::from(if a == k { jt } else { jf }),
                JUMP_BITS => at += usize::from(if a & k != 0 { jt } else { jf }),
                RETURN => return k,
                RETURN_LOADED => return a,
                _ => {}
            }
        }
    }

    fn v4(from: u8, to: u8, protocol: u8, ports: (u16, u16), pieces: u16) -> Vec<u8> {
        let mut ip = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to];
        ip[6..8].copy_from_slice(&pieces.to_be_bytes());
        ip.extend([ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat());
        ip
    }

    fn v6(from: u8, to: u8, ports: (u16, u16)) -> Vec<u8> {
        let mut ip = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
        for end in [from, to] {
            ip.extend([0xfd; 15]);
            ip.push(end);
        }
        ip.extend([ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat());
        ip
    }

    #[test]
    fn both_directions_of_a_flow_have_one_number() {
        let program = program(&ports_apart(), KEY);
        assert!(program.len() < 4_096);
        let of = |kind, net: &[u8]| run(&program, kind, net);
        for (there, back) in [((4_000, 80), (80, 4_000)), ((4_000, 21), (21, 4_000)), ((53, 53), (53, 53))] {
            assert_eq!(of(IPV4, &v4(1, 2, 6, there, 0)), of(IPV4, &v4(2, 1, 6, back, 0)));
            assert_eq!(of(IPV6, &v6(1, 2, there)), of(IPV6, &v6(2, 1, back)));
        }
        // Behind a second tag or PPPoE it is the same flow.
        let plain = v4(1, 2, 6, (4_000, 80), 0);
        assert_eq!(of(QINQ, &[&[0, 5, 8, 0], &plain[..]].concat()), of(IPV4, &plain));
        assert_eq!(of(PPPOE, &[&[0x11, 0, 0, 1, 0, 40, 0, 0x21], &plain[..]].concat()), of(IPV4, &plain));
        assert_eq!(of(0x0806, &plain), 0);
    }

    #[test]
    fn ports_count_where_a_protocol_stands_alone() {
        let program = program(&ports_apart(), KEY);
        let of = |net: &[u8]| run(&program, IPV4, net);
        let alone = of(&v4(1, 2, 17, (0, 0), 0x2000));
        assert_ne!(of(&v4(1, 2, 6, (4_000, 443), 0)), of(&v4(1, 2, 6, (4_001, 443), 0)));
        assert_ne!(of(&v4(1, 2, 6, (443, 4_000), 0)), of(&v4(1, 2, 6, (443, 4_001), 0)));
        // A connection of FTP and one that it announces belong together, and so do pieces of a datagram.
        for packet in [
            v4(1, 2, 6, (4_000, 21), 0),
            v4(1, 2, 6, (33_001, 33_002), 0),
            v4(2, 1, 1, (443, 0), 0),
            v4(1, 2, 17, (53, 53), 0x2000),
        ] {
            assert_eq!(of(&packet), alone);
        }
    }

    #[test]
    fn flows_are_spread_evenly() {
        let program = program(&ports_apart(), KEY);
        let mut counts = [0; 4];
        for port in 10_000..14_000 {
            counts[run(&program, IPV4, &v4(1, 2, 6, (port, 443), 0)) as usize % 4] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn rings_join_in_the_order_of_their_workers() {
        let mut group = Group::default();
        assert!(group.is_turn(0, 7) && !group.is_turn(1, 7));
        group.joined = 1;
        assert!(!group.is_turn(0, 7) && group.is_turn(1, 7));
        assert!(!group.is_turn(1, 8), "the first one begins on another interface");
        assert!(group.is_turn(0, 8) && !group.is_turn(1, 8));
    }
}
