//! Units of the protocol (ITU-T X.224 clause 13) in their packets (RFC 1006 section 6).

/// Kinds by their names in rules and records.
pub(super) const KINDS: &[(u8, &str)] = &[
    (0xe0, "connection_request"),
    (0xd0, "connection_confirm"),
    (0x80, "disconnect_request"),
    (0xc0, "disconnect_confirm"),
    (0xf0, "data"),
    (0x10, "expedited_data"),
    (0x60, "data_acknowledgement"),
    (0x20, "expedited_data_acknowledgement"),
    (0x50, "reject"),
    (0x70, "error"),
];

/// A request for a connection.
pub(super) const REQUEST: u8 = 0xe0;
/// Its confirmation.
pub(super) const CONFIRM: u8 = 0xd0;
/// The connection is refused, or over.
pub(super) const DISCONNECT: u8 = 0x80;
/// The end of a connection is confirmed.
pub(super) const DISCONNECT_CONFIRM: u8 = 0xc0;
/// Data.
pub(super) const DATA: u8 = 0xf0;
/// A unit was not understood.
pub(super) const ERROR: u8 = 0x70;

/// Octets of the header of a packet.
pub(super) const TPKT_BYTES: usize = 4;
/// The last unit of a message.
const END: u8 = 0x80;
/// Octets of an address that are kept.
const TSAP_LIMIT: usize = 64;

/// The name of the kind of a unit; its low bits are credit or a number in some.
pub(super) fn kind(code: u8) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == code & 0xf0).map(|(_, name)| *name)
}

/// A unit, without what it carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tpdu {
    pub code: u8,
    pub destination: Option<u16>,
    pub source: Option<u16>,
    pub class: Option<u8>,
    pub reason: Option<u8>,
    pub size_bytes: Option<u32>,
    pub calling: Option<Vec<u8>>,
    pub called: Option<Vec<u8>>,
    /// Data: it is the last unit of its message.
    pub is_end: bool,
    /// Octets of its header, its own length with them.
    pub header_bytes: usize,
}

impl Tpdu {
    /// Reads the unit in a packet; `None` where it does not fit or lacks something.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (&indicator, rest) = data.split_first()?;
        let header = rest.get(..usize::from(indicator))?;
        let (&code, fields) = header.split_first()?;
        let short = |at: usize| Some(u16::from_be_bytes([*fields.get(at)?, *fields.get(at + 1)?]));
        let code = code & 0xf0;
        let mut unit = Self { code, header_bytes: 1 + header.len(), ..Self::default() };
        match code {
            REQUEST | CONFIRM => {
                (unit.destination, unit.source) = (Some(short(0)?), Some(short(2)?));
                unit.class = Some(fields.get(4)? >> 4);
                unit.parameters(fields.get(5..)?)?;
            }
            DISCONNECT => {
                (unit.destination, unit.source) = (Some(short(0)?), Some(short(2)?));
                unit.reason = Some(*fields.get(4)?);
            }
            ERROR => {
                unit.destination = Some(short(0)?);
                unit.reason = Some(*fields.get(2)?);
            }
            DATA => unit.is_end = fields.first()? & END != 0,
            _ => {}
        }
        Some(unit)
    }

    fn parameters(&mut self, mut rest: &[u8]) -> Option<()> {
        while let [code, length, behind @ ..] = rest {
            let (value, further) = behind.split_at_checked(usize::from(*length))?;
            let kept = || Some(value.get(..TSAP_LIMIT).unwrap_or(value).to_vec());
            match (code, value) {
                // The exponent of a power of two, of 128 to 8,192.
                (0xc0, [exponent @ 7..=13]) => self.size_bytes = Some(1 << exponent),
                (0xc1, _) => self.calling = kept(),
                (0xc2, _) => self.called = kept(),
                _ => {}
            }
            rest = further;
        }
        rest.is_empty().then_some(())
    }
}
