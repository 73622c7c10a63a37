//! What rules cost: how often each is decided, how often it matches, the work of it, and, of a sample, the time.
//!
//! Work is counted in steps: one for each decision and each condition tried, one for so many bytes that were searched. It is the same in
//! every run over the same packets, whatever the machine or the number of workers; the time is not, and comes from a clock that is given.
//! Books are kept over a window of work, so that their numbers stay small and a rule that takes more than its share is found soon; what is
//! inspected counts by its bytes, so that a share of next to nothing is no share. Such a rule is reported, and suspended where that is
//! asked for: it is decided no more.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::plan::{Plan, RuleIndex};

/// How costs are counted.
#[derive(Clone, Copy)]
pub struct CostSettings {
    /// The time of one decision of so many is taken; of none where it is 0.
    pub every: u32,
    /// Nanoseconds of a clock that never goes back.
    pub clock: fn() -> u64,
    /// Percent of the work of a window that one rule may take; any where it is 0.
    pub share_percent: u64,
    /// Whether a rule that takes more is suspended.
    pub suspend: bool,
    /// Work of a window; at least a few steps for each rule, since all of them are looked through at its end.
    pub window_work: u64,
}

impl Default for CostSettings {
    fn default() -> Self {
        Self { every: 0, clock: || 0, share_percent: 20, suspend: false, window_work: 10_000_000 }
    }
}

impl fmt::Debug for CostSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { every, share_percent, suspend, window_work, .. } = self;
        write!(out, "every {every}, share {share_percent} %, suspend {suspend}, window {window_work}")
    }
}

/// What one rule cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// Decisions.
    pub checks: u64,
    /// Those at which it matched.
    pub matches: u64,
    /// Steps.
    pub work: u64,
    /// Decisions whose time was taken.
    pub timed: u64,
    /// Their time, in nanoseconds.
    pub timed_ns: u64,
    /// The longest of them.
    pub longest_ns: u64,
    /// Decisions left out because the rule is suspended.
    pub skipped: u64,
    /// It took more than its share of a window.
    pub reported: bool,
    /// It was suspended for that.
    pub suspended: bool,
}

/// What all rules cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostBooks {
    /// Rules that were decided at least once.
    pub rules: BTreeMap<RuleIndex, RuleCost>,
    /// Buffers that the prefilters went through, and their bytes.
    pub scans: (u64, u64),
    /// Scans whose time was taken, and their time in nanoseconds.
    pub timed_scans: (u64, u64),
    /// Work of all decisions and of what was inspected.
    pub work: u64,
}

/// A rule that is to be told of for what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostReport {
    /// The rule.
    pub rule: RuleIndex,
    /// What it did.
    pub excess: Excess,
}

/// What a rule did that is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excess {
    /// It took more than its share of the work of a window.
    Share {
        /// How much.
        percent: u64,
        /// Whether it is suspended from now on.
        suspended: bool,
    },
    /// It ran out of fuel on a flow.
    Fuel,
}

/// Bounds of a window: the least by the number of rules, the most so that its counts fit.
const WINDOW_WORK_A_RULE: u64 = 8;
const MOST_WINDOW_WORK: u64 = 1 << 31;
/// To inspect so many bytes is as much work as a step.
const INSPECTED_BYTES_A_STEP: u64 = 32;
/// Work of inspecting anything.
const INSPECTION_WORK: u64 = 8;

/// A rule in the window that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    checks: u32,
    matches: u32,
    work: u32,
    suspended: bool,
}

/// The books of one worker.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    settings: CostSettings,
    accounts: Vec<Account>,
    /// Rules of windows that are closed, and times.
    totals: HashMap<RuleIndex, RuleCost, foldhash::fast::RandomState>,
    window: u64,
    work: u64,
    any_suspended: bool,
    /// When the decision began that is timed.
    began: Option<u64>,
    until_timed: u32,
    until_scan_timed: u32,
    scans: (u64, u64),
    timed_scans: (u64, u64),
    reports: Vec<CostReport>,
}

impl RuleCost {
    /// The time of all its decisions, as far as the sample tells.
    pub fn time_ns(&self) -> u64 {
        scaled(self.timed_ns, self.checks, self.timed)
    }

    /// The time of one decision.
    pub fn average_ns(&self) -> u64 {
        self.timed_ns.checked_div(self.timed).unwrap_or(0)
    }

    fn add(&mut self, other: &Self) {
        self.checks += other.checks;
        self.matches += other.matches;
        self.work += other.work;
        self.timed += other.timed;
        self.timed_ns += other.timed_ns;
        self.longest_ns = self.longest_ns.max(other.longest_ns);
        self.skipped += other.skipped;
        self.reported |= other.reported;
        self.suspended |= other.suspended;
    }
}

