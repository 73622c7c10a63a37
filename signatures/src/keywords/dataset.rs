//! `dataset` and `datarep`: whether a value is in a set that a file or other rules filled, and its score there.

use std::path::{Component, Path};
use std::sync::Arc;

use super::Keyword;
use crate::builder::known_sets::Known;
use crate::builder::{Argument, Builder, Environment, SharedNames};
use crate::rule::Buffer;
use crate::rule::dataset::{Dataset, Entries, Format, Kind, Layout, Operation, Read, is_set};
use crate::rule::fault::Fault;
use crate::rule::item::{DatasetScore, DatasetTest, Item};
use crate::rule::number::NumberTest;
use crate::rule::outside::{NamedFile, Outside};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "dataset",
        aliases: &[],
        doc: "Asks whether the buffer is in a set (`isset`, `isnotset`), adds it (`set`, holds where it is new) or removes it (`unset`). The set has a `type` (string, md5, sha256, ipv4, ip, or ipv6, which is the same as ip) and may come from a file (`load`), be written to one at the end (`save`) or both (`state`); a file may be JSON (`format json` or `ndjson`, `value_key`, `array_key`, `remove_key`) whose objects are shown in alerts under `context_key`. `match subdomain` takes names that end with one of the set as well.",
        examples: &["dataset:set,seen,type string,memcap 1mb", "dataset:isset,seen"],
        parse: dataset,
    },
    Keyword {
        name: "datarep",
        aliases: &[],
        doc: "Compares the score of the buffer in a set whose file has a score, from 0 to 65535, for each value.",
        examples: &[],
        parse: score,
    },
];

/// What a rule says of a set.
#[derive(Default)]
struct Said {
    kind: Option<Kind>,
    load: Option<String>,
    save: Option<String>,
    state: Option<String>,
    limit_bytes: Option<usize>,
    layout: Layout,
    subdomains: bool,
    context: Option<String>,
}

fn said<'a>(options: impl Iterator<Item = &'a str>, argument: &Argument<'_>) -> Result<Said, Fault> {
    let mut said = Said::default();
    for option in options {
        let (key, value) =
            option.split_once(char::is_whitespace).map_or((option, ""), |(key, value)| (key, value.trim()));
        let wrong = |what: &str, hint: &str| argument.fault(format!("`{value}` is no {what}"), hint);
        if value.is_empty() && key != "remove_key" {
            return Err(argument.fault(format!("`{key}` needs a value"), "such as `type string`"));
        }
        match key {
            "type" => {
                let kind = Kind::of(value).ok_or_else(|| wrong("type", "string, md5, sha256, ipv4, ip or ipv6"))?;
                said.kind = Some(kind);
            }
            "load" => said.load = Some(value.into()),
            "save" => said.save = Some(value.into()),
            "state" => said.state = Some(value.into()),
            "memcap" => {
                let bytes = tapwire_parsers::protocol::parse_size(value).and_then(|n| usize::try_from(n).ok());
                said.limit_bytes = Some(bytes.ok_or_else(|| wrong("size", "such as 64mb"))?);
            }
            "hashsize" => drop(value.parse::<u32>().map_err(|_| wrong("number", "the table grows by itself"))?),
            "format" => {
                said.layout.format = match value {
                    "csv" => Format::Lines,
                    "json" => Format::Json,
                    "ndjson" | "jsonline" => Format::JsonLines,
                    _ => return Err(wrong("format", "csv, json or ndjson")),
                }
            }
            "value_key" => said.layout.value_key = value.into(),
            "array_key" => said.layout.array_key = Some(value.into()),
            "remove_key" => said.layout.remove_key = true,
            "context_key" | "enrichment_key" => said.context = Some(value.into()),
            "match" => {
                said.subdomains = match value {
                    "subdomain" => true,
                    "exact" => false,
                    _ => return Err(wrong("way to compare", "exact or subdomain")),
                }
            }
            _ => return Err(argument.fault(format!("`{key}` is unknown here"), "type, load, save, state, memcap, hashsize, format, value_key, array_key, remove_key, context_key or match")),
        }
    }
    let json = matches!(said.layout.format, Format::Json | Format::JsonLines);
    if json && (said.layout.value_key.is_empty() || said.context.is_none()) {
        return Err(argument.fault("a JSON set needs a value_key and a context_key", "such as `value_key ip`"));
    }
    if said.state.is_some() && (said.load.is_some() || said.save.is_some()) {
        return Err(argument.fault("`state` stands beside `load` or `save`", "`state` means both"));
    }
    if json && (said.save.is_some() || said.state.is_some()) {
        return Err(argument.fault("a JSON set cannot be saved", "use `load`"));
    }
    if said.load.as_ref().is_some_and(|load| Some(load) == said.save.as_ref()) {
        return Err(argument.fault("`load` and `save` name the same file", "use `state`"));
    }
    Ok(said)
}

