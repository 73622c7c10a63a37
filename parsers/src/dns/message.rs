//! One message (RFC 1035 section 4): header, questions, and three sections of resource records.
//!
//! A broken message keeps what could be read before it breaks; a record whose data is broken is passed over by its length. Of each
//! section a bounded number of entries is kept, the rest is passed over without being decoded.

use crate::dns::name::{self, Arena, NameFaults, Text};
use crate::dns::{Dialect, presentation};
use crate::protocol::{Anomaly, Direction, Fuel};

/// Entries that are kept of each section.
pub(super) const MAX_ENTRIES: usize = 256;
/// Options that are kept of a message.
const MAX_OPTIONS: usize = 64;
/// Names of a message that are remembered for those that point to them.
const MAX_KNOWN_NAMES: usize = 16;
/// The type of the pseudo record with options.
pub(super) const OPT: u16 = 41;
/// Octets of the header.
pub(super) const HEADER_BYTES: usize = 12;

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Identifier that the answer repeats.
    pub(super) id: u16,
    /// The flags with operation and return code.
    pub(super) flags: u16,
    /// Entries of the four sections.
    pub(super) counts: [u16; 4],
}

impl Header {
    /// The header at the start of a message.
    pub(super) fn read(message: &[u8]) -> Option<Header> {
        let [id, flags, counts @ ..] = [0, 2, 4, 6, 8, 10].map(|at| short(message, at));
        let [Some(a), Some(b), Some(c), Some(d)] = counts else { return None };
        Some(Header { id: id?, flags: flags?, counts: [a, b, c, d] })
    }

    /// Whether it is an answer.
    pub(super) fn is_response(self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// The kind of operation.
    pub(super) fn opcode(self) -> u16 {
        self.flags >> 11 & 15
    }

    /// The four bits of the result that it has.
    fn result(self) -> u16 {
        self.flags & 15
    }

    /// Whether the reserved bit is set.
    pub(super) fn z(self) -> bool {
        self.flags & 0x40 != 0
    }
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    /// The name.
    pub(super) name: Text,
    /// The record type.
    pub(super) kind: u16,
}

/// A resource record, or one of the strings of a TXT record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The name.
    pub(super) name: Text,
    /// The record type.
    pub(super) kind: u16,
    /// Time to live.
    pub(super) ttl: u32,
    /// What it says.
    pub(super) data: Data,
    /// Position of its record in the section: the strings of a TXT record share it.
    pub(super) record: u16,
}

/// The data of a resource record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data {
    /// Empty, broken, or of a type that is not read.
    None,
    /// The bytes of a type that is not read, where the dialect shows them.
    Unknown(Text),
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address.
    V6([u8; 16]),
    /// A name.
    Name(Text),
    /// Text or bytes.
    Text(Text),
    /// Start of a zone of authority.
    Soa { mname: Text, rname: Text, numbers: [u32; 5] },
    /// A service's place.
    Srv { priority: u16, weight: u16, port: u16, name: Text },
    /// Fingerprint of an SSH key.
    Sshfp { algorithm: u8, kind: u8, fingerprint: Text },
    /// Extended DNS options: a range of the message's options.
    Opt { first: u16, count: u16 },
}

/// A message, which is a transaction of its own.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) direction: Direction,
    pub(super) header: Header,
    pub(super) queries: Vec<Query>,
    pub(super) answers: Vec<Answer>,
    pub(super) authorities: Vec<Answer>,
    pub(super) additionals: Vec<Answer>,
    /// Codes and contents of extended options.
    pub(super) options: Vec<(u16, Text)>,
    /// The eight upper bits of the result, which an `OPT` record has (RFC 6891 section 6.1.3).
    extended_result: u8,
    /// Every name of a response, in the order of the message.
    pub(super) response_names: Vec<Text>,
    pub(super) texts: Arena,
    pub(super) anomalies: Vec<Anomaly>,
    malformed: bool,
}

