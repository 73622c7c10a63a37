//! Sections on small buffers.

use proptest::prelude::*;

use super::*;
use crate::regex::tank::Tank;
use crate::regex::{Options, Regex};
use crate::rule::arithmetic::{ByteJump, ByteTest, Comparison, Endian, NumberFormat, TextBase};
use crate::rule::item::{Content, IsDataAt, Operand, Pcre};

fn content(bytes: &str) -> Content {
    Content::new(bytes.into(), false)
}

fn verdict(items: &[Item], data: &[u8], limits: &mut Limits) -> Verdict {
    let mut notes = Notes::with(Tank::endless());
    let scripts = (&mut Runtime::default(), &mut Context::default());
    section_holds(items, View::whole(data), limits, &mut notes, scripts)
}

/// The work that items take on bytes.
fn work(items: &[Item], data: &[u8]) -> u64 {
    let mut notes = Notes::with(Tank::endless());
    let scripts = (&mut Runtime::default(), &mut Context::default());
    section_holds(items, View::whole(data), &mut Limits::default(), &mut notes, scripts);
    notes.tank.spent()
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
fn what_is_tried_again_takes_work_that_grows_with_the_bytes() {
    let pcre = |pattern: &str, negated| {
        let regex = Regex::new(pattern, Options::default()).unwrap();
        Item::Pcre(Pcre { regex, negated, relative: true, captures: Vec::new() })
    };
    let chain = |last: Item| -> Vec<Item> {
        let middle = (0..6).map(|_| relative("a", 0, None));
        std::iter::once(Item::Content(content("a"))).chain(middle).chain([last]).collect()
    };
    let negated = Item::Content(Content { distance: Some(Operand::Value(0)), ..Content::new(b"b".to_vec(), true) });
    for (what, items) in [
        ("a content that must be near", chain(relative("b", 0, Some(1)))),
        ("one in a window", chain(relative("ab", 0, Some(300)))),
        ("one anywhere", chain(relative("b", 0, None))),
        ("one that must not be there", chain(negated).into_iter().chain([relative("c", 0, Some(2))]).collect()),
        ("an expression", chain(pcre("a+b", false))),
        ("an expression that must not match", chain(pcre("b", true))),
    ] {
        let (once, twice) = (work(&items, &[b'a'; 4_000]), work(&items, &[b'a'; 8_000]));
        assert!(twice * 10 <= once * 23, "{what}: {once} for 4,000 bytes, {twice} for 8,000");
        assert!(once < 4_000 * 400, "{what}: {once}");
    }
}

#[test]
fn a_section_whose_tank_runs_dry_does_not_match() {
    let items = [Item::Content(content("a")), relative("b", 0, None)];
    let data = [vec![b'a'; 4_000], vec![b'b']].concat();
    let mut verdicts = Vec::new();
    for units in [100, 100_000] {
        let mut notes = Notes::with(Tank::of(units));
        let scripts = (&mut Runtime::default(), &mut Context::default());
        verdicts.push((
            section_holds(&items, View::whole(&data), &mut Limits::default(), &mut notes, scripts),
            notes.tank.is_dry(),
        ));
    }
    assert_eq!(verdicts, [(Verdict::No, true), (Verdict::Yes, false)]);
}

/// Contents in the way that they are defined: every occurrence of each is tried.
fn defined(items: &[Content], data: &[u8], cursor: usize) -> bool {
    let Some((content, rest)) = items.split_first() else { return true };
    let value = |operand: Option<Operand>| match operand {
        Some(Operand::Value(value)) => usize::try_from(value).unwrap(),
        _ => 0,
    };
    let (low, high) = match content.is_relative() {
        true => {
            let low = cursor + value(content.distance);
            (low, content.within.map_or(data.len(), |within| (low + value(Some(within))).min(data.len())))
        }
        false => (0, data.len()),
    };
    let ends: Vec<usize> = (low..high)
        .filter(|at| data.get(*at..high).is_some_and(|part| part.starts_with(&content.bytes)))
        .map(|at| at + content.bytes.len())
        .collect();
    if content.negated {
        return ends.is_empty() && defined(rest, data, cursor);
    }
    ends.into_iter().any(|end| defined(rest, data, end))
}

proptest! {
    #[test]
    fn passing_over_what_was_tried_changes_nothing(
        data in prop::collection::vec(prop::sample::select(b"aab".to_vec()), 0..24),
        chain in prop::collection::vec(
            ("[ab]{1,2}", any::<bool>(), 0..3_i64, prop::option::of(1..6_i64)), 1..5
        ),
    ) {
        let contents: Vec<Content> = (0..).zip(chain).map(|(position, (bytes, negated, distance, within))| Content {
            distance: (position > 0).then_some(Operand::Value(distance)),
            within: within.filter(|_| position > 0).map(Operand::Value),
            ..Content::new(bytes.into_bytes(), negated && position > 0)
        }).collect();
        let items: Vec<Item> = contents.iter().cloned().map(Item::Content).collect();
        let held = verdict(&items, &data, &mut Limits::default()) == Verdict::Yes;
        prop_assert_eq!(held, defined(&contents, &data, 0), "{:?} in {:?}", contents, String::from_utf8_lossy(&data));
    }
}
