//! `suricata.dnp3`, whose transaction is a table of plain values: the message's headers and those of its objects.

use mlua::{IntoLuaMulti, Lua, MultiValue, Result, Table};
use tapwire_parsers::dnp3::Message;
use tapwire_parsers::protocol::Direction;

use super::{Library, nothing};
use crate::lua::context::Context;

pub(super) const LIBRARY: Library =
    Library { names: &["dnp3"], protocol: None, functions: &[("get_tx", get_tx)], methods: &[] };

fn get_tx(lua: &Lua, context: &mut Context<'_>, _: &MultiValue) -> Result<MultiValue> {
    let Some((subject, message)) =
        context.subject.and_then(|subject| Some((subject, subject.transaction.as_any().downcast_ref::<Message>()?)))
    else {
        return nothing(lua, "there is no message of DNP3");
    };
    let is_request = subject.direction == Direction::ToServer;
    let transaction = lua.create_table()?;
    transaction.raw_set("tx_num", subject.id)?;
    transaction.raw_set("is_request", is_request)?;
    transaction.raw_set(if is_request { "request" } else { "response" }, message_table(lua, message)?)?;
    transaction.into_lua_multi(lua)
}

fn message_table(lua: &Lua, message: &Message) -> Result<Table> {
    let table = lua.create_table()?;
    // A message is a transaction once it is there.
    table.raw_set("done", true)?;
    table.raw_set("complete", message.complete)?;
    let link = lua.create_table_from([("dst", message.link.destination), ("src", message.link.source)])?;
    link.raw_set("control", message.link.control)?;
    // The length counts from the control octet on.
    link.raw_set("len", message.link.data_len + 5)?;
    table.raw_set("link_header", link)?;
    let application = [("control", message.control), ("function_code", message.function)];
    table.raw_set("application_header", lua.create_table_from(application)?)?;
    table.raw_set("indicators", message.indications)?;
    let objects = lua.create_table()?;
    for object in &message.objects {
        let one = lua.create_table_from([("group", object.group), ("variation", object.variation)])?;
        one.raw_set("count", object.count)?;
        objects.raw_push(one)?;
    }
    table.raw_set("objects", objects)?;
    Ok(table)
}
