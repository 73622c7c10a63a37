//! `suricata.http`

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};
use tapwire_parsers::protocol::{self as words, Direction};

use super::transaction::{give, read, read_bytes};
use super::{Library, nothing, text};
use crate::lua::context::Context;
use crate::lua::meter;

const TO_SERVER: Option<Direction> = Some(Direction::ToServer);
const TO_CLIENT: Option<Direction> = Some(Direction::ToClient);

pub(super) const LIBRARY: Library = Library {
    names: &["http"],
    protocol: Some("http"),
    functions: &[],
    methods: &[
        ("request_header", |lua, context, arguments| header(lua, context, "http.request_header", arguments)),
        ("response_header", |lua, context, arguments| header(lua, context, "http.response_header", arguments)),
        ("request_headers", |lua, context, _| headers(lua, context, "http.request_header")),
        ("response_headers", |lua, context, _| headers(lua, context, "http.response_header")),
        ("request_headers_raw", |lua, context, _| give(lua, context, "http.header.raw", TO_SERVER)),
        ("response_headers_raw", |lua, context, _| give(lua, context, "http.header.raw", TO_CLIENT)),
        ("request_uri_raw", |lua, context, _| give(lua, context, "http.uri.raw", TO_SERVER)),
        ("request_uri_normalized", |lua, context, _| give(lua, context, "http.uri", TO_SERVER)),
        ("request_host", |lua, context, _| give(lua, context, "http.host", TO_SERVER)),
        ("request_body", |lua, context, _| body(lua, context, "http.request_body", TO_SERVER)),
        ("response_body", |lua, context, _| body(lua, context, "http.response_body", TO_CLIENT)),
    ],
};

/// The headers that a field lists as `name: value`.
fn each<'a>(context: &Context<'a>, field: &str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let lines = (0..).map_while(|index| match read(context, field, None, index) {
        Some(words::Value::Bytes(line)) => Some(line),
        _ => None,
    });
    lines.filter_map(|line| {
        let colon = memchr::memmem::find(line, b": ")?;
        Some((line.get(..colon)?, line.get(colon + 2..)?))
    })
}

fn header(lua: &Lua, context: &mut Context<'_>, field: &str, arguments: &MultiValue) -> Result<MultiValue> {
    let wanted = text(lua, arguments, 1)?;
    meter::spend(lua, each(context, field).count() as u64, 0)?;
    let found = each(context, field).find(|(name, _)| name.eq_ignore_ascii_case(&wanted.as_bytes()));
    super::bytes(lua, found.map(|(_, value)| value))
}

fn headers(lua: &Lua, context: &mut Context<'_>, field: &str) -> Result<MultiValue> {
    let table = lua.create_table()?;
    for (name, value) in each(context, field) {
        meter::spend(lua, 1, name.len() + value.len())?;
        table.raw_set(lua.create_string(name)?, lua.create_string(value)?)?;
    }
    table.into_lua_multi(lua)
}

/// A body as a list of its chunks, of which there is one, and its length.
fn body(lua: &Lua, context: &mut Context<'_>, field: &str, direction: Option<Direction>) -> Result<MultiValue> {
    let Some(data) = read_bytes(context, field, direction) else { return nothing(lua, "there is no body") };
    let chunks = lua.create_sequence_from([lua.create_string(data)?])?;
    (chunks, data.len()).into_lua_multi(lua)
}
