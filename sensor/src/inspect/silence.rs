//! What has no record because a rule with `config` said so.

use std::collections::VecDeque;

use tapwire_signatures::language::rule::Silence;

use super::Application;

/// Messages whose answers are waited for to keep them out of the records as well.
const PAIR_LIMIT: usize = 64;

/// What rules said of a flow's records.
#[derive(Debug, Default)]
pub(super) struct Silences {
    transactions: bool,
    flow: bool,
    /// What tells the other messages of pairs of which one is silent.
    pairs: VecDeque<u64>,
}

impl Application {
    /// Follows a rule with `config` that matched, on a transaction or not.
    pub fn silence(&mut self, what: Silence, transaction: Option<u64>) {
        match what {
            Silence::Transaction => {
                let Some(id) = transaction else { return };
                if let Some(pair) = self.transaction(id).and_then(|transaction| transaction.pair()) {
                    let pairs = &mut self.silences_mut().pairs;
                    pairs.truncate(PAIR_LIMIT - 1);
                    pairs.push_front(pair);
                }
                if let Some(known) = self.known_mut(id) {
                    known.silent = true;
                }
            }
            Silence::Transactions => self.silences_mut().transactions = true,
            Silence::Flow => self.silences_mut().flow = true,
        }
    }

    /// Whether a transaction has no record. An answer is silent if what it answers was.
    pub fn is_silent(&mut self, transaction: u64) -> bool {
        if self.silences().is_none() && self.known_mut(transaction).is_none_or(|known| !known.silent) {
            return false;
        }
        let pair = self.transaction(transaction).and_then(|transaction| transaction.pair());
        let own = self.known_mut(transaction).is_some_and(|known| known.silent);
        let Some(silences) = self.rare.as_mut().and_then(|rare| rare.silences.as_mut()) else { return own };
        let answered = silences.pairs.iter().position(|known| !own && Some(*known) == pair);
        let answers = answered.and_then(|at| silences.pairs.remove(at)).is_some();
        own || answers || silences.transactions
    }

    /// Whether the flow has no record.
    pub fn is_silent_flow(&self) -> bool {
        self.silences().is_some_and(|silences| silences.flow)
    }

    fn silences(&self) -> Option<&Silences> {
        self.rare.as_ref()?.silences.as_deref()
    }

    fn silences_mut(&mut self) -> &mut Silences {
        self.rare.get_or_insert_default().silences.get_or_insert_default()
    }
}
