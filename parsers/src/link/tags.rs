//! Headers between Ethernet and IP that name what follows them: provider backbone tags, bridge extension tags, FabricPath and other
//! fabrics, MPLS labels, PPPoE sessions, network service headers and logical link control.
//!
//! [`read`] takes one such header off. What follows is named by its Ethernet type, or is a whole Ethernet frame again.

use super::ether_types::{IPV4, IPV6, LLC};
use super::{Anomalies, Header, llc, ppp, raise};
use crate::protocol::Anomaly;

/// What follows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Something with this Ethernet type.
    Type(u16),
    /// An Ethernet frame.
    Frame,
    /// A header of logical link control.
    Control,
    /// Nothing that is read.
    Nothing,
}

/// Whether an Ethernet type is that of one of these headers.
pub fn is_tag(ether_type: u16) -> bool {
    matches!(
        ether_type,
        MPLS_UNICAST
            | MPLS_MULTICAST
            | PPPOE_SESSION
            | PPPOE_DISCOVERY
            | BACKBONE
            | FABRIC_PATH
            | FABRIC_TAG
            | E_TAG
            | VN_TAG
            | NSH
            | LLC
    )
}

/// The header that an Ethernet type stands for, where it is counted.
pub fn header(ether_type: u16) -> Option<Header> {
    Some(match ether_type {
        MPLS_UNICAST | MPLS_MULTICAST => Header::Mpls,
        PPPOE_SESSION | PPPOE_DISCOVERY => Header::Pppoe,
        BACKBONE => Header::Ieee8021ah,
        E_TAG => Header::Etag,
        VN_TAG => Header::Vntag,
        NSH => Header::Nsh,
        _ => return None,
    })
}

/// Takes a header of an Ethernet type off.
pub fn read<'a>(ether_type: u16, data: &'a [u8], anomalies: &mut Anomalies) -> Result<(Follows, &'a [u8]), Anomaly> {
    match ether_type {
        MPLS_UNICAST | MPLS_MULTICAST => mpls(data, anomalies),
        PPPOE_SESSION => pppoe_session(data),
        PPPOE_DISCOVERY => pppoe_discovery(data, anomalies),
        BACKBONE => fixed::<18>(data, 16, "decoder.ieee8021ah.header_too_small"),
        E_TAG => fixed::<8>(data, 6, "decoder.etag.header_too_small"),
        VN_TAG => fixed::<6>(data, 4, "decoder.vntag.header_too_small"),
        FABRIC_TAG => fixed::<8>(data, 6, "decoder.link.pkt_too_small"),
        LLC => Ok(llc::read(data).unwrap_or((Follows::Nothing, data))),
        FABRIC_PATH => {
            // The frame's own header follows two octets behind the type of this one.
            let rest = data.get(2..).filter(|rest| rest.len() >= 14).ok_or(Anomaly("decoder.dce.pkt_too_small"))?;
            Ok((Follows::Frame, rest))
        }
        _ => nsh(data, anomalies),
    }
}

/// A header of `SIZE` octets with the type of what follows at `at`.
fn fixed<'a, const SIZE: usize>(
    data: &'a [u8],
    at: usize,
    short: &'static str,
) -> Result<(Follows, &'a [u8]), Anomaly> {
    let (header, rest) = data.split_first_chunk::<SIZE>().ok_or(Anomaly(short))?;
    let kind = header.get(at..).and_then(|kind| kind.first_chunk::<2>()).map_or(0, |kind| u16::from_be_bytes(*kind));
    Ok((Follows::Type(kind), rest))
}

