//! Scripts in rules (`lua`, `luaxform`) and as outputs: Lua 5.4 in a sandbox.
//!
//! A [`Script`] is read, tried and asked for its needs when its rule is loaded. A worker's [`Runtime`] opens a Lua state for each
//! use of a script the first time that it is needed: states share nothing, so that one script's globals, faults and memory are
//! its own. `sandbox` is such a state with its limits, `library` has what scripts may `require`, and `context` is what these show.
//! An [`OutputScript`] has one state.

mod context;
mod library;
mod output;
mod runtime;
mod sandbox;
mod script;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::language::files::Files;

pub(crate) use context::Context;
pub use output::{Open, OutputScript, RunningOutput, Shown};
pub use runtime::{Failures, Runtime};
pub(crate) use script::Need;
pub use script::{Purpose, Script, ScriptTest, ScriptTransform};

/// What scripts are allowed: `security.lua`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `allow-rules`: whether rules may have scripts.
    pub allow_rules: bool,
    /// `max-bytes`: memory that one script may hold, in bytes; 0 for no limit.
    pub max_bytes: usize,
    /// `max-instructions`: instructions that one call may take; 0 for no limit.
    pub max_instructions: u32,
    /// `allow-restricted-functions`: whether scripts may catch errors, change metatables and repeat strings.
    pub allow_restricted: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { allow_rules: true, max_bytes: 500_000, max_instructions: 500_000, allow_restricted: false }
    }
}

/// Bytes of the longest script.
const LENGTH_LIMIT: usize = 1 << 20;

/// The scripts of a load.
#[derive(Debug, Default)]
pub struct Scripts {
    count: u32,
    /// Transforms depend on nothing but their input: rules of a tenant that name the same one share it.
    transforms: Vec<Arc<Script>>,
    /// Some script of this load or one before may add to the sets of rules.
    pub(crate) use_sets: bool,
}

impl Scripts {
    /// A new load begins: scripts that no rule has any more are forgotten.
    pub(crate) fn begin(&mut self) {
        self.transforms.retain(|script| Arc::strong_count(script) > 1);
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
        let script = Arc::new(Script::load((self.count, tenant, name), text, settings, purpose, variables)?);
        self.count += 1;
        self.use_sets |= script.uses_sets;
        if purpose == Purpose::Transform {
            self.transforms.push(Arc::clone(&script));
        }
        Ok(script)
    }
}
