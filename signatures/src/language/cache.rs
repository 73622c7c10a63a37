//! What one run leaves to the next one: outlines of rules, so that a rule is known again by its text and read when it is asked for.
//!
//! It is made for one program, each part of it for one environment, and ends with a code (HMAC-SHA-256) that only who has the key can
//! make: whatever does not fit is not used, so that who may write the cache cannot say what rules look for.
//! Rules that were read with something beside their text are not in it, and neither are faults: such rules are read anew each time.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::plan::Plan;
use crate::rule::digest::Digest;
use crate::rule::entry::Remembered;

/// What a cache is known again by: drawn at random, and nobody else's.
pub type Key = [u8; 32];
/// Bytes of the code at the end.
const CODE_BYTES: usize = 32;

/// What is known of the rules of a run before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Cache {
    /// The program that wrote it.
    program: String,
    /// Names of flowbits, flowints and hostbits, by the numbers that outlines have of them.
    pub(super) names: [Vec<String>; 3],
    /// The rules that were read with an environment, by their text.
    pub(super) parts: Vec<(Digest, Part)>,
}

/// Rules by the digest of their text.
pub(super) type Part = HashMap<Digest, Remembered, foldhash::fast::RandomState>;

/// More names than this are not carried over: those that no rule has any more would go on for ever.
const NAME_LIMIT: usize = 32 << 10;

impl Cache {
    /// Reads what [`write`] made; `None` where it is of another program, was not written whole, or is something else.
    pub(super) fn read(bytes: &[u8], program: &str, key: &Key) -> Option<Self> {
        let (body, code) = bytes.split_last_chunk::<CODE_BYTES>()?;
        // In a time that does not depend on how much of it is right.
        code_of(body, key)?.verify_slice(code).ok()?;
        let cache: Self = postcard::from_bytes(body).ok()?;
        (cache.program == program && cache.names.iter().all(|names| names.len() <= NAME_LIMIT)).then_some(cache)
    }
}

/// What the rules of a plan leave to the next run of a program.
pub fn write(plan: &Plan, program: &str, key: &Key) -> Vec<u8> {
    let mut parts: Vec<(Digest, Part)> = Vec::new();
    // Rules of one tenant stand together.
    for entry in plan.entries().filter(|entry| entry.outside().is_empty()) {
        if parts.last().is_none_or(|(environment, _)| *environment != entry.environment()) {
            parts.push((entry.environment(), Part::default()));
        }
        if let Some((_, rules)) = parts.last_mut() {
            rules.insert(entry.digest, entry.remember());
        }
    }
    let cache = Cache { program: program.to_owned(), names: plan.names.clone(), parts };
    let mut bytes = postcard::to_stdvec(&cache).unwrap_or_default();
    if let Some(code) = code_of(&bytes, key) {
        bytes.extend(code.finalize().into_bytes());
    }
    bytes
}

fn code_of(body: &[u8], key: &Key) -> Option<Hmac<Sha256>> {
    let mut code = Hmac::new_from_slice(key).ok()?;
    code.update(body);
    Some(code)
}
