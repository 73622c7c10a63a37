//! What flows share: bits of hosts, and sets that rules change.
//!
//! A worker cannot tell what flows of other workers did before, so it decides everything else of such a rule and hands over the
//! [`Step`]s that are left; they are decided where the matches of all flows stand in the order of their packets.

use std::sync::Arc;

use tapwire_parsers::link::Timestamp;

use super::changes::Changes;
use super::hostbits::{HostBits, Parties};
use crate::rule::dataset::{Dataset, Key, Kind, Operation};
use crate::rule::{BitOperation, BitTrack, Rule};

/// Bits of hosts that are kept at once.
const BIT_LIMIT: usize = 1 << 20;

/// A set's part in a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The section of the rule.
    pub section: u16,
    /// The instance of the section's buffer: one whose steps all hold is enough.
    pub instance: u16,
    /// The set, by its place among all.
    pub set: u16,
    /// What is done.
    pub operation: Operation,
    /// Names also count where they end with one that is there.
    pub subdomains: bool,
    /// The value.
    pub key: Key,
}

/// A value that a script adds to a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The set, by its place among all.
    pub set: u16,
    /// The value.
    pub key: Key,
}

/// Whether a rule has a condition on, or changes, bits of hosts.
pub fn uses_host_bits(rule: &Rule) -> bool {
    rule.hostbits.iter().any(|bits| bits.track != BitTrack::Transaction)
}

/// Whether a rule has a condition on bits of hosts; one that only changes them holds whatever they are.
pub fn asks_host_bits(rule: &Rule) -> bool {
    let asks = |operation| matches!(operation, BitOperation::IsSet | BitOperation::IsNotSet);
    rule.hostbits.iter().any(|bits| bits.track != BitTrack::Transaction && asks(bits.operation))
}

/// A set as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetState {
    /// Its name.
    pub name: String,
    /// Whose it is: the number of a tenant, 0 where it is nobody's.
    pub tenant: u32,
    /// What its values are, as rules say it.
    pub kind: &'static str,
    /// How many values it has.
    pub values: u64,
    /// Whether rules change it: others are as their file has them.
    pub is_changed_by_rules: bool,
}

/// The shared state.
pub struct Shared {
    bits: HostBits,
    sets: Vec<(Arc<Dataset>, Changes)>,
}

impl Shared {
    /// The state in which the sets are as their files have them.
    pub fn new(sets: &[Arc<Dataset>]) -> Self {
        let sets = sets.iter().map(|set| (Arc::clone(set), Changes::default())).collect();
        Self { bits: HostBits::new(BIT_LIMIT), sets }
    }

    /// Goes on with the sets of other rules. A set keeps what rules changed of it as long as its values are of the same kind.
    pub fn follow(&mut self, sets: &[Arc<Dataset>]) {
        let mut before = std::mem::take(&mut self.sets).into_iter();
        self.sets = sets
            .iter()
            .map(|set| {
                let same = |known: &Dataset| known.is(set.tenant, &set.name) && known.kind == set.kind;
                let known = before.next().filter(|(known, _)| same(known));
                (Arc::clone(set), known.map_or_else(Changes::default, |(_, changes)| changes))
            })
            .collect();
    }

    /// Adds what a script adds.
    pub fn add(&mut self, addition: &Addition) {
        if let Some((set, changes)) = self.sets.get_mut(usize::from(addition.set)) {
            changes.decide(set, Operation::Set, &addition.key, false);
        }
    }

    /// Whether what is left of a rule holds for a packet; changes what the rule changes.
    pub fn decide(&mut self, rule: &Rule, steps: &[Step], parties: Parties, now: Timestamp) -> bool {
        let bits = || rule.hostbits.iter().filter(|bits| bits.track != BitTrack::Transaction);
        if !bits().all(|keyword| self.bits.allows(keyword, parties, now)) {
            return false;
        }
        let mut sections = steps.chunk_by(|a, b| a.section == b.section);
        if !sections.all(|section| self.section_holds(section)) {
            return false;
        }
        bits().for_each(|keyword| self.bits.apply(keyword, parties, now));
        true
    }

    fn section_holds(&mut self, steps: &[Step]) -> bool {
        let mut instances = steps.chunk_by(|a, b| a.instance == b.instance);
        instances.any(|instance| {
            instance.iter().all(|step| {
                let place = self.sets.get_mut(usize::from(step.set));
                place.is_some_and(|(set, changes)| changes.decide(set, step.operation, &step.key, step.subdomains))
            })
        })
    }

    /// The sets that are kept in files, with whose they are, the name of the file and what it holds now.
    pub fn saved(&self) -> impl Iterator<Item = (u32, &str, Kind, String)> {
        self.sets.iter().filter_map(|(set, changes)| {
            let mut text = String::new();
            let name = set.save.as_deref()?;
            changes.write(set, &mut text);
            Some((set.tenant, name, set.kind, text))
        })
    }

    /// All sets as they stand.
    pub fn sets(&self) -> impl Iterator<Item = SetState> {
        self.sets.iter().map(|(set, changes)| SetState {
            name: set.name.clone(),
            tenant: set.tenant,
            kind: set.kind.name(),
            values: changes.count(set),
            is_changed_by_rules: set.is_changed_by_rules(),
        })
    }

    /// Changes a set as a rule would, or looks into it, for somebody who says so; whether that did, or found, anything. The value is written
    /// as lists in JSON have it.
    pub fn change(&mut self, (tenant, name): (u32, &str), operation: Operation, value: &str) -> Result<bool, String> {
        let found = self.sets.iter_mut().find(|(set, _)| set.is(tenant, name));
        let (set, changes) = found.ok_or_else(|| format!("no rule asks about a set `{name}`"))?;
        let kind = set.kind;
        let key = kind.from_text(value).ok_or_else(|| format!("`{value}` is no value of type {}", kind.name()))?;
        let changes_it = matches!(operation, Operation::Set | Operation::Unset);
        if changes_it && !set.is_changed_by_rules() {
            // Workers decide over it themselves, by what its file says.
            return Err(format!("no rule changes the set `{name}`: change its file, which is read again"));
        }
        Ok(changes.decide(set, operation, &key, false))
    }

    /// Memory of bits of hosts, of those of pairs, and of as many as may be, in bytes.
    pub fn bit_memory_bytes(&self) -> (u64, u64, u64) {
        self.bits.memory_bytes()
    }

    /// What is counted: bits that had to go before their time, values that were refused for lack of room.
    pub fn lost(&self) -> (u64, u64) {
        (self.bits.evicted(), self.sets.iter().map(|(_, changes)| changes.refused).sum())
    }
}
