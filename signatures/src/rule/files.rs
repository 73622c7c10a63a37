//! Files that rules name. This crate reads none itself: whoever loads rules says how.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

type Read = dyn Fn(&str, &str) -> Result<Vec<u8>, String> + Send + Sync;
type ReadState = dyn Fn(&str) -> Result<Option<Vec<u8>>, String> + Send + Sync;
type Stamp = dyn Fn(Place<'_>) -> Option<u64> + Send + Sync;

/// Where a file that a rule names is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Beside a rule file, by the names of both.
    Beside(&'a str, &'a str),
    /// Where a run before left it.
    State(&'a str),
}

/// How files that rules name are read.
#[derive(Clone)]
pub struct Files {
    beside: Arc<Read>,
    state: Arc<ReadState>,
    kept: Arc<ReadState>,
    stamp: Arc<Stamp>,
}

impl Files {
    /// `beside` reads what lies beside a rule file, by the names of both; `state` what a run before left, if it did.
    pub fn new(
        beside: impl Fn(&str, &str) -> Result<Vec<u8>, String> + Send + Sync + 'static,
        state: impl Fn(&str) -> Result<Option<Vec<u8>>, String> + Send + Sync + 'static,
    ) -> Self {
        let (kept, stamp) = (Arc::new(|_: &str| Ok(None)), Arc::new(|_: Place<'_>| None));
        Self { beside: Arc::new(beside), state: Arc::new(state), kept, stamp }
    }

    /// `kept` says what is there already under a name that a set shall be kept under, or why none may be.
    pub fn with_kept(self, kept: impl Fn(&str) -> Result<Option<Vec<u8>>, String> + Send + Sync + 'static) -> Self {
        Self { kept: Arc::new(kept), ..self }
    }

    /// `stamp` gives a number that changes whenever the file does; without it (or with `None`) each load reads every file again.
    pub fn with_stamps(self, stamp: impl Fn(Place<'_>) -> Option<u64> + Send + Sync + 'static) -> Self {
        Self { stamp: Arc::new(stamp), ..self }
    }

    pub(crate) fn beside(&self, rule_file: &str, name: &str) -> Result<Vec<u8>, String> {
        (self.beside)(rule_file, name)
    }

    pub(crate) fn state(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        (self.state)(name)
    }

    pub(crate) fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        (self.kept)(name)
    }

    pub(crate) fn stamp(&self, place: Place<'_>) -> Option<u64> {
        (self.stamp)(place)
    }
}

impl Default for Files {
    /// No files at all.
    fn default() -> Self {
        Self::new(|_, _| Err("there are no files here".into()), |_| Ok(None))
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files")
    }
}

/// A database of the countries of addresses.
#[derive(Clone)]
pub struct Countries(Arc<dyn Fn(IpAddr) -> Option<[u8; 2]> + Send + Sync>);

impl Countries {
    /// One that is asked with a function.
    pub fn new(ask: impl Fn(IpAddr) -> Option<[u8; 2]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// The two letters of an address's country (ISO 3166).
    pub fn of(&self, address: IpAddr) -> Option<[u8; 2]> {
        (self.0)(address)
    }
}

impl fmt::Debug for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Countries")
    }
}
