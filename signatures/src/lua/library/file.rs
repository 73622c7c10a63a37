//! `suricata.file`: the file that an output is shown, or that travels in the transaction, the first where there are several.

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};

use super::{Library, bytes, give_or, nothing, object};
use crate::lua::context::{Context, FileShown};

pub(super) const LIBRARY: Library = Library {
    names: &["file"],
    protocol: None,
    functions: &[("get_file", |lua, context, _| match context.shown_file() {
        Some(_) => object(lua, "file")?.into_lua_multi(lua),
        None => nothing(lua, NONE),
    })],
    methods: &[
        ("file_id", |lua, context, _| shown(lua, context, |file| file.number)),
        ("tx_id", |lua, context, _| shown(lua, context, |file| file.transaction)),
        ("name", |lua, context, _| bytes(lua, context.shown_file().map(|file| file.name))),
        ("size", |lua, context, _| shown(lua, context, |file| file.size)),
        ("magic", |lua, context, _| known(lua, context, |file| file.magic.map(str::to_owned))),
        ("md5", |lua, context, _| known(lua, context, |file| file.md5.map(|hash| hex(hash)))),
        ("sha1", |lua, context, _| known(lua, context, |file| file.sha1.map(|hash| hex(hash)))),
        ("sha256", |lua, context, _| known(lua, context, |file| file.sha256.map(|hash| hex(hash)))),
        ("get_state", |lua, context, _| shown(lua, context, |file| file.state)),
        ("is_stored", |lua, context, _| known(lua, context, |file| file.stored)),
    ],
};

const NONE: &str = "there is no file";

fn shown<T: IntoLuaMulti>(
    lua: &Lua,
    context: &Context<'_>,
    show: impl FnOnce(FileShown<'_>) -> T,
) -> Result<MultiValue> {
    give_or(lua, context.shown_file().map(show), NONE)
}

fn known<T: IntoLuaMulti>(
    lua: &Lua,
    context: &Context<'_>,
    show: impl FnOnce(FileShown<'_>) -> Option<T>,
) -> Result<MultiValue> {
    match context.shown_file() {
        Some(file) => give_or(lua, show(file), "it is not known of the file"),
        None => nothing(lua, NONE),
    }
}

fn hex(hash: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(hash)
}
