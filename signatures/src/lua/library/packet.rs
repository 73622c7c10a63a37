//! `suricata.packet`

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};
use tapwire_parsers::link::{Layer4, Packet};

use super::{Library, bytes, give_or, nothing, object, time};
use crate::lua::context::Context;

pub(super) const LIBRARY: Library = Library {
    names: &["packet"],
    protocol: None,
    functions: &[("get", |lua, context, _| match context.packet {
        Some(_) => object(lua, "packet")?.into_lua_multi(lua),
        None => nothing(lua, "there is no packet"),
    })],
    methods: &[
        ("timestamp", |lua, context, _| shown(lua, context, |packet| time::halves(packet.time))),
        ("timestring_legacy", |lua, context, _| shown(lua, context, |packet| time::legacy(packet.time))),
        ("timestring_iso8601", |lua, context, _| shown(lua, context, |packet| time::iso8601(packet.time))),
        ("tuple", |lua, context, _| match of(context) {
            Some(packet) => tuple(lua, packet, false),
            None => nothing(lua, "there is no packet"),
        }),
        ("sp", |lua, context, _| port(lua, context, |ports| ports.0)),
        ("dp", |lua, context, _| port(lua, context, |ports| ports.1)),
        ("payload", |lua, context, _| bytes(lua, of(context).map(|packet| packet.payload).filter(|p| !p.is_empty()))),
        ("packet", |lua, context, _| bytes(lua, of(context).map(|packet| packet.data))),
        ("pcap_cnt", |lua, context, _| shown(lua, context, |packet| packet.number)),
    ],
};

fn of<'a>(context: &Context<'a>) -> Option<&'a Packet<'a>> {
    context.packet.map(|view| view.packet)
}

fn shown<T: IntoLuaMulti>(lua: &Lua, context: &Context<'_>, show: impl FnOnce(&Packet<'_>) -> T) -> Result<MultiValue> {
    match of(context) {
        Some(packet) => show(packet).into_lua_multi(lua),
        None => nothing(lua, "there is no packet"),
    }
}

fn port(lua: &Lua, context: &Context<'_>, side: fn((u16, u16)) -> u16) -> Result<MultiValue> {
    match of(context) {
        Some(packet) => give_or(lua, packet.has_ports().then(|| side(packet.ports())), "the packet has no ports"),
        None => nothing(lua, "there is no packet"),
    }
}

/// Version of IP, source and destination, protocol, and ports or, of ICMP, type and code. `turned` gives the answer's side.
pub(super) fn tuple(lua: &Lua, packet: &Packet<'_>, turned: bool) -> Result<MultiValue> {
    let Some(ip) = &packet.ip else { return nothing(lua, "the packet has no IP header") };
    let version = if ip.source.is_ipv4() { 4 } else { 6 };
    let (source, destination) = if turned { (ip.destination, ip.source) } else { (ip.source, ip.destination) };
    let (first, second) = match &packet.layer4 {
        Layer4::Icmp(icmp) => (icmp.kind.into(), icmp.code.into()),
        _ if turned => (packet.ports().1, packet.ports().0),
        _ => packet.ports(),
    };
    let (mut from, mut to) = (Vec::new(), Vec::new());
    tapwire_parsers::json::write_address(&mut from, source);
    tapwire_parsers::json::write_address(&mut to, destination);
    (version, lua.create_string(from)?, lua.create_string(to)?, ip.protocol, first, second).into_lua_multi(lua)
}
