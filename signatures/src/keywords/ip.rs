//! Conditions on the IP header (RFC 791, RFC 8200).

use std::net::IpAddr;

use super::packet_number::{number, push, push_with};
use super::{Keyword, bit_test::BitTest};
use crate::builder::{Argument, Builder};
use crate::rule::condition::{PacketCondition, PacketView};
use crate::rule::fault::Fault;
use crate::rule::number::NumberTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "ttl",
        aliases: &[],
        doc: "Tests the time to live or hop limit.",
        examples: &["ttl:64", "ttl:<5", "ttl:10-20"],
        parse: |b, a| push(b, a, 255, |v| v.packet.ip.map(|ip| ip.ttl.into())),
    },
    Keyword {
        name: "tos",
        aliases: &[],
        doc: "Tests the type of service or traffic class.",
        examples: &["tos:8", "tos:!0x20"],
        parse: |b, a| push(b, a, 255, |v| v.packet.ip.map(|ip| ip.tos.into())),
    },
    Keyword {
        name: "id",
        aliases: &[],
        doc: "Tests the identification of an IPv4 header.",
        examples: &["id:1", "id:!0"],
        parse: |b, a| push(b, a, 65_535, |v| v.packet.ip.filter(|ip| ip.source.is_ipv4()).map(|ip| ip.id.into())),
    },
    Keyword {
        name: "ipopts",
        aliases: &[],
        doc: "Holds when the IPv4 header has an option.",
        examples: &["ipopts:rr", "ipopts:any"],
        parse: options,
    },
    Keyword {
        name: "fragbits",
        aliases: &[],
        doc: "Tests the flags of an IPv4 header: M more fragments, D do not fragment, R reserved; `+` these and any others, `*` any of them, `!` not these.",
        examples: &["fragbits:D", "fragbits:!M", "fragbits:MD+"],
        parse: fragment_bits,
    },
    Keyword {
        name: "fragoffset",
        aliases: &[],
        doc: "Tests the fragment offset, in units of eight octets as the header has it.",
        examples: &["fragoffset:>0", "fragoffset:!0"],
        parse: |b, a| push(b, a, 8191, |v| v.packet.ip.map(|ip| u64::from(ip.fragment.map_or(0, |f| f.offset / 8)))),
    },
    Keyword {
        name: "sameip",
        aliases: &[],
        doc: "Holds when source and destination address are the same.",
        examples: &["sameip"],
        parse: same_address,
    },
    Keyword {
        name: "ip_proto",
        aliases: &[],
        doc: "Tests the protocol above IP, by number or name.",
        examples: &["ip_proto:6", "ip_proto:!udp", "ip_proto:>134"],
        parse: |b, a| {
            let test = number(a, PROTOCOLS, 255)?;
            b.rule.packet.push(Box::new(IpProtocol(test)));
            Ok(())
        },
    },
    Keyword {
        name: "l3_proto",
        aliases: &[],
        doc: "Holds for one version of IP only.",
        examples: &["l3_proto:ipv4", "l3_proto:ipv6"],
        parse: |b, a| {
            let names = [("ipv4", 4), ("ip4", 4), ("ipv6", 6), ("ip6", 6)];
            push_with(b, a, &names, 6, |v| v.packet.ip.map(|ip| if ip.source.is_ipv4() { 4 } else { 6 }))
        },
    },
];

/// Assigned numbers that rules name.
const PROTOCOLS: &[(&str, u64)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("ipv4", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// Option types (RFC 791, 1108, 2113).
const OPTIONS: &[(&str, u8)] = &[
    ("eol", 0),
    ("nop", 1),
    ("rr", 7),
    ("qs", 25),
    ("ts", 68),
    ("sec", 130),
    ("lsrr", 131),
    ("lsrre", 131),
    ("esec", 133),
    ("cipso", 134),
    ("satid", 136),
    ("ssrr", 137),
    ("rtralt", 148),
];

/// `None` is any option at all.
#[derive(Debug)]
struct HasOption(Option<u8>);

impl PacketCondition for HasOption {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        let Some(ip) = view.packet.ip.filter(|ip| ip.source.is_ipv4()) else { return false };
        let mut rest = ip.header.get(20..).unwrap_or(&[]);
        let Some(wanted) = self.0 else { return !rest.is_empty() };
        while let Some(&kind) = rest.first() {
            if kind == wanted {
                return true;
            }
            let len = match kind {
                0 => return false,
                1 => 1,
                // A length that does not cover its own two octets cannot be stepped over.
                _ => match rest.get(1) {
                    Some(&len) if len >= 2 => usize::from(len),
                    _ => return false,
                },
            };
            rest = rest.get(len..).unwrap_or(&[]);
        }
        false
    }
}

fn options(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let name = argument.required()?.to_ascii_lowercase();
    let kind = match OPTIONS.iter().find(|o| o.0 == name) {
        Some(option) => Some(option.1),
        None if name == "any" => None,
        None => {
            return Err(argument.fault(
                format!("`{name}` is no IP option"),
                "one of any, eol, nop, rr, ts, sec, esec, lsrr, ssrr, satid, cipso, rtralt, qs",
            ));
        }
    };
    builder.rule.packet.push(Box::new(HasOption(kind)));
    Ok(())
}

#[derive(Debug)]
struct FragmentBits(BitTest);

impl PacketCondition for FragmentBits {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        view.packet.ip.is_some_and(|ip| ip.source.is_ipv4() && self.0.holds(ip.flags))
    }
}

fn fragment_bits(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let letters = [('M', 1), ('D', 2), ('R', 4)];
    let test = BitTest::parse(argument.required()?, &letters)
        .map_err(|m| argument.fault(m, "letters of M, D and R, such as `!M`"))?;
    builder.rule.packet.push(Box::new(FragmentBits(test)));
    Ok(())
}

#[derive(Debug)]
struct IpProtocol(NumberTest);

impl PacketCondition for IpProtocol {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        view.packet.ip.is_some_and(|ip| self.0.holds(ip.protocol.into()))
    }

    fn allows_protocol(&self, number: u8) -> bool {
        self.0.holds(number.into())
    }
}

#[derive(Debug)]
struct SameAddress;

impl PacketCondition for SameAddress {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        let addresses: Option<(IpAddr, IpAddr)> = view.packet.ip.map(|ip| (ip.source, ip.destination));
        addresses.is_some_and(|(source, destination)| source == destination)
    }
}

fn same_address(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    argument.none()?;
    builder.rule.packet.push(Box::new(SameAddress));
    Ok(())
}
