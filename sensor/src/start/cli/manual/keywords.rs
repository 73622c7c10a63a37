//! The page of keywords, from the table of the rule language.

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Field, Kind, Protocol};
use tapwire_signatures::builder::Environment;
use tapwire_signatures::keywords::{KEYWORDS, Keyword};
use tapwire_signatures::language::load::{Source, load};

use super::text::{Text, code, codes};

pub(super) fn page() -> String {
    let about = "The keywords of rules, by family. Rules are written in Suricata's language: `alert http any any -> any any (msg:\"…\"; http.uri; content:\"/admin\"; sid:1;)`.";
    let mut text = Text::new("Keywords", about);
    let mut later = Vec::new();
    for family in families() {
        let (active, idle): (Vec<&Keyword>, Vec<&Keyword>) = family.iter().partition(|keyword| is_active(keyword));
        later.extend(idle.iter().flat_map(|keyword| names(keyword)));
        for part in active
            .chunk_by(|one, next| of_card(one).map(|(card, _)| card.name) == of_card(next).map(|(card, _)| card.name))
        {
            text.heading(&title(part));
            text.table(
                ["keyword", "what", "examples"],
                part.iter().map(|keyword| {
                    let names = names(keyword).map(code).collect::<Vec<_>>().join("<br>");
                    let examples =
                        keyword.examples.iter().map(|example| code(example)).collect::<Vec<_>>().join("<br>");
                    [names, doc(keyword), examples]
                }),
            );
        }
    }
    text.heading("Accepted, not active yet");
    text.paragraph("Rules that use these are read and counted (`tapwire check` says how many there are), and do not match: what they look at is not there yet.");
    text.paragraph(&codes(later));
    text.finish()
}

/// The keywords of the language, by family.
fn families() -> impl Iterator<Item = &'static [Keyword]> {
    KEYWORDS.iter().copied()
}

fn names(keyword: &Keyword) -> impl Iterator<Item = &'static str> {
    std::iter::once(keyword.name).chain(keyword.aliases.iter().copied())
}

/// The field that a keyword is made from, and whose it is.
fn of_card(keyword: &Keyword) -> Option<(&'static Protocol, &'static Field)> {
    let fields = REGISTRY.iter().flat_map(|card| card.fields.iter().map(|field| (*card, field)));
    fields.filter(|_| keyword.examples.is_empty()).find(|(_, field)| field.name == keyword.name)
}

/// What a keyword does.
fn doc(keyword: &Keyword) -> String {
    match of_card(keyword) {
        Some((_, Field { kind: Kind::Number(numbers), .. })) => {
            let words = (numbers.names)();
            let words = match words.len() {
                0 => String::new(),
                count if count > WORDS => {
                    format!(" Some have names, such as {}.", codes(words.iter().take(3).map(|(word, _)| *word)))
                }
                _ => format!(" Some have names: {}.", codes(words.iter().map(|(word, _)| *word))),
            };
            format!("A number. {}{words}", keyword.doc)
        }
        Some(_) => format!("A sticky buffer. {}", keyword.doc),
        None => keyword.doc.to_owned(),
    }
}

/// What a part of the page is called: after its protocol, or by its first keywords.
fn title(family: &[&Keyword]) -> String {
    if let Some((card, _)) = family.first().and_then(|keyword| of_card(keyword)) {
        return format!("Fields of {}", card.name);
    }
    let first = family.iter().take(TITLE_NAMES).map(|keyword| keyword.name).collect::<Vec<_>>().join(", ");
    match family.len().saturating_sub(TITLE_NAMES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Names of numbers that are shown.
const WORDS: usize = 20;
const TITLE_NAMES: usize = 3;

/// Whether a rule that uses a keyword can match: the language itself says so of one that is read for a try.
fn is_active(keyword: &Keyword) -> bool {
    // Some buffers take the name of what they look at, of which cards have a list.
    let with_name = REGISTRY.iter().flat_map(|card| card.fields).map(|field| field.name);
    let with_name = with_name.filter(|name| name.split(':').next() == Some(keyword.name));
    let buffers = with_name.chain([keyword.name]).map(|buffer| format!("{buffer}; content:\"x\""));
    let options = keyword.examples.iter().map(|example| (*example).to_owned()).chain(buffers);
    // One that stands for itself does without an example or a content behind it.
    let tries = options.flat_map(|option| PROTOCOLS.map(|protocol| (protocol, option.clone())));
    let mut outcomes = tries.filter_map(|(protocol, option)| can_match(protocol, &option));
    outcomes.next().unwrap_or(true)
}

const PROTOCOLS: [&str; 4] = ["ip", "tcp", "http", "smb"];

/// Whether a rule with an option can match; nothing where there is no such rule.
pub(super) fn can_match(protocol: &str, option: &str) -> Option<bool> {
    let text = format!("alert {protocol} any any -> any any ({option}; sid:1;)\n");
    let loaded = load(&[Source { name: String::new(), text }], &Environment::default());
    loaded.faults.iter().all(|fault| fault.warning).then_some(loaded.later.is_empty())
}
