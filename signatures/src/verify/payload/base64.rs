//! `base64_decode`: what is decoded into the buffer that `base64_data` looks at.

use super::Run;
use crate::rule::item::Base64Decode;

impl Run<'_, '_, '_> {
    pub(super) fn base64_decode(&mut self, decode: Base64Decode, data: &[u8], cursor: usize) {
        let start = if decode.relative { cursor } else { 0 } + decode.offset as usize;
        let encoded = data.get(start..).unwrap_or(&[]);
        let encoded = decode.bytes.and_then(|n| encoded.get(..n as usize)).unwrap_or(encoded);
        self.spend(encoded.len() as u64);
        self.decoded.clear();
        self.tried.clear();
        decode_base64(encoded, &mut self.decoded);
    }
}

/// Decodes base64 (RFC 4648), passing over blanks and stopping at what cannot belong to it.
fn decode_base64(encoded: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0u32);
    for &byte in encoded {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b' ' | b'\r' | b'\n' | b'\t' => continue,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count).to_le_bytes()[0]);
        }
    }
}