/// A value is a whole buffer: that of a payload is none.
fn needs_buffer(builder: &Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    if !builder.environment.uses_datasets {
        return Err(argument.fault("sets are switched off", "set `datasets.enabled` to yes"));
    }
    if builder.buffer == Buffer::Payload {
        return Err(argument.fault(format!("`{}` needs a sticky buffer", argument.keyword), "name one before it"));
    }
    Ok(())
}

fn dataset(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    needs_buffer(builder, argument)?;
    let mut parts = argument.required()?.split(',').map(str::trim);
    let (word, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let operation = match word {
        "set" => Operation::Set,
        "unset" => Operation::Unset,
        "isset" => Operation::IsSet,
        "isnotset" => Operation::IsNotSet,
        _ => return Err(argument.fault(format!("`{word}` is nothing to do"), "set, unset, isset or isnotset")),
    };
    let said = said(parts, argument)?;
    let changes = matches!(operation, Operation::Set | Operation::Unset);
    if changes && matches!(said.layout.format, Format::Json | Format::JsonLines) {
        return Err(argument.fault("a JSON set cannot be changed by rules", "isset or isnotset"));
    }
    let (subdomains, context) = (said.subdomains, said.context.as_deref().map(Arc::from));
    let defines = said.kind.is_some();
    let set = find(builder.names, builder.environment, builder.file, name, said, argument)?;
    if changes {
        set.note_change();
    }
    builder.rule.outside.push(Outside::Set { set: Arc::clone(&set), defines });
    builder.push(Item::Dataset(DatasetTest { set, operation, subdomains, context }));
    Ok(())
}

fn score(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    needs_buffer(builder, argument)?;
    let hint = "such as `name,>,200,load scores.rep,type string`";
    let mut parts = argument.required()?.split(',').map(str::trim);
    let (name, operator, value) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    if !matches!(operator, "<" | "<=" | "=" | "==" | "!=" | ">=" | ">") {
        return Err(argument.fault(format!("`{operator}` is no comparison"), hint));
    }
    let text = format!("{}{value}", if operator == "==" { "=" } else { operator });
    let test = NumberTest::parse_within(&text, &[], u16::MAX.into()).map_err(|text| argument.fault(text, hint))?;
    let mut said = said(parts, argument)?;
    if said.save.is_some() || said.state.is_some() {
        return Err(argument.fault("scores are only loaded", hint));
    }
    said.layout.format = Format::Scores;
    let defines = said.kind.is_some();
    let set = find(builder.names, builder.environment, builder.file, name, said, argument)?;
    builder.rule.outside.push(Outside::Set { set: Arc::clone(&set), defines });
    builder.push(Item::DatasetScore(DatasetScore { set, test }));
    Ok(())
}

/// Makes a set that the configuration has: `name,type string,load file`.
pub(crate) fn define(names: &mut SharedNames, environment: &Environment, text: &str) -> Result<(), Fault> {
    let argument = Argument { keyword: "dataset", text: Some(text), span: 0..text.len() };
    let mut parts = text.split(',').map(str::trim);
    let name = parts.next().unwrap_or("");
    let said = said(parts, &argument)?;
    find(names, environment, "", name, said, &argument).map(drop)
}

/// The set of a name: the one that the configuration or an earlier rule has, or a new one.
fn find(
    names: &mut SharedNames,
    environment: &Environment,
    rule_file: &str,
    name: &str,
    said: Said,
    argument: &Argument<'_>,
) -> Result<Arc<Dataset>, Fault> {
    if name.is_empty() || name.len() > NAME_LIMIT || name.contains(char::is_whitespace) {
        return Err(argument.fault(format!("`{name}` is no name of a set"), "up to 63 characters without blanks"));
    }
    let given = |file: &Option<String>| file.clone().or_else(|| said.state.clone());
    let (load, save) = (given(&said.load), given(&said.save));
    let leaves = |file: &&String| {
        let parts = Path::new(file.as_str()).components();
        parts.into_iter().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
    };
    // What the configuration says may name any file. A rule may read any, and writes where it is allowed to.
    let of_rule = !rule_file.is_empty();
    if let Some(file) = save.as_ref().filter(|_| of_rule && !environment.kept_datasets) {
        return Err(argument.fault(
            format!("rules may not keep sets in files, and this one is kept in `{file}`"),
            "that is allowed by `datasets.rules.allow-write`",
        ));
    }
    if let Some(file) = save.as_ref().filter(|file| of_rule && !environment.absolute_dataset_names && leaves(file)) {
        return Err(argument.fault(
            format!("`{file}` leads out of the folder of data"),
            "such names are allowed by `datasets.rules.allow-absolute-filenames`",
        ));
    }
    if let Some(known) = names.datasets.used(environment.tenant, name) {
        let differs = said.kind.is_some_and(|kind| kind != known.kind)
            || load.as_ref().is_some_and(|load| Some(load) != known.load.as_ref())
            || save.as_ref().is_some_and(|save| Some(save) != known.save.as_ref());
        if differs {
            let message = format!("the set `{name}` has another type or file in an earlier rule or the configuration");
            return Err(argument.fault(message, "give it another name, or say the same of it"));
        }
        return Ok(Arc::clone(known));
    }
    let Some(kind) = said.kind else {
        return Err(argument.fault(format!("the set `{name}` has no type"), "such as `type string`"));
    };
    let limit_bytes = said.limit_bytes.unwrap_or(environment.dataset_limit_bytes);
    let same = |known: &Known| {
        let set = &known.set;
        (set.kind, &set.load, &set.save, set.limit_bytes, &known.layout)
            == (kind, &load, &save, limit_bytes, &said.layout)
    };
    if let Some(set) = names.datasets.again(name, environment, same) {
        return Ok(set);
    }
    if let Some(file) = &save {
        may_keep(environment, file, kind).map_err(|why| {
            argument.fault(
                format!("the set cannot be kept in `{file}`: {why}"),
                "give it another name, such as `state hosts.lst`",
            )
        })?;
    }
    let index = names.datasets.place(environment.tenant, name).ok_or_else(|| argument.fault("too many sets", ""))?;
    // What may be anywhere is looked for as if the configuration said where, counted from the rule file.
    let (rule_file, found) = match &load {
        Some(load) if said.state.is_none() && leaves(&load) => {
            let folder = Path::new(rule_file).parent().unwrap_or(Path::new("")).join(load);
            ("", Some(folder.display().to_string()))
        }
        load => (rule_file, load.clone()),
    };
    let beside = said.state.is_none().then_some(rule_file);
    let file = found.as_ref().map(|found| NamedFile::now(&environment.files, beside, found));
    let entries = match &found {
        Some(file) => {
            let read = read(environment, rule_file, file, kind, &said, argument)?;
            names.warnings.extend(passed_over(&read, file, argument));
            read.entries
        }
        None => Entries::default(),
    };
    let mut set = Dataset::new(name, index, kind, entries);
    (set.tenant, set.load, set.save) = (environment.tenant, load, save);
    set.limit_bytes = limit_bytes;
    Ok(names.datasets.put(Known::new(set, said.layout, file)))
}

/// Whether a set may be kept under a name: it replaces nothing but a set of its kind.
fn may_keep(environment: &Environment, file: &str, kind: Kind) -> Result<(), String> {
    let Some(there) = environment.files.kept(file)? else { return Ok(()) };
    is_set(kind, &there).then_some(()).ok_or_else(|| "there is something else, which is no set of its type".into())
}

fn read(
    environment: &Environment,
    rule_file: &str,
    file: &str,
    kind: Kind,
    said: &Said,
    argument: &Argument<'_>,
) -> Result<Read, Fault> {
    let files = &environment.files;
    let bytes = if said.state.is_some() { files.state(file) } else { files.beside(rule_file, file).map(Some) };
    let bytes = bytes.map_err(|message| {
        argument.fault(format!("`{file}` cannot be read: {message}"), "it is looked for beside the rule file")
    })?;
    let Some(bytes) = bytes else { return Ok(Read::default()) };
    said.layout.read(kind, &bytes).map_err(|(line, message)| {
        argument.fault(format!("{}: {message}", place(file, line)), "each value must be of the set's type")
    })
}

fn place(file: &str, line: usize) -> String {
    if line > 0 { format!("{file}:{line}") } else { file.to_owned() }
}

/// Warns of what was passed over in a file.
fn passed_over(read: &Read, file: &str, argument: &Argument<'_>) -> Option<Fault> {
    let (line, message) = read.first_passed.as_ref()?;
    let more = if read.passed > 1 { format!(", as are {} more in the file", read.passed - 1) } else { String::new() };
    let message = format!("{}: {message}; it is passed over{more}", place(file, *line));
    Some(argument.fault(message, "each value must be of the set's type"))
}

const NAME_LIMIT: usize = 63;
