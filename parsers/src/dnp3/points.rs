//! Points of objects, as records show them.

use data_encoding::BASE64;

use super::message::{Message, ObjectHeader};
use super::objects::{Layout, Length, Part, layout};
use crate::json::{Array, Object};

/// Writes the points of an object, at most `limit` of them; how many were written. What is broken ends them.
pub(super) fn write(message: &Message, header: &ObjectHeader, limit: usize, out: &mut Array<'_>) -> usize {
    let (Some(data), Some(layout)) = (message.points(header), layout(header.group, header.variation)) else { return 0 };
    let mut reader = Reader { rest: data, bit: 0 };
    let count = usize::try_from(header.count).unwrap_or(usize::MAX).min(limit);
    for place in 0..count {
        let index = header.range.0.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
        let Some(point) = reader.point(header, layout) else { return place };
        out.object(|object| point.write(index, object));
    }
    count
}

/// Whether an object has points that can be shown.
pub(super) fn are_known(header: &ObjectHeader) -> bool {
    header.at.is_some() && header.count > 0 && layout(header.group, header.variation).is_some()
}

/// One point: its prefix, its size where the prefix is one, and its octets.
struct Point<'a> {
    layout: Layout,
    prefix: u32,
    is_index: bool,
    size: Option<u32>,
    content: &'a [u8],
    /// The value of a point that has no octet of its own.
    bits: u8,
}

/// Takes points one behind the other.
struct Reader<'a> {
    rest: &'a [u8],
    /// The next bit of the first octet, where points have no octet of their own.
    bit: u8,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn point(&mut self, header: &ObjectHeader, layout: Layout) -> Option<Point<'a>> {
        let prefix = number(self.take(header.prefix_octets())?);
        let prefix = u32::try_from(prefix).unwrap_or(u32::MAX);
        let mut point = Point { layout, prefix, is_index: header.has_index(), size: None, content: &[], bits: 0 };
        if header.has_size() {
            point.size = Some(prefix);
            point.content = self.take(usize::try_from(prefix).unwrap_or(usize::MAX))?;
            return Some(point);
        }
        match layout {
            Layout::Packed(width) if header.prefix_octets() == 0 => {
                point.bits = self.rest.first()? >> self.bit & ((1 << width) - 1);
                self.bit += width;
                if self.bit >= 8 {
                    (self.bit, self.rest) = (0, self.rest.get(1..)?);
                }
            }
            Layout::Packed(width) => point.bits = self.take(1)?.first()? & ((1 << width) - 1),
            Layout::Attribute => {
                let length = usize::from(*self.rest.get(1)?);
                point.content = self.take(2 + length)?;
            }
            Layout::Parts(_) | Layout::String(_) => point.content = self.take(layout.size_bits()?.div_ceil(8))?,
        }
        Some(point)
    }
}

impl Point<'_> {
    fn write(&self, index: u32, out: &mut Object<'_>) {
        out.number("prefix", self.prefix).number("index", if self.is_index { self.prefix } else { index });
        if let Some(size) = self.size {
            out.number("size", size);
        }
        match self.layout {
            Layout::Packed(_) => {
                out.number("state", self.bits);
            }
            Layout::String(_) => {
                out.text("value", self.content);
            }
            Layout::Attribute => self.write_attribute(out),
            Layout::Parts(parts) => {
                let mut fields = Fields { rest: self.content, lengths: [("", 0); 3], said: 0 };
                // What is broken leaves out what is behind it.
                let _ = parts.iter().copied().flatten().try_for_each(|part| fields.write(*part, out));
            }
        }
    }

    fn write_attribute(&self, out: &mut Object<'_>) {
        let Some((&[kind, length], value)) = self.content.split_first_chunk() else { return };
        out.number("data_type", kind).number("length", length);
        match (kind, value.len()) {
            (TEXT, _) => out.text("value", value),
            (UNSIGNED, 1..=8) => out.number("value", number(value)),
            (SIGNED, 1..=8) => out.number("value", signed(value)),
            (FLOAT, 4 | 8) => {
                write_float("value", value, out);
                out
            }
            _ => out.text("value", BASE64.encode(value)),
        };
    }
}

/// What is left of a point, and the lengths that it has said.
struct Fields<'a> {
    rest: &'a [u8],
    lengths: [(&'static str, usize); 3],
    said: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn sized(&mut self, length: Length) -> Option<&'a [u8]> {
        let count = match length {
            Length::Fixed(octets) => octets.into(),
            Length::Said(name) => self.lengths.iter().find(|(said, _)| *said == name)?.1,
            Length::Rest => self.rest.len(),
        };
        self.take(count)
    }

    fn write(&mut self, part: Part, out: &mut Object<'_>) -> Option<()> {
        match part {
            Part::Bits(names) => {
                let mut octet = u16::from(*self.take(1)?.first()?);
                for (name, width) in names {
                    out.number(name, octet & ((1 << width) - 1));
                    octet >>= width;
                }
            }
            Part::Number(name, octets) => {
                let value = number(self.take(octets.into())?);
                if name.ends_with("_size") || name.ends_with("_len") {
                    if let Some(slot) = self.lengths.get_mut(self.said) {
                        *slot = (name, usize::try_from(value).unwrap_or(usize::MAX));
                    }
                    self.said += 1;
                }
                out.number(name, value);
            }
            Part::Signed(name, octets) => {
                out.number(name, signed(self.take(octets.into())?));
            }
            Part::Single(name) => write_float(name, self.take(4)?, out),
            Part::Double(name) => write_float(name, self.take(8)?, out),
            Part::Text(name, length) => {
                out.text(name, self.sized(length)?);
            }
            Part::Octets(name, length) => {
                out.text(name, BASE64.encode(self.sized(length)?));
            }
        }
        Some(())
    }
}

/// A number with its lowest octet first.
fn number(octets: &[u8]) -> u64 {
    octets.iter().rev().fold(0, |sum, octet| sum << 8 | u64::from(*octet))
}

/// The same with a sign; of no more than eight octets.
fn signed(octets: &[u8]) -> i64 {
    let unused = 64_usize.saturating_sub(octets.len() * 8).min(63);
    number(octets).cast_signed() << unused >> unused
}

/// A number with a fraction, of four or eight octets; text where JSON has none.
fn write_float(name: &'static str, octets: &[u8], out: &mut Object<'_>) {
    let value = match (<[u8; 4]>::try_from(octets), <[u8; 8]>::try_from(octets)) {
        (Ok(octets), _) => f32::from_le_bytes(octets).into(),
        (_, Ok(octets)) => f64::from_le_bytes(octets),
        _ => return,
    };
    if value.is_finite() {
        out.float(name, value);
    } else {
        out.text(name, value.to_string());
    }
}

/// Kinds of attributes of a device (IEEE 1815 table 11-11).
const TEXT: u8 = 1;
const UNSIGNED: u8 = 2;
const SIGNED: u8 = 3;
const FLOAT: u8 = 4;
