//! Numbers in a buffer: read, compared, computed with, jumped by.

use super::{Run, TEXT_LIMIT, to_i64};
use crate::rule::arithmetic::{
    ByteExtract, ByteJump, ByteMath, ByteTest, Comparison, Endian, MathOperator, NumberFormat, TextBase,
};
use crate::rule::item::{IsDataAt, Operand};

impl Run<'_, '_, '_> {
    pub(super) fn value(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Value(value) => value,
            Operand::Variable(index) => self.notes.variables.get(index).cast_signed(),
        }
    }

    fn set(&mut self, index: u8, value: u64) {
        if self.notes.variables.set(index, value) {
            // What follows may fare otherwise now.
            self.tried.clear();
        }
    }

    /// The number that stands where a format says, and the position after it.
    pub(super) fn number(&mut self, format: &NumberFormat, data: &[u8], cursor: usize) -> Option<(u64, usize)> {
        let base = if format.relative { to_i64(cursor) } else { 0 };
        let start = usize::try_from(base.checked_add(self.value(format.offset))?).ok()?;
        let count = match usize::try_from(self.value(format.bytes)).ok()? {
            // As many digits as there are.
            0 if format.text.is_some() => TEXT_LIMIT,
            count => count,
        };
        let bytes = match format.text {
            // Text may end with the buffer.
            Some(_) => data.get(start..).map(|d| d.get(..count).unwrap_or(d)).filter(|d| !d.is_empty())?,
            None => data.get(start..start.checked_add(count)?)?,
        };
        let (mut value, used) = match format.text {
            Some(base) => text_number(bytes, base)?,
            None if count > 8 => return None,
            None => (binary_number(bytes, format.endian), count),
        };
        if let Some(mask) = format.bitmask.filter(|&m| m != 0) {
            value = (value & u64::from(mask)) >> mask.trailing_zeros();
        }
        self.read = (value, start..start + used);
        Some((value, start + used))
    }

    pub(super) fn byte_test(&mut self, test: &ByteTest, data: &[u8], cursor: usize) -> bool {
        let Some((number, _)) = self.number(&test.number, data, cursor) else { return false };
        let value = self.value(test.value).cast_unsigned();
        let held = match test.operator {
            Comparison::Equal => number == value,
            Comparison::Less => number < value,
            Comparison::Greater => number > value,
            Comparison::LessOrEqual => number <= value,
            Comparison::GreaterOrEqual => number >= value,
            Comparison::And => number & value != 0,
            Comparison::Xor => number ^ value != 0,
        };
        held != test.negated
    }

    pub(super) fn byte_jump(&mut self, jump: &ByteJump, data: &[u8], cursor: usize) -> Option<usize> {
        // Without bytes to read, the jump is its post_offset alone.
        let (number, after) = if jump.number.bytes == Operand::Value(0) {
            self.read = (0, cursor..cursor);
            (0, cursor)
        } else {
            self.number(&jump.number, data, cursor)?
        };
        let mut number = i64::try_from(number.checked_mul(u64::from(jump.multiplier.max(1)))?).ok()?;
        if jump.align {
            number = number.checked_add(3)? & !3;
        }
        let base = if jump.from_beginning {
            0
        } else if jump.from_end {
            to_i64(data.len())
        } else {
            to_i64(after)
        };
        let target = base.checked_add(number)?.checked_add(self.value(jump.post_offset))?;
        // A jump to before the buffer ends at its start.
        usize::try_from(target.max(0)).ok().filter(|&t| t <= data.len())
    }

    pub(super) fn byte_extract(&mut self, extract: &ByteExtract, data: &[u8], cursor: usize) -> Option<usize> {
        let (number, after) = self.number(&extract.number, data, cursor)?;
        let mut value = number.wrapping_mul(u64::from(extract.multiplier.max(1)));
        if extract.align > 1 {
            let step = u64::from(extract.align);
            value = value.div_ceil(step).wrapping_mul(step);
        }
        self.set(extract.variable, value);
        Some(after)
    }

    pub(super) fn byte_math(&mut self, math: &ByteMath, data: &[u8], cursor: usize) -> Option<usize> {
        let (number, after) = self.number(&math.number, data, cursor)?;
        let right = self.value(math.value).cast_unsigned();
        let shift = u32::try_from(right).unwrap_or(u32::MAX);
        let value = match math.operator {
            MathOperator::Add => number.wrapping_add(right),
            MathOperator::Subtract => number.wrapping_sub(right),
            MathOperator::Multiply => number.wrapping_mul(right),
            MathOperator::Divide => number.checked_div(right)?,
            MathOperator::ShiftLeft => number.checked_shl(shift).unwrap_or(0),
            MathOperator::ShiftRight => number.checked_shr(shift).unwrap_or(0),
        };
        self.set(math.variable, value);
        Some(after)
    }

    pub(super) fn is_data_at(&self, at: &IsDataAt, data: &[u8], cursor: usize) -> bool {
        let position = self.value(at.position);
        let (len, cursor) = (to_i64(data.len()), to_i64(cursor));
        // A relative position may be the end itself, an absolute one may not.
        let held = if at.relative {
            cursor.saturating_add(position) <= len && cursor.saturating_add(position) >= 0
        } else {
            position < len
        };
        held != at.negated
    }
}

fn binary_number(bytes: &[u8], endian: Endian) -> u64 {
    let push = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    match endian {
        Endian::Big => bytes.iter().fold(0, push),
        // The byte order of a DCERPC message is little on every system that is met.
        Endian::Little | Endian::Dce => bytes.iter().rev().fold(0, push),
    }
}

/// A number in text as the C library reads it: blanks, a sign, a prefix for hexadecimal, then digits up to the first byte that
/// is none. The second value is the number of bytes that were read.
fn text_number(bytes: &[u8], base: TextBase) -> Option<(u64, usize)> {
    let radix = match base {
        TextBase::Octal => 8,
        TextBase::Decimal => 10,
        TextBase::Hexadecimal => 16,
    };
    let mut position = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let negative = match bytes.get(position) {
        Some(b'-') => true,
        Some(b'+') => false,
        _ => false,
    };
    if matches!(bytes.get(position), Some(b'-' | b'+')) {
        position += 1;
    }
    if radix == 16
        && bytes.get(position..).is_some_and(|rest| matches!(rest, [b'0', b'x' | b'X', d, ..] if d.is_ascii_hexdigit()))
    {
        position += 2;
    }
    let start = position;
    let mut value: u64 = 0;
    while let Some(digit) = bytes.get(position).and_then(|&b| char::from(b).to_digit(radix)) {
        value = value.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))?;
        position += 1;
    }
    if position == start {
        return None;
    }
    Some((if negative { value.wrapping_neg() } else { value }, position))
}
