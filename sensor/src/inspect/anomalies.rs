//! What went wrong in a flow outside its transactions, until it is recorded and rules were asked about it.
//!
//! Rules on packets are asked with the packet that it came with, whichever way that goes; rules on transactions when one of the
//! direction is looked at whose bytes it is about.

use smallvec::SmallVec;
use tapwire_parsers::protocol::{Anomaly, Direction, held};

/// Anomalies of a flow that wait for something.
#[derive(Debug, Default)]
pub(super) struct Anomalies(Vec<Raised>);

#[derive(Clone, Copy, Debug)]
struct Raised {
    direction: Direction,
    anomaly: Anomaly,
    recorded: bool,
    asked: bool,
    looked_at: bool,
}

impl Anomalies {
    /// Keeps one that came with bytes of a direction. Where there are too many, those that have their record give way.
    pub(super) fn raise(&mut self, direction: Direction, anomaly: Anomaly) {
        if self.0.len() >= LIMIT {
            self.0.retain(|raised| !raised.recorded);
        }
        if self.0.len() < LIMIT {
            self.0.push(Raised { direction, anomaly, recorded: false, asked: false, looked_at: false });
        }
    }

    /// Whether one waits for its record.
    pub(super) fn has_unrecorded(&self) -> bool {
        self.0.iter().any(|raised| !raised.recorded)
    }

    /// Takes those that wait for their records, each with the direction of its bytes.
    pub(super) fn take_unrecorded(&mut self) -> SmallVec<[(Direction, Anomaly); 2]> {
        self.take(|raised| {
            (!std::mem::replace(&mut raised.recorded, true)).then_some((raised.direction, raised.anomaly))
        })
    }

    /// Takes those that rules on packets were not asked about.
    pub(super) fn take_unasked(&mut self) -> SmallVec<[Anomaly; 2]> {
        self.take(|raised| (!std::mem::replace(&mut raised.asked, true)).then_some(raised.anomaly))
    }

    /// Takes those of a direction that rules on transactions were not asked about.
    pub(super) fn take_of(&mut self, direction: Direction) -> SmallVec<[Anomaly; 2]> {
        self.take(|raised| {
            let own = raised.direction == direction;
            (own && !std::mem::replace(&mut raised.looked_at, true)).then_some(raised.anomaly)
        })
    }

    fn take<T>(&mut self, take: impl FnMut(&mut Raised) -> Option<T>) -> SmallVec<[T; 2]>
    where
        [T; 2]: smallvec::Array<Item = T>,
    {
        let taken = self.0.iter_mut().filter_map(take).collect();
        self.0.retain(|raised| !(raised.recorded && raised.asked && raised.looked_at));
        taken
    }

    /// Bytes that they hold.
    pub(super) fn held_bytes(&self) -> usize {
        held::list(&self.0)
    }
}

/// Anomalies of a flow that are kept.
const LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_to_whom_it_concerns() {
        let (odd, server) = (Anomaly("odd"), Anomaly("server"));
        let mut all = Anomalies::default();
        all.raise(Direction::ToServer, odd);
        all.raise(Direction::ToClient, server);
        assert_eq!(all.take_unasked().as_slice(), [odd, server]);
        assert_eq!(all.take_of(Direction::ToServer).as_slice(), [odd]);
        assert_eq!(all.take_unrecorded().len(), 2);
        assert!(all.take_unasked().is_empty() && all.take_of(Direction::ToServer).is_empty() && !all.has_unrecorded());
        assert_eq!(all.take_of(Direction::ToClient).as_slice(), [server], "it waits for a look at its direction");
        for _ in 0..LIMIT + 8 {
            all.raise(Direction::ToServer, odd);
        }
        assert_eq!(all.take_unrecorded().len(), LIMIT);
        all.raise(Direction::ToServer, server);
        assert_eq!(all.take_unrecorded().as_slice(), [(Direction::ToServer, server)], "the recorded give way");
    }
}
