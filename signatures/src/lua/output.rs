//! Scripts as outputs: they are shown what happened (packets, alerts, flows, files, bytes of streams, counters, transactions), one after
//! the other, and write files of their own.
//!
//! Such a script runs in the same sandbox and within the same limits as those of rules; besides, it has `io.open` for files that
//! [`Open`] gives it. It runs in one place only, so that what it counts holds for all packets.

use std::fmt;
use std::io::{self, Write};

use mlua::{Function, Lua, Table, Value};
use tapwire_parsers::protocol::{Direction, ProtocolId};
use tapwire_parsers::protocol_id;

use super::context::{Context, FileShown};
use super::sandbox::{Failure, Sandbox};
use super::{Failures, LENGTH_LIMIT};
use crate::rule::Rule;
use crate::rule::condition::{PacketView, TransactionView};
use crate::rule::protocols::canonical_protocol;
use crate::rule::script::Settings;

/// Messages of one script that are kept.
const MESSAGE_LIMIT: usize = 16;
/// Files that a script may have open at once.
const FILE_LIMIT: usize = 16;

/// The function that is shown what happened.
const FUNCTION: &str = "log";

/// Opens a file that a script names, to begin it anew or to append to it (`true`).
pub type Open = Box<dyn Fn(&str, bool) -> io::Result<Box<dyn Write + Send>> + Send>;

/// What a script is shown: its `type` with its `filter`, or its `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Every packet that has an IP header.
    Packet,
    /// Every alert on such a packet.
    Alert,
    /// Every flow, when it has ended.
    Flow,
    /// Every file, when it has ended.
    File,
    /// Every piece of a TCP stream, in order.
    Stream,
    /// Every piece of a body of a protocol, decoded, in order.
    Body(ProtocolId),
    /// The counters, whenever they are written.
    Counters,
    /// Every transaction of a protocol, when nothing more is added to it.
    Transaction(ProtocolId),
}

/// A piece of a stream or of a body.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Nothing came before it.
    pub opens: bool,
    /// Nothing comes behind it.
    pub closes: bool,
    /// Where it goes.
    pub direction: Direction,
}

/// A counter, with its value when counters were shown before.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    /// Its name in `stats` records, with dots.
    pub name: &'a str,
    /// Its value.
    pub value: u64,
    /// That before.
    pub before: u64,
}

/// What happened, as a script is shown it.
#[derive(Clone, Copy, Default)]
pub struct Event<'a> {
    /// The packet, or one that stands for a flow.
    pub packet: Option<&'a PacketView<'a>>,
    /// The transaction that it is about.
    pub transaction: Option<&'a TransactionView<'a>>,
    /// The rule of an alert.
    pub rule: Option<&'a Rule>,
    /// The file.
    pub file: Option<FileShown<'a>>,
    /// A piece of a stream.
    pub piece: Option<Piece<'a>>,
    /// The counters.
    pub counters: &'a [Counter<'a>],
}

/// A script of an output: its text, and what it asked for.
#[derive(Debug)]
pub struct OutputScript {
    name: String,
    text: Vec<u8>,
    settings: Settings,
    /// What it is shown.
    pub shown: Shown,
    /// Only what belongs to flows of this protocol, where it says so beside its `type`.
    pub protocol: Option<ProtocolId>,
}

impl OutputScript {
    /// Reads a script and asks its `init`. `Ok(Err(…))` names something that it asks for and that is not offered.
    pub fn load(name: &str, text: Vec<u8>, settings: Settings) -> Result<Result<Self, String>, String> {
        if text.len() > LENGTH_LIMIT {
            return Err("it is too large".into());
        }
        let needs = Sandbox::new(settings, name, &text, true).and_then(|sandbox| {
            sandbox.run(&mut Context::default(), |lua| {
                let (globals, _) = sandbox.define(FUNCTION)?;
                needs(lua, &globals)
            })
        });
        let needs = needs.map_err(|failure| failure.message)?;
        if needs.is_empty() {
            return Err("its `init` does not say what it needs".into());
        }
        let Some((shown, protocol)) = shown(&needs) else {
            let needs = needs.iter().map(|(key, value)| format!("{key} {value}"));
            return Ok(Err(needs.collect::<Vec<_>>().join(", ")));
        };
        Ok(Ok(Self { name: name.into(), text, settings, shown, protocol }))
    }

