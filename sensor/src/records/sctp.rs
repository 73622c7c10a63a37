//! What records say of a packet of SCTP.

use tapwire_parsers::json::Object;
use tapwire_parsers::link::sctp::Sctp;

/// Adds the object. Types of chunks stand in their order.
pub fn write(object: &mut Object<'_>, sctp: &Sctp<'_>) {
    object.object("sctp", |o| {
        o.number("vtag", sctp.tag).number("chunk_cnt", sctp.chunks().count());
        o.array("chunk_types", |array| {
            for name in sctp.chunks().take(NAMED).filter_map(|chunk| chunk.name()) {
                array.text(name);
            }
        });
        for (member, name) in
            [("has_init", "INIT"), ("has_init_ack", "INIT_ACK"), ("has_data", "DATA"), ("has_abort", "ABORT")]
        {
            if sctp.chunks().any(|chunk| chunk.name() == Some(name)) {
                o.boolean(member, true);
            }
        }
    });
}

/// Chunks whose types are named: a packet with more is odd (`decoder.sctp.too_many_chunks`).
const NAMED: usize = 32;
