//! What the events of headers and streams mean. Their names are listed where rules read them; a test holds that each has its sentence.

/// The end of the sentences of those that rules may name and that do not come up here.
const NEVER: &str = "It is never raised; rules may name it.";

/// What an event of headers means.
pub(super) fn of_headers(name: &str) -> String {
    sentence(HEADERS, name)
}

/// What an event of streams means.
pub(super) fn of_streams(name: &str) -> String {
    sentence(STREAMS, name)
}

fn sentence(table: &[(&str, &str)], name: &str) -> String {
    let found = table.binary_search_by_key(&name, |(name, _)| name).ok().and_then(|at| table.get(at));
    match found {
        Some((_, "")) => NEVER.to_owned(),
        Some((_, doc)) => (*doc).to_owned(),
        None => String::new(),
    }
}

/// Events of headers, in order; those without words are never raised.
static HEADERS: &[(&str, &str)] = &[
    ("afpacket.trunc_pkt", ""),
    ("arp.invalid_hardware_size", "Hardware addresses are not of 6 octets."),
    ("arp.invalid_protocol_size", "Protocol addresses are not of 4 octets."),
    ("arp.pkt_too_small", "A message of ARP ends early."),
    ("arp.unsupported_hardware", "A message of ARP is about another hardware than Ethernet."),
    ("arp.unsupported_opcode", "The operation of ARP is not known."),
    ("arp.unsupported_protocol", "A message of ARP is about another protocol than IPv4."),
    ("chdlc.pkt_too_small", "A header of Cisco HDLC ends early."),
    ("dce.pkt_too_small", "A header of FabricPath ends early."),
    ("erspan.header_too_small", "A header of ERSPAN ends early."),
    ("erspan.too_many_vlan_layers", ""),
    ("erspan.unsupported_version", "The version of ERSPAN is not the one that its type says."),
    ("esp.pkt_too_small", "A header of ESP ends early."),
    ("etag.header_too_small", "A header of 802.1BR ends early."),
    ("etag.unknown_type", ""),
    ("ethernet.pkt_too_small", "A header of Ethernet ends early."),
    ("ethernet.unknown_ethertype", "What follows the header of Ethernet is of a type that is not known."),
    ("gre.pkt_too_small", "A header of GRE ends early."),
    ("gre.unknown_protocol", "What GRE carries is not known."),
    ("gre.version0_flags", "A header of GRE has flags that it must not have."),
    ("gre.version0_hdr_too_big", "A header of GRE is longer than its packet."),
    ("gre.version0_malformed_sre_hdr", "A source route of GRE goes past the end of its packet."),
    ("gre.version0_recur", "The recursion control of GRE is set."),
    ("gre.version1_chksum", "A header of GRE for PPTP says that it has a checksum."),
    ("gre.version1_flags", "A header of GRE for PPTP has flags that it must not have."),
    ("gre.version1_hdr_too_big", "A header of GRE for PPTP is longer than its packet."),
    ("gre.version1_malformed_sre_hdr", ""),
    ("gre.version1_no_key", "A header of GRE for PPTP has no key."),
    ("gre.version1_recur", "The recursion control of GRE for PPTP is set."),
    ("gre.version1_route", "A header of GRE for PPTP says that it has a route."),
    ("gre.version1_ssr", "A header of GRE for PPTP says that it has a strict source route."),
    ("gre.version1_wrong_protocol", "A header of GRE for PPTP does not carry PPP."),
    ("gre.wrong_version", "The version of GRE is neither 0 nor 1."),
    ("icmpv4.ipv4_trunc_pkt", "The packet that an error of ICMP quotes ends within its IPv4 header."),
    ("icmpv4.ipv4_unknown_ver", "The packet that an error of ICMP quotes is not IPv4."),
    ("icmpv4.pkt_too_small", "A message of ICMP ends early."),
    ("icmpv4.unknown_code", "The code of a message of ICMP is not assigned."),
    ("icmpv4.unknown_type", "The type of a message of ICMP is not assigned."),
    ("icmpv6.experimentation_type", "The type of a message of ICMPv6 is one for experiments."),
    ("icmpv6.ipv6_trunc_pkt", "The packet that an error of ICMPv6 quotes ends within its IPv6 header."),
    ("icmpv6.ipv6_unknown_version", "The packet that an error of ICMPv6 quotes is not IPv6."),
    ("icmpv6.mld_message_with_invalid_hl", "A message about groups has another hop limit than 1."),
    ("icmpv6.pkt_too_small", "A message of ICMPv6 ends early."),
    ("icmpv6.unassigned_type", "The type of a message of ICMPv6 is in a range that is not assigned."),
    ("icmpv6.unknown_code", "The code of a message of ICMPv6 is not assigned."),
    ("icmpv6.unknown_type", "The type of a message of ICMPv6 is not known."),
    ("ieee8021ah.header_too_small", "A header of 802.1ah ends early."),
    ("igmp.malformed", "A message of IGMPv3 names more sources or groups than it has."),
    ("igmp.pkt_too_small", "A message of IGMP ends early."),
    ("igmp.v3_pkt_too_small", "A query of IGMPv3 ends early."),
    ("ipraw.invalid_ip_version", "A packet without a link header is neither IPv4 nor IPv6."),
    ("ipv4.frag_overlap", "Pieces of a datagram of IPv4 overlap or contradict each other."),
    ("ipv4.frag_pkt_too_large", "A piece of a datagram of IPv4 ends past 65,535 octets."),
    ("ipv4.hlen_too_small", "The length of an IPv4 header is less than 20 octets."),
    ("ipv4.icmpv6", "IPv4 carries ICMPv6."),
    ("ipv4.iplen_smaller_than_hlen", "An IPv4 packet says that it is shorter than its header."),
    ("ipv4.opt_duplicate", "An IPv4 option is there twice."),
    ("ipv4.opt_eol_required", "IPv4 options end in the middle of one."),
    ("ipv4.opt_invalid", ""),
    ("ipv4.opt_invalid_len", "An IPv4 option has a length that it cannot have."),
    (
        "ipv4.opt_malformed",
        "The pointer of an IPv4 option leads nowhere, or the option is too short for what it must have.",
    ),
    ("ipv4.opt_pad_required", "IPv4 options do not fill a multiple of 8 octets."),
    ("ipv4.opt_unknown", "An IPv4 option is not known."),
    ("ipv4.pkt_too_small", "An IPv4 header ends early."),
    ("ipv4.trunc_pkt", "An IPv4 packet ends before the length that it says."),
    ("ipv4.unknown_protocol", "What IPv4 carries is not known."),
    ("ipv4.wrong_ip_version", "What should be IPv4 has another version."),
    ("ipv6.data_after_none_header", "There are bytes behind a header that says that nothing follows."),
    ("ipv6.dstopts_only_padding", "Options for the destination are nothing but padding."),
    ("ipv6.dstopts_unknown_opt", "An option for the destination is not known."),
    ("ipv6.exthdr_ah_res_not_null", "Reserved octets of an authentication header are not 0."),
    ("ipv6.exthdr_dupl_ah", "There is more than one authentication header."),
    ("ipv6.exthdr_dupl_dh", "There are more than two headers with options for destinations."),
    ("ipv6.exthdr_dupl_eh", "There is more than one header of ESP."),
    ("ipv6.exthdr_dupl_fh", "There is more than one fragment header."),
    ("ipv6.exthdr_dupl_hh", "There is more than one header with options for each hop."),
    ("ipv6.exthdr_dupl_rh", "There is more than one routing header."),
    ("ipv6.exthdr_invalid_optlen", "An option has a length that it cannot have."),
    ("ipv6.exthdr_useless_fh", "A fragment header is there although the packet is whole."),
    ("ipv6.fh_non_zero_reserved_field", "The reserved octet of a fragment header is not 0."),
    ("ipv6.frag_invalid_length", "A piece of a datagram that is not its last has a length that is no multiple of 8."),
    ("ipv6.frag_overlap", "Pieces of a datagram of IPv6 overlap or contradict each other."),
    ("ipv6.frag_pkt_too_large", "A piece of a datagram of IPv6 ends past 65,535 octets."),
    ("ipv6.frag_too_small", "A piece of a datagram of IPv6 is smaller than every link takes whole."),
    ("ipv6.hopopts_only_padding", "Options for each hop are nothing but padding."),
    ("ipv6.hopopts_unknown_opt", "An option for each hop is not known."),
    ("ipv6.icmpv4", "IPv6 carries ICMP of IPv4."),
    ("ipv6.ipv4_in_ipv6_too_small", "IPv4 within IPv6 ends within its header."),
    ("ipv6.ipv4_in_ipv6_wrong_version", "What should be IPv4 within IPv6 has another version."),
    ("ipv6.ipv6_in_ipv6_too_small", "IPv6 within IPv6 ends within its header."),
    ("ipv6.ipv6_in_ipv6_wrong_version", "What should be IPv6 within IPv6 has another version."),
    ("ipv6.pkt_too_small", "An IPv6 header ends early."),
    ("ipv6.rh_type_0", "A routing header is of type 0, which is abolished."),
    ("ipv6.trunc_exthdr", "An extension header ends early."),
    ("ipv6.trunc_pkt", "An IPv6 packet ends before the length that it says."),
    ("ipv6.unknown_next_header", "What IPv6 carries is not known."),
    ("ipv6.wrong_ip_version", "What should be IPv6 has another version."),
    ("ipv6.zero_len_padn", "Padding of several octets has a length of 0."),
    ("ltnull.pkt_too_small", "A header of a BSD loopback ends early."),
    ("ltnull.unsupported_type", "What follows the header of a BSD loopback is not IP."),
    ("mpls.bad_label_implicit_null", "The last label of MPLS is the implicit null, which does not travel."),
    ("mpls.bad_label_reserved", "The last label of MPLS is a reserved one."),
    ("mpls.bad_label_router_alert", "The last label of MPLS is the router alert."),
    ("mpls.header_too_small", "A label of MPLS ends early."),
    ("mpls.pkt_too_small", "Nothing follows the labels of MPLS, or too little."),
    ("mpls.unknown_payload_type", "What MPLS carries is not known."),
    ("nsh.bad_header_length", "A network service header has a length that it cannot have."),
    ("nsh.header_too_small", "A network service header ends early."),
    ("nsh.unsupported_type", "What a network service header carries is not known."),
    ("nsh.unsupported_version", "The version of a network service header is not 0."),
    ("ppp.ip4_pkt_too_small", "IPv4 over PPP ends within its header."),
    ("ppp.ip6_pkt_too_small", "IPv6 over PPP ends within its header."),
    ("ppp.pkt_too_small", "A header of PPP ends early."),
    ("ppp.unsup_proto", "PPP carries one of its protocols that is not read."),
    ("ppp.vju_pkt_too_small", "What PPP carries with a header of Van Jacobson ends within that of IPv4."),
    ("ppp.wrong_type", "What PPP carries is not known."),
    ("pppoe.malformed_tags", "A tag of PPPoE goes past the end of its message."),
    ("pppoe.pkt_too_small", "A header of PPPoE ends early."),
    ("pppoe.wrong_code", "The code of a message of PPPoE is not known."),
    ("sctp.pkt_too_small", "A header of SCTP ends early."),
    ("sll.pkt_too_small", "A header of a Linux cooked capture ends early."),
    ("sll2.pkt_too_small", "A header of a Linux cooked capture of version 2 ends early."),
    ("tcp.hlen_too_small", "The length of a TCP header is less than 20 octets."),
    ("tcp.invalid_optlen", "A TCP header is longer than its packet."),
    ("tcp.opt_duplicate", "A TCP option is there twice."),
    ("tcp.opt_invalid_len", "A TCP option has a length that it cannot have."),
    ("tcp.pkt_too_small", "A TCP header ends early."),
    ("too_many_layers", "There are more headers, or more packets in packets, than are looked into (16)."),
    ("udp.hlen_too_small", "A UDP header ends early."),
    ("udp.len_invalid", "A datagram says that it is shorter than its header."),
    ("udp.pkt_too_small", "A datagram ends before the length that it says."),
    ("vlan.header_too_small", "A VLAN tag ends early."),
    ("vlan.too_many_layers", "There are more VLAN tags than are kept."),
    ("vlan.unknown_type", "What follows a VLAN tag is of a type that is not known."),
    ("vntag.header_too_small", "A VN tag ends early."),
    ("vntag.unknown_type", ""),
];