    /// Opens its state and calls its `setup`; `log_path` is what it is told of the folder for its files.
    pub fn start(&self, log_path: String, open: Open) -> Result<RunningOutput, String> {
        let told = |failure: Failure| format!("{}: {}", self.name, failure.message);
        let sandbox = Sandbox::new(self.settings, &self.name, &self.text, true).map_err(told)?;
        let mut files = LogFiles { log_path, open, opened: Vec::new() };
        let mut context = Context { files: Some(&mut files), ..Context::default() };
        let defined = sandbox.run(&mut context, |lua| {
            let defined = sandbox.define(FUNCTION)?;
            sandbox.begin()?;
            call_if_there(lua, &defined.0, "setup")?;
            Ok(defined)
        });
        let (globals, log) = defined.map_err(told)?;
        Ok(RunningOutput {
            name: self.name.clone(),
            shown: self.shown,
            protocol: self.protocol,
            globals,
            log,
            sandbox,
            files,
            failures: Failures::default(),
            messages: Vec::new(),
        })
    }
}

/// What needs mean together, and the protocol that they are kept to, where they are offered.
fn shown(needs: &[(String, String)]) -> Option<(Shown, Option<ProtocolId>)> {
    let of = |name: &str| needs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if needs.iter().any(|(key, _)| !matches!(key.as_str(), "type" | "filter" | "protocol")) {
        return None;
    }
    let protocol = match of("protocol") {
        Some(name) => Some(canonical_protocol(name).and_then(protocol_id)?),
        None => None,
    };
    Some(match (of("type"), of("filter"), protocol) {
        (None, None, Some(protocol)) => (Shown::Transaction(protocol), None),
        (Some("packet"), None, protocol) => (Shown::Packet, protocol),
        (Some("packet"), Some("alerts"), protocol) => (Shown::Alert, protocol),
        (Some("flow"), None, protocol) => (Shown::Flow, protocol),
        (Some("file"), None, protocol) => (Shown::File, protocol),
        (Some("streaming"), Some("tcp"), protocol) => (Shown::Stream, protocol),
        (Some("streaming"), None, Some(protocol)) => (Shown::Body(protocol), None),
        (Some("stats"), None, None) => (Shown::Counters, None),
        _ => return None,
    })
}

/// What `init` says that the script needs, in the order of the keys.
fn needs(lua: &Lua, globals: &Table) -> mlua::Result<Vec<(String, String)>> {
    let Some(init) = globals.get::<Option<Function>>("init")? else {
        return Err(mlua::Error::runtime("it has no function `init`"));
    };
    let mut needs = Vec::new();
    if let Value::Table(table) = init.call::<Value>(lua.create_table()?)? {
        for pair in Table::pairs::<String, Value>(&table) {
            let (key, value) = pair?;
            needs.push((key, value.to_string()?));
        }
    }
    needs.sort();
    Ok(needs)
}

/// What `log` is called with: pieces as `stream`, counters as a list.
fn arguments(lua: &Lua, event: &Event<'_>) -> mlua::Result<Table> {
    let arguments = lua.create_table()?;
    if let Some(Piece { data, opens, closes, direction }) = event.piece {
        let stream = lua.create_table()?;
        stream.raw_set("data", lua.create_string(data)?)?;
        stream.raw_set("open", opens)?;
        stream.raw_set("close", closes)?;
        stream.raw_set("toserver", direction == Direction::ToServer)?;
        stream.raw_set("toclient", direction == Direction::ToClient)?;
        arguments.raw_set("stream", stream)?;
    }
    for Counter { name, value, before } in event.counters {
        let counter = lua.create_table_from([("name", *name), ("tmname", "Total")])?;
        counter.raw_set("value", *value)?;
        counter.raw_set("pvalue", *before)?;
        arguments.raw_push(counter)?;
    }
    Ok(arguments)
}

