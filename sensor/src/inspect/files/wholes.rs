//! The files that a worker puts together from parts (RFC 9110, section 14), of all its flows: a client may fetch one over several
//! connections.
//!
//! Parts from further behind wait within a budget, and so does what is there of a file between two parts. While a flow brings bytes
//! that follow, and until its rules were asked about them, the file is lent to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use smallvec::SmallVec;
use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::{Direction, FileRange};

use super::file::File;
use super::keeping::RULES_NAMED;
use crate::capture::shard::goes_by_hosts;
use crate::decode::memory::Budget;
use crate::flow::key::{Address, Key, TenantNumber};

/// What a part that waits, or a file, takes beside its bytes.
pub(super) const PLACE_BYTES: usize = 64;

/// Times that are kept of files that are done, beside as many as there are files that are not.
const DONE_LIMIT: usize = 1024;

/// Which file parts are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    tenant: TenantNumber,
    client: Address,
    server: Address,
    /// Of the flow, where others between the same hosts may be another worker's; else zeros.
    ports: (u16, u16),
    direction: Direction,
    /// Digest of what the client asked for.
    resource: u64,
    size: u64,
}

impl Origin {
    /// That of a part which goes in a direction of a flow, if it is one and says of how much.
    pub(super) fn of(key: &Key, direction: Direction, range: Option<FileRange>) -> Option<Self> {
        let FileRange { start, end, size, resource } = range?;
        let is_part = start <= end && end < size && (start > 0 || end + 1 < size);
        let ports = (key.source_port, key.destination_port);
        let ports = if goes_by_hosts(key.protocol, ports) { (0, 0) } else { ports };
        let Key { tenant, source: client, destination: server, .. } = *key;
        is_part.then_some(Self { tenant, client, server, ports, direction, resource, size })
    }

    /// Where its bytes go.
    pub(super) fn direction(&self) -> Direction {
        self.direction
    }
}

/// A file that is put together.
#[derive(Debug)]
pub(super) struct Whole {
    /// Its number among all of its worker.
    pub(super) number: u64,
    pub(super) size: u64,
    /// Bytes that are joined, from the first one on.
    pub(super) joined: u64,
    pub(super) waiting: Waiting,
    place: Place,
    /// Rules that want it stored, because they matched on a part.
    wanted: SmallVec<[u32; 2]>,
    last: Timestamp,
}

/// Where what is joined of a file is.
#[derive(Debug)]
enum Place {
    /// Its first byte has not come.
    Unbegun,
    Here(Box<File>),
    /// With a flow.
    Lent,
}

impl Whole {
    /// Tells the file which rules want it stored.
    pub(super) fn mark(&self, file: &mut File) {
        self.wanted.iter().for_each(|sid| file.want(*sid));
    }

    /// Whether a flow has it.
    pub(super) fn is_lent(&self) -> bool {
        matches!(self.place, Place::Lent)
    }

    /// Lends it to a flow; nothing where none of it has come yet.
    pub(super) fn lend(&mut self) -> Option<Box<File>> {
        match std::mem::replace(&mut self.place, Place::Lent) {
            Place::Here(file) => {
                self.waiting.put_back(PLACE_BYTES + file.held_bytes());
                Some(file)
            }
            Place::Unbegun | Place::Lent => None,
        }
    }

    /// Takes it back from a flow; the file itself where there is no room for it.
    pub(super) fn take_back(&mut self, file: Box<File>) -> Result<(), Box<File>> {
        if !self.waiting.draw(PLACE_BYTES + file.held_bytes()) {
            return Err(file);
        }
        self.place = Place::Here(file);
        Ok(())
    }

    /// What of bytes at a place is new and follows what is joined; nothing of what waits for others, or is known.
    pub(super) fn fresh<'d>(&self, start: u64, data: &'d [u8]) -> &'d [u8] {
        let known = usize::try_from(self.joined.saturating_sub(start)).unwrap_or(usize::MAX);
        data.get(known..).unwrap_or_default()
    }
}

/// Parts from further behind, by their place, and all that is drawn from the budget for their file.
#[derive(Debug)]
pub(super) struct Waiting {
    parts: BTreeMap<u64, Vec<u8>>,
    budget: Arc<Budget>,
    drawn: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.budget.put_back(self.drawn);
    }
}

impl Waiting {
    fn draw(&mut self, bytes: usize) -> bool {
        let room = self.budget.draw(bytes);
        self.drawn += if room { bytes } else { 0 };
        room
    }

