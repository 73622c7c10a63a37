//! IPv6 extension headers (RFC 8200; 4302 for authentication; 6275, 5533 and 7401 for those that are only skipped).
//!
//! Each header is at least eight octets and is looked at once, so that the work is bounded by the packet.

use super::ip_protocols::{ESP, ICMP, ICMP_V6, IGMP, SCTP, TCP, UDP};
use super::{Anomalies, Fragment, raise};
use crate::protocol::Anomaly;

/// Where the extension headers end.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The protocol that follows.
    pub protocol: u8,
    /// Identification of the fragment header.
    pub id: u32,
    /// Which piece of a datagram it is.
    pub fragment: Option<Fragment>,
    /// A routing header names further places to go to.
    pub detour: bool,
    /// What follows.
    pub payload: &'a [u8],
}

/// Reads the extension headers that begin with number `next`.
///
/// The anomaly is that of a header that is broken; the payload then begins with it.
#[inline]
pub fn read<'a>(next: u8, data: &'a [u8], anomalies: &mut Anomalies) -> (End<'a>, Option<Anomaly>) {
    let mut end = End { protocol: next, id: 0, fragment: None, detour: false, payload: data };
    let broken = match next {
        TCP | UDP | ICMP_V6 => None,
        _ => read_all(&mut end, anomalies).err(),
    };
    (end, broken)
}

