//! What a rule says, typed: the ground floor. The rule language and its keywords fill it; plan, verification and scripts read it.
//!
//! Tests, conditions and transforms hold what they look for and say whether it is there; when they are asked, and of what, is not
//! known here.

pub mod arithmetic;
pub mod condition;
pub mod dataset;
pub mod digest;
mod effects;
pub mod entry;
pub mod fault;
mod field;
pub mod files;
mod flow;
mod header;
pub mod item;
pub mod labels;
mod memory;
pub mod number;
pub mod numbers;
pub mod outside;
pub mod protocols;
pub mod script;
mod section;
mod threshold;
pub mod transform;
pub mod variables;

use std::sync::Arc;

pub use effects::{FileScope, Filestore, Silence, Tag, TagUnit, Target};
pub use field::FieldName;
pub use flow::{AppProtocolTest, FlowCondition, ProtocolSide};
pub use header::{Action, Addresses, Arrow, Endpoint, PacketHook, Ports, RuleProtocol};
pub use memory::{
    BitOperation, BitTrack, Flowbits, Flowint, HostBits, IntComparison, IntOperation, IntValue, VariableScope,
    VariableTest,
};
pub use section::{Buffer, Section};
pub use threshold::{Threshold, ThresholdKind, Track, UniquePort};

use condition::{FileCondition, PacketCondition, TransactionCondition};
use dataset::Dataset;
use digest::Digest;
use entry::Entry;
use labels::Labels;
use outside::Outside;
use script::ScriptTest;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// What is done when it matches.
    pub action: Action,
    /// Protocol word.
    pub protocol: RuleProtocol,
    /// Explicit hook (`http1:request_headers`), as written after the colon.
    pub hook: Option<String>,
    /// Explicit hook on packets (`tcp:flow_start`).
    pub packet_hook: Option<PacketHook>,
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
