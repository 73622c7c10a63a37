//! Stream Control Transmission Protocol (RFC 9260): the common header, and the chunks behind it.
//!
//! Chunks are walked when somebody asks for them. What is not a whole chunk ends the walk: its receiver drops the rest as well.

use super::{Anomalies, Ip, raise};
use crate::protocol::Anomaly;

/// A packet.
#[derive(Clone, Copy, Debug)]
pub struct Sctp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Verification tag.
    pub tag: u32,
    /// The common header and all chunks.
    pub header: &'a [u8],
    chunks: &'a [u8],
}

/// A chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Type.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// What follows its four octets of type, flags and length, without padding.
    pub value: &'a [u8],
}

/// Reads what an IP packet carries. What follows is the data of the first chunk that has some; without one, the chunks.
pub fn read<'a>(ip: &Ip<'a>, anomalies: &mut Anomalies) -> Result<(Sctp<'a>, &'a [u8]), Anomaly> {
    let too_small = Anomaly("decoder.sctp.pkt_too_small");
    let Some((&[s0, s1, d0, d1, t0, t1, t2, t3, ..], chunks)) = ip.payload.split_first_chunk::<HEADER>() else {
        return Err(too_small);
    };
    let sctp = Sctp {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        tag: u32::from_be_bytes([t0, t1, t2, t3]),
        header: ip.payload,
        chunks,
    };
    if let Some(fault) = sctp.check(anomalies).filter(|_| ip.missing == 0) {
        raise(anomalies, fault);
    }
    Ok((sctp, sctp.user_data().next().unwrap_or(chunks)))
}

impl<'a> Sctp<'a> {
    /// A packet without chunks.
    pub fn without_chunks(source_port: u16, destination_port: u16) -> Self {
        Self { source_port, destination_port, tag: 0, header: &[], chunks: &[] }
    }

    /// Raises what is odd about its chunks, and gives the fault that ends them where they do not end with the packet.
    fn check(&self, anomalies: &mut Anomalies) -> Option<&'static str> {
        let mut rest = self.chunks;
        let (mut count, mut with_data, mut alone) = (0u32, 0u32, None);
        let fault = loop {
            if rest.is_empty() {
                break None;
            }
            let Some(&[kind, _, l0, l1]) = rest.first_chunk::<4>() else { break Some("decoder.sctp.chunk_too_small") };
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            if !(4..=rest.len()).contains(&length) {
                break Some("decoder.sctp.chunk_len_invalid");
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            count += 1;
            match kind {
                DATA | I_DATA => {
                    with_data += 1;
                    if self.tag == 0 && with_data == 1 {
                        raise(anomalies, "decoder.sctp.data_with_zero_vtag");
                    }
                }
                INIT if self.tag != 0 => raise(anomalies, "decoder.sctp.init_with_non_zero_vtag"),
                _ => {}
            }
            if matches!(kind, INIT | INIT_ACK | SHUTDOWN_COMPLETE) {
                alone = Some(kind);
            }
        };
        // These have a packet of their own (RFC 9260, 6.10).
        if alone.is_some() && count > 1 {
            raise(anomalies, "decoder.sctp.init_chunk_bundled");
        }
        if count > CHUNK_LIMIT {
            raise(anomalies, "decoder.sctp.too_many_chunks");
        }
        if with_data > DATA_CHUNK_LIMIT {
            raise(anomalies, "decoder.sctp.too_many_data_chunks");
        }
        fault
    }

    /// Its chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut rest = self.chunks;
        std::iter::from_fn(move || {
            let &[kind, flags, l0, l1] = rest.first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let value = rest.get(4..length)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            Some(Chunk { kind, flags, value })
        })
    }

    /// What its users sent: the payloads of its data chunks.
    pub fn user_data(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.chunks().filter_map(|chunk| match chunk.kind {
            DATA => chunk.value.get(12..),
            I_DATA => chunk.value.get(16..),
            _ => None,
        })
    }
}

