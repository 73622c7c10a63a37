//! Digests by which what was compiled before is known again, in this run or by the next one.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// 128 bits of SHA-256, so that nobody can write two texts with the same one. The same program gives equal values the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest([u8; 16]);

impl Digest {
    /// That of a value.
    pub fn of<T: Hash + ?Sized>(value: &T) -> Self {
        let mut bytes = Bytes(Sha256::new());
        value.hash(&mut bytes);
        let whole = bytes.0.finalize();
        let mut digest = Self::default();
        digest.0.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        digest
    }
}

/// Takes what values hash.
struct Bytes(Sha256);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_digests_and_others_not() {
        assert_eq!(Digest::of("abc"), Digest::of(&String::from("abc")));
        assert_ne!(Digest::of("abc"), Digest::of("abd"));
        assert_ne!(Digest::of(&("ab", "c")), Digest::of(&("a", "bc")));
    }
}
