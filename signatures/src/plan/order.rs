//! The order in which rules are evaluated, and in which their alerts appear.

use crate::rule::item::{Capture, Item};
use crate::rule::{Action, BitOperation, Rule, VariableScope};

/// Which action's rules come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionOrder([Action; 4]);

impl Default for ActionOrder {
    fn default() -> Self {
        Self([Action::Pass, Action::Drop, Action::Reject, Action::Alert])
    }
}

impl ActionOrder {
    /// Reads the names of all four actions.
    pub fn read<'a>(names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let action = |name| {
            Some(match name {
                "pass" => Action::Pass,
                "drop" => Action::Drop,
                "reject" => Action::Reject,
                "alert" => Action::Alert,
                _ => return None,
            })
        };
        let actions: [Action; 4] = names.map(action).collect::<Option<Vec<_>>>()?.try_into().ok()?;
        Self::default().0.iter().all(|action| actions.contains(action)).then_some(Self(actions))
    }
}

impl ActionOrder {
    /// The place of an action among the others.
    pub(super) fn place(self, action: Action) -> u8 {
        let own = if action == Action::Config { Action::Alert } else { action };
        (0..).zip(self.0).find(|(_, action)| *action == own).map_or(u8::MAX, |(place, _)| place)
    }
}

/// What a rule does with flowbits, flowints, variables of flows and packets, and bits of hosts: rules that set what others read come
/// before them.
pub(super) fn of_memory(rule: &Rule) -> [u8; 5] {
    let bits = |writes: bool, reads: bool| match (writes, reads) {
        (true, false) => 0,
        (true, true) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    let writes = |operation: BitOperation| matches!(operation, BitOperation::Set | BitOperation::Toggle);
    let reads = |operation: BitOperation| matches!(operation, BitOperation::IsSet | BitOperation::IsNotSet);
    let flowbits =
        bits(rule.flowbits.iter().any(|b| writes(b.operation)), rule.flowbits.iter().any(|b| reads(b.operation)));
    let hostbits =
        bits(rule.hostbits.iter().any(|b| writes(b.operation)), rule.hostbits.iter().any(|b| reads(b.operation)));
    let tests = |operation: &crate::rule::IntOperation| {
        use crate::rule::IntOperation::{IsNotSet, IsSet, Test};
        matches!(operation, Test(..) | IsSet | IsNotSet)
    };
    let flowints =
        bits(rule.flowints.iter().any(|i| !tests(&i.operation)), rule.flowints.iter().any(|i| tests(&i.operation)));
    let captures = || {
        let items = rule.sections.iter().flat_map(|section| &section.items);
        items.flat_map(|item| if let Item::Pcre(pcre) = item { pcre.captures.as_slice() } else { &[] })
    };
    let variables = |scope: VariableScope, captures_to: fn(&Capture) -> bool| {
        let sets = captures().any(|(_, capture)| captures_to(capture));
        bits(sets, rule.variable_tests.iter().any(|test| test.scope == scope))
    };
    let flow_variables = variables(VariableScope::Flow, |capture| matches!(capture, Capture::Flow(_)));
    let packet_variables = variables(VariableScope::Packet, |capture| matches!(capture, Capture::Packet(_)));
    [flowbits, flowints, flow_variables, packet_variables, hostbits]
}
