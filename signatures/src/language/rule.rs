//! What a rule says, typed. The parser fills it, the plan and the verifier read it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tapwire_parsers::protocol::{Both, Carrier, Direction};
use tapwire_parsers::{protocol, protocol_id};

use super::digest::Digest;
use super::entry::Entry;
use super::item::Item;
use super::labels::Labels;
use super::outside::Outside;
use crate::lua::ScriptTest;
use crate::state::dataset::Dataset;
use crate::verify::condition::{FileCondition, PacketCondition, TransactionCondition};
use crate::verify::transform::Transform;

/// What is done when a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Raise an alert.
    Alert,
    /// Stop inspecting what matched.
    Pass,
    /// On a passive sensor: raise an alert.
    Drop,
    /// On a passive sensor: raise an alert whose action says blocked.
    Reject,
    /// `config`: change the settings of a flow or transaction.
    Config,
}

impl Action {
    /// The word for it in a rule.
    pub fn name(self) -> &'static str {
        match self {
            Action::Alert => "alert",
            Action::Pass => "pass",
            Action::Drop => "drop",
            Action::Reject => "reject",
            Action::Config => "config",
        }
    }
}

/// The protocol word of a rule's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleProtocol {
    /// `ip`: anything with an IP header.
    Ip,
    /// `ipv4` / `ip4`.
    Ipv4,
    /// `ipv6` / `ip6`.
    Ipv6,
    /// `tcp`.
    Tcp,
    /// `tcp-pkt`: packets only.
    TcpPacket,
    /// `tcp-stream`: reassembled bytes only.
    TcpStream,
    /// `udp`.
    Udp,
    /// `icmp`: both versions.
    Icmp,
    /// `icmpv4`.
    Icmpv4,
    /// `icmpv6`.
    Icmpv6,
    /// `igmp`.
    Igmp,
    /// `sctp`.
    Sctp,
    /// `pkthdr`: packets whose headers could not be read as well.
    PacketHeader,
    /// `ether`.
    Ether,
    /// An application protocol, by its canonical name (`http`, `dns`).
    Application(&'static str),
}

impl RuleProtocol {
    /// Whether it is an application protocol that frames carry without IP: each of them says so, with a flow or without one.
    pub fn is_on_frames(self) -> bool {
        let RuleProtocol::Application(name) = self else { return false };
        let carriers = protocol_id(name).map_or(&[][..], |id| protocol(id).carriers);
        carriers.iter().any(|carrier| matches!(carrier, Carrier::Link(_)))
    }

    /// The word for it in a rule.
    pub fn name(self) -> &'static str {
        match self {
            RuleProtocol::Ip => "ip",
            RuleProtocol::Ipv4 => "ipv4",
            RuleProtocol::Ipv6 => "ipv6",
            RuleProtocol::Tcp => "tcp",
            RuleProtocol::TcpPacket => "tcp-pkt",
            RuleProtocol::TcpStream => "tcp-stream",
            RuleProtocol::Udp => "udp",
            RuleProtocol::Icmp => "icmp",
            RuleProtocol::Icmpv4 => "icmpv4",
            RuleProtocol::Icmpv6 => "icmpv6",
            RuleProtocol::Igmp => "igmp",
            RuleProtocol::Sctp => "sctp",
            RuleProtocol::PacketHeader => "pkthdr",
            RuleProtocol::Ether => "ether",
            RuleProtocol::Application(name) => name,
        }
    }
}

/// The arrow of a rule's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    /// `->`
    ToDestination,
    /// `<>`
    BothWays,
    /// `=>`: request and response of one transaction.
    Transactional,
}

/// A set of addresses: sorted, disjoint, inclusive ranges. `any` is the whole of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Addresses {
    /// IPv4 ranges.
    pub v4: Vec<(u32, u32)>,
    /// IPv6 ranges.
    pub v6: Vec<(u128, u128)>,
}

