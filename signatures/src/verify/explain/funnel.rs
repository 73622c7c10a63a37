//! How far everything came that was inspected: for each condition, how many met it, and what was there instead.

use std::collections::BTreeMap;

use super::{Condition, Mark};

/// Different things that are counted apart of what was there instead.
const INSTEAD_LIMIT: usize = 64;

/// Counts by condition, in order.
#[derive(Clone, Debug, Default)]
pub struct Funnel {
    /// Things that were counted.
    pub seen: u64,
    /// The conditions.
    pub stages: Vec<Stage>,
}

/// A condition, with those that met all before it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its text.
    pub text: String,
    /// How many met it.
    pub held: u64,
    /// How many did not.
    pub failed: u64,
    /// What was there instead, counted.
    pub instead: BTreeMap<String, u64>,
}

impl Funnel {
    /// Counts one thing by the first condition that it does not meet.
    pub(super) fn count(&mut self, conditions: &[Condition]) {
        self.seen += 1;
        for condition in conditions {
            let known = self.stages.iter().position(|stage| stage.text == condition.text);
            let at = known.unwrap_or_else(|| {
                let (text, instead) = (condition.text.clone(), BTreeMap::new());
                self.stages.push(Stage { text, held: 0, failed: 0, instead });
                self.stages.len() - 1
            });
            let Some(stage) = self.stages.get_mut(at) else { return };
            if condition.mark == Mark::Held {
                stage.held += 1;
                continue;
            }
            stage.failed += 1;
            if stage.instead.len() < INSTEAD_LIMIT || stage.instead.contains_key(&condition.note) {
                *stage.instead.entry(condition.note.clone()).or_default() += 1;
            } else {
                *stage.instead.entry("others".into()).or_default() += 1;
            }
            return;
        }
    }

    /// Whether one thing met all conditions.
    pub fn passed(&self) -> u64 {
        self.seen - self.stages.iter().map(|stage| stage.failed).sum::<u64>()
    }
}
