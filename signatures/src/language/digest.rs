//! Digests by which what was compiled before is known again.

use std::hash::{BuildHasher, Hash};
use std::sync::OnceLock;

use foldhash::quality::RandomState;

/// 128 bits under keys drawn when the program starts, so that nobody can write two texts with the same one. It means nothing to
/// another run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest([u64; 2]);

impl Digest {
    /// That of a value.
    pub fn of<T: Hash + ?Sized>(value: &T) -> Self {
        static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
        let keys = KEYS.get_or_init(|| [RandomState::default(), RandomState::default()]);
        Self(keys.each_ref().map(|key| key.hash_one(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_digests_and_others_not() {
        assert_eq!(Digest::of("abc"), Digest::of(&String::from("abc")));
        assert_ne!(Digest::of("abc"), Digest::of("abd"));
        let Digest([first, second]) = Digest::of("abc");
        assert_ne!(first, second, "the keys differ");
    }
}
