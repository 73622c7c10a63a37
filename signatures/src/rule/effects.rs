//! What a match of a rule does beside its alert.

use tapwire_parsers::protocol::Both;

/// `target`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `src_ip`
    Source,
    /// `dest_ip`
    Destination,
}

/// `tag`: packets to record after an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// `Some` for a host (true source, false destination); `None` for the flow.
    pub host: Option<bool>,
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: TagUnit,
}

/// What `tag` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagUnit {
    /// Packets.
    Packets,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// What has no record after a match of a rule with `config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The transaction.
    Transaction,
    /// The transactions of the flow from this one on.
    Transactions,
    /// The flow.
    Flow,
}

/// Which files are kept after a match of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filestore {
    /// Whether those to server and those to client are meant; where it does not say, those of the direction of the match.
    pub directions: Option<Both<bool>>,
    /// How far it reaches.
    pub scope: FileScope,
}

/// Which files of a flow are kept with the one that a rule matched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileScope {
    /// No others.
    #[default]
    File,
    /// All of its transaction.
    Transaction,
    /// All of its flow.
    Flow,
}
