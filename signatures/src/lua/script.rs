//! A script as a rule names it: its text, and what it told of its needs when the rule was loaded.

use mlua::{Lua, Table, Value};

use super::context::{Context, Loading};
use super::library;
use super::sandbox::{Failure, Sandbox};
use crate::rule::script::{Need, Purpose, Script, Settings};

impl Script {
    /// Runs a script's text and its `init`, to see whether it can be used and what it needs.
    pub(super) fn load(
        (slot, tenant, name): (u32, u32, &str),
        text: Vec<u8>,
        settings: Settings,
        purpose: Purpose,
        variables: &[String],
    ) -> Result<Self, Failure> {
        let mut script = Self {
            slot,
            tenant,
            name: name.into(),
            text,
            settings,
            purpose,
            needs: vec![],
            variables: vec![],
            flowints: vec![],
            uses_sets: false,
        };
        let sandbox = script.sandbox()?;
        let loading = Loading { variables, wanted: Vec::new(), flowints: Vec::new() };
        let mut context = Context { loading: Some(loading), ..Context::default() };
        let told = sandbox.run(&mut context, |lua| Ok((script.init(lua, &sandbox)?, library::has_sets(lua))));
        (script.needs, script.uses_sets) = told?;
        if let Some(loading) = context.loading {
            (script.variables, script.flowints) = (loading.wanted, loading.flowints);
        }
        Ok(script)
    }

    /// A state of its own.
    pub(super) fn sandbox(&self) -> Result<Sandbox, Failure> {
        Sandbox::new(self.settings, &self.name, &self.text, false)
    }

    fn init(&self, lua: &Lua, sandbox: &Sandbox) -> mlua::Result<Vec<Need>> {
        let (globals, _) = sandbox.define(self.purpose.function())?;
        let init = match globals.get::<Value>("init")? {
            Value::Function(init) => init,
            _ if self.purpose == Purpose::Transform => return Ok(Vec::new()),
            _ => return Err(mlua::Error::runtime("it has no function `init`")),
        };
        let mut needs = Vec::new();
        if let Value::Table(table) = init.call::<Value>(lua.create_table()?)? {
            for pair in Table::pairs::<Value, Value>(&table) {
                let (Value::String(key), value) = pair? else { continue };
                let wanted = match &value {
                    Value::Boolean(wanted) => *wanted,
                    Value::String(text) => &*text.as_bytes() == b"true",
                    _ => false,
                };
                let key = key.to_string_lossy();
                needs.extend(wanted.then(|| match key.as_ref() as &str {
                    "packet" => Need::Packet,
                    "payload" => Need::Payload,
                    "stream" => Need::Stream,
                    "buffer" => Need::Buffer,
                    _ => Need::Named(key.clone()),
                }));
            }
        }
        needs.sort_by_key(|need| format!("{need:?}"));
        Ok(needs)
    }
}
