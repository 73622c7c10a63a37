//! A datagram of which some pieces came.

use std::collections::BTreeMap;

use smallvec::SmallVec;
use tapwire_parsers::link::fragments::{self, Head, Piece};

use super::{Key, Origin};
use crate::decode::hosts::System;

/// What a host makes of a piece that overlaps another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It has no use for a piece all of whose bytes it has; any other overlap makes it drop the datagram (RFC 5722, Linux
    /// since 4.19, Windows since 10).
    Drop,
    /// The first copy counts.
    First,
    /// The copy in the piece that begins earlier counts, else the first.
    Bsd,
    /// The copy in the piece that begins earlier counts, else the last.
    OldLinux,
    /// The copy in the piece that begins later counts, else the last.
    BsdRight,
    /// A piece counts that begins before and ends behind another one, else the first.
    Windows,
    /// A piece counts that begins before another one and does not end before it, else the first.
    Solaris,
}

impl Policy {
    /// That of an IPv4 host. For IPv6 there is one for all, [`Policy::Drop`].
    pub(super) fn of(system: System) -> Self {
        match system {
            System::Unknown | System::Linux => Policy::Drop,
            System::Bsd | System::Irix | System::Hpux10 => Policy::Bsd,
            System::BsdRight => Policy::BsdRight,
            System::OldLinux => Policy::OldLinux,
            System::Solaris | System::OldSolaris => Policy::Solaris,
            System::Hpux11 | System::MacOs => Policy::First,
            System::Windows | System::Vista | System::Windows2k3 => Policy::Windows,
        }
    }

    /// Whether the copy of the later piece counts. Both are given by start and end.
    pub(super) fn prefers_new(self, old: (u32, u32), new: (u32, u32)) -> bool {
        match self {
            Policy::Drop | Policy::First => false,
            Policy::Bsd => new.0 < old.0,
            Policy::OldLinux => new.0 <= old.0,
            Policy::BsdRight => new.0 >= old.0,
            Policy::Windows => new.0 < old.0 && new.1 > old.1,
            Policy::Solaris => new.0 < old.0 && new.1 >= old.1,
        }
    }
}

/// A datagram of which pieces are missing.
pub(super) struct Datagram {
    /// The piece that came first, and what stood before its bytes.
    pub(super) origin: Origin,
    pub(super) first_head: Vec<u8>,
    pub(super) policy: Policy,
    /// Head of the piece with offset 0.
    head: Option<FirstHead>,
    /// Where it ends, once the last piece came.
    pub(super) end: Option<u32>,
    /// The highest end of a piece.
    pub(super) highest: u32,
    /// Parts by offset, which do not overlap.
    parts: BTreeMap<u32, Part>,
    /// How many bytes of the datagram are there.
    filled: u32,
    /// All bytes that are kept.
    bytes: Vec<u8>,
    /// Copies that do not count here, but may at the host: offset and place.
    others: Vec<(u32, Part)>,
    pub(super) charged: usize,
    pub(super) pieces: u64,
}

/// What stands before the bytes of the first piece ([`Head`]).
struct FirstHead {
    bytes: Vec<u8>,
    ip: usize,
    next: Option<(usize, u8)>,
}

/// Bytes that came in one piece.
#[derive(Clone, Copy)]
struct Part {
    /// Where they are kept.
    at: u32,
    len: u32,
    /// Start and end of the piece.
    piece: (u32, u32),
}

/// How a piece lies to what is there.
pub(super) enum Fit {
    New,
    /// All of it is there, and the same.
    Duplicate,
    /// All of it is there, but not the same.
    Different,
    /// Some of it is there.
    Partial,
}

impl Datagram {
    pub(super) fn new(origin: Origin, first_head: &[u8], policy: Policy) -> Self {
        Self {
            origin,
            first_head: first_head.to_vec(),
            policy,
            head: None,
            end: None,
            highest: 0,
            parts: BTreeMap::new(),
            filled: 0,
            bytes: Vec::new(),
            others: Vec::new(),
            charged: 0,
            pieces: 0,
        }
    }