impl Chunk<'_> {
    /// The name of its type, where it has one.
    pub fn name(&self) -> Option<&'static str> {
        CHUNK_NAMES.iter().find(|(_, kind)| *kind == self.kind).map(|(name, _)| *name)
    }
}

/// Types of chunks by their names (RFC 9260, 3.2, and its extensions).
pub const CHUNK_NAMES: &[(&str, u8)] = &[
    ("DATA", DATA),
    ("INIT", INIT),
    ("INIT_ACK", INIT_ACK),
    ("SACK", 3),
    ("HEARTBEAT", 4),
    ("HEARTBEAT_ACK", 5),
    ("ABORT", 6),
    ("SHUTDOWN", 7),
    ("SHUTDOWN_ACK", 8),
    ("ERROR", 9),
    ("COOKIE_ECHO", 10),
    ("COOKIE_ACK", 11),
    ("ECNE", 12),
    ("CWR", 13),
    ("SHUTDOWN_COMPLETE", SHUTDOWN_COMPLETE),
    ("AUTH", 15),
    ("I_DATA", I_DATA),
    ("ASCONF_ACK", 128),
    ("RE_CONFIG", 130),
    ("PAD", 132),
    ("FORWARD_TSN", 192),
    ("ASCONF", 193),
    ("I_FORWARD_TSN", 194),
];

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SHUTDOWN_COMPLETE: u8 = 14;
const I_DATA: u8 = 64;
/// Octets of the common header.
const HEADER: usize = 12;
/// Chunks, and those of them with data, that a packet has without being odd.
const CHUNK_LIMIT: u32 = 32;
const DATA_CHUNK_LIMIT: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[u8]) -> Sctp<'_> {
        Sctp { source_port: 1, destination_port: 2, tag: 3, header: &[], chunks }
    }

    #[test]
    fn chunks_are_walked_over_their_padding() {
        let data = [0, 3, 0, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, b'x', 0, 0, 0, 10, 0, 0, 4];
        let sctp = packet(&data);
        assert_eq!(sctp.chunks().filter_map(|c| c.name()).collect::<Vec<_>>(), ["DATA", "COOKIE_ECHO"]);
        assert_eq!(sctp.user_data().collect::<Vec<_>>(), [b"x"]);
    }

    #[test]
    fn odd_packets_have_names() {
        let many = |kind: u8, count: usize| [kind, 0, 0, 4].repeat(count);
        for (tag, chunks, names) in [
            (9, many(10, 1), &[][..]),
            (0, many(1, 1), &[]),
            (9, many(1, 1), &["decoder.sctp.init_with_non_zero_vtag"]),
            (0, [many(1, 1), many(10, 1)].concat(), &["decoder.sctp.init_chunk_bundled"]),
            (9, [many(10, 1), many(2, 1)].concat(), &["decoder.sctp.init_chunk_bundled"]),
            (0, many(0, 2), &["decoder.sctp.data_with_zero_vtag"]),
            (9, many(3, 33), &["decoder.sctp.too_many_chunks"]),
            (9, many(0, 17), &["decoder.sctp.too_many_data_chunks"]),
            (9, vec![10, 0, 0, 4, 1, 2], &["decoder.sctp.chunk_too_small"]),
            (9, vec![10, 0, 0, 3, 1, 2, 3, 4], &["decoder.sctp.chunk_len_invalid"]),
            (9, vec![10, 0, 0, 9, 1, 2, 3, 4], &["decoder.sctp.chunk_len_invalid"]),
        ] {
            let mut anomalies = Anomalies::new();
            let fault = Sctp { tag, ..packet(&chunks) }.check(&mut anomalies);
            assert_eq!(anomalies.iter().map(|a| a.0).chain(fault).collect::<Vec<_>>(), names, "{chunks:?}");
        }
    }

    #[test]
    fn what_is_no_chunk_ends_the_walk() {
        for broken in [&[1, 0, 0][..], &[1, 0, 0, 3], &[1, 0, 0, 0, 1, 0, 0, 4], &[1, 0, 0, 9, 0, 0, 0, 0]] {
            assert_eq!(packet(broken).chunks().count(), 0, "{broken:?}");
        }
    }
}
