//! Transforms: what is done to the bytes of a sticky buffer before they are looked at.
//!
//! Each makes new bytes from old ones, in one pass, and what it makes is bounded. One that cannot be done (no key, no match, no
//! base64) leaves the bytes as they are.

mod decode;
mod text;

use std::sync::Arc;

use md5::Digest;

use crate::regex::tank::Tank;
use crate::regex::{Found, Options, Regex, Wrong};
use crate::rule::script::ScriptTransform;
pub use decode::{Base64, Base64Mode, Subslice, Xor, XorKey};

/// A transform.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {
    /// A dot in front, so that `.example.com` finds whole labels.
    DotPrefix,
    /// The registrable domain, by the public suffix list.
    Domain,
    /// The public suffix.
    Tld,
    /// `+` and `%41`.
    UrlDecode,
    /// Exclusive or with a key.
    Xor(Xor),
    /// Base64 to bytes.
    FromBase64(Base64),
    /// Inflates gzip, at most so many bytes.
    Gunzip(u32),
    /// Inflates zlib, at most so many bytes.
    ZlibDeflate(u32),
    /// A part.
    Subslice(Subslice),
    /// Without white space.
    StripWhitespace,
    /// Runs of white space become their first.
    CompressWhitespace,
    /// ASCII lower case.
    ToLowercase,
    /// ASCII upper case.
    ToUppercase,
    /// Names of headers in lower case.
    HeaderLowercase,
    /// Without lines that begin with a colon.
    StripPseudoHeaders,
    /// The MD5 digest, 16 octets.
    ToMd5,
    /// The SHA-1 digest, 20 octets.
    ToSha1,
    /// The SHA-256 digest, 32 octets.
    ToSha256,
    /// The first capture group of an expression.
    PcreCapture(PcreCapture),
    /// What a script makes, which needs the worker's runtime of scripts.
    Script(ScriptTransform),
}

impl Transform {
    /// Puts what it makes of `input` in place of what is in `output`.
    pub(crate) fn apply(&self, input: &[u8], output: &mut Vec<u8>, tank: &mut Tank) {
        output.clear();
        match self {
            Self::DotPrefix => {
                output.push(b'.');
                output.extend_from_slice(input);
            }
            Self::Domain => {
                output.extend_from_slice(psl::domain(input).as_ref().map_or(input, |domain| domain.as_bytes()))
            }
            Self::Tld => {
                output.extend_from_slice(psl::suffix(input).as_ref().map_or(input, |suffix| suffix.as_bytes()))
            }
            Self::UrlDecode => text::url_decode(input, output),
            Self::Xor(xor) => xor.apply(input, output),
            Self::FromBase64(base64) => base64.apply(input, output),
            Self::Gunzip(limit) => decode::inflate(flate2::read::MultiGzDecoder::new(input), *limit, input, output),
            Self::ZlibDeflate(limit) => decode::inflate(flate2::read::ZlibDecoder::new(input), *limit, input, output),
            Self::Subslice(part) => output.extend_from_slice(part.of(input)),
            Self::StripWhitespace => output.extend(input.iter().filter(|b| !text::is_space(**b))),
            Self::CompressWhitespace => text::compress_whitespace(input, output),
            Self::ToLowercase => output.extend(input.iter().map(u8::to_ascii_lowercase)),
            Self::ToUppercase => output.extend(input.iter().map(u8::to_ascii_uppercase)),
            Self::HeaderLowercase => text::header_lowercase(input, output),
            Self::StripPseudoHeaders => text::strip_pseudo_headers(input, output),
            Self::ToMd5 => output.extend_from_slice(&md5::Md5::digest(input)),
            Self::ToSha1 => output.extend_from_slice(&sha1::Sha1::digest(input)),
            Self::ToSha256 => output.extend_from_slice(&sha2::Sha256::digest(input)),
            Self::PcreCapture(capture) => output.extend_from_slice(capture.of(input, tank)),
            Self::Script(_) => output.extend_from_slice(input),
        }
    }
}

/// An expression whose first capture group is what a transform makes.
#[derive(Clone, Debug)]
pub struct PcreCapture {
    pattern: String,
    regex: Arc<Regex>,
}

impl PartialEq for PcreCapture {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl PcreCapture {
    /// Reads an expression that has a capture group.
    pub fn new(pattern: &str) -> Result<Self, Wrong> {
        let regex = Regex::new(pattern, Options::default())?;
        if regex.groups() == 0 {
            return Err(Wrong { message: "the expression has no capture group".into(), at: 0 });
        }
        Ok(Self { pattern: pattern.into(), regex: Arc::new(regex) })
    }

    fn of<'a>(&self, input: &'a [u8], tank: &mut Tank) -> &'a [u8] {
        let Found::At(begin, end) = self.regex.find(input, 0, tank) else { return input };
        let begin = begin.or_else(|| self.regex.begin_of(input, 0, end, tank));
        begin.and_then(|begin| self.regex.group(input, begin, 1)).unwrap_or(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(transform: &Transform, input: &[u8]) -> String {
        let mut output = b"left over".to_vec();
        transform.apply(input, &mut output, &mut Tank::endless());
        String::from_utf8_lossy(&output).into_owned()
    }

    #[test]
    fn each_transform_makes_its_bytes() {
        use Transform::*;
        let table: &[(Transform, &str, &str)] = &[
            (DotPrefix, "example.com", ".example.com"),
            (Domain, "www.example.co.uk", "example.co.uk"),
            (Domain, "", ""),
            (Tld, "www.example.co.uk", "co.uk"),
            (UrlDecode, "a%20b+c%zz%4", "a b c%zz%4"),
            (StripWhitespace, " a\t b\r\n", "ab"),
            (CompressWhitespace, "a  b \t c", "a b c"),
            (ToLowercase, "AbC1", "abc1"),
            (ToUppercase, "AbC1", "ABC1"),
            (HeaderLowercase, "User-Agent: A\r\nX-Y: Z: Q\r\n", "user-agent: A\r\nx-y: Z: Q\r\n"),
            (StripPseudoHeaders, ":method: GET\r\nhost: a\r\n:path: /\r\nb: c", "host: a\r\nb: c"),
            (PcreCapture(super::PcreCapture::new(r"/get\?data=(.*)").unwrap()), "/get?data=abc", "abc"),
            (PcreCapture(super::PcreCapture::new("(x)y").unwrap()), "abc", "abc"),
        ];
        for (transform, input, output) in table {
            assert_eq!(applied(transform, input.as_bytes()), *output, "{transform:?} {input}");
        }
        assert!(super::PcreCapture::new("abc").is_err() && super::PcreCapture::new("(").is_err());
    }

    #[test]
    fn digests_are_raw() {
        for (transform, hex) in [
            (Transform::ToMd5, "900150983cd24fb0d6963f7d28e17f72"),
            (Transform::ToSha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Transform::ToSha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            let mut output = Vec::new();
            transform.apply(b"abc", &mut output, &mut Tank::endless());
            assert_eq!(data_encoding::HEXLOWER.encode(&output), hex);
        }
    }
}