impl Message {
    /// Reads a message; `None` without a whole header. `id` is that of the transaction that it becomes. Work is counted.
    pub(super) fn read(
        data: &[u8],
        direction: Direction,
        id: u64,
        dialect: &Dialect,
        fuel: &mut Fuel,
    ) -> Option<Message> {
        let header = Header::read(data)?;
        let mut reader = Reader {
            data,
            at: HEADER_BYTES,
            texts: Arena::default(),
            names: Vec::new(),
            options: Vec::new(),
            extended_result: 0,
            odd_class: false,
            faults: NameFaults::default(),
            malformed: false,
            too_many: false,
            keep_unknown: dialect.shows_unknown_data,
            fuel,
        };
        let [queries, answers, authorities, additionals] = header.counts;
        let mut message = Message {
            id,
            direction,
            header,
            queries: Vec::new(),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            options: Vec::new(),
            extended_result: 0,
            response_names: Vec::new(),
            texts: Arena::default(),
            anomalies: Vec::new(),
            malformed: false,
        };
        let mut goes_on = reader.queries(queries, &mut message.queries).is_some()
            && reader.section(answers, &mut message.answers).is_some();
        message.malformed = reader.take_fault() || !goes_on;
        let mut faults = [false; 2];
        let rest = [(authorities, &mut message.authorities), (additionals, &mut message.additionals)];
        for ((count, section), fault) in rest.into_iter().zip(&mut faults) {
            if goes_on {
                goes_on = reader.section(count, section).is_some();
                *fault = reader.take_fault() || !goes_on;
                if !goes_on {
                    // Half a section says less than its absence, which is what records of broken messages have always shown.
                    section.clear();
                }
            }
        }
        let [bad_authorities, bad_additionals] = faults;
        if reader.odd_class && (message.malformed || reader.at < data.len()) && !dialect.is_symmetric {
            // Where a message breaks or has more than it states, a question of a class that there is not is what damage left of
            // something else.
            message.queries.clear();
            message.malformed = true;
        }
        for (happened, name) in [
            (header.is_response() && direction == Direction::ToServer, "not_request"),
            (!header.is_response() && direction == Direction::ToClient, "not_response"),
            (message.malformed, "malformed_data"),
            (bad_additionals, "invalid_additionals"),
            (bad_authorities, "invalid_authorities"),
            (header.z(), "z_flag_set"),
            (header.opcode() >= 7, "invalid_opcode"),
            (reader.faults.too_long, "name_too_long"),
            (reader.faults.endless, "infinite_loop"),
            (reader.faults.too_many_labels, "too_many_labels"),
            (reader.too_many, "too_many_records"),
        ] {
            if happened && let Some(anomaly) = dialect.anomaly(name) {
                message.anomalies.push(anomaly);
            }
        }
        message.extended_result = reader.extended_result;
        message.options = std::mem::take(&mut reader.options);
        message.texts = std::mem::take(&mut reader.texts);
        message.texts.shrink();
        if direction == Direction::ToClient || dialect.is_symmetric {
            message.response_names = message.names();
        }
        Some(message)
    }

    /// The result, with the bits of an `OPT` record.
    pub(super) fn rcode(&self) -> u16 {
        u16::from(self.extended_result) << 4 | self.header.result()
    }

    /// The bytes of a name or text of this message.
    pub(super) fn text(&self, text: Text) -> &[u8] {
        self.texts.get(text)
    }

    /// Whether it broke before anything but the header could be read.
    pub(super) fn says_nothing(&self) -> bool {
        let empty = self.queries.is_empty() && self.sections().iter().all(|section| section.is_empty());
        empty && self.malformed
    }

    /// The three sections of records.
    pub(super) fn sections(&self) -> [&[Answer]; 3] {
        [&self.answers, &self.authorities, &self.additionals]
    }

    fn names(&self) -> Vec<Text> {
        let mut names: Vec<Text> = self.queries.iter().map(|q| q.name).collect();
        for record in self.sections().into_iter().flatten() {
            names.push(record.name);
            match record.data {
                Data::Name(name) | Data::Soa { mname: name, .. } => names.push(name),
                _ => {}
            }
        }
        names
    }
}

/// Reads the parts of a message.
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    texts: Arena,
    /// Names that were read, with their places.
    names: Vec<(usize, Text)>,
    options: Vec<(u16, Text)>,
    extended_result: u8,
    /// A question had a class that is not assigned.
    odd_class: bool,
    faults: NameFaults,
    malformed: bool,
    too_many: bool,
    keep_unknown: bool,
    fuel: &'a mut Fuel,
}

