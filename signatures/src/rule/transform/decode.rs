//! Transforms that decode: exclusive or, base64, gzip and zlib, parts.

use std::io::Read;

/// Exclusive or with a key, from an offset on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xor {
    /// The first byte that is changed.
    pub offset: usize,
    /// The key.
    pub key: XorKey,
}

/// The key of an exclusive or.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XorKey {
    /// Given; not empty.
    Given(Vec<u8>),
    /// Bytes of the buffer.
    Extracted {
        /// How many, at least one.
        bytes: usize,
        /// Where they begin.
        offset: usize,
    },
}

impl Xor {
    pub(super) fn apply(&self, input: &[u8], output: &mut Vec<u8>) {
        let key = match &self.key {
            XorKey::Given(key) => key.as_slice(),
            XorKey::Extracted { bytes, offset } => {
                input.get(*offset..).and_then(|rest| rest.get(..*bytes)).unwrap_or(&[])
            }
        };
        output.extend_from_slice(input);
        let changed = output.get_mut(self.offset..).unwrap_or_default();
        changed.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
}

/// Base64 to bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Base64 {
    /// Where the text begins.
    pub offset: usize,
    /// How much of it there is; all where 0.
    pub bytes: usize,
    /// What is done with other characters.
    pub mode: Base64Mode,
}

/// What is done with characters that are not of the alphabet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Base64Mode {
    /// They end the text.
    #[default]
    Rfc4648,
    /// They are skipped.
    Rfc2045,
    /// They, and missing padding, make the whole text wrong.
    Strict,
}

impl Base64 {
    pub(crate) fn apply(&self, input: &[u8], output: &mut Vec<u8>) {
        let text = input.get(self.offset..).unwrap_or(&[]);
        let text = if self.bytes == 0 { text } else { text.get(..self.bytes).unwrap_or(text) };
        if self.mode == Base64Mode::Strict {
            output.extend_from_slice(data_encoding::BASE64.decode(text).as_deref().unwrap_or(input));
            return;
        }
        let (mut held, mut bits) = (0_u32, 0_u32);
        for &byte in text {
            let Some(six) = base64_digit(byte) else {
                if self.mode == Base64Mode::Rfc2045 && byte != b'=' {
                    continue;
                }
                break;
            };
            held = (held << 6 | u32::from(six)) & 0x3fff;
            bits += 6;
            if bits >= 8 {
                bits -= 8;
                output.extend((held >> bits).to_le_bytes().first());
            }
        }
        if output.is_empty() {
            output.extend_from_slice(input);
        }
    }
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Reads at most `limit` bytes; what came before a fault counts, and with nothing at all `input` stands.
pub(super) fn inflate(mut decoder: impl Read, limit: u32, input: &[u8], output: &mut Vec<u8>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut chunk = [0; 4096];
    while output.len() < limit {
        match decoder.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                let wanted = count.min(limit - output.len());
                output.extend_from_slice(chunk.get(..wanted).unwrap_or(&[]));
            }
        }
    }
    if output.is_empty() {
        output.extend_from_slice(input);
    }
}

/// A part of the bytes. Negative numbers count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subslice {
    /// Where it begins.
    pub offset: i32,
    /// Its length or, where negative, its end; all that is left where absent.
    pub bytes: Option<i32>,
    /// What lies outside is left off; without it such a part is empty.
    pub truncate: bool,
}

