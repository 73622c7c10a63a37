//! What every record begins with: when, which flow, which packet, between whom.

use std::net::IpAddr;

use smallvec::SmallVec;
use tapwire_parsers::json::{Object, Style};
use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::{Mac, mac_text};

use super::metadata::Metadata;
use crate::capture::clock::on_the_wall;
use crate::capture::origin::SourceId;
use crate::flow::stations::Stations;
use crate::inspect::context::Sides;

/// The version of the records, as they name it.
pub const RECORDS_VERSION: &str = "9.0.0";

/// Writes time stamps, and keeps the date of the last one.
#[derive(Debug, Default)]
pub struct Clock {
    day: Option<u64>,
    text: Vec<u8>,
    /// Where the time of day begins.
    time_at: usize,
}

impl Clock {
    /// `2019-12-22T12:33:20.837297+0000`
    pub fn timestamp(&mut self, time: Timestamp) -> &str {
        let time = on_the_wall(time);
        let (second, micros) = (time.0 / 1_000_000, time.0 % 1_000_000);
        // What is past all calendars is shown as their beginning.
        let known = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
        let second = if known.is_some() { second } else { 0 };
        let day = second / 86_400;
        if self.day != Some(day) {
            self.day = Some(day);
            self.text = known.unwrap_or_default().strftime("%Y-%m-%dT").to_string().into_bytes();
            self.time_at = self.text.len();
            self.text.extend_from_slice(b"00:00:00.000000+0000");
        }
        let [hour, minute, second] = [second / 3600 % 24, second / 60 % 60, second % 60];
        let mut put = |at: usize, count: usize, mut number: u64| {
            for digit in self.text.iter_mut().skip(self.time_at + at).take(count).rev() {
                *digit = b"0123456789".get((number % 10) as usize).copied().unwrap_or(b'0');
                number /= 10;
            }
        };
        put(0, 2, hour);
        put(3, 2, minute);
        put(6, 2, second);
        put(9, 6, micros);
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

impl Clock {
    /// `12/22/2019-12:33:20.837297`
    pub fn day_and_time(&mut self, time: Timestamp) -> String {
        let stamp = self.timestamp(time);
        let part = |from: usize, to: usize| stamp.get(from..to).unwrap_or_default();
        format!("{}/{}/{}-{}", part(5, 7), part(8, 10), part(0, 4), part(11, 26))
    }
}

/// The common part of a record.
#[derive(Clone, Copy, Default)]
pub struct Header<'a> {
    /// When.
    pub time: Timestamp,
    /// The flow.
    pub flow_id: Option<u64>,
    /// The flow that announced it.
    pub parent: Option<u64>,
    /// The packet, by its position in the capture.
    pub packet_number: Option<u64>,
    /// The interface it came from.
    pub interface: Option<&'a str>,
    /// The kind of record.
    pub event_type: &'a str,
    /// The tenant, 0 for nobody.
    pub tenant: u32,
    /// VLAN ids, outermost first.
    pub vlans: &'a [u16],
    /// Source address.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub destination: Option<IpAddr>,
    /// Ports, where the protocol has some.
    pub ports: Option<(u16, u16)>,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// What it is about travels on Ethernet without IP.
    pub is_without_ip: bool,
    /// The Ethernet type of its frame.
    pub ether_type: Option<u16>,
    /// Type and code of ICMP.
    pub icmp: Option<(u8, u8)>,
    /// Security parameter index of ESP, in flow records.
    pub spi: Option<u32>,
    /// Type and code of the answer, in flow records.
    pub icmp_response: Option<(u8, u8)>,
    /// Where the packet came from; absent in flow records.
    pub packet_source: Option<&'a str>,
    /// Ethernet source and destination.
    pub ethernet: Option<(Mac, Mac)>,
    /// Of a flow that has ended, all of its client and of its server.
    pub stations: Option<&'a Stations>,
    /// What rules remember of the flow.
    pub metadata: Option<Metadata<'a>>,
    /// Community id.
    pub community_id: Option<&'a str>,
    /// Transaction id.
    pub transaction: Option<u64>,
    /// The transaction is not the one that a rule matched on, but the only one it can be.
    pub guessed: bool,
    /// The capture file.
    pub capture: Option<&'a str>,
    /// The version of the records.
    pub version: Option<&'a str>,
    /// How addresses are written.
    pub style: Style,
    /// What tells the record from all others.
    pub id: Option<EventId>,
    /// What is known of the networks of its ends.
    pub sides: Sides<'a>,
    /// Members that only Tapwire writes.
    pub own: Option<&'a dyn Fn(&mut Object<'_>)>,
}

