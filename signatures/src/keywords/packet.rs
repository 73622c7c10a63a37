//! Conditions on a packet as a whole: its payload's size, its VLAN tags, its checksums.

use tapwire_parsers::link::{self, Layer4, Packet};

use super::Keyword;
use super::packet_number::{HINT, push};
use crate::language::builder::{Argument, Builder};
use crate::language::fault::Fault;
use crate::verify::condition::{PacketCondition, PacketView};
use crate::verify::numbers::NumbersTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "dsize",
        aliases: &[],
        doc: "Tests the length of a packet's payload.",
        examples: &["dsize:64", "dsize:>100", "dsize:10<>20"],
        parse: |b, a| push(b, a, 65_535, |v| Some(v.packet.payload.len() as u64)),
    },
    Keyword {
        name: "vlan.id",
        aliases: &[],
        doc: "Tests the VLAN ids, outermost first: any of them, or after a comma `all` or a position (negative ones from the innermost).",
        examples: &["vlan.id:300", "vlan.id:300,0", "vlan.id:!1,all"],
        parse: vlan_id,
    },
    Keyword {
        name: "vlan.layers",
        aliases: &[],
        doc: "Tests the number of VLAN tags.",
        examples: &["vlan.layers:0", "vlan.layers:>1"],
        parse: |b, a| push(b, a, 3, |v| Some(v.packet.vlans.count.into())),
    },
    checksum("ipv4-csum", "Holds when the IPv4 header checksum is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| p.ip.filter(|ip| ip.source.is_ipv4()).map(|ip| ip.checksum_ok))
    }),
    checksum("tcpv4-csum", "Holds when the checksum of TCP over IPv4 is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| layer4(p, false, tcp))
    }),
    checksum("tcpv6-csum", "Holds when the checksum of TCP over IPv6 is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| layer4(p, true, tcp))
    }),
    checksum("udpv4-csum", "Holds when the checksum of UDP over IPv4 is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| layer4(p, false, udp))
    }),
    checksum("udpv6-csum", "Holds when the checksum of UDP over IPv6 is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| layer4(p, true, udp))
    }),
    checksum("icmpv4-csum", "Holds when the checksum of ICMP is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| layer4(p, false, icmp))
    }),
    checksum("icmpv6-csum", "Holds when the checksum of ICMPv6 is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| layer4(p, true, icmp))
    }),
    checksum("igmp-csum", "Holds when the checksum of IGMP is `valid` or `invalid`.", |b, a| {
        push_checksum(b, a, |p| {
            let ip = p.ip.filter(|_| matches!(p.layer4, Layer4::Igmp(_)))?;
            Some(link::internet_checksum::holds(ip.payload))
        })
    }),
];

const fn checksum(
    name: &'static str,
    doc: &'static str,
    parse: fn(&mut Builder<'_>, &Argument<'_>) -> Result<(), Fault>,
) -> Keyword {
    Keyword { name, aliases: &[], doc, examples: &[], parse }
}

type ReadChecksum = fn(&Packet<'_>) -> Option<bool>;

#[derive(Debug)]
struct Checksum {
    read: ReadChecksum,
    valid: bool,
}

impl PacketCondition for Checksum {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        (self.read)(view.packet) == Some(self.valid)
    }
}

fn push_checksum(builder: &mut Builder<'_>, argument: &Argument<'_>, read: ReadChecksum) -> Result<(), Fault> {
    let valid = match argument.required()?.trim_matches('"').to_ascii_lowercase().as_str() {
        "valid" => true,
        "invalid" => false,
        other => return Err(argument.fault(format!("a checksum is `valid` or `invalid`, not `{other}`"), "")),
    };
    builder.rule.packet.push(Box::new(Checksum { read, valid }));
    Ok(())
}

fn layer4(packet: &Packet<'_>, ipv6: bool, read: fn(&Layer4<'_>) -> Option<bool>) -> Option<bool> {
    packet.ip.filter(|ip| ip.source.is_ipv6() == ipv6)?;
    read(&packet.layer4)
}

fn tcp(layer4: &Layer4<'_>) -> Option<bool> {
    if let Layer4::Tcp(tcp) = layer4 { Some(tcp.checksum_ok) } else { None }
}

fn udp(layer4: &Layer4<'_>) -> Option<bool> {
    if let Layer4::Udp(udp) = layer4 { Some(udp.checksum_ok) } else { None }
}

fn icmp(layer4: &Layer4<'_>) -> Option<bool> {
    if let Layer4::Icmp(icmp) = layer4 { Some(icmp.checksum_ok) } else { None }
}

#[derive(Debug)]
struct VlanId(NumbersTest);

impl PacketCondition for VlanId {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        let ids = view.packet.vlans.as_slice();
        !ids.is_empty() && self.0.holds(ids.iter().map(|&id| id.into()))
    }
}

fn vlan_id(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let test = NumbersTest::parse(argument.required()?, &[], 4095).map_err(|m| argument.fault(m, HINT))?;
    builder.rule.packet.push(Box::new(VlanId(test)));
    Ok(())
}
