//! `suricata.file`: the file that travels in the transaction, the first where there are several.

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};

use super::{Library, nothing, object};
use crate::lua::context::Context;
use crate::rule::condition::FileView;

pub(super) const LIBRARY: Library = Library {
    names: &["file"],
    protocol: None,
    functions: &[("get_file", |lua, context, _| match of(context) {
        Some(_) => object(lua, "file")?.into_lua_multi(lua),
        None => nothing(lua, "there is no file"),
    })],
    methods: &[
        ("tx_id", |lua, context, _| context.subject.map(|subject| subject.id).into_lua_multi(lua)),
        ("name", |lua, context, _| super::bytes(lua, of(context).map(|file| file.name))),
        ("size", |lua, context, _| shown(lua, context, |file| file.size)),
        ("md5", |lua, context, _| shown(lua, context, |file| hex(file.md5.map(|hash| &hash[..])))),
        ("sha1", |lua, context, _| shown(lua, context, |file| hex(file.sha1.map(|hash| &hash[..])))),
        ("sha256", |lua, context, _| shown(lua, context, |file| hex(file.sha256.map(|hash| &hash[..])))),
        ("get_state", |lua, context, _| {
            shown(lua, context, |file| match (file.closed, file.complete) {
                (false, _) => "OPENED",
                (true, true) => "CLOSED",
                (true, false) => "TRUNCATED",
            })
        }),
    ],
};

fn of<'a>(context: &Context<'a>) -> Option<&'a FileView<'a>> {
    context.subject.and_then(|subject| subject.files.first())
}

fn shown<T: IntoLuaMulti>(
    lua: &Lua,
    context: &Context<'_>,
    show: impl FnOnce(&FileView<'_>) -> T,
) -> Result<MultiValue> {
    match of(context) {
        Some(file) => show(file).into_lua_multi(lua),
        None => nothing(lua, "there is no file"),
    }
}

fn hex(hash: Option<&[u8]>) -> Option<String> {
    hash.map(|hash| data_encoding::HEXLOWER.encode(hash))
}
