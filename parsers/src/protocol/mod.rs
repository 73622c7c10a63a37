//! The words that a protocol is written in.
//!
//! A protocol is a static card ([`Protocol`]) in the registry: how it is recognised, what rules can look at ([`Field`]), what
//! can be wrong with it ([`AnomalyKind`]), and how a parser for one flow is opened. The parser ([`Parser`]) turns chunks of
//! ordered bytes into transactions, which it owns and lends. Nothing outside the protocol's folder names its types.
//!
//! Contract of [`Parser::advance`]: the chunk starts at the first byte that the parser has not yet said it is done with. What it
//! leaves is handed to it again together with what follows, so it remembers how far it scanned. Cost grows linearly with
//! the bytes: a parser never scans a byte twice for each call. Everything it keeps is bounded, and a bound that is hit is an
//! anomaly; it then goes on with the next message. What it keeps it says ([`Parser::held_bytes`]), for the memory budget is charged
//! with that; and which transactions changed is known to their list ([`TransactionList::take_touched`]), for only those are looked at.

mod anomalies;
mod card;
mod field;
mod files;
mod fuel;
pub mod held;
mod input;
mod output;
mod record;
mod settings;
mod transaction;
mod transactions;

pub use anomalies::FLOW_ANOMALIES;
pub use card::{
    AnomalyKind, Carrier, Link, Opener, Opening, Pattern, Probe, Protocol, ProtocolId, Setting, SettingOf, Usual,
};
pub use field::{Field, Kind, Numbers, Value, named};
#[cfg(test)]
pub(crate) use files::FileText;
pub use files::{FileHandle, FileRange, FileSink, NoFiles};
pub use fuel::Fuel;
pub use input::{Ends, Input, Mac, Sides, mac_text};
pub use output::{Advance, Carried, CarriedMessage, Context, Course, Expected, Frame, Output};
pub use record::{Purpose, Recorder};
pub use settings::{Settings, parse_size};
pub use transaction::{OneWay, Transaction};
pub use transactions::{TransactionList, Transactions};

/// The side of a flow that bytes travel to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// Both, to server first.
    pub const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

    /// The other direction.
    pub fn reverse(self) -> Self {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }

    /// 0 to server, 1 to client: for arrays of two.
    pub fn index(self) -> usize {
        self as usize
    }

    /// `to_server` or `to_client`, as records say it.
    pub fn name(self) -> &'static str {
        match self {
            Direction::ToServer => "to_server",
            Direction::ToClient => "to_client",
        }
    }
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// That of the direction to the server.
    pub to_server: T,
    /// That of the direction to the client.
    pub to_client: T,
}

impl<T> Both<T> {
    /// The value of one direction.
    pub fn of(&self, direction: Direction) -> &T {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// The value of one direction, to change it.
    pub fn of_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

/// Something wrong (or worth a rule) that traffic did, `protocol.event` in lower case as rules name it
/// (`app-layer-event:http.request_header_invalid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Anomaly(pub &'static str);

/// The parser of one flow.
pub trait Parser: Send {
    /// Takes a chunk of ordered bytes (TCP) or one datagram (UDP; what it does not consume is dropped).
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance;

    /// `missing` bytes of a direction never came (what it had left unconsumed is dropped as well). Whether it can go on.
    fn gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) -> bool;

    /// No more bytes will come in a direction (FIN, RST, end of the capture, timeout). Messages that only the end of the stream
    /// delimits are complete now; half a message stays incomplete.
    fn close(&mut self, direction: Direction, output: &mut Output<'_>);

    /// Bytes that it keeps besides its own size: its open transactions, and all that waits to become one. It is asked after each
    /// call, so it is kept up with what changes and never counted anew.
    fn held_bytes(&self) -> usize;

    /// The open transactions.
    fn transactions(&self) -> &dyn TransactionList;

    /// The open transactions, to retire those that are done with.
    fn transactions_mut(&mut self) -> &mut dyn TransactionList;
}