fn call_if_there(lua: &Lua, globals: &Table, name: &str) -> mlua::Result<()> {
    match globals.get(name)? {
        Value::Function(function) => function.call(lua.create_table()?),
        _ => Ok(()),
    }
}

/// A script of an output that was started.
#[derive(Debug)]
pub struct RunningOutput {
    name: String,
    shown: Shown,
    protocol: Option<ProtocolId>,
    sandbox: Sandbox,
    globals: Table,
    log: Function,
    files: LogFiles,
    /// Calls that failed so far.
    pub failures: Failures,
    messages: Vec<String>,
}

impl RunningOutput {
    /// Whether it is to be shown something that is of a flow of a protocol, or of none.
    pub fn wants(&self, shown: Shown, protocol: Option<ProtocolId>) -> bool {
        self.shown == shown && self.protocol.is_none_or(|own| protocol == Some(own))
    }

    /// What it asked for.
    pub fn shown(&self) -> Shown {
        self.shown
    }

    /// Shows it what happened.
    pub fn log(&mut self, event: &Event<'_>) {
        let Event { packet, transaction: subject, rule, file, .. } = *event;
        let files = Some(&mut self.files);
        let mut context = Context { packet, subject, rule, file, files, ..Context::default() };
        let log = &self.log;
        let result = self.sandbox.run(&mut context, |lua| log.call::<()>(arguments(lua, event)?));
        self.note(result);
    }

    /// Calls its `deinit` and closes its files; what went wrong in all its calls, each once.
    pub fn finish(&mut self) -> io::Result<Vec<String>> {
        let mut context = Context { files: Some(&mut self.files), ..Context::default() };
        let result = self.sandbox.run(&mut context, |lua| call_if_there(lua, &self.globals, "deinit"));
        self.note(result);
        self.files.close_all()?;
        Ok(std::mem::take(&mut self.messages))
    }

    /// Hands what it wrote to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.files.opened.iter_mut().flatten().try_for_each(|file| file.flush())
    }

    fn note(&mut self, result: Result<(), Failure>) {
        let Err(failure) = result else { return };
        self.failures.count(failure.kind);
        let message = format!("{}: {}", self.name, failure.message);
        if self.messages.len() < MESSAGE_LIMIT && !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }
}

/// The files of a script.
pub(crate) struct LogFiles {
    /// The folder that they are in, as the script is told.
    pub(super) log_path: String,
    open: Open,
    opened: Vec<Option<Box<dyn Write + Send>>>,
}

impl fmt::Debug for LogFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogFiles({}, {})", self.log_path, self.opened.len())
    }
}

impl LogFiles {
    /// Opens a file; its number.
    pub(super) fn open(&mut self, name: &str, append: bool) -> io::Result<usize> {
        let free = self.opened.iter().position(Option::is_none).unwrap_or(self.opened.len());
        if free >= FILE_LIMIT {
            return Err(io::Error::other("too many files are open"));
        }
        let file = Some((self.open)(name, append)?);
        match self.opened.get_mut(free) {
            Some(slot) => *slot = file,
            None => self.opened.push(file),
        }
        Ok(free)
    }

    /// The file of a number.
    pub(super) fn get(&mut self, number: usize) -> io::Result<&mut (dyn Write + Send + 'static)> {
        let file = self.opened.get_mut(number).and_then(Option::as_deref_mut);
        file.ok_or_else(|| io::Error::other("the file is closed"))
    }

    /// Closes the file of a number.
    pub(super) fn close(&mut self, number: usize) -> io::Result<()> {
        self.get(number)?.flush()?;
        self.opened.get_mut(number).and_then(Option::take);
        Ok(())
    }

    fn close_all(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.opened).into_iter().flatten().try_for_each(|mut file| file.flush())
    }
}
