//! What a rule can be made to cost: each of its sections is played buffers that are made to cost much.
//!
//! A buffer is a filler that is repeated, alone or behind the section's contents in their order: what makes an item succeed and the next one
//! fail, as often as possible; what the expressions end with may stand behind it. Fillers are the contents, pieces of what the expressions match, the same without their last byte, and bytes that
//! most classes of an expression take. Work is counted, not timed, so the answer is the same each time.

use std::collections::BTreeSet;

use super::memory::Notes;
use super::payload::{Limits, View, section_holds};
use crate::lua::{Context, Runtime};
use crate::regex::tank::Tank;
use crate::rule::item::{Item, Pcre};
use crate::rule::{Rule, Section};

/// Units a byte at which a test is ended: what costs so much cannot be afforded anyway.
const ENDED_AT: u64 = 1_000;
/// Bytes that stand for many classes of expressions.
const PLAIN: &[u8] = b"a0 %=/\"<\0";
/// Fillers that are played to a section.
const FILLERS_LIMIT: usize = 24;

/// The buffer that makes one rule cost most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stress {
    /// Units of work for each byte, in a buffer of the given length; one that reaches 1,000 was not played to its end.
    pub units_a_byte: u64,
    /// Work of a buffer of twice the length for the work of one, in percent: 200 where it grows with the bytes.
    pub growth_percent: u64,
    /// The buffer that is looked at, as rules name it.
    pub buffer: &'static str,
    /// What stands before the fillers.
    pub head: Vec<u8>,
    /// What is repeated.
    pub filler: Vec<u8>,
}

/// The worst that was found for a rule, with buffers of so many bytes and of twice as many; `None` for one that looks at no bytes.
pub fn stress(rule: &Rule, bytes: usize) -> Option<Stress> {
    let of_sections = rule.sections.iter().filter_map(|section| of_section(section, bytes.max(16)));
    of_sections.max_by_key(|stress| stress.units_a_byte)
}

fn of_section(section: &Section, bytes: usize) -> Option<Stress> {
    let mut pieces = Pieces::default();
    pieces.read(&section.items);
    let mut worst: Option<Stress> = None;
    // Without a retry or an expression the work is a search of the bytes, whatever they are.
    let fillers = if pieces.goes_back { FILLERS_LIMIT } else { 1 };
    for filler in pieces.fillers.iter().rev().take(fillers) {
        let tailed = (pieces.head.as_slice(), pieces.tail.as_slice());
        for (head, tail) in
            [(&[][..], &[][..]), (&pieces.head, &[])].into_iter().chain(tailed.1.first().map(|_| tailed))
        {
            let played = |length| work(section, &buffer(head, filler, tail, length));
            let twice = played(2 * bytes);
            let units_a_byte = twice.div_ceil(2 * bytes as u64).min(ENDED_AT);
            if worst.as_ref().is_none_or(|worst| worst.units_a_byte < units_a_byte) {
                worst = Some(Stress {
                    units_a_byte,
                    growth_percent: twice * 100 / played(bytes).max(1),
                    buffer: section.buffer.name(),
                    head: head.to_vec(),
                    filler: filler.clone(),
                });
            }
        }
    }
    worst
}

fn buffer(head: &[u8], filler: &[u8], tail: &[u8], length: usize) -> Vec<u8> {
    let filled = head.iter().chain(filler.iter().cycle()).take(length.max(head.len()));
    filled.chain(tail).copied().collect()
}

fn work(section: &Section, data: &[u8]) -> u64 {
    let mut notes = Notes::with(Tank::free(ENDED_AT * data.len() as u64));
    let scripts = (&mut Runtime::default(), &mut Context::default());
    section_holds(&section.items, View::whole(data), &mut Limits::default(), &mut notes, scripts);
    notes.tank.spent()
}

/// What the bytes of a section are made of.
#[derive(Default)]
struct Pieces {
    /// All that must be there, in order.
    head: Vec<u8>,
    /// What expressions end with: a search may not begin without it.
    tail: Vec<u8>,
    /// Items are tried again, or expressions searched for.
    goes_back: bool,
    fillers: BTreeSet<Vec<u8>>,
}

impl Pieces {
    fn read(&mut self, items: &[Item]) {
        self.fillers.extend(PLAIN.iter().map(|byte| vec![*byte]));
        let mut last = Vec::new();
        for item in items {
            self.goes_back |= item.is_relative() || matches!(item, Item::Pcre(_));
            let samples = match item {
                Item::Content(content) if !content.negated => vec![content.bytes.clone()],
                Item::Pcre(Pcre { regex, .. }) => regex.samples(),
                Item::Base64Data(inner) => {
                    self.read(inner);
                    continue;
                }
                _ => continue,
            };
            for sample in &samples {
                let short = sample.get(..sample.len().saturating_sub(1)).unwrap_or_default();
                let both = [last.as_slice(), sample, b"x"].concat();
                self.fillers.extend([sample.clone(), short.to_vec(), both].into_iter().filter(|f| !f.is_empty()));
            }
            last = samples.into_iter().next().unwrap_or_default();
            match item {
                Item::Content(_) => self.head.extend_from_slice(&last),
                _ => {
                    self.tail.push(b'\n');
                    self.tail.extend_from_slice(&last);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Environment;
    use crate::language::load::{Source, load};

    fn stressed(conditions: &str) -> Option<Stress> {
        let text = format!("alert tcp any any -> any any ({conditions} sid:1;)");
        let loaded = load(&[Source { name: "t".into(), text }], &Environment::default());
        assert!(loaded.faults.is_empty(), "{:?}", loaded.faults);
        stress(loaded.set.rules[0].rule().unwrap(), 1_024)
    }

    #[test]
    fn rules_that_can_be_made_expensive_are_told_from_those_that_cannot() {
        for (conditions, dear) in [
            (r#"content:"abcd";"#, false),
            (r#"content:"a"; content:"b"; distance:0; within:100; content:"c"; distance:0;"#, false),
            (r#"content:"a"; pcre:"/A{1000}/R";"#, false),
            (r#"content:"a"; pcre:"/a+b/R";"#, false),
            (r#"content:"a"; pcre:!"/(a+)+$/R";"#, true),
            (r#"content:"a"; pcre:"/^[^b]*bc/R";"#, true),
            (r#"pcre:"/(a{1,100}){1,100}b/";"#, true),
        ] {
            let found = stressed(conditions).unwrap();
            assert_eq!(found.units_a_byte > 100, dear, "{conditions}: {found:?}");
            assert_eq!(found, stressed(conditions).unwrap(), "the same each time");
        }
        assert_eq!(stressed("dsize:>5;"), None);
    }

    #[test]
    fn what_grows_faster_than_its_bytes_is_told() {
        let quadratic = stressed(r#"content:"a"; pcre:"/^[^b]*bc/R";"#).unwrap();
        let linear = stressed(r#"content:"abcd"; content:"e"; distance:0;"#).unwrap();
        assert!(quadratic.growth_percent > 260 || quadratic.units_a_byte == ENDED_AT, "{quadratic:?}");
        assert!(linear.growth_percent < 230, "{linear:?}");
    }
}
