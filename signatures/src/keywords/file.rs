//! Conditions on files that travel inside protocols.

use tapwire_parsers::protocol::{Both, Direction};

use super::Keyword;
use super::packet_number::HINT;
use crate::builder::{Argument, Builder};
use crate::rule::condition::{FileCondition, FileView, Verdict};
use crate::rule::fault::Fault;
use crate::rule::item::{Content, Item};
use crate::rule::number::NumberTest;
use crate::rule::{Arrow, Buffer, FileScope, Filestore};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "filename",
        aliases: &[],
        doc: "Looks for text in a file's name, without regard to case.",
        examples: &["filename:\"secret\"", "filename:!\"tar.gz\""],
        parse: |b, a| push_content(b, a, "file.name"),
    },
    Keyword {
        name: "filemagic",
        aliases: &[],
        doc: "Looks for text in the description of a file's type.",
        examples: &["filemagic:\"PDF document\""],
        parse: |b, a| push_content(b, a, "file.magic"),
    },
    Keyword {
        name: "fileext",
        aliases: &[],
        doc: "Holds for files whose name ends with a dot and this, without regard to case.",
        examples: &["fileext:\"pdf\"", "fileext:!\"mp4\""],
        parse: extension,
    },
    Keyword {
        name: "filesize",
        aliases: &[],
        doc: "Tests the size of a file; a direction may stand before it.",
        examples: &["filesize:100", "filesize:>1mb", "filesize:to_client,<100"],
        parse: size,
    },
    Keyword {
        name: "filestore",
        aliases: &[],
        doc: "Keeps the file of a match; a direction and a scope (file, tx, flow) may be given. Where it goes is said by the output file-store.",
        examples: &["filestore", "filestore:to_server,flow", "filestore:both,tx"],
        parse: store,
    },
];

fn push_content(builder: &mut Builder<'_>, argument: &Argument<'_>, buffer: &'static str) -> Result<(), Fault> {
    let (negated, mut bytes) = quoted(argument)?;
    bytes.make_ascii_lowercase();
    let content = Content { nocase: true, ..Content::new(bytes, negated) };
    builder.push_alone(Buffer::File(buffer), Item::Content(content));
    Ok(())
}

/// A text in quotes, with escapes and hex between bars as in `content`, and whether an exclamation mark stands before it.
fn quoted(argument: &Argument<'_>) -> Result<(bool, Vec<u8>), Fault> {
    let hint = "such as `\"text\"` or `!\"text|0a|\"`";
    let text = argument.required()?;
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text.trim_start()));
    let inner = text
        .strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .ok_or_else(|| argument.fault("the text is not in quotes", hint))?;
    let (mut bytes, mut hex, mut escaped) = (Vec::new(), None::<String>, false);
    for letter in inner.chars() {
        match (letter, hex.as_mut()) {
            ('|', Some(digits)) => {
                let read = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
                bytes.extend(read.map_err(|_| argument.fault("the hex between bars is incomplete", hint))?);
                hex = None;
            }
            (' ', Some(_)) => {}
            (digit, Some(digits)) => digits.push(digit),
            ('\\', None) if !escaped => {
                escaped = true;
                continue;
            }
            ('|', None) if !escaped => hex = Some(String::new()),
            (letter, None) => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        escaped = false;
    }
    if hex.is_some() || escaped || bytes.is_empty() {
        return Err(argument.fault("the text is empty or ends within an escape", hint));
    }
    Ok((negated, bytes))
}

#[derive(Debug)]
struct Extension {
    /// With its dot.
    ending: Vec<u8>,
    negated: bool,
}

impl FileCondition for Extension {
    fn holds(&self, file: &FileView<'_>) -> Verdict {
        let start = file.name.len().checked_sub(self.ending.len());
        let ends =
            start.and_then(|start| file.name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(&self.ending));
        if ends != self.negated { Verdict::Yes } else { Verdict::No }
    }
}

fn extension(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let (negated, extension) = quoted(argument)?;
    let ending = [b".".as_slice(), &extension].concat();
    builder.rule.file.push(Box::new(Extension { ending, negated }));
    Ok(())
}

#[derive(Debug)]
struct Size {
    test: NumberTest,
    direction: Option<Direction>,
}

impl FileCondition for Size {
    fn direction(&self) -> Option<Direction> {
        self.direction
    }

    fn holds(&self, file: &FileView<'_>) -> Verdict {
        let exceeds = matches!(self.test, NumberTest::Greater(_) | NumberTest::GreaterOrEqual(_));
        match (self.test.holds(file.size), file.closed) {
            // Of a file that is not all there only its least size is known.
            (true, _) if exceeds || (file.closed && file.complete) => Verdict::Yes,
            (_, true) => Verdict::No,
            (_, false) => Verdict::NotYet,
        }
    }
}

