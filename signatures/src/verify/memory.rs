//! What rules remember of a flow: conditions on it, and changes to it after a match.

use crate::language::rule::Rule;
use crate::state::flow::FlowState;

/// Whether what a rule wants to have been set is set.
pub(super) fn holds(rule: &Rule, state: &FlowState) -> bool {
    rule.flowbits.iter().all(|bits| state.allows_bits(bits)) && rule.flowints.iter().all(|int| state.allows_int(int))
}

/// What a rule changes when it has matched.
pub(super) fn apply(rule: &Rule, state: &mut FlowState) {
    for bits in &rule.flowbits {
        state.apply_bits(bits);
    }
    for int in &rule.flowints {
        state.apply_int(int);
    }
}
