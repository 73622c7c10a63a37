//! Anomalies of packets: `decode-event` for headers, `stream-event` for a packet's place in its stream.

use tapwire_parsers::link::events::EVENTS;

use super::Keyword;
use crate::language::builder::{Argument, Builder};
use crate::language::fault::Fault;
use crate::language::nearest::nearest;
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
    let text = argument.required()?.to_ascii_lowercase();
    let (prefix, name) = ["decoder.", "stream."]
        .into_iter()
        .find_map(|known| Some((known, text.strip_prefix(known)?)))
        .unwrap_or((prefix, &text));
    let names: &[&str] = if prefix == "stream." { &STREAM_EVENTS } else { &EVENTS };
    if names.binary_search(&name).is_err() {
        let message = format!("`{text}` is no event of {}", if prefix == "stream." { "streams" } else { "decoding" });
        return Err(argument.fault(message, nearest(name, names.iter().copied())));
    }
    builder.rule.packet.push(Box::new(PacketEvent(format!("{prefix}{name}").into())));
    Ok(())
}

/// What can be odd about a packet in its stream, in order. Some of it other sensors tell, and this one never: rules load all the same.
pub const STREAM_EVENTS: [&str; 75] = [
    "3whs_ack_data_inject",
    "3whs_ack_in_wrong_dir",
    "3whs_async_wrong_seq",
    "3whs_right_seq_wrong_ack_evasion",
    "3whs_syn_flood",
    "3whs_syn_resend_diff_seq_on_syn_recv",
    "3whs_syn_toclient_on_syn_recv",
    "3whs_synack_flood",
    "3whs_synack_in_wrong_direction",
    "3whs_synack_resend_with_diff_seq",
    "3whs_synack_resend_with_different_ack",
    "3whs_synack_tfo_data_ignored",
    "3whs_synack_toserver_on_syn_recv",
    "3whs_synack_with_wrong_ack",
    "3whs_wrong_seq_wrong_ack",
    "4whs_invalid_ack",
    "4whs_synack_with_wrong_ack",
    "4whs_synack_with_wrong_syn",
    "4whs_wrong_seq",
    "closewait_ack_out_of_window",
    "closewait_fin_out_of_window",
    "closewait_invalid_ack",
    "closewait_pkt_before_last_ack",
    "closing_ack_wrong_seq",
    "closing_invalid_ack",
    "est_invalid_ack",
    "est_packet_out_of_window",
    "est_pkt_before_last_ack",
    "est_syn_resend",
    "est_syn_resend_diff_seq",
    "est_syn_toclient",
    "est_synack_resend",
    "est_synack_resend_with_diff_seq",
    "est_synack_resend_with_different_ack",
    "est_synack_toserver",
    "fin1_ack_wrong_seq",
    "fin1_fin_wrong_seq",
    "fin1_invalid_ack",
    "fin2_ack_wrong_seq",
    "fin2_fin_wrong_seq",
    "fin2_invalid_ack",
    "fin_but_no_session",
    "fin_invalid_ack",
    "fin_out_of_window",
    "fin_syn",
    "lastack_ack_wrong_seq",
    "lastack_invalid_ack",
    "one_side_seen",
    "pkt_bad_window_update",
    "pkt_broken_ack",
    "pkt_invalid_ack",
    "pkt_invalid_timestamp",
    "pkt_retransmission",
    "pkt_spurious_retransmission",
    "reassembly_depth_reached",
    "reassembly_insert_invalid",
    "reassembly_insert_limit",
    "reassembly_insert_memcap",
    "reassembly_no_segment",
    "reassembly_overlap_different_data",
    "reassembly_segment_before_base_seq",
    "reassembly_seq_gap",
    "reassembly_urgent_oob_limit_reached",
    "resumed_after_eviction",
    "resumed_after_idle",
    "rst_but_no_session",
    "rst_invalid_ack",
    "shutdown_syn_resend",
    "suspected_fin_inject",
    "suspected_rst_inject",
    "timewait_ack_wrong_seq",
    "timewait_invalid_ack",
    "urgent_data",
    "vlan_differs_by_direction",
    "wrong_thread",
];
