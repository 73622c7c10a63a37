//! What has no record because a rule with `config` said so.
//!
//! A worker follows the rules that it decides. What flows share is decided by the writer, which then follows the rule itself:
//! the worker only marks the records that may be concerned.

use std::collections::VecDeque;

use tapwire_parsers::protocol::held;
use tapwire_signatures::rule::Silence;
use tapwire_signatures::verify::{Ground, Match};

use super::Application;

/// Transactions without a record yet that a flow remembers, and messages whose answers it waits for.
const LIMIT: usize = 1024;

/// A transaction, and what it has in common with its answer where that is one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Its id in the flow.
    pub transaction: u64,
    /// What both have in common.
    pub pair: Option<u64>,
}

/// What rules said of a flow's records.
#[derive(Debug, Default)]
pub struct Silences {
    transactions: bool,
    /// Whether the flow has no record.
    pub flow: bool,
    own: VecDeque<u64>,
    /// What tells the other messages of pairs of which one is silent.
    pairs: VecDeque<u64>,
}

impl Silences {
    /// Follows a rule that matched, on a transaction or not.
    pub fn add(&mut self, what: Silence, on: Option<Quiet>) {
        match (what, on) {
            (Silence::Transaction, Some(quiet)) => {
                remember(&mut self.own, quiet.transaction);
                quiet.pair.into_iter().for_each(|pair| remember(&mut self.pairs, pair));
            }
            (Silence::Transaction, None) => {}
            (Silence::Transactions, _) => self.transactions = true,
            (Silence::Flow, _) => self.flow = true,
        }
    }

    /// Whether a transaction, whose record is due, has none. An answer is silent if what it answers was.
    pub fn take(&mut self, quiet: Quiet) -> bool {
        if let Some(at) = self.own.iter().position(|known| *known == quiet.transaction) {
            self.own.remove(at);
            return true;
        }
        let answered = self.pairs.iter().position(|known| Some(*known) == quiet.pair);
        answered.and_then(|at| self.pairs.remove(at)).is_some() || self.transactions
    }
}

fn remember(list: &mut VecDeque<u64>, one: u64) {
    list.truncate(LIMIT - 1);
    list.push_front(one);
}

impl Silent {
    /// Bytes that it holds besides its own size.
    pub(super) fn held_bytes(&self) -> usize {
        [&self.said.own, &self.said.pairs].into_iter().map(|list| held::block(list.capacity() * size_of::<u64>())).sum()
    }
}

/// What a flow has of it.
#[derive(Debug, Default)]
pub(super) struct Silent {
    said: Silences,
    /// A rule that the writer decides may have said more.
    asked: bool,
}

impl Application {
    /// A transaction, as rules on records mean it.
    pub fn quiet(&self, transaction: u64) -> Quiet {
        Quiet { transaction, pair: self.transaction(transaction).and_then(|transaction| transaction.pair()) }
    }

    /// The transaction that a match is about.
    pub fn silenced(&self, found: &Match) -> Option<Quiet> {
        let transaction = match found.ground {
            Ground::Transaction(id) => Some(id),
            Ground::Frame(id) => self.frame(id).and_then(|frame| frame.transaction),
            Ground::Packet | Ground::Stream => self.oldest_open(found.direction).map(|(id, _)| id),
        };
        transaction.map(|id| self.quiet(id))
    }

    /// Follows a rule with `config` that matched, on a transaction or not.
    pub fn silence(&mut self, what: Silence, on: Option<Quiet>) {
        self.silent_mut().said.add(what, on);
    }

    /// Notes that the writer may follow one.
    pub fn ask_silence(&mut self) {
        self.silent_mut().asked = true;
    }

    /// Whether the writer may have followed one.
    pub fn is_silence_asked(&self) -> bool {
        self.silent().is_some_and(|silent| silent.asked)
    }

    /// Whether a transaction, whose record is due, has none.
    pub fn is_silent(&mut self, transaction: u64) -> bool {
        if self.silent().is_none() {
            return false;
        }
        let quiet = self.quiet(transaction);
        self.silent_mut().said.take(quiet)
    }

    /// Whether the flow has no record.
    pub fn is_silent_flow(&self) -> bool {
        self.silent().is_some_and(|silent| silent.said.flow)
    }

    /// Whether rules have yet to look at something that came in a direction of a transaction.
    pub fn awaits_rules(&self, transaction: u64) -> bool {
        let only = self.transaction(transaction).and_then(|transaction| transaction.only_direction());
        only.map_or(self.updated.to_server || self.updated.to_client, |only| *self.updated.of(only))
    }

    fn silent(&self) -> Option<&Silent> {
        self.rare.as_ref()?.silent.as_deref()
    }

    fn silent_mut(&mut self) -> &mut Silent {
        self.rare.get_or_insert_default().silent.get_or_insert_default()
    }
}
