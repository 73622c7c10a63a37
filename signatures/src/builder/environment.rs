//! What rules are read with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Classification, References};
use crate::rule::digest::Digest;
use crate::rule::files::{Countries, Files};
use crate::rule::script;
use crate::state::reputation::Reputation;

/// What rules are read with.
#[derive(Clone, Debug)]
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
    /// Names of what the sensor could do and is told not to: rules cannot ask for it.
    pub switched_off: Vec<String>,
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
    /// Whether rules may name files that sets are kept in by absolute paths.
    pub absolute_dataset_names: bool,
    /// Whether rules may keep sets in files.
    pub kept_datasets: bool,
    /// Whether rules may use sets.
    pub uses_datasets: bool,
    /// `flowbits` that a rule may have.
    pub flowbit_limit: usize,
    /// Lists of addresses with scores.
    pub reputation: Arc<Reputation>,
    /// The database of countries.
    pub countries: Option<Countries>,
    /// A number that changes whenever those lists or that database do; without it rules on them are read again by each load.
    pub lists_stamp: Option<u64>,
}

/// `flowbits` that a rule may have where nothing is said of it.
pub const DEFAULT_FLOWBIT_LIMIT: usize = 8;

impl Default for Environment {
    fn default() -> Self {
        Self {
            tenant: 0,
            addresses: BTreeMap::new(),
            ports: BTreeMap::new(),
            classes: Classification::default(),
            references: References::default(),
            keep_text: false,
            keep_labels: false,
            version: (0, 0, 0),
            features: Vec::new(),
            switched_off: Vec::new(),
            scripts: script::Settings::default(),
            asn1_elements: 0,
            files: Files::default(),
            dataset_limit_bytes: 0,
            datasets: Vec::new(),
            absolute_dataset_names: false,
            kept_datasets: true,
            uses_datasets: true,
            flowbit_limit: DEFAULT_FLOWBIT_LIMIT,
            reputation: Arc::default(),
            countries: None,
            lists_stamp: None,
        }
    }
}

impl Environment {
    /// That of all that any rule may depend on; lists and files are looked at for the rules that name them.
    pub(crate) fn digest(&self) -> Digest {
        let text = format!(
            "{:?}",
            (
                (&self.addresses, &self.ports, &self.classes, &self.references, self.keep_text, self.version),
                (
                    &self.features,
                    &self.switched_off,
                    self.scripts,
                    self.dataset_limit_bytes,
                    &self.datasets,
                    self.absolute_dataset_names
                ),
                (self.asn1_elements, self.tenant, self.kept_datasets, self.uses_datasets, self.flowbit_limit),
            )
        );
        Digest::of(&text)
    }
}
