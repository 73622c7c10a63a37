//! Keywords that the cards of protocols bring: a sticky buffer for each field, and for each number a test of it.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Both, Direction, Field, Kind, Protocol, Transaction, Value};

use super::packet_number::HINT;
use super::{Keyword, buffers};
use crate::builder::{Argument, Builder};
use crate::rule::condition::TransactionCondition;
use crate::rule::fault::Fault;
use crate::rule::numbers::NumbersTest;

/// The family, without what keywords of their own test: those read more than a number. Frames have the keyword `frame`.
pub(super) static KEYWORDS: LazyLock<Vec<Keyword>> = LazyLock::new(|| {
    let is_own =
        |field: &&Field| super::OWN.iter().flat_map(|family| family.iter()).any(|keyword| keyword.name == field.name);
    // What several protocols have, as the contents of files, is one keyword.
    let mut known = HashSet::new();
    let fields = REGISTRY.iter().flat_map(|protocol| protocol.fields).filter(|field| !is_own(field));
    let fields = fields.filter(|field| known.insert(field.name));
    let keyword = |field: &'static Field| {
        let parse = match field.kind {
            Kind::Frame => return None,
            Kind::Number(_) => number,
            _ => buffers::parse,
        };
        Some(Keyword { name: field.name, aliases: field.aliases, doc: field.doc, examples: &[], parse })
    };
    fields.filter_map(keyword).collect()
});

/// A field of a card by its name or one of its other names, and whose it is.
pub(super) fn field(name: &str) -> Option<(&'static Protocol, &'static Field)> {
    type Index = HashMap<&'static str, (&'static Protocol, &'static Field), foldhash::fast::RandomState>;
    static INDEX: LazyLock<Index> = LazyLock::new(|| {
        let fields = REGISTRY.iter().flat_map(|protocol| protocol.fields.iter().map(|field| (*protocol, field)));
        let names = |(protocol, field): (&'static Protocol, &'static Field)| {
            let names = std::iter::once(field.name).chain(field.aliases.iter().copied());
            names.map(move |name| (name, (protocol, field)))
        };
        fields.flat_map(names).collect()
    });
    INDEX.get(name).copied()
}

/// More instances of a field than any parser keeps.
const LIMIT: usize = 4096;

#[derive(Clone, Copy)]
struct NumberField {
    protocol: &'static Protocol,
    field: &'static Field,
    test: Test,
}

/// What a number is tested for.
#[derive(Clone, Copy, Debug)]
enum Test {
    Number(NumbersTest),
    /// Bits that are set and bits that are not.
    Flags {
        set: u64,
        clear: u64,
    },
}

impl Test {
    /// Names of bits with commas between them, each with `!` before it where the bit is not set; `None` where it is none of that.
    fn flags(text: &str, names: &[(&str, u64)]) -> Option<Self> {
        let (mut set, mut clear) = (0, 0);
        for word in text.split(',').map(str::trim) {
            let (bits, name) = match word.strip_prefix('!') {
                Some(name) => (&mut clear, name.trim()),
                None => (&mut set, word),
            };
            *bits |= names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?.1;
        }
        Some(Self::Flags { set, clear })
    }

    fn holds(&self, mut numbers: impl Iterator<Item = u64>) -> bool {
        match self {
            Self::Number(test) => test.holds(numbers),
            Self::Flags { set, clear } => numbers.any(|number| number & set == *set && number & clear == 0),
        }
    }
}

impl std::fmt::Debug for NumberField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NumberField").field("field", &self.field.name).field("test", &self.test).finish()
    }
}

impl TransactionCondition for NumberField {
    fn protocol(&self) -> &'static str {
        self.protocol.name
    }

    fn from(&self) -> Both<Option<u8>> {
        self.field.from
    }

    fn holds(&self, transaction: &dyn Transaction, direction: Direction) -> bool {
        let limit = if self.field.multi { LIMIT } else { 1 };
        let values = (0..limit).map_while(|index| (self.field.read)(transaction.as_any(), direction, index));
        self.test.holds(values.filter_map(|value| match value {
            Value::Number(number) => Some(number),
            Value::Bytes(_) | Value::Stream { .. } => None,
        }))
    }
}

/// Adds the test that the argument states of a number.
fn number(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    if let Some((protocol, field)) = field(argument.keyword)
        && let Kind::Number(numbers) = field.kind
    {
        let (text, names) = (argument.required()?, (numbers.names)());
        let flags = if numbers.are_flags { Test::flags(text, &names) } else { None };
        let parsed = || NumbersTest::parse(text, &names, numbers.most).map(Test::Number);
        let test = flags.map_or_else(parsed, Ok).map_err(|message| argument.fault(message, HINT))?;
        builder.rule.transaction.push(Box::new(NumberField { protocol, field, test }));
    }
    Ok(())
}
