//! Packets out of a recording: of flows, of community ids, of the alerts of rules, of a time, or those that pass a filter.
//!
//! What is looked for by another name is resolved first: rules and community ids to flows and packets, flows to what pieces of their datagrams
//! are found by. Then only blocks are read that have something of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use tapwire_parsers::link::Timestamp;

use super::filter::Filter;
use super::packet::{Id, is_flow, of_alias};
use super::segment::block::{self, Found};
use super::segment::index::Block;
use super::segment::names::segments;
use super::segment::read::Segment;

/// Packets that are of no flow that is known belong to one that has their name if it was there so long before or after.
const NEAR_US: u64 = 60_000_000;
/// Flows and packets that are looked for at once.
const WANTED_LIMIT: usize = 1 << 20;

/// What is looked for.
#[derive(Default)]
pub struct Query {
    /// Packets of flows.
    pub flows: Vec<Id>,
    /// Packets with these names ([`super::recorder::alias_of_community`]).
    pub aliases: Vec<u64>,
    /// Packets of flows with alerts of rules, by group, if that is said, and id.
    pub rules: Vec<(Option<u32>, u32)>,
    /// Packets by number and time.
    pub packets: Vec<(u64, Timestamp)>,
    /// No packets before.
    pub from: Option<Timestamp>,
    /// No packets behind.
    pub to: Option<Timestamp>,
    /// Only packets that pass.
    pub filter: Option<Filter>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that there are.
    pub segments: u64,
    /// Those without an index that can be trusted: their heads were read.
    pub unindexed: u64,
    /// Places at which a segment was damaged, and blocks that could not be read.
    pub damaged: u64,
    /// Blocks that were read.
    pub blocks: u64,
    /// Bytes of those, unpacked.
    pub bytes: u64,
    /// Packets that were found.
    pub packets: u64,
}

/// What a query came to.
#[derive(Default)]
struct Wanted {
    flows: BTreeSet<Id>,
    /// Names of flows that are wanted: packets that are of no flow that is known may be theirs.
    near: BTreeSet<Id>,
    /// Names that are wanted themselves.
    aliases: BTreeSet<Id>,
    packets: BTreeSet<(u64, Timestamp)>,
    everything: bool,
}

