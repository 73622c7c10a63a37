//! Generic routing encapsulation (RFC 2784, 2890, 2637) and what it carries, mirror sessions (ERSPAN) among it.

use super::ether_types::{ARP, IPV4, IPV6};
use super::tunnel::{BRIDGED, Begins, Carrier, Inner};
use super::{Anomalies, raise, tags, vlan};
use crate::protocol::Anomaly;

/// Reads the header and gives the packet behind it; nothing if what that is is not known.
pub fn read<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Result<Option<Inner<'a>>, Anomaly> {
    let short = Anomaly("decoder.gre.pkt_too_small");
    let &[flags, second, high, low] = data.first_chunk::<4>().ok_or(short)?;
    let protocol = u16::from_be_bytes([high, low]);
    let has = |bit: u8| flags & bit != 0;
    let mut length = 4;
    match second & 7 {
        0 => {
            if flags & 7 != 0 {
                return Err(Anomaly("decoder.gre.version0_recur"));
            }
            if second & 0xf8 != 0 {
                return Err(Anomaly("decoder.gre.version0_flags"));
            }
            // A checksum or a route bring both fields along; then a key, then a number.
            length += 4 * (usize::from(has(0x80) || has(0x40)) + usize::from(has(0x20)) + usize::from(has(0x10)));
            while has(0x40) {
                let entry = data.get(length..).and_then(|rest| rest.first_chunk::<4>()).ok_or(short)?;
                let [family, family_low, _, size] = *entry;
                length += 4 + usize::from(size);
                if family == 0 && family_low == 0 && size == 0 {
                    break;
                }
                if length > data.len() {
                    return Err(Anomaly("decoder.gre.version0_malformed_sre_hdr"));
                }
            }
            if length > data.len() {
                return Err(Anomaly("decoder.gre.version0_hdr_too_big"));
            }
        }
        1 => {
            for (wrong, name) in [
                (has(0x80), "decoder.gre.version1_chksum"),
                (has(0x40), "decoder.gre.version1_route"),
                (has(0x08), "decoder.gre.version1_ssr"),
                (flags & 7 != 0, "decoder.gre.version1_recur"),
                (second & 0x78 != 0, "decoder.gre.version1_flags"),
                (protocol != PPTP, "decoder.gre.version1_wrong_protocol"),
                (!has(0x20), "decoder.gre.version1_no_key"),
            ] {
                if wrong {
                    return Err(Anomaly(name));
                }
            }
            length += 4 * (1 + usize::from(has(0x10)) + usize::from(second & 0x80 != 0));
            if length > data.len() {
                return Err(Anomaly("decoder.gre.version1_hdr_too_big"));
            }
        }
        _ => return Err(Anomaly("decoder.gre.wrong_version")),
    }
    let rest = data.get(length..).unwrap_or(&[]);
    let inner = |carrier, begins, data| Ok(Some(Inner { carrier, begins, data }));
    match protocol {
        BRIDGED => inner(Carrier::Gre, Begins::Frame, rest),
        FRAME_RELAY => inner(Carrier::Gre, Begins::FrameRelay, rest),
        PPTP if !rest.is_empty() => inner(Carrier::Gre, Begins::Ppp, rest),
        // What a router gives to a cache has four octets of the second version of that protocol before it, or nothing.
        CACHE => {
            let skipped = if rest.first().is_some_and(|first| first >> 4 == 4) { 0 } else { 4 };
            inner(Carrier::Gre, Begins::Type(IPV4), rest.get(skipped..).ok_or(short)?)
        }
        // Without a number it is the first kind, which has no header of its own.
        ERSPAN if !has(0x10) => inner(Carrier::Erspan, Begins::Frame, rest),
        ERSPAN | ERSPAN_III => mirror(protocol, rest).map(Some),
        IPV4 | IPV6 | ARP => inner(Carrier::Gre, Begins::Type(protocol), rest),
        _ if tags::is_tag(protocol) || vlan::follows(protocol) => inner(Carrier::Gre, Begins::Type(protocol), rest),
        _ => {
            if protocol != PPTP && protocol != 0 {
                raise(anomalies, "decoder.gre.unknown_protocol");
            }
            Ok(None)
        }
    }
}

/// The header of a mirror session: its version tells the second kind from the third, whatever the type is that some write.
fn mirror(protocol: u16, data: &[u8]) -> Result<Inner<'_>, Anomaly> {
    let short = Anomaly("decoder.erspan.header_too_small");
    let header = data.first_chunk::<8>().ok_or(short)?;
    let (header, frame) = match (header[0] >> 4, protocol) {
        (1, ERSPAN) => (8, true),
        (2, _) => {
            let fixed = data.first_chunk::<12>().ok_or(short)?;
            // The type of the frame: an IP packet, or one of Ethernet.
            (if fixed[11] & 1 != 0 { 20 } else { 12 }, fixed[10] >> 2 & 0x1f != IP_PACKET)
        }
        _ => return Err(Anomaly("decoder.erspan.unsupported_version")),
    };
    Ok(Inner { carrier: Carrier::Erspan, begins: Begins::Mirror { header, frame }, data })
}

const PPTP: u16 = 0x880b;
const CACHE: u16 = 0x883e;
const FRAME_RELAY: u16 = 0x6559;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
/// Of the third kind of mirror sessions.
const IP_PACKET: u8 = 2;
