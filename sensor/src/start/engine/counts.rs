//! How many rules are in use, and why others are not.

use std::collections::BTreeMap;

use tapwire_signatures::language::loading::Counts;

use super::tenants;
use crate::start::config::Configuration;

/// Names of what is not active that are told.
const NAMED: usize = 8;

/// Counts of a load of rules.
#[derive(Clone, Debug, Default)]
pub struct RuleCounts {
    /// Rules that were read and are right, with those that cannot match yet.
    pub loaded: usize,
    /// Rules that were refused.
    pub failed: usize,
    /// Rules that were left out because the sensor lacks what they require.
    pub skipped: usize,
    /// Rules that cannot match yet, by the keyword or protocol that is missing.
    pub later: BTreeMap<String, usize>,
    /// Bytes of memory that the prefilters hold.
    pub prefilter_bytes: usize,
    /// Names of the rule files, by the number that rules have of theirs.
    pub files: Vec<String>,
    /// How many rules each tenant has, and how many are nobody's, where there are tenants.
    pub tenants: Vec<(u32, Counts)>,
}

impl RuleCounts {
    pub(super) fn new(
        counts: Vec<Counts>,
        (later, files): (BTreeMap<String, usize>, Vec<String>),
        configuration: &Configuration,
        prefilter_bytes: usize,
    ) -> Self {
        let sum = |of: fn(&Counts) -> usize| counts.iter().map(of).sum();
        let (loaded, failed, skipped) = (sum(|c| c.loaded), sum(|c| c.failed), sum(|c| c.skipped));
        let by_tenant = tenants::configurations(configuration).map(|(tenant, _)| tenant).zip(counts);
        let tenants = by_tenant.filter(|_| configuration.tenancy.is_some()).collect();
        Self { loaded, failed, skipped, later, prefilter_bytes, files, tenants }
    }

    /// Whether some were named and none is right, where so many files could not be read.
    pub fn none_is_right(&self, unread: usize) -> bool {
        self.loaded == 0 && (self.failed > 0 || unread > 0)
    }

    /// Rules that can match.
    pub fn in_use(&self) -> usize {
        self.loaded.saturating_sub(self.not_active())
    }

    fn not_active(&self) -> usize {
        self.later.values().sum()
    }

    /// All of it in a line.
    pub fn in_words(&self) -> String {
        let word = if self.in_use() == 1 { "rule" } else { "rules" };
        let mut text = format!("{} {word} in use, {} refused", self.in_use(), self.failed);
        if self.skipped > 0 {
            text.push_str(&format!(", {} left out by what they require", self.skipped));
        }
        if !self.later.is_empty() {
            let mut by_count: Vec<_> = self.later.iter().map(|(name, count)| (*count, name)).collect();
            by_count.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
            let mut named: Vec<_> =
                by_count.iter().take(NAMED).map(|(count, name)| format!("{name} {count}")).collect();
            let others: usize = by_count.iter().skip(NAMED).map(|(count, _)| count).sum();
            named.extend((others > 0).then(|| format!("others {others}")));
            text.push_str(&format!(", {} not active yet ({})", self.not_active(), named.join(", ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_active_is_told_by_name_most_of_it_first() {
        let later = (0..10).map(|n| (format!("p{n}"), 1 + n)).collect();
        let counts = RuleCounts { loaded: 100, failed: 2, skipped: 1, later, ..RuleCounts::default() };
        let named = "p9 10, p8 9, p7 8, p6 7, p5 6, p4 5, p3 4, p2 3, others 3";
        let expected =
            format!("45 rules in use, 2 refused, 1 left out by what they require, 55 not active yet ({named})");
        assert_eq!(counts.in_words(), expected);
        assert_eq!(RuleCounts { loaded: 3, ..RuleCounts::default() }.in_words(), "3 rules in use, 0 refused");
    }
}
