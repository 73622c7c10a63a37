//! The transforms: keywords that change what the conditions after them look at.

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::Buffer;
use crate::rule::fault::Fault;
use crate::rule::script::{Purpose, ScriptTransform};
use crate::rule::transform::{Base64, Base64Mode, PcreCapture, Subslice, Transform, Xor, XorKey};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    plain("dotprefix", "Puts a dot in front, so that `.example.com` finds whole labels.", |b, a| {
        push_plain(b, a, Transform::DotPrefix)
    }),
    plain("domain", "Leaves the registrable domain of a host name.", |b, a| push_plain(b, a, Transform::Domain)),
    plain("tld", "Leaves the public suffix of a host name.", |b, a| push_plain(b, a, Transform::Tld)),
    plain("url_decode", "Decodes `+` and `%41`.", |b, a| push_plain(b, a, Transform::UrlDecode)),
    plain("strip_whitespace", "Removes white space.", |b, a| push_plain(b, a, Transform::StripWhitespace)),
    plain("compress_whitespace", "Leaves one of each run of white space.", |b, a| {
        push_plain(b, a, Transform::CompressWhitespace)
    }),
    plain("to_lowercase", "Makes ASCII letters small.", |b, a| push_plain(b, a, Transform::ToLowercase)),
    plain("to_uppercase", "Makes ASCII letters capital.", |b, a| push_plain(b, a, Transform::ToUppercase)),
    plain("header_lowercase", "Makes the names of headers small.", |b, a| push_plain(b, a, Transform::HeaderLowercase)),
    plain("strip_pseudo_headers", "Removes HTTP/2 pseudo headers.", |b, a| {
        push_plain(b, a, Transform::StripPseudoHeaders)
    }),
    plain("to_md5", "Takes the MD5 digest.", |b, a| push_plain(b, a, Transform::ToMd5)),
    plain("to_sha1", "Takes the SHA-1 digest.", |b, a| push_plain(b, a, Transform::ToSha1)),
    plain("to_sha256", "Takes the SHA-256 digest.", |b, a| push_plain(b, a, Transform::ToSha256)),
    plain(
        "xor",
        "Exclusive or with a hex key (`\"0d0a\"`), or with bytes of the buffer (`extract count offset`), from an offset on.",
        xor,
    ),
    plain("from_base64", "Decodes base64 (`offset`, `bytes`, `mode` rfc4648, rfc2045 or strict).", from_base64),
    plain("gunzip", "Inflates gzip, at most `max-size` bytes.", |b, a| inflate(b, a, Transform::Gunzip)),
    plain("zlib_deflate", "Inflates zlib, at most `max-size` bytes.", |b, a| inflate(b, a, Transform::ZlibDeflate)),
    plain("subslice", "Takes a part: offset, length (negative ones count from the end), `truncate`.", subslice),
    plain("pcrexform", "Takes the first capture group of an expression.", pcrexform),
    plain("luaxform", "Runs a script over the bytes: its name, and what it is given beside them, by commas.", luaxform),
];

const fn plain(
    name: &'static str,
    doc: &'static str,
    parse: fn(&mut Builder<'_>, &Argument<'_>) -> Result<(), Fault>,
) -> Keyword {
    Keyword { name, aliases: &[], doc, examples: &[], parse }
}

/// What is inflated where a rule gives no limit, and the most it may give.
const DEFAULT_MAX_SIZE: u32 = 1 << 20;

/// A transform after a condition begins anew with the buffer, for the conditions that follow it.
fn push(builder: &mut Builder<'_>, argument: &Argument<'_>, transform: Transform) -> Result<(), Fault> {
    if builder.buffer == Buffer::Payload {
        return Err(argument.fault(format!("`{}` needs a sticky buffer", argument.keyword), "name one before it"));
    }
    builder.section_to_transform().transforms.push(transform);
    Ok(())
}

fn push_plain(builder: &mut Builder<'_>, argument: &Argument<'_>, transform: Transform) -> Result<(), Fault> {
    argument.none()?;
    push(builder, argument, transform)
}

fn xor(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let xor = read_xor(argument.required()?)
        .map_err(|m| argument.fault(m, "such as `\"0d0a\"`, `offset 4,\"0d0a\"` or `extract 1 0`"))?;
    push(builder, argument, Transform::Xor(xor))
}

