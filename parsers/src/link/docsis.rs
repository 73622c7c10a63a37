//! Frames of cable modems (DOCSIS, ANSI/SCTE 135-1 and CM-SP-MULPI, "MAC frame formats"): those that carry Ethernet frames.

use super::tags::Follows;
use super::{Aggregate, Beside};
use crate::protocol::Anomaly;

/// Reads the header of a frame, and gives what it carries and the further frames of a concatenation.
pub fn read(data: &[u8]) -> Result<(Follows, &[u8], Option<Beside<'_>>), Anomaly> {
    let short = Anomaly("decoder.docsis.pkt_too_small");
    let (header, body) = split_header(data).ok_or(short)?;
    match header.first().copied().unwrap_or(0) {
        CONCATENATION => {
            let (first, rest) = split(body).ok_or(short)?;
            let beside = (!rest.is_empty()).then_some(Beside { kind: Aggregate::Cable, data: rest });
            // Concatenations are not nested.
            let (follows, carried) = alone(first)?;
            Ok((follows, carried, beside))
        }
        _ => alone(data).map(|(follows, carried)| (follows, carried, None)),
    }
}

/// Reads the header of a frame that is no concatenation.
pub fn alone(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    let (header, body) = split_header(data).ok_or(Anomaly("decoder.docsis.pkt_too_small"))?;
    let control = header.first().copied().unwrap_or(0);
    let carries = matches!(control >> 6, PACKET | ISOLATED) && control & PARAMETER == 0;
    Ok((if carries { Follows::Frame } else { Follows::Nothing }, body))
}

/// Splits the first frame of a concatenation off.
pub fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[control, _, high, low] = data.first_chunk::<4>()?;
    // The length of a concatenation or a packet counts all but the six octets that every header has.
    let length = HEADER + usize::from(u16::from_be_bytes([high, low]));
    let first = data.get(..length).unwrap_or(data);
    let rest = data.get(length..).unwrap_or(&[]);
    (control != CONCATENATION).then_some((first, rest))
}

/// Control, a parameter, a length, an extension of as many octets as the parameter says where there is one, and a check sequence.
fn split_header(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[control, parameter, ..] = data.first_chunk::<4>()?;
    let extension = if control & EXTENDED != 0 { usize::from(parameter) } else { 0 };
    data.split_at_checked(HEADER + extension)
}

const HEADER: usize = 6;
/// Types of frames.
const PACKET: u8 = 0;
const ISOLATED: u8 = 2;
const PARAMETER: u8 = 0x3e;
const EXTENDED: u8 = 1;
const CONCATENATION: u8 = 0xf8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_carry_ethernet_and_some_several() {
        assert_eq!(read(&[0, 0, 0, 5, 1, 1, 9]), Ok((Follows::Frame, &[9][..], None)));
        assert_eq!(read(&[0x81, 2, 0, 5, 7, 7, 1, 1, 9]), Ok((Follows::Frame, &[9][..], None)));
        assert_eq!(read(&[0xc2, 0, 0, 5, 1, 1, 9]), Ok((Follows::Nothing, &[9][..], None)));
        let two = [&[0xf8, 2, 0, 14, 1, 1][..], &[0, 0, 0, 1, 1, 1, 8], &[0, 0, 0, 1, 1, 1, 9]].concat();
        let (follows, first, beside) = read(&two).unwrap();
        assert_eq!((follows, first), (Follows::Frame, &[8][..]));
        assert_eq!(beside.unwrap().packets().collect::<Vec<_>>(), [&[0, 0, 0, 1, 1, 1, 9]]);
        assert!(read(&[0, 0, 0, 5, 1]).is_err() && read(&[0xf8, 2, 0, 0, 1, 1]).is_err());
    }
}
