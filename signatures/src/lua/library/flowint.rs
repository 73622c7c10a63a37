//! `suricata.flowint`: numbers of the flow, which `flowint` keeps as well.

use mlua::{Error, IntoLuaMulti, Lua, MultiValue, Result};

use super::{Library, give_or, nothing, number, object, text, this};
use crate::lua::context::Context;
use crate::state::flow::FlowState;

pub(super) const LIBRARY: Library = Library {
    names: &["flowint"],
    protocol: None,
    functions: &[("register", register), ("get", get)],
    methods: &[
        ("value", |lua, context, arguments| change(lua, context, arguments, |state, name| Ok(state.int(name)))),
        ("set", |lua, context, arguments| {
            let value = u32::try_from(number(lua, arguments, 1)?).map_err(|_| Error::runtime("it is out of range"))?;
            change(lua, context, arguments, |state, name| {
                state.set_int(name, value);
                Ok(Some(value))
            })
        }),
        ("incr", |lua, context, arguments| step(lua, context, arguments, |value| value.saturating_add(1))),
        ("decr", |lua, context, arguments| step(lua, context, arguments, |value| value.saturating_sub(1))),
    ],
};

/// Makes sure that there is such a number: called by `init`, when names are collected.
fn register(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let name = text(lua, arguments, 0)?;
    if let Some(loading) = &mut context.loading {
        loading.flowints.push(name.to_string_lossy());
    }
    name.into_lua_multi(lua)
}

fn get(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let name = text(lua, arguments, 0)?;
    let known = context.flowints.iter().position(|known| &*name.as_bytes() == known.as_bytes());
    let unknown = || Error::runtime(format!("no rule has a flowint `{}`", name.to_string_lossy()));
    let variable = object(lua, "flowint")?;
    variable.raw_set("index", known.ok_or_else(unknown)?)?;
    variable.into_lua_multi(lua)
}

fn change(
    lua: &Lua,
    context: &mut Context<'_>,
    arguments: &MultiValue,
    work: impl FnOnce(&mut FlowState, u16) -> Result<Option<u32>>,
) -> Result<MultiValue> {
    let index: u16 = this(arguments)?.raw_get("index")?;
    if usize::from(index) >= context.flowints.len() {
        return nothing(lua, "there is no such flowint");
    }
    match context.state.as_deref_mut() {
        Some(state) => give_or(lua, work(state, index)?, "it was never set"),
        None => nothing(lua, "there is no flow"),
    }
}

fn step(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue, step: fn(u32) -> u32) -> Result<MultiValue> {
    change(lua, context, arguments, |state, name| {
        let value = step(state.int(name).unwrap_or(0));
        state.set_int(name, value);
        Ok(Some(value))
    })
}
