//! The kinds of captures: which link header packets begin with, by the number that tcpdump has for it
//! (<https://www.tcpdump.org/linktypes.html>).

use super::ether_types::{IPV4, IPV6};
use super::tags::{self, Follows};
use super::{Header, Packet};
use super::{cisco_hdlc, docsis, ethernet, frame_relay, linux_cooked, llc, nflog, null, ppp, wireless};
use crate::protocol::Anomaly;

/// A kind of capture.
pub(super) struct LinkType {
    number: u32,
    /// Its name in libpcap.
    pub(super) name: &'static str,
    /// What its header is counted as.
    pub(super) counted: Option<Header>,
    /// Reads its header.
    pub(super) read: Read,
}

/// What follows a link header.
pub(super) type Read = for<'p, 'a> fn(&'p mut Packet<'a>, &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly>;

/// The kind with a number.
pub(super) fn of(number: u32) -> Option<&'static LinkType> {
    LINK_TYPES.iter().find(|kind| kind.number == number)
}

const fn kind(number: u32, name: &'static str, counted: Option<Header>, read: Read) -> LinkType {
    LinkType { number, name, counted, read }
}

/// Ethernet.
pub(super) const ETHERNET: u32 = 1;
/// Raw IP, as BSD numbers it: what packets in packets have.
pub(super) const RAW_BSD: u32 = 12;
const PKTAP: u32 = 258;
const PER_PACKET: u32 = 192;

