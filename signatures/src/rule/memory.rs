//! What rules remember of flows, hosts and transactions: bits, numbers and variables.

use std::sync::Arc;

/// What `flowbits` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOperation {
    /// Set.
    Set,
    /// Unset.
    Unset,
    /// Toggle.
    Toggle,
    /// Holds when any of the bits is set.
    IsSet,
    /// Holds when one of the bits is not set.
    IsNotSet,
}

/// One `flowbits` keyword. Names are interned in [`super::RuleSet::flowbits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowbits {
    /// What it does.
    pub operation: BitOperation,
    /// The bits; several for `isset:a|b`.
    pub bits: Vec<u16>,
}

/// One `flowint` keyword. Names are interned in [`super::RuleSet::flowints`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowint {
    /// The variable.
    pub name: u16,
    /// What it does.
    pub operation: IntOperation,
}

/// What `flowint` does or tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOperation {
    /// `+`
    Add(IntValue),
    /// `-`
    Subtract(IntValue),
    /// `=`
    Set(IntValue),
    /// A comparison.
    Test(IntComparison, IntValue),
    /// `isset`
    IsSet,
    /// `notset` / `isnotset`
    IsNotSet,
}

/// A comparison of `flowint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntComparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

/// The right side of `flowint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntValue {
    /// A number.
    Value(u32),
    /// Another variable.
    Variable(u16),
}

/// One `xbits` or `hostbits` keyword. Names are interned in [`super::RuleSet::hostbits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostBits {
    /// What it does.
    pub operation: BitOperation,
    /// The bit.
    pub bit: u16,
    /// Whose bit it is.
    pub track: BitTrack,
    /// How long it lives, in seconds of packet time.
    pub expire_s: u32,
}

/// Whose bit `xbits` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitTrack {
    /// The packet's source.
    Source,
    /// The packet's destination.
    Destination,
    /// Both together.
    Pair,
    /// The transaction.
    Transaction,
}

/// `flowvar` or `pktvar`: a content that a variable must have in it, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableTest {
    /// Whose variable it is.
    pub scope: VariableScope,
    /// Its name.
    pub name: Arc<str>,
    /// The content.
    pub bytes: Vec<u8>,
    /// Whether the variable must not have it.
    pub negated: bool,
}

/// Whose variable is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableScope {
    /// The flow's.
    Flow,
    /// The packet's.
    Packet,
}
