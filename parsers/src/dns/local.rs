//! What the relatives of DNS on a local link share: multicast DNS and LLMNR. Messages go to a group in either direction, and
//! records show each resource record with one member that is named by its type.

use crate::dns::message::{Answer, Data, Message};
use crate::dns::parser::{self, DnsParser};
use crate::dns::record::{hex, plain, write_structure, write_text};
use crate::dns::tables::record_type;
use crate::dns::{Dialect, READ};
use crate::fields;
use crate::json::Object;
use crate::protocol::{Carrier, Direction, Field, Opener, Probe, Recorder, Settings};

/// Opens parsers of a dialect.
pub(crate) fn opener(dialect: &'static Dialect) -> Opener {
    Box::new(move |opening| Box::new(DnsParser::new(opening.carrier, dialect)))
}

/// Looks at the first bytes of a direction.
pub(crate) fn probe(dialect: &Dialect, carrier: Carrier, direction: Direction, data: &[u8]) -> Probe {
    parser::probe(dialect, carrier, direction, data)
}

/// How the records of a dialect differ.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// Name of the object.
    pub(crate) name: &'static str,
    /// Flags by their bits, in the order in which they are shown.
    pub(crate) flags: &'static [(u16, &'static str)],
    /// Whether the result is shown.
    pub(crate) shows_result: bool,
}

/// Reads the settings of records.
pub(crate) fn recorder(form: Form, settings: &Settings) -> Recorder {
    let (requests, responses) = (settings.switch("requests", true), settings.switch("responses", true));
    Recorder::new(move |transaction, purpose, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        let wanted = if message.header.is_response() { responses } else { requests };
        if purpose == crate::protocol::Purpose::Record && !wanted {
            return false;
        }
        record.object(form.name, |out| write(form, message, out));
        true
    })
}

fn write(form: Form, message: &Message, out: &mut Object<'_>) {
    let header = message.header;
    out.text("type", if header.is_response() { "response" } else { "request" }).number("id", header.id);
    if form.flags.iter().any(|(bit, _)| header.flags & bit != 0) {
        out.array("flags", |flags| {
            for (_, name) in form.flags.iter().filter(|(bit, _)| header.flags & bit != 0) {
                flags.text(name);
            }
        });
    }
    out.number("opcode", header.opcode());
    if form.shows_result {
        out.number("rcode", message.rcode());
    }
    if !message.queries.is_empty() {
        out.array("queries", |queries| {
            for query in &message.queries {
                queries.object(|q| {
                    write_text(message, query.name, "rrname", q);
                    if query.name.truncated {
                        q.boolean("rrname_truncated", true);
                    }
                    q.text("rrtype", record_type(query.kind).to_ascii_lowercase());
                });
            }
        });
    }
    for (name, section) in ["answers", "authorities", "additionals"].into_iter().zip(message.sections()) {
        // The strings of one record stand behind one another.
        let mut records =
            section.chunk_by(|a, b| a.record == b.record).filter(|r| r.first().is_some_and(says_something)).peekable();
        if records.peek().is_some() {
            out.array(name, |out| {
                for record in records {
                    out.object(|o| write_record(message, record, o));
                }
            });
        }
    }
}

fn says_something(answer: &Answer) -> bool {
    !matches!(answer.data, Data::None | Data::Opt { count: 0, .. })
}

fn write_record(message: &Message, record: &[Answer], out: &mut Object<'_>) {
    let Some(first) = record.first() else { return };
    write_text(message, first.name, "rrname", out);
    if first.name.truncated {
        out.boolean("rrname_truncated", true);
    }
    let kind = record_type(first.kind).to_ascii_lowercase();
    match first.data {
        Data::None => {}
        Data::Text(_) if first.kind == TXT => {
            out.named(&kind).array(|strings| {
                for text in record.iter().filter_map(|answer| plain(message, answer.data)) {
                    strings.readable(text.as_ref());
                }
            });
        }
        Data::Unknown(text) => {
            out.named(&kind).readable(message.text(text));
        }
        Data::Soa { .. } | Data::Srv { .. } | Data::Sshfp { .. } => {
            out.named(&kind).object(|o| write_structure(message, first.data, o));
        }
        Data::Opt { first, count } => {
            let options = message.options.get(usize::from(first)..).unwrap_or_default();
            out.named(&kind).array(|out| {
                for (code, value) in options.iter().take(usize::from(count)) {
                    out.object(|option| {
                        option.number("code", *code).text("data", hex(message.text(*value), ""));
                    });
                }
            });
        }
        Data::V4(_) | Data::V6(_) | Data::Name(_) | Data::Text(_) => {
            if let Some(text) = plain(message, first.data) {
                out.named(&kind).readable(text.as_ref());
            }
        }
    }
}

const TXT: u16 = 16;

/// The buffers of a dialect.
#[macro_export]
macro_rules! local_fields {
    ($name:literal) => {
        $crate::dns::local::named_fields([
            concat!($name, ".queries.rrname"),
            concat!($name, ".answers.rrname"),
            concat!($name, ".authorities.rrname"),
            concat!($name, ".additionals.rrname"),
            concat!($name, ".response.rrname"),
            concat!("frame:", $name, ".pdu"),
        ])
    };
}

/// The buffers of a dialect by their names: of the questions, the three sections, and everything in a response.
pub(crate) const fn named_fields(names: [&'static str; 6]) -> [Field; 6] {
    let [a, b, c, d, e] = TEMPLATE;
    let [queries, answers, authorities, additionals, response, frame] = names;
    [
        Field { name: queries, ..a },
        Field { name: answers, ..b },
        Field { name: authorities, ..c },
        Field { name: additionals, ..d },
        Field { name: response, ..e },
        Field::frame(frame, "A message.", [true, true]),
    ]
}

const TEMPLATE: [Field; 5] = *fields! { Message:
    "queries": Domain, "Names in the question section of a message.", [READ, READ], true, |m, d, i| m.query_name(d, i);
    "answers": Domain, "Names of the records in the answer section.", [READ, READ], true, |m, d, i| m.record_name(0, d, i);
    "authorities": Domain, "Names of the records in the authority section.", [READ, READ], true, |m, d, i| m.record_name(1, d, i);
    "additionals": Domain, "Names of the additional records.", [READ, READ], true, |m, d, i| m.record_name(2, d, i);
    "response": Domain, "Every name in a response: of questions, of records, and in the data of CNAME, MX, NS, PTR and SOA.", [READ, READ], true,
        |m, d, i| m.response_name(d, i);
};