fn read_xor(text: &str) -> Result<Xor, String> {
    let (mut offset, mut key) = (0, None);
    for part in text.split(',').map(str::trim) {
        if let Some(value) = part.strip_prefix("offset ") {
            offset = value.trim().parse().map_err(|_| format!("`{value}` is no offset"))?;
        } else if key.is_some() {
            return Err("there are two keys".into());
        } else if let Some(values) = part.strip_prefix("extract ") {
            let mut numbers = values.split_whitespace().map(|n| n.parse::<u16>().map(usize::from).ok());
            key = match (numbers.next().flatten(), numbers.next().flatten(), numbers.next()) {
                (Some(bytes), Some(offset), None) if bytes > 0 => Some(XorKey::Extracted { bytes, offset }),
                _ => return Err("`extract` needs a number of bytes, at least 1, and an offset".into()),
            };
        } else {
            let hex = part.trim_matches('"').to_ascii_lowercase();
            let bytes = data_encoding::HEXLOWER
                .decode(hex.as_bytes())
                .ok()
                .filter(|bytes| !bytes.is_empty() && bytes.len() <= 255);
            key = Some(XorKey::Given(bytes.ok_or("the key is no hex of 1 to 255 bytes")?));
        }
    }
    Ok(Xor { offset, key: key.ok_or("the key is missing")? })
}

fn from_base64(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut base64 = Base64::default();
    for part in argument.text.unwrap_or("").split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once(char::is_whitespace).map_or((part, ""), |(key, value)| (key, value.trim()));
        let number = value.parse::<u16>().map(usize::from).ok();
        match (key, number, value) {
            ("offset", Some(number), _) => base64.offset = number,
            ("bytes", Some(number), _) if number > 0 => base64.bytes = number,
            ("mode", _, "rfc4648") => base64.mode = Base64Mode::Rfc4648,
            ("mode", _, "rfc2045") => base64.mode = Base64Mode::Rfc2045,
            ("mode", _, "strict") => base64.mode = Base64Mode::Strict,
            _ => {
                return Err(
                    argument.fault(format!("`{part}` is unknown here"), "such as `offset 6, bytes 20, mode rfc2045`")
                );
            }
        }
    }
    push(builder, argument, Transform::FromBase64(base64))
}

fn inflate(builder: &mut Builder<'_>, argument: &Argument<'_>, make: fn(u32) -> Transform) -> Result<(), Fault> {
    let limit = match argument.text {
        None => DEFAULT_MAX_SIZE,
        Some(text) => {
            let limit = text
                .strip_prefix("max-size")
                .and_then(|value| value.trim().parse().ok())
                .filter(|l| (1..=DEFAULT_MAX_SIZE).contains(l));
            limit.ok_or_else(|| {
                argument
                    .fault(format!("`{text}` is no limit"), format!("`max-size` with 1 to {DEFAULT_MAX_SIZE} bytes"))
            })?
        }
    };
    push(builder, argument, make(limit))
}

fn subslice(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let fault =
        || argument.fault("an offset, a length and `truncate` are no such", "such as `0, 13` or `-6, -2, truncate`");
    let mut parts: Vec<&str> = argument.required()?.split(',').map(str::trim).collect();
    let truncate = parts.last() == Some(&"truncate");
    if truncate {
        parts.pop();
    }
    let numbers: Vec<i32> = parts.iter().map(|part| part.parse().map_err(|_| fault())).collect::<Result<_, _>>()?;
    let (offset, bytes) = match numbers.as_slice() {
        [offset] => (*offset, None),
        [offset, bytes] => (*offset, Some(*bytes)),
        _ => return Err(fault()),
    };
    push(builder, argument, Transform::Subslice(Subslice { offset, bytes, truncate }))
}

fn luaxform(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let (name, arguments) = argument.required()?.split_once(',').unwrap_or((argument.required()?, ""));
    let script = super::lua::load(builder, argument, name, Purpose::Transform)?;
    let arguments = arguments.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    push(builder, argument, Transform::Script(ScriptTransform { script, arguments }))
}

fn pcrexform(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let pattern = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let capture = PcreCapture::new(pattern).map_err(|wrong| {
        argument.fault_at(pattern, wrong.at, wrong.message, "an expression with a group, such as `\"id=([0-9]+)\"`")
    })?;
    push(builder, argument, Transform::PcreCapture(capture))
}
