//! What records say of a packet of SCTP.

use std::collections::BTreeSet;

use tapwire_parsers::json::Object;
use tapwire_parsers::link::sctp::Sctp;

/// Adds the object.
pub fn write(object: &mut Object<'_>, sctp: &Sctp<'_>) {
    let names: BTreeSet<&str> = sctp.chunks().filter_map(|chunk| chunk.name()).collect();
    object.object("sctp", |o| {
        o.number("vtag", sctp.tag).number("chunk_cnt", sctp.chunks().count());
        o.array("chunk_types", |array| {
            for name in &names {
                array.text(name);
            }
        });
        for (member, name) in
            [("has_init", "INIT"), ("has_init_ack", "INIT_ACK"), ("has_data", "DATA"), ("has_abort", "ABORT")]
        {
            if names.contains(name) {
                o.boolean(member, true);
            }
        }
    });
}
