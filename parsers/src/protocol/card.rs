//! The card of a protocol: all that the rooms above know of it before they see its bytes.

use super::{Both, Context, Direction, Field, Parser, Recorder, Settings};

/// What carries an application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Ordered bytes.
    Tcp,
    /// Datagrams: each is handed over whole, by itself.
    Udp,
    /// Frames of an Ethernet type, without IP: each is handed over whole, by itself.
    Link(u16),
    /// Messages inside those of the protocol with this name: each is handed over whole, by itself.
    Within(&'static str),
}

impl Carrier {
    /// What IP carries.
    pub const OVER_IP: [Carrier; 2] = [Carrier::Tcp, Carrier::Udp];

    /// Whether it brings whole messages, each by itself, and no ordered bytes.
    pub fn has_messages(self) -> bool {
        self != Carrier::Tcp
    }
}

/// What is said of frames that carry a protocol without IP ([`Carrier::Link`]).
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Reads, from what follows the Ethernet type, the number that tells flows between the same two stations apart: an
    /// application, a kind of frame, a device behind the receiver. 0 where there is none.
    pub id: fn(&[u8]) -> u16,
    /// Whether it is the murmur of any network: its flows have no records, and its messages and their anomalies have some
    /// only where an output names it.
    pub is_background: bool,
}

/// Index of a protocol in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolId(pub u8);

/// The answer of a probe that looked at the first bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is this protocol.
    Yes,
    /// It looks like this protocol so far, unless another one is sure.
    Likely,
    /// The parser can read it, but so may others: it counts on the protocol's own ports, unless another one is sure.
    AtHome,
    /// It is this protocol, but these bytes travel in the other direction than the flow says (midstream only).
    Reversed,
    /// Theirs, and as the other direction begins; that says which way it is only where the begin of the flow was not seen.
    Either,
    /// It cannot be told from so few bytes.
    Unsure,
    /// It is not this protocol.
    No,
}

/// A byte pattern near the start of a stream that tells a protocol on any port.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// The carrier on which it counts.
    pub carrier: Carrier,
    /// The direction in which it is looked for.
    pub direction: Direction,
    /// The bytes; none where only the probe can tell.
    pub bytes: &'static [u8],
    /// Whether ASCII case is ignored.
    pub nocase: bool,
    /// First position, from the start of the stream.
    pub offset: usize,
    /// The pattern ends at this position or before it.
    pub depth: usize,
}

/// An anomaly that a protocol can raise.
#[derive(Clone, Copy, Debug)]
pub struct AnomalyKind {
    /// Its name in rules, `protocol.event`.
    pub name: &'static str,
    /// Its name in the `anomaly.event` field of a record.
    pub record_name: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
}

/// Opens a parser for a new flow.
pub type Opener = Box<dyn Fn(&Opening) -> Box<dyn Parser> + Send + Sync>;

/// What is known of a flow for which a parser is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What carries it.
    pub carrier: Carrier,
    /// What was said of it where it was announced by another flow ([`Output::expect`](super::Output::expect)) or by the protocol
    /// that this flow spoke before ([`Output::turn_into`](super::Output::turn_into)).
    pub context: Option<Context>,
    /// The protocol that this flow spoke before.
    pub before: Option<&'static str>,
}

impl Opening {
    /// A flow of which nothing but its carrier is known.
    pub fn by(carrier: Carrier) -> Self {
        Self { carrier, context: None, before: None }
    }
}

/// Where a protocol is parsed if nothing is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// Everywhere.
    Always,
    /// Where there is no configuration; one that was written for other sensors has to name it.
    WithoutConfiguration,
}

/// A setting of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key, below `app-layer.protocols.<name>` or below the protocol's entry in an output's `types`.
    pub key: &'static str,
    /// Who obeys it.
    pub of: SettingOf,
    /// What holds without it, as the manual says it.
    pub default: &'static str,
    /// What it is set to where there is no configuration at all.
    pub alone: Option<&'static str>,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// Who obeys a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingOf {
    /// The parser.
    Parser,
    /// The records.
    Records,
}

