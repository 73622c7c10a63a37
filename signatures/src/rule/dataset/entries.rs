//! Many values that never change, in little memory: their bytes one after another, and a table of places.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// What a file says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// Nothing more.
    None,
    /// A score.
    Score(u16),
    /// A JSON object.
    Record(&'a Arc<str>),
}

/// The values of a file.
#[derive(Default)]
pub struct Entries {
    hasher: RandomState,
    table: HashTable<Place>,
    /// In order of the file.
    places: usize,
    bytes: Vec<u8>,
    records: Vec<Arc<str>>,
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entries({})", self.len())
    }
}

/// Where a value lies, and its note: a score, or the place of its record.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    length: u32,
    note: PlaceNote,
}

#[derive(Clone, Copy)]
enum PlaceNote {
    None,
    Score(u16),
    Record(u32),
}

/// A note while values are added.
pub(super) enum NewNote {
    None,
    Score(u16),
    Record(String),
}

/// Bytes of values that one file may have.
const LIMIT_BYTES: usize = u32::MAX as usize;

impl Entries {
    /// Adds a value; of two the first stays. False where there is no room.
    pub(super) fn add(&mut self, value: &[u8], note: NewNote) -> bool {
        let Self { hasher, table, bytes, records, places } = self;
        let hash = |value: &[u8]| hash_of(hasher, value);
        if table.find(hash(value), |place| place.of(bytes) == value).is_some() {
            return true;
        }
        if bytes.len() + value.len() > LIMIT_BYTES {
            return false;
        }
        let (Ok(start), Ok(length)) = (u32::try_from(bytes.len()), u32::try_from(value.len())) else { return false };
        let note = match note {
            NewNote::None => PlaceNote::None,
            NewNote::Score(score) => PlaceNote::Score(score),
            NewNote::Record(record) => {
                records.push(record.into());
                PlaceNote::Record(u32::try_from(records.len() - 1).unwrap_or(u32::MAX))
            }
        };
        bytes.extend_from_slice(value);
        *places += 1;
        table.insert_unique(hash(value), Place { start, length, note }, |place| hash(place.of(bytes)));
        true
    }

    /// Gives back memory that is not needed.
    pub(super) fn finish(&mut self) {
        self.bytes.shrink_to_fit();
        self.records.shrink_to_fit();
    }

    /// The note of a value, if it is there.
    pub fn get(&self, value: &[u8]) -> Option<Note<'_>> {
        if self.places == 0 {
            return None;
        }
        let hash = hash_of(&self.hasher, value);
        let place = self.table.find(hash, |place| place.of(&self.bytes) == value)?;
        Some(match place.note {
            PlaceNote::None => Note::None,
            PlaceNote::Score(score) => Note::Score(score),
            PlaceNote::Record(at) => self.records.get(at as usize).map_or(Note::None, Note::Record),
        })
    }

    /// The values in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut places: Vec<Place> = self.table.iter().copied().collect();
        places.sort_unstable_by_key(|place| place.start);
        places.into_iter().map(|place| place.of(&self.bytes))
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.places
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places == 0
    }
}

impl Place {
    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.start as usize + self.length as usize).unwrap_or(&[])
    }
}

fn hash_of(hasher: &RandomState, value: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    value.hash(&mut state);
    std::hash::Hasher::finish(&state)
}
