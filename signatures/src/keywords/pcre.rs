//! `pcre`: regular expressions.

use super::Keyword;
use crate::builder::{Argument, Builder, unquote};
use crate::regex::{Options, Regex};
use crate::rule::Buffer;
use crate::rule::fault::Fault;
use crate::rule::item::{Capture, Item, Pcre};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "pcre",
    aliases: &[],
    doc: "A regular expression between slashes, with options: i m s x A E G as in Perl, R to start at the cursor, letters of old buffers.",
    examples: &[r#"pcre:"/a[0-9]+/i""#],
    parse,
}];

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let (negated, text) = expression(argument)?;
    let (text, negated) = text.strip_prefix('!').map_or((text, negated), |rest| (rest, true));
    // What stands before the first slash is passed over, as it always was.
    let (_, body) = text.split_once('/').ok_or_else(|| argument.fault("the expression does not start with `/`", ""))?;
    let (pattern, rest) =
        body.rsplit_once('/').ok_or_else(|| argument.fault("the expression does not end with `/`", ""))?;
    let (letters, names) = rest.split_once(',').unwrap_or((rest, ""));
    let mut options = Options::default();
    let (mut relative, mut buffer) = (false, None);
    for letter in letters.trim().chars() {
        match letter {
            'i' => options.caseless = true,
            'm' => options.multi_line = true,
            's' => options.dot_all = true,
            'x' => options.extended = true,
            'A' => options.anchored = true,
            'G' => options.ungreedy = true,
            'E' => options.dollar_end_only = true,
            // Every expression has a limit, and raw bytes are all that there is.
            'O' | 'B' => {}
            'R' => relative = true,
            _ => {
                let name = legacy_buffer(letter).ok_or_else(|| {
                    let hint = "i, m, s, x, A, E, G, O, B and R, or the letter of a buffer of HTTP";
                    let at = letters.find(letter).unwrap_or(0);
                    argument.fault_at(letters, at, format!("`{letter}` is no option"), hint)
                })?;
                if buffer.replace(name).is_some() {
                    return Err(argument.fault("the expression names two buffers", ""));
                }
            }
        }
    }
    let mut captures = captures(names, argument)?;
    let regex = Regex::new(pattern, options)
        .map_err(|wrong| argument.fault_at(pattern, wrong.at, wrong.message, "it is read as PCRE2 reads it"))?;
    captures.extend(regex.named_groups().into_iter().filter_map(|(group, name)| Some((group, named(&name)?))));
    let item = Item::Pcre(Pcre { regex, negated, relative, captures });
    match buffer {
        Some(name)
            if builder.buffer != Buffer::Payload && !same_bytes(builder.buffer, super::buffers::resolve(name)) =>
        {
            Err(argument.fault(
                "an option of the expression names a buffer while a sticky buffer is open",
                "leave the option out",
            ))
        }
        Some(name) if builder.buffer == Buffer::Payload => {
            builder.push_to(super::buffers::resolve(name), item);
            Ok(())
        }
        _ => {
            builder.push(item);
            Ok(())
        }
    }
}

/// The expression with its slashes, and whether it is negated. Quotes are usual, but not needed.
fn expression<'a>(argument: &Argument<'a>) -> Result<(bool, &'a str), Fault> {
    let text = argument.required()?;
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()));
    let text = unquote(text).ok_or_else(|| argument.fault("the expression has only one quote", "close it"))?;
    Ok((negated, text))
}

/// Whether the sticky buffer that is open is the one that a letter means; the body of a response is also a file's data.
fn same_bytes(open: Buffer, meant: Buffer) -> bool {
    open == meant || open.is_field("file.data") && meant.is_field("http.response_body")
}

/// The buffer that an option letter of older rules means.
fn legacy_buffer(letter: char) -> Option<&'static str> {
    Some(match letter {
        'U' => "http.uri",
        'I' => "http.uri.raw",
        'H' => "http.header",
        'D' => "http.header.raw",
        'M' => "http.method",
        'C' => "http.cookie",
        'P' => "http.request_body",
        'Q' => "http.response_body",
        'V' => "http.user_agent",
        'W' => "http.host",
        'Z' => "http.host.raw",
        'S' => "http.stat_code",
        'Y' => "http.stat_msg",
        _ => return None,
    })
}

/// Where a group goes whose name says it: `(?P<flow_name>...)`.
fn named(name: &str) -> Option<Capture> {
    let (kind, name) = name.split_once('_')?;
    Some(match kind {
        "flow" => Capture::Flow(name.into()),
        "pkt" => Capture::Packet(name.into()),
        "alert" => Capture::Alert(name.into()),
        _ => return None,
    })
}

fn captures(names: &str, argument: &Argument<'_>) -> Result<Vec<(usize, Capture)>, Fault> {
    let one = |(group, name): (usize, &str)| {
        let (kind, name) = name.split_once(':').unwrap_or(("pkt", name));
        let capture = match kind {
            "flow" => Capture::Flow(name.into()),
            "pkt" => Capture::Packet(name.into()),
            "alert" => Capture::Alert(name.into()),
            _ => return Err(argument.fault(format!("`{kind}` is no place for a capture"), "flow, pkt or alert")),
        };
        Ok((group, capture))
    };
    (1..).zip(names.split(',').map(str::trim).filter(|n| !n.is_empty())).map(one).collect()
}
