//! Messages to transactions: an answer has the reference of what it answers.

use super::message::Message;
use super::transaction::Transaction;
use crate::protocol::{Advance, Anomaly, Direction, Input, Output, Parser, TransactionList, Transactions, held};

/// The parser of a connection.
#[derive(Default)]
pub(super) struct S7Parser {
    transactions: Transactions<Transaction, MAX_OPEN>,
    /// Reference, direction and transaction of what waits for its answer, oldest first.
    waiting: Vec<(u16, Direction, u64)>,
}

impl S7Parser {
    fn message(&mut self, direction: Direction, message: Message, output: &mut Output<'_>) {
        let answer = message.is_answer();
        let asked = if answer { direction.reverse() } else { direction };
        let same = |(reference, way, _): &(u16, Direction, u64)| *reference == message.reference && *way == asked;
        let before = self.waiting.iter().position(same).map(|at| self.waiting.remove(at).2);
        if answer && let Some(transaction) = before.and_then(|id| self.transactions.find_mut(id)) {
            transaction.tell(direction, message);
            return;
        }
        let mut transaction = Transaction::default();
        if message.has_unknown_function() {
            transaction.note("s7comm.unknown_function");
        }
        if answer {
            transaction.note("s7comm.unrequested_answer");
        } else if let Some(earlier) = before.and_then(|id| self.transactions.find_mut(id)) {
            transaction.note("s7comm.reused_reference");
            earlier.end();
        }
        transaction.tell(direction, message);
        // What is pushed and what has no function waits for nothing.
        let waits = !answer && message.function.or(message.group).is_some();
        if !waits {
            transaction.end();
        }
        match self.transactions.open(transaction) {
            Some(id) if waits => self.wait((message.reference, direction, id)),
            Some(_) => {}
            None => output.anomalies.push(Anomaly("s7comm.too_many_transactions")),
        }
    }

    fn wait(&mut self, new: (u16, Direction, u64)) {
        if self.waiting.len() >= WAITING_LIMIT {
            let (.., oldest) = self.waiting.remove(0);
            self.transactions.find_mut(oldest).into_iter().for_each(Transaction::end);
        }
        self.waiting.push(new);
    }
}

impl Parser for S7Parser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data, .. } = *input;
        output.spend(data.len() as u64);
        output.flush_raw = true;
        match Message::read(data) {
            Some(message) => self.message(direction, message, output),
            None => output.anomalies.push(Anomaly("s7comm.malformed_message")),
        }
        Advance::consumed(data.len())
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut Output<'_>) -> bool {
        true
    }

    fn close(&mut self, _: Direction, _: &mut Output<'_>) {}

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + held::list(&self.waiting) + self.transactions.held_bytes()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

/// Transactions that wait to be inspected, or for their answer.
const MAX_OPEN: usize = 256;
/// Those that wait for their answer: controllers take a few jobs at once.
pub(super) const WAITING_LIMIT: usize = 64;
