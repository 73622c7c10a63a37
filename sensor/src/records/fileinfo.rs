//! `fileinfo`: a file travelled in a flow.

use data_encoding::HEXLOWER;
use tapwire_parsers::json::Object;

use super::header::{Clock, Header, record};
use crate::inspect::files::File;

/// Writes a file record; `protocols` adds the objects of the transaction that carried it.
pub fn write(
    out: &mut Vec<u8>,
    header: &Header<'_>,
    file: &File,
    app_protocol: &str,
    clock: &mut Clock,
    protocols: impl FnOnce(&mut Object<'_>),
) {
    record(out, header, clock, |object| {
        protocols(object);
        object.text("app_proto", app_protocol);
        object.object("fileinfo", |o| self::object(o, file));
    });
}

/// What there is to say of a file; alerts on its transaction show the same.
pub fn object(o: &mut Object<'_>, file: &File) {
    o.text("filename", &file.name).boolean("gaps", file.gaps).text("state", file.state());
    if let Some(hash) = file.md5() {
        o.text("md5", HEXLOWER.encode(hash));
    }
    if let Some(hash) = file.sha1() {
        o.text("sha1", HEXLOWER.encode(hash));
    }
    if let Some(hash) = file.sha256() {
        o.text("sha256", HEXLOWER.encode(hash));
    }
    o.boolean("stored", false).number("size", file.size);
    if let Some(range) = file.range {
        o.number("start", range.start).number("end", range.end);
    }
    o.number("tx_id", file.transaction);
}
