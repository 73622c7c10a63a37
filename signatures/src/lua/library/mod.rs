//! What scripts `require`: tables of functions, by the library's name after `suricata.`.
//!
//! A library has functions, and methods of the object that its functions give. What they show is known only while a script
//! runs: each hands its question to the listener that is there then ([`listen`]). The library of a protocol gives the open
//! transaction; every field of the protocol's card is a method of it, and a table adds what has another name or shape.

mod base64;
mod bytevar;
mod dataset;
mod dnp3;
mod dns;
mod file;
mod flow;
mod flowint;
mod flowvar;
mod hash;
mod http;
pub(super) mod io;
mod packet;
mod plain;
mod rule;
mod ssh;
mod time;
mod tls;
mod transaction;

use mlua::{Error, Function, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Table, Value};
use tapwire_parsers::protocol::Field;
use tapwire_parsers::{protocol, protocol_id};

use super::context::Context;
use crate::rule::protocols::canonical_protocol;

/// A function of a library.
type Call = fn(&Lua, &mut Context<'_>, &MultiValue) -> Result<MultiValue>;

/// A library.
struct Library {
    /// Its names after `suricata.`.
    names: &'static [&'static str],
    /// The protocol whose transactions it shows.
    protocol: Option<&'static str>,
    functions: &'static [(&'static str, Call)],
    methods: &'static [(&'static str, Call)],
}

static LIBRARIES: &[Library] = &[
    flow::LIBRARY,
    packet::LIBRARY,
    rule::LIBRARY,
    http::LIBRARY,
    dns::LIBRARY,
    dnp3::LIBRARY,
    tls::LIBRARY,
    tls::JA3,
    ssh::LIBRARY,
    file::LIBRARY,
    flowvar::LIBRARY,
    flowint::LIBRARY,
    bytevar::LIBRARY,
    dataset::LIBRARY,
    base64::LIBRARY,
    hash::LIBRARY,
    plain::LOG,
    plain::CONFIG,
    plain::UTIL,
];

