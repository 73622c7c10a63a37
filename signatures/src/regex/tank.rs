//! What a search is paid from: it spends units of bytes times states, and ends where there are none left.

/// What one rule may still spend on what it looks at.
#[derive(Debug, Default)]
pub(crate) struct Tank {
    left: u64,
    /// What is held back while a buffer has less.
    kept: u64,
    spent: u64,
    dry: bool,
    /// No buffer is worth less than all that is left.
    is_free: bool,
}

impl Tank {
    /// One with so many units.
    pub(crate) fn of(units: u64) -> Self {
        Self { left: units, ..Self::default() }
    }

    /// One that may be spent on any buffer, for who asks about one rule and not about traffic.
    pub(crate) fn free(units: u64) -> Self {
        Self { is_free: true, ..Self::of(units) }
    }

    /// The same, and it does not run dry.
    pub(crate) fn endless() -> Self {
        Self::free(u64::MAX)
    }

    /// Takes work out; whether there was enough.
    #[inline]
    pub(crate) fn spend(&mut self, units: u64) -> bool {
        self.spent += units;
        match self.left.checked_sub(units) {
            Some(left) => self.left = left,
            None => (self.left, self.dry) = (0, true),
        }
        !self.dry
    }

    /// Uses up what is left, where it is not enough for what is to be done.
    pub(crate) fn drain(&mut self) {
        self.spent += std::mem::take(&mut self.left);
        self.dry = true;
    }

    /// What is left.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// What was spent.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Whether more was needed than there was.
    pub(crate) fn is_dry(&self) -> bool {
        self.dry
    }

    /// Begins a buffer of so many bytes: no more than it is worth is spent on it.
    pub(crate) fn begin_buffer(&mut self, bytes: usize) {
        let worth = BUFFER.saturating_add(BUFFER_BYTE.saturating_mul(bytes as u64));
        self.kept = if self.is_free { 0 } else { self.left.saturating_sub(worth) };
        self.left -= self.kept;
    }

    /// Ends it.
    pub(crate) fn end_buffer(&mut self) {
        self.left += std::mem::take(&mut self.kept);
    }
}

/// What a buffer adds to what one rule may spend on it: some in any case, and some for each byte.
const BUFFER: u64 = 100_000;
const BUFFER_BYTE: u64 = 64;
/// Bytes that are copied, folded or searched for a content, for one unit.
pub(crate) const SEARCHED_BYTES: u64 = 4;
