//! What rules remember of a flow: conditions on it, and changes to it after a match.

use std::sync::Arc;

use crate::language::rule::{Capture, Rule};
use crate::state::flow::FlowState;

/// Bytes of a captured value that are kept.
const VALUE_LIMIT_BYTES: usize = 4 << 10;

/// Names and values.
pub type Context = Vec<(Arc<str>, Box<[u8]>)>;

/// What was noted of the buffers of a rule while it was decided: it counts once the rule matches.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(super) captured: Vec<(Capture, Box<[u8]>)>,
    /// The buffer that is looked at, as records name it.
    pub(super) buffer: &'static str,
    entropies: Vec<(&'static str, f64)>,
}

impl Notes {
    pub(super) fn clear(&mut self) {
        self.captured.clear();
        self.entropies.clear();
    }

    pub(super) fn capture(&mut self, to: &Capture, value: &[u8]) {
        self.captured.push((to.clone(), value.get(..VALUE_LIMIT_BYTES).unwrap_or(value).into()));
    }

    pub(super) fn entropy(&mut self, value: f64) {
        self.entropies.push((self.buffer, value));
    }
}

/// Whether what a rule wants to have been set is set.
pub(super) fn holds(rule: &Rule, state: &FlowState) -> bool {
    rule.flowbits.iter().all(|bits| state.allows_bits(bits)) && rule.flowints.iter().all(|int| state.allows_int(int))
}

/// What a rule changes when it has matched; returns what its alert shows.
pub(super) fn apply(rule: &Rule, state: &mut FlowState, notes: &mut Notes) -> Context {
    for bits in &rule.flowbits {
        state.apply_bits(bits);
    }
    for int in &rule.flowints {
        state.apply_int(int);
    }
    let mut context = Context::new();
    for (to, value) in notes.captured.drain(..) {
        match to {
            Capture::Flow(name) => state.notes_mut().set_variable(name, value),
            Capture::Packet(name) => state.notes_mut().packet_variables.push((name, value)),
            Capture::Alert(name) => context.push((name, value)),
        }
    }
    for (buffer, value) in notes.entropies.drain(..) {
        state.notes_mut().set_entropy(buffer, value);
    }
    context
}
