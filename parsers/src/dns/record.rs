//! The `dns` object of records, in format version 3, or 2 where the settings of its own records ask for it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::dns::message::{Answer, Data, Message, OPT, Query};
use crate::dns::name::Text;
use crate::dns::tables::{record_type, record_type_number, return_code};
use crate::json::{Array, Object, write_address};
use crate::protocol::{Direction, Purpose, Recorder, Settings, Transaction};

/// What the records of messages show.
#[derive(Clone, Debug)]
struct Options {
    enabled: bool,
    requests: bool,
    responses: bool,
    /// Record types that are wanted; all if there is none.
    types: BTreeSet<u16>,
    version: u64,
    detailed: bool,
    grouped: bool,
}

impl Options {
    const ALL: Options = Options {
        enabled: true,
        requests: true,
        responses: true,
        types: BTreeSet::new(),
        version: 3,
        detailed: true,
        grouped: true,
    };

    fn read(settings: &Settings) -> Options {
        let formats = settings.list("formats");
        let format = |name| formats.is_empty() || formats.iter().any(|f| f.eq_ignore_ascii_case(name));
        Options {
            enabled: settings.switch("enabled", true),
            requests: settings.switch("requests", true),
            responses: settings.switch("responses", true),
            types: settings.list("types").into_iter().filter_map(record_type_number).collect(),
            version: settings.number("version", 3),
            detailed: format("detailed"),
            grouped: format("grouped"),
        }
    }

    fn wants_type(&self, kind: u16) -> bool {
        self.types.is_empty() || self.types.contains(&kind)
    }

    fn wants(&self, message: &Message) -> bool {
        let direction = if is_response(message) { self.responses } else { self.requests };
        self.enabled && direction && (self.types.is_empty() || message.queries.iter().any(|q| self.wants_type(q.kind)))
    }
}

/// Reads the settings of records.
pub(super) fn recorder(settings: &Settings) -> Recorder {
    let options = Options::read(settings);
    let shows_flow_ends = options.version == 2;
    let mut recorder = Recorder::new(move |transaction: &dyn Transaction, purpose, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        match purpose {
            Purpose::Reference => write_version_3(message, &Options::ALL, record),
            Purpose::Record if !options.wants(message) => return false,
            Purpose::Record if options.version == 2 => write_version_2(message, &options, record),
            Purpose::Record => write_version_3(message, &options, record),
        }
        true
    });
    recorder.shows_flow_ends = shows_flow_ends;
    recorder
}

fn is_response(message: &Message) -> bool {
    message.direction == Direction::ToClient
}

fn write_version_3(message: &Message, options: &Options, record: &mut Object<'_>) {
    record.object("dns", |dns| {
        dns.number("version", 3).text("type", if is_response(message) { "response" } else { "request" });
        dns.number("tx_id", message.id).number("id", message.header.id);
        write_flags(message, dns);
        dns.number("opcode", message.header.opcode()).text("rcode", return_code(message.rcode()).as_ref());
        if !message.queries.is_empty() {
            dns.array("queries", |queries| {
                for query in &message.queries {
                    queries.object(|q| write_query(message, query, q));
                }
            });
        }
        write_sections(message, options, dns);
    });
}

fn write_version_2(message: &Message, options: &Options, record: &mut Object<'_>) {
    let query = message.queries.iter().find(|q| options.wants_type(q.kind));
    record.object("dns", |dns| {
        dns.number("version", 2);
        if is_response(message) {
            dns.text("type", "answer").number("id", message.header.id);
            write_flags(message, dns);
            dns.number("opcode", message.header.opcode());
            if let Some(query) = query {
                write_query(message, query, dns);
            }
            dns.text("rcode", return_code(message.rcode()).as_ref());
            write_sections(message, options, dns);
        } else {
            dns.text("type", "query").number("id", message.header.id);
            if let Some(query) = query {
                write_query(message, query, dns);
            }
            dns.number("tx_id", message.id);
            if message.header.z() {
                dns.boolean("z", true);
            }
            dns.number("opcode", message.header.opcode());
        }
    });
}

fn write_flags(message: &Message, dns: &mut Object<'_>) {
    let flags = message.header.flags;
    dns.text("flags", format!("{flags:x}"));
    for (bit, name) in [(0x8000, "qr"), (0x400, "aa"), (0x200, "tc"), (0x100, "rd"), (0x80, "ra"), (0x40, "z")] {
        if flags & bit != 0 {
            dns.boolean(name, true);
        }
    }
}

fn write_query(message: &Message, query: &Query, out: &mut Object<'_>) {
    write_text(message, query.name, "rrname", out);
    out.text("rrtype", record_type(query.kind).as_ref());
    if query.name.truncated {
        out.boolean("rrname_truncated", true);
    }
}

