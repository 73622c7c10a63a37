//! `suricata.bytevar`: what `byte_extract` and `byte_math` of the rule read.

use mlua::{Error, IntoLuaMulti, Lua, MultiValue, Result};

use super::{Library, object, text, this};
use crate::lua::context::Context;

pub(super) const LIBRARY: Library = Library {
    names: &["bytevar"],
    protocol: None,
    functions: &[("map", map), ("get", get)],
    methods: &[("value", |lua, context, arguments| {
        let index: usize = this(arguments)?.raw_get("index")?;
        context.variables.get(index).copied().unwrap_or(0).cast_signed().into_lua_multi(lua)
    })],
};

/// `map(sig, name)`: called by `init`, when the rule's variables are known by name.
fn map(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let name = text(lua, arguments, 1)?.to_string_lossy();
    if let Some(loading) = &mut context.loading {
        let index = loading.variables.iter().position(|known| *known == name).and_then(|i| u8::try_from(i).ok());
        let unknown = || Error::runtime(format!("the rule sets no variable `{name}` before the script"));
        loading.wanted.push((name.clone(), index.ok_or_else(unknown)?));
    }
    ().into_lua_multi(lua)
}

/// `get(name)`, or `get` with the place at which the variable was mapped, from 0.
fn get(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let name = text(lua, arguments, 0)?.to_string_lossy();
    let known = context.script.map_or(&[][..], |script| &script.variables);
    let by_place = || name.parse().ok().and_then(|place: usize| known.get(place));
    let found = known.iter().find(|(known, _)| *known == name).or_else(by_place);
    let (_, index) = found.ok_or_else(|| Error::runtime(format!("variable `{name}` was not mapped in init")))?;
    let variable = object(lua, "bytevar")?;
    variable.raw_set("index", *index)?;
    variable.into_lua_multi(lua)
}