impl Addresses {
    /// Every address.
    pub fn any() -> Self {
        Self { v4: vec![(0, u32::MAX)], v6: vec![(0, u128::MAX)] }
    }

    /// Whether it is every address.
    pub fn is_any(&self) -> bool {
        *self == Self::any()
    }

    /// Whether an address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn within<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
            let after = ranges.partition_point(|r| r.0 <= value);
            after.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|r| value <= r.1)
        }
        match address {
            IpAddr::V4(a) => within(&self.v4, u32::from(a)),
            IpAddr::V6(a) => within(&self.v6, u128::from(a)),
        }
    }
}

/// A set of ports: sorted, disjoint, inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ports(pub Vec<(u16, u16)>);

impl Ports {
    /// Every port.
    pub fn any() -> Self {
        Self(vec![(0, u16::MAX)])
    }

    /// Whether it is every port.
    pub fn is_any(&self) -> bool {
        *self == Self::any()
    }

    /// Whether a port is in the set.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|r| r.0 <= port && port <= r.1)
    }
}

/// One side of a rule's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Addresses. Rules that share a set share it in the plan.
    pub addresses: Arc<Addresses>,
    /// Ports.
    pub ports: Arc<Ports>,
    /// The address part was written with a negation or a range (decides whether the rule is IP-only).
    pub negated: bool,
}

/// What `flow:` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCondition {
    /// `to_server`/`from_client` or `to_client`/`from_server`.
    pub direction: Option<Direction>,
    /// `established` (true) or `not_established` (false).
    pub established: Option<bool>,
    /// `stateless` was given.
    pub stateless: bool,
    /// `only_stream`.
    pub only_stream: bool,
    /// `no_stream`.
    pub no_stream: bool,
    /// `only_frag` (true) or `no_frag` (false).
    pub fragments: Option<bool>,
    /// The keyword was present at all.
    pub present: bool,
}

/// Where a section looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// Packet payload or stream chunk.
    Payload,
    /// A field of a transaction, by its canonical name (`http.uri`, `file.data`).
    Field(&'static str),
    /// Bytes of a packet's headers, by keyword (`ipv4.hdr`, `tcp.hdr`, …).
    Header(&'static str),
    /// Something about a file that a string is looked for in (`file.name`, `file.magic`).
    File(&'static str),
    /// A frame of a protocol, by its field's name (`frame:dns.pdu`).
    Frame(&'static str),
    /// A buffer of a protocol that is not parsed yet.
    Later(&'static str),
}

impl Buffer {
    /// The keyword that names it.
    pub fn name(self) -> &'static str {
        match self {
            Buffer::Payload => "payload",
            Buffer::Field(name)
            | Buffer::Header(name)
            | Buffer::File(name)
            | Buffer::Frame(name)
            | Buffer::Later(name) => name,
        }
    }
}

/// A part of a rule that looks at one buffer: its items run left to right on each instance of the buffer.
#[derive(Debug)]
pub struct Section {
    /// Where it looks.
    pub buffer: Buffer,
    /// The direction asked for, where the buffer exists in both (`http.header: to_client` or implied); `None` for either.
    pub direction: Option<Direction>,
    /// What is done to the bytes first.
    pub transforms: Vec<Transform>,
    /// What must hold.
    pub items: Vec<Item>,
}

/// What `flowbits` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOperation {
    /// Set.
    Set,
    /// Unset.
    Unset,
    /// Toggle.
    Toggle,
    /// Holds when any of the bits is set.
    IsSet,
    /// Holds when one of the bits is not set.
    IsNotSet,
}

/// One `flowbits` keyword. Names are interned in [`RuleSet::flowbits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowbits {
    /// What it does.
    pub operation: BitOperation,
    /// The bits; several for `isset:a|b`.
    pub bits: Vec<u16>,
}

/// One `flowint` keyword. Names are interned in [`RuleSet::flowints`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowint {
    /// The variable.
    pub name: u16,
    /// What it does.
    pub operation: IntOperation,
}

