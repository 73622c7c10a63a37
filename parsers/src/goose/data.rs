//! The values of a message (IEC 61850-8-1, table A.2): a tree, of which the leaves are told with their places.

use std::fmt::Write;

use super::ber::{Element, elements};
use crate::protocol::held;

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// `[1]`, or `[1][0]` within a structure.
    pub place: String,
    pub kind: &'static str,
    /// As text: numbers in decimal, truth values as 0 and 1, octets and bits in hexadecimal.
    pub value: String,
}

/// The values of a message, as far as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Items {
    pub kept: Vec<Item>,
    /// How many there are.
    pub total: usize,
}

/// How many values stand at the top; `None` where one is cut.
pub(super) fn count(data: &[u8]) -> Option<u32> {
    elements(data).try_fold(0, |count, found| found.ok().map(|_| count + 1))
}

impl Items {
    /// Reads all values.
    pub(super) fn read(data: &[u8]) -> Self {
        let mut items = Self::default();
        items.branch(data, "", 0);
        items.kept.shrink_to_fit();
        items
    }

    fn branch(&mut self, data: &[u8], above: &str, depth: usize) {
        for (index, element) in elements(data).map_while(Result::ok).enumerate() {
            let is_kept = self.kept.len() < ITEMS_LIMIT;
            let place = if is_kept { format!("{above}[{index}]") } else { String::new() };
            if matches!(element.tag, ARRAY | STRUCTURE) && depth < DEPTH_LIMIT {
                self.branch(element.value, &place, depth + 1);
                continue;
            }
            self.total += 1;
            if is_kept {
                let (kind, value) = leaf(&element);
                self.kept.push(Item { place, kind, value });
            }
        }
    }

    /// Bytes that they keep.
    pub(super) fn held_bytes(&self) -> usize {
        let of_item = |item: &Item| held::block(item.place.capacity()) + held::block(item.value.capacity());
        held::list(&self.kept) + self.kept.iter().map(of_item).sum::<usize>()
    }
}

/// The kind of a value and its text.
fn leaf(element: &Element<'_>) -> (&'static str, String) {
    let kept = element.value.get(..VALUE_LIMIT).unwrap_or(element.value);
    let hex = || hexadecimal(kept);
    match element.tag {
        0x83 => ("boolean", element.boolean().map_or_else(hex, |on| u8::from(on).to_string())),
        // The first octet says how many bits of the last one do not count.
        0x84 => ("bits", hexadecimal(kept.get(1..).unwrap_or(&[]))),
        0x85 => ("integer", element.signed().map_or_else(hex, |number| number.to_string())),
        0x86 => ("unsigned", element.unsigned().map_or_else(hex, |number| number.to_string())),
        0x87 => ("float", float(kept).unwrap_or_else(hex)),
        0x89 => ("octets", hex()),
        0x8a => ("text", String::from_utf8_lossy(kept).into_owned()),
        0x8c => ("time_of_day", hex()),
        0x8d => ("bcd", hex()),
        0x90 => ("unicode", String::from_utf8_lossy(kept).into_owned()),
        0x91 => ("time", hex()),
        ARRAY => ("array", hex()),
        STRUCTURE => ("structure", hex()),
        _ => ("other", hex()),
    }
}

/// A floating point number: the width of its exponent, and four or eight octets.
fn float(value: &[u8]) -> Option<String> {
    match value {
        [8, rest @ ..] => rest.try_into().ok().map(|octets| f32::from_be_bytes(octets).to_string()),
        [11, rest @ ..] => rest.try_into().ok().map(|octets| f64::from_be_bytes(octets).to_string()),
        _ => None,
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

const ARRAY: u8 = 0xa1;
const STRUCTURE: u8 = 0xa2;
/// Values that are kept of a message, octets that are kept of one, and how deep they may lie.
const ITEMS_LIMIT: usize = 64;
const VALUE_LIMIT: usize = 128;
const DEPTH_LIMIT: usize = 16;
