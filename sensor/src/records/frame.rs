//! `frame`: a piece of what travels that a parser named; alerts on one show the same object.

use data_encoding::BASE64;
use tapwire_parsers::json::Object;

use super::alert::printable;
use super::header::{Clock, Header, record};
use crate::inspect::frames::Frame;

/// Bytes of a frame that are shown.
const SHOWN_BYTES: usize = 4 << 10;

/// Writes the record of a frame.
pub fn write(out: &mut Vec<u8>, header: &Header<'_>, frame: &Frame, protocol: Option<&str>, clock: &mut Clock) {
    record(out, header, clock, |record| {
        if let Some(protocol) = protocol {
            record.text("app_proto", protocol);
        }
        object(record, frame);
    });
}

/// Adds the object of a frame.
pub fn object(record: &mut Object<'_>, frame: &Frame) {
    record.object("frame", |o| {
        let direction = frame.direction.name().replace('_', "");
        o.text("type", frame.name).number("id", frame.number()).text("direction", direction);
        o.number("stream_offset", frame.begin)
            .number("length", frame.length())
            .boolean("complete", frame.is_complete());
        let shown = frame.data.get(..SHOWN_BYTES).unwrap_or(&frame.data);
        o.text("payload", BASE64.encode(shown)).shown("payload_printable", &printable(shown));
        if let Some(id) = frame.transaction {
            o.number("tx_id", id);
        }
    });
}
