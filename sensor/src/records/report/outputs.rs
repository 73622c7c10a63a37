//! What is written: the outputs of a configuration, with what each of them wants.

use std::net::IpAddr;
use std::sync::Arc;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{self, Recorder};
use tapwire_signatures::plan::Plan;

use crate::capture::origin::Origin;
use crate::inspect::Engine;
use crate::inspect::context::Sides;
use crate::inspect::tenants::Select;
use crate::records::eve::{CaptureName, EveOutput};
use crate::records::finding::Topic;

/// An EVE output with the recorders of its protocols.
pub(super) struct Output {
    pub(super) eve: EveOutput,
    pub(super) recorders: Vec<Option<Recorder>>,
}

/// What is written, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// EVE's outputs, in their order.
    pub eve: Vec<EveOutput>,
    /// Behind them there is one of lines for people.
    pub fast: bool,
    /// How records beside stored files look, where there are some.
    pub beside_files: Option<EveOutput>,
    /// Records may have members of our own; those of floods are summed up, and long ones cut.
    pub own: bool,
    /// Bytes of a record beyond which it is cut, 0 for any number.
    pub record_bytes: usize,
    /// An alert on bytes shows the only open transaction of its direction.
    pub guess_transaction: bool,
}

/// Everything that is written, shared by all workers.
#[derive(Clone)]
pub struct Outputs {
    pub(super) list: Arc<[Output]>,
    pub(super) references: Arc<[Recorder]>,
    pub(super) fast: bool,
    /// How records beside stored files look, where there are some.
    pub(super) beside_files: Option<Arc<Output>>,
    /// What followers behind the workers want.
    pub(super) topics: Arc<[Topic]>,
    /// Somebody records packets.
    pub(super) notes_packets: bool,
    /// Some output has the packets that rules' tags want.
    pub(super) tagged_packets: bool,
    /// What of them rules of the plan want: those of flows, and of hosts.
    pub(super) tags: Option<TagKinds>,
    /// Some output shows the Ethernet addresses of a record's packet.
    pub(super) ethernet: bool,
    /// Some output has records of what rules took down.
    pub(super) variables: bool,
    /// Records may have members of our own; those of floods are summed up, and long ones cut.
    pub(super) own: bool,
    /// Bytes of a record beyond which it is cut, 0 for any number.
    pub(super) record_bytes: usize,
    pub(super) origin: Origin,
    pub(super) guess_transaction: bool,
    pub(super) engine: Arc<Engine>,
}

/// The tags that rules have.
#[derive(Clone, Copy, Debug)]
pub(super) struct TagKinds {
    /// There are some of hosts: any packet may be wanted.
    pub(super) hosts: bool,
}

impl TagKinds {
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        plan.tags_hosts.map(|hosts| Self { hosts })
    }
}

impl Outputs {
    /// The outputs of a run, and what followers want beside them.
    pub fn new(settings: &Settings, engine: Arc<Engine>, origin: Origin, topics: Vec<Topic>) -> Self {
        let list = settings.eve.iter().map(|eve| {
            let recorder = |p: &&'static protocol::Protocol| {
                let name = p.listed_as()?;
                eve.protocols.get(name).map(|of_protocol| (p.recorder)(of_protocol))
            };
            Output { eve: eve.clone(), recorders: REGISTRY.iter().map(recorder).collect() }
        });
        let wants_packets = |eve: &EveOutput| eve.alerts.as_ref().is_some_and(|alerts| alerts.tagged_packets);
        let tagged_packets = settings.eve.iter().any(wants_packets) || topics.contains(&Topic::Tagged);
        let all = || settings.eve.iter().chain(&settings.beside_files);
        let references = REGISTRY.iter().map(|p| (p.recorder)(&protocol::Settings::default()));
        Self {
            list: list.collect(),
            references: references.collect(),
            fast: settings.fast,
            beside_files: settings.beside_files.clone().map(|eve| Arc::new(Output { eve, recorders: Vec::new() })),
            notes_packets: topics.contains(&Topic::Packets),
            topics: topics.into(),
            tagged_packets,
            ethernet: all().any(|eve| eve.ethernet),
            variables: all().any(|eve| eve.variables),
            tags: TagKinds::of(&engine.plan).filter(|_| tagged_packets),
            own: settings.own,
            record_bytes: settings.record_bytes,
            origin,
            guess_transaction: settings.guess_transaction,
            engine,
        }
    }

    /// The name of the capture, where an output shows it.
    pub(super) fn capture_name(&self, eve: &EveOutput) -> Option<&str> {
        let shown = match eve.capture_name {
            CaptureName::Shown => true,
            CaptureName::OfSeveral => self.origin.several,
            CaptureName::Hidden => false,
        };
        self.origin.capture.as_ref().filter(|_| shown).map(|file| file.name.as_str())
    }

    /// What is known of the networks of both ends; `turned` if the source is the one who was asked.
    pub(super) fn sides(&self, source: Option<IpAddr>, destination: Option<IpAddr>, turned: bool) -> Sides<'_> {
        if self.own { self.engine.context.sides(source, destination, turned) } else { Sides::default() }
    }

    /// The name of an interface that is watched.
    pub(super) fn interface(&self, index: u16) -> Option<&str> {
        self.origin.interfaces.get(usize::from(index)).map(String::as_str)
    }

    /// How the tenants of packets from there are found.
    pub(super) fn select(&self) -> Select {
        Select::of(&self.engine, &self.origin)
    }
}
