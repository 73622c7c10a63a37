//! `content` and the keywords that change the content before them.

use std::sync::LazyLock;

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::item::{Content, FastPattern, Item, Operand};

/// Bytes of the longest content.
const LENGTH_LIMIT: usize = 8_192;
/// The largest position that a modifier may give.
const POSITION_LIMIT: i64 = 1_048_576;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "content",
        aliases: &[],
        doc: "Bytes that must (or with `!` must not) be in the buffer.",
        examples: &[r#"content:"a|20|b""#, r#"content:!"x""#],
        parse: push,
    },
    Keyword {
        name: "uricontent",
        aliases: &[],
        doc: "A content in http.uri.",
        examples: &[],
        parse: |b, a| {
            push(b, a)?;
            b.move_last(super::buffers::resolve("http.uri"), a)
        },
    },
    Keyword {
        name: "nocase",
        aliases: &[],
        doc: "Ignores ASCII case.",
        examples: &[],
        parse: |b, a| {
            a.none()?;
            let content = b.content(a)?;
            content.nocase = true;
            content.bytes.make_ascii_lowercase();
            Ok(())
        },
    },
    Keyword {
        name: "offset",
        aliases: &[],
        doc: "First position of the content.",
        examples: &[],
        parse: |b, a| position(b, a, |c| &mut c.offset),
    },
    Keyword {
        name: "depth",
        aliases: &[],
        doc: "Bytes from the offset in which the content must lie.",
        examples: &[],
        parse: |b, a| position(b, a, |c| &mut c.depth),
    },
    Keyword {
        name: "distance",
        aliases: &[],
        doc: "Bytes between the match before and this content.",
        examples: &[],
        parse: |b, a| position(b, a, |c| &mut c.distance),
    },
    Keyword {
        name: "within",
        aliases: &[],
        doc: "Bytes after the match before in which the content must lie.",
        examples: &[],
        parse: |b, a| position(b, a, |c| &mut c.within),
    },
    Keyword {
        name: "startswith",
        aliases: &[],
        doc: "The content starts the buffer.",
        examples: &[],
        parse: |b, a| a.none().and_then(|()| b.content(a).map(|c| c.startswith = true)),
    },
    Keyword {
        name: "endswith",
        aliases: &[],
        doc: "The content ends the buffer.",
        examples: &[],
        parse: |b, a| a.none().and_then(|()| b.content(a).map(|c| c.endswith = true)),
    },
    Keyword {
        name: "rawbytes",
        aliases: &[],
        doc: "Has no meaning any more.",
        examples: &[],
        parse: |b, a| a.none().and_then(|()| b.content(a).map(drop)),
    },
    Keyword {
        name: "replace",
        aliases: &[],
        doc: "Is for inline use; a passive sensor only checks it.",
        examples: &[],
        parse: replace,
    },
    Keyword {
        name: "fast_pattern",
        aliases: &[],
        doc: "Makes the content before the one that is looked for first.",
        examples: &[],
        parse: fast_pattern,
    },
];

/// Modifiers of older rules, which put the content before them into a buffer, with that buffer.
pub(super) static MODIFIERS: LazyLock<Vec<Keyword>> = LazyLock::new(|| {
    let modifier = |&(name, _): &(&'static str, &str)| Keyword {
        name,
        aliases: &[],
        doc: "Puts the content before it into a buffer of HTTP; the sticky buffers of rules today say it first.",
        examples: &[],
        parse: move_to_buffer,
    };
    MOVED.iter().map(modifier).collect()
});

const MOVED: &[(&str, &str)] = &[
    ("http_uri", "http.uri"),
    ("http_raw_uri", "http.uri.raw"),
    ("http_method", "http.method"),
    ("http_client_body", "http.request_body"),
    ("http_server_body", "http.response_body"),
    ("http_header", "http.header"),
    ("http_raw_header", "http.header.raw"),
    ("http_cookie", "http.cookie"),
    ("http_user_agent", "http.user_agent"),
    ("http_host", "http.host"),
    ("http_raw_host", "http.host.raw"),
    ("http_stat_code", "http.stat_code"),
    ("http_stat_msg", "http.stat_msg"),
];

/// What takes the place of a content has its length, for packets keep theirs.
fn replace(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let (negated, text) = quoted(argument)?;
    let length = bytes(text, argument)?.len();
    let content = builder.content(argument)?;
    if negated || content.negated {
        return Err(argument.fault("what is not there cannot be replaced", "remove the `!`"));
    }
    if length != content.bytes.len() {
        let message = format!("the content has {} bytes, what replaces it has {length}", content.bytes.len());
        return Err(argument.fault(message, "make both equally long"));
    }
    Ok(())
}

