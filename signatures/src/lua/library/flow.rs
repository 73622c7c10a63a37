//! `suricata.flow`

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::Direction;

use super::{Library, nothing, object, packet, time};
use crate::lua::context::Context;
use crate::rule::condition::FlowView;

pub(super) const LIBRARY: Library = Library {
    names: &["flow"],
    protocol: None,
    functions: &[("get", |lua, context, _| match of(context) {
        Some(_) => object(lua, "flow")?.into_lua_multi(lua),
        None => nothing(lua, "there is no flow"),
    })],
    methods: &[
        ("timestamps", |lua, context, _| {
            shown(lua, context, |flow| {
                let ((start, start_micros), (now, now_micros)) = (time::halves(flow.start), time::halves(flow.now));
                (start, start_micros, now, now_micros)
            })
        }),
        ("timestring_legacy", |lua, context, _| shown(lua, context, |flow| time::legacy(flow.start))),
        ("timestring_iso8601", |lua, context, _| shown(lua, context, |flow| time::iso8601(flow.start))),
        ("tuple", tuple),
        ("app_layer_proto", |lua, context, _| {
            shown(lua, context, |flow| {
                let name = match flow.protocol {
                    Some(id) => protocol(id).name,
                    // What is not parsed is taken for what both sides agreed on.
                    None if let Some(agreed) = flow.agreed => agreed,
                    None if flow.protocol_failed => "failed",
                    None => "unknown",
                };
                let before = flow.original.map_or("unknown", |id| protocol(id).name);
                (name, name, name, before, flow.agreed.unwrap_or("unknown"))
            })
        }),
        ("has_alerts", |lua, context, _| shown(lua, context, |flow| flow.alerted)),
        ("id", |lua, context, _| shown(lua, context, |flow| flow.id)),
        ("stats", |lua, context, _| {
            shown(lua, context, |flow| {
                let (packets, bytes) = (flow.packets, flow.bytes);
                (packets.to_server, bytes.to_server, packets.to_client, bytes.to_client)
            })
        }),
    ],
};

fn of<'a>(context: &Context<'a>) -> Option<&'a FlowView> {
    context.packet.and_then(|view| view.flow)
}

fn shown<T: IntoLuaMulti>(lua: &Lua, context: &Context<'_>, show: impl FnOnce(&FlowView) -> T) -> Result<MultiValue> {
    match of(context) {
        Some(flow) => show(flow).into_lua_multi(lua),
        None => nothing(lua, "there is no flow"),
    }
}

/// The packet's ends, from the client to the server.
fn tuple(lua: &Lua, context: &mut Context<'_>, _: &MultiValue) -> Result<MultiValue> {
    match context.packet.and_then(|view| Some((view.packet, view.flow?))) {
        Some((packet, flow)) => packet::tuple(lua, packet, flow.direction == Direction::ToClient),
        None => nothing(lua, "there is no flow"),
    }
}
