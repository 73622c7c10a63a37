//! The link layer (IEEE 1815 clause 9): frames with a check over the header and over each sixteen octets of data.

/// A frame's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Control octet: direction 128, primary 64, frame count bit 32 and its validity 16, function in the lowest four bits.
    pub control: u8,
    /// Whom it is for.
    pub destination: u16,
    /// Who sent it.
    pub source: u16,
    /// Octets of data without their checks.
    pub data_len: usize,
}

/// What the octets at the begin of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// More are needed.
    Short,
    /// No frame.
    Wrong(&'static str),
    /// A frame.
    Header(Header),
}

impl Header {
    /// Reads the header of the frame that begins here.
    pub(super) fn read(data: &[u8]) -> Begin {
        if data.iter().zip(START).any(|(octet, start)| *octet != start) {
            return Begin::Wrong("dnp3.malformed");
        }
        let Some(&[_, _, len, control, d0, d1, s0, s1, c0, c1]) = data.first_chunk::<HEADER_LEN>() else {
            return Begin::Short;
        };
        if usize::from(len) < COUNTED {
            return Begin::Wrong("dnp3.len_too_small");
        }
        if checksum(data.get(..8).unwrap_or(&[])) != u16::from_le_bytes([c0, c1]) {
            return Begin::Wrong("dnp3.bad_link_crc");
        }
        Begin::Header(Self {
            control,
            destination: u16::from_le_bytes([d0, d1]),
            source: u16::from_le_bytes([s0, s1]),
            data_len: usize::from(len) - COUNTED,
        })
    }

    /// Octets of the whole frame.
    pub(super) fn frame_len(&self) -> usize {
        HEADER_LEN + self.data_len + CHECK_LEN * self.data_len.div_ceil(BLOCK_LEN)
    }
}

/// Appends the data of a frame without the checks; whether those are right.
pub(super) fn data(frame: &[u8], out: &mut Vec<u8>) -> bool {
    let mut right = true;
    for block in frame.get(HEADER_LEN..).unwrap_or(&[]).chunks(BLOCK_LEN + CHECK_LEN) {
        let Some((octets, &[c0, c1])) = block.split_last_chunk::<CHECK_LEN>() else { return false };
        right &= checksum(octets) == u16::from_le_bytes([c0, c1]);
        out.extend_from_slice(octets);
    }
    right
}

/// The check: a CRC of 16 bits with the reversed polynomial A6BC, inverted.
fn checksum(data: &[u8]) -> u16 {
    let mut sum = 0_u16;
    for octet in data {
        sum ^= u16::from(*octet);
        for _ in 0..8 {
            sum = if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ POLYNOMIAL };
        }
    }
    !sum
}

const POLYNOMIAL: u16 = 0xa6bc;
pub(super) const START: [u8; 2] = [0x05, 0x64];
/// Octets of a header with its check.
pub(super) const HEADER_LEN: usize = 10;
/// Octets of the header that its length counts.
const COUNTED: usize = 5;
const BLOCK_LEN: usize = 16;
const CHECK_LEN: usize = 2;

/// A frame around data, for tests.
#[cfg(test)]
pub(super) fn build(control: u8, destination: u16, source: u16, content: &[u8]) -> Vec<u8> {
    let mut out = vec![START[0], START[1], u8::try_from(content.len() + COUNTED).unwrap(), control];
    out.extend(destination.to_le_bytes());
    out.extend(source.to_le_bytes());
    out.extend(checksum(&out).to_le_bytes());
    for block in content.chunks(BLOCK_LEN) {
        out.extend(block);
        out.extend(checksum(block).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_and_its_checks_are_verified() {
        // A reset of a link, as the standard shows it.
        let known = [0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x0c, 0x00];
        assert_eq!(build(0xc0, 1, 12, &[])[..8], known);
        let content: Vec<u8> = (0..40).collect();
        let mut frame = build(0xc4, 1, 1024, &content);
        let Begin::Header(header) = Header::read(&frame) else { panic!("no header") };
        assert_eq!((header.destination, header.source, header.frame_len()), (1, 1024, frame.len()));
        let mut out = Vec::new();
        assert!(data(&frame, &mut out));
        assert_eq!(out, content);
        frame[15] ^= 1;
        assert!(!data(&frame, &mut Vec::new()));
        frame[4] ^= 1;
        assert_eq!(Header::read(&frame), Begin::Wrong("dnp3.bad_link_crc"));
        assert_eq!(Header::read(&frame[..5]), Begin::Short);
        assert_eq!(Header::read(b"GE"), Begin::Wrong("dnp3.malformed"));
    }
}
