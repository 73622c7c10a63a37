//! Conditions on the header and the chunks of SCTP (RFC 9260). Its sticky buffers stand in `buffers`.

use tapwire_parsers::link::sctp::CHUNK_NAMES;

use super::Keyword;
use super::packet_number::{HINT, push};
use crate::builder::{Argument, Builder};
use crate::rule::condition::{PacketCondition, PacketView};
use crate::rule::fault::Fault;
use crate::rule::numbers::NumbersTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "sctp.vtag",
        aliases: &[],
        doc: "Tests the verification tag of an SCTP packet.",
        examples: &["sctp.vtag:0", "sctp.vtag:!0x1234"],
        parse: |b, a| push(b, a, u32::MAX.into(), |v| v.packet.sctp().map(|sctp| sctp.tag.into())),
    },
    Keyword {
        name: "sctp.chunk_cnt",
        aliases: &[],
        doc: "Tests the number of chunks in an SCTP packet.",
        examples: &["sctp.chunk_cnt:>1"],
        parse: |b, a| push(b, a, u16::MAX.into(), |v| v.packet.sctp().map(|sctp| sctp.chunks().count() as u64)),
    },
    Keyword {
        name: "sctp.chunk_type",
        aliases: &[],
        doc: "Tests the types of the chunks of an SCTP packet: any of them, or after a comma `all`, a position or `nb` with a number.",
        examples: &["sctp.chunk_type:init", "sctp.chunk_type:6,0", "sctp.chunk_type:!data,all"],
        parse: chunk_type,
    },
];

#[derive(Debug)]
struct ChunkType(NumbersTest);

impl PacketCondition for ChunkType {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        view.packet.sctp().is_some_and(|sctp| self.0.holds(sctp.chunks().map(|chunk| chunk.kind.into())))
    }
}

fn chunk_type(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let names: Vec<(&str, u64)> = CHUNK_NAMES.iter().map(|(name, kind)| (*name, u64::from(*kind))).collect();
    let test = NumbersTest::parse(argument.required()?, &names, 255).map_err(|m| argument.fault(m, HINT))?;
    builder.rule.packet.push(Box::new(ChunkType(test)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tapwire_parsers::link::{Packet, Timestamp};

    use crate::builder::Environment;
    use crate::language::load::{Source, load};
    use crate::plan::Plan;
    use crate::rule::condition::PacketView;
    use crate::state::flow::FlowState;
    use crate::verify::Matcher;
    use crate::verify::packet::Occasion;

    /// IPv4 with a cookie echo and data in one packet of SCTP.
    fn packet() -> Vec<u8> {
        let mut data = vec![0x45, 0, 0, 64, 0, 0, 0, 0, 64, 132, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        data.extend([0, 7, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0]);
        data.extend([10, 0, 0, 8, 1, 2, 3, 4]);
        data.extend([0, 3, 0, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        data.extend(b"GET /abc");
        data
    }

    #[test]
    fn rules_look_at_the_header_and_each_chunk() {
        let data = packet();
        let packet = Packet::decode(1, Timestamp(0), 101, &data, 64, false);
        assert_eq!(packet.ip.map(|ip| ip.source), Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))));
        for (options, holds) in [
            ("sctp.vtag:9", true),
            ("sctp.vtag:!9", false),
            ("sctp.chunk_cnt:2", true),
            ("sctp.chunk_type:data", true),
            ("sctp.chunk_type:data,0", false),
            ("sctp.chunk_type:cookie_echo,0", true),
            ("sctp.chunk_type:init", false),
            ("sctp.chunk_type:!init,all", true),
            ("sctp.chunk_type:0,nb 1", true),
            ("sctp.hdr; content:\"|00 07 00 50|\"; startswith; bsize:44", true),
            ("content:\"GET\"; startswith", true),
            ("sctp.chunk_data; content:\"GET\"; startswith", true),
            ("sctp.chunk_data; content:\"|01 02|\"", false),
        ] {
            let text = format!("alert sctp any any -> any 80 ({options}; sid:1;)");
            let loaded = load(&[Source { name: "a".into(), text }], &Environment::default());
            assert!(loaded.faults.is_empty(), "{options}: {:?}", loaded.faults);
            let plan = Plan::new(loaded.set, &Default::default());
            let view = PacketView { packet: &packet, flow: None, stream_anomalies: &[], flow_anomalies: &[] };
            let mut matches = Vec::new();
            let occasion = Occasion { first: true, ..Occasion::default() };
            Matcher::default().packet(&plan, &view, occasion, &mut FlowState::default(), &mut matches);
            assert_eq!(matches.len() == 1, holds, "{options}");
        }
    }
}
