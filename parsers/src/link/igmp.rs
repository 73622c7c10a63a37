//! Group management (RFC 1112, 2236, 3376) and Cisco's router-port group management (RFC 3488), which shares its number.

use std::net::{IpAddr, Ipv4Addr};

use super::Ip;
use crate::protocol::Anomaly;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Igmp {
    /// Type.
    pub kind: u8,
    /// Version of the protocol; `None` for router-port group management.
    pub version: Option<u8>,
}

/// Reads the header of a message and gives what follows it.
pub fn read<'a>(ip: &Ip<'a>) -> Result<(Igmp, &'a [u8]), Anomaly> {
    let Some((&[kind, code, _, _, _, _, n0, n1], rest)) = ip.payload.split_first_chunk::<8>() else {
        return Err(Anomaly("decoder.igmp.pkt_too_small"));
    };
    if ip.destination == IpAddr::V4(ALL_RGMP) && kind >= RGMP_LEAVE {
        return Ok((Igmp { kind, version: None }, rest));
    }
    let version = match kind {
        QUERY if !rest.is_empty() => {
            if rest.len() < 4 {
                return Err(Anomaly("decoder.igmp.v3_pkt_too_small"));
            }
            if let Some(&[_, _, s0, s1]) = rest.first_chunk::<4>()
                && rest.len() < 4 + 4 * usize::from(u16::from_be_bytes([s0, s1]))
            {
                return Err(Anomaly("decoder.igmp.malformed"));
            }
            3
        }
        QUERY if code == 0 => 1,
        REPORT_V1 => 1,
        REPORT_V3 => {
            let mut records = rest;
            for _ in 0..u16::from_be_bytes([n0, n1]) {
                let Some(&[_, auxiliary, s0, s1]) = records.first_chunk::<4>() else {
                    return Err(Anomaly("decoder.igmp.malformed"));
                };
                let len = 8 + 4 * (usize::from(u16::from_be_bytes([s0, s1])) + usize::from(auxiliary));
                records = records.get(len..).ok_or(Anomaly("decoder.igmp.malformed"))?;
            }
            3
        }
        _ => 2,
    };
    Ok((Igmp { kind, version: Some(version) }, rest))
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

    fn igmp(to: [u8; 4], payload: &[u8]) -> Result<Igmp, &'static str> {
        let mut data = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, 1];
        data.extend(to);
        data.extend(payload);
        data[3] = u8::try_from(data.len()).unwrap();
        let ip = ipv4::read(&data, false, &mut Anomalies::new()).unwrap();
        read(&ip).map(|(igmp, _)| igmp).map_err(|anomaly| anomaly.0)
    }

    #[test]
    fn versions_are_told_apart() {
        let all = [224, 0, 0, 1];
        let version = |payload: &[u8]| igmp(all, payload).unwrap().version;
        assert_eq!(version(&[0x11, 0, 0, 0, 0, 0, 0, 0]), Some(1));
        assert_eq!(version(&[0x11, 100, 0, 0, 0, 0, 0, 0]), Some(2));
        assert_eq!(version(&[0x11, 100, 0, 0, 0, 0, 0, 0, 2, 60, 0, 1, 10, 0, 0, 9]), Some(3));
        assert_eq!(version(&[0x12, 0, 0, 0, 224, 1, 1, 1]), Some(1));
        assert_eq!(version(&[0x16, 0, 0, 0, 224, 1, 1, 1]), Some(2));
        assert_eq!(version(&[0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 224, 1, 1, 1]), Some(3));
        assert_eq!(igmp([224, 0, 0, 25], &[0xff, 0, 0, 0, 0, 0, 0, 0]), Ok(Igmp { kind: 0xff, version: None }));
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
