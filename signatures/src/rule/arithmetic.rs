//! Numbers in the bytes of a buffer: how they stand there (`byte_test`, `byte_jump`, `byte_extract`, `byte_math`).

use super::item::Operand;

/// How bytes become a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// Number of bytes (1 to 8; up to 23 for text), or a variable.
    pub bytes: Operand,
    /// Byte order.
    pub endian: Endian,
    /// Text form, where the bytes are text.
    pub text: Option<TextBase>,
    /// Bits that count; the result is shifted right by the mask's trailing zeros.
    pub bitmask: Option<u32>,
    /// Position counts from the cursor.
    pub relative: bool,
    /// Position, from the start of the buffer or the cursor.
    pub offset: Operand,
}

/// Byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// Most significant byte first.
    Big,
    /// Least significant byte first.
    Little,
    /// As the DCERPC header of the message says.
    Dce,
}

/// Base of a number in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextBase {
    /// `oct`
    Octal,
    /// `dec`
    Decimal,
    /// `hex`
    Hexadecimal,
}

/// `byte_test`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteTest {
    /// Where and how the number stands.
    pub number: NumberFormat,
    /// `!` before the operator.
    pub negated: bool,
    /// The operator.
    pub operator: Comparison,
    /// What it is compared with.
    pub value: Operand,
}

/// An operator of `byte_test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessOrEqual,
    /// `>=`
    GreaterOrEqual,
    /// `&`: any common bit.
    And,
    /// `^`: exclusive or is not zero.
    Xor,
}

/// `byte_jump`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteJump {
    /// Where and how the number stands.
    pub number: NumberFormat,
    /// Factor, 1 where none is given.
    pub multiplier: u32,
    /// Round up to four.
    pub align: bool,
    /// Jump from the start of the buffer.
    pub from_beginning: bool,
    /// Jump from its end.
    pub from_end: bool,
    /// Added after the jump.
    pub post_offset: Operand,
}

/// `byte_extract`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteExtract {
    /// Where and how the number stands.
    pub number: NumberFormat,
    /// Factor, 1 where none is given.
    pub multiplier: u32,
    /// Round up to 2 or 4; 0 for none.
    pub align: u8,
    /// Index of the variable it sets.
    pub variable: u8,
}

/// `byte_math`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteMath {
    /// Where and how the number stands.
    pub number: NumberFormat,
    /// The operator.
    pub operator: MathOperator,
    /// Its right side.
    pub value: Operand,
    /// Index of the variable it sets.
    pub variable: u8,
}

/// An operator of `byte_math`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
}
