//! A Lua state with limits: few functions, bounded memory, and a bounded number of instructions in each call.
//!
//! What the functions of [`library`] do is charged like instructions, by the bytes that they are given and give. Functions of Lua's own
//! libraries whose work nothing bounds are replaced: those on patterns by [`strings`], those that go over tables, and those by which a
//! script could run where no limit holds, by `prelude.lua`. What is left takes, for one instruction, no more than a look at all that
//! the memory limit lets a script hold, and the clock of [`Meter`] bounds how often it does that.
//!
//! A script's text is compiled once. Each call gets globals of its own ([`Sandbox::define`]), so that it leaves nothing to the next.

use std::sync::Arc;

use mlua::{Error, Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value};

use super::context::Context;
use super::meter::{Meter, Stop, bytes_of};
use super::{hook, library, meter, strings};
use crate::rule::script::Settings;

/// Functions that scripts have: neither `load` and its neighbours, nor anything that is not named here.
const GLOBALS: &[&str] = &[
    "assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen", "rawset", "select", "tonumber",
    "tostring", "type", "_VERSION",
];
/// Functions that read code or files, which no script gets.
const NEVER: &[&str] = &["load", "loadfile", "dofile"];
/// Functions that scripts get only where `allow-restricted-functions` is set.
const RESTRICTED: &[&str] = &["collectgarbage", "getmetatable", "setmetatable", "pcall", "xpcall"];
/// Libraries that scripts have.
const LIBRARIES: &[&str] = &["math", "string", "table", "utf8"];
/// What one call of a library function costs, in instructions.
const CALL_COST: u64 = 50;
/// Instructions between two looks at what is left.
const HOOK_EVERY: u16 = 256;
/// Memory of the globals that each call gets, which is not the script's.
const GLOBALS_BYTES: usize = 16 << 10;
/// Takes the globals of a call, in front of a script's text.
const OPENING: &[u8] = b"local _ENV = ... ";

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function that is not allowed.
    Blocked,
    /// Too many instructions.
    Instructions,
    /// Too much time.
    Time,
    /// Too much memory.
    Memory,
    /// Anything else that is wrong with the script.
    Other,
}

impl Kind {
    /// Whether it costs time to see that it fails.
    pub(super) fn is_limit(self) -> bool {
        matches!(self, Kind::Instructions | Kind::Time | Kind::Memory)
    }
}