/// A stack of labels (RFC 3032). What follows the last one is told by its first octet, for the labels do not say.
fn mpls<'a>(mut data: &'a [u8], anomalies: &mut Anomalies) -> Result<(Follows, &'a [u8]), Anomaly> {
    loop {
        let (entry, rest) = data.split_first_chunk::<4>().ok_or(Anomaly("decoder.mpls.header_too_small"))?;
        let entry = u32::from_be_bytes(*entry);
        let (label, bottom) = (entry >> 12, entry & 0x100 != 0);
        data = rest;
        if !bottom {
            continue;
        }
        match label {
            0 => return Ok((Follows::Type(IPV4), data)),
            2 => return Ok((Follows::Type(IPV6), data)),
            1 => raise(anomalies, "decoder.mpls.bad_label_router_alert"),
            3 => raise(anomalies, "decoder.mpls.bad_label_implicit_null"),
            4..=15 => raise(anomalies, "decoder.mpls.bad_label_reserved"),
            _ => {}
        }
        let first = data.first().ok_or(Anomaly("decoder.mpls.pkt_too_small"))?;
        return Ok(match first >> 4 {
            4 => (Follows::Type(IPV4), data),
            6 => (Follows::Type(IPV6), data),
            // A pseudowire: a control word, then a frame (RFC 4448).
            0 => (Follows::Frame, data.get(4..).ok_or(Anomaly("decoder.mpls.pkt_too_small"))?),
            _ => {
                raise(anomalies, "decoder.mpls.unknown_payload_type");
                (Follows::Nothing, data)
            }
        });
    }
}

