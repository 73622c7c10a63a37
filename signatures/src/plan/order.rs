//! The order in which rules are evaluated, and in which their alerts appear.

use crate::language::rule::{Action, BitOperation, Rule};

/// Sorts rules: action, then those that set what others read, then severity, then id.
pub(super) fn key(rule: &Rule) -> (u8, u8, u8, u8, u8, u32, u32) {
    let action = match rule.action {
        Action::Pass => 0,
        Action::Drop => 1,
        Action::Reject => 2,
        Action::Alert | Action::Config => 3,
    };
    let bits = |writes: bool, reads: bool| match (writes, reads) {
        (true, false) => 0,
        (true, true) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    let reads = |operation: BitOperation| matches!(operation, BitOperation::IsSet | BitOperation::IsNotSet);
    let flowbits =
        bits(rule.flowbits.iter().any(|b| !reads(b.operation)), rule.flowbits.iter().any(|b| reads(b.operation)));
    let hostbits =
        bits(rule.hostbits.iter().any(|b| !reads(b.operation)), rule.hostbits.iter().any(|b| reads(b.operation)));
    let tests = |operation: &crate::language::rule::IntOperation| {
        use crate::language::rule::IntOperation::{IsNotSet, IsSet, Test};
        matches!(operation, Test(..) | IsSet | IsNotSet)
    };
    let flowints =
        bits(rule.flowints.iter().any(|i| !tests(&i.operation)), rule.flowints.iter().any(|i| tests(&i.operation)));
    (action, flowbits, flowints, hostbits, rule.severity, rule.sid, rule.gid)
}
