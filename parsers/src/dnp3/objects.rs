//! What objects are made of (IEEE 1815 annex A): of each group and variation the parts of a point, in their order on the wire.

use Length::{Fixed, Rest, Said};
use Part::{Bits, Double, Number, Octets, Signed, Single, Text};

/// A part of a point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// An octet of flags and small numbers, the lowest bits first: their names and how many bits each has.
    Bits(&'static [(&'static str, u8)]),
    /// A number of so many octets without a sign.
    Number(&'static str, u8),
    /// One with a sign.
    Signed(&'static str, u8),
    /// A number of 4 octets with a fraction.
    Single(&'static str),
    /// One of 8.
    Double(&'static str),
    /// Text.
    Text(&'static str, Length),
    /// Octets that are no text.
    Octets(&'static str, Length),
}

/// How long a text is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    /// So many octets.
    Fixed(u8),
    /// As a number before it says, by its name.
    Said(&'static str),
    /// Up to the end of the point.
    Rest,
}

/// How the points of an object lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layout {
    /// So many bits each, one behind the other without gaps.
    Packed(u8),
    /// The parts of each.
    Parts(&'static [&'static [Part]]),
    /// A number of octets, which is the variation.
    String(u8),
    /// An attribute of the device: its kind, its length in an octet, and so many octets.
    Attribute,
}

impl Layout {
    /// Bits of a point, where each has the same.
    pub(super) fn size_bits(self) -> Option<usize> {
        match self {
            Self::Packed(bits) => Some(bits.into()),
            Self::String(octets) => Some(usize::from(octets) * 8),
            Self::Parts(parts) => {
                parts.iter().copied().flatten().map(|part| part.octets().map(|octets| octets * 8)).sum()
            }
            Self::Attribute => None,
        }
    }
}

impl Part {
    fn octets(self) -> Option<usize> {
        Some(match self {
            Self::Bits(_) => 1,
            Self::Number(_, octets) | Self::Signed(_, octets) => octets.into(),
            Self::Single(_) => 4,
            Self::Double(_) => 8,
            Self::Text(_, Fixed(octets)) | Self::Octets(_, Fixed(octets)) => octets.into(),
            Self::Text(..) | Self::Octets(..) => return None,
        })
    }
}

macro_rules! flags {
    ($($rest:tt)*) => {
        &[Bits(&[("online", 1), ("restart", 1), ("comm_lost", 1), ("remote_forced", 1), ("local_forced", 1), $($rest)*])]
    };
}

const BINARY: &[Part] = flags![("chatter_filter", 1), ("reserved", 1), ("state", 1)];
const DOUBLE_BIT: &[Part] = flags![("chatter_filter", 1), ("state", 2)];
const OUTPUT: &[Part] = flags![("reserved0", 1), ("reserved1", 1), ("state", 1)];
const COUNTER: &[Part] = flags![("rollover", 1), ("discontinuity", 1), ("reserved0", 1)];
const DELTA: &[Part] = flags![("rollover", 1), ("reserved0", 1), ("reserved1", 1)];
const ANALOG: &[Part] = flags![("over_range", 1), ("reference_err", 1), ("reserved0", 1)];
const SECURITY: &[Part] = flags![("reserved0", 1), ("discontinuity", 1), ("reserved1", 1)];
const COMMAND_STATE: &[Part] = &[Bits(&[("status_code", 7), ("commanded_state", 1)])];
const COMMAND_STATUS: &[Part] = &[Bits(&[("status_code", 7), ("reserved0", 1)])];
const STATE: &[Part] = &[Number("state", 1)];
const TIME: &[Part] = &[Number("timestamp", 6)];
const RELATIVE: &[Part] = &[Number("relative_time_ms", 2)];
const COUNT32: &[Part] = &[Number("count", 4)];
const COUNT16: &[Part] = &[Number("count", 2)];
const VALUE32: &[Part] = &[Signed("value", 4)];
const VALUE16: &[Part] = &[Signed("value", 2)];
const SINGLE: &[Part] = &[Single("value")];
const DOUBLE: &[Part] = &[Double("value")];
const STATUS: &[Part] = &[Number("control_status", 1)];
const CONTROL: &[Part] = &[
    Bits(&[("op_type", 4), ("qu", 1), ("cr", 1), ("tcc", 2)]),
    Number("count", 1),
    Number("ontime", 4),
    Number("offtime", 4),
    Bits(&[("status_code", 7), ("reserved", 1)]),
];
const STATISTIC: &[Part] = &[Number("association_id", 2), Number("count_value", 4)];
const CHALLENGED: &[Part] = &[Number("csq", 4), Number("usr", 2)];
const KEYED: &[Part] = &[Number("ksq", 4), Number("user_number", 2)];
const CHALLENGE: &[Part] = &[Number("challenge_data_len", 2), Octets("challenge_data", Said("challenge_data_len"))];

/// The layout of an object's points; `None` for what is not assigned.
pub(super) fn layout(group: u8, variation: u8) -> Option<Layout> {
    let packed = match (group, variation) {
        (1 | 10 | 80, 1) | (12, 3) => Some(1),
        (3, 1) => Some(2),
        _ => None,
    };
    match group {
        _ if packed.is_some() => packed.map(Layout::Packed),
        0 => Some(Layout::Attribute),
        110..=115 => Some(Layout::String(variation)),
        70 => file(variation).map(Layout::Parts),
        120 => authentication(variation).map(Layout::Parts),
        _ => point(group, variation).map(Layout::Parts),
    }
}

fn point(group: u8, variation: u8) -> Option<&'static [&'static [Part]]> {
    Some(match (group, variation) {
        (1, 2) => &[BINARY],
        (2, 1) => &[STATE],
        (2, 2) => &[BINARY, TIME],
        (2, 3) => &[BINARY, RELATIVE],
        (3, 2) | (4, 1) => &[DOUBLE_BIT],
        (4, 2) => &[DOUBLE_BIT, TIME],
        (4, 3) => &[DOUBLE_BIT, RELATIVE],
        (10, 2) | (11, 1) => &[OUTPUT],
        (11, 2) => &[OUTPUT, TIME],
        (12, 1 | 2) => &[CONTROL],
        (13, 1) => &[COMMAND_STATE],
        (13, 2) => &[COMMAND_STATE, TIME],
        (20..=23, 1) => &[COUNTER, COUNT32],
        (20..=23, 2) => &[COUNTER, COUNT16],
        (20..=23, 3) => &[DELTA, COUNT32],
        (20..=23, 4) => &[DELTA, COUNT16],
        (20, 5 | 7) | (21, 9 | 11) => &[COUNT32],
        (20, 6 | 8) | (21, 10 | 12) => &[COUNT16],
        (21..=23, 5) => &[COUNTER, COUNT32, TIME],
        (21..=23, 6) => &[COUNTER, COUNT16, TIME],
        (21..=23, 7) => &[DELTA, COUNT32, TIME],
        (21..=23, 8) => &[DELTA, COUNT16, TIME],
        (30..=33 | 40 | 42, 1) => &[ANALOG, VALUE32],
        (30..=33 | 40 | 42, 2) => &[ANALOG, VALUE16],
        (31..=33 | 42, 3) => &[ANALOG, VALUE32, TIME],
        (31..=33 | 42, 4) => &[ANALOG, VALUE16, TIME],
        (30, 3) | (31, 5) => &[VALUE32],
        (30, 4) | (31, 6) => &[VALUE16],
        (30 | 32 | 33 | 42, 5) | (31, 7) | (40, 3) => &[ANALOG, SINGLE],
        (30 | 32 | 33 | 42, 6) | (31, 8) | (40, 4) => &[ANALOG, DOUBLE],
        (32 | 33 | 42, 7) => &[ANALOG, SINGLE, TIME],
        (32 | 33 | 42, 8) => &[ANALOG, DOUBLE, TIME],
        (34, 1) => &[&[Number("deadband_value", 2)]],
        (34, 2) => &[&[Number("deadband_value", 4)]],
        (34, 3) => &[&[Single("deadband_value")]],
        (41, 1) => &[VALUE32, STATUS],
        (41, 2) => &[VALUE16, STATUS],
        (41, 3) => &[SINGLE, STATUS],
        (41, 4) => &[DOUBLE, STATUS],
        (43, 1) => &[COMMAND_STATUS, VALUE32],
        (43, 2) => &[COMMAND_STATUS, VALUE16],
        (43, 3) => &[COMMAND_STATUS, VALUE32, TIME],
        (43, 4) => &[COMMAND_STATUS, VALUE16, TIME],
        (43, 5) => &[COMMAND_STATUS, SINGLE],
        (43, 6) => &[COMMAND_STATUS, DOUBLE],
        (43, 7) => &[COMMAND_STATUS, SINGLE, TIME],
        (43, 8) => &[COMMAND_STATUS, DOUBLE, TIME],
        (50, 1 | 3) | (51, 1 | 2) => &[TIME],
        (50, 2) => &[TIME, &[Number("interval", 4)]],
        (50, 4) => &[TIME, &[Number("interval_count", 4), Number("interval_units", 1)]],
        (52, 1) => &[&[Number("delay_secs", 2)]],
        (52, 2) => &[&[Number("delay_ms", 2)]],
        (60, 1..=4) => &[],
        (81, 1) => {
            &[&[Bits(&[("fill_percentage", 7), ("overflow_state", 1)]), Number("group", 1), Number("variation", 1)]]
        }
        (82 | 83, 1) => &[&[
            Text("vendor_code", Fixed(4)),
            Number("object_id", 2),
            Number("length", 2),
            Octets("data_objects", Rest),
        ]],
        (85 | 87 | 88 | 91, 1) | (83, 2) | (86, 1 | 3) => &[&[Octets("data", Rest)]],
        (86, 2) => &[&[Bits(&[("rd", 1), ("wr", 1), ("st", 1), ("ev", 1), ("df", 1), ("padding", 3)])]],
        (90, 1) => &[&[Text("application_id", Rest)]],
        (100, 1) => &[SINGLE],
        (100, 2) => &[DOUBLE],
        (100, 3) => &[&[Octets("value", Fixed(10))]],
        (101, 1) => &[&[Number("value", 2)]],
        (101, 2) => &[&[Number("value", 4)]],
        (101, 3) => &[&[Number("value", 8)]],
        (102, 1) => &[&[Number("value", 1)]],
        (121 | 122, 1) => &[SECURITY, STATISTIC],
        (122, 2) => &[SECURITY, STATISTIC, TIME],
        _ => return None,
    })
}

/// Files: their commands, statuses and blocks.
fn file(variation: u8) -> Option<&'static [&'static [Part]]> {
    Some(match variation {
        1 => &[&[
            Number("filename_size", 2),
            Number("filetype_code", 1),
            Number("attribute_code", 1),
            Number("start_record", 2),
            Number("end_record", 2),
            Number("file_size", 4),
            Number("created_timestamp", 6),
            Number("permission", 2),
            Number("file_id", 4),
            Number("owner_id", 4),
            Number("group_id", 4),
            Number("file_function_code", 1),
            Number("status_code", 1),
            Text("filename", Said("filename_size")),
            Number("data_size", 2),
            Octets("data", Said("data_size")),
        ]],
        2 => &[&[
            Number("username_offset", 2),
            Number("username_size", 2),
            Number("password_offset", 2),
            Number("password_size", 2),
            Number("authentication_key", 4),
            Text("username", Said("username_size")),
            Text("password", Said("password_size")),
        ]],
        3 => &[&[
            Number("filename_offset", 2),
            Number("filename_size", 2),
            Number("created", 6),
            Number("permissions", 2),
            Number("authentication_key", 4),
            Number("file_size", 4),
            Number("operational_mode", 2),
            Number("maximum_block_size", 2),
            Number("request_id", 2),
            Text("filename", Said("filename_size")),
        ]],
        4 => &[&[
            Number("file_handle", 4),
            Number("file_size", 4),
            Number("maximum_block_size", 2),
            Number("request_id", 2),
            Number("status_code", 1),
            Text("optional_text", Rest),
        ]],
        5 => &[&[Number("file_handle", 4), Number("block_number", 4), Octets("file_data", Rest)]],
        6 => &[&[
            Number("file_handle", 4),
            Number("block_number", 4),
            Number("status_code", 1),
            Text("optional_text", Rest),
        ]],
        7 => &[&[
            Number("filename_offset", 2),
            Number("filename_size", 2),
            Number("file_type", 2),
            Number("file_size", 4),
            Number("created_timestamp", 6),
            Number("permissions", 2),
            Number("request_id", 2),
            Text("filename", Said("filename_size")),
        ]],
        8 => &[&[Text("file_specification", Rest)]],
        _ => return None,
    })
}

/// Secure authentication: challenges, keys and errors.
fn authentication(variation: u8) -> Option<&'static [&'static [Part]]> {
    Some(match variation {
        1 => &[CHALLENGED, &[Number("mal", 1), Number("reason", 1), Octets("challenge_data", Rest)]],
        2 => &[CHALLENGED, &[Octets("mac_value", Rest)]],
        3 => &[&[Number("csq", 4), Number("user_number", 2)]],
        4 => &[&[Number("user_number", 2)]],
        5 => &[
            KEYED,
            &[Number("key_wrap_alg", 1), Number("key_status", 1), Number("mal", 1)],
            CHALLENGE,
            &[Octets("mac_value", Rest)],
        ],
        6 => &[&[Number("ksq", 4), Number("usr", 2), Octets("wrapped_key_data", Rest)]],
        7 => &[&[
            Number("sequence_number", 4),
            Number("usr", 2),
            Number("association_id", 2),
            Number("error_code", 1),
            Number("time_of_error", 6),
            Text("error_text", Rest),
        ]],
        8 => &[&[Number("key_change_method", 1), Number("certificate_type", 1), Octets("certificate", Rest)]],
        9 => &[&[Octets("mac_value", Rest)]],
        10 => &[&[
            Number("key_change_method", 1),
            Number("operation", 1),
            Number("scs", 4),
            Number("user_role", 2),
            Number("user_role_expiry_interval", 2),
            Number("username_len", 2),
            Number("user_public_key_len", 2),
            Number("certification_data_len", 2),
            Text("username", Said("username_len")),
            Octets("user_public_key", Said("user_public_key_len")),
            Octets("certification_data", Said("certification_data_len")),
        ]],
        11 => &[&[
            Number("key_change_method", 1),
            Number("username_len", 2),
            Number("master_challenge_data_len", 2),
            Text("username", Said("username_len")),
            Octets("master_challenge_data", Said("master_challenge_data_len")),
        ]],
        12 => &[KEYED, CHALLENGE],
        13 => &[
            KEYED,
            &[
                Number("encrypted_update_key_len", 2),
                Octets("encrypted_update_key_data", Said("encrypted_update_key_len")),
            ],
        ],
        14 => &[&[Octets("digital_signature", Rest)]],
        15 => &[&[Octets("mac", Rest)]],
        _ => return None,
    })
}
