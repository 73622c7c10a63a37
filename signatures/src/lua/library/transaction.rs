//! The open transaction, as its protocol's card and records show it.

use mlua::{IntoLuaMulti, Lua, MultiValue, Result, Value};
use tapwire_parsers::json::Object;
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{self as words, Direction, Field, Purpose, Settings};

use super::{bytes, give_or, nothing, object};
use crate::lua::context::Context;
use crate::lua::meter;
use crate::rule::FieldName;
use crate::rule::condition::TransactionView;

/// `get_tx`: the object, if the open transaction is one of the protocol.
pub(super) fn open(lua: &Lua, context: &mut Context<'_>, name: &str) -> Result<MultiValue> {
    match context.subject {
        None => nothing(lua, "there is no transaction"),
        Some(subject) if protocol(subject.protocol).name != name => nothing(lua, "it is one of another protocol"),
        Some(_) => object(lua, name)?.into_lua_multi(lua),
    }
}

/// A field as a method: its value, or a list of all values where there can be several.
pub(super) fn field(lua: &Lua, context: &mut Context<'_>, field: &'static Field) -> Result<MultiValue> {
    let Some(subject) = context.subject else { return nothing(lua, "there is no transaction") };
    let direction = direction_of(field, subject);
    let one = |index| subject.value(field, direction, index);
    if !field.multi {
        return give_or(lua, one(0).map(|value| to_lua(lua, value)).transpose()?, "there is no such value");
    }
    let list = lua.create_table()?;
    for index in 0.. {
        let Some(value) = one(index) else { break };
        meter::spend(lua, 1, value_bytes(&value))?;
        list.raw_push(to_lua(lua, value)?)?;
    }
    list.into_lua_multi(lua)
}

/// A field of the transaction by name, its instance `index`, in a direction where it exists in both.
pub(super) fn read<'a>(
    context: &Context<'a>,
    name: &str,
    direction: Option<Direction>,
    index: usize,
) -> Option<words::Value<'a>> {
    let subject = context.subject?;
    let field = FieldName::find(name)?.of(subject.protocol)?;
    subject.value(field, direction.unwrap_or_else(|| direction_of(field, subject)), index)
}

/// The same as bytes.
pub(super) fn read_bytes<'a>(context: &Context<'a>, name: &str, direction: Option<Direction>) -> Option<&'a [u8]> {
    match read(context, name, direction, 0)? {
        words::Value::Bytes(data) | words::Value::Stream { data, .. } => Some(data),
        words::Value::Number(_) => None,
    }
}

/// A field as bytes or nil, for the tables of protocols.
pub(super) fn give(lua: &Lua, context: &Context<'_>, name: &str, direction: Option<Direction>) -> Result<MultiValue> {
    bytes(lua, read_bytes(context, name, direction))
}

fn direction_of(field: &Field, subject: &TransactionView<'_>) -> Direction {
    match (field.from.to_server, field.from.to_client) {
        (Some(_), None) => Direction::ToServer,
        (None, Some(_)) => Direction::ToClient,
        _ => subject.direction,
    }
}

fn to_lua(lua: &Lua, value: words::Value<'_>) -> Result<Value> {
    Ok(match value {
        words::Value::Bytes(data) | words::Value::Stream { data, .. } => Value::String(lua.create_string(data)?),
        words::Value::Number(number) => Value::Integer(number.cast_signed()),
    })
}

fn value_bytes(value: &words::Value<'_>) -> usize {
    match value {
        words::Value::Bytes(data) | words::Value::Stream { data, .. } => data.len(),
        words::Value::Number(_) => 0,
    }
}

/// What a record shows of the transaction, as JSON.
pub(super) fn record(lua: &Lua, context: &Context<'_>) -> Result<Option<serde_json::Value>> {
    let Some(subject) = context.subject else { return Ok(None) };
    let card = protocol(subject.protocol);
    let recorder = (card.recorder)(&Settings::default());
    let mut out = Vec::new();
    recorder.write(subject.transaction, Purpose::Reference, &mut Object::new(&mut out));
    // To write it and to read it again takes longer than to copy it.
    meter::spend(lua, 0, out.len() * 16)?;
    let mut record: serde_json::Value = serde_json::from_slice(&out).unwrap_or_default();
    Ok(card.event_type.and_then(|kind| record.get_mut(kind).map(serde_json::Value::take)))
}
