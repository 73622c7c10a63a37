//! What a buffer is as a whole: its size, its absence, its entropy, and base64 within it.

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::Buffer;
use crate::rule::fault::Fault;
use crate::rule::item::{Base64Decode, Entropy, Item};
use crate::rule::number::NumberTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword { name: "bsize", aliases: &[], doc: "Tests the size of the sticky buffer.", examples: &[], parse: bsize },
    Keyword {
        name: "urilen",
        aliases: &[],
        doc: "Tests the length of the URI; `raw` or `norm` after a comma.",
        examples: &["urilen:<10", "urilen:5<>9,raw"],
        parse: urilen,
    },
    Keyword {
        name: "absent",
        aliases: &[],
        doc: "Holds where the sticky buffer is not there; with `or_else` also where the rest holds.",
        examples: &[],
        parse: absent,
    },
    Keyword { name: "entropy", aliases: &[], doc: "Tests the entropy of the buffer.", examples: &[], parse: entropy },
    Keyword {
        name: "base64_decode",
        aliases: &[],
        doc: "Decodes base64 in the buffer.",
        examples: &["base64_decode:bytes 12, offset 4, relative"],
        parse: base64_decode,
    },
    Keyword {
        name: "base64_data",
        aliases: &[],
        doc: "What follows looks at the decoded bytes.",
        examples: &[],
        parse: base64_data,
    },
];

fn test(text: &str, argument: &Argument<'_>) -> Result<NumberTest, Fault> {
    NumberTest::parse(text).map_err(|e| argument.fault(e, "a number, <number, >number or low<>high"))
}

fn bsize(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    if builder.buffer == Buffer::Payload {
        return Err(argument.fault("`bsize` needs a sticky buffer", "name one before it"));
    }
    let test = test(argument.required()?, argument)?;
    builder.push(Item::Size(test));
    Ok(())
}

fn urilen(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let (number, form) = text.split_once(',').map_or((text, "norm"), |(n, f)| (n, f.trim()));
    let name = match form {
        "norm" => "http.uri",
        "raw" => "http.uri.raw",
        _ => return Err(argument.fault(format!("`{form}` is no form of a URI"), "raw or norm")),
    };
    let test = test(number.trim(), argument)?;
    builder.push_to(super::buffers::resolve(name), Item::Size(test));
    Ok(())
}

fn base64_data(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    argument.none()?;
    let mut items = builder.rule.sections.iter().flat_map(|section| &section.items);
    if !items.any(|item| matches!(item, Item::Base64Decode(_))) {
        return Err(argument.fault("`base64_data` has no `base64_decode` before it", "name it before"));
    }
    builder.push(Item::Base64Data(Vec::new()));
    Ok(())
}

fn absent(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let or_else = match argument.text {
        None => false,
        Some("or_else") => true,
        Some(other) => return Err(argument.fault(format!("`{other}` has no meaning here"), "or_else or nothing")),
    };
    if builder.buffer == Buffer::Payload {
        return Err(argument.fault("`absent` needs a sticky buffer", "name one before it"));
    }
    builder.push(Item::Absent { or_else });
    Ok(())
}

fn entropy(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut out = Entropy { bytes: 0, offset: 0, low: 0.0, high: 8.0, inclusive: true, negated: false };
    let mut valued = false;
    for part in argument.required()?.split(',').map(str::trim) {
        let (name, rest) = part.split_once(char::is_whitespace).map_or((part, ""), |(n, v)| (n, v.trim()));
        let number =
            |text: &str| text.trim().parse::<u32>().map_err(|_| argument.fault(format!("`{text}` is no number"), ""));
        let real =
            |text: &str| text.trim().parse::<f64>().map_err(|_| argument.fault(format!("`{text}` is no number"), ""));
        match name {
            "bytes" => out.bytes = number(rest)?,
            "offset" => out.offset = number(rest)?,
            "value" => {
                valued = true;
                let (negated, rest) = rest.strip_prefix('!').map_or((false, rest), |r| (true, r.trim()));
                out.negated = negated;
                if let Some(v) = rest.strip_prefix(">=") {
                    out.low = real(v)?;
                } else if let Some(v) = rest.strip_prefix("<=") {
                    out.high = real(v)?;
                } else if let Some(v) = rest.strip_prefix('>') {
                    (out.low, out.high, out.inclusive) = (real(v)?, f64::INFINITY, false);
                } else if let Some(v) = rest.strip_prefix('<') {
                    (out.low, out.high, out.inclusive) = (f64::NEG_INFINITY, real(v)?, false);
                } else if let Some((low, high)) = rest.split_once("<>").or_else(|| rest.split_once('-')) {
                    (out.low, out.high, out.inclusive) = (real(low)?, real(high)?, false);
                } else {
                    let value = real(rest.trim_start_matches('='))?;
                    (out.low, out.high) = (value, value);
                }
            }
            _ => return Err(argument.fault(format!("`{part}` has no meaning here"), "bytes, offset and value")),
        }
    }
    if !valued {
        return Err(argument.fault("`entropy` needs a value", "such as entropy: value > 7"));
    }
    builder.push(Item::Entropy(out));
    Ok(())
}

fn base64_decode(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut out = Base64Decode::default();
    for part in argument.text.unwrap_or_default().split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, rest) = part.split_once(char::is_whitespace).map_or((part, ""), |(n, v)| (n, v.trim()));
        let number = || rest.parse::<u32>().map_err(|_| argument.fault(format!("`{rest}` is no number"), ""));
        match name {
            "bytes" => out.bytes = Some(number()?),
            "offset" => out.offset = number()?,
            "relative" => out.relative = true,
            _ => return Err(argument.fault(format!("`{part}` has no meaning here"), "bytes, offset and relative")),
        }
    }
    builder.push(Item::Base64Decode(out));
    Ok(())
}
