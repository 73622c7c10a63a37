//! What caused a record: the event that it tells of, between whom, and the traffic that brought it about.

use std::net::IpAddr;

use tapwire_parsers::link::Timestamp;

use super::header::Header;

/// What tells events of one kind apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// Nothing.
    None,
    /// The name of an anomaly.
    Anomaly(&'static str),
    /// A rule's group and number.
    Rule(u32, u32),
}

/// The traffic that brought a record about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charge {
    /// Bytes of it that no record before was charged with.
    pub bytes: u64,
    /// Both ends sent some.
    pub answered: bool,
}

/// A flow that a record is about: to server and to client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Volume {
    /// Its packets.
    pub packets: [u64; 2],
    /// Their bytes.
    pub bytes: [u64; 2],
    /// It had one packet, and left nothing but its record.
    pub alone: bool,
}

/// When a record was caused.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// The time of the packet that did it; where no packet did because the run ends, that at which the flow began.
    pub now: Timestamp,
    /// The run ends.
    pub last: bool,
    /// Bytes of all packets so far.
    pub traffic: u64,
}

/// What caused a record.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// The event type.
    pub kind: &'static str,
    /// Which of its kind.
    pub name: Name,
    /// The tenant, 0 for nobody.
    pub tenant: u32,
    /// The flow.
    pub flow: Option<u64>,
    /// The source.
    pub source: Option<IpAddr>,
    /// The destination.
    pub destination: Option<IpAddr>,
    /// The ports.
    pub ports: Option<(u16, u16)>,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// The time in the record.
    pub time: Timestamp,
    /// The traffic.
    pub charge: Charge,
    /// The whole flow, where the record is about one.
    pub volume: Volume,
    /// When it was caused.
    pub occasion: Occasion,
}

impl Cause {
    /// That of a record with a header.
    pub fn new(header: &Header<'_>, kind: &'static str, charge: Charge, occasion: Occasion) -> Self {
        Self {
            kind,
            name: Name::None,
            tenant: header.tenant,
            flow: header.flow_id,
            source: header.source,
            destination: header.destination,
            ports: header.ports,
            protocol: header.protocol,
            time: header.time,
            charge,
            volume: Volume::default(),
            occasion,
        }
    }

    /// The same with a name.
    pub fn named(self, name: Name) -> Self {
        Self { name, ..self }
    }

    /// The same about a flow.
    pub fn of_flow(self, volume: Volume) -> Self {
        Self { volume, ..self }
    }
}
