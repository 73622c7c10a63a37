//! Which packets are recorded: all, those of flows with alerts, or those that tags of rules want, and of those only some protocols or
//! the first bytes of each flow.

use hashlink::LinkedHashMap;
use tapwire_parsers::protocol::ProtocolId;

use super::Verdicts;
use super::before::Before;
use super::packet::{Alerted, Belongs, Captured, Id, Sink, is_flow, of_alias};
use crate::records::noted::Noted;

/// Flows with alerts that are remembered; the one that was quiet for longest goes.
const CHOSEN_LIMIT: usize = 65_536;
/// Flows whose bytes are counted.
const COUNTED_LIMIT: usize = 262_144;

/// What speaks for a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing has to.
    #[default]
    All,
    /// Its flow has an alert.
    Alerts,
    /// The `tag` of a rule wants it.
    Tagged,
    /// Nothing does.
    None,
}

/// Which packets are recorded.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What speaks for a packet.
    pub mode: Mode,
    /// Only packets that pass this, in tcpdump's language.
    pub filter: Option<String>,
    /// Only flows of these protocols, if there are some.
    pub protocols: Vec<ProtocolId>,
    /// No flows of these, from when they are recognised on, unless they have an alert.
    pub except: Vec<ProtocolId>,
    /// Bytes of a flow that are recorded unless it has an alert; 0 for all.
    pub flow_bytes: u64,
    /// Nothing behind the depth of a stream.
    pub use_depth: bool,
    /// Nothing of a flow behind a pass rule that matched.
    pub honor_pass: bool,
    /// Of what came before an alert only packets with bytes.
    pub bytes_only: bool,
    /// Bytes of packets that wait for something to speak for them.
    pub before_bytes: usize,
    /// How long they wait.
    pub before_s: u32,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Dropped,
    Waits,
    Recorded,
}

/// A sink with what is selected for it.
pub struct Way {
    selection: Selection,
    sink: Box<dyn Sink>,
    before: Before,
    /// Flows that have alerts or packets that are wanted.
    chosen: LinkedHashMap<Id, (), foldhash::fast::RandomState>,
    /// Bytes of flows so far.
    counted: LinkedHashMap<Id, u64, foldhash::fast::RandomState>,
    /// Packets that nothing spoke for, or something against.
    passed_over: u64,
}

/// A packet of a batch with what is known of it.
pub struct Arrived<'a> {
    /// The packet.
    pub packet: Captured,
    /// Its bytes.
    pub data: &'a [u8],
    /// The flows that it is of.
    pub notes: &'a [Noted],
    /// All that it belongs to.
    pub owners: &'a [Belongs],
    /// It completed a datagram, whose pieces have this name.
    pub pieces: Option<u64>,
    /// An alert is on it.
    pub alerted: bool,
    /// A tag wants it, or an alert is on it whose rule has one.
    pub tagged: bool,
}

impl Way {
    /// The way to a sink.
    pub fn new(selection: Selection, sink: Box<dyn Sink>) -> Self {
        let before = Before::new(selection.before_bytes, u64::from(selection.before_s) * 1_000_000);
        let (chosen, counted) = (LinkedHashMap::default(), LinkedHashMap::default());
        Self { selection, sink, before, chosen, counted, passed_over: 0 }
    }

    /// An alert was decided.
    pub fn alert(&mut self, alert: &Alerted) {
        let wants = match self.selection.mode {
            Mode::Alerts | Mode::All => true,
            Mode::Tagged => alert.tags,
            Mode::None => false,
        };
        if wants {
            self.sink.alert(alert);
            if let Some(flow) = alert.flow {
                self.choose(flow);
            }
        }
    }

    /// A packet came.
    pub fn packet(&mut self, arrived: &Arrived<'_>) {
        let Arrived { packet, data, .. } = arrived;
        self.sink.seen(packet.time);
        if let Some(filter) = self.sink.filter()
            && !filter.passes(packet.link_type, data)
        {
            return;
        }
        let fate = self.fate(arrived);
        let of_flows = arrived.owners.iter().filter(|owner| is_flow(owner.id));
        let counts = self.selection.flow_bytes > 0 && fate == Fate::Recorded;
        for id in of_flows.clone().map(|owner| owner.id) {
            if self.chosen.contains_key(&id) {
                self.chosen.to_back(&id);
            } else if counts {
                self.count(id, data.len() as u64);
            }
        }
        match fate {
            Fate::Recorded => {
                self.release(arrived);
                self.sink.packet(packet, data, arrived.owners);
            }
            Fate::Waits => {
                self.before.keep(*packet, data, arrived.owners);
                let leads = arrived.pieces.iter().flat_map(|pieces| of_flows.clone().map(move |owner| (pieces, owner)));
                for (pieces, owner) in leads {
                    self.before.lead(*packet, owner.id, of_alias(*pieces));
                }
            }
            Fate::Dropped => self.passed_over += 1,
        }
    }

