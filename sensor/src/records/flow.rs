//! `flow`: a conversation has ended.

use tapwire_parsers::json::Object;
use tapwire_parsers::link::Timestamp;

use super::header::{Clock, Header, record};
use super::slot::{Blank, Slot};

/// A flow.
#[derive(Clone, Copy, Debug)]
pub struct FlowRecord<'a> {
    /// Recognised protocol, or `failed`.
    pub app_protocol: Option<&'a str>,
    /// The protocol before it changed.
    pub app_protocol_original: Option<&'a str>,
    /// What each direction was recognised as, where they differ from the flow's.
    pub app_protocol_sides: (Option<&'a str>, Option<&'a str>),
    /// The protocols inside the flow's, each once.
    pub carried: &'a [&'a str],
    /// Packets to server and to client.
    pub packets: (u64, u64),
    /// Bytes to server and to client.
    pub bytes: (u64, u64),
    /// Time of its first packet.
    pub start: Timestamp,
    /// Time of its last packet.
    pub end: Timestamp,
    /// Seconds between them.
    pub age_s: u64,
    /// `new`, `established` or `closed`.
    pub state: &'a str,
    /// Why it ended.
    pub reason: &'a str,
    /// A rule alerted on it.
    pub alerted: bool,
    /// Transactions, where there were some.
    pub transactions: u64,
    /// What could not be inspected as it should be, and what was done with the flow.
    pub exceptions: [Option<(&'a str, &'a str)>; 3],
    /// Its inspection ended before it did.
    pub bypassed: bool,
    /// Why it did; said only where own members are.
    pub bypass: Option<&'a str>,
    /// The end of one of its packets was not captured; said only where own members are.
    pub truncated: bool,
    /// The directions in which it was an elephant.
    pub elephant: (bool, bool),
    /// It ended because its memory was needed by others.
    pub emergency: bool,
    /// What rules do with it.
    pub action: Option<&'a str>,
    /// The connection.
    pub tcp: Option<TcpRecord<'a>>,
    /// Packets that the sensor lost while it went on, of all flows; said only where own members are.
    pub lost_packets: u64,
    /// Bytes of its streams that were inspected, to server and to client, where a limit left out some.
    pub inspected: Option<(u64, u64)>,
}

/// A flow's connection. Pairs are to server and to client.
#[derive(Clone, Copy, Debug)]
pub struct TcpRecord<'a> {
    /// Flags that were seen.
    pub flags: (u8, u8),
    /// State at the end.
    pub state: Option<&'a str>,
    /// Whether bytes were missing.
    pub gaps: (bool, bool),
    /// Most separate regions of bytes at once.
    pub regions: (u32, u32),
    /// Urgent bytes that were taken out of the stream.
    pub urgent: (u32, u32),
}

