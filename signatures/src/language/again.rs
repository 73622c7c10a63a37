//! Rules that are read a second time: a set keeps the text of most, and each is read when something asks for it.

use std::sync::{Mutex, PoisonError};

use super::load;
use super::variables::Sets;
use crate::builder::{Environment, SharedNames};
use crate::rule::Rule;
use crate::rule::digest::Digest;
use crate::rule::entry::Reader;

/// Reads the rules of one environment again.
#[derive(Debug)]
pub(super) struct TextReader {
    environment: Environment,
    /// That of the environment.
    pub(super) digest: Digest,
    known: Mutex<(SharedNames, Sets)>,
}

impl TextReader {
    pub(super) fn new(environment: &Environment, digest: Digest) -> Self {
        Self { environment: environment.clone(), digest, known: Mutex::default() }
    }

    /// Learns the names that rules of a load have; those of loads before keep their numbers.
    pub(super) fn learn(&self, names: &SharedNames) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.learn(names);
    }
}

impl Reader for TextReader {
    fn tenant(&self) -> u32 {
        self.environment.tenant
    }

    fn environment(&self) -> Digest {
        self.digest
    }

    fn read(&self, text: &str, place: (u32, u32), digest: Digest) -> Option<Box<Rule>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, sets) = &mut *known;
        let read = load::read(text, ("", place, digest), &self.environment, names, sets);
        // They were told when the rule was loaded.
        names.warnings.clear();
        match read {
            Ok(load::Outcome::Rule(rule)) => Some(rule),
            Ok(load::Outcome::Skipped(_)) | Err(_) => None,
        }
    }
}