    fn put_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.drawn);
        self.drawn -= bytes;
        self.budget.put_back(bytes);
    }

    fn cost(part: &Vec<u8>) -> usize {
        part.capacity() + PLACE_BYTES
    }

    /// Whether there was room for it. Of two at one place the longer one is kept.
    pub(super) fn add(&mut self, start: u64, data: &[u8]) -> bool {
        if self.parts.get(&start).is_some_and(|known| known.len() >= data.len()) {
            return true;
        }
        let copy = data.to_vec();
        let room = self.draw(Self::cost(&copy));
        if room && let Some(shorter) = self.parts.insert(start, copy) {
            self.put_back(Self::cost(&shorter));
        }
        room
    }

    /// Whether the first one begins at a place or before it.
    pub(super) fn reaches(&self, place: u64) -> bool {
        self.parts.first_key_value().is_some_and(|(start, _)| *start <= place)
    }

    /// Takes the first one, if it begins at a place or before it.
    pub(super) fn take_up_to(&mut self, place: u64) -> Option<(u64, Vec<u8>)> {
        let first = self.parts.first_entry().filter(|first| *first.key() <= place)?;
        let (start, part) = first.remove_entry();
        self.put_back(Self::cost(&part));
        Some((start, part))
    }
}

/// The files that a worker puts together.
#[derive(Debug, Default)]
pub struct Wholes {
    by_origin: HashMap<Origin, Whole, RandomState>,
    /// When the time of each is over, at the earliest.
    order: VecDeque<(Timestamp, Origin, u64)>,
    next: u64,
    /// Files that were given to the writer in part and have no end: the flow and the number that it knows them by.
    abandoned: Vec<(u64, u32)>,
    /// Files of which not all parts came in time.
    expired: u64,
}

impl Wholes {
    /// The one that a part belongs to, which may begin with it, at a time. Nothing where there is no room.
    pub(super) fn of(
        &mut self,
        origin: &Origin,
        now: Timestamp,
        budget: &Arc<Budget>,
        timeout_s: u32,
    ) -> Option<&mut Whole> {
        self.expire(now, timeout_s);
        if !self.by_origin.contains_key(origin) {
            let mut waiting = Waiting { parts: BTreeMap::new(), budget: Arc::clone(budget), drawn: 0 };
            if !waiting.draw(size_of::<Whole>() + PLACE_BYTES) {
                return None;
            }
            let number = self.next;
            self.next += 1;
            let whole = Whole {
                number,
                size: origin.size,
                joined: 0,
                waiting,
                place: Place::Unbegun,
                wanted: SmallVec::new(),
                last: now,
            };
            self.by_origin.insert(*origin, whole);
            self.order.push_back((after(now, timeout_s), *origin, number));
            self.forget_done();
        }
        let whole = self.by_origin.get_mut(origin)?;
        whole.last = now;
        Some(whole)
    }

    /// A rule wants one stored.
    pub(super) fn want(&mut self, origin: &Origin, sid: u32) {
        if let Some(Whole { wanted, .. }) = self.by_origin.get_mut(origin)
            && !wanted.contains(&sid)
            && wanted.len() < RULES_NAMED
        {
            wanted.push(sid);
        }
    }

    /// The one that was lent under a number.
    pub(super) fn lent(&mut self, origin: &Origin, number: u64) -> Option<&mut Whole> {
        self.by_origin.get_mut(origin).filter(|whole| whole.number == number)
    }

    /// Forgets one, which is done or given up.
    pub(super) fn remove(&mut self, origin: &Origin) {
        if let Some(Whole { place: Place::Here(file), .. }) = self.by_origin.remove(origin) {
            self.abandoned.extend(file.handed_as.filter(|_| file.is_handed()));
        }
    }

    /// The same of one that was lent under a number.
    pub(super) fn remove_lent(&mut self, origin: &Origin, number: u64) {
        if self.lent(origin, number).is_some() {
            self.remove(origin);
        }
    }

    /// Times that are kept.
    #[cfg(test)]
    pub(super) fn times(&self) -> usize {
        self.order.len()
    }

    /// Files of which not all parts came in time.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Takes what the store is to give up.
    pub(super) fn take_abandoned(&mut self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.abandoned)
    }

    /// Forgets the times of files that are done, so that there are never many more of them than files.
    fn forget_done(&mut self) {
        let Self { by_origin, order, .. } = self;
        if order.len() > 2 * by_origin.len() + DONE_LIMIT {
            order.retain(|(_, origin, number)| by_origin.get(origin).is_some_and(|whole| whole.number == *number));
        }
    }

    /// Forgets those whose parts did not come in time.
    fn expire(&mut self, now: Timestamp, timeout_s: u32) {
        while let Some((_, origin, number)) = self.order.pop_front_if(|(over, ..)| *over < now) {
            let Some(whole) = self.lent(&origin, number) else { continue };
            let over = after(whole.last, timeout_s);
            if over < now {
                self.expired += 1;
                self.remove(&origin);
            } else {
                self.order.push_back((over, origin, number));
            }
        }
    }
}

fn after(time: Timestamp, seconds: u32) -> Timestamp {
    Timestamp(time.0.saturating_add(u64::from(seconds) * 1_000_000))
}
