//! Any bytes under any link type: reading headers never panics, and every packet within a packet lies in the one around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapwire_parsers::link::{How, Packet, Timestamp, is_supported};

fuzz_target!(|input: (u16, &[u8])| {
    let (link_type, data) = (u32::from(input.0), input.1);
    if !is_supported(link_type) {
        return;
    }
    let mut packet = Packet::decode(1, Timestamp(0), link_type, data, 0, true);
    while let Some(inner) = Packet::decode_inner(&packet, &How::default()) {
        assert!(data.as_ptr_range().contains(&inner.data.as_ptr()) || inner.data.is_empty());
        assert!(inner.depth == packet.depth + 1 && inner.depth <= 17);
        packet = inner;
    }
});
