//! The place of a fault: the very word that is wrong, and what it may have meant.

use crate::builder::nearest::nearest;
use crate::rule::fault::Fault;

/// Puts a fault at the word that its message names, where that stands within its place in `text`, and the word of its hint that is most
/// like that one first: hints list what can stand there.
pub(super) fn at_its_word(mut fault: Fault, text: &str) -> Fault {
    let Some(word) = fault.message.split('`').nth(1).filter(|word| !word.is_empty()) else { return fault };
    let found = text.get(fault.span.clone()).and_then(|part| find(part, word));
    let is_subject = fault.message.starts_with('`') && !fault.hint.starts_with("did you mean");
    let listed = fault.hint.split(|c: char| !is_of_name(c)).filter(|known| known.len() > 2 && *known != word);
    let alike = if is_subject { nearest(word, listed) } else { String::new() };
    if let Some(at) = found {
        let start = fault.span.start + at;
        fault.span = start..start + word.len();
    }
    if !alike.is_empty() {
        fault.hint = format!("{alike} {}", fault.hint);
    }
    fault
}

/// Where a word stands by itself in a text, or else within another one.
fn find(text: &str, word: &str) -> Option<usize> {
    let places = || text.match_indices(word).map(|(at, _)| at);
    let is_alone = |at: &usize| {
        let (before, behind) = (text.get(..*at).unwrap_or_default(), text.get(at + word.len()..).unwrap_or_default());
        let joins =
            |inner: Option<char>, outer: Option<char>| inner.is_some_and(is_of_name) && outer.is_some_and(is_of_name);
        !joins(word.chars().next(), before.chars().next_back())
            && !joins(word.chars().next_back(), behind.chars().next())
    };
    places().find(is_alone).or_else(|| places().next())
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_stands_alone_is_meant() {
        for (text, word, place) in [
            ("to_server,to_servr", "to_servr", 10..18),
            ("2,>>,100,0", ">>", 2..4),
            ("tipe,type", "type", 5..9),
            ("abc", "b", 1..2),
            ("abc", "x", 0..3),
        ] {
            let fault = Fault::new(0..text.len(), format!("`{word}` is wrong"), "");
            assert_eq!(at_its_word(fault, text).span, place, "{text} {word}");
        }
    }

    #[test]
    fn a_hint_begins_with_what_was_meant() {
        for (message, hint, expected) in [
            ("`tipe` is unknown here", "type, load or save", "did you mean `type`? type, load or save"),
            ("`tipe` is unknown here", "did you mean `pipe`?", "did you mean `pipe`?"),
            ("the file `tipe` is not there", "type it", "type it"),
            ("nothing", "type", "type"),
        ] {
            assert_eq!(at_its_word(Fault::new(0..4, message, hint), "tipe").hint, expected);
        }
    }
}