/// Writes a flow record. Whether it has alerts is a slot, where that is not known.
pub fn write(out: &mut Vec<u8>, header: &Header<'_>, flow: &FlowRecord<'_>, clock: &mut Clock) -> Option<Slot> {
    let mut slot = None;
    let (start, end) = (clock.timestamp(flow.start).to_owned(), clock.timestamp(flow.end).to_owned());
    // The community id stands between the flow and its connection.
    let community = header.community_id;
    let own = |own: &mut Object<'_>| {
        if let Some(why) = flow.bypass {
            own.text("bypass", why);
        }
        if flow.truncated {
            own.boolean("truncated", true);
        }
        if flow.lost_packets > 0 {
            own.number("lost_packets", flow.lost_packets);
        }
        if let Some((to_server, to_client)) = flow.inspected {
            own.object("inspected", |o| {
                o.number("bytes_toserver", to_server).number("bytes_toclient", to_client);
            });
        }
    };
    let has_own = flow.bypass.is_some() || flow.truncated || flow.lost_packets > 0 || flow.inspected.is_some();
    let header = Header { community_id: None, own: if has_own { Some(&own) } else { None }, ..*header };
    record(out, &header, clock, |object| {
        for (name, value) in [
            ("app_proto", flow.app_protocol),
            ("app_proto_orig", flow.app_protocol_original),
            ("app_proto_ts", flow.app_protocol_sides.0),
            ("app_proto_tc", flow.app_protocol_sides.1),
        ] {
            if let Some(value) = value {
                object.text(name, value);
            }
        }
        if !flow.carried.is_empty() {
            object.array("app_proto_carried", |array| {
                for name in flow.carried {
                    array.text(name);
                }
            });
        }
        object.object("flow", |o| {
            o.number("pkts_toserver", flow.packets.0).number("pkts_toclient", flow.packets.1);
            o.number("bytes_toserver", flow.bytes.0).number("bytes_toclient", flow.bytes.1);
            o.text("start", &start).text("end", &end).number("age", flow.age_s);
            o.text("state", flow.state).text("reason", flow.reason).boolean("alerted", flow.alerted);
            slot = (!flow.alerted).then(|| Slot::before(o.end(), Blank::Alerted));
            if flow.bypassed {
                o.text("bypass", "local");
            }
            if let Some(action) = flow.action {
                o.text("action", action);
            }
            if flow.elephant.0 || flow.elephant.1 {
                o.boolean("elephant", true);
                o.array("elephant_direction", |array| {
                    for (name, is) in [("to_server", flow.elephant.0), ("to_client", flow.elephant.1)] {
                        if is {
                            array.text(name);
                        }
                    }
                });
            }
            if flow.emergency {
                o.boolean("emergency", true);
            }
            if flow.exceptions.iter().any(Option::is_some) {
                o.array("exception_policy", |policies| {
                    for (target, policy) in flow.exceptions.iter().flatten() {
                        policies.object(|p| {
                            p.text("target", target).text("policy", policy);
                        });
                    }
                });
            }
            if flow.transactions > 0 {
                o.number("tx_cnt", flow.transactions);
            }
        });
        if let Some(id) = community {
            object.text("community_id", id);
        }
        if let Some(tcp) = &flow.tcp {
            object.object("tcp", |o| connection(o, tcp));
        }
    });
    slot
}

/// Writes the record of one direction of a flow. `time_to_live` is the smallest and largest one.
pub fn write_direction(
    out: &mut Vec<u8>,
    header: &Header<'_>,
    flow: &FlowRecord<'_>,
    to_server: bool,
    time_to_live: (u8, u8),
    clock: &mut Clock,
) {
    let (start, end) = (clock.timestamp(flow.start).to_owned(), clock.timestamp(flow.end).to_owned());
    let pick = |pair: (u64, u64)| if to_server { pair.0 } else { pair.1 };
    record(out, header, clock, |object| {
        if let Some(name) = flow.app_protocol {
            object.text("app_proto", name);
        }
        object.object("netflow", |o| {
            o.number("pkts", pick(flow.packets)).number("bytes", pick(flow.bytes));
            o.text("start", &start).text("end", &end).number("age", flow.age_s);
            o.number("min_ttl", time_to_live.0).number("max_ttl", time_to_live.1);
            if flow.transactions > 0 {
                o.number("tx_cnt", flow.transactions);
            }
        });
        if let Some(tcp) = &flow.tcp {
            let flags = if to_server { tcp.flags.0 } else { tcp.flags.1 };
            object.object("tcp", |o| {
                o.text("tcp_flags", hex(flags));
                for (name, bit) in crate::flow::TCP_FLAG_NAMES {
                    if flags & bit != 0 {
                        o.boolean(name, true);
                    }
                }
            });
        }
    });
}

/// An octet as two hexadecimal digits.
fn hex(octet: u8) -> [u8; 2] {
    [octet >> 4, octet & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
}

fn connection(object: &mut Object<'_>, tcp: &TcpRecord<'_>) {
    let all = tcp.flags.0 | tcp.flags.1;
    object.text("tcp_flags", hex(all)).text("tcp_flags_ts", hex(tcp.flags.0));
    object.text("tcp_flags_tc", hex(tcp.flags.1));
    for (name, bit) in crate::flow::TCP_FLAG_NAMES {
        if all & bit != 0 {
            object.boolean(name, true);
        }
    }
    let Some(state) = tcp.state else { return };
    object.text("state", state);
    for (name, gap) in [("ts_gap", tcp.gaps.0), ("tc_gap", tcp.gaps.1)] {
        if gap {
            object.boolean(name, true);
        }
    }
    object.number("ts_max_regions", tcp.regions.0).number("tc_max_regions", tcp.regions.1);
    for (name, count) in [("ts_urgent_oob_data", tcp.urgent.0), ("tc_urgent_oob_data", tcp.urgent.1)] {
        if count > 0 {
            object.number(name, count);
        }
    }
}
