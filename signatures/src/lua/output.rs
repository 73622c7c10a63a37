//! Scripts as outputs: they are shown packets, transactions or flows that have ended, one after the other, and write files of their own.
//!
//! Such a script runs in the same sandbox and within the same limits as those of rules; besides, it has `io.open` for files that
//! [`Open`] gives it. It runs in one place only, so that what it counts holds for all packets.

use std::fmt;
use std::io::{self, Write};

use mlua::{Function, Lua, Table, Value};
use tapwire_parsers::protocol::ProtocolId;
use tapwire_parsers::protocol_id;

use super::context::Context;
use super::sandbox::{Failure, Sandbox};
use super::{Failures, LENGTH_LIMIT};
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

/// What a script is shown: its `type`, or its `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Every packet that has an IP header.
    Packet,
    /// Every flow, when it has ended.
    Flow,
    /// Every transaction of a protocol, when nothing more is added to it.
    Transaction(ProtocolId),
}

/// A script of an output: its text, and what it asked for.
#[derive(Debug)]
pub struct OutputScript {
    name: String,
    text: Vec<u8>,
    settings: Settings,
    /// What it is shown.
    pub shown: Shown,
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
        let shown = match needs.as_slice() {
            [] => return Err("its `init` does not say what it needs".into()),
            [(key, value)] => shown(key, value),
            _ => None,
        };
        let Some(shown) = shown else {
            let needs = needs.iter().map(|(key, value)| format!("{key} {value}"));
            return Ok(Err(needs.collect::<Vec<_>>().join(", ")));
        };
        Ok(Ok(Self { name: name.into(), text, settings, shown }))
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
            globals,
            log,
            sandbox,
            files,
            failures: Failures::default(),
            messages: Vec::new(),
        })
    }
}

/// What a need means, where it is offered.
fn shown(key: &str, value: &str) -> Option<Shown> {
    match (key, value) {
        ("type", "packet") => Some(Shown::Packet),
        ("type", "flow") => Some(Shown::Flow),
        ("protocol", name) => canonical_protocol(name).and_then(protocol_id).map(Shown::Transaction),
        _ => None,
    }
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
    /// What it is shown.
    pub shown: Shown,
    sandbox: Sandbox,
    globals: Table,
    log: Function,
    files: LogFiles,
    /// Calls that failed so far.
    pub failures: Failures,
    messages: Vec<String>,
}

impl RunningOutput {
    /// Shows it a packet, or a packet that stands for a flow, and the transaction that it is about.
    pub fn log(&mut self, view: &PacketView<'_>, subject: Option<&TransactionView<'_>>) {
        let mut context = Context { packet: Some(view), subject, files: Some(&mut self.files), ..Context::default() };
        let log = &self.log;
        let result = self.sandbox.run(&mut context, |lua| log.call::<()>(lua.create_table()?));
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
