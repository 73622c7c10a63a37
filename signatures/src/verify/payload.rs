//! The items of a section on one buffer: contents, expressions and byte arithmetic, left to right with a cursor.
//!
//! The cursor stands after the last match. When an item fails and its position depends on the one before, that one is tried
//! again at its next occurrence; an item that stands for itself fails for good. The number of steps in one buffer is
//! limited, after which the section does not match; the limit is counted.

mod why;

use std::ops::Range;

use smallvec::SmallVec;

use super::asn1::Asn1Start;
use super::condition::Verdict;
use super::evidence::Evidence;
use super::memory::Notes;
use super::regex::Found;
use crate::language::item::{
    Base64Decode, ByteExtract, ByteJump, ByteMath, ByteTest, Comparison, Content, DatasetTest, Endian, Entropy,
    IsDataAt, Item, MathOperator, NumberFormat, Operand, Pcre, TextBase,
};
use crate::lua::{Context, Runtime};
use crate::state::dataset::{Note, Operation};

/// Steps that one section may take in one buffer.
const STEP_LIMIT: u32 = 3_000;
/// An expression searches a byte with so much more work than a content.
const PCRE_FACTOR: usize = 4;
/// Work of a script, and of an expression that is given up.
pub(super) const SCRIPT_WORK: u64 = 500;
/// To look for something in so many bytes is as much work as a step.
const SEARCHED_BYTES_A_STEP: u64 = 64;
/// Characters that a number in text may have.
const TEXT_LIMIT: usize = 23;

/// A buffer to look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Size of the whole value so far, which can be more than is kept.
    pub size: u64,
    /// Whether nothing more will come.
    pub complete: bool,
}

impl<'a> View<'a> {
    /// A buffer that is there as a whole.
    pub fn whole(data: &'a [u8]) -> Self {
        Self { data, size: data.len() as u64, complete: true }
    }
}

/// Counters of what verification met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Sections given up at the step limit.
    pub steps_hit: u64,
    /// Expressions given up at their match limit.
    pub regex_hit: u64,
    /// Alerts whose evidence was cut at its limit.
    pub evidence_hit: u64,
    /// Walks over elements of ASN.1 given up at their limit.
    pub asn1_hit: u64,
}

/// Variables that one rule's items extract, kept across its sections of one buffer.
pub(super) type Variables = SmallVec<[u64; 8]>;

/// How the items of a section fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Match,
    /// Another occurrence of the item before may help.
    Fail,
    /// Nothing helps in this buffer as it is.
    Stop,
}

/// Whether all items of a section hold on a buffer. `NotYet` where the buffer still grows and more of it may help.
pub(crate) fn section_holds(
    items: &[Item],
    view: View<'_>,
    variables: usize,
    limits: &mut Limits,
    notes: &mut Notes,
    (lua, context): (&mut Runtime, &mut Context<'_>),
) -> Verdict {
    let mut run = Run {
        view,
        variables: SmallVec::from_elem(0, variables),
        steps: STEP_LIMIT,
        decoded: Vec::new(),
        limits,
        notes,
        lua,
        context,
        sized: true,
        searched: 0,
        read: (0, 0..0),
        end: items.len(),
        decoding: false,
    };
    let noted = run.notes.trail.len();
    let outcome = run.items(items, view.data, 0);
    run.notes.work += u64::from(STEP_LIMIT - run.steps) + run.searched as u64 / SEARCHED_BYTES_A_STEP;
    match outcome {
        Outcome::Match => {
            run.context.note_variables(&run.variables);
            return Verdict::Yes;
        }
        Outcome::Fail | Outcome::Stop => run.notes.trail.truncate(noted),
    }
    if run.sized && !view.complete { Verdict::NotYet } else { Verdict::No }
}

struct Run<'a, 'l, 'c> {
    view: View<'a>,
    variables: Variables,
    steps: u32,
    decoded: Vec<u8>,
    limits: &'l mut Limits,
    notes: &'l mut Notes,
    lua: &'l mut Runtime,
    context: &'l mut Context<'c>,
    /// False once a size test cannot hold any more, however the buffer grows.
    sized: bool,
    /// Bytes that contents and expressions were looked for in.
    searched: usize,
    /// The number that was read last, and where it stands.
    read: (u64, Range<usize>),
    /// Position behind the last item, counted over the section with what is within `base64_data`.
    end: usize,
    /// The bytes are those that `base64_decode` made.
    decoding: bool,
}