impl Setting {
    /// One of the parser.
    pub const fn of_parser(key: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { key, of: SettingOf::Parser, default, alone: None, doc }
    }

    /// One of records.
    pub const fn of_records(key: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { key, of: SettingOf::Records, default, alone: None, doc }
    }

    /// The same, with a value of its own where there is no configuration at all.
    pub const fn alone(self, value: &'static str) -> Self {
        Self { alone: Some(value), ..self }
    }
}

/// A protocol's card.
pub struct Protocol {
    /// Its name in rules, in `app_proto` and in the configuration.
    pub name: &'static str,
    /// Other names in rule headers (`http1`, `ssl`).
    pub aliases: &'static [&'static str],
    /// What it is, with the standard it follows, in a sentence.
    pub doc: &'static str,
    /// Whether it is parsed without a word about it.
    pub parsed: Usual,
    /// The carriers it has.
    pub carriers: &'static [Carrier],
    /// What is said of its frames, where a [`Carrier::Link`] is among its carriers.
    pub link: Option<Link>,
    /// Patterns that tell it on any port.
    pub patterns: &'static [Pattern],
    /// Whether its flows announce no others, and bring no parts of files of which others bring the rest. Flows to its ports are spread over workers by their ports; all others between
    /// two hosts belong to one worker, which therefore knows of all that.
    pub stands_alone: bool,
    /// Ports of servers on which `probe` is asked, for each carrier in `carriers`.
    pub ports: &'static [u16],
    /// Looks at the first bytes of a direction: asked after a pattern matched (to confirm it), and on the ports.
    pub probe: fn(Carrier, Direction, &[u8]) -> Probe,
    /// Names of the progress of a transaction to server, in order; the last means it is complete.
    pub states: Both<&'static [&'static str]>,
    /// What rules can look at.
    pub fields: &'static [Field],
    /// What can be wrong.
    pub anomalies: &'static [AnomalyKind],
    /// What rules may require of it (`requires:feature`), with the switch of its settings that takes it away.
    pub features: &'static [(&'static str, &'static str)],
    /// Anomalies that rules of earlier years name and that are not raised any more.
    pub retired_anomalies: &'static [&'static str],
    /// The EVE event type of its records and the name of its object; `None` for a protocol without records.
    pub event_type: Option<&'static str>,
    /// Whether its records show the transaction's id (`tx_id`) beside the object.
    pub shows_transaction_id: bool,
    /// The entry in an output's `types` that its records go by, where that is not the event type: those of a connection for data
    /// go with those of its control connection.
    pub listed_as: Option<&'static str>,
    /// The settings that its parser and its records obey, for the manual and the check of a configuration.
    pub settings: &'static [Setting],
    /// Whether EVE has no counters of it: they are below `tapwire.` then.
    pub is_own: bool,
    /// Reads the parser's settings.
    pub configure: fn(&Settings) -> Opener,
    /// Reads the settings of records.
    pub recorder: fn(&Settings) -> Recorder,
}

impl Protocol {
    /// The entry in an output's `types` that its records go by; `None` for a protocol without records.
    pub fn listed_as(&self) -> Option<&'static str> {
        self.listed_as.or(self.event_type)
    }

    /// What its counters begin with.
    pub fn counted_below(&self) -> &'static str {
        if self.is_own { "tapwire.app_layer" } else { "app_layer" }
    }

    /// Its name in counters.
    pub fn counted_as(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Its name in counters of what a carrier brought: with that of the carrier, where IP carries it in both ways.
    pub fn counted_on(&self, carrier: Carrier) -> String {
        match carrier {
            _ if !Carrier::OVER_IP.iter().all(|both| self.carriers.contains(both)) => self.counted_as(),
            Carrier::Tcp => format!("{}_tcp", self.counted_as()),
            Carrier::Udp => format!("{}_udp", self.counted_as()),
            Carrier::Link(_) | Carrier::Within(_) => self.counted_as(),
        }
    }
}
