//! What a section asks of its buffer, typed: contents, expressions, byte arithmetic and the rest, each as its keyword says it.

use std::sync::Arc;

use super::arithmetic::{ByteExtract, ByteJump, ByteMath, ByteTest};
use super::dataset::{Dataset, Operation};
use super::number::NumberTest;
use super::script::ScriptTest;
use crate::prefilter::rarest_byte;
use crate::regex::Regex;

/// A number in a rule: given, or a variable that an earlier item extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Given.
    Value(i64),
    /// Index of a variable, in order of extraction within the rule.
    Variable(u8),
}

/// One condition within a section.
#[derive(Debug)]
pub enum Item {
    /// `content`
    Content(Content),
    /// `pcre`
    Pcre(Pcre),
    /// `byte_test`
    ByteTest(ByteTest),
    /// `byte_jump`
    ByteJump(ByteJump),
    /// `byte_extract`
    ByteExtract(ByteExtract),
    /// `byte_math`
    ByteMath(ByteMath),
    /// `isdataat`
    IsDataAt(IsDataAt),
    /// `bsize` (a test of the buffer's length; for `urilen` on http.uri as well)
    Size(NumberTest),
    /// `base64_decode`
    Base64Decode(Base64Decode),
    /// `base64_data` and the items after it, which look at the decoded bytes only
    Base64Data(Vec<Item>),
    /// `absent` (`or_else: true` when it continues with the rest where the buffer exists)
    Absent {
        /// `absent: or_else`
        or_else: bool,
    },
    /// `entropy`: value test on Shannon entropy of a part of the buffer, in 0 to 8 bits
    Entropy(Entropy),
    /// `dataset`
    Dataset(DatasetTest),
    /// `datarep`
    DatasetScore(DatasetScore),
    /// `lua`: a script that looks at the buffer
    Script(ScriptTest),
    /// `asn1`
    Asn1(Asn1Test),
}

impl Item {
    /// The keyword that makes it.
    pub fn keyword(&self) -> &'static str {
        match self {
            Item::Content(_) => "content",
            Item::Pcre(_) => "pcre",
            Item::ByteTest(_) => "byte_test",
            Item::ByteJump(_) => "byte_jump",
            Item::ByteExtract(_) => "byte_extract",
            Item::ByteMath(_) => "byte_math",
            Item::IsDataAt(_) => "isdataat",
            Item::Size(_) => "bsize",
            Item::Base64Decode(_) => "base64_decode",
            Item::Base64Data(_) => "base64_data",
            Item::Absent { .. } => "absent",
            Item::Entropy(_) => "entropy",
            Item::Dataset(_) => "dataset",
            Item::DatasetScore(_) => "datarep",
            Item::Script(_) => "lua",
            Item::Asn1(_) => "asn1",
        }
    }

    /// Whether it looks at a place in the buffer, and not at the buffer as a whole.
    pub fn has_place(&self) -> bool {
        !matches!(
            self,
            Item::Size(_)
                | Item::Absent { .. }
                | Item::Entropy(_)
                | Item::Dataset(_)
                | Item::DatasetScore(_)
                | Item::Script(_)
        )
    }

    /// Whether its position depends on the item before it.
    pub fn is_relative(&self) -> bool {
        match self {
            Item::Content(content) => content.is_relative(),
            Item::Pcre(pcre) => pcre.relative,
            Item::ByteTest(test) => test.number.relative,
            Item::ByteJump(jump) => jump.number.relative,
            Item::ByteExtract(extract) => extract.number.relative,
            Item::ByteMath(math) => math.number.relative,
            Item::IsDataAt(at) => at.relative,
            Item::Base64Decode(decode) => decode.relative,
            Item::Size(_) | Item::Base64Data(_) | Item::Absent { .. } | Item::Entropy(_) => false,
            Item::Asn1(test) => matches!(test.start, Asn1Start::Relative(_)),
            Item::Script(_) | Item::Dataset(_) | Item::DatasetScore(_) => false,
        }
    }
}

/// `dataset`
#[derive(Clone, Debug)]
pub struct DatasetTest {
    /// The set.
    pub set: Arc<Dataset>,
    /// What is done with it.
    pub operation: Operation,
    /// Names also count where they end with one that is there (`match subdomain`).
    pub subdomains: bool,
    /// Where alerts show the object of the value (`context_key`).
    pub context: Option<Arc<str>>,
}

