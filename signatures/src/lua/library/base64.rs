//! `suricata.base64`

use data_encoding::{BASE64, BASE64_NOPAD, Encoding};
use mlua::{IntoLuaMulti, Lua, MultiValue, Result};

use super::{Library, nothing, text};
use crate::rule::transform::{Base64, Base64Mode};

pub(super) const LIBRARY: Library = Library {
    names: &["base64"],
    protocol: None,
    functions: &[
        ("encode", |lua, _, arguments| encode(lua, arguments, &BASE64)),
        ("encode_nopad", |lua, _, arguments| encode(lua, arguments, &BASE64_NOPAD)),
        ("decode", |lua, _, arguments| decode(lua, arguments, |text| BASE64.decode(text).ok())),
        ("decode_nopad", |lua, _, arguments| decode(lua, arguments, |text| BASE64_NOPAD.decode(text).ok())),
        ("decode_padopt", |lua, _, arguments| {
            decode(lua, arguments, |text| BASE64.decode(text).or_else(|_| BASE64_NOPAD.decode(text)).ok())
        }),
        ("decode_rfc2045", |lua, _, arguments| decode(lua, arguments, |text| lenient(text, Base64Mode::Rfc2045))),
        ("decode_rfc4648", |lua, _, arguments| decode(lua, arguments, |text| lenient(text, Base64Mode::Rfc4648))),
    ],
    methods: &[],
};

fn encode(lua: &Lua, arguments: &MultiValue, encoding: &Encoding) -> Result<MultiValue> {
    encoding.encode(&text(lua, arguments, 0)?.as_bytes()).into_lua_multi(lua)
}

fn decode(lua: &Lua, arguments: &MultiValue, decode: fn(&[u8]) -> Option<Vec<u8>>) -> Result<MultiValue> {
    match decode(&text(lua, arguments, 0)?.as_bytes()) {
        Some(bytes) => lua.create_string(bytes)?.into_lua_multi(lua),
        None => nothing(lua, "it is no base64"),
    }
}

fn lenient(text: &[u8], mode: Base64Mode) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    Base64 { mode, ..Base64::default() }.apply(text, &mut out);
    Some(out)
}
