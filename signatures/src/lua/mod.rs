//! Scripts in rules (`lua`, `luaxform`) and as outputs: Lua 5.4 in a sandbox.
//!
//! A [`Script`] is read, tried and asked for its needs when its rule is loaded. A worker's [`Runtime`] opens a Lua state for each
//! use of a script the first time that it is needed: states share nothing, so that one script's faults and memory are its own, and
//! each call begins with the same globals. `sandbox` is such a state with its limits, which `meter` counts; `strings`, `pattern` and
//! `prelude.lua` are the parts of Lua's library that the interpreter would not bound; `library` has what scripts may `require`, and
//! `context` is what these show. An [`OutputScript`] has one state, and the same globals for all its calls.

mod context;
mod hook;
mod library;
mod meter;
mod output;
mod pattern;
mod runtime;
mod sandbox;
mod script;
mod strings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::rule::digest::Digest;
use crate::rule::files::Files;

use crate::rule::script::{Purpose, Script, Settings};
pub(crate) use context::Context;
pub use context::FileShown;
pub use output::{Counter, Event, Open, OutputScript, Piece, RunningOutput, Shown};
pub use runtime::{Failures, Runtime};

/// Bytes of the longest script.
const LENGTH_LIMIT: usize = 1 << 20;

/// The scripts of a load.
#[derive(Debug, Default)]
pub struct Scripts {
    count: u32,
    /// Transforms depend on nothing but their input: rules of a tenant that name the same one share it.
    transforms: Vec<Arc<Script>>,
    /// Texts that broke a limit when they were tried: other rules that name them need not wait for that again.
    stopped: HashMap<(Digest, Purpose), String>,
    /// Some script of this load or one before may add to the sets of rules.
    pub(crate) use_sets: bool,
}

impl Scripts {
    /// A new load begins: scripts that no rule has any more are forgotten.
    pub(crate) fn begin(&mut self) {
        self.transforms.retain(|script| Arc::strong_count(script) > 1);
        self.stopped.clear();
    }

    /// Reads a script for a rule whose items set `variables`, or says what is wrong with it.
    pub fn load(
        &mut self,
        (files, settings): (&Files, Settings),
        (tenant, rule_file, name): (u32, &str, &str),
        purpose: Purpose,
        variables: &[String],
    ) -> Result<Arc<Script>, String> {
        let text = files.beside(rule_file, name)?;
        if text.len() > LENGTH_LIMIT {
            return Err("it is too large".into());
        }
        if purpose == Purpose::Transform
            && let Some(known) = self.transforms.iter().find(|known| known.is(tenant, name, &text))
        {
            return Ok(Arc::clone(known));
        }
        let key = (Digest::of(text.as_slice()), purpose);
        if let Some(why) = self.stopped.get(&key) {
            return Err(why.clone());
        }
        let loaded = Script::load((self.count, tenant, name), text, settings, purpose, variables);
        let script = Arc::new(loaded.map_err(|failure| {
            if failure.kind.is_limit() {
                self.stopped.insert(key, failure.message.clone());
            }
            failure.message
        })?);
        self.count += 1;
        self.use_sets |= script.uses_sets;
        if purpose == Purpose::Transform {
            self.transforms.push(Arc::clone(&script));
        }
        Ok(script)
    }
}
