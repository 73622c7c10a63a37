//! A frame: the header (IEC 61850-8-1, annex C) and the message in it.

use super::ber::{element, elements};
use super::data;
use crate::protocol::Anomaly;

/// A frame, with what is wrong in it.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub header: Header,
    pub gocb_ref: &'a [u8],
    pub time_allowed_to_live_ms: u32,
    pub dat_set: &'a [u8],
    pub go_id: &'a [u8],
    /// When the state began.
    pub time: Time,
    pub st_num: u32,
    pub sq_num: u32,
    /// What the message says of itself, beside the header's bit.
    pub simulation: bool,
    pub conf_rev: u32,
    pub nds_com: bool,
    /// How many values it says that it has.
    pub entries: u32,
    /// The values.
    pub data: &'a [u8],
    pub notes: Vec<Anomaly>,
}

/// What stands before a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub appid: u16,
    pub length: u16,
    /// The bit of simulation, and the length of an extension (IEC 62351-6).
    pub reserved1: u16,
    pub reserved2: u16,
}

/// A time (IEC 61850-8-1, section 8.1.3.6): seconds since 1970, a part of a second in 24 bits, and the quality of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Time {
    pub seconds: u32,
    pub fraction: u32,
    pub quality: u8,
}

impl Header {
    /// Octets of it.
    pub(super) const LEN: usize = 8;

    /// Reads it, and gives what follows.
    pub(super) fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[a0, a1, l0, l1, r0, r1, s0, s1], rest) = data.split_first_chunk::<{ Self::LEN }>()?;
        let [appid, length, reserved1, reserved2] = [[a0, a1], [l0, l1], [r0, r1], [s0, s1]].map(u16::from_be_bytes);
        Some((Self { appid, length, reserved1, reserved2 }, rest))
    }

    /// Whether it is a test set that speaks.
    pub(super) fn is_simulation(&self) -> bool {
        self.reserved1 & 0x8000 != 0
    }

    /// Octets of the extension that signs the frame.
    pub(super) fn extension_len(&self) -> usize {
        usize::from(self.reserved1 & 0x0fff)
    }
}

impl<'a> Message<'a> {
    /// Reads a frame from behind the Ethernet type; one that cannot be read is an anomaly.
    pub(super) fn read(frame: &'a [u8]) -> Result<Self, Anomaly> {
        let (header, body) = Header::read(frame).ok_or(MALFORMED)?;
        let mut notes = Vec::new();
        let (pdu, rest) = element(body).ok_or(MALFORMED)?;
        // Behind the message is an extension, and what fills the frame up.
        let pdu_len = body.len() - rest.len();
        let stated = usize::from(header.length);
        if stated > frame.len() || stated != Header::LEN + pdu_len + header.extension_len() {
            notes.push(Anomaly("goose.invalid_length"));
        }
        if pdu.tag != GOOSE_PDU {
            return Err(Anomaly("goose.unknown_function"));
        }
        let mut message = Self::empty(header);
        let (mut seen, mut is_odd) = (0_u16, false);
        for found in elements(pdu.value) {
            let field = found.map_err(|_| MALFORMED)?;
            if field.tag & 0xc0 != CONTEXT {
                is_odd = true;
                continue;
            }
            let place = u32::from(field.tag & 0x1f);
            // Each is there once, in order; what is behind the values is a signature of older editions.
            is_odd |= seen >> place.min(15) != 0;
            seen |= 1 << place.min(15);
            let number = |to: &mut u32| field.unsigned().map(|value| *to = value).is_some();
            let boolean = |to: &mut bool| field.boolean().map(|value| *to = value).is_some();
            let fits = match field.tag {
                0x80 => text(&mut message.gocb_ref, field.value),
                0x81 => number(&mut message.time_allowed_to_live_ms),
                0x82 => text(&mut message.dat_set, field.value),
                0x83 => text(&mut message.go_id, field.value),
                0x84 => Time::read(field.value).map(|time| message.time = time).is_some(),
                0x85 => number(&mut message.st_num),
                0x86 => number(&mut message.sq_num),
                0x87 => boolean(&mut message.simulation),
                0x88 => number(&mut message.conf_rev),
                0x89 => boolean(&mut message.nds_com),
                0x8a => number(&mut message.entries),
                0xab => {
                    message.data = field.value;
                    true
                }
                _ => true,
            };
            is_odd |= !fits;
        }
        if seen & MANDATORY != MANDATORY {
            return Err(MALFORMED);
        }
        let counted = data::count(message.data).ok_or(MALFORMED)?;
        notes.extend((counted != message.entries).then_some(Anomaly("goose.entries_mismatch")));
        notes.extend(is_odd.then_some(Anomaly("goose.invalid_value")));
        Ok(Self { notes, ..message })
    }

    fn empty(header: Header) -> Self {
        Self {
            header,
            gocb_ref: &[],
            time_allowed_to_live_ms: 0,
            dat_set: &[],
            go_id: &[],
            time: Time::default(),
            st_num: 0,
            sq_num: 0,
            simulation: false,
            conf_rev: 0,
            nds_com: false,
            entries: 0,
            data: &[],
            notes: Vec::new(),
        }
    }

    /// Whether it is a test set that speaks.
    pub(super) fn is_simulation(&self) -> bool {
        self.simulation || self.header.is_simulation()
    }
}

/// Takes a text; whether it is one that the standard allows.
fn text<'a>(to: &mut &'a [u8], value: &'a [u8]) -> bool {
    *to = value.get(..TEXT_LIMIT).unwrap_or(value);
    value.len() <= REFERENCE_LEN && value.iter().all(|octet| (0x20..0x7f).contains(octet))
}

impl Time {
    fn read(value: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, quality] = value.first_chunk::<8>().filter(|_| value.len() == 8)?;
        let (seconds, fraction) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([0, e, f, g]));
        Some(Self { seconds, fraction, quality })
    }

    /// Seconds since 1970, to the microsecond.
    pub(super) fn epoch_s(&self) -> f64 {
        let micros = (f64::from(self.fraction) * 1_000_000.0 / f64::from(1 << 24)).round();
        f64::from(self.seconds) + micros / 1_000_000.0
    }
}

const MALFORMED: Anomaly = Anomaly("goose.malformed_message");
/// The tag of a message: application 1.
const GOOSE_PDU: u8 = 0x61;
/// The class of the tags of its fields.
const CONTEXT: u8 = 0x80;
/// The fields that each message has, a bit for each: all but the name and the simulation, which has a default.
const MANDATORY: u16 = 0b1111_0111_0111;
/// Octets of a reference (IEC 61850-7-2: a visible string of 129), and of one that are kept.
const REFERENCE_LEN: usize = 129;
const TEXT_LIMIT: usize = 256;
