//! `suricata.dns`, which shows what the record of the message shows.

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};

use super::transaction::{give, record};
use super::{Library, give_or, nothing};
use crate::lua::context::Context;

pub(super) const LIBRARY: Library = Library {
    names: &["dns"],
    protocol: Some("dns"),
    functions: &[],
    methods: &[
        ("txid", |lua, context, _| number(lua, context, "id")),
        ("rrname", |lua, context, _| give(lua, context, "dns.queries.rrname", None)),
        ("rcode_string", |lua, context, _| {
            let record = record(lua, context)?;
            let rcode = record.and_then(|record| Some(record.get("rcode")?.as_str()?.to_owned()));
            give_or(lua, rcode, "the message has no code")
        }),
        ("recursion_desired", |lua, context, _| {
            record(lua, context)?.is_some_and(|r| r.get("rd") == Some(&true.into())).into_lua_multi(lua)
        }),
        ("queries", |lua, context, _| section(lua, context, "queries")),
        ("answers", |lua, context, _| section(lua, context, "answers")),
        ("authorities", |lua, context, _| section(lua, context, "authorities")),
    ],
};

fn number(lua: &Lua, context: &mut Context<'_>, key: &str) -> Result<MultiValue> {
    give_or(lua, record(lua, context)?.and_then(|record| record.get(key)?.as_i64()), "there is no such value")
}

/// The entries of a section, counted from 0.
fn section(lua: &Lua, context: &mut Context<'_>, name: &str) -> Result<MultiValue> {
    let Some(record) = record(lua, context)? else { return nothing(lua, "there is no message") };
    let table = lua.create_table()?;
    let entries = record.get(name).and_then(|entries| entries.as_array()).map_or(&[][..], Vec::as_slice);
    for (index, entry) in entries.iter().enumerate() {
        let row = lua.create_table()?;
        for (from, to) in [("rrname", "rrname"), ("rrtype", "type"), ("rdata", "addr")] {
            if let Some(text) = entry.get(from).and_then(serde_json::Value::as_str) {
                row.raw_set(to, text)?;
            }
        }
        if let Some(ttl) = entry.get("ttl").and_then(serde_json::Value::as_i64) {
            row.raw_set("ttl", ttl)?;
        }
        table.raw_set(index, row)?;
    }
    table.into_lua_multi(lua)
}
