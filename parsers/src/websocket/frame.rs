//! The header of a frame (RFC 6455 section 5.2).

/// Opcodes by their names in rules and records; of two names records have the first.
pub(super) const OPCODES: &[(u8, &str)] = &[
    (CONTINUATION, "continuation"),
    (1, "text"),
    (2, "binary"),
    (8, "close"),
    (8, "connection_close"),
    (9, "ping"),
    (10, "pong"),
];
/// Bits of the first octet by their names in rules.
pub(super) const FLAGS: &[(u8, &str)] = &[(FIN, "fin"), (COMPRESSED, "comp")];

/// A frame that goes on with a message.
pub(super) const CONTINUATION: u8 = 0;
/// The last frame of a message.
pub(super) const FIN: u8 = 0x80;
/// The message is compressed (RFC 7692 section 6).
pub(super) const COMPRESSED: u8 = 0x40;
/// From this opcode on frames are no parts of messages.
const CONTROL: u8 = 8;
/// Bytes of a control frame.
const CONTROL_LIMIT: u64 = 125;

/// The header of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub flags: u8,
    pub opcode: u8,
    pub mask: Option<u32>,
    pub length: u64,
    /// Its own octets.
    pub size: u8,
    /// The length is written longer than needed, or too long.
    pub has_odd_length: bool,
}

impl Header {
    /// The header at the begin of the bytes; how many it takes at least where they are too few.
    pub(super) fn read(data: &[u8]) -> Result<Self, usize> {
        let &[first, second, ..] = data else { return Err(2) };
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        let size = 2 + extended + if masked { 4 } else { 0 };
        let whole = data.get(2..size).ok_or(size)?;
        let (length, mask) = whole.split_at_checked(extended).ok_or(size)?;
        let length = match length {
            [] => u64::from(second & 0x7f),
            octets => octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)),
        };
        let least = match extended {
            0 => 0,
            2 => 126,
            _ => 1 << 16,
        };
        let size = u8::try_from(size).unwrap_or(u8::MAX);
        let mask = <[u8; 4]>::try_from(mask).ok().map(u32::from_be_bytes);
        let has_odd_length = length < least || length >> 63 != 0;
        Ok(Self { flags: first & 0xf0, opcode: first & 0x0f, mask, length, size, has_odd_length })
    }

    /// Whether it is the last frame of its message.
    pub(super) fn is_final(&self) -> bool {
        self.flags & FIN != 0
    }

    /// Whether it is no part of a message.
    pub(super) fn is_control(&self) -> bool {
        self.opcode >= CONTROL
    }

    /// Whether it is a control frame as there may be none.
    pub(super) fn is_bad_control(&self) -> bool {
        self.is_control() && (!self.is_final() || self.length > CONTROL_LIMIT)
    }
}

/// The name of an opcode, if it is defined.
pub(super) fn opcode_name(opcode: u8) -> Option<&'static str> {
    OPCODES.iter().find(|(number, _)| *number == opcode).map(|(_, name)| *name)
}
