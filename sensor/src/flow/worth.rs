//! How much a flow is missed if it has to go before its time.
//!
//! Flows that are worth less go first, but no kind of them loses what it holds up to its share of all: whoever fills the table
//! with flows of one kind, cheap or dear, takes them from one another. Within a kind the one that was quiet for longest goes,
//! where a flow of a crowd ([`super::crowds`]) counts as quiet for longer than it is. So a handshake that began a moment
//! ago outlives connections that carry nothing, however many those are, and an exchange outlives older ones.

/// What flows are worth, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worth {
    /// Closed, or nothing is done with it any more.
    Over,
    /// Seen in one direction only, or before the end of its handshake.
    New,
    /// A connection that carried nothing so far.
    Silent,
    /// Bytes went to and fro, in no protocol that is known so far.
    Spoken,
    /// It speaks a known protocol.
    Known,
}

impl Worth {
    /// All of them, in the order in which they go.
    pub const ALL: [Worth; 5] = [Worth::Over, Worth::New, Worth::Silent, Worth::Spoken, Worth::Known];

    /// The part of all flows up to which others cannot take the place of such ones, in sixteenths. All together are the whole.
    pub(super) fn share(self) -> u64 {
        match self {
            Worth::Over => 1,
            Worth::New => 3,
            Worth::Silent => 2,
            Worth::Spoken => 4,
            Worth::Known => 6,
        }
    }
}

/// What the shares are parts of.
pub(super) const SHARES: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_of_one_whole() {
        assert_eq!(Worth::ALL.iter().map(|worth| worth.share()).sum::<u64>(), SHARES);
        assert!(Worth::ALL.iter().enumerate().all(|(at, worth)| *worth as usize == at));
    }
}
