//! Conditions on a packet as a whole: its payload's size, its VLAN tags, its checksums.

use tapwire_parsers::link::internet_checksum::{holds, holds_over};
use tapwire_parsers::link::{Ip, Layer4, Packet};

use super::Keyword;
use super::packet_number::{HINT, number, push};
use crate::builder::{Argument, Builder};
use crate::rule::condition::{PacketCondition, PacketView};
use crate::rule::fault::Fault;
use crate::rule::number::NumberTest;
use crate::rule::numbers::NumbersTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "dsize",
        aliases: &[],
        doc: "Tests the length of a packet's payload.",
        examples: &["dsize:64", "dsize:>100", "dsize:10<>20"],
        parse: payload_size,
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
        push_checksum(b, a, |p| p.ip.filter(|ip| ip.source.is_ipv4() && p.joined == 0).map(|ip| holds(ip.header)))
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
            Some(holds(ip.payload))
        })
    }),
];

fn payload_size(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    if builder.dsize.is_some() {
        return Err(argument.fault("the rule has a `dsize` already", "one is enough"));
    }
    let test = number(argument, &[], 65_535)?;
    builder.dsize = Some(test);
    builder.rule.packet.push(Box::new(PayloadSize(test)));
    Ok(())
}

#[derive(Debug)]
struct PayloadSize(NumberTest);

impl PacketCondition for PayloadSize {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        let size = view.packet.payload.len() as u64;
        // That a size is not some number is said of payloads, not of their absence.
        self.0.holds(size) && (size > 0 || !matches!(self.0, NumberTest::NotEqual(_)))
    }

    fn longest_payload(&self) -> Option<u64> {
        self.0.most()
    }
}

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

/// Computes a checksum of what IP carries; whether packets with wrong ones are left out of streams does not matter here.
fn layer4(packet: &Packet<'_>, ipv6: bool, read: fn(&Ip<'_>, &Layer4<'_>) -> Option<bool>) -> Option<bool> {
    let ip = packet.ip.filter(|ip| ip.source.is_ipv6() == ipv6)?;
    read(&ip, &packet.layer4)
}

fn tcp(ip: &Ip<'_>, layer4: &Layer4<'_>) -> Option<bool> {
    matches!(layer4, Layer4::Tcp(_)).then(|| holds_over(ip, 6, ip.payload))
}

fn udp(ip: &Ip<'_>, layer4: &Layer4<'_>) -> Option<bool> {
    let Layer4::Udp(udp) = layer4 else { return None };
    let length = udp.header.get(4..6).and_then(|octets| Some(usize::from(u16::from_be_bytes(octets.try_into().ok()?))));
    let datagram = length.and_then(|length| ip.payload.get(..length)).unwrap_or(ip.payload);
    // Over IPv4, 0 says that there is none.
    let unused = ip.source.is_ipv4() && udp.header.get(6..8) == Some(&[0, 0]);
    Some(unused || holds_over(ip, 17, datagram))
}

fn icmp(ip: &Ip<'_>, layer4: &Layer4<'_>) -> Option<bool> {
    let Layer4::Icmp(_) = layer4 else { return None };
    Some(if ip.source.is_ipv6() { holds_over(ip, 58, ip.payload) } else { holds(ip.payload) })
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
