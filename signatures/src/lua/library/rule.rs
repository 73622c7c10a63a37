//! `suricata.rule`

use mlua::{IntoLuaMulti, Lua, MultiValue, Result};

use super::{Library, nothing, object};
use crate::lua::context::Context;
use crate::rule::{Action, Rule};

pub(super) const LIBRARY: Library = Library {
    names: &["rule"],
    protocol: None,
    functions: &[("get_rule", |lua, context, _| match context.rule {
        Some(_) => object(lua, "rule")?.into_lua_multi(lua),
        None => nothing(lua, "there is no rule"),
    })],
    methods: &[
        ("sid", |lua, context, _| shown(lua, context, |rule| rule.sid)),
        ("gid", |lua, context, _| shown(lua, context, |rule| rule.gid)),
        ("rev", |lua, context, _| shown(lua, context, |rule| rule.rev)),
        ("msg", |lua, context, _| shown(lua, context, |rule| rule.message.clone())),
        ("action", |lua, context, _| shown(lua, context, |rule| action(rule.action))),
        ("class_description", |lua, context, _| shown(lua, context, |rule| rule.category.to_string())),
        ("priority", |lua, context, _| shown(lua, context, |rule| rule.severity)),
        ("class", |lua, context, _| shown(lua, context, |rule| (rule.category.to_string(), rule.severity))),
    ],
};

fn shown<T: IntoLuaMulti>(lua: &Lua, context: &Context<'_>, show: impl FnOnce(&Rule) -> T) -> Result<MultiValue> {
    match context.rule {
        Some(rule) => show(rule).into_lua_multi(lua),
        None => nothing(lua, "there is no rule"),
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Alert => "alert",
        Action::Pass => "pass",
        Action::Drop => "drop",
        Action::Reject => "reject",
        Action::Config => "config",
    }
}
