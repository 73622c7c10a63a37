//! The parts of a rule that look at bytes, each at one buffer.

use tapwire_parsers::protocol::Direction;

use super::field::FieldName;
use super::item::Item;
use super::transform::Transform;
use super::variables::VariableSet;

/// Where a section looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// Packet payload or stream chunk.
    Payload,
    /// A field of a transaction (`http.uri`, `file.data`).
    Field(FieldName),
    /// Bytes of a packet's headers, by keyword (`ipv4.hdr`, `tcp.hdr`, …).
    Header(&'static str),
    /// Something about a file that a string is looked for in (`file.name`, `file.magic`).
    File(&'static str),
    /// A frame of a protocol, by its field's name (`frame:dns.pdu`).
    Frame(&'static str),
    /// A buffer of a protocol that is not parsed yet.
    Later(&'static str),
}

impl Buffer {
    /// Whether it is the field of a name.
    pub fn is_field(self, name: &str) -> bool {
        matches!(self, Buffer::Field(own) if own.as_str() == name)
    }

    /// The keyword that names it.
    pub fn name(self) -> &'static str {
        match self {
            Buffer::Payload => "payload",
            Buffer::Field(name) => name.as_str(),
            Buffer::Header(name) | Buffer::File(name) | Buffer::Frame(name) | Buffer::Later(name) => name,
        }
    }
}

/// A part of a rule that looks at one buffer: its items run left to right on each instance of the buffer.
#[derive(Debug)]
pub struct Section {
    /// Where it looks.
    pub buffer: Buffer,
    /// The direction asked for, where the buffer exists in both (`http.header: to_client` or implied); `None` for either.
    pub direction: Option<Direction>,
    /// What is done to the bytes first.
    pub transforms: Vec<Transform>,
    /// What must hold.
    pub items: Vec<Item>,
    /// Variables that it needs from sections before it.
    pub wanted: VariableSet,
}
