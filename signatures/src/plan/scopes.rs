//! Which rules are for which packets: each tenant has rules of its own, which stand together in the plan.

use std::ops::Range;

use super::RuleIndex;

/// The rules of all tenants. Nobody has the number 0: the packets that belong to no tenant.
#[derive(Debug, Default)]
pub(super) struct Scopes(Vec<(u32, Range<RuleIndex>)>);

/// The rules for a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All there are.
    All,
    /// Those of its tenant.
    Only(Range<RuleIndex>),
}

impl Scopes {
    /// Those of rules by whose they are, in order; nothing has to be looked up where all are nobody's.
    pub(super) fn of(tenants: impl Iterator<Item = u32>) -> Self {
        let mut scopes: Vec<(u32, Range<RuleIndex>)> = Vec::new();
        for (place, tenant) in (0..).zip(tenants) {
            match scopes.last_mut() {
                Some((last, range)) if *last == tenant => range.end = place + 1,
                _ => scopes.push((tenant, place..place + 1)),
            }
        }
        if scopes.iter().all(|(tenant, _)| *tenant == 0) {
            scopes.clear();
        }
        Self(scopes)
    }

    /// The rules for packets of a tenant: none where it has none.
    #[inline]
    pub(super) fn of_tenant(&self, tenant: u32) -> Scope {
        if self.0.is_empty() {
            return if tenant == 0 { Scope::All } else { Scope::Only(0..0) };
        }
        let place = self.0.binary_search_by_key(&tenant, |(known, _)| *known).ok();
        Scope::Only(place.and_then(|at| self.0.get(at)).map_or(0..0, |(_, range)| range.clone()))
    }
}

impl Scope {
    /// Whether a rule is one of them.
    pub(crate) fn contains(&self, rule: RuleIndex) -> bool {
        match self {
            Self::All => true,
            Self::Only(rules) => rules.contains(&rule),
        }
    }

    /// Leaves those of some rules that are among them.
    #[inline]
    pub(crate) fn retain(&self, rules: &mut Vec<RuleIndex>) {
        if let Self::Only(own) = self {
            rules.retain(|rule| own.contains(rule));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_its_own_rules_and_nobody_those_of_nobody() {
        let scopes = Scopes::of([0, 0, 3, 7, 7].into_iter());
        for (tenant, expected) in [(0, 0..2), (3, 2..3), (7, 3..5), (4, 0..0), (8, 0..0)] {
            assert_eq!(scopes.of_tenant(tenant), Scope::Only(expected), "{tenant}");
        }
        assert_eq!(Scopes::of([9].into_iter()).of_tenant(0), Scope::Only(0..0), "nobody has no rules");
    }

    #[test]
    fn where_no_tenant_has_rules_all_are_for_packets_of_nobody() {
        let scopes = Scopes::of([0, 0].into_iter());
        assert_eq!([0, 1].map(|tenant| scopes.of_tenant(tenant)), [Scope::All, Scope::Only(0..0)]);
        let mut rules = vec![1, 9];
        Scope::All.retain(&mut rules);
        assert_eq!(rules, [1, 9]);
        Scope::Only(3..10).retain(&mut rules);
        assert_eq!(rules, [9]);
    }
}
