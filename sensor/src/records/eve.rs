//! What an EVE output has: which records, and what they show.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tapwire_parsers::json::Style;
use tapwire_parsers::protocol::Settings;

use super::forwarded::Forwarded;

/// Whether records name the capture file that they are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureName {
    /// They do not.
    #[default]
    Hidden,
    /// They do.
    Shown,
    /// They do where a run reads several.
    OfSeveral,
}

/// How counters are shown.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Those that are 0 as well.
    pub zeros: bool,
}

/// An EVE output.
#[derive(Clone, Debug, Default)]
pub struct EveOutput {
    /// File name below the log folder.
    pub filename: String,
    /// Whether it is a file of zstd frames.
    pub zstd: bool,
    /// Whether an existing file is appended to, where that is said; live it is, in a replay it is not.
    pub append: Option<bool>,
    /// Its records go to a log in this folder, and not to a file.
    pub log: Option<PathBuf>,
    /// Whether records name the capture file.
    pub capture_name: CaptureName,
    /// Seed of community ids, where they are wanted.
    pub community_id_seed: Option<u16>,
    /// Whether records name the version that they are of.
    pub version: bool,
    /// Whether records show Ethernet addresses.
    pub ethernet: bool,
    /// How addresses are written.
    pub style: Style,
    /// Whether records show what rules remember of their flow.
    pub metadata: bool,
    /// Alerts, where they are wanted.
    pub alerts: Option<Alerts>,
    /// Anomalies, where they are wanted.
    pub anomalies: Option<Anomalies>,
    /// Flow records.
    pub flows: bool,
    /// The same, one record for each direction.
    pub netflows: bool,
    /// Frames of protocols.
    pub frames: bool,
    /// What rules took down of a packet (variables), a record for each packet of which they did.
    pub variables: bool,
    /// Counters, where they are wanted.
    pub stats: Option<Stats>,
    /// What the sensor could not see.
    pub health: bool,
    /// Files, where they are wanted.
    pub files: Option<Files>,
    /// Transactions by the protocol's name in `types`, with their settings.
    pub protocols: BTreeMap<String, Settings>,
}

impl EveOutput {
    /// Adds the types of another one that it lacks, as they are there; whether it lacked any.
    pub fn add_types_of(&mut self, other: &Self) -> bool {
        fn add<T: Clone>(into: &mut Option<T>, other: &Option<T>) -> bool {
            let lacks = into.is_none() && other.is_some();
            if lacks {
                into.clone_from(other);
            }
            lacks
        }
        let mut lacked = add(&mut self.alerts, &other.alerts) | add(&mut self.anomalies, &other.anomalies);
        lacked |= add(&mut self.stats, &other.stats) | add(&mut self.files, &other.files);
        for (into, other) in [
            (&mut self.flows, other.flows),
            (&mut self.netflows, other.netflows),
            (&mut self.frames, other.frames),
            (&mut self.variables, other.variables),
        ] {
            lacked |= other && !*into;
            *into |= other;
        }
        for (name, settings) in &other.protocols {
            if !self.protocols.contains_key(name) {
                lacked = true;
                self.protocols.insert(name.clone(), settings.clone());
            }
        }
        lacked
    }
}

/// What alerts show.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// How the client behind a proxy is shown.
    pub forwarded: Option<Forwarded>,
    /// Payload in base64.
    pub payload: bool,
    /// Payload as text.
    pub payload_printable: bool,
    /// Bytes of payload that are shown.
    pub payload_limit: usize,
    /// How many bytes the payload has.
    pub payload_length: bool,
    /// The packet.
    pub packet: bool,
    /// The transaction's object.
    pub app_layer: bool,
    /// The flow.
    pub flow: bool,
    /// The rule's metadata.
    pub rule_metadata: bool,
    /// The rule's references.
    pub rule_references: bool,
    /// Packets that rules' tags want are recorded.
    pub tagged_packets: bool,
    /// The rule's text.
    pub rule_text: bool,
    /// Whether alerts show what becomes of the packet.
    pub verdict: bool,
}

/// Which anomalies are written.
#[derive(Clone, Copy, Debug)]
pub struct Anomalies {
    /// Those of headers.
    pub decode: bool,
    /// Those of streams.
    pub stream: bool,
    /// Those of application protocols.
    pub application: bool,
    /// Of the first two those that name a way to hide from a sensor.
    pub evasion: bool,
    /// Those of the first two show their packet.
    pub packet: bool,
}

/// What file records show.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// MD5, SHA-1 and SHA-256 of every file.
    pub hashes: [bool; 3],
    /// What every file looks like.
    pub magic: bool,
    /// How the client behind a proxy is shown.
    pub forwarded: Option<Forwarded>,
}
