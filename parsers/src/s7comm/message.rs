//! The header of a message, and the first octets of its parameters.

/// Kinds of messages by their names in rules and records.
pub(super) const ROSCTRS: &[(u8, &str)] = &[(JOB, "job"), (2, "ack"), (ACK_DATA, "ack_data"), (USERDATA, "userdata")];
/// Functions of jobs by their names in rules and records.
pub(super) const FUNCTIONS: &[(u8, &str)] = &[
    (0x00, "cpu_services"),
    (0x04, "read_var"),
    (0x05, "write_var"),
    (0x1a, "request_download"),
    (0x1b, "download_block"),
    (0x1c, "download_ended"),
    (0x1d, "start_upload"),
    (0x1e, "upload"),
    (0x1f, "end_upload"),
    (0x28, "plc_control"),
    (0x29, "plc_stop"),
    (0xf0, "setup_communication"),
];
/// Groups of functions of userdata messages by their names in rules and records.
pub(super) const GROUPS: &[(u8, &str)] = &[
    (0x0, "mode_transition"),
    (0x1, "programmer"),
    (0x2, "cyclic_data"),
    (0x3, "block"),
    (0x4, "cpu"),
    (0x5, "security"),
    (0x6, "pbc"),
    (0x7, "time"),
    (0xf, "nc_programming"),
];

pub(super) const JOB: u8 = 1;
pub(super) const ACK_DATA: u8 = 3;
pub(super) const USERDATA: u8 = 7;

/// The first octet of each message.
const PROTOCOL: u8 = 0x32;
/// What the parameters of a userdata message begin with.
const USERDATA_HEAD: [u8; 3] = [0, 1, 0x12];

/// A message, as far as it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub rosctr: u8,
    pub reference: u16,
    pub function: Option<u8>,
    /// Class and code.
    pub error: Option<(u8, u8)>,
    /// A userdata message: it answers.
    pub answers: bool,
    pub group: Option<u8>,
    pub subfunction: Option<u8>,
}

impl Message {
    /// Reads a message; `None` where it is none, or shorter than it says.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let &[PROTOCOL, rosctr, _, _, reference_high, reference_low, high, low, data_high, data_low, ref rest @ ..] =
            data
        else {
            return None;
        };
        let reference = u16::from_be_bytes([reference_high, reference_low]);
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data_length = usize::from(u16::from_be_bytes([data_high, data_low]));
        ROSCTRS.iter().find(|(known, _)| *known == rosctr)?;
        let (error, rest) = match (rosctr, rest) {
            (2 | ACK_DATA, &[class, code, ref rest @ ..]) => (Some((class, code)), rest),
            (2 | ACK_DATA, _) => return None,
            _ => (None, rest),
        };
        let parameters = rest.get(..length)?;
        rest.get(length..length + data_length)?;
        let mut message = Self { rosctr, reference, error, ..Self::default() };
        if rosctr == USERDATA {
            if let Some(&[_, _, kind, subfunction, ..]) = parameters.strip_prefix(&USERDATA_HEAD) {
                // Above the group: 0 is pushed, 4 asks, 8 answers.
                message.answers = kind >> 4 == 8;
                (message.group, message.subfunction) = (Some(kind & 0x0f), Some(subfunction));
            }
        } else {
            message.function = parameters.first().copied();
        }
        Some(message)
    }

    /// Whether it answers another one.
    pub(super) fn is_answer(&self) -> bool {
        self.error.is_some() || self.answers
    }

    /// Whether its function is none that is known.
    pub(super) fn has_unknown_function(&self) -> bool {
        self.function.is_some_and(|function| FUNCTIONS.iter().all(|(known, _)| *known != function))
    }
}

/// The name of a number in a table.
pub(super) fn name(table: &[(u8, &'static str)], number: u8) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}
