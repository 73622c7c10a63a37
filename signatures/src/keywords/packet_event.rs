//! Anomalies of packets: `decode-event` for headers, `stream-event` for a packet's place in its stream.

use super::Keyword;
use crate::language::builder::{Argument, Builder};
use crate::language::fault::Fault;
use crate::verify::condition::{PacketCondition, PacketView};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "decode-event",
        aliases: &["engine-event"],
        doc: "Holds when decoding a packet raised an anomaly.",
        examples: &["decode-event:ipv4.trunc_pkt"],
        parse: |b, a| push(b, a, "decoder."),
    },
    Keyword {
        name: "stream-event",
        aliases: &[],
        doc: "Holds when a packet raised an anomaly in its TCP stream.",
        examples: &["stream-event:est_packet_out_of_window"],
        parse: |b, a| push(b, a, "stream."),
    },
];

/// The anomaly's whole name.
#[derive(Debug)]
struct PacketEvent(Box<str>);

impl PacketCondition for PacketEvent {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        view.packet.anomalies.iter().chain(view.stream_anomalies).any(|anomaly| anomaly.0 == &*self.0)
    }

    fn is_anomaly(&self) -> bool {
        true
    }
}

fn push(builder: &mut Builder<'_>, argument: &Argument<'_>, prefix: &str) -> Result<(), Fault> {
    let name = argument.required()?.to_ascii_lowercase();
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_')) {
        return Err(argument.fault(format!("`{name}` is no name of an event"), "letters, digits, dots and underscores"));
    }
    let known = ["decoder.", "stream."].iter().any(|p| name.starts_with(p));
    let name = if known { name } else { format!("{prefix}{name}") };
    builder.rule.packet.push(Box::new(PacketEvent(name.into())));
    Ok(())
}
