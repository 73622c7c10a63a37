//! The header of address resolution (RFC 826) for IPv4 over Ethernet, which is all that there is of a message.

use std::net::Ipv4Addr;

use super::Anomalies;
use super::raise;
use crate::protocol::Anomaly;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// What is asked or answered.
    pub operation: u16,
    /// Who sends it: link address and IP address.
    pub sender: ([u8; 6], Ipv4Addr),
    /// Whom it is about.
    pub target: ([u8; 6], Ipv4Addr),
}

/// Reads a message; one for other networks, or a broken one, is an anomaly.
pub fn read(data: &[u8], anomalies: &mut Anomalies) -> Result<Arp, Anomaly> {
    let Some((&[h0, h1, p0, p1, hardware_len, protocol_len, o0, o1], rest)) = data.split_first_chunk::<8>() else {
        return Err(Anomaly("decoder.arp.pkt_too_small"));
    };
    if u16::from_be_bytes([h0, h1]) != ETHERNET {
        return Err(Anomaly("decoder.arp.unsupported_hardware"));
    }
    if u16::from_be_bytes([p0, p1]) != IPV4 {
        return Err(Anomaly("decoder.arp.unsupported_protocol"));
    }
    if hardware_len != 6 {
        return Err(Anomaly("decoder.arp.invalid_hardware_size"));
    }
    if protocol_len != 4 {
        return Err(Anomaly("decoder.arp.invalid_protocol_size"));
    }
    let Some((&[s0, s1, s2, s3, s4, s5, a0, a1, a2, a3], rest)) = rest.split_first_chunk::<10>() else {
        return Err(Anomaly("decoder.arp.pkt_too_small"));
    };
    let Some(&[t0, t1, t2, t3, t4, t5, b0, b1, b2, b3]) = rest.first_chunk::<10>() else {
        return Err(Anomaly("decoder.arp.pkt_too_small"));
    };
    let operation = u16::from_be_bytes([o0, o1]);
    if !matches!(operation, 1..=4 | 8..=10) {
        raise(anomalies, "decoder.arp.unsupported_opcode");
    }
    Ok(Arp {
        operation,
        sender: ([s0, s1, s2, s3, s4, s5], Ipv4Addr::new(a0, a1, a2, a3)),
        target: ([t0, t1, t2, t3, t4, t5], Ipv4Addr::new(b0, b1, b2, b3)),
    })
}

const ETHERNET: u16 = 1;
const IPV4: u16 = 0x0800;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut data = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
        change(&mut data);
        data
    }

    #[test]
    fn a_question_is_read() {
        let mut anomalies = Anomalies::new();
        let arp = read(&message(|_| ()), &mut anomalies).unwrap();
        assert_eq!((arp.operation, arp.sender.0), (1, [2, 0, 0, 0, 0, 1]));
        assert_eq!((arp.sender.1.to_string(), arp.target.1.to_string()), ("10.0.0.1".into(), "10.0.0.2".into()));
        assert!(anomalies.is_empty());
        read(&message(|data| data[7] = 77), &mut anomalies).unwrap();
        assert_eq!(anomalies[0].0, "decoder.arp.unsupported_opcode");
    }

    #[test]
    fn what_is_no_question_about_ipv4_on_ethernet_has_a_name() {
        let name = |change: fn(&mut Vec<u8>)| read(&message(change), &mut Anomalies::new()).unwrap_err().0;
        assert_eq!(name(|data| data.truncate(27)), "decoder.arp.pkt_too_small");
        assert_eq!(name(|data| data.truncate(7)), "decoder.arp.pkt_too_small");
        assert_eq!(name(|data| data[1] = 6), "decoder.arp.unsupported_hardware");
        assert_eq!(name(|data| data[2] = 9), "decoder.arp.unsupported_protocol");
        assert_eq!(name(|data| data[4] = 8), "decoder.arp.invalid_hardware_size");
        assert_eq!(name(|data| data[5] = 16), "decoder.arp.invalid_protocol_size");
    }
}
