//! What time it is, as far as packets tell.

use tapwire_parsers::link::Timestamp;

/// The time of the last two packets. One packet with a time far ahead, as damage or an attacker makes it, does not age the flows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    last: Option<Timestamp>,
}

impl Clock {
    /// Goes on to a packet; the time that it is by this one and the one before.
    #[inline]
    pub(super) fn tick(&mut self, time: Timestamp) -> Timestamp {
        self.last.replace(time).map_or(time, |before| before.min(time))
    }

    /// The time of the last packet.
    pub(super) fn last(self) -> Timestamp {
        self.last.unwrap_or_default()
    }
}