/// `datarep`
#[derive(Clone, Debug)]
pub struct DatasetScore {
    /// The set.
    pub set: Arc<Dataset>,
    /// What its score must be.
    pub test: NumberTest,
}

/// `content` with its modifiers.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The bytes; lower-case when `nocase`.
    pub bytes: Vec<u8>,
    /// ASCII case is ignored.
    pub nocase: bool,
    /// `!`
    pub negated: bool,
    /// First position, from the start of the buffer.
    pub offset: Option<Operand>,
    /// End position, counted from the offset as the language does (`depth`).
    pub depth: Option<Operand>,
    /// Distance from the cursor.
    pub distance: Option<Operand>,
    /// The match ends within this many bytes after the cursor plus distance.
    pub within: Option<Operand>,
    /// `startswith`
    pub startswith: bool,
    /// `endswith`
    pub endswith: bool,
    /// Where its byte stands that is the rarest in traffic, among the first 256.
    pub rarest: u8,
    /// `fast_pattern` was asked for; `Some` with a part of the bytes for `fast_pattern:offset,length`.
    pub fast_pattern: Option<FastPattern>,
}

/// What `fast_pattern` asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastPattern {
    /// The whole content.
    Whole,
    /// The same, and the content is nothing but that (`fast_pattern:only`).
    Only,
    /// `fast_pattern:offset,length`
    Part {
        /// First byte.
        offset: u16,
        /// Number of bytes.
        length: u16,
    },
}

impl Content {
    /// A content that may be anywhere.
    pub fn new(bytes: Vec<u8>, negated: bool) -> Self {
        Self {
            rarest: rarest_byte(&bytes),
            bytes,
            nocase: false,
            negated,
            offset: None,
            depth: None,
            distance: None,
            within: None,
            startswith: false,
            endswith: false,
            fast_pattern: None,
        }
    }

    /// Whether its position depends on the item before it.
    pub fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

/// `pcre`
#[derive(Debug)]
pub struct Pcre {
    /// The expression.
    pub regex: Regex,
    /// `!`
    pub negated: bool,
    /// `R`: starts at the cursor.
    pub relative: bool,
    /// Variables that capture groups go to, by the number of the group.
    pub captures: Vec<(usize, Capture)>,
}

/// A variable that a capture group of `pcre` goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// `flow:name`: kept with the flow.
    Flow(Arc<str>),
    /// `pkt:name`: shown with the alerts of the same packet.
    Packet(Arc<str>),
    /// `alert:name`: shown with the rule's own alert.
    Alert(Arc<str>),
}

/// `isdataat`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsDataAt {
    /// Position.
    pub position: Operand,
    /// `!`
    pub negated: bool,
    /// Counts from the cursor.
    pub relative: bool,
}

/// `base64_decode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Base64Decode {
    /// Number of encoded bytes to read; all where absent.
    pub bytes: Option<u32>,
    /// Position.
    pub offset: u32,
    /// Counts from the cursor.
    pub relative: bool,
}

/// `entropy`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entropy {
    /// Number of bytes; all where 0.
    pub bytes: u32,
    /// Position.
    pub offset: u32,
    /// Lowest value that holds.
    pub low: f64,
    /// Highest value that holds.
    pub high: f64,
    /// Whether the bounds hold themselves.
    pub inclusive: bool,
    /// The outcome is inverted.
    pub negated: bool,
}

/// What `asn1` looks for; it holds where any of it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asn1Test {
    /// A bit string that leaves more bits unused than it has.
    pub bitstring_overflow: bool,
    /// A real number in decimal form that is longer than any reader has room for.
    pub double_overflow: bool,
    /// Contents of more bytes than this.
    pub oversize_length: Option<u64>,
    /// Where the first element begins.
    pub start: Asn1Start,
    /// Elements that are looked at.
    pub element_limit: u16,
}

/// Where the first element begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asn1Start {
    /// So many bytes from the start of the buffer.
    Absolute(u32),
    /// So many bytes behind the cursor.
    Relative(i32),
}