/// The most frequent ones come first.
static LINK_TYPES: [LinkType; 42] = [
    kind(ETHERNET, "EN10MB", None, frame),
    kind(101, "RAW", Some(Header::Raw), raw),
    kind(RAW_BSD, "RAW", Some(Header::Raw), raw),
    kind(14, "RAW", Some(Header::Raw), raw),
    kind(113, "LINUX_SLL", Some(Header::Sll), |_, data| linux_cooked::read(data)),
    kind(276, "LINUX_SLL2", Some(Header::Sll2), |_, data| linux_cooked::read_v2(data)),
    kind(0, "NULL", Some(Header::Null), |packet, data| null::read(data, &mut packet.anomalies)),
    kind(108, "LOOP", Some(Header::Null), |packet, data| null::read(data, &mut packet.anomalies)),
    kind(127, "IEEE802_11_RADIO", None, |packet, data| wireless(packet, wireless::radiotap(data))),
    kind(105, "IEEE802_11", None, |packet, data| wireless(packet, wireless::read(data, false))),
    kind(119, "PRISM_HEADER", None, |packet, data| wireless(packet, wireless::prism(data))),
    kind(163, "IEEE802_11_RADIO_AVS", None, |packet, data| wireless(packet, wireless::prism(data))),
    kind(9, "PPP", Some(Header::Ppp), |_, data| ppp::read(data)),
    kind(50, "PPP_SERIAL", Some(Header::Ppp), |_, data| ppp::read_serial(data)),
    kind(51, "PPP_ETHER", Some(Header::Pppoe), |packet, data| {
        tags::read(tags::PPPOE_SESSION, data, &mut packet.anomalies)
    }),
    kind(166, "PPP_PPPD", Some(Header::Ppp), |_, data| {
        // A direction stands in the place of the address.
        ppp::read(data.strip_prefix(&[0, 3]).or_else(|| data.strip_prefix(&[1, 3])).unwrap_or(data))
    }),
    kind(204, "PPP_WITH_DIR", Some(Header::Ppp), |_, data| ppp::read(behind(data, 1, "decoder.ppp.pkt_too_small")?)),
    kind(104, "C_HDLC", Some(Header::Chdlc), |_, data| cisco_hdlc::read(data)),
    kind(205, "C_HDLC_WITH_DIR", Some(Header::Chdlc), |_, data| {
        cisco_hdlc::read(behind(data, 1, "decoder.chdlc.pkt_too_small")?)
    }),
    kind(107, "FRELAY", None, |_, data| Ok(known(data, frame_relay::read(data)))),
    kind(206, "FRELAY_WITH_DIR", None, |_, data| {
        Ok(known(data, data.split_first().and_then(|(_, data)| frame_relay::read(data))))
    }),
    // A direction and the compressed header stand before each packet.
    kind(8, "SLIP", Some(Header::Raw), |packet, data| raw(packet, data.get(16..).unwrap_or(&[]))),
    kind(228, "IPv4", Some(Header::Raw), raw),
    kind(229, "IPv6", Some(Header::Raw), raw),
    kind(239, "NFLOG", None, |_, data| Ok(known(data, nflog::read(data)))),
    kind(PKTAP, "PKTAP", None, pktap),
    kind(PER_PACKET, "PPI", None, per_packet),
    kind(143, "DOCSIS", None, |packet, data| {
        let (follows, rest, beside) = docsis::read(data)?;
        packet.beside = beside;
        Ok((follows, rest))
    }),
    kind(11, "ATM_RFC1483", None, atm),
    kind(100, "ATM_RFC1483", None, atm),
    // Packets with a header of logical link control, or without one.
    kind(106, "ATM_CLIP", None, |packet, data| match data {
        [0xaa, 0xaa, 3, ..] => atm(packet, data),
        _ => raw(packet, data),
    }),
    kind(6, "IEEE802", None, token_ring),
    // Control and two addresses.
    kind(10, "FDDI", None, |_, data| Ok((Follows::Control, behind(data, 13, SHORT)?))),
    // RFC 2625: two addresses of the network.
    kind(122, "IP_OVER_FC", None, |_, data| Ok((Follows::Control, behind(data, 16, SHORT)?))),
    // RFC 2734: two addresses of eight octets and a type.
    kind(138, "APPLE_IP_OVER_IEEE1394", None, |_, data| typed(data, 16, 18)),
    kind(242, "IPOIB", None, |_, data| typed(data, 40, 44)),
    // What interfaces of OpenBSD and its firewall write: a family among other things.
    kind(109, "ENC", None, |_, data| of_family(data.first_chunk().map(|f| null::family(*f)), behind(data, 12, SHORT)?)),
    kind(117, "PFLOG", None, |_, data| {
        let &[length, family, ..] = data.first_chunk::<2>().ok_or(Anomaly(SHORT))?;
        of_family(Some(family.into()), behind(data, usize::from(length).next_multiple_of(4), SHORT)?)
    }),
    kind(226, "IPNET", None, |_, data| of_family(data.get(1).map(|family| (*family).into()), behind(data, 24, SHORT)?)),
    kind(219, "MPLS", Some(Header::Mpls), |packet, data| tags::read(tags::MPLS_UNICAST, data, &mut packet.anomalies)),
    kind(240, "NETANALYZER", None, |_, data| Ok((Follows::Frame, behind(data, 4, SHORT)?))),
    kind(241, "NETANALYZER_TRANSPARENT", None, |_, data| Ok((Follows::Frame, behind(data, 12, SHORT)?))),
];

fn frame<'a>(packet: &mut Packet<'a>, data: &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly> {
    let (header, rest) = ethernet::read(data)?;
    packet.ethernet = Some(header);
    Ok((Follows::Type(header.kind), rest))
}

fn raw<'a>(_: &mut Packet<'a>, data: &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly> {
    match data.first().map(|first| first >> 4) {
        Some(4) => Ok((Follows::Type(IPV4), data)),
        Some(6) => Ok((Follows::Type(IPV6), data)),
        _ => Err(Anomaly("decoder.ipraw.invalid_ip_version")),
    }
}

fn wireless<'a>(
    packet: &mut Packet<'a>,
    read: Result<wireless::Read<'a>, Anomaly>,
) -> Result<(Follows, &'a [u8]), Anomaly> {
    let (follows, rest, beside) = read?;
    packet.beside = beside;
    Ok((follows, rest))
}