/// Looks for packets in the segments of a folder and calls for each, segment after segment.
pub fn fetch(folder: &Path, query: &mut Query, each: &mut dyn FnMut(&Found<'_>)) -> io::Result<Report> {
    let mut fetch = Fetch { all: Vec::new(), report: Report::default() };
    for (_, path) in segments(folder)? {
        fetch.report.segments += 1;
        match Segment::open(&path) {
            Ok(segment) => fetch.take(segment, query),
            // The sensor may have removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let wanted = fetch.resolve(query)?;
    fetch.read(query, &wanted, each)?;
    Ok(fetch.report)
}

struct Fetch {
    /// Segments that may have something, and whether their index can be trusted.
    all: Vec<(Segment, bool)>,
    report: Report,
}

impl Fetch {
    fn take(&mut self, segment: Segment, query: &Query) {
        let times = segment.index().map(|index| (index.first, index.last));
        self.report.unindexed += u64::from(times.is_err());
        let is_in_time = times.as_ref().map_or(true, |(first, last)| overlaps(query, *first, *last));
        let is_indexed = times.is_ok();
        // Alerts and names of a flow may stand where none of its packets are wanted.
        if is_in_time || !(query.rules.is_empty() && query.flows.is_empty()) {
            self.all.push((segment, is_indexed));
        }
    }

    /// What a query is about, by ids.
    fn resolve(&mut self, query: &Query) -> io::Result<Wanted> {
        let mut wanted = Wanted { flows: query.flows.iter().copied().collect(), ..Wanted::default() };
        wanted.packets.extend(query.packets.iter().copied());
        wanted.aliases.extend(query.aliases.iter().map(|alias| of_alias(*alias)));
        wanted.everything =
            query.flows.is_empty() && query.aliases.is_empty() && query.rules.is_empty() && query.packets.is_empty();
        if !query.rules.is_empty() || !query.aliases.is_empty() {
            self.each(&mut |segment| match segment {
                One::Indexed(segment) => {
                    let index = segment.index()?;
                    for (gid, sid) in &query.rules {
                        index.alerts_of(*sid, &mut |of, flow, number, time| {
                            if gid.is_none_or(|gid| of == u64::from(gid)) && is_in(query, time) {
                                wanted.add_alert(flow, number, time);
                            }
                        })?;
                    }
                    query.aliases.iter().try_for_each(|alias| index.flows_of(*alias, &mut |flow| wanted.add_flow(flow)))
                }
                One::Head(_, head) => {
                    for alert in &head.alerts {
                        let is_rule =
                            |(gid, sid): &(Option<u32>, u32)| *sid == alert.sid && gid.is_none_or(|g| g == alert.gid);
                        if query.rules.iter().any(is_rule) && is_in(query, alert.time) {
                            wanted.add_alert(alert.flow.unwrap_or(0), alert.number, alert.time);
                        }
                    }
                    let named = head.owners.iter().filter(|owner| query.aliases.contains(&owner.alias));
                    named.for_each(|owner| wanted.add_flow(owner.id));
                    Ok(())
                }
            })?;
        }
        let mut near = BTreeSet::new();
        if !wanted.flows.is_empty() {
            self.each(&mut |segment| match segment {
                One::Indexed(segment) => {
                    let index = segment.index()?;
                    wanted.flows.iter().try_for_each(|flow| {
                        index.names_of(*flow, &mut |alias| {
                            near.insert(of_alias(alias));
                        })
                    })
                }
                One::Head(_, head) => {
                    let own = head.owners.iter().filter(|owner| owner.alias != 0 && wanted.flows.contains(&owner.id));
                    near.extend(own.map(|owner| of_alias(owner.alias)));
                    Ok(())
                }
            })?;
        }
        wanted.near = near;
        Ok(wanted)
    }

    /// Reads the blocks that have something.
    fn read(&mut self, query: &mut Query, wanted: &Wanted, each: &mut dyn FnMut(&Found<'_>)) -> io::Result<()> {
        let (mut first, mut last) = (Timestamp(u64::MAX), Timestamp(0));
        let mut blocks: Vec<BTreeMap<u64, Block>> = Vec::new();
        for number in 0..self.all.len() {
            let mut own = BTreeMap::new();
            self.one(number, &mut |segment| {
                wanted.blocks(&segment, &wanted.flows, &mut |block| {
                    (first, last) = (first.min(block.first), last.max(block.last));
                    own.insert(block.offset, block);
                })
            })?;
            let mut others = BTreeMap::new();
            self.one(number, &mut |segment| {
                let mut add = |block: Block| {
                    others.insert(block.offset, block);
                };
                wanted.blocks(&segment, &wanted.aliases, &mut add)?;
                wanted.blocks_of_packets(&segment, &mut add)
            })?;
            own.append(&mut others);
            blocks.push(own);
        }
        let near =
            |time: Timestamp| time.0.saturating_add(NEAR_US) >= first.0 && time.0 <= last.0.saturating_add(NEAR_US);
        for (number, own) in blocks.iter_mut().enumerate() {
            self.one(number, &mut |segment| {
                wanted.blocks(&segment, &wanted.near, &mut |block| {
                    if near(block.last) || near(block.first) {
                        own.insert(block.offset, block);
                    }
                })
            })?;
        }
        let mut filter = query.filter.take();
        for ((segment, _), blocks) in self.all.iter().zip(blocks) {
            for block in blocks.into_values().filter(|block| overlaps(query, block.first, block.last)) {
                let Ok(plain) = segment.block(&block) else {
                    self.report.damaged += 1;
                    continue;
                };
                (self.report.blocks, self.report.bytes) =
                    (self.report.blocks + 1, self.report.bytes + plain.len() as u64);
                let packets = &mut self.report.packets;
                block::packets(&plain, &mut |found| {
                    let is_wanted = is_in(query, found.packet.time) && wanted.wants(&found, &near);
                    let passes = |filter: &mut Filter| filter.passes(found.packet.link_type, found.data);
                    if is_wanted && filter.as_mut().is_none_or(passes) {
                        *packets += 1;
                        each(&found);
                    }
                });
            }
        }
        query.filter = filter;
        Ok(())
    }

    fn each(&mut self, what: &mut dyn FnMut(One<'_>) -> io::Result<()>) -> io::Result<()> {
        (0..self.all.len()).try_for_each(|number| self.one(number, what))
    }

    /// Looks at a segment by its index or, where there is none that can be trusted, by each head.
    fn one(&mut self, number: usize, what: &mut dyn FnMut(One<'_>) -> io::Result<()>) -> io::Result<()> {
        let Some((segment, indexed)) = self.all.get_mut(number) else { return Ok(()) };
        if *indexed {
            match what(One::Indexed(segment)) {
                Err(error) if is_damage(&error) => {
                    *indexed = false;
                    self.report.unindexed += 1;
                }
                done => return done,
            }
        }
        let mut failed = Ok(());
        let walked = segment.walk(&mut |offset, head| {
            if failed.is_ok() {
                failed = what(One::Head(offset, head));
            }
        })?;
        self.report.damaged = self.report.damaged.max(walked.broken.into());
        failed
    }
}

/// A segment by its index, or one of its heads with where its block is.
enum One<'s> {
    Indexed(&'s Segment),
    Head(u64, &'s super::segment::head::Head),
}

impl Wanted {
    fn add_flow(&mut self, flow: Id) {
        if self.flows.len() < WANTED_LIMIT && is_flow(flow) {
            self.flows.insert(flow);
        }
    }

    fn add_alert(&mut self, flow: Id, number: u64, time: Timestamp) {
        if flow != 0 {
            self.add_flow(flow);
        } else if self.packets.len() < WANTED_LIMIT {
            self.packets.insert((number, time));
        }
    }

    /// Blocks with packets of ids; all where everything is wanted.
    fn blocks(&self, segment: &One<'_>, ids: &BTreeSet<Id>, each: &mut dyn FnMut(Block)) -> io::Result<()> {
        match segment {
            One::Indexed(segment) if self.everything => segment.index()?.blocks(each),
            One::Indexed(segment) => {
                let index = segment.index()?;
                ids.iter().try_for_each(|id| index.blocks_of(*id, each))
            }
            One::Head(offset, head) => {
                if self.everything || head.owners.iter().any(|owner| ids.contains(&owner.id)) {
                    each(Block::of(*offset, head));
                }
                Ok(())
            }
        }
    }

    /// Blocks from the times of packets that are wanted.
    fn blocks_of_packets(&self, segment: &One<'_>, each: &mut dyn FnMut(Block)) -> io::Result<()> {
        let is_wanted = |block: &Block| self.packets.iter().any(|(_, time)| (block.first..=block.last).contains(time));
        match segment {
            _ if self.packets.is_empty() => Ok(()),
            One::Indexed(segment) => segment.index()?.blocks(&mut |block| {
                if is_wanted(&block) {
                    each(block);
                }
            }),
            One::Head(offset, head) => {
                let block = Block::of(*offset, head);
                if is_wanted(&block) {
                    each(block);
                }
                Ok(())
            }
        }
    }

    fn wants(&self, found: &Found<'_>, near: &dyn Fn(Timestamp) -> bool) -> bool {
        self.everything
            || found.owners.iter().any(|owner| {
                self.flows.contains(&owner.id)
                    || self.aliases.contains(&owner.id)
                    || near(found.packet.time) && self.near.contains(&owner.id)
            })
            || self.packets.contains(&(found.packet.number, found.packet.time))
    }
}

fn overlaps(query: &Query, first: Timestamp, last: Timestamp) -> bool {
    query.from.is_none_or(|from| last >= from) && query.to.is_none_or(|to| first <= to)
}

fn is_in(query: &Query, time: Timestamp) -> bool {
    overlaps(query, time, time)
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
