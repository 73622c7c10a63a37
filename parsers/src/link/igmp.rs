//! Group management (RFC 1112, 2236, 3376) and Cisco's router-port group management (RFC 3488), which shares its number.

use std::net::{IpAddr, Ipv4Addr};

use super::Ip;
use crate::protocol::Anomaly;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Igmp<'a> {
    /// Type.
    pub kind: u8,
    /// Version of the protocol; `None` for router-port group management.
    pub version: Option<u8>,
    /// The header: of version 3 with the sources of a query, or the records of a report.
    pub header: &'a [u8],
}

/// Reads the header of a message and gives what follows it.
pub fn read<'a>(ip: &Ip<'a>) -> Result<(Igmp<'a>, &'a [u8]), Anomaly> {
    let Some((&[kind, code, _, _, _, _, n0, n1], rest)) = ip.payload.split_first_chunk::<8>() else {
        return Err(Anomaly("decoder.igmp.pkt_too_small"));
    };
    let message = |version, length: usize| {
        let (header, payload) = ip.payload.split_at_checked(length).unwrap_or((ip.payload, &[]));
        Ok((Igmp { kind, version, header }, payload))
    };
    if ip.destination == IpAddr::V4(ALL_RGMP) && kind >= RGMP_LEAVE {
        return message(None, 8);
    }
    match kind {
        QUERY if !rest.is_empty() => {
            if rest.len() < 4 {
                return Err(Anomaly("decoder.igmp.v3_pkt_too_small"));
            }
            let &[_, _, s0, s1] = rest.first_chunk::<4>().unwrap_or(&[0; 4]);
            let sources = 4 * usize::from(u16::from_be_bytes([s0, s1]));
            if rest.len() < 4 + sources && ip.missing == 0 {
                return Err(Anomaly("decoder.igmp.malformed"));
            }
            message(Some(3), 12 + sources)
        }
        QUERY if code == 0 => message(Some(1), 8),
        REPORT_V1 => message(Some(1), 8),
        REPORT_V3 => {
            let mut records = rest;
            for _ in 0..u16::from_be_bytes([n0, n1]) {
                let Some(behind) = behind_record(records) else {
                    if ip.missing > 0 {
                        return message(Some(3), ip.payload.len());
                    }
                    return Err(Anomaly("decoder.igmp.malformed"));
                };
                records = behind;
            }
            message(Some(3), ip.payload.len() - records.len())
        }
        _ => message(Some(2), 8),
    }
}

/// What follows a record of a group: its sources and auxiliary data are counted.
fn behind_record(records: &[u8]) -> Option<&[u8]> {
    let &[_, auxiliary, s0, s1] = records.first_chunk::<4>()?;
    records.get(8 + 4 * (usize::from(u16::from_be_bytes([s0, s1])) + usize::from(auxiliary))..)
}

const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V3: u8 = 0x22;
/// The lowest type of router-port group management: leave, join, bye and hello follow one another.
const RGMP_LEAVE: u8 = 0xfc;
const ALL_RGMP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 25);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Anomalies, ipv4};

    /// Its version, and the octets of its header and behind it.
    fn igmp(to: [u8; 4], payload: &[u8]) -> Result<(Option<u8>, usize, usize), &'static str> {
        let mut data = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, 1];
        data.extend(to);
        data.extend(payload);
        data[3] = u8::try_from(data.len()).unwrap();
        let ip = ipv4::read(&data, false, 0, &mut Anomalies::new()).unwrap();
        let read = read(&ip).map_err(|anomaly| anomaly.0);
        read.map(|(igmp, rest)| (igmp.version, igmp.header.len(), rest.len()))
    }

    #[test]
    fn versions_are_told_apart() {
        let all = [224, 0, 0, 1];
        for (payload, expected) in [
            (&[0x11, 0, 0, 0, 0, 0, 0, 0][..], (Some(1), 8, 0)),
            (&[0x11, 100, 0, 0, 0, 0, 0, 0], (Some(2), 8, 0)),
            (&[0x11, 100, 0, 0, 0, 0, 0, 0, 2, 60, 0, 1, 10, 0, 0, 9, 7], (Some(3), 16, 1)),
            (&[0x12, 0, 0, 0, 224, 1, 1, 1], (Some(1), 8, 0)),
            (&[0x16, 0, 0, 0, 224, 1, 1, 1, 7, 7], (Some(2), 8, 2)),
            (
                &[
                    0x22, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 224, 1, 1, 1, 4, 1, 0, 1, 224, 1, 1, 2, 10, 0, 0, 1, 0, 0,
                    0, 0, 7,
                ],
                (Some(3), 32, 1),
            ),
        ] {
            assert_eq!(igmp(all, payload), Ok(expected), "{payload:?}");
        }
        assert_eq!(igmp([224, 0, 0, 25], &[0xff, 0, 0, 0, 0, 0, 0, 0]), Ok((None, 8, 0)));
    }

    #[test]
    fn broken_messages_have_names() {
        let all = [224, 0, 0, 1];
        assert_eq!(igmp(all, &[0x11; 7]), Err("decoder.igmp.pkt_too_small"));
        assert_eq!(igmp(all, &[0x11, 0, 0, 0, 0, 0, 0, 0, 1]), Err("decoder.igmp.v3_pkt_too_small"));
        assert_eq!(igmp(all, &[0x11, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1]), Err("decoder.igmp.malformed"));
        assert_eq!(igmp(all, &[0x22, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 1, 1, 1, 1]), Err("decoder.igmp.malformed"));
    }
}