fn move_to_buffer(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    argument.none()?;
    let name = MOVED.iter().find(|(name, _)| *name == argument.keyword).map_or("", |(_, buffer)| buffer);
    builder.move_last(super::buffers::resolve(name), argument)
}

/// Reads a value that may be negated and must stand in quotes.
pub(super) fn quoted<'a>(argument: &Argument<'a>) -> Result<(bool, &'a str), Fault> {
    let text = argument.required()?;
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let inner =
        inner.ok_or_else(|| argument.fault(format!("`{}` needs a value in double quotes", argument.keyword), ""))?;
    Ok((negated, inner))
}

/// Reads a content into the buffer that is open.
pub(super) fn push(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let (negated, text) = quoted(argument)?;
    let bytes = bytes(text, argument)?;
    builder.push(Item::Content(Content::new(bytes, negated)));
    Ok(())
}

/// The bytes that a content's text means: `|0d 0a|` are hex, a backslash keeps the next character as it is.
pub(super) fn bytes(text: &str, argument: &Argument<'_>) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.len());
    let (mut hex, mut nibble, mut escaped) = (false, None::<u8>, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            if !matches!(byte, b'\\' | b'"' | b';' | b':') {
                return Err(argument.fault_at(
                    text,
                    at,
                    format!("`\\{}` is no escape", char::from(byte)),
                    r#"only \\ \" \; and \: are; write other bytes in hex"#,
                ));
            }
            out.push(byte);
            escaped = false;
            continue;
        }
        match (byte, hex) {
            (b'|', true) if nibble.is_some() => {
                return Err(argument.fault_at(text, at, "a byte in hex has one digit", "write two"));
            }
            (b'|', _) => hex = !hex,
            (b' ', true) => {}
            (_, true) => {
                let digit = char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let digit = digit.ok_or_else(|| {
                    let message = format!("`{}` is no hex digit", char::from(byte));
                    argument.fault_at(text, at, message, "close the hex part with `|`")
                })?;
                match nibble.take() {
                    Some(high) => out.push(high << 4 | digit),
                    None => nibble = Some(digit),
                }
            }
            (b'\\', false) => escaped = true,
            (b'"', false) => {
                return Err(argument.fault_at(text, at, "a quote within a content", r#"write it as \" or |22|"#));
            }
            (b':' | b';', false) => out.push(byte),
            (_, false) => out.push(byte),
        }
    }
    if hex || escaped {
        return Err(argument.fault("the content ends within hex or an escape", "close the hex part with `|`"));
    }
    match out.len() {
        0 => Err(argument.fault("the content is empty", "")),
        n if n > LENGTH_LIMIT => {
            Err(argument.fault(format!("the content has {n} bytes"), format!("at most {LENGTH_LIMIT}")))
        }
        _ => Ok(out),
    }
}

fn position(
    builder: &mut Builder<'_>,
    argument: &Argument<'_>,
    field: fn(&mut Content) -> &mut Option<Operand>,
) -> Result<(), Fault> {
    let text = argument.required()?;
    let operand = builder.operand(text.trim_matches('"'), argument)?;
    let signed = matches!(argument.keyword, "distance");
    if let Operand::Value(value) = operand
        && (value > POSITION_LIMIT || value < if signed { -POSITION_LIMIT } else { 0 })
    {
        return Err(argument.fault(format!("`{value}` is out of range"), ""));
    }
    let place = field(builder.content(argument)?);
    if place.is_some() {
        return Err(
            argument.fault(format!("the content has `{}` already", argument.keyword), "each content has its own")
        );
    }
    *place = Some(operand);
    Ok(())
}

fn fast_pattern(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let content = builder.content(argument)?;
    if content.fast_pattern.is_some() {
        return Err(argument.fault("the content is the fast pattern already", ""));
    }
    let part = match argument.text {
        None | Some("only") => {
            if content.negated && (content.is_relative() || content.offset.is_some() || content.depth.is_some()) {
                return Err(argument.fault("a negated content at a place cannot be the fast pattern", ""));
            }
            if argument.text.is_some() { FastPattern::Only } else { FastPattern::Whole }
        }
        Some(text) => {
            let numbers =
                text.split_once(',').and_then(|(o, l)| Some((o.trim().parse().ok()?, l.trim().parse().ok()?)));
            let (offset, length): (u16, u16) =
                numbers.ok_or_else(|| argument.fault("the part is `offset,length`", ""))?;
            if length == 0 || usize::from(offset) + usize::from(length) > content.bytes.len() {
                return Err(argument.fault("the part lies outside the content", ""));
            }
            FastPattern::Part { offset, length }
        }
    };
    content.fast_pattern = Some(part);
    Ok(())
}
