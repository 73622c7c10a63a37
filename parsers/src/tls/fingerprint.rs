//! Fingerprints of hellos: JA3 and JA3S, and JA4 for TLS clients.
//!
//! JA3 is the MD5 of `version,ciphers,extensions,groups,formats` in decimal, without GREASE values; JA3S is that of
//! `version,cipher,extensions`. JA4 (<https://github.com/FoxIO-LLC/ja4>, the TLS client part under the BSD licence) counts and
//! sorts, so that an order shuffled by the client does not change it.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use sha2::Sha256;

use super::hello::Hello;
use super::tables::{SSL2, SSL3, TLS12, TLS13, extension, is_grease};
use crate::protocol::Carrier;

/// A fingerprint as text, and its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ja3 {
    /// The numbers that it is made of.
    pub string: String,
    /// MD5 of the text, in lower-case hex.
    pub hash: String,
}

pub(super) fn ja3(hello: &Hello) -> Ja3 {
    let formats: Vec<u16> = hello.point_formats.iter().map(|&f| f.into()).collect();
    hashed(format!(
        "{},{},{},{},{}",
        hello.legacy_version,
        joined(&hello.ciphers),
        joined(&hello.extensions),
        joined(&hello.groups),
        joined(&formats),
    ))
}

pub(super) fn ja3s(hello: &Hello) -> Ja3 {
    hashed(format!("{},{},{}", hello.legacy_version, joined(&hello.ciphers), joined(&hello.extensions)))
}

/// The JA4 of a client hello.
pub(super) fn ja4(hello: &Hello, carrier: Carrier) -> String {
    let letter = match carrier {
        Carrier::Within("quic") => 'q',
        Carrier::Udp => 'd',
        _ => 't',
    };
    let mut ciphers = without_grease(&hello.ciphers);
    let mut extensions = without_grease(&hello.extensions);
    let counts = (ciphers.len().min(99), extensions.len().min(99));
    let name = if hello.extensions.contains(&extension::SERVER_NAME) { 'd' } else { 'i' };
    ciphers.sort_unstable();
    extensions.retain(|&e| e != extension::SERVER_NAME && e != extension::ALPN);
    extensions.sort_unstable();
    let mut details = hex_list(&extensions);
    let algorithms = hex_list(&without_grease(&hello.signature_algorithms));
    // "If there are no signature algorithms in the hello packet, then the string ends without an underscore."
    if !algorithms.is_empty() {
        details.push('_');
        details.push_str(&algorithms);
    }
    let extensions_hash = if extensions.is_empty() { "000000000000".into() } else { short_hash(&details) };
    let ciphers_hash = if ciphers.is_empty() { "000000000000".into() } else { short_hash(&hex_list(&ciphers)) };
    let version = version_code(hello.version());
    let [first, last] = alpn_code(hello.alpn.first().map_or(&[], Vec::as_slice));
    format!("{letter}{version}{name}{:02}{:02}{first}{last}_{ciphers_hash}_{extensions_hash}", counts.0, counts.1)
}

fn version_code(version: u16) -> &'static str {
    match version {
        TLS13 => "13",
        TLS12 => "12",
        0x0302 => "11",
        0x0301 => "10",
        SSL3 => "s3",
        SSL2 | 0x0200 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol name; their hex digits where either is no letter or digit.
fn alpn_code(name: &[u8]) -> [char; 2] {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else { return ['0', '0'] };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first.into(), last.into()];
    }
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 15)]
}

fn hashed(string: String) -> Ja3 {
    let hash = HEXLOWER.encode(&Md5::digest(string.as_bytes()));
    Ja3 { string, hash }
}

fn short_hash(text: &str) -> String {
    let mut hash = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    hash.truncate(12);
    hash
}

fn without_grease(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|&v| !is_grease(v)).collect()
}

fn joined(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len() * 5);
    let mut number = itoa::Buffer::new();
    for value in without_grease(values) {
        if !text.is_empty() {
            text.push('-');
        }
        text.push_str(number.format(value));
    }
    text
}

fn hex_list(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len() * 5);
    for value in values {
        if !text.is_empty() {
            text.push(',');
        }
        for shift in [12, 8, 4, 0] {
            text.push(char::from_digit(u32::from(value >> shift) & 15, 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_ja4_specification_comes_out() {
        let hello = Hello {
            legacy_version: 0x0303,
            versions: vec![0x0a0a, 0x0304, 0x0303],
            ciphers: vec![
                0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
                0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
                0xff01, 0x000b, 0x000a, 0x0015,
            ],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            alpn: vec![b"h2".to_vec()],
            ..Hello::default()
        };
        assert_eq!(ja4(&hello, Carrier::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn protocol_names_give_their_ends_or_hex() {
        for (name, code) in [
            (&b""[..], ['0', '0']),
            (b"h2", ['h', '2']),
            (b"x", ['x', 'x']),
            (b"\xab", ['a', 'b']),
            (b"h\xcd", ['6', 'd']),
        ] {
            assert_eq!(alpn_code(name), code);
        }
    }

    #[test]
    fn ja3_keeps_empty_places_and_ja4_no_separator() {
        let hello = Hello { legacy_version: 769, ciphers: vec![53, 255], extensions: vec![35, 15], ..Hello::default() };
        assert_eq!(ja4(&hello, Carrier::Tcp), "t10i020200_f2d8273d9564_18d1e47e0978");
        let ja3 = ja3(&hello);
        assert_eq!(
            (ja3.string.as_str(), ja3.hash.as_str()),
            ("769,53-255,35-15,,", "7cb93b2404a98399e9f84c74fef1fb8f")
        );
    }
}
