//! Encodings: a stored record, which is a line of EVE JSON, in the words of another system.
//!
//! An [`Encoding`] is a file with its card; all of them read the same [`Facts`] of a record and share the tables of severities and
//! identities. What an encoding writes is one line without its end (JSON, or text in which nothing is left that a line reader, a
//! terminal or the format's own parser would obey), as long as the limit of its delivery allows: a record that would be longer is
//! cut as [`crate::records::cut`] says and encoded again. No encoding knows how its bytes travel.

mod asim;
mod cef;
mod ecs;
mod eve;
mod facts;
mod fast;
mod flat;
mod gelf;
mod identity;
mod leef;
mod members;
mod ocsf;
mod profile;
mod severity;
mod tape;
pub(crate) mod time;
mod words;

pub use facts::Facts;
pub use identity::{IDENTITIES, Identity};
pub use profile::{PROFILES, Profile, profile_by_name};
pub use severity::{SEVERITIES, Severity};
pub use tape::{Kind, Record, Tape, Value};

use crate::records::cut::cut;

/// How records are written for a system.
#[derive(Debug)]
pub struct Encoding {
    /// What the configuration calls it.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// What HTTP calls a body of one.
    pub media_type: &'static str,
    /// Appends a record; false, and nothing, if it has no form for such a one.
    write: fn(&Facts<'_>, &Settings, &mut Vec<u8>) -> bool,
}

/// All encodings.
pub const ENCODINGS: &[&Encoding] = &[
    &eve::ENCODING,
    &cef::ENCODING,
    &leef::ENCODING,
    &fast::ENCODING,
    &ecs::ENCODING,
    &ocsf::ENCODING,
    &asim::ENCODING,
    &gelf::ENCODING,
];

/// The encoding that is called so.
pub fn by_name(name: &str) -> Option<&'static Encoding> {
    ENCODINGS.iter().find(|encoding| encoding.name == name).copied()
}

/// What an encoding obeys.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of an encoded record at most.
    pub limit_bytes: usize,
    /// The sensor, where records do not name theirs.
    pub sensor: String,
    /// What of EVE JSON is written; other encodings have all that they have a place for.
    pub profile: &'static Profile,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limit_bytes: 64 << 10, sensor: String::new(), profile: &profile::ALL }
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// All of it was written.
    Whole,
    /// It was too long, and what was written says what it lacks.
    Cut,
    /// The encoding has no form for such a record.
    Nothing,
    /// It does not fit, whatever is left out.
    TooLong,
}

/// Encodes records for a delivery.
#[derive(Clone, Debug)]
pub struct Encoder {
    encoding: &'static Encoding,
    settings: Settings,
}

impl Encoder {
    /// One for an encoding, with what it obeys.
    pub fn new(encoding: &'static Encoding, settings: Settings) -> Self {
        Self { encoding, settings }
    }

    /// Its encoding.
    pub fn encoding(&self) -> &'static Encoding {
        self.encoding
    }

    /// Appends a record in its encoded form, without the end of a line.
    pub fn encode(&self, facts: &Facts<'_>, out: &mut Vec<u8>) -> Encoded {
        let (start, limit) = (out.len(), self.settings.limit_bytes);
        if !(self.encoding.write)(facts, &self.settings, out) {
            out.truncate(start);
            return Encoded::Nothing;
        }
        if out.len() - start <= limit {
            return Encoded::Whole;
        }
        let mut tape = Tape::default();
        for goal in [limit, limit / 2, limit / 4, limit / 8, 0] {
            out.truncate(start);
            let shorter = cut(facts.record.line().as_bytes(), goal, &mut Vec::new());
            let Some(record) = tape.read(&shorter) else { break };
            (self.encoding.write)(&Facts::of(record), &self.settings, out);
            if out.len() - start <= limit {
                return Encoded::Cut;
            }
        }
        out.truncate(start);
        Encoded::TooLong
    }
}

#[cfg(test)]
mod tests;
