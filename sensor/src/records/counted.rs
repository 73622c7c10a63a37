//! Counts by key that are bounded: the key that was not seen for longest is forgotten first.

use std::hash::Hash;

use foldhash::quality::RandomState;
use hashlink::LinkedHashMap;

/// What is known of keys at once.
pub struct Counted<K, V> {
    keys: LinkedHashMap<K, V, RandomState>,
    limit: usize,
}

impl<K: Hash + Eq, V: Default> Counted<K, V> {
    /// One that knows `limit` keys at most.
    pub fn new(limit: usize) -> Self {
        Self { keys: LinkedHashMap::with_hasher(RandomState::default()), limit }
    }

    /// What is known of a key, which is the last to be forgotten now.
    pub fn of(&mut self, key: K) -> &mut V {
        if self.keys.len() >= self.limit && !self.keys.contains_key(&key) {
            self.keys.pop_front();
        }
        self.keys.to_back(&key);
        self.keys.entry(key).or_insert_with(V::default)
    }

    /// What is known of a key, if something is.
    pub fn known(&mut self, key: &K) -> Option<&mut V> {
        self.keys.get_mut(key)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.keys.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_quiet_for_longest_is_forgotten() {
        let mut counted: Counted<u32, u32> = Counted::new(2);
        for key in [1, 2, 1, 3] {
            *counted.of(key) += 1;
        }
        assert_eq!((*counted.of(1), *counted.of(3), *counted.of(2)), (2, 1, 0));
    }
}