impl CostBooks {
    /// Adds another worker's books.
    pub fn merge(&mut self, other: &Self) {
        for (rule, cost) in &other.rules {
            self.rules.entry(*rule).or_default().add(cost);
        }
        self.scans = (self.scans.0 + other.scans.0, self.scans.1 + other.scans.1);
        self.timed_scans = (self.timed_scans.0 + other.timed_scans.0, self.timed_scans.1 + other.timed_scans.1);
        self.work += other.work;
    }

    /// The time of all scans, as far as the sample tells.
    pub fn scan_ns(&self) -> u64 {
        scaled(self.timed_scans.1, self.scans.0, self.timed_scans.0)
    }
}

impl Costs {
    pub(super) fn new(plan: &Plan, mut settings: CostSettings) -> Self {
        let least = plan.len() as u64 * WINDOW_WORK_A_RULE;
        settings.window_work = settings.window_work.clamp(least, MOST_WINDOW_WORK.max(least));
        let accounts = vec![Account::default(); plan.len()];
        let (until_timed, until_scan_timed) = (settings.every, settings.every);
        Self { settings, accounts, until_timed, until_scan_timed, ..Self::default() }
    }

    /// Goes on with the rules of another plan: those that are as they were keep their books, and stay suspended.
    pub(super) fn follow(&mut self, before: &Plan, plan: &Plan) {
        self.fold();
        let accounts = std::mem::replace(&mut self.accounts, vec![Account::default(); plan.len()]);
        let totals = std::mem::take(&mut self.totals);
        let Some(succession) = plan.since(before.generation()) else { return };
        for (old, account) in (0..).zip(accounts).filter(|(_, account)| account.suspended) {
            if let Some(kept) = succession.place(old).and_then(|new| self.accounts.get_mut(new as usize)) {
                *kept = account;
            }
        }
        self.totals = totals.into_iter().filter_map(|(old, cost)| Some((succession.place(old)?, cost))).collect();
    }

    /// A decision begins; not so where the rule is suspended.
    #[inline]
    pub(super) fn begin(&mut self, rule: RuleIndex) -> bool {
        if self.any_suspended && self.is_suspended(rule) {
            return false;
        }
        if due(&mut self.until_timed, self.settings.every) {
            self.began = Some((self.settings.clock)());
        }
        true
    }

    #[cold]
    fn is_suspended(&mut self, rule: RuleIndex) -> bool {
        let suspended = self.accounts.get(rule as usize).is_some_and(|account| account.suspended);
        if suspended {
            self.totals.entry(rule).or_default().skipped += 1;
        }
        suspended
    }

    /// A decision ends.
    #[inline]
    pub(super) fn end(&mut self, rule: RuleIndex, work: u64, matched: bool) {
        let work = work + 1;
        if let Some(account) = self.accounts.get_mut(rule as usize) {
            account.checks += 1;
            account.matches += u32::from(matched);
            account.work = account.work.saturating_add(u32::try_from(work).unwrap_or(u32::MAX));
        }
        self.window += work;
        if self.began.is_some() {
            self.time(rule);
        }
        if self.window >= self.settings.window_work {
            self.close_window();
        }
    }

    /// Something of so many bytes is inspected.
    #[inline]
    pub(super) fn inspect(&mut self, bytes: usize) {
        self.window += INSPECTION_WORK + bytes as u64 / INSPECTED_BYTES_A_STEP;
    }

    /// The prefilter begins to go through a buffer.
    #[inline]
    pub(super) fn begin_scan(&mut self, bytes: usize) -> Option<u64> {
        self.scans.0 += 1;
        self.scans.1 += bytes as u64;
        due(&mut self.until_scan_timed, self.settings.every).then(self.settings.clock)
    }

    /// It is done.
    #[inline]
    pub(super) fn end_scan(&mut self, began: Option<u64>) {
        if let Some(began) = began {
            self.timed_scans.0 += 1;
            self.timed_scans.1 += (self.settings.clock)().saturating_sub(began);
        }
    }

    /// Rules that took more than their share since this was last asked, each once.
    pub(super) fn take_reports(&mut self) -> Vec<CostReport> {
        std::mem::take(&mut self.reports)
    }

    /// The books so far.
    pub(super) fn books(&mut self) -> CostBooks {
        self.fold();
        CostBooks {
            rules: self.totals.iter().map(|(rule, cost)| (*rule, *cost)).collect(),
            scans: self.scans,
            timed_scans: self.timed_scans,
            work: self.work,
        }
    }

