//! `fileinfo`: a file travelled in a flow.

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use tapwire_parsers::json::Object;

use super::finding::FileId;
use super::header::{Clock, Header, record};
use super::slot::{Blank, Slot};
use crate::inspect::files::File;
use crate::inspect::id_within;

/// How a record shows a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    /// It is in the store, unless the writer knows better, who puts its number there.
    pub stored: Option<FileId>,
    /// The client behind a proxy.
    pub forwarded: Option<IpAddr>,
}

/// Writes a file record; `protocols` adds the objects of the transaction that carried it.
pub fn write(
    out: &mut Vec<u8>,
    header: &Header<'_>,
    file: &File,
    (app_protocol, shown): (&str, Shown),
    clock: &mut Clock,
    protocols: impl FnOnce(&mut Object<'_>),
) -> Option<Slot> {
    let mut slot = None;
    record(out, header, clock, |object| {
        protocols(object);
        if let Some(address) = shown.forwarded {
            object.address("xff", address);
        }
        object.text("app_proto", app_protocol);
        object.object("fileinfo", |o| slot = self::object(o, file, shown));
    });
    slot
}

/// What there is to say of a file; alerts on its transaction show the same. Where it is stored is a slot.
pub fn object(o: &mut Object<'_>, file: &File, shown: Shown) -> Option<Slot> {
    o.text("filename", &file.name);
    if !file.stored_for().is_empty() {
        o.array("sid", |array| {
            for sid in file.stored_for() {
                array.number(*sid);
            }
        });
    }
    if let Some(magic) = file.magic() {
        o.text("magic", magic);
    }
    o.boolean("gaps", file.gaps).text("state", file.state());
    if let Some(hash) = file.md5() {
        o.text("md5", HEXLOWER.encode(hash));
    }
    if let Some(hash) = file.sha1() {
        o.text("sha1", HEXLOWER.encode(hash));
    }
    if let Some(hash) = file.sha256() {
        o.text("sha256", HEXLOWER.encode(hash));
    }
    o.boolean("stored", shown.stored.is_some());
    let slot = shown.stored.map(|id| Slot::before(o.number("file_id", 0).end(), Blank::Stored(id)));
    if slot.is_none() && file.is_storing() {
        o.boolean("storing", true);
    }
    o.number("size", file.size);
    if let Some(range) = file.range {
        o.number("start", range.start).number("end", range.end);
    }
    o.number("tx_id", id_within(file.transaction));
    slot
}