fn read_all(end: &mut End<'_>, anomalies: &mut Anomalies) -> Result<(), Anomaly> {
    let mut seen = [0u8; DUPLICATES.len()];
    let all = end.payload.len();
    // What follows in a later piece of a datagram is the middle of it.
    while end.fragment.is_none_or(|fragment| fragment.offset == 0) {
        if let Some(index) = DUPLICATES.iter().position(|(kind, ..)| *kind == end.protocol)
            && let (Some(times), Some((_, limit, name))) = (seen.get_mut(index), DUPLICATES.get(index))
        {
            if *times >= *limit {
                raise(anomalies, name);
            } else {
                *times += 1;
            }
        }
        match end.protocol {
            HOP_BY_HOP | DESTINATION => {
                let (next, header, rest) = split(end.payload, 8, 1)?;
                check_options(end.protocol == HOP_BY_HOP, header, anomalies)?;
                (end.protocol, end.payload) = (next, rest);
            }
            ROUTING => {
                let (next, header, rest) = split(end.payload, 8, 1)?;
                if header.get(2) == Some(&0) {
                    raise(anomalies, "decoder.ipv6.rh_type_0");
                }
                // Mobile hosts, low-power networks and segment routing have types of their own, which their hosts take.
                end.detour |= matches!(header.get(2..4), Some(&[kind, left]) if left > 0 && !matches!(kind, 2..=4));
                (end.protocol, end.payload) = (next, rest);
            }
            FRAGMENT => read_fragment(end, anomalies)?,
            AUTHENTICATION => {
                let (next, header, rest) = split(end.payload, 4, 2)?;
                if header.get(2..4) != Some(&[0, 0]) {
                    raise(anomalies, "decoder.ipv6.exthdr_ah_res_not_null");
                }
                (end.protocol, end.payload) = (next, rest);
            }
            MOBILITY | HOST_IDENTITY | SHIM => {
                let (next, _, rest) = split(end.payload, 8, 1)?;
                (end.protocol, end.payload) = (next, rest);
            }
            NONE => {
                if !end.payload.is_empty() {
                    raise(anomalies, "decoder.ipv6.data_after_none_header");
                }
                return Ok(());
            }
            _ if end.payload.len() < all.min(SMALLEST) => return Err(Anomaly("decoder.ipv6.trunc_exthdr")),
            ICMP => {
                raise(anomalies, "decoder.ipv6.icmpv4");
                return Ok(());
            }
            protocol => {
                if !UPPER.contains(&protocol) {
                    raise(anomalies, "decoder.ipv6.unknown_next_header");
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Looks through authentication headers of IPv4 (RFC 4302), as far as they are whole.
pub fn authenticated(protocol: &mut u8, payload: &mut &[u8]) {
    while *protocol == AUTHENTICATION
        && let Ok((next, _, rest)) = split(payload, 4, 2)
    {
        (*protocol, *payload) = (next, rest);
    }
}

/// The length of a jumbogram, from its options for each hop on (RFC 2675 section 2).
pub fn jumbo_length(data: &[u8]) -> Option<u32> {
    let (_, header, _) = split(data, 8, 1).ok()?;
    let mut options = header.get(2..)?;
    loop {
        options = match *options {
            [0, ref rest @ ..] => rest,
            [JUMBO, 4, a, b, c, d, ..] => return Some(u32::from_be_bytes([a, b, c, d])),
            [_, length, ref rest @ ..] => rest.get(usize::from(length)..)?,
            _ => return None,
        };
    }
}

/// Splits off a header whose second octet counts units of `unit` octets, of which `uncounted` are not counted.
fn split(data: &[u8], unit: usize, uncounted: usize) -> Result<(u8, &[u8], &[u8]), Anomaly> {
    let &[next, len, ..] = data else { return Err(Anomaly("decoder.ipv6.trunc_exthdr")) };
    match data.split_at_checked((usize::from(len) + uncounted) * unit) {
        Some((header, rest)) => Ok((next, header, rest)),
        None => Err(Anomaly("decoder.ipv6.trunc_exthdr")),
    }
}

fn read_fragment(end: &mut End<'_>, anomalies: &mut Anomalies) -> Result<(), Anomaly> {
    let Some((&[next, reserved, o0, o1, i0, i1, i2, i3], rest)) = end.payload.split_first_chunk::<8>() else {
        return Err(Anomaly("decoder.ipv6.trunc_exthdr"));
    };
    let offset = u32::from(u16::from_be_bytes([o0, o1 & 0xf8]));
    let more = o1 & 1 != 0;
    if reserved != 0 {
        raise(anomalies, "decoder.ipv6.fh_non_zero_reserved_field");
    }
    // Only the last piece may have a length that is no multiple of eight.
    if more && !rest.len().is_multiple_of(8) {
        return Err(Anomaly("decoder.ipv6.frag_invalid_length"));
    }
    if offset == 0 && !more {
        raise(anomalies, "decoder.ipv6.exthdr_useless_fh");
    } else {
        end.fragment = Some(Fragment { offset, more });
    }
    end.id = u32::from_be_bytes([i0, i1, i2, i3]);
    (end.protocol, end.payload) = (next, rest);
    Ok(())
}

fn check_options(hop_by_hop: bool, header: &[u8], anomalies: &mut Anomalies) -> Result<(), Anomaly> {
    let mut rest = header.get(2..).unwrap_or(&[]);
    let (mut padding, mut others) = (false, false);
    while let &[kind, ref after @ ..] = rest {
        if kind == 0 {
            padding = true;
            rest = after;
            continue;
        }
        let Some((&len, after)) = after.split_first() else {
            return Err(Anomaly("decoder.ipv6.exthdr_invalid_optlen"));
        };
        let Some(after) = after.get(usize::from(len)..) else {
            return Err(Anomaly("decoder.ipv6.exthdr_invalid_optlen"));
        };
        match (kind, len) {
            (PAD_N, 0) => {
                padding = true;
                raise(anomalies, "decoder.ipv6.zero_len_padn");
            }
            (PAD_N, _) => padding = true,
            (ROUTER_ALERT, 2) | (JUMBO, 4) | (HOME_ADDRESS, 16) => others = true,
            (ROUTER_ALERT | JUMBO | HOME_ADDRESS, _) => {
                others = true;
                raise(anomalies, "decoder.ipv6.exthdr_invalid_optlen");
            }
            _ => {
                others = true;
                let name =
                    if hop_by_hop { "decoder.ipv6.hopopts_unknown_opt" } else { "decoder.ipv6.dstopts_unknown_opt" };
                raise(anomalies, name);
            }
        }
        rest = after;
    }
    if padding && !others {
        let name = if hop_by_hop { "decoder.ipv6.hopopts_only_padding" } else { "decoder.ipv6.dstopts_only_padding" };
        raise(anomalies, name);
    }
    Ok(())
}

/// Octets of the smallest thing that may follow an extension header.
const SMALLEST: usize = 2;
/// The number of the header with options for each hop.
pub const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
/// The number that says that nothing follows.
pub const NONE: u8 = 59;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM: u8 = 140;
/// What may follow the extension headers: known protocols, and IPv4, IPv6, GRE and others in tunnels.
const UPPER: [u8; 11] = [4, IGMP, TCP, UDP, 41, 47, ESP, ICMP_V6, 89, 103, SCTP];
/// How often a header may be there, and the anomaly if it is there more often. Destination options may be there for the
/// routers of a routing header and for the receiver.
const DUPLICATES: [(u8, u8, &str); 6] = [
    (HOP_BY_HOP, 1, "decoder.ipv6.exthdr_dupl_hh"),
    (ROUTING, 1, "decoder.ipv6.exthdr_dupl_rh"),
    (FRAGMENT, 1, "decoder.ipv6.exthdr_dupl_fh"),
    (AUTHENTICATION, 1, "decoder.ipv6.exthdr_dupl_ah"),
    (DESTINATION, 2, "decoder.ipv6.exthdr_dupl_dh"),
    (ESP, 1, "decoder.ipv6.exthdr_dupl_eh"),
];
const PAD_N: u8 = 1;
const ROUTER_ALERT: u8 = 5;
const JUMBO: u8 = 0xc2;
const HOME_ADDRESS: u8 = 0xc9;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(next: u8, data: &[u8]) -> (u8, usize, Vec<&'static str>, Option<&'static str>) {
        let mut anomalies = Anomalies::new();
        let (end, broken) = read(next, data, &mut anomalies);
        (end.protocol, end.payload.len(), anomalies.iter().map(|a| a.0).collect(), broken.map(|a| a.0))
    }

    #[test]
    fn extension_headers_are_looked_through() {
        let alert = [6, 0, 5, 2, 0, 0, 0, 0, 0xaa, 0xaa];
        assert_eq!(names(0, &alert), (6, 2, vec![], None));
        let routing_then_tcp = [6, 2, 2, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 0xaa, 0xaa];
        assert_eq!(names(43, &routing_then_tcp), (6, 2, vec![], None));
        let authentication = [17, 1, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0xaa, 0xaa];
        assert_eq!(names(51, &authentication), (17, 2, vec![], None));
    }

    #[test]
    fn odd_extension_headers_have_names() {
        let padding = |next| [next, 0, 1, 4, 0, 0, 0, 0];
        let routing = |kind| [6, 0, kind, 0, 0, 0, 0, 0];
        for (next, data, expected) in [
            (
                0,
                [padding(60), padding(6)].concat(),
                &["decoder.ipv6.hopopts_only_padding", "decoder.ipv6.dstopts_only_padding"][..],
            ),
            (
                60,
                [padding(60), padding(60), padding(6)].concat(),
                &[
                    "decoder.ipv6.dstopts_only_padding",
                    "decoder.ipv6.dstopts_only_padding",
                    "decoder.ipv6.exthdr_dupl_dh",
                    "decoder.ipv6.dstopts_only_padding",
                ],
            ),
            (43, routing(0).to_vec(), &["decoder.ipv6.rh_type_0"]),
            (60, vec![6, 0, 0x3e, 4, 0, 0, 0, 0], &["decoder.ipv6.dstopts_unknown_opt"]),
            (0, vec![6, 0, 1, 0, 5, 2, 0, 0], &["decoder.ipv6.zero_len_padn"]),
            (
                44,
                vec![6, 1, 0, 0, 0, 0, 0, 1],
                &["decoder.ipv6.fh_non_zero_reserved_field", "decoder.ipv6.exthdr_useless_fh"],
            ),
            (59, vec![], &["decoder.ipv6.data_after_none_header"]),
            (1, vec![], &["decoder.ipv6.icmpv4"]),
            (200, vec![], &["decoder.ipv6.unknown_next_header"]),
            (51, vec![6, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], &["decoder.ipv6.exthdr_ah_res_not_null"]),
        ] {
            let (_, _, found, broken) = names(next, &[&data[..], &[0xaa; 2]].concat());
            assert_eq!((&found[..], broken), (expected, None), "{next}: {data:?}");
        }
    }

    #[test]
    fn broken_extension_headers_have_names() {
        for (next, data, expected) in [
            (0, &[6][..], "decoder.ipv6.trunc_exthdr"),
            (43, &[6, 1, 0, 0, 0, 0, 0, 0], "decoder.ipv6.trunc_exthdr"),
            (44, &[6, 0, 0, 0, 0, 0, 0], "decoder.ipv6.trunc_exthdr"),
            (44, &[6, 0, 0, 1, 0, 0, 0, 0, 1], "decoder.ipv6.frag_invalid_length"),
            (44, &[6, 0, 0, 0, 0, 0, 0, 0, 1], "decoder.ipv6.trunc_exthdr"),
            (60, &[6, 0, 0x3e, 5, 0, 0, 0, 0], "decoder.ipv6.exthdr_invalid_optlen"),
        ] {
            assert_eq!(names(next, data).3, Some(expected), "{next}: {data:?}");
        }
    }

    #[test]
    fn a_routing_header_that_is_not_used_up_makes_a_detour() {
        for (kind, left, expected) in [(0, 1, true), (0, 0, false), (4, 3, false), (253, 1, true)] {
            let data = [6, 0, kind, left, 0, 0, 0, 0, 0xaa, 0xaa];
            let (end, _) = read(43, &data, &mut Anomalies::new());
            assert_eq!(end.detour, expected, "type {kind}, {left} left");
        }
    }

    #[test]
    fn authentication_headers_of_ipv4_are_looked_through() {
        let header = |next: u8| [next, 1, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
        for (data, expected) in [
            ([&header(6)[..], &[9]].concat(), (6, &[9][..])),
            ([&header(51)[..], &header(17), &[9]].concat(), (17, &[9])),
            (vec![6, 9, 0, 0], (51, &[6, 9, 0, 0])),
        ] {
            let (mut protocol, mut payload) = (51, &data[..]);
            authenticated(&mut protocol, &mut payload);
            assert_eq!((protocol, payload), expected);
        }
    }

    #[test]
    fn nothing_is_read_in_a_later_piece() {
        let mut anomalies = Anomalies::new();
        let (end, broken) = read(44, &[60, 0, 0, 8, 0, 0, 0, 9, 255, 255], &mut anomalies);
        assert_eq!((end.protocol, end.id, end.payload, broken), (60, 9, &[255, 255][..], None));
        assert_eq!(end.fragment, Some(Fragment { offset: 8, more: false }));
        assert!(anomalies.is_empty());
    }
}
