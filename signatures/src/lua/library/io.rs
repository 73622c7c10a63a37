//! `io.open` and the methods of its files, for scripts of outputs. Files can be written or appended to, and not read.
//!
//! As in Lua, what fails gives nil and the reason.

use std::io;

use mlua::{IntoLuaMulti, Lua, MultiValue, Result, Table};

use super::{Call, Question, asking, kind_key, nothing, object, text, this};
use crate::lua::context::Context;
use crate::lua::output::LogFiles;

/// What files are called among the objects of libraries.
const FILE: &str = "io.file";
/// Where an object keeps the number of its file.
const NUMBER: &str = "number";

const METHODS: &[(&str, Call)] = &[
    ("write", write),
    ("flush", |lua, context, arguments| with_file(lua, context, arguments, |files, number| files.get(number)?.flush())),
    ("close", |lua, context, arguments| with_file(lua, context, arguments, LogFiles::close)),
];

/// What `io` is.
pub(in crate::lua) fn table(lua: &Lua) -> Result<Table> {
    let (methods, kind, table) = (lua.create_table()?, lua.create_table()?, lua.create_table()?);
    for (name, call) in METHODS {
        methods.set(*name, asking(lua, Question::Call(*call))?)?;
    }
    kind.set("__index", methods)?;
    kind.set("__metatable", false)?;
    lua.set_named_registry_value(&kind_key(FILE), kind)?;
    table.set("open", asking(lua, Question::Call(open))?)?;
    Ok(table)
}

fn open(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let name = text(lua, arguments, 0)?.to_string_lossy();
    let mode = if arguments.len() > 1 { text(lua, arguments, 1)?.to_string_lossy() } else { "r".into() };
    let append = match mode.trim_end_matches('b') {
        "w" => false,
        "a" => true,
        _ => return nothing(lua, &format!("{name}: scripts only write files (mode w or a)")),
    };
    let Some(files) = context.files.as_deref_mut() else { return nothing(lua, "there are no files yet") };
    match files.open(&name, append) {
        Ok(number) => {
            let file = object(lua, FILE)?;
            file.raw_set(NUMBER, number)?;
            file.into_lua_multi(lua)
        }
        Err(error) => nothing(lua, &format!("{name}: {error}")),
    }
}

fn write(lua: &Lua, context: &mut Context<'_>, arguments: &MultiValue) -> Result<MultiValue> {
    let mut texts = Vec::new();
    for place in 1..arguments.len() {
        texts.push(text(lua, arguments, place)?);
    }
    with_file(lua, context, arguments, |files, number| {
        let file = files.get(number)?;
        texts.iter().try_for_each(|text| file.write_all(&text.as_bytes()))
    })
}

/// Does something with the file that a method is called on; gives the file.
fn with_file(
    lua: &Lua,
    context: &mut Context<'_>,
    arguments: &MultiValue,
    work: impl FnOnce(&mut LogFiles, usize) -> io::Result<()>,
) -> Result<MultiValue> {
    let file = this(arguments)?;
    let number = file.raw_get::<usize>(NUMBER)?;
    let Some(files) = context.files.as_deref_mut() else { return nothing(lua, "there are no files") };
    match work(files, number) {
        Ok(()) => file.into_lua_multi(lua),
        Err(error) => nothing(lua, &error.to_string()),
    }
}
