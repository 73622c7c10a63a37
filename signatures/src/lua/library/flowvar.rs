//! `suricata.flowvar`: variables of the flow, which records show as well.

use mlua::{Error, IntoLuaMulti, Lua, MultiValue, Result, Value};

use super::{Library, bytes, nothing, number, object, text, this};
use crate::lua::context::Context;

/// Variables of a flow that scripts may add to.
const COUNT_LIMIT: usize = 64;
/// Bytes of a value that are kept.
const VALUE_LIMIT_BYTES: usize = 4 << 10;

/// Bytes of a name.
const NAME_LIMIT_BYTES: usize = 256;

pub(super) const LIBRARY: Library = Library {
    names: &["flowvar"],
    protocol: None,
    functions: &[
        // A variable is there once it is set: there is nothing to prepare.
        ("register", |lua, _, arguments| text(lua, arguments, 0)?.into_lua_multi(lua)),
        ("get", |lua, _, arguments| {
            let variable = object(lua, "flowvar")?;
            variable.raw_set("name", text(lua, arguments, 0)?)?;
            variable.into_lua_multi(lua)
        }),
    ],
    methods: &[("value", value), ("set", set)],
};

fn name(arguments: &MultiValue) -> Result<String> {
    this(arguments)?.raw_get("name")
}

fn value(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let name = name(arguments)?;
    let notes = context.state.as_deref().and_then(|state| state.notes());
    let found = notes.and_then(|notes| notes.variables.iter().find(|(known, _)| **known == *name));
    bytes(lua, found.map(|(_, value)| &**value))
}

/// `set(value, length)`
fn set(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let name = name(arguments)?;
    let value = text(lua, arguments, 1)?;
    let value = value.as_bytes();
    let length = match arguments.get(2) {
        Some(Value::Nil) | None => value.len(),
        Some(_) => usize::try_from(number(lua, arguments, 2)?).unwrap_or(0),
    };
    let value = value.get(..length.min(VALUE_LIMIT_BYTES)).unwrap_or(&value);
    let Some(state) = context.state.as_deref_mut() else { return nothing(lua, "there is no flow") };
    if name.len() > NAME_LIMIT_BYTES {
        return Err(Error::runtime("the name of the variable is too long"));
    }
    let notes = state.notes_mut();
    let known = notes.variables.iter().any(|(known, _)| **known == *name);
    if !known && notes.variables.len() >= COUNT_LIMIT {
        return Err(Error::runtime("the flow has too many variables"));
    }
    notes.set_variable(name.into(), value.into());
    ().into_lua_multi(lua)
}
