//! What reading costs, and how much of it there is.

/// What a parser may spend on a call: bytes looked at, or steps that cost about as much. Who reads spends, and stops where nothing is
/// left: it is asked again with the next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fuel {
    given: u64,
    spent: u64,
}

impl Fuel {
    /// Never empty, and counts all the same.
    pub const ENDLESS: Fuel = Fuel { given: u64::MAX, spent: 0 };

    /// So many units.
    pub fn of(units: u64) -> Self {
        Self { given: units, spent: 0 }
    }

    /// Takes some; whether there is any left.
    #[inline]
    pub fn spend(&mut self, units: u64) -> bool {
        self.spent = self.spent.saturating_add(units);
        !self.is_empty()
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spent >= self.given
    }

    /// What was spent.
    pub fn spent(&self) -> u64 {
        self.spent
    }
}