/// Events of streams, in order; those without words are never raised.
static STREAMS: &[(&str, &str)] = &[
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use tapwire_parsers::link::events::EVENTS;
    use tapwire_signatures::keywords::packet_event::STREAM_EVENTS;

    use super::*;

    /// The text of the source files in a folder and those in it, without tests.
    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                text.push_str(&sources(&path));
            } else if !path.ends_with("tests.rs") {
                text.push_str(std::fs::read_to_string(path).unwrap().split("#[cfg(test)]").next().unwrap());
            }
        }
        text
    }

    #[test]
    fn each_event_has_its_sentence_and_those_without_are_never_raised() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let text = ["../parsers/src/link", "src/decode", "src/flow"].map(|folder| sources(&root.join(folder))).concat();
        for (table, listed, prefix) in [(HEADERS, &EVENTS[..], "decoder"), (STREAMS, &STREAM_EVENTS[..], "stream")] {
            assert_eq!(table.iter().map(|(name, _)| *name).collect::<Vec<_>>(), listed);
            for (name, doc) in table {
                assert_eq!(text.contains(&format!("\"{prefix}.{name}\"")), !doc.is_empty(), "{name} is raised, or not");
                assert!(doc.is_empty() || doc.ends_with('.'), "{name}");
            }
        }
    }

    #[test]
    fn those_of_the_lists_are_found() {
        assert!(EVENTS.iter().all(|name| !of_headers(name).is_empty()));
        assert!(STREAM_EVENTS.iter().all(|name| !of_streams(name).is_empty()));
        assert_eq!((of_headers("waldo"), of_streams("wrong_thread")), (String::new(), NEVER.to_owned()));
    }
}