fn write_sections(message: &Message, options: &Options, dns: &mut Object<'_>) {
    if !message.answers.is_empty() {
        if options.detailed {
            dns.array("answers", |out| write_answers(message, &message.answers, out));
        }
        if options.grouped {
            dns.object("grouped", |out| write_groups(message, out));
        }
    }
    if !message.authorities.is_empty() {
        dns.array("authorities", |out| write_answers(message, &message.authorities, out));
    }
    // An option record without options only says that its sender knows of them.
    let mut additionals = message
        .additionals
        .iter()
        .filter(|a| !matches!(a.data, Data::Opt { count: 0, .. }) && !is_empty_opt(a))
        .peekable();
    if additionals.peek().is_some() {
        dns.array("additionals", |out| write_answers(message, additionals, out));
    }
}

fn is_empty_opt(answer: &Answer) -> bool {
    answer.kind == OPT && matches!(answer.data, Data::None)
}

fn write_answers<'a>(message: &Message, answers: impl IntoIterator<Item = &'a Answer>, out: &mut Array<'_>) {
    for answer in answers {
        out.object(|object| {
            write_text(message, answer.name, "rrname", object);
            if answer.name.truncated {
                object.boolean("rrname_truncated", true);
            }
            object.text("rrtype", record_type(answer.kind).as_ref()).number("ttl", answer.ttl);
            write_data(message, answer.data, object);
        });
    }
}

fn write_data(message: &Message, data: Data, out: &mut Object<'_>) {
    match data {
        Data::None | Data::Unknown(_) => {}
        Data::V4(_) | Data::V6(_) | Data::Name(_) | Data::Text(_) => {
            if let Some(text) = plain(message, data) {
                out.readable("rdata", text.as_ref());
            }
            if let Data::Name(text) | Data::Text(text) = data
                && text.truncated
            {
                out.boolean("rdata_truncated", true);
            }
        }
        Data::Soa { .. } => {
            out.object("soa", |soa| write_structure(message, data, soa));
        }
        Data::Srv { .. } => {
            out.object("srv", |srv| write_structure(message, data, srv));
        }
        Data::Sshfp { .. } => {
            out.object("sshfp", |sshfp| write_structure(message, data, sshfp));
        }
        Data::Opt { first, count } => {
            let options = message.options.get(usize::from(first)..).unwrap_or_default();
            out.array("opt", |out| {
                for (code, value) in options.iter().take(usize::from(count)) {
                    out.object(|option| {
                        option.number("code", *code).text("data", hex(message.text(*value), ""));
                    });
                }
            });
        }
    }
}

/// The members of data that has more than one.
pub(super) fn write_structure(message: &Message, data: Data, out: &mut Object<'_>) {
    match data {
        Data::Soa { mname, rname, numbers } => {
            for (name, key, truncated) in [(mname, "mname", "mname_truncated"), (rname, "rname", "rname_truncated")] {
                write_text(message, name, key, out);
                if name.truncated {
                    out.boolean(truncated, true);
                }
            }
            for (key, number) in ["serial", "refresh", "retry", "expire", "minimum"].into_iter().zip(numbers) {
                out.number(key, number);
            }
        }
        Data::Srv { priority, weight, port, name } => {
            out.number("priority", priority).number("weight", weight).number("port", port);
            write_text(message, name, "name", out);
        }
        Data::Sshfp { algorithm, kind, fingerprint } => {
            let fingerprint = hex(message.text(fingerprint), ":");
            out.text("fingerprint", fingerprint).number("algo", algorithm).number("type", kind);
        }
        _ => {}
    }
}

/// The data of the answers by their type, types in the order in which they appear first.
fn write_groups(message: &Message, out: &mut Object<'_>) {
    let mut done = BTreeSet::new();
    for answer in &message.answers {
        let kind = answer.kind;
        let same = || message.answers.iter().filter(move |a| a.kind == kind && !matches!(a.data, Data::None));
        if !is_grouped(kind) || done.contains(&kind) || same().next().is_none() {
            continue;
        }
        done.insert(kind);
        out.named(&record_type(kind)).array(|group| {
            for answer in same() {
                match plain(message, answer.data) {
                    Some(text) => group.readable(text.as_ref()),
                    None => group.object(|object| write_structure(message, answer.data, object)),
                };
            }
        });
    }
}

/// A, NS, CNAME, SOA, NULL, PTR, MX, TXT, AAAA, SRV and SSHFP.
fn is_grouped(kind: u16) -> bool {
    matches!(kind, 1 | 2 | 5 | 6 | 10 | 12 | 15 | 16 | 28 | 33 | 44)
}

/// Data that is one text.
pub(super) fn plain(message: &Message, data: Data) -> Option<Cow<'_, [u8]>> {
    let address = match data {
        Data::V4(octets) => IpAddr::from(octets),
        Data::V6(octets) => IpAddr::from(octets),
        Data::Name(text) | Data::Text(text) => return Some(Cow::Borrowed(message.text(text))),
        _ => return None,
    };
    let mut out = Vec::new();
    write_address(&mut out, address);
    Some(Cow::Owned(out))
}

pub(super) fn write_text(message: &Message, text: Text, key: &'static str, out: &mut Object<'_>) {
    out.readable(key, message.text(text));
}

pub(super) fn hex(bytes: &[u8], separator: &str) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            text.push_str(separator);
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
