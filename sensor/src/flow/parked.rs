//! Connections that were open when their flow ended before them, because its time was over or its memory was needed.
//!
//! A packet that goes on where one of them was makes a flow of it again. Those that carried bytes and those that carried
//! nothing are kept apart, so that handshakes in any number make nobody forget an exchange. They are known by the digest of
//! their key, which nobody can foresee.

use foldhash::quality::RandomState;
use hashlink::LinkedHashMap;
use tapwire_parsers::protocol::{Both, Direction};

use super::EndReason;
use super::key::Key;
use crate::decode::memory::Account;

/// The connections that are remembered.
#[derive(Debug)]
pub(super) struct Parked {
    silent: LinkedHashMap<u64, Ends, RandomState>,
    spoken: LinkedHashMap<u64, Ends, RandomState>,
    /// How many of each.
    limit: usize,
    forgotten: u64,
}

/// Where both ends of a connection were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) next: Both<u32>,
    /// Its flow was ended for its memory.
    pub(super) evicted: bool,
    /// The client's key is the canonical one.
    client_first: bool,
}

impl Ends {
    pub(super) fn new(next: Both<u32>, reason: EndReason, key: &Key) -> Self {
        Self { next, evicted: reason == EndReason::Forced, client_first: *key == key.canonical() }
    }

    /// The direction of a packet with a key.
    pub(super) fn direction_of(&self, key: &Key) -> Direction {
        if (*key == key.canonical()) == self.client_first { Direction::ToServer } else { Direction::ToClient }
    }
}

impl Parked {
    pub(super) fn new(limit: usize) -> Self {
        let map = || LinkedHashMap::with_hasher(RandomState::default());
        Self { silent: map(), spoken: map(), limit, forgotten: 0 }
    }

    /// Remembers a connection; the oldest ones are forgotten where there is no place or no memory for it.
    pub(super) fn put(&mut self, digest: u64, ends: Ends, spoken: bool, account: &mut Account) {
        self.take(digest, account);
        let own = if spoken { &mut self.spoken } else { &mut self.silent };
        // Most of the memory is for those who are here.
        let most = self.limit.min(account.limit_bytes() / PART / PARKED_BYTES);
        while own.len() >= most || !account.take(PARKED_BYTES) {
            if own.pop_front().is_none() {
                return;
            }
            self.forgotten += 1;
            account.give(PARKED_BYTES);
        }
        own.insert(digest, ends);
    }

    /// Where the ends of a connection were.
    pub(super) fn get(&self, digest: u64) -> Option<Ends> {
        if self.spoken.is_empty() && self.silent.is_empty() {
            return None;
        }
        self.spoken.get(&digest).or_else(|| self.silent.get(&digest)).copied()
    }

    /// Forgets a connection that has a flow again.
    pub(super) fn take(&mut self, digest: u64, account: &mut Account) {
        if self.spoken.remove(&digest).or_else(|| self.silent.remove(&digest)).is_some() {
            account.give(PARKED_BYTES);
        }
    }

    /// How many were forgotten for their place or their memory.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// Those of each kind take at most so much of the memory of flows, one in so many.
const PART: usize = 16;
/// What remembering a connection costs.
const PARKED_BYTES: usize = 80;
