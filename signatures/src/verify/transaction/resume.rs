//! A transaction that was looked at under an earlier plan goes on under the current one.
//!
//! Rules that both plans have stay where they are: what waited waits, what matched does not match again. Rules that are new are
//! asked about all that is there, as if they had been there before.

use super::Flowside;
use super::scan::{GrowingList, pass_over};
use crate::plan::{Plan, RuleIndex, Succession, TransactionPlan};
use crate::rule::condition::TransactionView;
use crate::verify::Matcher;

impl Flowside {
    /// Gives the rules their places in a later plan, and forgets those that are not there any more.
    fn follow(&mut self, succession: &Succession) {
        let place = |rule: RuleIndex| succession.place(rule);
        self.waiting = self.waiting.iter().copied().filter_map(place).collect();
        // What waits is looked up by its place.
        self.waiting.sort_unstable();
        self.lasting = self.lasting.iter().copied().filter_map(place).collect();
        self.matched = self.matched.iter().copied().filter_map(place).collect();
        self.rearmed = self.rearmed.iter().filter_map(|(rule, newest)| Some((place(*rule)?, *newest))).collect();
    }
}

impl Matcher {
    /// Takes one direction of a transaction over into a plan. Rules that are new and may match become candidates.
    #[cold]
    pub(super) fn resume(
        &mut self,
        plan: &Plan,
        of_protocol: &TransactionPlan,
        subject: &TransactionView<'_>,
        side: &mut Flowside,
    ) {
        let before = std::mem::replace(&mut side.generation, plan.generation());
        if !side.started {
            return;
        }
        // The buffers that are there were scanned; one that grows is scanned again as it grows further.
        let scanned = of_protocol.engines.partition_point(|engine| engine.from <= side.progress);
        side.next_engine = scanned;
        let mut growing = GrowingList::new();
        self.candidates.extend_from_slice(&of_protocol.always);
        for (position, engine) in of_protocol.engines.iter().enumerate().take(scanned) {
            self.scan_engine(engine, position, subject, &mut growing);
        }
        for anomaly in subject.transaction.anomalies().iter().take(side.anomalies) {
            self.candidates.extend_from_slice(of_protocol.by_event.get(anomaly.0).map_or(&[], |rules| rules));
        }
        for (met, rules) in side.met.iter().zip([&of_protocol.of_files, &of_protocol.of_described_files]) {
            self.candidates.extend(rules.iter().filter(|_| *met));
        }
        match plan.since(before) {
            Some(succession) => {
                side.follow(succession);
                side.growing = growing;
                self.candidates.retain(|rule| succession.is_new(*rule));
            }
            None => {
                // Which rules matched is not known any more: nothing of what is there may match again.
                self.candidates.clear();
                side.growing.clear();
                pass_over(&of_protocol.engines, subject, &mut side.growing);
                side.waiting.clear();
                side.lasting.clear();
                side.matched.clear();
                side.rearmed.clear();
                side.met = [true; 2];
            }
        }
    }
}
