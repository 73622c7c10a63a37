//! `suricata.dataset`: scripts add values to the sets of rules.
//!
//! What flows share is decided where all of them are in order. Here a set is as its file has it: that is what `add` answers by,
//! and the value is there for the rules that are decided behind it.

use std::sync::Arc;

use mlua::{Error, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Value};

use super::{Library, nothing, number, object, text, this};
use crate::lua::context::Context;
use crate::rule::dataset::Dataset;
use crate::state::shared::Addition;

/// Values that scripts add while one packet is looked at.
const ADDITION_LIMIT: usize = 1024;
/// Their bytes.
const ADDITION_LIMIT_BYTES: usize = 1 << 20;

pub(super) const LIBRARY: Library = Library {
    names: &["dataset"],
    protocol: None,
    functions: &[("new", |lua, _, _| object(lua, "dataset")?.into_lua_multi(lua))],
    methods: &[("get", get), ("add", add)],
};

/// `get(name)`: makes the object that set.
fn get(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let (this, name) = (this(arguments)?, text(lua, arguments, 1)?);
    if find(context, &name).is_none() {
        return nothing(lua, "there is no such set");
    }
    this.raw_set("name", name)?;
    true.into_lua_multi(lua)
}

/// The set that the script's tenant calls so.
fn find<'a>(context: &Context<'a>, name: &LuaString) -> Option<&'a Arc<Dataset>> {
    let (tenant, name) = (context.script.map_or(0, |script| script.tenant), name.as_bytes());
    context.sets.iter().find(|set| set.tenant == tenant && set.name.as_bytes() == &*name)
}

/// `add(value, length)`: 1, or 0 where the set's file has the value.
fn add(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let Some(name) = this(arguments)?.raw_get::<Option<LuaString>>("name")? else {
        return nothing(lua, "`get` was not asked for a set");
    };
    let value = text(lua, arguments, 1)?;
    let value = value.as_bytes();
    let length = match arguments.get(2) {
        Some(Value::Nil) | None => value.len(),
        Some(_) => usize::try_from(number(lua, arguments, 2)?).unwrap_or(0),
    };
    let value = value.get(..length).unwrap_or(&value);
    let Some(set) = find(context, &name) else { return nothing(lua, "the set is gone") };
    let Some(key) = set.kind.key(value) else { return nothing(lua, "it is no value of the set's type") };
    let (true, Some(additions)) = (context.script.is_some_and(|script| script.uses_sets), &mut context.additions)
    else {
        return Err(Error::runtime("suricata.dataset is required too late: do so before the functions"));
    };
    if set.find(&key, false).is_some() {
        return 0.into_lua_multi(lua);
    }
    let held: usize = additions.iter().map(|addition| addition.key.len()).sum();
    if additions.len() >= ADDITION_LIMIT || held + key.len() > ADDITION_LIMIT_BYTES {
        return nothing(lua, "too many values for one packet");
    }
    additions.push(Addition { set: set.index, key });
    1.into_lua_multi(lua)
}
