//! `packet`: a packet that a rule's `tag` wants recorded.

use data_encoding::BASE64;
use tapwire_parsers::json::Object;
use tapwire_parsers::link;

use super::header::{Clock, Header, record};

/// Writes the record of a packet with its link type.
pub fn write(out: &mut Vec<u8>, header: &Header<'_>, data: &[u8], link_type: u32, clock: &mut Clock) {
    record(out, header, clock, |object| bytes(object, data, link_type));
}

/// Adds the bytes of a packet, and what they begin with.
pub fn bytes(object: &mut Object<'_>, data: &[u8], link_type: u32) {
    object.text("packet", BASE64.encode(data)).object("packet_info", |o| {
        o.number("linktype", link_type);
        if let Some(name) = link::name(link_type) {
            o.text("linktype_name", name);
        }
    });
}