    /// Bytes of memory, each place in a collection counted as what it costs.
    pub(super) fn held_bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| head.bytes.capacity()) + self.first_head.capacity();
        let parts = (self.parts.len() + self.others.len()) * 2 * size_of::<(u32, Part)>();
        size_of::<(Key, Self)>() + head + self.bytes.capacity() + parts
    }

    /// The parts that share bytes with a range, by offset.
    fn overlapped(&self, from: u32, upto: u32) -> impl Iterator<Item = (u32, Part)> {
        let first = self.parts.range(..=from).next_back().map_or(from, |(&start, _)| start);
        let parts = self.parts.range(first..upto).map(|(&start, &part)| (start, part));
        parts.filter(move |(start, part)| start + part.len > from)
    }

    pub(super) fn fit(&self, from: u32, body: &[u8]) -> Fit {
        let upto = from.saturating_add(length(body));
        let (mut at, mut same, mut any) = (from, true, false);
        for (start, part) in self.overlapped(from, upto) {
            any = true;
            if start > at {
                return Fit::Partial;
            }
            let end = (start + part.len).min(upto);
            let new = body.get((at - from) as usize..(end - from) as usize);
            same &= new == self.bytes.get((part.at + (at - start)) as usize..(part.at + (end - start)) as usize);
            at = end;
        }
        match (any, at < upto, same) {
            (false, ..) => Fit::New,
            (true, true, _) => Fit::Partial,
            (true, false, true) => Fit::Duplicate,
            (true, false, false) => Fit::Different,
        }
    }

    /// Takes a piece; of bytes that are there already the policy says which copy counts, and the other one is kept apart.
    pub(super) fn insert(&mut self, piece: &Piece<'_>, end: u32) {
        self.pieces += 1;
        self.highest = self.highest.max(end);
        if !piece.more {
            self.end = Some(end);
        }
        if piece.offset == 0 && self.head.is_none() {
            let Head { bytes, ip, next } = piece.head;
            self.head = Some(FirstHead { bytes: bytes.to_vec(), ip, next });
        }
        let (at, from) = (length(&self.bytes), piece.offset);
        self.bytes.extend_from_slice(piece.body);
        let part = |start: u32, upto: u32| Part { at: at + (start - from), len: upto - start, piece: (from, end) };
        let overlapped: SmallVec<[(u32, Part); 4]> = self.overlapped(from, end).collect();
        let mut next = from;
        for (start, old) in overlapped {
            let (shared_from, shared_to) = (start.max(from), (start + old.len).min(end));
            if next < shared_from {
                self.put(next, part(next, shared_from));
            }
            next = shared_to;
            let new = part(shared_from, shared_to);
            let kept = Part { at: old.at + (shared_from - start), len: shared_to - shared_from, ..old };
            let (wins, loses) = if self.policy.prefers_new(old.piece, (from, end)) { (new, kept) } else { (kept, new) };
            if self.bytes_of(wins) != self.bytes_of(loses) {
                self.others.push((shared_from, loses));
            }
            // The old part falls into what lies before, in and behind the range that both have.
            self.filled -= old.len;
            self.parts.remove(&start);
            if start < shared_from {
                self.put(start, Part { len: shared_from - start, ..old });
            }
            self.put(shared_from, wins);
            let behind = start + old.len;
            if shared_to < behind {
                let cut = shared_to - start;
                self.put(shared_to, Part { at: old.at + cut, len: behind - shared_to, ..old });
            }
        }
        if next < end {
            self.put(next, part(next, end));
        }
    }

    fn put(&mut self, offset: u32, part: Part) {
        self.filled += part.len;
        self.parts.insert(offset, part);
    }

    fn bytes_of(&self, part: Part) -> &[u8] {
        self.bytes.get(part.at as usize..(part.at + part.len) as usize).unwrap_or(&[])
    }

    pub(super) fn is_whole(&self) -> bool {
        self.head.is_some() && self.end == Some(self.filled)
    }

    /// So many bytes that only overlaps can be the reason.
    pub(super) fn is_overfull(&self) -> bool {
        self.bytes.len() > 2 * usize::from(u16::MAX)
    }

    /// The datagram, or its two versions.
    pub(super) fn join(&self) -> SmallVec<[Vec<u8>; 1]> {
        let mut versions = SmallVec::new();
        let Some(FirstHead { bytes, ip, next }) = &self.head else { return versions };
        let head = Head { bytes, ip: *ip, next: *next };
        let mut body = Vec::with_capacity(self.filled as usize);
        for part in self.parts.values() {
            body.extend_from_slice(self.bytes_of(*part));
        }
        versions.extend(fragments::join(&head, &body));
        if !self.others.is_empty() {
            for (offset, part) in &self.others {
                let place = body.get_mut(*offset as usize..(*offset + part.len) as usize);
                if let Some(place) = place {
                    place.copy_from_slice(self.bytes_of(*part));
                }
            }
            versions.extend(fragments::join(&head, &body));
        }
        versions
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