impl Run<'_, '_, '_> {
    fn items(&mut self, items: &[Item], data: &[u8], cursor: usize) -> Outcome {
        let Some((item, rest)) = items.split_first() else { return Outcome::Match };
        if self.steps == 0 {
            return Outcome::Stop;
        }
        self.steps -= 1;
        if self.steps == 0 {
            self.limits.steps_hit += 1;
            return Outcome::Stop;
        }
        let holds = |held: bool| if held { Ok(cursor) } else { Err(()) };
        let next = match item {
            Item::Content(content) => return self.content((item, content), rest, data, cursor),
            Item::Pcre(pcre) => return self.pcre((item, pcre), rest, data, cursor),
            Item::ByteTest(test) => holds(self.byte_test(test, data, cursor)),
            Item::ByteJump(jump) => self.byte_jump(jump, data, cursor).ok_or(()),
            Item::ByteExtract(extract) => self.byte_extract(extract, data, cursor).ok_or(()),
            Item::ByteMath(math) => self.byte_math(math, data, cursor).ok_or(()),
            Item::IsDataAt(at) => holds(self.is_data_at(at, data, cursor)),
            Item::Size(test) => match test.verdict(self.view.size, self.view.complete) {
                Verdict::Yes => Ok(cursor),
                Verdict::NotYet => Err(()),
                Verdict::No => {
                    self.sized = false;
                    self.fail(rest, item, data, cursor);
                    return Outcome::Stop;
                }
            },
            Item::Base64Decode(decode) => {
                self.base64_decode(*decode, data, cursor);
                Ok(cursor)
            }
            Item::Base64Data(inner) => {
                let decoded = std::mem::take(&mut self.decoded);
                if decoded.is_empty() {
                    self.fail(rest, item, data, cursor);
                    return Outcome::Stop;
                }
                (self.end, self.decoding) = (self.end - rest.len() + inner.len(), true);
                let outcome = self.items(inner, &decoded, 0);
                (self.end, self.decoding) = (self.end - inner.len() + rest.len(), false);
                self.decoded = decoded;
                return outcome;
            }
            // That the buffer is there at all is what `absent` denies; with `or_else` the other items decide.
            Item::Absent { or_else } => holds(*or_else),
            Item::Dataset(test) => return self.dataset((item, test), rest, data, cursor),
            Item::DatasetScore(score) => {
                let note = score.set.kind.key(data).and_then(|key| score.set.find(&key, false));
                holds(matches!(note, Some(Note::Score(number)) if score.test.holds(number.into())))
            }
            Item::Entropy(entropy) => {
                let value = shannon_entropy(entropy_part(entropy, data));
                self.notes.entropy(value);
                holds(entropy_holds(entropy, value))
            }
            Item::Asn1(test) => {
                let found = super::asn1::holds(test, data, cursor);
                self.limits.asn1_hit += u64::from(found.is_none());
                holds(found == Some(true))
            }
            Item::Script(test) => {
                self.notes.work += SCRIPT_WORK;
                self.context.note_variables(&self.variables);
                holds(self.lua.holds(test, Some(data), self.context))
            }
        };
        match next {
            Ok(cursor) => {
                if self.notes.trail.is_on() {
                    self.hold_item(rest, item, data);
                }
                self.items(rest, data, cursor)
            }
            Err(()) => {
                self.fail(rest, item, data, cursor);
                Outcome::Fail
            }
        }
    }

    /// Notes the bytes that fulfilled an item which is neither a content nor an expression.
    fn hold_item(&mut self, rest: &[Item], item: &Item, data: &[u8]) {
        let span = match item {
            Item::ByteTest(_) | Item::ByteJump(_) | Item::ByteExtract(_) | Item::ByteMath(_) => self.read.1.clone(),
            Item::Size(_) | Item::DatasetScore(_) => 0..data.len(),
            Item::Entropy(entropy) => {
                let start = (entropy.offset as usize).min(data.len());
                start..start + entropy_part(entropy, data).len()
            }
            _ => return,
        };
        self.hold(rest, item.keyword(), data, span);
    }

    /// Notes the bytes that fulfilled an item; `rest` are those behind it.
    #[inline]
    fn hold(&mut self, rest: &[Item], keyword: &'static str, data: &[u8], span: Range<usize>) {
        if !self.notes.trail.is_on() {
            return;
        }
        let buffer = if self.decoding { "base64_data" } else { self.notes.buffer };
        // The first bytes of a long body may be gone.
        let gone = if self.decoding { 0 } else { self.view.size.saturating_sub(data.len() as u64) };
        let evidence = Evidence {
            buffer,
            instance: self.notes.place.1,
            transformed: self.notes.trail.transformed && !self.decoding,
            keyword,
            offset: gone + span.start as u64,
            length: span.len() as u64,
            place: (self.notes.place.0, self.position(rest)),
        };
        self.notes.trail.hold(evidence, data.get(span).unwrap_or(&[]));
    }

    /// Notes where an item failed, for whom a rule is explained.
    #[inline]
    fn fail(&mut self, rest: &[Item], item: &Item, data: &[u8], cursor: usize) {
        if self.notes.trail.is_recorded() {
            self.record_failure(rest, item, data, cursor);
        }
    }

    #[cold]
    fn record_failure(&mut self, rest: &[Item], item: &Item, data: &[u8], cursor: usize) {
        let (section, instance) = self.notes.place;
        if self.notes.trail.is_further((section, self.position(rest))) {
            let failure = self.why(item, data, cursor);
            self.notes.trail.fail((section, self.position(rest)), instance, data, failure);
        }
    }

    /// Position in the section of the item before `rest`.
    fn position(&self, rest: &[Item]) -> u16 {
        u16::try_from(self.end - rest.len() - 1).unwrap_or(u16::MAX)
    }

    fn content(&mut self, (item, content): (&Item, &Content), rest: &[Item], data: &[u8], cursor: usize) -> Outcome {
        let failed = if content.is_relative() { Outcome::Fail } else { Outcome::Stop };
        let Some((mut low, high)) = self.window(content, data.len(), cursor) else {
            if content.negated {
                return self.items(rest, data, cursor);
            }
            self.fail(rest, item, data, cursor);
            return failed;
        };
        let noted = self.notes.trail.len();
        loop {
            let found = data.get(low..high).and_then(|window| find(window, content));
            self.searched += found.unwrap_or(high - low);
            if content.negated && found.is_none() {
                return self.items(rest, data, cursor);
            }
            let Some(at) = found.filter(|_| !content.negated) else {
                self.fail(rest, item, data, cursor);
                return failed;
            };
            let (start, end) = (low + at, low + at + content.bytes.len());
            self.notes.trail.truncate(noted);
            self.hold(rest, item.keyword(), data, start..end);
            match self.items(rest, data, end) {
                Outcome::Fail if rest.first().is_some_and(is_relative) => low = start + 1,
                // What follows stands for itself: no other occurrence of this content can help it.
                Outcome::Fail => return Outcome::Stop,
                outcome => return outcome,
            }
        }
    }

    /// The part of the buffer in which a content must lie; `None` where there is no room for it.
    #[inline]
    fn window(&self, content: &Content, len: usize, cursor: usize) -> Option<(usize, usize)> {
        let value = |operand: Option<Operand>| operand.map(|o| self.value(o));
        let (len, cursor, size) = (to_i64(len), to_i64(cursor), to_i64(content.bytes.len()));
        let (mut low, mut high) = (0, len);
        if content.startswith {
            high = high.min(size);
        }
        let offset = value(content.offset).unwrap_or(0);
        low = low.max(offset);
        if let Some(depth) = value(content.depth) {
            high = high.min(offset.saturating_add(depth));
        }
        if content.is_relative() {
            let distance = value(content.distance).unwrap_or(0);
            low = low.max(cursor.saturating_add(distance));
            if let Some(within) = value(content.within) {
                high = high.min(cursor.saturating_add(distance).saturating_add(within));
            }
        }
        if content.endswith {
            if high < len {
                return None;
            }
            low = low.max(len - size);
        }
        let low = low.max(0);
        (low + size <= high).then_some((usize::try_from(low).ok()?, usize::try_from(high).ok()?))
    }

    fn pcre(&mut self, (item, pcre): (&Item, &Pcre), rest: &[Item], data: &[u8], cursor: usize) -> Outcome {
        let failed = if pcre.relative { Outcome::Fail } else { Outcome::Stop };
        let mut base = if pcre.relative { cursor } else { 0 };
        loop {
            let Some(part) = data.get(base..) else {
                if pcre.negated {
                    return self.items(rest, data, cursor);
                }
                self.fail(rest, item, data, cursor);
                return failed;
            };
            let found = match pcre.regex.find(part) {
                Found::At(range) => Some(range),
                Found::No => None,
                Found::LimitHit => {
                    self.limits.regex_hit += 1;
                    self.notes.work += SCRIPT_WORK;
                    return Outcome::Stop;
                }
            };
            self.searched += PCRE_FACTOR * found.as_ref().map_or(part.len(), |range| range.end);
            if pcre.negated && found.is_none() {
                return self.items(rest, data, cursor);
            }
            let Some(range) = found.filter(|_| !pcre.negated) else {
                self.fail(rest, item, data, cursor);
                return failed;
            };
            let mark = self.notes.mark();
            self.hold(rest, item.keyword(), data, base + range.start..base + range.end);
            for (group, capture) in &pcre.captures {
                if let Some(value) = pcre.regex.group(part, *group) {
                    self.notes.capture(capture, value);
                }
            }
            let outcome = self.items(rest, data, base + range.end);
            if outcome != Outcome::Match {
                self.notes.return_to(mark);
            }
            match outcome {
                Outcome::Fail if rest.first().is_some_and(is_relative) => base += range.start + 1,
                Outcome::Fail => return Outcome::Stop,
                outcome => return outcome,
            }
            if self.steps == 0 {
                return Outcome::Stop;
            }
            self.steps -= 1;
        }
    }

    /// Asks a set, or leaves that for where the order of all matches is known.
    fn dataset(&mut self, (item, test): (&Item, &DatasetTest), rest: &[Item], data: &[u8], cursor: usize) -> Outcome {
        let Some(key) = test.set.kind.key(data) else {
            self.fail(rest, item, data, cursor);
            return Outcome::Fail;
        };
        let mark = self.notes.mark();
        if test.set.is_changed_by_rules() {
            self.notes.defer(test, key);
        } else {
            let found = test.set.find(&key, test.subdomains);
            if found.is_some() != (test.operation == Operation::IsSet) {
                self.fail(rest, item, data, cursor);
                return Outcome::Fail;
            }
            if let (Some(name), Some(Note::Record(record))) = (&test.context, found) {
                self.notes.show(name, record);
            }
        }
        self.hold(rest, item.keyword(), data, 0..data.len());
        let outcome = self.items(rest, data, cursor);
        if outcome != Outcome::Match {
            self.notes.return_to(mark);
        }
        outcome
    }

    fn value(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Value(value) => value,
            Operand::Variable(index) => self.variables.get(usize::from(index)).map_or(0, |&v| v.cast_signed()),
        }
    }

    fn set(&mut self, index: u8, value: u64) {
        if let Some(slot) = self.variables.get_mut(usize::from(index)) {
            *slot = value;
        }
    }

    /// The number that stands where a format says, and the position after it.
    fn number(&mut self, format: &NumberFormat, data: &[u8], cursor: usize) -> Option<(u64, usize)> {
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

    fn byte_test(&mut self, test: &ByteTest, data: &[u8], cursor: usize) -> bool {
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

    fn byte_jump(&mut self, jump: &ByteJump, data: &[u8], cursor: usize) -> Option<usize> {
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

    fn byte_extract(&mut self, extract: &ByteExtract, data: &[u8], cursor: usize) -> Option<usize> {
        let (number, after) = self.number(&extract.number, data, cursor)?;
        let mut value = number.wrapping_mul(u64::from(extract.multiplier.max(1)));
        if extract.align > 1 {
            let step = u64::from(extract.align);
            value = value.div_ceil(step).wrapping_mul(step);
        }
        self.set(extract.variable, value);
        Some(after)
    }

    fn byte_math(&mut self, math: &ByteMath, data: &[u8], cursor: usize) -> Option<usize> {
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

    fn is_data_at(&self, at: &IsDataAt, data: &[u8], cursor: usize) -> bool {
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

    fn base64_decode(&mut self, decode: Base64Decode, data: &[u8], cursor: usize) {
        let start = if decode.relative { cursor } else { 0 } + decode.offset as usize;
        let encoded = data.get(start..).unwrap_or(&[]);
        let encoded = decode.bytes.and_then(|n| encoded.get(..n as usize)).unwrap_or(encoded);
        self.decoded.clear();
        decode_base64(encoded, &mut self.decoded);
    }
}

fn to_i64(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Position of a content within a window; the content itself is in lower case when case is ignored.
#[inline]
fn find(window: &[u8], content: &Content) -> Option<usize> {
    let needle = content.bytes.as_slice();
    let equals = |part: &[u8]| if content.nocase { part.eq_ignore_ascii_case(needle) } else { part == needle };
    let room = window.len().checked_sub(needle.len())?;
    if room == 0 {
        return equals(window).then_some(0);
    }
    if !content.nocase && room > SHORT_SEARCH_BYTES {
        return memchr::memmem::find(window, needle);
    }
    // To prepare a search costs more than a short one does.
    let at = usize::from(content.rarest);
    let byte = *needle.get(at)?;
    let starts = window.get(at..=room + at)?;
    let stands = |start: &usize| window.get(*start..*start + needle.len()).is_some_and(equals);
    if content.nocase && byte.is_ascii_alphabetic() {
        return memchr::memchr2_iter(byte, byte.to_ascii_uppercase(), starts).find(stands);
    }
    memchr::memchr_iter(byte, starts).find(stands)
}

/// Where a content may start at so many places, the search for it is not worth preparing.
const SHORT_SEARCH_BYTES: usize = 1 << 10;

/// Whether an item's position depends on the one before it.
pub(crate) fn is_relative(item: &Item) -> bool {
    match item {
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

/// Decodes base64 (RFC 4648), passing over blanks and stopping at what cannot belong to it.
fn decode_base64(encoded: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0u32);
    for &byte in encoded {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b' ' | b'\r' | b'\n' | b'\t' => continue,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count).to_le_bytes()[0]);
        }
    }
}

fn entropy_part<'a>(entropy: &Entropy, data: &'a [u8]) -> &'a [u8] {
    let part = data.get(entropy.offset as usize..).unwrap_or(&[]);
    if entropy.bytes == 0 { part } else { part.get(..entropy.bytes as usize).unwrap_or(part) }
}

fn entropy_holds(entropy: &Entropy, value: f64) -> bool {
    let held = if entropy.inclusive {
        entropy.low <= value && value <= entropy.high
    } else {
        entropy.low < value && value < entropy.high
    };
    held != entropy.negated
}

/// Shannon entropy of bytes, in bits for each byte.
#[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 53 bits")]
pub fn shannon_entropy(data: &[u8]) -> f64 {
    let mut counts = [0u64; 256];
    for &byte in data {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = data.len() as f64;
    counts.iter().filter(|&&c| c > 0).map(|&c| c as f64 / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: &str) -> Content {
        Content::new(bytes.into(), false)
    }

    fn verdict(items: &[Item], data: &[u8], limits: &mut Limits) -> Verdict {
        let scripts = (&mut Runtime::default(), &mut Context::default());
        section_holds(items, View::whole(data), 4, limits, &mut Notes::default(), scripts)
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
        for (data, expected) in
            [("abcd", true), ("ab.cd", false), ("ab.abcd", true), ("abab.abcd", true), ("cdab", false)]
        {
            assert_eq!(holds(&items, data), expected, "{data}");
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
    fn a_hostile_buffer_meets_the_step_limit() {
        let items: Vec<Item> = std::iter::once(Item::Content(content("a")))
            .chain((0..6).map(|_| relative("a", 0, None)))
            .chain([relative("b", 0, Some(1))])
            .collect();
        let mut limits = Limits::default();
        assert_eq!(verdict(&items, &[b'a'; 4_000], &mut limits), Verdict::No);
        assert_eq!(limits.steps_hit, 1);
    }
}
