//! What `byte_extract` and `byte_math` of a rule read so far: it holds for all that follows in the rule.

use smallvec::SmallVec;

use crate::rule::variables::{VariableSet, only};

/// Values by index, and which of them are there.
#[derive(Debug, Default)]
pub(in crate::verify) struct Variables {
    values: SmallVec<[u64; 8]>,
    known: VariableSet,
}

impl Variables {
    /// Forgets all of them.
    pub(in crate::verify) fn clear(&mut self) {
        self.values.clear();
        self.known = 0;
    }

    /// A value; 0 where none was read.
    pub(super) fn get(&self, index: u8) -> u64 {
        self.values.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// Sets a value; whether it was another one before.
    pub(super) fn set(&mut self, index: u8, value: u64) -> bool {
        let place = usize::from(index);
        if self.values.len() <= place {
            self.values.resize(place + 1, 0);
        }
        self.known |= only(index);
        match self.values.get_mut(place) {
            Some(slot) => std::mem::replace(slot, value) != value,
            None => false,
        }
    }

    /// Whether all of a set are there.
    pub(in crate::verify) fn has(&self, wanted: VariableSet) -> bool {
        wanted & !self.known == 0
    }

    /// All of them, by index, for a script.
    pub(in crate::verify) fn all(&self) -> &[u64] {
        &self.values
    }
}
