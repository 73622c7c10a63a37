//! Names that the rules of a load share, and whatever else is there once for all of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::known_sets::KnownSets;
use crate::lua::Scripts;
use crate::rule::fault::Fault;

/// Names that rules share, by index in order of first use.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By index.
    pub list: Vec<String>,
    index: HashMap<String, u16>,
}

impl Names {
    /// Names that have these numbers already.
    pub(crate) fn of(list: Vec<String>) -> Self {
        let index = (0..).zip(&list).map(|(number, name)| (name.clone(), number)).collect();
        Self { list, index }
    }

    /// The index of a name; `None` when there are too many.
    pub fn intern(&mut self, name: &str) -> Option<u16> {
        if let Some(&index) = self.index.get(name) {
            return Some(index);
        }
        let index = u16::try_from(self.list.len()).ok()?;
        self.list.push(name.into());
        self.index.insert(name.into(), index);
        Some(index)
    }
}

/// Names of everything that rules keep in flows and hosts.
#[derive(Debug, Default)]
pub struct SharedNames {
    /// Of flowbits.
    pub flowbits: Names,
    /// Of flowints.
    pub flowints: Names,
    /// Of xbits and hostbits.
    pub hostbits: Names,
    /// Scripts.
    pub scripts: Scripts,
    /// Sets of values, with what is in them.
    pub datasets: KnownSets,
    /// What is wrong with what rules name, and does not keep them from being used: since this was last taken.
    pub(crate) warnings: Vec<Fault>,
    texts: HashSet<Arc<str>, foldhash::fast::RandomState>,
}

impl SharedNames {
    /// A new load begins with the names of the one before.
    pub(crate) fn begin(&mut self) {
        self.datasets.begin();
        self.scripts.begin();
    }

    /// A load is done: what only helps while rules are read is given back.
    pub(crate) fn end(&mut self) {
        self.texts = HashSet::default();
    }

    /// Takes the names over that flows and hosts know bits and numbers by.
    pub(crate) fn learn(&mut self, other: &Self) {
        let Self { flowbits, flowints, hostbits, .. } = other;
        (self.flowbits, self.flowints, self.hostbits) = (flowbits.clone(), flowints.clone(), hostbits.clone());
    }

    /// A text that many rules have, kept once.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}
