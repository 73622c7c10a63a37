//! Which files rules want stored: the one that they matched on, those of its transaction, or those of its flow.

use smallvec::SmallVec;
use tapwire_parsers::protocol::{Both, Direction, held};
use tapwire_signatures::rule::{FileScope, Filestore};

use super::File;

/// What rules said of files to come that a flow remembers.
const MARKS_LIMIT: usize = 16;

/// What a match says of files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    sid: u32,
    directions: Both<bool>,
    /// Where the match was.
    transaction: u64,
    direction: Direction,
    file: Option<u64>,
    scope: FileScope,
}

impl Mark {
    /// That of a match on a file, or without one on a transaction in a direction.
    pub(super) fn new(
        store: Filestore,
        sid: u32,
        (transaction, direction): (u64, Direction),
        file: Option<u64>,
    ) -> Self {
        let mut own = Both { to_server: false, to_client: false };
        *own.of_mut(direction) = true;
        let directions = store.directions.unwrap_or(own);
        Self { sid, directions, transaction, direction, file, scope: store.scope }
    }

    /// Whether a file is meant.
    pub(super) fn means(&self, file: &File) -> bool {
        let of_transaction = file.transaction == self.transaction;
        // In the other direction none is the one of the match: there all of the transaction are meant.
        let is_own = || file.direction != self.direction || self.file.is_none_or(|own| own == u64::from(file.number));
        *self.directions.of(file.direction)
            && match self.scope {
                // Those of transactions before it are as they were when the rule matched.
                FileScope::Flow => file.transaction >= self.transaction,
                FileScope::Transaction => of_transaction,
                FileScope::File => of_transaction && is_own(),
            }
    }

    /// Has a file stored if it is meant.
    fn put_on(&self, file: &mut File) {
        if self.means(file) {
            file.want(self.sid);
        }
    }
}

/// What rules said of files to come.
#[derive(Debug, Default)]
pub(super) struct Marks(SmallVec<[Mark; 0]>);

impl Marks {
    /// Bytes that they hold besides their own size.
    pub(super) fn held_bytes(&self) -> usize {
        held::block(self.0.len() * size_of::<Mark>())
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps what is about files to come, once.
    pub(super) fn remember(&mut self, mark: Mark) {
        let same = |other: &Mark| {
            let transaction = mark.scope == FileScope::Flow || other.transaction == mark.transaction;
            other.sid == mark.sid && other.scope == mark.scope && transaction
        };
        if mark.scope != FileScope::File && self.0.len() < MARKS_LIMIT && !self.0.iter().any(same) {
            self.0.push(mark);
        }
    }

    /// Has a new file stored if rules want it.
    pub(super) fn put_on(&self, file: &mut File) {
        self.0.iter().for_each(|mark| mark.put_on(file));
    }

    /// Forgets what is about transactions before `oldest`.
    pub(super) fn retire(&mut self, oldest: u64) {
        self.0.retain(|mark| mark.scope == FileScope::Flow || mark.transaction >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use tapwire_parsers::protocol::FileSink;

    use super::super::{FileSettings, Files, Wholes};
    use super::*;
    use crate::decode::memory::Budget;

    /// Two transactions with a file each way, the last of them to come; which of the four are stored for a match on an answer, by its
    /// file.
    fn stored(directions: Option<Both<bool>>, scope: FileScope, (transaction, file): (u64, u64)) -> Vec<u32> {
        let mut files = Files::default();
        let settings = FileSettings { storing: Some(Budget::new(0)), ..FileSettings::default() };
        let carry = |files: &mut Files, direction: Direction, transaction| {
            let mut sink = files.sink(&settings, 0);
            sink.open(direction.into(), transaction, b"a", None);
            sink.append(direction.into(), b"abc");
            sink.close(direction.into(), true);
        };
        carry(&mut files, Direction::ToServer, 0);
        carry(&mut files, Direction::ToClient, 0);
        carry(&mut files, Direction::ToServer, 1);
        files.keep(
            Filestore { directions, scope },
            9,
            (transaction, Direction::ToClient),
            Some(file),
            &mut Wholes::default(),
        );
        carry(&mut files, Direction::ToClient, 1);
        let all = std::iter::from_fn(|| files.take_closed(true));
        all.filter(|file| file.is_storing() && file.stored_for() == [9]).map(|file| file.number).collect()
    }

    #[test]
    fn a_scope_reaches_as_far_as_it_says() {
        use FileScope::{File, Flow, Transaction};
        let both = |to_server, to_client| Some(Both { to_server, to_client });
        for (directions, scope, expected) in [
            (None, File, &[2][..]),
            (both(true, false), File, &[1]),
            (both(true, true), File, &[1, 2]),
            (None, Transaction, &[2]),
            (both(true, true), Transaction, &[1, 2]),
            (None, Flow, &[2, 4]),
            (both(true, false), Flow, &[1, 3]),
            (both(true, true), Flow, &[1, 2, 3, 4]),
        ] {
            assert_eq!(stored(directions, scope, (0, 2)), expected, "{directions:?} {scope:?}");
        }
        assert_eq!(stored(both(true, true), Flow, (1, 4)), [3, 4], "what is before the match is not meant");
    }
}
