//! Conditions on the TCP header and on the connection (RFC 9293).

use tapwire_parsers::protocol::Carrier;
use tapwire_parsers::{protocol, protocol_id};

use super::Keyword;
use super::bit_test::BitTest;
use super::packet_number::push;
use crate::builder::{Argument, Builder};
use crate::rule::RuleProtocol;
use crate::rule::condition::{PacketCondition, PacketView, TcpPhase};
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "tcp.flags",
        aliases: &["flags"],
        doc: "Tests the flags F S R P A U E C (or 2 and 1 for the last two): exactly these; `+` these and any others, `*` any of them, `!` not these; after a comma those that do not count.",
        examples: &["tcp.flags:S", "tcp.flags:SA+", "tcp.flags:S,12", "tcp.flags:!R"],
        parse: flags,
    },
    Keyword {
        name: "tcp.seq",
        aliases: &["seq"],
        doc: "Tests the sequence number.",
        examples: &["tcp.seq:0"],
        parse: |b, a| push(b, a, u32::MAX.into(), |v| v.packet.tcp().map(|tcp| tcp.sequence.into())),
    },
    Keyword {
        name: "tcp.ack",
        aliases: &["ack"],
        doc: "Tests the acknowledgement number.",
        examples: &["tcp.ack:1"],
        parse: |b, a| push(b, a, u32::MAX.into(), |v| v.packet.tcp().map(|tcp| tcp.acknowledgement.into())),
    },
    Keyword {
        name: "tcp.window",
        aliases: &["window"],
        doc: "Tests the window as it stands in the header, not scaled.",
        examples: &["tcp.window:2048", "tcp.window:!0"],
        parse: |b, a| push(b, a, 65_535, |v| v.packet.tcp().map(|tcp| tcp.window.into())),
    },
    Keyword {
        name: "tcp.mss",
        aliases: &[],
        doc: "Tests the maximum segment size option; packets without it do not match.",
        examples: &["tcp.mss:<536", "tcp.mss:1460"],
        parse: |b, a| push(b, a, 65_535, |v| v.packet.tcp().and_then(|tcp| tcp.options.mss).map(u64::from)),
    },
    Keyword {
        name: "tcp.wscale",
        aliases: &[],
        doc: "Tests the window scale option; packets without it do not match.",
        examples: &["tcp.wscale:7", "tcp.wscale:>14"],
        parse: |b, a| push(b, a, 255, |v| v.packet.tcp().and_then(|tcp| tcp.options.window_scale).map(u64::from)),
    },
    Keyword {
        name: "tcp.session",
        aliases: &[],
        doc: "Holds for packets of a connection that is, the packet included, in one of the phases: `setup` until the handshake is complete, `established`, `closing` from the first FIN or RST on that counts.",
        examples: &["tcp.session:setup", "tcp.session:established,closing"],
        parse: session,
    },
];

const FLAGS: &[(char, u8)] =
    &[('F', 1), ('S', 2), ('R', 4), ('P', 8), ('A', 16), ('U', 32), ('E', 64), ('2', 64), ('C', 128), ('1', 128)];

#[derive(Debug)]
struct Flags(BitTest);

impl PacketCondition for Flags {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        view.packet.tcp().is_some_and(|tcp| self.0.holds(tcp.flags))
    }
}

fn flags(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let test = BitTest::parse(argument.required()?, FLAGS)
        .map_err(|m| argument.fault(m, "letters of FSRPAUEC, such as `S,12`"))?;
    builder.rule.packet.push(Box::new(Flags(test)));
    Ok(())
}

/// The phases in which it holds.
#[derive(Debug)]
struct Session(Box<[TcpPhase]>);

impl PacketCondition for Session {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        let phase = view.flow.and_then(|flow| flow.tcp_phase).filter(|_| view.packet.tcp().is_some());
        phase.is_some_and(|phase| self.0.contains(&phase))
    }

    fn allows_protocol(&self, number: u8) -> bool {
        number == 6
    }
}

fn session(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "setup, established, closing, or some of them with commas";
    if !may_be_tcp(builder.rule.protocol) {
        let message = format!("packets of {} belong to no TCP connection", builder.rule.protocol.name());
        return Err(argument.fault(message, "change the protocol in the header to tcp"));
    }
    let mut phases = Vec::with_capacity(3);
    for word in argument.required()?.split(',').map(str::trim) {
        let phase = match word.to_ascii_lowercase().as_str() {
            "setup" => TcpPhase::Setup,
            "established" => TcpPhase::Established,
            "closing" => TcpPhase::Closing,
            _ => return Err(argument.fault(format!("`{word}` is no phase of a connection"), hint)),
        };
        if phases.contains(&phase) {
            return Err(argument.fault(format!("`{word}` is there twice"), "leave one of them out"));
        }
        phases.push(phase);
    }
    builder.rule.packet.push(Box::new(Session(phases.into())));
    Ok(())
}

/// Whether a rule's header lets packets of TCP through.
fn may_be_tcp(header: RuleProtocol) -> bool {
    match header {
        RuleProtocol::Ip | RuleProtocol::Ipv4 | RuleProtocol::Ipv6 => true,
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => true,
        RuleProtocol::Application(name) => {
            protocol_id(name).is_none_or(|id| protocol(id).carriers.contains(&Carrier::Tcp))
        }
        _ => false,
    }
}
