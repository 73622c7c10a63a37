//! Sections on small buffers.

use super::*;
use crate::language::item::{ByteJump, ByteTest, Comparison, Endian, IsDataAt, NumberFormat, TextBase};
use crate::verify::regex::{Options, Regex};

fn content(bytes: &str) -> Content {
    Content::new(bytes.into(), false)
}

fn verdict(items: &[Item], data: &[u8], limits: &mut Limits) -> Verdict {
    let scripts = (&mut Runtime::default(), &mut Context::default());
    section_holds(items, View::whole(data), 4, limits, &mut Notes::default(), scripts)
}

fn holds(items: &[Item], data: &str) -> bool {
    verdict(items, data.as_bytes(), &mut Limits::default()) == Verdict::Yes
}

fn relative(bytes: &str, distance: i64, within: Option<i64>) -> Item {
    let within = within.map(Operand::Value);
    Item::Content(Content { distance: Some(Operand::Value(distance)), within, ..content(bytes) })
}

#[test]
fn a_relative_content_tries_every_occurrence_of_the_one_before() {
    let items = [Item::Content(content("ab")), relative("cd", 0, Some(2))];
    for (data, expected) in [("abcd", true), ("ab.cd", false), ("ab.abcd", true), ("abab.abcd", true), ("cdab", false)]
    {
        assert_eq!(holds(&items, data), expected, "{data}");
    }
}

#[test]
fn a_relative_expression_looks_for_another_match_in_the_same_text() {
    let pcre = |pattern: &str| {
        let regex = Regex::new(pattern, Options::default()).unwrap();
        Item::Pcre(Pcre { regex, negated: false, relative: true, captures: Vec::new() })
    };
    for (pattern, data, expected) in [
        ("^[a-z]{2}", "abxy", true),
        // It is held to where the content before it ended: a second match would begin elsewhere.
        ("^[a-z]{2}", "ababxy", false),
        ("[a-z]{2}", "ababxy", true),
        (r"\b[a-z]{2}", "abababxy", false),
        (r"\b[a-z]{2}", "abcd abxy", true),
    ] {
        let items = [Item::Content(content(".")), pcre(pattern), relative("xy", 0, Some(2))];
        assert_eq!(holds(&items, &format!(".{data}")), expected, "{pattern} {data}");
    }
}

#[test]
fn windows_are_kept() {
    let at = |offset, depth| {
        Item::Content(Content {
            offset: Some(Operand::Value(offset)),
            depth: Some(Operand::Value(depth)),
            ..content("ab")
        })
    };
    for (item, data, expected) in [
        (at(0, 2), "ab", true),
        (at(1, 2), ".ab", true),
        (at(1, 2), "..ab", false),
        (Item::Content(Content { endswith: true, ..content("ab") }), "abcab", true),
        (Item::Content(Content { endswith: true, ..content("ab") }), "abc", false),
        (Item::Content(Content { startswith: true, ..content("ab") }), "cab", false),
        (Item::Content(Content { negated: true, ..content("ab") }), "cab", false),
        (Item::Content(Content { negated: true, ..content("ab") }), "", true),
        (Item::Content(Content { nocase: true, ..content("ab") }), "xAB", true),
    ] {
        assert_eq!(holds(&[item], data), expected, "{data}");
    }
}

#[test]
fn the_end_of_the_buffer_is_known_by_isdataat() {
    let end = Item::IsDataAt(IsDataAt { position: Operand::Value(1), negated: true, relative: true });
    let items = [Item::Content(content("ab")), end];
    for (data, expected) in [("ab", true), ("abc", false), ("abcab", true)] {
        assert_eq!(holds(&items, data), expected, "{data}");
    }
}

#[test]
fn numbers_are_read_jumped_over_and_compared() {
    let number = NumberFormat {
        bytes: Operand::Value(1),
        endian: Endian::Big,
        text: None,
        bitmask: None,
        relative: false,
        offset: Operand::Value(0),
    };
    let jump = Item::ByteJump(ByteJump {
        number,
        multiplier: 1,
        align: false,
        from_beginning: false,
        from_end: false,
        post_offset: Operand::Value(0),
    });
    assert!(holds(&[jump, relative("x", 0, Some(1))], "\u{2}..x"));
    let text = NumberFormat { text: Some(TextBase::Decimal), bytes: Operand::Value(5), ..number };
    let test = Item::ByteTest(ByteTest {
        number: text,
        negated: false,
        operator: Comparison::Greater,
        value: Operand::Value(122),
    });
    assert!(holds(std::slice::from_ref(&test), "123"));
    assert!(!holds(&[test], "122 "));
    let all = NumberFormat { bytes: Operand::Value(0), ..text };
    let value = Operand::Value(3000);
    let test = Item::ByteTest(ByteTest { number: all, negated: false, operator: Comparison::Equal, value });
    assert!(holds(std::slice::from_ref(&test), "3000"));
    assert!(holds(std::slice::from_ref(&test), "3000 and more than a number may have"));
    assert!(!holds(std::slice::from_ref(&test), "30000"));
    assert!(!holds(&[test], ""));
}

#[test]
fn a_hostile_buffer_meets_the_step_limit() {
    let items: Vec<Item> = std::iter::once(Item::Content(content("a")))
        .chain((0..6).map(|_| relative("a", 0, None)))
        .chain([relative("b", 0, Some(1))])
        .collect();
    let mut limits = Limits::default();
    assert_eq!(verdict(&items, &[b'a'; 4_000], &mut limits), Verdict::No);
    assert_eq!(limits.steps_hit, 1);
}
