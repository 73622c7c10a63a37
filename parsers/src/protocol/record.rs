//! What a record shows of a transaction.

use super::Transaction;
use crate::json::Object;

/// Writes what a record (or an alert of the same transaction) shows of a transaction: adds the protocol's object (named
/// [`Protocol::event_type`], and further ones where EVE has them) to the record. For [`Purpose::Record`] it returns whether a record
/// is wanted under the settings; it then must have added nothing when it returns `false`.
pub struct Recorder {
    write: Box<Write>,
    /// Whether its records show the ends of the flow, from the client to the server, although the transaction has but one
    /// direction.
    pub shows_flow_ends: bool,
}

type Write = dyn Fn(&dyn Transaction, Purpose, &mut Object<'_>) -> bool + Send + Sync;

impl Recorder {
    /// A recorder that writes as `write` does.
    pub fn new(write: impl Fn(&dyn Transaction, Purpose, &mut Object<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { write: Box::new(write), shows_flow_ends: false }
    }

    /// Adds what is shown of a transaction to a record; whether a record is wanted.
    pub fn write(&self, transaction: &dyn Transaction, purpose: Purpose, record: &mut Object<'_>) -> bool {
        (self.write)(transaction, purpose, record)
    }
}

/// What a transaction is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its own record.
    Record,
    /// An alert or a file record that refers to it: always shown, whatever the settings of its own record say.
    Reference,
}
