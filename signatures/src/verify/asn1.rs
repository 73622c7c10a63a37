//! `asn1`: elements in the Basic Encoding Rules (X.690) that break the programs that read them.
//!
//! The contents of a constructed element begin right behind its header, so that the walk needs no stack: it steps over the
//! contents of primitive elements and into those of constructed ones. It ends with the bytes, at what is no header, or at the
//! limit of elements.

use crate::rule::item::{Asn1Start, Asn1Test};

/// Whether what is looked for was found; `None` where the limit of elements ended the walk before.
pub(super) fn holds(test: &Asn1Test, data: &[u8], cursor: usize) -> Option<bool> {
    let start = match test.start {
        Asn1Start::Absolute(offset) => usize::try_from(offset).ok(),
        Asn1Start::Relative(offset) => {
            isize::try_from(offset).ok().and_then(|offset| cursor.checked_add_signed(offset))
        }
    };
    let mut rest = start.and_then(|start| data.get(start..)).unwrap_or(&[]);
    for _ in 0..test.element_limit {
        let Some((element, behind)) = Element::read(rest) else { return Some(false) };
        if element.is_found(test, behind) {
            return Some(true);
        }
        let step = if element.constructed { 0 } else { element.length.unwrap_or(0) };
        match usize::try_from(step).ok().and_then(|step| behind.get(step..)) {
            Some(next) => rest = next,
            None => return Some(false),
        }
    }
    if rest.is_empty() { Some(false) } else { None }
}

/// The header of an element.
struct Element {
    /// Its tag, where that is one of the universal class.
    universal: Option<u8>,
    constructed: bool,
    /// Bytes of its contents; `None` for those that end with a mark.
    length: Option<u64>,
}

impl Element {
    fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&identifier, mut rest) = data.split_first()?;
        let mut tag = Some(identifier & 0x1f);
        if tag == Some(0x1f) {
            // A tag of several octets, the last of which has no high bit.
            let octets = rest.iter().take(LONG_TAG_OCTETS).position(|octet| octet & 0x80 == 0)? + 1;
            rest = rest.get(octets..)?;
            tag = None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0x80 => None,
            short @ 0..0x80 => Some(short.into()),
            long => {
                let (octets, behind) = rest.split_at_checked(usize::from(long & 0x7f))?;
                rest = behind;
                // A length that no number can hold is as good as the largest.
                let shifted =
                    |sum: u64, octet: &u8| sum.checked_mul(256).map_or(u64::MAX, |sum| sum | u64::from(*octet));
                Some(octets.iter().fold(0, shifted))
            }
        };
        let (universal, constructed) = (tag.filter(|_| identifier & 0xc0 == 0), identifier & 0x20 != 0);
        Some((Self { universal, constructed, length }, rest))
    }

    fn is_found(&self, test: &Asn1Test, contents: &[u8]) -> bool {
        let length = self.length.unwrap_or(0);
        if test.oversize_length.is_some_and(|most| length > most) {
            return true;
        }
        let Some(&first) = contents.first().filter(|_| length > 0 && !self.constructed) else { return false };
        match self.universal {
            // The first octet says how many bits of the last one do not count.
            Some(BIT_STRING) => {
                test.bitstring_overflow && u64::from(first) > length.saturating_sub(1).saturating_mul(8)
            }
            // The high bits of the first octet say how the number is written: none is set in decimal form.
            Some(REAL) => test.double_overflow && first & 0xc0 == 0 && length > DOUBLE_BYTES,
            _ => false,
        }
    }
}

const BIT_STRING: u8 = 3;
const REAL: u8 = 9;
/// Bytes that readers have for the text of a real number.
const DOUBLE_BYTES: u64 = 256;
/// Octets of a tag behind the first one.
const LONG_TAG_OCTETS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Asn1Test = Asn1Test {
        bitstring_overflow: false,
        double_overflow: false,
        oversize_length: None,
        start: Asn1Start::Absolute(0),
        element_limit: 8,
    };

    #[test]
    fn what_is_odd_is_found_wherever_it_stands() {
        let bits = Asn1Test { bitstring_overflow: true, ..NOTHING };
        let double = Asn1Test { double_overflow: true, ..NOTHING };
        let long = |most| Asn1Test { oversize_length: Some(most), ..NOTHING };
        let mut real = vec![0x09, 0x82, 0x01, 0x01, 0x03];
        real.extend([b'1'; 256]);
        let table: &[(Asn1Test, &[u8], Option<bool>)] = &[
            (bits, &[3, 2, 7, 0xff], Some(false)),
            (bits, &[3, 2, 9, 0xff], Some(true)),
            (bits, &[0x30, 0x80, 0x02, 1, 5, 3, 1, 1], Some(true)),
            (bits, &[0x83, 2, 9, 0xff], Some(false)),
            (double, &real, Some(true)),
            (double, &[0x09, 3, 3, b'1', b'.'], Some(false)),
            (long(500), &[0x30, 0x82, 0x02, 0x00], Some(true)),
            (long(512), &[0x30, 0x82, 0x02, 0x00], Some(false)),
            (long(500), &[0x1f, 0x85, 0x01, 0x89, 9, 9, 9, 9, 9, 9, 9, 9, 9], Some(true)),
            (long(500), &[0x30], Some(false)),
            (long(500), &[0x05, 0, 0x05, 0, 0x05, 0, 0x05, 0, 0x05, 0, 0x05, 0, 0x05, 0, 0x05, 0, 0x05, 0], None),
            (Asn1Test { start: Asn1Start::Absolute(1), ..bits }, &[0, 3, 1, 1], Some(true)),
            (Asn1Test { start: Asn1Start::Relative(-1), ..bits }, &[0, 3, 1, 1], Some(true)),
            (Asn1Test { start: Asn1Start::Relative(-9), ..bits }, &[0, 3, 1, 1], Some(false)),
        ];
        for (test, data, found) in table {
            assert_eq!(holds(test, data, 2), *found, "{test:?} {data:?}");
        }
    }
}
