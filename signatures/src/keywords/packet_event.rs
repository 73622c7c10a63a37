//! Anomalies of packets: `decode-event` for headers, `stream-event` for a packet's place in its stream.

use tapwire_parsers::link::events::EVENTS;

use super::Keyword;
use crate::builder::nearest::nearest;
use crate::builder::{Argument, Builder};
use crate::rule::condition::{PacketCondition, PacketView};
use crate::rule::fault::Fault;

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
    let text = argument.required()?.to_ascii_lowercase();
    let (prefix, name) = ["decoder.", "stream."]
        .into_iter()
        .find_map(|known| Some((known, text.strip_prefix(known)?)))
        .unwrap_or((prefix, &text));
    let events: &[(&str, &str)] = if prefix == "stream." { &STREAM_EVENTS } else { &EVENTS };
    if events.binary_search_by_key(&name, |(name, _)| name).is_err() {
        let message = format!("`{text}` is no event of {}", if prefix == "stream." { "streams" } else { "decoding" });
        return Err(argument.fault(message, nearest(name, events.iter().map(|(name, _)| *name))));
    }
    builder.rule.packet.push(Box::new(PacketEvent(format!("{prefix}{name}").into())));
    Ok(())
}

/// What can be odd about a packet in its stream, in order, each with what it means in a sentence; without one where other sensors tell
/// it, and this one never: rules load all the same.
pub const STREAM_EVENTS: [(&str, &str); 77] = [
    ("3whs_ack_data_inject", ""),
    (
        "3whs_ack_in_wrong_dir",
        "The server sends what the client should to complete the handshake, or sends out of turn.",
    ),
    ("3whs_async_wrong_seq", ""),
    (
        "3whs_right_seq_wrong_ack_evasion",
        "The client's answer to the SYN-ACK has the right sequence number and acknowledges something else.",
    ),
    ("3whs_syn_flood", "A client sends more SYNs that differ than are remembered (10)."),
    (
        "3whs_syn_resend_diff_seq_on_syn_recv",
        "The client repeats its SYN with another sequence number after it was answered.",
    ),
    ("3whs_syn_toclient_on_syn_recv", "The server sends a SYN after it answered."),
    ("3whs_synack_flood", "A server sends more SYN-ACKs that differ than are remembered (5)."),
    ("3whs_synack_in_wrong_direction", "The client sends a SYN-ACK after its SYN."),
    ("3whs_synack_resend_with_diff_seq", "The server repeats its SYN-ACK with another sequence number."),
    ("3whs_synack_resend_with_different_ack", "The server repeats its SYN-ACK and acknowledges something else."),
    ("3whs_synack_tfo_data_ignored", "The server does not acknowledge the bytes that the client sent with its SYN."),
    ("3whs_synack_toserver_on_syn_recv", "The client sends a SYN-ACK after the server did."),
    ("3whs_synack_with_wrong_ack", "A SYN-ACK does not acknowledge the SYN."),
    ("3whs_wrong_seq_wrong_ack", "The client's answer to the SYN-ACK has a wrong sequence number."),
    ("4whs_invalid_ack", ""),
    ("4whs_synack_with_wrong_ack", ""),
    ("4whs_synack_with_wrong_syn", ""),
    ("4whs_wrong_seq", ""),
    ("closewait_ack_out_of_window", "After one side has finished, a segment is beyond the window."),
    ("closewait_fin_out_of_window", "After one side has finished, a FIN is beyond the window."),
    (
        "closewait_invalid_ack",
        "After one side has finished, a segment acknowledges what was not sent, or what was long ago.",
    ),
    ("closewait_pkt_before_last_ack", "After one side has finished, bytes come that were acknowledged before."),
    ("closing_ack_wrong_seq", "While both sides finish, a segment is beyond the window."),
    ("closing_invalid_ack", "While both sides finish, a segment acknowledges what was not sent, or what was long ago."),
    ("est_ack_zwp_data", ""),
    ("est_invalid_ack", "A segment acknowledges what was not sent, or what was long ago."),
    ("est_packet_out_of_window", "A segment is beyond the window."),
    ("est_pkt_before_last_ack", "Bytes come that were acknowledged before."),
    ("est_syn_resend", "The client repeats its SYN within the connection."),
    ("est_syn_resend_diff_seq", "The client sends another SYN within the connection."),
    ("est_syn_toclient", "The server sends a SYN within the connection."),
    ("est_synack_resend", "The server repeats its SYN-ACK within the connection."),
    (
        "est_synack_resend_with_diff_seq",
        "The server repeats its SYN-ACK within the connection, with another sequence number.",
    ),
    (
        "est_synack_resend_with_different_ack",
        "The server repeats its SYN-ACK within the connection and acknowledges something else.",
    ),
    ("est_synack_toserver", "The client sends a SYN-ACK within the connection."),
    ("fin1_ack_wrong_seq", "After the first FIN, a segment is beyond the window."),
    ("fin1_fin_wrong_seq", "After the first FIN, another FIN is beyond the window."),
    ("fin1_invalid_ack", "After the first FIN, a segment acknowledges what was not sent, or what was long ago."),
    ("fin2_ack_wrong_seq", "After the first FIN was acknowledged, a segment is beyond the window."),
    ("fin2_fin_wrong_seq", "After the first FIN was acknowledged, another FIN is beyond the window."),
    (
        "fin2_invalid_ack",
        "After the first FIN was acknowledged, a segment acknowledges what was not sent, or what was long ago.",
    ),
    ("fin_but_no_session", "A FIN belongs to no connection that is known."),
    ("fin_invalid_ack", "A FIN acknowledges what was not sent, or what was long ago."),
    ("fin_out_of_window", "A FIN is beyond the window."),
    ("fin_syn", "A SYN has the flag FIN as well."),
    ("lastack_ack_wrong_seq", "While the last acknowledgement is awaited, a segment is beyond the window."),
    ("lastack_invalid_ack", "The last acknowledgement is of what was not sent, or what was long ago."),
    ("one_side_seen", "Only one direction of a connection is seen."),
    ("pkt_bad_window_update", ""),
    ("pkt_broken_ack", "A segment without the flag ACK has an acknowledgement number."),
    ("pkt_invalid_ack", "A segment acknowledges what was not sent, or what was long ago, in whatever state."),
    ("pkt_invalid_timestamp", "The timestamp of a segment is older than it may be, or does not echo that of the SYN."),
    ("pkt_retransmission", "Bytes come again."),
    ("pkt_spurious_retransmission", "Bytes come again that were acknowledged before."),
    ("reassembly_depth_reached", "A direction has more bytes than are inspected (`stream.reassembly.depth`)."),
    ("reassembly_insert_invalid", ""),
    ("reassembly_insert_limit", ""),
    ("reassembly_insert_memcap", ""),
    ("reassembly_no_segment", ""),
    ("reassembly_overlap_different_data", "Bytes come again and differ from those that came before."),
    ("reassembly_segment_before_base_seq", ""),
    ("reassembly_seq_gap", "The receiver acknowledges bytes that the sensor did not see."),
    ("reassembly_urgent_oob_limit_reached", "A direction has more urgent bytes than are taken out of it (65,535)."),
    ("resumed_after_eviction", "A connection goes on whose flow was given up for its memory."),
    ("resumed_after_idle", "A connection goes on whose flow ended because its time was over."),
    ("rst_but_no_session", "A RST belongs to no connection that is known."),
    ("rst_invalid_ack", "A RST with the right sequence number acknowledges what was not sent."),
    ("rst_with_data", ""),
    ("shutdown_syn_resend", "A SYN comes while the connection is being closed."),
    ("suspected_fin_inject", "The receiver acknowledges what comes behind a FIN, so that it never got that FIN."),
    ("suspected_rst_inject", "A RST is one that its receiver does not take, or the connection goes on after it."),
    ("timewait_ack_wrong_seq", "After both sides have finished, a segment is beyond the window."),
    (
        "timewait_invalid_ack",
        "After both sides have finished, a segment acknowledges what was not sent, or what was long ago.",
    ),
    ("urgent_data", "A direction has urgent bytes, of which hosts make different things."),
    ("vlan_differs_by_direction", "Answers come with another VLAN than what they answer."),
    ("wrong_thread", ""),
];