/// What `flowint` does or tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOperation {
    /// `+`
    Add(IntValue),
    /// `-`
    Subtract(IntValue),
    /// `=`
    Set(IntValue),
    /// A comparison.
    Test(IntComparison, IntValue),
    /// `isset`
    IsSet,
    /// `notset` / `isnotset`
    IsNotSet,
}

/// A comparison of `flowint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntComparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

/// The right side of `flowint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntValue {
    /// A number.
    Value(u32),
    /// Another variable.
    Variable(u16),
}

/// One `xbits` or `hostbits` keyword. Names are interned in [`RuleSet::hostbits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostBits {
    /// What it does.
    pub operation: BitOperation,
    /// The bit.
    pub bit: u16,
    /// Whose bit it is.
    pub track: BitTrack,
    /// How long it lives, in seconds of packet time.
    pub expire_s: u32,
}

/// Whose bit `xbits` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitTrack {
    /// The packet's source.
    Source,
    /// The packet's destination.
    Destination,
    /// Both together.
    Pair,
    /// The transaction.
    Transaction,
}

/// `threshold` or `detection_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threshold {
    /// How matches become alerts.
    pub kind: ThresholdKind,
    /// What is counted by.
    pub track: Track,
    /// Number of matches.
    pub count: u32,
    /// Window, in seconds.
    pub seconds: u32,
    /// Factor of `backoff`.
    pub multiplier: u32,
    /// Count different ports only, rather than matches (`detection_filter`'s `unique_on`).
    pub unique_on: Option<UniquePort>,
}

/// The port whose different values `detection_filter` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UniquePort {
    /// `src_port`
    Source,
    /// `dst_port`
    Destination,
}

/// How matches become alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThresholdKind {
    /// The first `count` in each window.
    Limit,
    /// Every `count`th in the window.
    Threshold,
    /// Once in each window, at the `count`th.
    Both,
    /// Matches after the first `count` (`detection_filter`).
    Filter,
    /// At `count`, then at growing multiples of it (flow).
    Backoff,
}

/// What a threshold counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// Source address.
    Source,
    /// Destination address.
    Destination,
    /// Both addresses.
    Pair,
    /// The rule alone.
    Rule,
    /// The flow.
    Flow,
}

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

/// The application protocol condition of `app-layer-protocol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProtocolTest {
    /// Canonical names, `failed` or `unknown`: any of them will do.
    pub names: Vec<String>,
    /// `!`
    pub negated: bool,
    /// Which protocol of a flow is meant.
    pub side: ProtocolSide,
}

/// Which protocol of a flow `app-layer-protocol` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolSide {
    /// That of the packet's direction.
    Own,
    /// That of a direction.
    Of(Direction),
    /// That of one of the directions.
    Either,
    /// That of the flow now.
    Final,
    /// That of the flow before it changed.
    Original,
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

/// `flowvar` or `pktvar`: a content that a variable must have in it, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableTest {
    /// Whose variable it is.
    pub scope: VariableScope,
    /// Its name.
    pub name: Arc<str>,
    /// The content.
    pub bytes: Vec<u8>,
    /// Whether the variable must not have it.
    pub negated: bool,
}