impl Header<'_> {
    /// Writes the common members.
    pub fn write(&self, object: &mut Object<'_>, clock: &mut Clock) {
        object.text("timestamp", clock.timestamp(self.time));
        if let Some(id) = self.flow_id {
            object.number("flow_id", id);
        }
        if let Some(id) = self.parent {
            object.number("parent_id", id);
        }
        if let Some(interface) = self.interface {
            object.text("in_iface", interface);
        }
        if let Some(number) = self.packet_number {
            object.number("pcap_cnt", number);
        }
        object.text("event_type", self.event_type);
        if self.tenant > 0 {
            object.number("tenant_id", self.tenant);
        }
        if !self.vlans.is_empty() {
            object.array("vlan", |array| {
                for &id in self.vlans {
                    array.number(id);
                }
            });
        }
        let ports = self.ports;
        if let Some(address) = self.source {
            object.address("src_ip", address);
            if let Some((source, _)) = ports {
                object.number("src_port", source);
            }
        }
        if let Some(address) = self.destination {
            object.address("dest_ip", address);
            if let Some((_, destination)) = ports {
                object.number("dest_port", destination);
            }
        }
        let flow_record = self.packet_source.is_none();
        let version = self.source.map(|a| if a.is_ipv4() { 4 } else { 6 });
        if let Some(version) = version.filter(|_| flow_record) {
            object.number("ip_v", version);
        }
        if let Some(protocol) = self.protocol {
            object.text("proto", protocol_name(protocol).as_bytes());
        } else if self.is_without_ip {
            object.text("proto", "Ethernet");
        }
        if let Some(version) = version.filter(|_| !flow_record) {
            object.number("ip_v", version);
        }
        if let Some((kind, code)) = self.icmp {
            object.number("icmp_type", kind).number("icmp_code", code);
        }
        if let Some(spi) = self.spi {
            object.number("spi", spi);
        }
        if let Some((kind, code)) = self.icmp_response {
            object.number("response_icmp_type", kind).number("response_icmp_code", code);
        }
        if let Some(source) = self.packet_source {
            object.text("pkt_src", source);
        }
        if let Some(stations) = self.stations {
            object.object("ether", |ether| {
                for (name, macs) in [("src_macs", stations.clients()), ("dest_macs", stations.servers())] {
                    ether.array(name, |array| {
                        for &mac in macs {
                            array.text(mac_text(mac));
                        }
                    });
                }
            });
        } else if let Some((source, destination)) = self.ethernet {
            object.object("ether", |ether| {
                if let Some(ether_type) = self.ether_type {
                    ether.number("ether_type", ether_type);
                }
                ether.text("src_mac", mac_text(source)).text("dest_mac", mac_text(destination));
            });
        }
        if let Some(metadata) = self.metadata {
            metadata.write(object);
        }
        if let Some(id) = self.community_id {
            object.text("community_id", id);
        }
        if let Some(name) = self.capture {
            object.text("pcap_filename", name);
        }
        if let Some(version) = self.version {
            object.text("suricata_version", version);
        }
        // Transactions are counted in their flow.
        if let Some(id) = self.transaction.filter(|_| self.flow_id.is_some()) {
            object.number("tx_id", id);
            if self.guessed {
                object.boolean("tx_guessed", true);
            }
        }
        if self.id.is_some() || self.own.is_some() || !self.sides.is_empty() {
            object.object("tapwire", |own| {
                if let Some(id) = self.id {
                    own.text("event_id", id.text(self.flow_id, self.event_type));
                }
                networks(own, self.sides);
                if let Some(more) = self.own {
                    more(own);
                }
            });
        }
    }
}

/// What is known of the networks of both ends.
fn networks(own: &mut Object<'_>, sides: Sides<'_>) {
    if let Some(direction) = sides.direction {
        own.text("direction", direction);
    }
    for (side, network) in [("src", sides.source), ("dest", sides.destination)] {
        let Some(network) = network else { continue };
        own.object(side, |o| {
            for (name, text) in
                [("zone", &*network.zone), ("owner", &*network.owner), ("criticality", network.criticality)]
            {
                if !text.is_empty() {
                    o.text(name, text);
                }
            }
        });
    }
}

/// What tells a record from all others, besides its flow and its type.
#[derive(Clone, Copy, Debug)]
pub struct EventId {
    /// Where its packets come from.
    pub source: SourceId,
    /// The number of its packet there.
    pub packet: u64,
    /// That is the first packet of a flow that the end of the run ends.
    pub is_end: bool,
    /// Which it is of several that have the rest in common, from 0.
    pub ordinal: u32,
}

impl EventId {
    /// `r0123456789abcdef-12-746681044985084-dns-0`: source, packet, flow (0 without one), type, and which of these.
    fn text(self, flow: Option<u64>, event_type: &str) -> SmallVec<[u8; 96]> {
        let mut text = SmallVec::new();
        text.extend_from_slice(&self.source.text());
        text.extend_from_slice(if self.is_end { b"-e" } else { b"-" });
        let mut number = |number: u64| {
            text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            text.push(b'-');
        };
        number(self.packet);
        number(flow.unwrap_or(0));
        text.extend_from_slice(event_type.as_bytes());
        text.push(b'-');
        text.extend_from_slice(itoa::Buffer::new().format(self.ordinal).as_bytes());
        text
    }
}

/// The name of an IP protocol in records; its number where it has none.
pub fn protocol_name(protocol: u8) -> std::borrow::Cow<'static, str> {
    match protocol {
        1 => "ICMP",
        2 => "IGMP",
        4 => "IP-in-IP",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "IPv6-ICMP",
        132 => "SCTP",
        other => return other.to_string().into(),
    }
    .into()
}

/// Writes a record of one object.
pub fn record(out: &mut Vec<u8>, header: &Header<'_>, clock: &mut Clock, fill: impl FnOnce(&mut Object<'_>)) {
    {
        let mut object = Object::styled(out, header.style);
        header.write(&mut object, clock);
        fill(&mut object);
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_with_microseconds() {
        let mut clock = Clock::default();
        for (micros, expected) in [
            (1_577_018_000_837_297, "2019-12-22T12:33:20.837297+0000"),
            (1_577_018_000_000_001, "2019-12-22T12:33:20.000001+0000"),
            (1_577_059_199_999_999, "2019-12-22T23:59:59.999999+0000"),
            (1_577_059_200_000_000, "2019-12-23T00:00:00.000000+0000"),
            (1_709_164_801_000_010, "2024-02-29T00:00:01.000010+0000"),
            (0, "1970-01-01T00:00:00.000000+0000"),
            (u64::MAX, "1970-01-01T00:00:00.551615+0000"),
        ] {
            assert_eq!(clock.timestamp(Timestamp(micros)), expected);
        }
    }
}
