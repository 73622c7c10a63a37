//! YAML as it is written: every entry of every mapping, with tags and places.
//!
//! The text is read by `serde-saphyr`, which takes YAML 1.1 as real configurations write it and bounds what aliases may expand to. What keys
//! mean that are there twice, hold dots or include files is decided in [`super::assemble`].

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Spanned, Tagged};

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1; 0 for what no file says.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A value as it is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) value: WrittenValue,
    /// Its tag, such as `!include`.
    pub(super) tag: Option<String>,
    pub(super) place: Place,
}

/// What a value is. Scalars are kept as text.
#[derive(Debug)]
pub(super) enum WrittenValue {
    Null,
    Scalar(String),
    List(Vec<Written>),
    Map(Vec<(Key, Written)>),
}

/// A key: as it is written, also where it would be a number or a switch elsewhere.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

/// What keeps a text from being YAML.
#[derive(Debug)]
pub(super) struct NoYaml {
    pub(super) reason: String,
    pub(super) place: Place,
}

/// Reads a text: its documents, without those that say nothing.
pub(super) fn read(text: &str) -> Result<Vec<Written>, NoYaml> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    };
    serde_saphyr::from_str_multiple_with_options(text, options).map_err(|error| NoYaml {
        reason: reason(&error.to_string()),
        place: error.location().map(|at| place(at.line(), at.column())).unwrap_or_default(),
    })
}

fn place(line: u64, column: u64) -> Place {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(line), column: number(column) }
}

/// The first line of the reader's message, without the place that is named beside it.
fn reason(message: &str) -> String {
    let first = message.lines().next().unwrap_or("is no YAML");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    match first.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest.to_owned(),
        _ => first.to_owned(),
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = WrittenValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Scalar(if value { "yes" } else { "no" }.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Scalar(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Null)
    }

    fn visit_none<E>(self) -> Result<WrittenValue, E> {
        Ok(WrittenValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<WrittenValue, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<WrittenValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(WrittenValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<WrittenValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(WrittenValue::Map(entries))
    }
}

impl<'de> Deserialize<'de> for WrittenValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        let at = spanned.referenced;
        Ok(Key { text: spanned.value, place: place(at.line(), at.column()) })
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tagged<WrittenValue>>::deserialize(deserializer)?;
        let (at, Tagged(value, tag)) = (spanned.referenced, spanned.value);
        Ok(Written { value, tag, place: place(at.line(), at.column()) })
    }
}
