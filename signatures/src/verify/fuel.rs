//! Fuel: how much work matching may do, whatever the bytes are.
//!
//! Whoever writes the bytes can make any engine work: expressions, contents that are tried again, byte arithmetic, transforms, scripts. All of
//! them spend from one tank, in units of bytes times states, which is about a nanosecond each. What is spent depends on the rule and the bytes
//! alone, so that the same traffic has the same alerts on any machine and with any number of workers. A tank is filled
//! - for each look at a rule: half of what its flow and its packet have left, a little in any case; a rule that ran dry in a flow gets no more
//!   than that little for the rest of it;
//! - within it for each buffer, by its bytes;
//! - for each flow: a first filling, and some with each byte of its packets.
//!
//! A rule whose tank runs dry does not match there; it is named once a flow, and the others go on.

use std::collections::HashSet;
use std::num::NonZeroU16;

use crate::plan::RuleIndex;
use crate::regex::tank::Tank;

/// How much there is, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuelSettings {
    /// What a flow begins with.
    pub flow: u64,
    /// What each byte of its packets' payloads adds.
    pub byte: u64,
    /// The most that a flow can save up, at most 16,776,960.
    pub most: u64,
    /// What all rules together may spend on one packet.
    pub packet: u64,
    /// What a look at a rule gets in any case.
    pub least: u64,
}

impl Default for FuelSettings {
    fn default() -> Self {
        // Ordinary bytes take about 5 units each with the rules of Emerging Threats.
        Self { flow: 64_000, byte: 80, most: 16_000_000, packet: 4_000_000, least: 1_000 }
    }
}

impl FuelSettings {
    /// As good as none: for those who want to know what something costs.
    pub const ENDLESS: Self = Self { flow: u64::MAX, byte: 0, most: u64::MAX, packet: u64::MAX, least: u64::MAX };
}

/// Rules that are named for one flow.
const NAMED_LIMIT: usize = 8;

/// Units of what a flow keeps, which is less exact.
const KEPT_UNITS: u64 = 256;
/// Units that are as much as a step in the books of costs.
pub(super) const UNITS_A_STEP: u64 = 16;
/// A condition that is tried.
pub(super) const CONDITION: u64 = 16;
/// A script is called, beside the instructions that it takes.
pub(super) const SCRIPT: u64 = 8_000;

/// What the rules may still spend on a flow.
#[derive(Clone, Debug, Default)]
pub struct FlowFuel {
    /// What is left, in so many units that it fits; `None` before its first packet.
    pub left: Option<NonZeroU16>,
    /// Rules that ran dry in it; most flows have none.
    pub dry: Vec<RuleIndex>,
}

/// What a worker spends on the packet that it is at.
#[derive(Debug, Default)]
pub(super) struct Fuel {
    pub(super) settings: FuelSettings,
    /// What the flow and the packet have left.
    left: u64,
    packet: u64,
    /// Rules that ran dry in the flow.
    dry_rules: Vec<RuleIndex>,
    /// Rules that ran dry and were not named in their flow before.
    fresh: Vec<RuleIndex>,
    /// Rules that ran dry on any flow, and those of them that nobody was told of.
    known: HashSet<RuleIndex, foldhash::fast::RandomState>,
    untold: Vec<RuleIndex>,
    /// How often a rule ran dry.
    pub(super) dry: u64,
}

impl Fuel {
    /// Begins a packet of a flow.
    #[inline]
    pub(super) fn begin(&mut self, mut flow: FlowFuel, bytes: usize) {
        let FuelSettings { flow: first, byte, most, packet, .. } = self.settings;
        let left = flow.left.map_or(first, |left| u64::from(left.get()) * KEPT_UNITS);
        self.left = left.saturating_add(byte.saturating_mul(bytes as u64)).min(most);
        (self.dry_rules, self.packet) = (std::mem::take(&mut flow.dry), packet);
        self.fresh.clear();
    }

    /// Ends it: what the flow has left, and the rules that ran dry in it for the first time.
    #[inline]
    pub(super) fn end(&mut self) -> (FlowFuel, &[RuleIndex]) {
        let left = u16::try_from(self.left.div_ceil(KEPT_UNITS)).unwrap_or(u16::MAX);
        (FlowFuel { left: NonZeroU16::new(left.max(1)), dry: std::mem::take(&mut self.dry_rules) }, &self.fresh)
    }

    /// Fills the tank for a look at a rule.
    #[inline]
    pub(super) fn fill(&self, rule: RuleIndex, tank: &mut Tank) {
        let left = self.left.min(self.packet);
        let share = if self.dry_rules.contains(&rule) { 0 } else { left / 2 };
        *tank = Tank::of(share.max(self.settings.least));
    }

    /// Fills the tank for what is done for many rules at once.
    pub(super) fn fill_for_all(&self, tank: &mut Tank) {
        *tank = Tank::of(self.left.min(self.packet).max(self.settings.least));
    }

    /// Takes out what was done for many rules at once.
    #[inline]
    pub(super) fn settle_for_all(&mut self, tank: &Tank) {
        self.packet = self.packet.saturating_sub(tank.spent());
        self.left = self.left.saturating_sub(tank.spent());
    }

    /// Takes out what a look at a rule has spent.
    #[inline]
    pub(super) fn settle(&mut self, rule: RuleIndex, tank: &Tank) {
        self.settle_for_all(tank);
        if tank.is_dry() {
            self.run_dry(rule);
        }
    }

    #[cold]
    fn run_dry(&mut self, rule: RuleIndex) {
        self.dry += 1;
        if self.known.insert(rule) {
            self.untold.push(rule);
        }
        if self.dry_rules.len() < NAMED_LIMIT && !self.dry_rules.contains(&rule) {
            self.dry_rules.push(rule);
            self.fresh.push(rule);
        }
    }

    /// Rules that ran dry and that nobody was told of.
    pub(super) fn take_untold(&mut self) -> Vec<RuleIndex> {
        std::mem::take(&mut self.untold)
    }

    /// Goes on with the rules of another plan.
    pub(super) fn follow(&mut self) {
        self.known.clear();
        self.untold.clear();
    }
}
