//! The application layer (IEEE 1815 clauses 4 and 11): a request or a response with the headers of its objects.

use super::frame::Header;
use super::objects::{Layout, layout};
use crate::protocol::{Anomaly, Direction, OneWay, held};

/// A request, a response or an unsolicited response, put together from its frames.
#[derive(Debug)]
pub struct Message {
    pub(super) direction: Direction,
    /// Header of its first frame.
    pub link: Header,
    /// Application control: first 128, last 64, to be confirmed 32, unsolicited 16, sequence in the lowest four bits.
    pub control: u8,
    /// Function code.
    pub function: u8,
    /// Internal indications of a response, the first octet in the upper bits.
    pub indications: Option<u16>,
    /// Headers of its objects.
    pub objects: Vec<ObjectHeader>,
    /// Whether all of them could be read.
    pub complete: bool,
    /// The octets of the application layer.
    pub data: Vec<u8>,
    pub(super) anomalies: Vec<Anomaly>,
}

/// The header of objects of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectHeader {
    /// Group.
    pub group: u8,
    /// Variation.
    pub variation: u8,
    /// Qualifier: what stands before each object in bits 4 to 6, and which range there is in the lowest four.
    pub qualifier: u8,
    /// First and last index.
    pub range: (u32, u32),
    /// How many there are.
    pub count: u32,
    /// Where they begin in the octets of the message; a request to read has none, nor have objects without a range.
    pub(super) at: Option<u32>,
}

/// How much of a message is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Points of all objects.
    pub(super) points: u64,
    /// Headers of objects.
    pub(super) objects: usize,
}

impl ObjectHeader {
    /// What stands before each object: its index in 1, 2, 4 octets, or its size.
    pub fn prefix_code(&self) -> u8 {
        self.qualifier >> 4 & 7
    }

    /// Octets that stand before each object.
    pub(super) fn prefix_octets(&self) -> usize {
        [0, 1, 2, 4, 1, 2, 4].get(usize::from(self.prefix_code())).copied().unwrap_or(0)
    }

    /// Whether those are its index.
    pub(super) fn has_index(&self) -> bool {
        matches!(self.prefix_code(), 1..=3)
    }

    /// Whether those are its size.
    pub(super) fn has_size(&self) -> bool {
        matches!(self.prefix_code(), 4..=6)
    }

    /// Which range there is.
    pub fn range_code(&self) -> u8 {
        self.qualifier & 15
    }
}

impl Message {
    /// Reads what the frames of a message carried, within limits.
    pub(super) fn read(direction: Direction, link: Header, data: Vec<u8>, limits: Limits) -> Self {
        let mut message = Self {
            direction,
            link,
            control: 0,
            function: 0,
            indications: None,
            objects: Vec::new(),
            complete: false,
            data,
            anomalies: Vec::new(),
        };
        let Some(&[control, function, ..]) = message.data.first_chunk::<2>() else {
            message.anomalies.push(Anomaly("dnp3.malformed"));
            return message;
        };
        (message.control, message.function) = (control, function);
        let mut at = 2;
        if function >= RESPONSE {
            let Some(&[_, _, first, second]) = message.data.first_chunk::<4>() else {
                message.anomalies.push(Anomaly("dnp3.malformed"));
                return message;
            };
            message.indications = Some(u16::from_be_bytes([first, second]));
            at = 4;
        }
        let data = std::mem::take(&mut message.data);
        match read_objects(&data, at, function, limits, &mut message.objects) {
            Ok(()) => message.complete = true,
            Err(name) => message.anomalies.push(Anomaly(name)),
        }
        message.data = data;
        message
    }

    pub(super) fn seen(&self, direction: Direction) -> Option<&Self> {
        (self.direction == direction).then_some(self)
    }

    /// The octets of an object's points, and what is behind them.
    pub(super) fn points(&self, header: &ObjectHeader) -> Option<&[u8]> {
        self.data.get(usize::try_from(header.at?).ok()?..)
    }

    /// What kind of message it is, as records name it.
    pub fn kind(&self) -> &'static str {
        match (self.direction, self.function) {
            (_, UNSOLICITED) => "unsolicited_response",
            (Direction::ToServer, _) => "request",
            (Direction::ToClient, _) => "response",
        }
    }

    /// The names of its internal indications.
    pub fn indication_names(&self) -> impl Iterator<Item = &'static str> {
        let bits = self.indications.unwrap_or(0);
        INDICATIONS.iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| *name)
    }
}

impl OneWay for Message {
    fn way(&self) -> Direction {
        self.direction
    }