fn size(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let (direction, text) = match text.split_once(',') {
        Some((word, rest)) => (
            Some(direction(word.trim()).ok_or_else(|| argument.fault(format!("`{word}` is no direction"), HINT))?),
            rest,
        ),
        None => (None, text),
    };
    // A rule on request and response has no direction of its own.
    if let Some(direction) = direction.filter(|_| builder.rule.arrow != Arrow::Transactional) {
        if builder.rule.flow.direction.is_some_and(|other| other != direction) {
            return Err(argument.fault("the rule's `flow` has the other direction", ""));
        }
        builder.rule.flow.direction = Some(direction);
    }
    let test = NumberTest::parse(text).map_err(|m| argument.fault(m, HINT))?;
    builder.rule.file.push(Box::new(Size { test, direction }));
    Ok(())
}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "to_server" => Some(Direction::ToServer),
        "to_client" => Some(Direction::ToClient),
        _ => None,
    }
}

fn store(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    const HINT: &str = "a direction (request, to_server, response, to_client, both) and a scope (file, tx, ssn, flow)";
    let (mut directions, mut scope) = (None, None);
    for word in argument.text.into_iter().flat_map(|text| text.split(',')).map(str::trim) {
        let both = |to_server, to_client| Some(Both { to_server, to_client });
        let again = match word {
            "request" | "to_server" => std::mem::replace(&mut directions, both(true, false)).is_some(),
            "response" | "to_client" => std::mem::replace(&mut directions, both(false, true)).is_some(),
            "both" => std::mem::replace(&mut directions, both(true, true)).is_some(),
            "file" => scope.replace(FileScope::File).is_some(),
            "tx" => scope.replace(FileScope::Transaction).is_some(),
            "ssn" | "flow" => scope.replace(FileScope::Flow).is_some(),
            _ => return Err(argument.fault(format!("`{word}` is neither a direction nor a scope"), HINT)),
        };
        if again {
            return Err(argument.fault(format!("`{word}` is one direction or scope too many"), HINT));
        }
    }
    builder.rule.filestore = Some(Filestore { directions, scope: scope.unwrap_or_default() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Environment;
    use crate::language::load::{Source, load};

    #[test]
    fn a_size_is_answered_early_only_where_growing_cannot_change_it() {
        use Verdict::{No, NotYet, Yes};
        for (text, size, closed, complete, verdict) in [
            (">10", 11, false, false, Yes),
            (">10", 10, false, false, NotYet),
            (">10", 11, true, false, Yes),
            ("<10", 5, false, false, NotYet),
            ("<10", 5, true, true, Yes),
            ("<10", 5, true, false, No),
            ("10", 10, true, true, Yes),
        ] {
            let view = FileView {
                number: 1,
                name: b"a",
                size,
                begins: 0,
                contents: None,
                kind: None,
                closed,
                complete,
                md5: None,
                sha1: None,
                sha256: None,
            };
            let test = NumberTest::parse(text).unwrap();
            assert_eq!(Size { test, direction: None }.holds(&view), verdict, "{text} {size}");
        }
    }

    #[test]
    fn a_store_has_a_direction_and_a_scope_in_any_order() {
        use FileScope::{File, Flow, Transaction};
        let read = |text: Option<&str>| {
            let value = text.map(|text| format!(":{text}")).unwrap_or_default();
            let text = format!("alert http any any -> any any (filestore{value}; sid:1;)");
            let loaded = load(&[Source { name: "own.rules".into(), text }], &Environment::default());
            let rule = loaded.set.rules.first().and_then(|entry| entry.rule());
            rule.and_then(|rule| rule.filestore).map(|store| {
                (store.directions.map(|Both { to_server, to_client }| (to_server, to_client)), store.scope)
            })
        };
        for (text, expected) in [
            (None, Some((None, File))),
            (Some("to_server"), Some((Some((true, false)), File))),
            (Some("response, tx"), Some((Some((false, true)), Transaction))),
            (Some("ssn,both"), Some((Some((true, true)), Flow))),
            (Some("flow"), Some((None, Flow))),
            (Some("request,both"), None),
            (Some("tx,flow"), None),
            (Some("everything"), None),
            (Some(""), None),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn texts_have_escapes_and_hex() {
        for (text, expected) in [
            ("\"a.b\"", Some((false, &b"a.b"[..]))),
            ("!\"x|00 0A|y\"", Some((true, b"x\0\ny"))),
            (r#""a\"b\;c\\""#, Some((false, b"a\"b;c\\"))),
            ("plain", None),
            ("\"|0|\"", None),
            ("\"|00\"", None),
            ("\"\"", None),
        ] {
            let argument = Argument { keyword: "filename", text: Some(text), span: 0..1 };
            assert_eq!(quoted(&argument).ok(), expected.map(|(negated, bytes)| (negated, bytes.to_vec())), "{text}");
        }
    }
}
