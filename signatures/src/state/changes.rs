//! What rules changed of a set: it lies over what the set's file holds, and one thread owns it.

use hashlink::LinkedHashMap;

use crate::rule::dataset::{Dataset, Key, Operation, suffixes};

/// What rules added to a set and removed from it.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Whether a value is there now, where that is not as it was in the beginning; in order of the first change.
    values: LinkedHashMap<Key, bool>,
    bytes: usize,
    /// Values that were refused for lack of room.
    pub(super) refused: u64,
}

impl Changes {
    /// Whether what a rule asks for holds; changes what it changes.
    pub(super) fn decide(&mut self, set: &Dataset, operation: Operation, key: &Key, subdomains: bool) -> bool {
        let contains = suffixes(key, subdomains)
            .any(|name| self.values.get(name).copied().unwrap_or_else(|| set.entries.get(name).is_some()));
        match operation {
            Operation::IsSet => contains,
            Operation::IsNotSet => !contains,
            Operation::Set => !contains && self.put(set, key, true),
            Operation::Unset => contains && self.put(set, key, false),
        }
    }

    fn put(&mut self, set: &Dataset, key: &Key, is_there: bool) -> bool {
        if let Some(known) = self.values.get_mut(key) {
            *known = is_there;
            return true;
        }
        let cost = key.len() + VALUE_BYTES;
        if self.bytes + cost > set.limit_bytes {
            self.refused += 1;
            return false;
        }
        self.bytes += cost;
        self.values.insert(key.clone(), is_there);
        true
    }

    /// How many values are there.
    pub(super) fn count(&self, set: &Dataset) -> u64 {
        let first = set.entries.len() as u64;
        self.values.iter().fold(first, |count, (key, is_there)| match (set.entries.get(key).is_some(), is_there) {
            (false, true) => count + 1,
            (true, false) => count.saturating_sub(1),
            _ => count,
        })
    }

    /// The values that are there, as a file has them: those of the beginning first.
    pub(super) fn write(&self, set: &Dataset, out: &mut String) {
        let first = set.entries.iter().filter(|key| self.values.get(*key).copied().unwrap_or(true));
        let added = self.values.iter().filter(|(key, is_there)| **is_there && set.entries.get(key).is_none());
        for key in first.chain(added.map(|(key, _)| key.as_slice())) {
            out.push_str(&set.kind.to_file(key));
            out.push('\n');
        }
    }
}

/// What a value costs beside its bytes.
const VALUE_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::dataset::{Kind, Layout};

    #[test]
    fn rules_add_and_remove_within_the_limit() {
        let mut set =
            Dataset::new("test", 0, Kind::String, Layout::default().read(Kind::String, b"YQ==").unwrap().entries);
        set.limit_bytes = 2 * (1 + VALUE_BYTES);
        let (mut changes, key) = (Changes::default(), |text: &str| Key::from_slice(text.as_bytes()));
        for (operation, name, holds) in [
            (Operation::IsSet, "a", true),
            (Operation::Set, "a", false),
            (Operation::Set, "b", true),
            (Operation::IsSet, "b", true),
            (Operation::Unset, "a", true),
            (Operation::IsNotSet, "a", true),
            (Operation::Unset, "c", false),
            (Operation::Set, "c", false),
        ] {
            assert_eq!(changes.decide(&set, operation, &key(name), false), holds, "{operation:?} {name}");
        }
        let mut text = String::new();
        changes.write(&set, &mut text);
        assert_eq!((text.as_str(), changes.refused, changes.count(&set)), ("Yg==\n", 1, 1));
    }
}