    fn noted(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held(&self) -> usize {
        held::list(&self.objects) + held::list(&self.data) + held::list(&self.anomalies)
    }
}

fn read_objects(
    data: &[u8],
    at: usize,
    function: u8,
    limits: Limits,
    objects: &mut Vec<ObjectHeader>,
) -> Result<(), &'static str> {
    let mut rest = data.get(at..).unwrap_or_default();
    let mut points = 0_u64;
    while !rest.is_empty() {
        if objects.len() >= limits.objects {
            return Err("dnp3.too_many_objects");
        }
        let &[group, variation, qualifier] = take(&mut rest)?;
        let mut header = ObjectHeader { group, variation, qualifier, ..ObjectHeader::default() };
        let number = |octets: &[u8]| octets.iter().rev().fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet));
        match header.range_code() {
            code @ 0..=5 => {
                let width = [1, 2, 4, 1, 2, 4].get(usize::from(code)).copied().unwrap_or(1);
                let (first, behind) = rest.split_at_checked(width).ok_or("dnp3.malformed")?;
                let (last, behind) = behind.split_at_checked(width).ok_or("dnp3.malformed")?;
                rest = behind;
                header.range = (number(first), number(last));
                header.count = header.range.1.checked_sub(header.range.0).ok_or("dnp3.malformed")?.saturating_add(1);
            }
            6 => {}
            code @ (7..=9 | 11) => {
                let width = if code == 11 { 1 } else { 1 << (code - 7) };
                let (count, behind) = rest.split_at_checked(width).ok_or("dnp3.malformed")?;
                rest = behind;
                header.count = number(count);
            }
            _ => return Err("dnp3.malformed"),
        }
        // A request to read names objects and has none.
        let has_points = function != READ && header.range_code() != 6;
        if has_points {
            header.at = u32::try_from(data.len() - rest.len()).ok();
            points = points.saturating_add(header.count.into());
        }
        objects.push(header);
        if has_points {
            if points > limits.points {
                return Err("dnp3.too_many_points");
            }
            pass_over(&header, &mut rest)?;
        }
    }
    Ok(())
}

/// Passes over the objects behind a header.
fn pass_over(header: &ObjectHeader, rest: &mut &[u8]) -> Result<(), &'static str> {
    let count = usize::try_from(header.count).unwrap_or(usize::MAX);
    let prefix = header.prefix_octets();
    if header.prefix_code() == 7 {
        return Err("dnp3.malformed");
    }
    if header.has_size() {
        for _ in 0..count {
            let (size, behind) = rest.split_at_checked(prefix).ok_or("dnp3.malformed")?;
            let size = size.iter().rev().fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
            *rest = behind.get(size..).ok_or("dnp3.malformed")?;
        }
        return Ok(());
    }
    let layout = layout(header.group, header.variation).ok_or("dnp3.unknown_object")?;
    if let Layout::Attribute = layout {
        for _ in 0..count {
            let length = *rest.get(prefix + 1).ok_or("dnp3.malformed")?;
            *rest = rest.get(prefix + 2 + usize::from(length)..).ok_or("dnp3.malformed")?;
        }
        return Ok(());
    }
    let bits = layout.size_bits().ok_or("dnp3.unknown_object")?;
    let bytes = if bits < 8 && prefix == 0 {
        count.saturating_mul(bits).div_ceil(8)
    } else {
        count.saturating_mul(prefix + bits.div_ceil(8))
    };
    *rest = rest.get(bytes..).ok_or("dnp3.malformed")?;
    Ok(())
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], &'static str> {
    let (taken, behind) = rest.split_first_chunk().ok_or("dnp3.malformed")?;
    *rest = behind;
    Ok(taken)
}

const READ: u8 = 1;
const RESPONSE: u8 = 129;
const UNSOLICITED: u8 = 130;

/// Function codes by the names that rules use.
pub const FUNCTIONS: [(u8, &str); 37] = [
    (0, "confirm"),
    (1, "read"),
    (2, "write"),
    (3, "select"),
    (4, "operate"),
    (5, "direct_operate"),
    (6, "direct_operate_nr"),
    (7, "immed_freeze"),
    (8, "immed_freeze_nr"),
    (9, "freeze_clear"),
    (10, "freeze_clear_nr"),
    (11, "freeze_at_time"),
    (12, "freeze_at_time_nr"),
    (13, "cold_restart"),
    (14, "warm_restart"),
    (15, "initialize_data"),
    (16, "initialize_appl"),
    (17, "start_appl"),
    (18, "stop_appl"),
    (19, "save_config"),
    (20, "enable_unsolicited"),
    (21, "disable_unsolicited"),
    (22, "assign_class"),
    (23, "delay_measure"),
    (24, "record_current_time"),
    (25, "open_file"),
    (26, "close_file"),
    (27, "delete_file"),
    (28, "get_file_info"),
    (29, "authenticate_file"),
    (30, "abort_file"),
    (31, "activate_config"),
    (32, "authenticate_req"),
    (33, "authenticate_err"),
    (129, "response"),
    (130, "unsolicited_response"),
    (131, "authenticate_resp"),
];

/// Internal indications by their bit, the first octet in the upper bits.
pub const INDICATIONS: [(u16, &str); 14] = [
    (0x0100, "all_stations"),
    (0x0200, "class_1_events"),
    (0x0400, "class_2_events"),
    (0x0800, "class_3_events"),
    (0x1000, "need_time"),
    (0x2000, "local_control"),
    (0x4000, "device_trouble"),
    (0x8000, "device_restart"),
    (0x0001, "no_func_code_support"),
    (0x0002, "object_unknown"),
    (0x0004, "parameter_error"),
    (0x0008, "event_buffer_overflow"),
    (0x0010, "already_executing"),
    (0x0020, "config_corrupt"),
];
