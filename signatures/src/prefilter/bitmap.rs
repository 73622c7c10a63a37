//! Which grams some pattern has: two bits of one word for each, by a hash.
//!
//! Both bits of a gram that no pattern has are seldom set, and asking for them takes one look at memory.

/// The bitmap.
#[derive(Debug)]
pub(super) struct Bitmap {
    pub(super) words: Vec<u32>,
    /// A gram times this is its hash.
    pub(super) factor: u32,
    /// Shift of a hash that leaves the number of its first bit: the word, and the place in it.
    pub(super) shift: u32,
}

/// How far to shift a hash less for the place of the second bit.
pub(super) const SECOND: u32 = 5;

impl Bitmap {
    /// That of no grams.
    #[cfg(target_arch = "x86_64")]
    pub(super) const NONE: Self = Self { words: Vec::new(), factor: 0, shift: 0 };

    /// An empty one of at least so many bits.
    pub(super) fn new(bits: usize, factor: u32) -> Self {
        let bits = bits.next_power_of_two().clamp(1 << 10, 1 << 22);
        Self { words: vec![0; bits / 32], factor, shift: 32 - bits.trailing_zeros() }
    }

    /// Adds a gram.
    pub(super) fn insert(&mut self, gram: u32) {
        let (word, mask) = self.place(gram);
        if let Some(word) = self.words.get_mut(word) {
            *word |= mask;
        }
    }

    /// Whether a gram may have been added.
    #[inline]
    pub(super) fn contains(&self, gram: u32) -> bool {
        let (word, mask) = self.place(gram);
        self.words.get(word).is_some_and(|word| word & mask == mask)
    }

    #[inline]
    fn place(&self, gram: u32) -> (usize, u32) {
        let hash = gram.wrapping_mul(self.factor);
        let bit = hash >> self.shift;
        ((bit >> 5) as usize, 1 << (bit & 31) | 1 << (hash >> (self.shift - SECOND) & 31))
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.words.len() * 4
    }
}