/// A session's header (RFC 2516) and the PPP protocol behind it.
fn pppoe_session(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    let (header, rest) = data.split_first_chunk::<6>().ok_or(Anomaly("decoder.pppoe.pkt_too_small"))?;
    let [kind, code, _, _, high, low] = *header;
    if kind != 0x11 || code != 0 {
        return Err(Anomaly("decoder.pppoe.wrong_code"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let session = rest.get(..length).unwrap_or(rest);
    Ok(match ppp::read(session) {
        Ok(follows) => follows,
        // Sessions are opened and kept by other protocols of PPP.
        Err(Anomaly("decoder.ppp.unsup_proto")) => (Follows::Nothing, session),
        Err(anomaly) => return Err(anomaly),
    })
}

fn pppoe_discovery<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Result<(Follows, &'a [u8]), Anomaly> {
    let (header, rest) = data.split_first_chunk::<6>().ok_or(Anomaly("decoder.pppoe.pkt_too_small"))?;
    let [_, code, _, _, high, low] = *header;
    if !DISCOVERY_CODES.contains(&code) {
        return Err(Anomaly("decoder.pppoe.wrong_code"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let mut tags = rest.get(..length).unwrap_or(rest);
    while let Some((&[_, _, high, low], rest)) = tags.split_first_chunk::<4>() {
        let Some(next) = rest.get(usize::from(u16::from_be_bytes([high, low]))..) else {
            raise(anomalies, "decoder.pppoe.malformed_tags");
            break;
        };
        tags = next;
    }
    Ok((Follows::Nothing, rest))
}

/// A network service header (RFC 8300). Its second kind of metadata has any length.
fn nsh<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Result<(Follows, &'a [u8]), Anomaly> {
    let &[first, second, kind, next] = data.first_chunk::<4>().ok_or(Anomaly("decoder.nsh.header_too_small"))?;
    if first >> 6 != 0 {
        return Err(Anomaly("decoder.nsh.unsupported_version"));
    }
    let words = usize::from(second & 0x3f);
    let rest = data.get(words * 4..).filter(|_| words >= 2).ok_or(Anomaly("decoder.nsh.bad_header_length"))?;
    match kind & 0x0f {
        0 => return Err(Anomaly("decoder.nsh.reserved_type")),
        1 if words != 6 => return Err(Anomaly("decoder.nsh.bad_header_length")),
        1 | 2 | 0x0f => {}
        _ => return Err(Anomaly("decoder.nsh.unsupported_type")),
    }
    Ok(match next {
        1 => (Follows::Type(IPV4), rest),
        2 => (Follows::Type(IPV6), rest),
        3 => (Follows::Frame, rest),
        4 => (Follows::Type(NSH), rest),
        5 => (Follows::Type(MPLS_UNICAST), rest),
        _ => {
            raise(anomalies, "decoder.nsh.unknown_payload");
            (Follows::Nothing, rest)
        }
    })
}

/// MPLS, to one receiver.
pub const MPLS_UNICAST: u16 = 0x8847;
/// MPLS, to several.
pub const MPLS_MULTICAST: u16 = 0x8848;
/// A session of PPPoE.
pub const PPPOE_SESSION: u16 = 0x8864;
/// A network service header.
pub const NSH: u16 = 0x894f;
const PPPOE_DISCOVERY: u16 = 0x8863;
const BACKBONE: u16 = 0x88e7;
const FABRIC_PATH: u16 = 0x8903;
const FABRIC_TAG: u16 = 0x8988;
const VN_TAG: u16 = 0x8926;
const E_TAG: u16 = 0x893f;
/// PADI, PADO, PADR, PADS, PADT.
const DISCOVERY_CODES: [u8; 5] = [0x09, 0x07, 0x19, 0x65, 0xa7];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_names_what_follows() {
        let mut session = [0x45; 30];
        session[..8].copy_from_slice(&[0x11, 0, 0, 1, 0, 22, 0, 0x21]);
        let mut tag = [0; 18];
        (tag[16], tag[17]) = (8, 0);
        for (ether_type, data, expected) in [
            (MPLS_UNICAST, &[0, 1, 0, 9, 0, 2, 1, 9, 0x45][..], Ok((Follows::Type(IPV4), &[0x45][..]))),
            (MPLS_UNICAST, &[0, 2, 1, 9, 0, 0, 0, 0, 7], Ok((Follows::Frame, &[7]))),
            (MPLS_UNICAST, &[0, 1, 0, 9], Err(Anomaly("decoder.mpls.header_too_small"))),
            (PPPOE_SESSION, &session, Ok((Follows::Type(IPV4), &session[8..28]))),
            (PPPOE_SESSION, &[0x11, 9, 0, 1, 0, 3], Err(Anomaly("decoder.pppoe.wrong_code"))),
            (E_TAG, &[0, 0, 0, 0, 0, 0, 0x86, 0xdd, 0x60], Ok((Follows::Type(IPV6), &[0x60]))),
            (VN_TAG, &[0, 0, 0, 0, 8, 0, 0x45], Ok((Follows::Type(IPV4), &[0x45]))),
            (BACKBONE, &tag, Ok((Follows::Type(IPV4), &[]))),
            (FABRIC_TAG, &[1, 1, 1, 1, 1, 1, 8, 0, 0x45], Ok((Follows::Type(IPV4), &[0x45]))),
            (LLC, &[6, 6, 3, 0x45], Ok((Follows::Type(IPV4), &[0x45]))),
            (NSH, &[0, 2, 2, 1, 0, 0, 0, 0, 0x45], Ok((Follows::Type(IPV4), &[0x45]))),
            (NSH, &[0, 2, 2, 9, 0, 0, 0, 0, 0x45], Ok((Follows::Nothing, &[0x45]))),
            (NSH, &[0, 2, 0, 1, 0, 0, 0, 0], Err(Anomaly("decoder.nsh.reserved_type"))),
            (NSH, &[0, 2, 3, 1, 0, 0, 0, 0], Err(Anomaly("decoder.nsh.unsupported_type"))),
            (NSH, &[0, 2, 1, 1, 0, 0, 0, 0], Err(Anomaly("decoder.nsh.bad_header_length"))),
            (NSH, &[0, 1, 2, 1], Err(Anomaly("decoder.nsh.bad_header_length"))),
        ] {
            assert_eq!(read(ether_type, data, &mut Anomalies::new()), expected, "{ether_type:x} {data:?}");
        }
    }
}
