//! Which bytes fulfilled which condition of a rule, and where an attempt that failed came to its end.
//!
//! While a section is decided, [`Trail`] holds the bytes of the items that hold so far; what a later attempt undoes is taken back. That
//! is the evidence of an alert. Where a rule is explained, it keeps the attempt that came furthest as well, with what was there instead.

use std::ops::Range;

use crate::rule::condition::Verdict;

/// Bytes around a place that are kept to show it.
pub const EXCERPT_BYTES: usize = 64;

/// The bytes of a buffer that fulfilled a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The buffer, as rules name it; `stream` is the chunk of reassembled bytes that was looked at.
    pub buffer: &'static str,
    /// Which of several (headers, names), from 0.
    pub instance: u16,
    /// The offset counts in what transforms of the rule made of the buffer.
    pub transformed: bool,
    /// The keyword of the condition.
    pub keyword: &'static str,
    /// Position of the first byte in the buffer.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// The section of the rule, and the item within it.
    pub(super) place: (u16, u16),
}

/// How an item failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// What is there instead, in words.
    pub why: String,
    /// The bytes that this is about, in the buffer.
    pub span: Option<Range<usize>>,
}

/// What holds, with its first bytes.
pub(super) type Held = Vec<(Evidence, Box<[u8]>)>;

/// What was looked at while a rule was explained.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Excerpts of what is held, side by side with it.
    excerpts: Vec<Box<[u8]>>,
    /// The attempt that came furthest.
    pub(super) furthest: Option<Attempt>,
    /// Section, instance, and size of each buffer that was looked at.
    pub(super) buffers: Vec<(u16, u16, u64)>,
    /// How each section that was decided fared.
    pub(super) verdicts: Vec<(u16, Verdict)>,
}

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Section and item that failed.
    pub(super) place: (u16, u16),
    /// The instance of its buffer.
    pub(super) instance: u16,
    /// How.
    pub(super) failure: Failure,
    /// The bytes there.
    pub(super) excerpt: Box<[u8]>,
    /// What held until then.
    pub(super) held: Held,
}

/// What holds so far of the rule that is decided.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Pieces of evidence that an alert carries; 0 where none is wanted.
    pub(super) limit: usize,
    held: Vec<Evidence>,
    /// Whether the buffer that is looked at went through transforms.
    pub(super) transformed: bool,
    record: Option<Box<Record>>,
}

impl Trail {
    #[inline]
    pub(super) fn clear(&mut self) {
        self.held.clear();
        if let Some(record) = &mut self.record {
            **record = Record::default();
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Takes back what was noted after the first so many pieces.
    #[inline]
    pub(super) fn truncate(&mut self, length: usize) {
        self.held.truncate(length);
        if let Some(record) = &mut self.record {
            record.excerpts.truncate(length);
        }
    }

    /// Whether anybody wants to know what holds.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0 || self.record.is_some()
    }

    /// Whether the rule that is decided is explained.
    #[inline]
    pub(super) fn is_recorded(&self) -> bool {
        self.record.is_some()
    }

    /// Notes bytes that fulfilled a condition; `bytes` are those and what follows them.
    pub(super) fn hold(&mut self, evidence: Evidence, bytes: &[u8]) {
        if let Some(record) = &mut self.record {
            record.excerpts.push(bytes.get(..EXCERPT_BYTES).unwrap_or(bytes).into());
        }
        self.held.push(evidence);
    }

    /// Whether no attempt came as far before.
    pub(super) fn is_further(&self, place: (u16, u16)) -> bool {
        let furthest = self.record.as_ref().and_then(|record| record.furthest.as_ref());
        furthest.is_none_or(|known| known.place < place)
    }

    /// Notes that an item failed, further than all before.
    pub(super) fn fail(&mut self, place: (u16, u16), instance: u16, data: &[u8], failure: Failure) {
        let Some(record) = &mut self.record else { return };
        let start = failure.span.as_ref().map_or(0, |span| span.start.min(data.len()));
        let excerpt = data.get(start..).map_or(&[][..], |rest| rest.get(..EXCERPT_BYTES).unwrap_or(rest)).into();
        let held = self.held.iter().cloned().zip(record.excerpts.iter().cloned()).collect();
        record.furthest = Some(Attempt { place, instance, failure, excerpt, held });
    }

    /// Notes a buffer that is looked at.
    pub(super) fn enter(&mut self, (section, instance): (u16, u16), size: u64) {
        if let Some(record) = &mut self.record {
            record.buffers.push((section, instance, size));
        }
    }

    /// Notes how a section fared.
    #[inline]
    pub(super) fn decide(&mut self, section: u16, verdict: Verdict) {
        if let Some(record) = &mut self.record {
            record.verdicts.push((section, verdict));
        }
    }

    /// Starts to keep what is looked at.
    pub(super) fn start_record(&mut self) {
        self.record = Some(Box::default());
    }

    /// What was looked at since, with what holds at its end.
    pub(super) fn take_record(&mut self) -> Option<(Box<Record>, Held)> {
        let mut record = self.record.take()?;
        let excerpts = std::mem::take(&mut record.excerpts);
        let held = self.held.iter().cloned().zip(excerpts).collect();
        Some((record, held))
    }

    /// The evidence of a rule that matched, and the number of pieces that its limit left out.
    pub(super) fn evidence(&self) -> (Vec<Evidence>, u64) {
        let kept = self.held.len().min(self.limit);
        (self.held.get(..kept).unwrap_or(&[]).to_vec(), (self.held.len() - kept) as u64)
    }
}

/// Names where evidence in a chunk of a stream stands: in the packet's own payload where it is the chunk's end, so that it can be cut
/// out of what the record shows, else in the chunk.
pub(super) fn place_in_packet(evidence: &mut [Evidence], chunk: &[u8], payload: &[u8]) {
    let before = (!payload.is_empty() && chunk.ends_with(payload)).then(|| (chunk.len() - payload.len()) as u64);
    for piece in evidence.iter_mut().filter(|piece| piece.buffer == "payload" && !piece.transformed) {
        match before.and_then(|before| piece.offset.checked_sub(before)) {
            Some(offset) => piece.offset = offset,
            None => piece.buffer = "stream",
        }
    }
}

/// Names where evidence in a chunk of a stream stands whose first bytes are the payload that the record shows: what is not among
/// these stands in the stream.
pub(super) fn place_in_chunk(evidence: &mut [Evidence], kept: &[u8]) {
    for piece in evidence.iter_mut().filter(|piece| piece.buffer == "payload" && !piece.transformed) {
        if piece.offset.saturating_add(piece.length) > kept.len() as u64 {
            piece.buffer = "stream";
        }
    }
}
