//! A Lua state with limits: few functions, bounded memory, and a bounded number of instructions in each call.
//!
//! What the functions of [`library`] do is charged like instructions, by the bytes that they are given. String patterns are not:
//! the C library matches them in one go, on strings that the memory limit bounds.

use std::cell::Cell;
use std::fmt;

use mlua::{Error, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Value};

use super::context::Context;
use super::{Settings, library};

/// Functions that read code or files, which no script gets.
const NEVER: &[&str] = &["load", "loadfile", "dofile"];
/// Functions that scripts get only where `allow-restricted-functions` is set.
const RESTRICTED: &[&str] = &["collectgarbage", "getmetatable", "setmetatable", "pcall", "xpcall"];
/// What one call of a library function costs, in instructions.
const CALL_COST: u64 = 50;
/// Bytes of arguments that cost as much as an instruction.
const BYTES_FOR_ONE: u64 = 16;

/// Why a script was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It called a function that it must not call.
    Blocked(&'static str),
    /// It took too many instructions.
    Instructions,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Blocked(name) => write!(f, "blocked function called: {name}"),
            Stop::Instructions => f.write_str("instruction limit exceeded"),
        }
    }
}

impl std::error::Error for Stop {}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function that is not allowed.
    Blocked,
    /// Too many instructions.
    Instructions,
    /// Too much memory.
    Memory,
    /// Anything else that is wrong with the script.
    Other,
}

/// A script that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match (error.downcast_ref::<Stop>(), root(&error)) {
            (Some(Stop::Blocked(_)), _) => Kind::Blocked,
            (Some(Stop::Instructions), _) => Kind::Instructions,
            (_, Error::MemoryError(_)) => Kind::Memory,
            _ => Kind::Other,
        };
        let text = root(&error).to_string();
        let message = text.lines().next().unwrap_or_default().to_owned();
        Self { kind, message: if kind == Kind::Memory { "memory limit exceeded".into() } else { message } }
    }
}

/// The error inside those that tell where it passed.
fn root(error: &Error) -> &Error {
    match error {
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } | Error::BadArgument { cause, .. } => {
            root(cause)
        }
        error => error,
    }
}

/// A Lua state.
#[derive(Debug)]
pub(super) struct Sandbox {
    lua: Lua,
    instructions: u32,
}

impl Sandbox {
    /// A state in which nothing ran yet.
    pub(super) fn new(settings: Settings) -> Result<Self, Failure> {
        let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8, LuaOptions::new())?;
        close(&lua, settings)?;
        library::install(&lua)?;
        if settings.max_bytes > 0 {
            lua.set_memory_limit(lua.used_memory().saturating_add(settings.max_bytes))?;
        }
        Ok(Self { lua, instructions: settings.max_instructions })
    }

    /// Does some work in the state within the limits; libraries show what the context has.
    pub(super) fn run<R>(
        &self,
        context: &mut Context<'_>,
        work: impl FnOnce(&Lua) -> mlua::Result<R>,
    ) -> Result<R, Failure> {
        let lua = &self.lua;
        let fuel = Cell::new(if self.instructions == 0 { u64::MAX } else { self.instructions.into() });
        if self.instructions > 0 {
            let limit = HookTriggers::new().every_nth_instruction(self.instructions);
            lua.set_hook(limit, |lua, _| {
                // A script that catches the error is stopped at its next instruction.
                let next = HookTriggers::new().every_nth_instruction(1);
                lua.set_hook(next, |_, _| Err(Error::external(Stop::Instructions)))?;
                Err(Error::external(Stop::Instructions))
            })?;
        }
        let result = lua.scope(|scope| {
            let ask = scope.create_function_mut(move |lua, arguments: MultiValue| {
                charge(&fuel, &arguments)?;
                library::answer(lua, context, arguments)
            })?;
            library::listen(lua, ask);
            let result = work(lua);
            library::fall_silent(lua);
            result
        });
        Ok(result?)
    }
}

/// Takes away what scripts must not have.
fn close(lua: &Lua, settings: Settings) -> mlua::Result<()> {
    let globals = lua.globals();
    let restricted = if settings.allow_restricted { &[] } else { RESTRICTED };
    for &name in NEVER.iter().chain(restricted) {
        globals.set(name, blocked(lua, name)?)?;
    }
    if !settings.allow_restricted {
        globals.get::<mlua::Table>("string")?.set("rep", blocked(lua, "string.rep")?)?;
    }
    // What scripts print has no place to go.
    for name in ["print", "warn"] {
        globals.set(name, lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    Ok(())
}

fn blocked(lua: &Lua, name: &'static str) -> mlua::Result<mlua::Function> {
    lua.create_function(move |_, _: MultiValue| -> mlua::Result<()> { Err(Error::external(Stop::Blocked(name))) })
}

fn charge(fuel: &Cell<u64>, arguments: &MultiValue) -> mlua::Result<()> {
    let bytes = |value: &Value| if let Value::String(text) = value { text.as_bytes().len() as u64 } else { 0 };
    let cost = CALL_COST + arguments.iter().map(bytes).sum::<u64>() / BYTES_FOR_ONE;
    fuel.set(fuel.get().checked_sub(cost).ok_or_else(|| Error::external(Stop::Instructions))?);
    Ok(())
}