/// Whose variable is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableScope {
    /// The flow's.
    Flow,
    /// The packet's.
    Packet,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// What is done when it matches.
    pub action: Action,
    /// Protocol word.
    pub protocol: RuleProtocol,
    /// Explicit hook (`http1:request_headers`), as written after the colon.
    pub hook: Option<String>,
    /// Left side.
    pub source: Endpoint,
    /// Arrow.
    pub arrow: Arrow,
    /// Right side.
    pub destination: Endpoint,
    /// `gid`, 1 by default.
    pub gid: u32,
    /// `sid`
    pub sid: u32,
    /// `rev`
    pub rev: u32,
    /// `msg`
    pub message: String,
    /// `classtype` as written, "" without one.
    pub class: Arc<str>,
    /// `classtype`'s text from the classification file, "" without one.
    pub category: Arc<str>,
    /// 1 is the most severe; from `priority` or the class; 3 by default.
    pub severity: u8,
    /// `reference`, as address where the reference file knows the kind.
    pub references: Vec<Box<str>>,
    /// `metadata` in order, key and value.
    pub metadata: Box<[(Arc<str>, Arc<str>)]>,
    /// `target`
    pub target: Option<Target>,
    /// `flow`
    pub flow: FlowCondition,
    /// Parts that look at buffers, in the order of the text.
    pub sections: Vec<Section>,
    /// Scripts that look at no buffer: they are asked when all else holds.
    pub scripts: Vec<ScriptTest>,
    /// Conditions on a packet.
    pub packet: Vec<Box<dyn PacketCondition>>,
    /// Conditions on a transaction beside its buffers.
    pub transaction: Vec<Box<dyn TransactionCondition>>,
    /// Conditions on a file.
    pub file: Vec<Box<dyn FileCondition>>,
    /// `app-layer-event`: names such as `http.request_header_invalid` or `applayer_detect_protocol_only_one_direction`.
    pub events: Vec<String>,
    /// `app-layer-protocol`
    pub app_protocol: Vec<AppProtocolTest>,
    /// `flowbits`, in order.
    pub flowbits: Vec<Flowbits>,
    /// `flowint`, in order.
    pub flowints: Vec<Flowint>,
    /// `xbits` and `hostbits`, in order.
    pub hostbits: Vec<HostBits>,
    /// `threshold`
    pub threshold: Option<Threshold>,
    /// `detection_filter`
    pub detection_filter: Option<Threshold>,
    /// `tag`
    pub tags: Vec<Tag>,
    /// `flowvar` and `pktvar`
    pub variable_tests: Vec<VariableTest>,
    /// `bypass`: nothing more of the flow is inspected after a match.
    pub bypass: bool,
    /// `config`: what has no record after a match.
    pub silence: Option<Silence>,
    /// `alert`: a pass rule raises an alert all the same.
    pub alert: bool,
    /// `noalert` or `flowbits:noalert`.
    pub noalert: bool,
    /// `filestore`: files that are kept after a match.
    pub filestore: Option<Filestore>,
    /// `tls.store`: the certificates of the flow are kept after a match.
    pub keeps_certificates: bool,
    /// The rule asks for a prefilter on its own keyword (`prefilter`).
    pub prefilter: bool,
    /// Keywords it uses whose protocol or state is not active yet: it cannot match.
    pub later: Vec<&'static str>,
    /// Number of variables its items extract.
    pub variables: u8,
    /// Index into the files of the load that read it, and line.
    pub place: (u32, u32),
    /// That of its text.
    pub digest: Digest,
    /// What it was read with beside its text.
    pub outside: Vec<Outside>,
    /// Its text, where asked for.
    pub text: Option<String>,
    /// What of its text made each of its conditions, where asked for.
    pub labels: Option<Box<Labels>>,
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

impl Rule {
    /// Whether its header names an application protocol.
    pub fn names_application(&self) -> bool {
        matches!(self.protocol, RuleProtocol::Application(_))
    }
}

/// Every rule of a load, with the names that they share.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// The rules, in order of the text; each `(gid, sid)` of a tenant once. A load that follows another one shares what did not change.
    pub rules: Vec<Arc<Entry>>,
    /// Names of flowbits by index.
    pub flowbits: Vec<String>,
    /// Names of flowints by index.
    pub flowints: Vec<String>,
    /// Names of xbits and hostbits by index.
    pub hostbits: Vec<String>,
    /// Sets of values by index.
    pub datasets: Vec<Arc<Dataset>>,
}
