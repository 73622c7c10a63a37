//! A script as a rule names it: its text, and what it told of its needs when the rule was loaded.

use std::fmt;
use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::context::{Context, Loading};
use super::sandbox::{Failure, Sandbox};
use super::{Settings, library};

/// What a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// `lua`: its function `match` decides.
    Match,
    /// `luaxform`: its function `transform` makes bytes of bytes.
    Transform,
}

impl Purpose {
    /// The function that does it.
    pub(super) fn function(self) -> &'static str {
        match self {
            Purpose::Match => "match",
            Purpose::Transform => "transform",
        }
    }
}

/// What `init` asks for, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// `packet`: any packet.
    Packet,
    /// `payload`: a packet with a payload.
    Payload,
    /// `stream`: a chunk of the stream.
    Stream,
    /// `buffer`: the sticky buffer that is open.
    Buffer,
    /// Something else: a buffer or a protocol.
    Named(String),
}

/// A script.
pub struct Script {
    /// Which of the load's it is: workers keep its state under this number.
    pub(super) slot: u32,
    /// Whose rules name it, 0 where they are nobody's.
    pub(crate) tenant: u32,
    pub(super) name: String,
    pub(super) text: Vec<u8>,
    pub(super) settings: Settings,
    pub(super) purpose: Purpose,
    pub(crate) needs: Vec<Need>,
    /// Variables of the rule's items that it reads, by name.
    pub(super) variables: Vec<(String, u8)>,
    /// Names of flowints that it uses.
    pub(crate) flowints: Vec<String>,
    /// It may add to the sets of rules.
    pub(crate) uses_sets: bool,
}

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

    /// Whether it is the one of a tenant, of that name and text.
    pub(super) fn is(&self, tenant: u32, name: &str, text: &[u8]) -> bool {
        self.tenant == tenant && self.name == name && self.text == text
    }

    /// Whether it can only be asked about a packet.
    pub(crate) fn is_of_packets(&self) -> bool {
        self.needs.iter().any(|need| matches!(need, Need::Packet | Need::Payload))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({} {})", self.slot, self.name)
    }
}

/// `lua`: a script that must say yes, or no.
#[derive(Clone, Debug)]
pub struct ScriptTest {
    /// The script.
    pub(crate) script: Arc<Script>,
    /// `!`
    pub(crate) negated: bool,
    /// The name under which it gets the buffer, beside `buffer`.
    pub(crate) buffer: Box<str>,
}

/// `luaxform`: a script that makes bytes of bytes.
#[derive(Clone, Debug)]
pub struct ScriptTransform {
    /// The script.
    pub(crate) script: Arc<Script>,
    /// What the rule gives it beside the bytes.
    pub(crate) arguments: Vec<String>,
}

impl PartialEq for ScriptTransform {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.script, &other.script) && self.arguments == other.arguments
    }
}
