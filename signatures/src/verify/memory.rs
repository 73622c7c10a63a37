//! What rules remember of a flow: conditions on it, and changes to it after a match.

use crate::language::rule::{BitOperation, IntComparison, IntOperation, IntValue, Rule};
use crate::state::FlowState;

/// Whether what a rule wants to have been set is set.
pub(super) fn holds(rule: &Rule, state: &FlowState) -> bool {
    let bits = rule.flowbits.iter().all(|flowbits| match flowbits.operation {
        BitOperation::IsSet => flowbits.bits.iter().any(|&b| state.is_set(b)),
        BitOperation::IsNotSet => flowbits.bits.iter().any(|&b| !state.is_set(b)),
        BitOperation::Set | BitOperation::Unset | BitOperation::Toggle => true,
    });
    bits && rule.flowints.iter().all(|flowint| match flowint.operation {
        IntOperation::IsSet => state.int(flowint.name).is_some(),
        IntOperation::IsNotSet => state.int(flowint.name).is_none(),
        IntOperation::Test(comparison, value) => match (state.int(flowint.name), resolve(value, state)) {
            (Some(left), Some(right)) => match comparison {
                IntComparison::Less => left < right,
                IntComparison::LessOrEqual => left <= right,
                IntComparison::Equal => left == right,
                IntComparison::NotEqual => left != right,
                IntComparison::GreaterOrEqual => left >= right,
                IntComparison::Greater => left > right,
            },
            _ => false,
        },
        IntOperation::Add(_) | IntOperation::Subtract(_) | IntOperation::Set(_) => true,
    })
}

/// What a rule changes when it has matched.
pub(super) fn apply(rule: &Rule, state: &mut FlowState) {
    for flowbits in &rule.flowbits {
        for &bit in &flowbits.bits {
            match flowbits.operation {
                BitOperation::Set => state.set(bit),
                BitOperation::Unset => state.unset(bit),
                BitOperation::Toggle => state.toggle(bit),
                BitOperation::IsSet | BitOperation::IsNotSet => {}
            }
        }
    }
    for flowint in &rule.flowints {
        let before = state.int(flowint.name);
        let after = match flowint.operation {
            IntOperation::Set(value) => resolve(value, state),
            // A variable that was never set counts from zero.
            IntOperation::Add(value) => resolve(value, state).map(|v| before.unwrap_or(0).wrapping_add(v)),
            IntOperation::Subtract(value) => resolve(value, state).map(|v| before.unwrap_or(0).wrapping_sub(v)),
            IntOperation::Test(..) | IntOperation::IsSet | IntOperation::IsNotSet => None,
        };
        if let Some(value) = after {
            state.set_int(flowint.name, value);
        }
    }
}

fn resolve(value: IntValue, state: &FlowState) -> Option<u32> {
    match value {
        IntValue::Value(value) => Some(value),
        IntValue::Variable(name) => state.int(name),
    }
}
