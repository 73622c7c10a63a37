//! The open transactions of a parser: what is open, what changed, and what they hold.
//!
//! A look at all of them with each packet would cost the square of their number. So the list notes which ones were opened or lent to
//! be changed, and hands those ids out once; and it weighs a transaction again only when it may have changed.

use std::collections::VecDeque;
use std::ops::Range;

use smallvec::SmallVec;

use super::{Transaction, held};

/// The open transactions of a parser.
pub trait TransactionList {
    /// From the oldest open one to one past the newest ever opened. Ids count from 0 in each flow.
    fn range(&self) -> Range<u64>;
    /// A transaction that is open.
    fn get(&self, id: u64) -> Option<&dyn Transaction>;
    /// Forgets a transaction, which goes to whoever wants it.
    fn retire(&mut self, id: u64) -> Option<Box<dyn Transaction>>;
    /// Tells the ids of transactions that were opened or may have changed since this was last asked, each once, in no order.
    fn take_touched(&mut self, tell: &mut dyn FnMut(u64));
    /// Weighs a transaction that was lent: what is asked of it may be made then and stay.
    fn weigh(&mut self, id: u64);
}

/// Open transactions of type `T`, at most `LIMIT`.
#[derive(Debug)]
pub struct Transactions<T, const LIMIT: usize> {
    base: u64,
    open: VecDeque<Slot<T>>,
    /// Those that may have changed.
    touched: SmallVec<[u64; 2]>,
    /// What all of them held when each was last weighed.
    held_bytes: usize,
}

#[derive(Debug)]
struct Slot<T> {
    /// By itself, as most flows have one at a time and a list makes room for four.
    transaction: Option<Box<T>>,
    held_bytes: u32,
    is_touched: bool,
}

impl<T, const LIMIT: usize> Default for Transactions<T, LIMIT> {
    fn default() -> Self {
        Self { base: 0, open: VecDeque::new(), touched: SmallVec::new(), held_bytes: 0 }
    }
}

impl<T, const LIMIT: usize> Transactions<T, LIMIT> {
    /// Opens a transaction and returns its id; `None` when the limit is reached.
    pub fn open(&mut self, transaction: T) -> Option<u64> {
        if self.is_full() {
            return None;
        }
        let id = self.next_id();
        self.open.push_back(Slot { transaction: Some(Box::new(transaction)), held_bytes: 0, is_touched: true });
        self.touched.push(id);
        Some(id)
    }

    /// Whether no further one can be opened.
    pub fn is_full(&self) -> bool {
        self.open.len() >= LIMIT
    }

    /// The id that the next transaction gets.
    pub fn next_id(&self) -> u64 {
        self.base + self.open.len() as u64
    }

    /// An open transaction, to change it.
    pub fn find_mut(&mut self, id: u64) -> Option<&mut T> {
        let index = self.index(id)?;
        let slot = self.open.get_mut(index)?;
        let transaction = slot.transaction.as_deref_mut()?;
        if !slot.is_touched {
            slot.is_touched = true;
            self.touched.push(id);
        }
        Some(transaction)
    }

    /// An open transaction.
    pub fn find(&self, id: u64) -> Option<&T> {
        self.open.get(self.index(id)?)?.transaction.as_deref()
    }

    /// Forgets a transaction, which goes to whoever wants it.
    pub fn remove(&mut self, id: u64) -> Option<Box<T>> {
        let slot = self.index(id).and_then(|index| self.open.get_mut(index));
        let removed = slot.and_then(|slot| {
            self.held_bytes -= std::mem::take(&mut slot.held_bytes) as usize;
            slot.transaction.take()
        });
        while self.open.front().is_some_and(|slot| slot.transaction.is_none()) {
            self.open.pop_front();
            self.base += 1;
        }
        if self.open.capacity() > SPARE_SLOTS && self.open.len() < self.open.capacity() / 4 {
            self.open.shrink_to(self.open.len() * 2);
        }
        removed
    }

    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.base)?).ok()
    }
}

impl<T: Transaction, const LIMIT: usize> Transactions<T, LIMIT> {
    /// Bytes that they hold.
    pub fn held_bytes(&self) -> usize {
        let changed = self.touched.iter().filter_map(|id| self.open.get(self.index(*id)?));
        let more: usize = changed.map(|slot| weight(slot).saturating_sub(slot.held_bytes as usize)).sum();
        let slots = held::block(self.open.capacity() * size_of::<Slot<T>>());
        let touched = if self.touched.spilled() { held::block(self.touched.capacity() * 8) } else { 0 };
        self.held_bytes + more + slots + touched
    }
}

impl<T: Transaction, const LIMIT: usize> TransactionList for Transactions<T, LIMIT> {
    fn range(&self) -> Range<u64> {
        self.base..self.next_id()
    }

    fn get(&self, id: u64) -> Option<&dyn Transaction> {
        self.find(id).map(|t| t as &dyn Transaction)
    }

    fn retire(&mut self, id: u64) -> Option<Box<dyn Transaction>> {
        self.remove(id).map(|transaction| transaction as Box<dyn Transaction>)
    }

    fn take_touched(&mut self, tell: &mut dyn FnMut(u64)) {
        if self.touched.is_empty() {
            return;
        }
        for place in 0..self.touched.len() {
            let Some(&id) = self.touched.get(place) else { break };
            self.weigh(id);
            if let Some(slot) = self.index(id).and_then(|index| self.open.get_mut(index)) {
                slot.is_touched = false;
                tell(id);
            }
        }
        self.touched.clear();
        if self.touched.capacity() > SPARE_SLOTS {
            self.touched = SmallVec::new();
        }
    }

    fn weigh(&mut self, id: u64) {
        let Some(slot) = self.index(id).and_then(|index| self.open.get_mut(index)) else { return };
        let now = u32::try_from(weight(slot)).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut slot.held_bytes, now);
        self.held_bytes = self.held_bytes - before as usize + now as usize;
    }
}

fn weight<T: Transaction>(slot: &Slot<T>) -> usize {
    slot.transaction.as_ref().map_or(0, |transaction| held::boxed::<T>(transaction.held_bytes()))
}

/// Room in a list that it keeps when it becomes empty.
const SPARE_SLOTS: usize = 64;