impl<'a> Reader<'a> {
    /// Octets of the message.
    pub(super) fn octets(&self, start: usize, end: usize) -> &'a [u8] {
        self.data.get(start..end).unwrap_or_default()
    }

    /// The bytes of a name that was read.
    pub(super) fn text(&self, text: Text) -> &[u8] {
        self.texts.get(text)
    }

    /// Whether something was broken since this was last asked that does not keep the rest from being read.
    fn take_fault(&mut self) -> bool {
        std::mem::take(&mut self.malformed) | std::mem::take(&mut self.faults.astray)
    }

    fn queries(&mut self, count: u16, queries: &mut Vec<Query>) -> Option<()> {
        for _ in 0..count {
            let name = self.entry_name(queries.len())?;
            let kind = short(self.data, self.at)?;
            let class = short(self.data, self.at + 2)?;
            self.at += 4;
            self.odd_class |= !is_assigned(class);
            // A name that leads out of the message asks for nothing.
            if let Some(name) = name.filter(|_| !self.faults.astray) {
                queries.push(Query { name, kind });
            }
        }
        Some(())
    }

    fn section(&mut self, count: u16, answers: &mut Vec<Answer>) -> Option<()> {
        for record in 0..count {
            let name = self.entry_name(answers.len())?;
            let (kind, ttl) = (short(self.data, self.at)?, long(self.data, self.at + 4)?);
            let start = self.at + 10;
            let end = start + usize::from(short(self.data, self.at + 8)?);
            let content = self.data.get(start..end)?;
            self.fuel.spend(content.len() as u64);
            self.at = end;
            if kind == OPT {
                // Its class and time to live are something else: the upper bits of the result come first.
                self.extended_result = ttl.to_be_bytes()[0];
            }
            if let Some(name) = name {
                let template = Answer { name, kind, ttl, data: Data::None, record };
                if self.content(template, content, start, answers).is_none() {
                    self.malformed = true;
                    answers.push(template);
                }
            }
        }
        Some(())
    }

    /// The name of an entry, passed over undecoded when there is no room for it.
    #[expect(
        clippy::option_option,
        reason = "the outer is the end of what can be read, the inner an entry that is not kept"
    )]
    fn entry_name(&mut self, kept: usize) -> Option<Option<Text>> {
        if kept < MAX_ENTRIES {
            let (name, after) = self.name(self.at, self.data.len())?;
            self.at = after;
            return Some(Some(name));
        }
        self.too_many = true;
        self.at = name::skip(self.data, self.at, self.fuel)?;
        Some(None)
    }

    /// The name at a place, of which all octets but those it points to come before `end`, and the place behind it.
    pub(super) fn name(&mut self, at: usize, end: usize) -> Option<(Text, usize)> {
        // Most names of a message are a pointer to one that was read before.
        let target = short(self.data, at).filter(|_| at + 2 <= end).and_then(name::pointer);
        let known = target.and_then(|target| self.names.iter().find(|(place, _)| *place == target));
        if let Some((_, text)) = known {
            self.fuel.spend(1);
            return Some((*text, at + 2));
        }
        let (text, after) = name::read(self.data, at, end, &mut self.texts, &mut self.faults, self.fuel)?;
        if self.names.len() < MAX_KNOWN_NAMES {
            self.names.push((target.unwrap_or(at), text));
        }
        Some((text, after))
    }

    /// Adds the entries of a record with content at `start`; `None` if it is broken, and nothing is added.
    fn content(&mut self, record: Answer, content: &[u8], start: usize, answers: &mut Vec<Answer>) -> Option<()> {
        let end = start + content.len();
        let data = match record.kind {
            // Updates and pseudo records have records of every type without content.
            _ if content.is_empty() => Data::None,
            1 => Data::V4(content.try_into().ok()?),
            28 => Data::V6(content.try_into().ok()?),
            2 | 5 | 12 => Data::Name(self.name(start, end)?.0),
            15 => Data::Name(self.name(start + 2, end)?.0),
            6 => {
                let (mname, at) = self.name(start, end)?;
                let (rname, at) = self.name(at, end)?;
                let numbers = self.data.get(at..end)?;
                let [Some(a), Some(b), Some(c), Some(d), Some(e)] = [0, 4, 8, 12, 16].map(|i| long(numbers, i)) else {
                    return None;
                };
                Data::Soa { mname, rname, numbers: [a, b, c, d, e] }
            }
            10 => Data::Text(self.texts.keep(content)),
            16 => return self.strings(record, content, answers),
            33 => Data::Srv {
                priority: short(content, 0)?,
                weight: short(content, 2)?,
                port: short(content, 4)?,
                name: self.name(start + 6, end)?.0,
            },
            OPT => self.extended_options(content)?,
            44 => Data::Sshfp {
                algorithm: *content.first()?,
                kind: *content.get(1)?,
                fingerprint: self.texts.keep(content.get(2..)?),
            },
            _ if self.keep_unknown => Data::Unknown(self.texts.keep(content)),
            kind => {
                let text = presentation::write(self, kind, start, end);
                Data::Text(self.texts.keep(&text))
            }
        };
        answers.push(Answer { data, ..record });
        Some(())
    }

    fn strings(&mut self, record: Answer, content: &[u8], answers: &mut Vec<Answer>) -> Option<()> {
        let before = answers.len();
        let mut at = 0;
        while let Some(&length) = content.get(at) {
            let next = at + 1 + usize::from(length);
            let Some(string) = content.get(at + 1..next) else {
                answers.truncate(before);
                return None;
            };
            if answers.len() < MAX_ENTRIES {
                answers.push(Answer { data: Data::Text(self.texts.keep(string)), ..record });
            } else {
                self.too_many = true;
            }
            at = next;
        }
        Some(())
    }

    fn extended_options(&mut self, content: &[u8]) -> Option<Data> {
        let first = u16::try_from(self.options.len()).ok()?;
        let mut at = 0;
        while at < content.len() {
            let (code, length) = (short(content, at)?, short(content, at + 2)?);
            let next = at + 4 + usize::from(length);
            let value = content.get(at + 4..next)?;
            if self.options.len() < MAX_OPTIONS {
                self.options.push((code, self.texts.keep(value)));
            } else {
                self.too_many = true;
            }
            at = next;
        }
        let count = u16::try_from(self.options.len()).ok()?.saturating_sub(first);
        Some(Data::Opt { first, count })
    }
}

/// Whether a class is one (IANA DNS parameters): Internet, Chaos, Hesiod, none, any.
pub(super) fn is_assigned(class: u16) -> bool {
    matches!(class, 1 | 3 | 4 | 254 | 255)
}

/// The number of two octets at a position.
pub(super) fn short(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// The number of four octets at a position.
pub(super) fn long(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}
