//! What rules are read with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Classification, References};
use crate::rule::digest::Digest;
use crate::rule::files::{Countries, Files};
use crate::rule::script;
use crate::state::reputation::Reputation;

/// What rules are read with.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Whose rules they are: the number of a tenant, 0 where there are none.
    pub tenant: u32,
    /// Address variables by name, as written.
    pub addresses: BTreeMap<String, String>,
    /// Port variables by name, as written.
    pub ports: BTreeMap<String, String>,
    /// Classes of rules.
    pub classes: Classification,
    /// Kinds of references.
    pub references: References,
    /// Whether rules keep their text, for records that show it.
    pub keep_text: bool,
    /// Whether rules keep which of their options made which condition, to be explained.
    pub keep_labels: bool,
    /// The version of the rule language, for `requires`.
    pub version: (u32, u32, u32),
    /// Names of what the sensor can do, for `requires`.
    pub features: Vec<String>,
    /// What scripts of rules are allowed.
    pub scripts: script::Settings,
    /// Elements of ASN.1 that a rule looks at.
    pub asn1_elements: u16,
    /// Files that rules name.
    pub files: Files,
    /// Bytes of values that rules may add to a set that says nothing of it.
    pub dataset_limit_bytes: usize,
    /// Sets that the configuration has: the rest of a `dataset` keyword, such as `seen,type string`.
    pub datasets: Vec<String>,
    /// Whether rules may name sets' files by absolute paths.
    pub absolute_dataset_names: bool,
    /// Lists of addresses with scores.
    pub reputation: Arc<Reputation>,
    /// The database of countries.
    pub countries: Option<Countries>,
    /// A number that changes whenever those lists or that database do; without it rules on them are read again by each load.
    pub lists_stamp: Option<u64>,
}

impl Environment {
    /// That of all that any rule may depend on; lists and files are looked at for the rules that name them.
    pub(crate) fn digest(&self) -> Digest {
        let text = format!(
            "{:?}",
            (
                (&self.addresses, &self.ports, &self.classes, &self.references, self.keep_text, self.version),
                (&self.features, self.scripts, self.dataset_limit_bytes, &self.datasets, self.absolute_dataset_names),
                (self.asn1_elements, self.tenant),
            )
        );
        Digest::of(&text)
    }
}
