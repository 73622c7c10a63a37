//! A script as a rule names it: its text, and what it told of its needs when the rule was loaded. It is run elsewhere.

use std::fmt;
use std::sync::Arc;

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
    pub(crate) fn function(self) -> &'static str {
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
    pub(crate) slot: u32,
    /// Whose rules name it, 0 where they are nobody's.
    pub(crate) tenant: u32,
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
    pub(crate) settings: Settings,
    pub(crate) purpose: Purpose,
    pub(crate) needs: Vec<Need>,
    /// Variables of the rule's items that it reads, by name.
    pub(crate) variables: Vec<(String, u8)>,
    /// Names of flowints that it uses.
    pub(crate) flowints: Vec<String>,
    /// It may add to the sets of rules.
    pub(crate) uses_sets: bool,
}

impl Script {
    /// Whether it is the one of a tenant, of that name and text.
    pub(crate) fn is(&self, tenant: u32, name: &str, text: &[u8]) -> bool {
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

/// What scripts are allowed: `security.lua`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `allow-rules`: whether rules may have scripts.
    pub allow_rules: bool,
    /// `max-bytes`: memory that one script may hold, in bytes; 0 for no limit.
    pub max_bytes: usize,
    /// `max-instructions`: instructions that one call may take; 0 for no limit.
    pub max_instructions: u32,
    /// `tapwire.lua.max-time-ms`: time of the processor that one call may take, in milliseconds; 0 for no limit.
    pub max_time_ms: u64,
    /// `allow-restricted-functions`: whether scripts may catch errors and change metatables.
    pub allow_restricted: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_rules: true,
            max_bytes: 500_000,
            max_instructions: 500_000,
            max_time_ms: 50,
            allow_restricted: false,
        }
    }
}