/// What a function of a library wants to know.
#[derive(Clone, Copy)]
enum Question {
    Call(Call),
    Field(&'static Field),
    Transaction(&'static str),
}

/// The function that answers while a script runs.
struct Listener(Function);

/// Whether a script has required the library of sets.
pub(super) fn has_sets(lua: &Lua) -> bool {
    lua.named_registry_value::<Value>("library.dataset").is_ok_and(|library| !library.is_nil())
}

/// Hands questions to a function from here on.
pub(super) fn listen(lua: &Lua, listener: Function) {
    lua.set_app_data(Listener(listener));
}

/// Leaves questions without an answer.
pub(super) fn fall_silent(lua: &Lua) {
    lua.remove_app_data::<Listener>();
}

/// Answers the question that was asked last.
pub(super) fn answer(lua: &Lua, context: &mut Context<'_>, arguments: MultiValue) -> Result<MultiValue> {
    let question = lua.app_data_ref::<Question>().map(|question| *question);
    match question {
        Some(Question::Call(call)) => call(lua, context, &arguments),
        Some(Question::Field(field)) => transaction::field(lua, context, field),
        Some(Question::Transaction(name)) => transaction::open(lua, context, name),
        None => Err(Error::runtime("nobody asked")),
    }
}

/// The library of a name, of which each call gets a copy.
pub(super) fn require(lua: &Lua, name: String) -> Result<Table> {
    let short = name.strip_prefix("suricata.").unwrap_or_default();
    let key = format!("library.{short}");
    if let Value::Table(known) = lua.named_registry_value(&key)? {
        return Ok(known);
    }
    let known = LIBRARIES.iter().find(|library| library.names.contains(&short));
    let of_protocol = known.map_or_else(|| canonical_protocol(short), |library| library.protocol);
    let table = lua.create_table()?;
    let methods = lua.create_table()?;
    if let Some(name) = of_protocol {
        table.set("get_tx", asking(lua, Question::Transaction(name))?)?;
        let fields = protocol_id(name).map_or(&[][..], |id| protocol(id).fields);
        for field in fields {
            if let Some(method) = field.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
                methods.set(method.replace('.', "_"), asking(lua, Question::Field(field))?)?;
            }
        }
    } else if known.is_none() {
        return Err(Error::runtime(format!("there is no library `{name}`")));
    }
    for (list, to) in known.map(|library| [(library.functions, &table), (library.methods, &methods)]).iter().flatten() {
        for (name, call) in *list {
            to.set(*name, asking(lua, Question::Call(*call))?)?;
        }
    }
    if methods.is_empty() && of_protocol.is_none() {
        return keep(lua, &key, table);
    }
    let kind = lua.create_table()?;
    kind.set("__index", methods)?;
    kind.set("__metatable", false)?;
    let object = of_protocol.or_else(|| known.and_then(|library| library.names.first().copied())).unwrap_or_default();
    // Libraries that show the same transactions share the methods of them.
    if let Value::Table(other) = lua.named_registry_value(&kind_key(object))? {
        for pair in kind.get::<Table>("__index")?.pairs::<Value, Value>() {
            let (name, method) = pair?;
            other.get::<Table>("__index")?.set(name, method)?;
        }
    } else {
        lua.set_named_registry_value(&kind_key(object), kind)?;
    }
    keep(lua, &key, table)
}

fn keep(lua: &Lua, key: &str, table: Table) -> Result<Table> {
    lua.set_named_registry_value(key, &table)?;
    Ok(table)
}

fn kind_key(object: &str) -> String {
    format!("object.{object}")
}

fn asking(lua: &Lua, question: Question) -> Result<Function> {
    lua.create_function(move |lua, arguments: MultiValue| {
        let listener = lua.app_data_ref::<Listener>().map(|listener| listener.0.clone());
        lua.set_app_data(question);
        match listener {
            Some(listener) => listener.call::<MultiValue>(arguments),
            None => Err(Error::runtime("a library was asked outside a call")),
        }
    })
}

/// A new object with the methods of a library.
fn object(lua: &Lua, library: &str) -> Result<Table> {
    let table = lua.create_table()?;
    table.set_metatable(Some(lua.named_registry_value(&kind_key(library))?))?;
    Ok(table)
}

/// What is returned where there is nothing: nil and the reason.
fn nothing(lua: &Lua, reason: &str) -> Result<MultiValue> {
    (Value::Nil, reason).into_lua_multi(lua)
}

/// A value, or nil and the reason.
fn give_or<T: IntoLuaMulti>(lua: &Lua, value: Option<T>, reason: &str) -> Result<MultiValue> {
    match value {
        Some(value) => value.into_lua_multi(lua),
        None => nothing(lua, reason),
    }
}

/// Bytes, or nil and that there are none.
fn bytes(lua: &Lua, bytes: Option<&[u8]>) -> Result<MultiValue> {
    match bytes {
        Some(bytes) => lua.create_string(bytes)?.into_lua_multi(lua),
        None => nothing(lua, "there is no such value"),
    }
}

/// The argument at a place as bytes; numbers are written out.
fn text(lua: &Lua, arguments: &MultiValue, place: usize) -> Result<LuaString> {
    let value = arguments.get(place).cloned().unwrap_or(Value::Nil);
    lua.coerce_string(value)?.ok_or_else(|| Error::runtime(format!("argument {} is no string", place + 1)))
}

/// The argument at a place as a number.
fn number(lua: &Lua, arguments: &MultiValue, place: usize) -> Result<i64> {
    let value = arguments.get(place).cloned().unwrap_or(Value::Nil);
    lua.coerce_integer(value)?.ok_or_else(|| Error::runtime(format!("argument {} is no number", place + 1)))
}

/// The object that a method is called on.
fn this(arguments: &MultiValue) -> Result<Table> {
    match arguments.front() {
        Some(Value::Table(table)) => Ok(table.clone()),
        _ => Err(Error::runtime("a method is called with a colon, on its object")),
    }
}
