//! What a worker holds of scripts: their states, opened when they are first needed, and counts of what went wrong.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use mlua::{Function, Lua, Value};

use super::context::Context;
use super::sandbox::{Failure, Kind, Sandbox};
use crate::plan::Plan;
use crate::rule::dataset::Dataset;
use crate::rule::script::{Need, Script, ScriptTest, ScriptTransform};
use crate::state::shared::Addition;

/// Messages of failed scripts that are kept.
const MESSAGE_LIMIT: usize = 64;

/// Scripts that failed, by what they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// All of them.
    pub all: u64,
    /// They called a function that is not allowed.
    pub blocked: u64,
    /// They took too many instructions.
    pub instructions: u64,
    /// They held too much memory.
    pub memory: u64,
    /// They took too much time.
    pub time: u64,
}

impl Failures {
    /// The counts by their names in `stats` records.
    pub fn counters(&self) -> [(&'static str, u64); 5] {
        [
            ("detect.lua.errors", self.all),
            ("detect.lua.blocked_function_errors", self.blocked),
            ("detect.lua.instruction_limit_errors", self.instructions),
            ("detect.lua.memory_limit_errors", self.memory),
            ("tapwire.lua.time_limit_errors", self.time),
        ]
    }

    pub(super) fn count(&mut self, kind: Kind) {
        self.all += 1;
        match kind {
            Kind::Blocked => self.blocked += 1,
            Kind::Instructions => self.instructions += 1,
            Kind::Memory => self.memory += 1,
            Kind::Time => self.time += 1,
            Kind::Other => {}
        }
    }
}

/// The states of a worker's scripts, by the number of the script.
#[derive(Debug, Default)]
pub struct Runtime {
    states: HashMap<u32, Running>,
    /// Failures so far.
    pub failures: Failures,
    messages: Vec<String>,
    /// The sets of rules, as their files have them.
    sets: Vec<Arc<Dataset>>,
    additions: Vec<Addition>,
    /// What the last call took.
    taken: u64,
}

/// A script that was started, or why it could not be.
#[derive(Debug)]
struct Running {
    /// It does not keep the script: rules do.
    script: Weak<Script>,
    state: Result<Sandbox, Failure>,
}

impl Running {
    fn start(script: &Arc<Script>, context: &mut Context<'_>) -> Self {
        let state = script.sandbox().and_then(|sandbox| {
            // A script that fails before it is asked anything would do so each time.
            sandbox.run(context, |lua| prepared(script, &sandbox, lua).map(drop))?;
            Ok(sandbox)
        });
        Self { script: Arc::downgrade(script), state }
    }
}

/// Runs the script's text and its `thread_init`: each call finds what they made, and nothing of other calls.
fn prepared(script: &Script, sandbox: &Sandbox, lua: &Lua) -> mlua::Result<Function> {
    let (globals, function) = sandbox.define(script.purpose.function())?;
    if let Value::Function(start) = globals.get("thread_init")? {
        start.call::<()>(lua.create_table()?)?;
    }
    Ok(function)
}

impl Runtime {
    /// What scripts have added to sets since this was last asked.
    pub fn take_additions(&mut self) -> Vec<Addition> {
        std::mem::take(&mut self.additions)
    }

    /// What each script that failed said the first time, for whoever runs the program.
    pub fn take_messages(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }

    /// Instructions that the last call took, or work that costs as much.
    pub(crate) fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// Goes on with the rules of a plan, and closes the states of scripts that none of them has.
    pub fn follow(&mut self, plan: &Plan) {
        self.sets.clone_from(&plan.datasets);
        self.states.retain(|_, running| running.script.strong_count() > 0);
    }

    /// Whether a script says what its rule wants, of a buffer where it looks at one. One that fails never does.
    pub(crate) fn holds(&mut self, test: &ScriptTest, buffer: Option<&[u8]>, context: &mut Context<'_>) -> bool {
        let (whole, packet) = context.packet.map_or((&[][..], &[][..]), |view| (view.packet.data, view.packet.payload));
        let wants_payload = test.script.needs.contains(&Need::Payload);
        if wants_payload && packet.is_empty() {
            return false;
        }
        let answer = self.call(&test.script, context, |function, lua| {
            let arguments = lua.create_table()?;
            if wants_payload {
                arguments.raw_set("payload", lua.create_string(packet)?)?;
            }
            if test.script.needs.contains(&Need::Packet) {
                arguments.raw_set("packet", lua.create_string(whole)?)?;
            }
            if let Some(data) = buffer {
                let data = lua.create_string(data)?;
                arguments.raw_set("offset", 1)?;
                arguments.raw_set("buffer", &data)?;
                arguments.raw_set(&*test.buffer, data)?;
            }
            Ok(match function.call::<Value>(arguments)? {
                Value::Integer(number) => number == 1,
                Value::Number(number) => number == 1.0,
                Value::Boolean(answer) => answer,
                _ => false,
            })
        });
        answer.is_some_and(|held| held != test.negated)
    }

    /// Puts what a script makes of `input` in place of what is in `output`: the same where it fails, or does not give bytes and their
    /// number.
    pub(crate) fn transform(&mut self, transform: &ScriptTransform, input: &[u8], output: &mut Vec<u8>) {
        output.clear();
        let made = self.call(&transform.script, &mut Context::default(), |function, lua| {
            let arguments = lua.create_sequence_from(transform.arguments.iter().map(String::as_str))?;
            let (bytes, length) = function.call::<(Value, Value)>((lua.create_string(input)?, arguments))?;
            let (Value::String(bytes), Some(length)) = (bytes, lua.coerce_integer(length)?) else { return Ok(false) };
            let length = usize::try_from(length).unwrap_or(0);
            let bytes = bytes.as_bytes();
            output.extend_from_slice(bytes.get(..length).unwrap_or(&bytes));
            Ok(true)
        });
        if made != Some(true) {
            output.clear();
            output.extend_from_slice(input);
        }
    }

    fn call<R>(
        &mut self,
        script: &Arc<Script>,
        context: &mut Context<'_>,
        work: impl FnOnce(&Function, &Lua) -> mlua::Result<R>,
    ) -> Option<R> {
        let mut own = Context {
            rule: context.rule,
            packet: context.packet,
            subject: context.subject,
            state: context.state.as_deref_mut(),
            flowints: context.flowints,
            script: Some(script),
            sets: &self.sets,
            additions: Some(&mut self.additions),
            variables: context.variables.clone(),
            files: None,
            file: None,
            loading: None,
        };
        let running = match self.states.get(&script.slot) {
            // Numbers are those of one loader.
            Some(running) if running.script.as_ptr() == Arc::as_ptr(script) => running,
            _ => {
                let started = Running::start(script, &mut own);
                self.states.entry(script.slot).insert_entry(started).into_mut()
            }
        };
        let result = match &running.state {
            Ok(sandbox) => {
                let result = sandbox.run(&mut own, |lua| {
                    let function = prepared(script, sandbox, lua)?;
                    sandbox.begin()?;
                    work(&function, lua)
                });
                self.taken = sandbox.taken();
                result
            }
            Err(failure) => Err(failure.clone()),
        };
        result.map_err(|failure| self.fail(script, &failure)).ok()
    }

    fn fail(&mut self, script: &Script, failure: &Failure) {
        self.failures.count(failure.kind);
        let message = format!("{}: {}", script.name, failure.message);
        if self.messages.len() < MESSAGE_LIMIT && !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }
}