/// A script that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl Failure {
    /// Of a script that was stopped, by an error that says where.
    fn stopped(stop: Stop, error: Error) -> Self {
        let Self { message, .. } = error.into();
        let kind = if stop == Stop::Time { Kind::Time } else { Kind::Instructions };
        // A handler may have put another error in its place.
        let said = message.contains(&stop.to_string());
        Self { kind, message: if said { message } else { stop.to_string() } }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match (error.downcast_ref::<Stop>(), root(&error)) {
            (Some(Stop::Blocked(_)), _) => Kind::Blocked,
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

/// A Lua state with a script.
#[derive(Debug)]
pub(super) struct Sandbox {
    lua: Lua,
    meter: Arc<Meter>,
    /// Makes the globals of a call.
    fresh: Function,
    /// The script's text, which takes them.
    main: Function,
}

impl Sandbox {
    /// A state in which nothing of the script ran yet. `files`: it is one of an output, which opens some.
    pub(super) fn new(settings: Settings, name: &str, text: &[u8], files: bool) -> Result<Self, Failure> {
        let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8, LuaOptions::new())?;
        let meter = Meter::new(settings);
        lua.set_app_data(Arc::clone(&meter));
        let fresh = prelude(&lua, settings, files)?;
        if settings.max_bytes > 0 {
            let own = lua.used_memory().saturating_add(GLOBALS_BYTES);
            lua.set_memory_limit(own.saturating_add(settings.max_bytes))?;
        }
        if text.first() == Some(&0x1b) {
            // Nothing checks that compiled chunks are sound.
            return Err(Error::runtime("it is a binary chunk, not a text").into());
        }
        let whole = [OPENING, text].concat();
        let main =
            lua.load(whole).set_name(format!("@{name}")).set_mode(mlua::chunk::ChunkMode::Text).into_function()?;
        Ok(Self { lua, meter, fresh, main })
    }

    /// Instructions that the last call took, or work that costs as much.
    pub(super) fn taken(&self) -> u64 {
        self.meter.taken()
    }

    /// Does some work in the state within the limits; libraries show what the context has.
    pub(super) fn run<R>(
        &self,
        context: &mut Context<'_>,
        work: impl FnOnce(&Lua) -> mlua::Result<R>,
    ) -> Result<R, Failure> {
        let (lua, meter) = (&self.lua, &self.meter);
        self.begin()?;
        let result = lua.scope(|scope| {
            let ask = scope.create_function_mut(move |lua, arguments: MultiValue| {
                let charge = |values: &MultiValue| meter.spend_bytes(bytes_of(values.iter())).map_err(Error::external);
                meter.spend(CALL_COST).map_err(Error::external)?;
                charge(&arguments)?;
                let answer = library::answer(lua, context, arguments)?;
                charge(&answer)?;
                Ok(answer)
            })?;
            library::listen(lua, ask);
            let result = work(lua);
            library::fall_silent(lua);
            result
        });
        result.map_err(|error| match meter.stopped() {
            Some(stop) => Failure::stopped(stop, error),
            None => error.into(),
        })
    }

    /// Runs the script's text with globals of its own, and gives these and the function of a name that it must define.
    pub(super) fn define(&self, function: &str) -> mlua::Result<(Table, Function)> {
        let globals: Table = self.fresh.call(())?;
        self.begin()?;
        self.main.call::<()>(&globals)?;
        let missing = || Error::runtime(format!("it has no function `{function}`"));
        let function = globals.get::<Option<Function>>(function).ok().flatten().ok_or_else(missing)?;
        Ok((globals, function))
    }

    /// What follows has all of what a call may cost.
    pub(super) fn begin(&self) -> mlua::Result<()> {
        self.meter.begin();
        hook::count(&self.lua, &self.meter, HOOK_EVERY)
    }
}

/// Puts together what scripts have; the function that makes globals of it.
fn prelude(lua: &Lua, settings: Settings, files: bool) -> mlua::Result<Function> {
    strings::install(lua)?;
    let (all, raw, libraries) = (lua.globals(), lua.create_table()?, lua.create_table()?);
    let of_string = lua.load("return getmetatable('')").eval::<Table>()?;
    for &name in GLOBALS {
        raw.set(name, all.get::<Value>(name)?)?;
    }
    for &name in LIBRARIES {
        libraries.set(name, all.get::<Table>(name)?)?;
    }
    for &name in RESTRICTED {
        raw.set(name, if settings.allow_restricted { all.get::<Value>(name)? } else { blocked(lua, name)? })?;
    }
    for &name in NEVER {
        raw.set(name, blocked(lua, name)?)?;
    }
    // What scripts print has no place to go.
    for name in ["print", "warn"] {
        raw.set(name, lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    if files {
        libraries.set("io", library::io::table(lua)?)?;
    }
    let tools = lua.create_table()?;
    tools.set("restricted", settings.allow_restricted)?;
    tools.set("library", lua.create_function(library::require)?)?;
    tools.set("spend", lua.create_function(|lua, bytes: usize| meter::spend(lua, 1, bytes))?)?;
    tools.set("exhausted", lua.create_function(|lua, ()| meter::spend(lua, 0, 0))?)?;
    lua.load(include_str!("prelude.lua")).set_name("=tapwire").call((raw, libraries, of_string, tools))
}

fn blocked(lua: &Lua, name: &'static str) -> mlua::Result<Value> {
    let stop = move |_: &Lua, _: MultiValue| -> mlua::Result<()> { Err(Error::external(Stop::Blocked(name))) };
    lua.create_function(stop).map(Value::Function)
}