impl Subslice {
    pub(super) fn of(self, input: &[u8]) -> &[u8] {
        let len = i64::try_from(input.len()).unwrap_or(i64::MAX);
        let offset = i64::from(self.offset);
        let mut start = if offset < 0 { len + offset } else { offset };
        if self.truncate {
            start = start.clamp(0, len);
        }
        let end = match self.bytes.map(i64::from) {
            None => len,
            Some(bytes) if bytes < 0 => len + bytes,
            Some(bytes) => start.saturating_add(bytes),
        };
        if !self.truncate && (start < 0 || end > len || end < start) {
            return &[];
        }
        let place = |at: i64| usize::try_from(at.clamp(0, len)).unwrap_or(0);
        input.get(place(start)..place(end)).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regex::tank::Tank;
    use crate::rule::transform::Transform;
    use std::io::Write;

    #[test]
    fn xor_changes_bytes_from_its_offset_on() {
        let extracted = |bytes, offset| XorKey::Extracted { bytes, offset };
        for (offset, key, input, expected) in [
            (0, XorKey::Given(vec![1, 2]), &[1, 1, 1][..], &[0, 3, 0][..]),
            (2, XorKey::Given(vec![1]), &[1, 1, 1], &[1, 1, 0]),
            (9, XorKey::Given(vec![1]), &[1], &[1]),
            (1, extracted(1, 0), &[5, 5, 4], &[5, 0, 1]),
            (0, extracted(1, 0), &[5, 5, 4], &[0, 0, 1]),
            (0, extracted(1, 200), &[5, 5], &[5, 5]),
            (0, extracted(usize::MAX, 1), &[5, 5], &[5, 5]),
        ] {
            let mut output = Vec::new();
            Xor { offset, key: key.clone() }.apply(input, &mut output);
            assert_eq!(output, expected, "{offset} {key:?}");
        }
    }

    #[test]
    fn base64_is_read_as_its_mode_says() {
        use Base64Mode::{Rfc2045, Rfc4648, Strict};
        for (offset, bytes, mode, input, expected) in [
            (0, 0, Rfc4648, "SGVsbG8=", "Hello"),
            (2, 8, Rfc4648, "x=SGVsbG8=zz", "Hello"),
            (0, 0, Rfc4648, "SGVs bG8=", "Hel"),
            (0, 0, Rfc2045, "SGVs bG8=", "Hello"),
            (0, 0, Strict, "SGVsbG8=", "Hello"),
            (0, 0, Strict, "SGVs bG8=", "SGVs bG8="),
            (0, 0, Rfc4648, "!!", "!!"),
            (99, 0, Rfc4648, "SGVs", "SGVs"),
        ] {
            let mut output = Vec::new();
            Base64 { offset, bytes, mode }.apply(input.as_bytes(), &mut output);
            assert_eq!(String::from_utf8_lossy(&output), expected, "{mode:?} {input}");
        }
    }

    #[test]
    fn what_is_inflated_has_a_limit() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![b'a'; 100_000]).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut output = Vec::new();
        Transform::Gunzip(10).apply(&gzip, &mut output, &mut Tank::endless());
        assert_eq!(output, b"aaaaaaaaaa");
        Transform::Gunzip(1 << 20).apply(&gzip, &mut output, &mut Tank::endless());
        assert_eq!(output.len(), 100_000);
        Transform::ZlibDeflate(10).apply(b"no zlib", &mut output, &mut Tank::endless());
        assert_eq!(output, b"no zlib");
    }

    #[test]
    fn parts_count_from_both_ends() {
        for (offset, bytes, truncate, expected) in [
            (0, Some(-8), true, "cur"),
            (0, Some(-6), true, "curl/"),
            (0, Some(-30), true, ""),
            (-20, Some(-30), true, ""),
            (-6, None, false, "7.64.1"),
            (1, Some(-3), false, "url/7.6"),
            (0, Some(4), false, "curl"),
            (5, Some(99), true, "7.64.1"),
            (5, Some(99), false, ""),
            (-20, None, false, ""),
            (12, Some(2), false, ""),
            (0, Some(-30), false, ""),
            (-20, Some(5), true, "curl/"),
            (-12, None, true, "curl/7.64.1"),
            (99, Some(i32::MAX), true, ""),
            (i32::MIN, Some(i32::MIN), true, ""),
        ] {
            assert_eq!(
                Subslice { offset, bytes, truncate }.of(b"curl/7.64.1"),
                expected.as_bytes(),
                "{offset} {bytes:?}"
            );
        }
    }
}