    #[cold]
    fn time(&mut self, rule: RuleIndex) {
        let Some(began) = self.began.take() else { return };
        let time = (self.settings.clock)().saturating_sub(began);
        let cost = self.totals.entry(rule).or_default();
        cost.timed += 1;
        cost.timed_ns += time;
        cost.longest_ns = cost.longest_ns.max(time);
    }

    /// Looks for rules that took more than their share, and opens the next window.
    #[cold]
    fn close_window(&mut self) {
        let CostSettings { share_percent, suspend, .. } = self.settings;
        let window = self.window.max(1);
        for (rule, account) in (0..).zip(&mut self.accounts) {
            let percent = u64::from(account.work) * 100 / window;
            if share_percent == 0 || percent < share_percent {
                continue;
            }
            account.suspended |= suspend;
            self.any_suspended |= suspend;
            let total = self.totals.entry(rule).or_default();
            total.suspended |= suspend;
            if !std::mem::replace(&mut total.reported, true) {
                self.reports.push(CostReport { rule, excess: Excess::Share { percent, suspended: suspend } });
            }
        }
        self.fold();
    }

    /// Moves the window's books to the totals.
    fn fold(&mut self) {
        for (rule, account) in (0..).zip(&mut self.accounts).filter(|(_, account)| account.checks > 0) {
            let Account { checks, matches, work, suspended } = std::mem::take(account);
            account.suspended = suspended;
            let total = self.totals.entry(rule).or_default();
            total.checks += u64::from(checks);
            total.matches += u64::from(matches);
            total.work += u64::from(work);
        }
        self.work += std::mem::take(&mut self.window);
    }
}

/// Whether the next one of so many is due.
#[inline]
fn due(until: &mut u32, every: u32) -> bool {
    if *until > 1 {
        *until -= 1;
        return false;
    }
    *until = every;
    every > 0
}

fn scaled(sampled: u64, all: u64, sample: u64) -> u64 {
    let scaled = u128::from(sampled) * u128::from(all) / u128::from(sample.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Environment;
    use crate::language::load::{Source, load};
    use crate::plan::order::ActionOrder;

    fn costs(settings: CostSettings) -> Costs {
        let text = "alert ip any any -> any any (sid:1;)\nalert ip any any -> any any (sid:2;)";
        let loaded = load(&[Source { name: "t".into(), text: text.into() }], &Environment::default());
        Costs::new(&Plan::new(loaded.set, &ActionOrder::default()), settings)
    }

    #[test]
    fn books_add_up_over_windows() {
        let mut costs =
            costs(CostSettings { every: 2, window_work: 50, share_percent: 100, ..CostSettings::default() });
        for round in 0..20 {
            assert!(costs.begin(round % 2));
            costs.end(round % 2, 9, round == 0);
        }
        let books = costs.books();
        assert_eq!(books.work, 200);
        let [first, second] = [&books.rules[&0], &books.rules[&1]];
        assert_eq!((first.checks, first.matches, first.work), (10, 1, 100));
        assert_eq!((second.checks, second.matches, second.work), (10, 0, 100));
        assert_eq!(first.timed + second.timed, 10, "every second one");
        let mut both = books.clone();
        both.merge(&books);
        assert_eq!((both.rules[&0].checks, both.work), (20, 400));
    }

    #[test]
    fn a_rule_that_takes_more_than_its_share_is_reported_once_and_suspended_where_asked() {
        for suspend in [false, true] {
            let settings = CostSettings { suspend, window_work: 1_000, share_percent: 30, ..CostSettings::default() };
            let mut costs = costs(settings);
            let mut decided = 0;
            for _ in 0..100 {
                costs.inspect(640);
                for (rule, work) in [(0, 1), (1, 40)] {
                    if costs.begin(rule) {
                        costs.end(rule, work, false);
                        decided += 1;
                    }
                }
            }
            let reports = costs.take_reports();
            assert!(
                matches!(reports[..], [CostReport { rule: 1, excess: Excess::Share { suspended, .. } }] if suspended == suspend)
            );
            let cost = costs.books().rules[&1];
            assert_eq!((cost.reported, cost.suspended, cost.skipped > 0), (true, suspend, suspend));
            assert_eq!(decided + cost.skipped, 200);
        }
    }

    #[test]
    fn a_share_of_next_to_nothing_is_no_share() {
        let mut costs = costs(CostSettings { window_work: 1_000, share_percent: 20, ..CostSettings::default() });
        for _ in 0..1_000 {
            costs.inspect(1_400);
            assert!(costs.begin(0));
            costs.end(0, 3, false);
        }
        assert_eq!(costs.take_reports(), []);
    }
}
