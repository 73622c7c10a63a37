//! What rules can look at in a transaction: buffers and numbers, a table of each protocol.

use std::any::Any;

use super::{Both, Direction};

/// What a field's getter returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A whole value.
    Bytes(&'a [u8]),
    /// What is kept of a value that grows with the traffic.
    Stream {
        /// The bytes that are kept.
        data: &'a [u8],
        /// Position of the first kept byte in the whole value.
        offset: u64,
        /// Whether nothing more will come.
        complete: bool,
    },
    /// A number.
    Number(u64),
}

impl<'a> Value<'a> {
    /// The number of a field that has one instance.
    pub fn only_number(index: usize, number: Option<impl Into<u64>>) -> Option<Self> {
        number.filter(|_| index == 0).map(|number| Value::Number(number.into()))
    }

    /// The bytes of a field that has one instance.
    pub fn only_bytes(index: usize, bytes: Option<&'a [u8]>) -> Option<Self> {
        bytes.filter(|_| index == 0).map(Value::Bytes)
    }
}

/// What the value of a field is. Rules have a sticky buffer for all but numbers, which have a test.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Words, lines, names of no other kind.
    Text,
    /// Octets that are no text.
    Bytes,
    /// A number ([`Value::Number`]).
    Number(Numbers),
    /// The address of a host, as text.
    Address,
    /// The name of a host or domain.
    Domain,
    /// Where something is: a URL, or what of one a request states.
    Url,
    /// A digest or fingerprint, as text.
    Hash,
    /// Who someone is: a user, account or mail address.
    User,
    /// The name that a host has of itself.
    Host,
    /// A program and its version.
    Software,
    /// The contents of files ([`Field::contents`]).
    File,
    /// A device: its vendor, model or serial number.
    Device,
    /// A piece of what travels ([`Field::frame`]).
    Frame,
}

impl Kind {
    /// Its name in the manual.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Bytes => "bytes",
            Kind::Number(_) => "number",
            Kind::Address => "address",
            Kind::Domain => "domain",
            Kind::Url => "URL",
            Kind::Hash => "hash",
            Kind::User => "user",
            Kind::Host => "host",
            Kind::Software => "software",
            Kind::File => "file",
            Kind::Device => "device",
            Kind::Frame => "frame",
        }
    }
}

/// What a number can be.
#[derive(Clone, Copy)]
pub struct Numbers {
    /// The largest one.
    pub most: u64,
    /// Names that rules can use for some of them.
    pub names: fn() -> Vec<(&'static str, u64)>,
    /// The names are those of bits.
    pub are_flags: bool,
}

impl Numbers {
    /// Those up to the largest one, without names.
    pub const fn up_to(most: u64) -> Self {
        Self { most, names: Vec::new, are_flags: false }
    }

    /// Those up to the largest one, some of them with names.
    pub const fn named(most: u64, names: fn() -> Vec<(&'static str, u64)>) -> Self {
        Self { most, names, are_flags: false }
    }

    /// Those up to the largest one, of which bits have names.
    pub const fn flags(most: u64, names: fn() -> Vec<(&'static str, u64)>) -> Self {
        Self { most, names, are_flags: true }
    }
}

/// The names in a table of a protocol.
pub fn named<N: Copy + Into<u64>>(table: &[(N, &'static str)]) -> Vec<(&'static str, u64)> {
    table.iter().map(|(number, name)| (*name, (*number).into())).collect()
}

/// A buffer or number of a transaction that rules can look at. The name is that of the rule keyword (`http.uri`).
#[derive(Clone, Copy)]
pub struct Field {
    /// The canonical name: a sticky buffer or a number, as rules write it.
    pub name: &'static str,
    /// Other names that rules have for it.
    pub aliases: &'static [&'static str],
    /// What it holds, in a sentence.
    pub doc: &'static str,
    /// What it is.
    pub kind: Kind,
    /// For each direction in which it exists: the progress of that direction (an index into [`Protocol::states`]) from which
    /// on its value can be asked for. A streaming value may still grow afterwards.
    pub from: Both<Option<u8>>,
    /// Whether there can be several instances (index 0, 1, … until `None`).
    pub multi: bool,
    /// The value of instance `index` in a direction; `None` where there is none.
    pub read: for<'a> fn(&'a dyn Any, Direction, usize) -> Option<Value<'a>>,
}

impl Field {
    /// What is in the files that a protocol carries: the bytes are those that its parser hands to [`Output::files`], one instance for each
    /// file. Whatever carries files has this field, in the directions in which it does, from the progress on at which one can be there.
    ///
    /// [`Output::files`]: super::Output::files
    pub const fn contents(doc: &'static str, [to_server, to_client]: [Option<u8>; 2]) -> Self {
        let from = Both { to_server, to_client };
        Self {
            name: "file.data",
            aliases: &["file_data"],
            doc,
            kind: Kind::File,
            from,
            multi: true,
            read: |_, _, _| None,
        }
    }

    /// Whether it is what is in files, which whoever keeps them is asked for.
    pub fn is_contents(&self) -> bool {
        matches!(self.kind, Kind::File)
    }

    /// A frame: its name stands behind `frame:` as in rules, its bytes are those that the parser names ([`Output::frame`]).
    pub const fn frame(name: &'static str, doc: &'static str, [to_server, to_client]: [bool; 2]) -> Self {
        let from = Both {
            to_server: if to_server { Some(0) } else { None },
            to_client: if to_client { Some(0) } else { None },
        };
        Self { name, aliases: &[], doc, kind: Kind::Frame, from, multi: false, read: |_, _, _| None }
    }
}

/// The table of a protocol whose transactions are of a type: a line for each field, then its files and its frames, where it has them.
#[macro_export]
macro_rules! fields {
    ($type:ty: $($name:literal $(| $alias:literal)*: $kind:expr, $doc:literal, [$ts:expr, $tc:expr], $multi:expr, $read:expr;)* $(files $contents:literal, $ways:expr;)? $(frame $frame:literal, $of:literal, $sides:expr;)*) => {{
        #[allow(unused_imports, reason = "not every table has fields of all kinds")]
        use $crate::protocol::{Kind::*, Numbers, named};
        &[$($crate::protocol::Field {
            name: $name,
            aliases: &[$($alias),*],
            doc: $doc,
            kind: $kind,
            from: $crate::protocol::Both { to_server: $ts, to_client: $tc },
            multi: $multi,
            read: |any, direction, index| {
                let read: for<'a> fn(&'a $type, $crate::protocol::Direction, usize) -> Option<$crate::protocol::Value<'a>> = $read;
                any.downcast_ref::<$type>().and_then(|tx| read(tx, direction, index))
            },
        },)* $($crate::protocol::Field::contents($contents, $ways),)? $($crate::protocol::Field::frame($frame, $of, $sides),)*]
    }};
}
