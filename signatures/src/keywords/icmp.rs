//! Conditions on the ICMP header (RFC 792, RFC 4443).

use super::Keyword;
use super::packet_number::push;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "itype",
        aliases: &[],
        doc: "Tests the type of an ICMP or ICMPv6 message.",
        examples: &["itype:8", "itype:>10"],
        parse: |b, a| push(b, a, 255, |v| v.packet.icmp().map(|icmp| icmp.kind.into())),
    },
    Keyword {
        name: "icode",
        aliases: &[],
        doc: "Tests the code of an ICMP or ICMPv6 message.",
        examples: &["icode:0", "icode:1-5"],
        parse: |b, a| push(b, a, 255, |v| v.packet.icmp().map(|icmp| icmp.code.into())),
    },
    Keyword {
        name: "icmp_id",
        aliases: &[],
        doc: "Tests the identifier of an ICMP echo or similar message.",
        examples: &["icmp_id:0"],
        parse: |b, a| push(b, a, 65_535, |v| v.packet.icmp().and_then(|icmp| icmp.id).map(u64::from)),
    },
    Keyword {
        name: "icmp_seq",
        aliases: &[],
        doc: "Tests the sequence number of an ICMP echo or similar message.",
        examples: &["icmp_seq:1"],
        parse: |b, a| push(b, a, 65_535, |v| v.packet.icmp().and_then(|icmp| icmp.sequence).map(u64::from)),
    },
    Keyword {
        name: "icmpv6.mtu",
        aliases: &[],
        doc: "Tests the MTU of an ICMPv6 packet too big message.",
        examples: &["icmpv6.mtu:<1280"],
        parse: |b, a| {
            push(b, a, u32::MAX.into(), |v| {
                v.packet.ip.filter(|ip| ip.source.is_ipv6())?;
                let icmp = v.packet.icmp().filter(|icmp| icmp.kind == 2)?;
                let mtu = icmp.header.get(4..8)?;
                Some(u32::from_be_bytes(mtu.try_into().ok()?).into())
            })
        },
    },
    Keyword {
        name: "igmp.type",
        aliases: &[],
        doc: "Tests the type of an IGMP message.",
        examples: &["igmp.type:0x11"],
        parse: |b, a| {
            push(b, a, 255, |v| v.packet.ip.filter(|ip| ip.protocol == 2)?.payload.first().map(|&kind| kind.into()))
        },
    },
];
