//! `suricata.log`, `suricata.config` and `suricata.util`

use mlua::IntoLuaMulti;

use super::{Call, Library};

/// What scripts log has no reader: what went wrong with a script is told without its help.
const QUIET: Call = |lua, _, _| ().into_lua_multi(lua);

pub(super) const LOG: Library = Library {
    names: &["log"],
    protocol: None,
    functions: &[
        ("info", QUIET),
        ("notice", QUIET),
        ("warning", QUIET),
        ("error", QUIET),
        ("debug", QUIET),
        ("config", QUIET),
        ("perf", QUIET),
    ],
    methods: &[],
};

pub(super) const CONFIG: Library = Library {
    names: &["config"],
    protocol: None,
    // Rules know no folder; a script of a rule could not write there either.
    functions: &[("log_path", |lua, context, _| {
        context.files.as_ref().map_or(".", |files| files.log_path.as_str()).into_lua_multi(lua)
    })],
    methods: &[],
};

pub(super) const UTIL: Library = Library {
    names: &["util"],
    protocol: None,
    // All workers have the same name, so that what a script answers does not depend on how many there are.
    functions: &[("thread_info", |lua, _, _| {
        let table = lua.create_table()?;
        table.raw_set("id", 1)?;
        table.raw_set("name", "W#01")?;
        table.into_lua_multi(lua)
    })],
    methods: &[],
};