    /// Its sink.
    pub fn sink(&mut self) -> &mut dyn Sink {
        &mut *self.sink
    }

    /// What was counted, by name.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = self.sink.counts();
        counts.push(("tapwire.recording.passed_over", self.passed_over));
        counts.push(("tapwire.recording.before_evicted", self.before.evicted));
        counts.push(("tapwire.recording.before_bytes", self.before.held_bytes() as u64));
        counts
    }

    /// Before a packet is recorded come those that waited for that.
    fn release(&mut self, arrived: &Arrived<'_>) {
        let sink = &mut self.sink;
        for owner in arrived.owners {
            self.before.take(owner.id, &mut |packet, data, owners| sink.packet(packet, data, owners));
        }
        if let Some(pieces) = arrived.pieces {
            self.before.take(of_alias(pieces), &mut |packet, data, owners| sink.packet(packet, data, owners));
            arrived.owners.iter().for_each(|owner| sink.relate(owner.id, pieces));
        }
    }

    fn choose(&mut self, flow: Id) {
        if self.chosen.insert(flow, ()).is_none() && self.chosen.len() > CHOSEN_LIMIT {
            self.chosen.pop_front();
        }
        self.counted.remove(&flow);
        if self.selection.mode != Mode::Tagged && self.selection.protocols.is_empty() {
            let sink = &mut self.sink;
            self.before.take(flow, &mut |packet, data, owners| sink.packet(packet, data, owners));
        }
    }

    fn count(&mut self, flow: Id, bytes: u64) {
        let counted = self.counted.entry(flow).or_insert(0);
        *counted = counted.saturating_add(bytes);
        self.counted.to_back(&flow);
        if self.counted.len() > COUNTED_LIMIT {
            self.counted.pop_front();
        }
    }

    /// What becomes of a packet: the best of what its flows say.
    fn fate(&self, arrived: &Arrived<'_>) -> Fate {
        let of_flows = arrived.notes.iter().map(|note| self.fate_in(note, arrived)).max();
        of_flows.unwrap_or(match self.selection.mode {
            Mode::None => Fate::Dropped,
            _ if !self.selection.protocols.is_empty() => Fate::Dropped,
            Mode::All => Fate::Recorded,
            Mode::Alerts if arrived.alerted => Fate::Recorded,
            Mode::Tagged if arrived.tagged => Fate::Recorded,
            // It may be a piece of a datagram of a flow.
            _ if !arrived.owners.is_empty() => Fate::Waits,
            _ => Fate::Dropped,
        })
    }

    fn fate_in(&self, note: &Noted, arrived: &Arrived<'_>) -> Fate {
        let selection = &self.selection;
        if note.passed && selection.honor_pass || note.deep && selection.use_depth {
            return Fate::Dropped;
        }
        let is_chosen = self.chosen.contains_key(&note.flow);
        if !is_chosen && note.protocol.is_some_and(|protocol| selection.except.contains(&protocol)) {
            return Fate::Dropped;
        }
        let speaks = match selection.mode {
            Mode::None => return Fate::Dropped,
            Mode::All => true,
            Mode::Alerts => is_chosen,
            Mode::Tagged => arrived.tagged,
        };
        let is_known = match note.protocol {
            _ if selection.protocols.is_empty() => true,
            Some(protocol) if !selection.protocols.contains(&protocol) => return Fate::Dropped,
            known => known.is_some(),
        };
        let is_bare = selection.bytes_only && note.bare;
        match (speaks && is_known, is_chosen) {
            // An alert may want it yet.
            (true, false) if self.is_enough(note.flow) => Fate::Waits,
            (true, _) => Fate::Recorded,
            (false, _) if is_bare => Fate::Dropped,
            (false, _) => Fate::Waits,
        }
    }

    /// Whether enough of a flow is recorded.
    fn is_enough(&self, flow: Id) -> bool {
        let limit = self.selection.flow_bytes;
        limit > 0 && self.counted.get(&flow).is_some_and(|bytes| *bytes >= limit)
    }
}

/// Alerts on packets up to one, and whether one of them is on it: they are in the order of packets.
pub fn due<'v>(verdicts: &'v Verdicts, next: &mut usize, number: u64) -> &'v [Alerted] {
    let rest = verdicts.alerts.get(*next..).unwrap_or(&[]);
    let count = rest.partition_point(|alert| alert.number <= number);
    *next += count;
    rest.get(..count).unwrap_or(&[])
}
