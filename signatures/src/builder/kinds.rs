//! Kinds of rules and of references that rules name.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// What alerts show as category.
    pub description: Arc<str>,
    /// 1 is the most severe.
    pub priority: u8,
}

/// The classes by name.
#[derive(Clone, Debug, Default)]
pub struct Classification(pub BTreeMap<String, Class>);

impl Classification {
    /// A class by name, in any case.
    pub fn get(&self, name: &str) -> Option<&Class> {
        self.0.get(name).or_else(|| self.0.get(&name.to_ascii_lowercase()))
    }
}

/// The start of the address of each kind.
#[derive(Clone, Debug, Default)]
pub struct References(pub BTreeMap<String, String>);

impl References {
    /// The start of the address of a kind, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).or_else(|| self.0.get(&name.to_ascii_lowercase())).map(String::as_str)
    }
}
