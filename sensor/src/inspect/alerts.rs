//! Matches of one packet to alerts: their order, what a pass rule silences, and how many a packet may raise.

use std::cmp::Reverse;

use tapwire_signatures::plan::{Kind, Plan};
use tapwire_signatures::rule::{Action, Rule};
use tapwire_signatures::state::shared::{asks_host_bits, uses_host_bits};
use tapwire_signatures::verify::explain::{Fate, Watch};
use tapwire_signatures::verify::{Ground, Match};

/// What became of the matches of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// A pass rule matched on something that concerns the whole flow.
    pub pass_flow: bool,
    /// A pass rule matched.
    pub passed: bool,
    /// Alerts that are left.
    pub alerts: usize,
    /// Alerts over the limit, which are lost.
    pub overflow: u64,
    /// Matches of rules that raise no alert.
    pub silent: u64,
}

impl Settled {
    /// What becomes of the packet, as records say it.
    pub fn verdict(self) -> &'static str {
        if self.passed { "pass" } else { "alert" }
    }
}

/// Leaves the matches that become alerts, in the order in which they are recorded, at most `limit`, and those that leave traces in
/// what flows share. A rule that is explained is told what became of its matches.
#[inline]
pub fn settle(plan: &Plan, matches: &mut Vec<Match>, limit: usize, watch: Option<&mut Watch>) -> Settled {
    if matches.is_empty() { Settled::default() } else { settle_some(plan, matches, limit, watch) }
}

fn settle_some(plan: &Plan, matches: &mut Vec<Match>, limit: usize, mut watch: Option<&mut Watch>) -> Settled {
    let mut settled = Settled::default();
    let newest_first = |ground: Ground| match ground {
        Ground::Transaction(id) => Reverse(id),
        Ground::Packet | Ground::Stream | Ground::Frame(_) => Reverse(u64::MAX),
    };
    matches.sort_by_key(|m| (m.rule, newest_first(m.ground)));
    let mut passed = None;
    matches.retain(|found| {
        let Some(rule) = plan.rule(found.rule) else { return false };
        let mut tell = |fate| watch.iter_mut().for_each(|watch| watch.settle(found.rule, fate));
        if let Some(by) = passed {
            tell(Fate::PassedBy(by));
            return false;
        }
        if rule.action == Action::Pass {
            if shares(rule, found) {
                // Whether it holds is not known yet: nothing passes on a maybe.
                return false;
            }
            passed = Some(found.rule);
            settled.passed = true;
            tell(Fate::Passes);
            let wide = !matches!(found.ground, Ground::Packet) || plan.kind(found.rule) == Some(Kind::IpOnly);
            settled.pass_flow |= wide;
            if !rule.alert {
                return false;
            }
        }
        if !is_recorded(rule) {
            settled.silent += 1;
            tell(Fate::Silent);
            return shares(rule, found);
        }
        settled.alerts += 1;
        if settled.alerts > limit {
            settled.overflow += 1;
        }
        tell(if settled.alerts > limit { Fate::AlertLimit } else { Fate::Alert });
        settled.alerts <= limit
    });
    settled.alerts = settled.alerts.min(limit);
    settled
}

/// Whether a match is decided with what flows share.
pub fn shares(rule: &Rule, found: &Match) -> bool {
    !found.steps.is_empty() || uses_host_bits(rule)
}

/// Whether a match may yet turn out to be none, by what flows share.
pub fn is_open(rule: &Rule, found: &Match) -> bool {
    !found.steps.is_empty() || asks_host_bits(rule)
}

/// Whether matches of a rule leave records.
pub fn is_recorded(rule: &Rule) -> bool {
    !rule.noalert && rule.action != Action::Config
}