/// What darwin's tcpdump writes: its length, what follows, and the kind of that.
fn pktap<'a>(packet: &mut Packet<'a>, data: &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly> {
    let &[l0, l1, l2, l3, .., k0, k1, k2, k3] = data.first_chunk::<12>().ok_or(Anomaly(SHORT))?;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    wrapped(packet, u32::from_le_bytes([k0, k1, k2, k3]), behind(data, length, SHORT)?)
}

/// Information for each packet (PPI): a version, its length and the kind of what follows.
fn per_packet<'a>(packet: &mut Packet<'a>, data: &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly> {
    let &[_, _, l0, l1, k0, k1, k2, k3] = data.first_chunk::<8>().ok_or(Anomaly(SHORT))?;
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    wrapped(packet, u32::from_le_bytes([k0, k1, k2, k3]), behind(data, length, SHORT)?)
}

/// A packet of another kind, which is not wrapped again.
fn wrapped<'a>(packet: &mut Packet<'a>, number: u32, data: &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly> {
    match of(number).filter(|_| !matches!(number, PKTAP | PER_PACKET)) {
        Some(kind) => (kind.read)(packet, data),
        None => Ok((Follows::Nothing, data)),
    }
}

/// Logical link control; bridged frames are filled up to a multiple of four octets (RFC 2684, 5.2).
fn atm<'a>(_: &mut Packet<'a>, data: &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly> {
    Ok(match llc::read(data) {
        Some((Follows::Frame, rest)) => (Follows::Frame, behind(rest, 2, SHORT)?),
        other => known(data, other),
    })
}

/// IEEE 802.5: two octets of control, two addresses, and perhaps the bridges on the way.
fn token_ring<'a>(_: &mut Packet<'a>, data: &'a [u8]) -> Result<(Follows, &'a [u8]), Anomaly> {
    let header = data.first_chunk::<14>().ok_or(Anomaly(SHORT))?;
    if header[1] & 0xc0 != 0x40 {
        return Ok((Follows::Nothing, data));
    }
    let route = if header[8] & 0x80 != 0 { usize::from(data.get(14).ok_or(Anomaly(SHORT))? & 0x1f) } else { 0 };
    Ok((Follows::Control, behind(data, 14 + route, SHORT)?))
}

fn of_family(family: Option<u32>, rest: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    Ok(known(rest, family.and_then(null::ip_of_family).map(|ether_type| (Follows::Type(ether_type), rest))))
}

/// An Ethernet type at a place of a header.
fn typed(data: &[u8], at: usize, header: usize) -> Result<(Follows, &[u8]), Anomaly> {
    let rest = behind(data, header, SHORT)?;
    let kind = data.get(at..).and_then(|kind| kind.first_chunk::<2>()).ok_or(Anomaly(SHORT))?;
    Ok((Follows::Type(u16::from_be_bytes(*kind)), rest))
}

fn behind<'a>(data: &'a [u8], header: usize, short: &'static str) -> Result<&'a [u8], Anomaly> {
    data.get(header..).ok_or(Anomaly(short))
}

/// What follows, or all of it as it is.
fn known<'a>(data: &'a [u8], follows: Option<(Follows, &'a [u8])>) -> (Follows, &'a [u8]) {
    follows.unwrap_or((Follows::Nothing, data))
}

const SHORT: &str = "decoder.link.pkt_too_small";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_there_twice_and_a_wrapped_packet_is_not_wrapped_again() {
        let mut numbers: Vec<u32> = LINK_TYPES.iter().map(|kind| kind.number).collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
        let per_packet = |kind: u8| [0, 0, 8, 0, kind, 0, 0, 0];
        let data = [&per_packet(192)[..], &per_packet(101), &[0x45]].concat();
        let mut packet = Packet::new(1, Default::default(), PER_PACKET, &data, 0);
        assert_eq!(super::per_packet(&mut packet, &data), Ok((Follows::Nothing, &data[8..])));
        assert_eq!(super::per_packet(&mut packet, &data[8..]), Ok((Follows::Type(IPV4), &[0x45][..])));
    }
}
