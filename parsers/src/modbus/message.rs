//! One application data unit: the seven octets of the MBAP header and the function with its data.
//!
//! A message is read as far as it makes sense; what does not is noted in its error flags, and the raw data is kept. No message is
//! longer than 260 octets, so that nothing here grows.

use std::ops::RangeInclusive;

use crate::modbus::tables::{self, Access, Category, DIAGNOSTIC, ENCAPSULATED, Errors};
use crate::protocol::{Direction, held};

/// Octets before those that the length field counts.
pub(super) const HEADER_BYTES: usize = 6;
/// The least that the length field counts: unit and function.
pub(super) const MIN_LENGTH: u16 = 2;
/// The most that the length field counts: unit and the longest function with data.
pub(super) const MAX_LENGTH: u16 = 254;

/// The data of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// There is none.
    None,
    /// What a request asks to read.
    ReadRequest {
        /// First address, from 0.
        address: u16,
        /// How many bits or registers.
        quantity: u16,
    },
    /// What was read.
    ReadResponse(Vec<u8>),
    /// One value, or in the response to a write of several their quantity.
    Write {
        /// The (first) address, from 0.
        address: u16,
        /// The value or the quantity.
        data: u16,
    },
    /// Several values to write.
    WriteMultiple {
        /// First address, from 0.
        address: u16,
        /// How many coils or registers.
        quantity: u16,
        /// The values: coils by bit from the lowest, registers in two octets.
        data: Vec<u8>,
    },
    /// Bits of a register to keep and to set.
    Mask {
        /// The address, from 0.
        address: u16,
        /// Bits that are kept.
        and_mask: u16,
        /// Bits that are set where they are not kept.
        or_mask: u16,
    },
    /// A read and a write of registers in one.
    ReadWrite {
        /// First address to read, from 0.
        read_address: u16,
        /// How many registers to read.
        read_quantity: u16,
        /// First address to write, from 0.
        write_address: u16,
        /// How many registers to write.
        write_quantity: u16,
        /// The values to write.
        data: Vec<u8>,
    },
    /// Diagnostics.
    Diagnostic {
        /// The subfunction.
        code: u16,
        /// Its data.
        data: Vec<u8>,
    },
    /// Encapsulated interface transport.
    Interface {
        /// The kind of interface.
        code: u8,
        /// Its data.
        data: Vec<u8>,
    },
    /// The server could not do it.
    Exception(u8),
    /// Data of another function, or that could not be read.
    Bytes(Vec<u8>),
}

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identifier that the response repeats.
    pub transaction_id: u16,
    /// Protocol identifier, 0 for Modbus.
    pub protocol_id: u16,
    /// The unit behind a gateway.
    pub unit: u8,
    /// The function code as sent, in an exception with the highest bit set.
    pub function: u8,
    /// What the function is about.
    pub data: Data,
    /// What is wrong with it.
    pub errors: Errors,
}

impl Message {
    /// Reads a message from its header to its end; `None` if it has no function.
    pub(super) fn read(bytes: &[u8], direction: Direction) -> Option<Message> {
        let (unit, function) = (*bytes.get(HEADER_BYTES)?, *bytes.get(HEADER_BYTES + 1)?);
        let data = bytes.get(HEADER_BYTES + 2..)?;
        let mut errors = Errors::NONE;
        let protocol_id = short(bytes, 2)?;
        if protocol_id != 0 {
            errors = errors.and(Errors::PROTO_ID);
        }
        if function & 0x7f == 0 || (direction == Direction::ToServer && function & 0x80 != 0) {
            errors = errors.and(Errors::FUNC_CODE);
        }
        let content = match direction {
            _ if errors.contains(Errors::FUNC_CODE) => Ok(Data::Bytes(data.to_vec())),
            Direction::ToServer => request(function, data, &mut errors),
            Direction::ToClient if function & 0x80 != 0 => exception(data, &mut errors),
            Direction::ToClient => response(function, data, &mut errors),
        };
        let content = content.unwrap_or_else(|Short| {
            errors = errors.and(Errors::DATA_LENGTH);
            Data::Bytes(data.to_vec())
        });
        Some(Message { transaction_id: short(bytes, 0)?, protocol_id, unit, function, data: content, errors })
    }

    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.data {
            Data::ReadResponse(data)
            | Data::Bytes(data)
            | Data::WriteMultiple { data, .. }
            | Data::ReadWrite { data, .. }
            | Data::Diagnostic { data, .. }
            | Data::Interface { data, .. } => held::list(data),
            Data::None | Data::ReadRequest { .. } | Data::Write { .. } | Data::Mask { .. } | Data::Exception(_) => 0,
        }
    }

    /// The function code without the exception bit.
    pub fn function_code(&self) -> u8 {
        self.function & 0x7f
    }

    /// The diagnostic subfunction or the kind of encapsulated interface.
    pub fn subfunction(&self) -> Option<u16> {
        match &self.data {
            Data::Diagnostic { code, .. } => Some(*code),
            Data::Interface { code, .. } => Some(u16::from(*code)),
            _ => None,
        }
    }

    /// What the function does, and to what.
    pub fn access(&self) -> Access {
        tables::access(self.function_code())
    }

    /// The range of codes that the function is of.
    pub fn category(&self) -> Category {
        tables::category(self.function_code(), self.subfunction())
    }

    /// The exception code of a refusal.
    pub fn exception(&self) -> Option<u8> {
        match self.data {
            Data::Exception(code) => Some(code),
            _ => None,
        }
    }

    /// The data addresses that a request reads, counted from 1 as in rules and manuals.
    pub fn read_addresses(&self) -> Option<RangeInclusive<u32>> {
        match self.data {
            Data::ReadRequest { address, quantity } => addresses(address, quantity),
            Data::ReadWrite { read_address, read_quantity, .. } => addresses(read_address, read_quantity),
            _ => None,
        }
    }

    /// The data addresses that a request writes, counted from 1 as in rules and manuals.
    pub fn written_addresses(&self) -> Option<RangeInclusive<u32>> {
        match self.data {
            Data::Write { address, .. } | Data::Mask { address, .. } => addresses(address, 1),
            Data::WriteMultiple { address, quantity, .. } => addresses(address, quantity),
            Data::ReadWrite { write_address, write_quantity, .. } => addresses(write_address, write_quantity),
            _ => None,
        }
    }

    /// The value that a request writes to a data address counted from 1: a register, a coil of several as 0 or 1, or what
    /// a single coil is set to as sent (0 or 0xff00).
    pub fn written_value(&self, address: u32) -> Option<u16> {
        let range = self.written_addresses().filter(|range| range.contains(&address))?;
        let index = usize::try_from(address - range.start()).ok()?;
        match &self.data {
            Data::Write { data, .. } => Some(*data),
            Data::WriteMultiple { data, .. } if self.access().contains(Access::COILS) => {
                data.get(index / 8).map(|bits| u16::from(bits >> (index % 8) & 1))
            }
            Data::WriteMultiple { data, .. } | Data::ReadWrite { data, .. } => short(data, index * 2),
            _ => None,
        }
    }

    /// Whether `response` can be the answer to this request: it repeats what it has to, and is as long as what was asked for.
    pub(super) fn is_answered_by(&self, response: &Message) -> bool {
        if self.function_code() != response.function_code() {
            return false;
        }
        match (&self.data, &response.data) {
            (Data::ReadRequest { quantity, .. }, Data::ReadResponse(data)) => {
                data.len() == read_bytes(self.access(), *quantity)
            }
            (Data::ReadWrite { read_quantity, .. }, Data::ReadResponse(data)) => {
                data.len() == 2 * usize::from(*read_quantity)
            }
            (Data::WriteMultiple { address, quantity, .. }, Data::Write { address: to, data }) => {
                address == to && quantity == data
            }
            (Data::Write { .. }, Data::Write { .. }) | (Data::Mask { .. }, Data::Mask { .. }) => {
                self.data == response.data
            }
            (Data::Diagnostic { code, data }, Data::Diagnostic { code: repeated, data: back }) => {
                code == repeated && (*code != 0 || data == back)
            }
            (Data::Interface { code, .. }, Data::Interface { code: repeated, .. }) => code == repeated,
            _ => true,
        }
    }
}

/// The bytes end before the data does.
struct Short;

fn request(function: u8, data: &[u8], errors: &mut Errors) -> Result<Data, Short> {
    let word = |at| short(data, at).ok_or(Short);
    let content = match function {
        1..=4 => {
            let (address, quantity) = (word(0)?, word(2)?);
            let limit = if function <= 2 { 2000 } else { 125 };
            expect((1..=limit).contains(&quantity), Errors::DATA_VALUE, errors);
            whole(data, 4, errors);
            Data::ReadRequest { address, quantity }
        }
        5 | 6 => {
            whole(data, 4, errors);
            let data = word(2)?;
            expect(function == 6 || matches!(data, 0 | 0xff00), Errors::DATA_VALUE, errors);
            Data::Write { address: word(0)?, data }
        }
        15 | 16 => {
            let (address, quantity, count) = (word(0)?, word(2)?, *data.get(4).ok_or(Short)?);
            let (limit, bytes) = if function == 15 {
                (1968, usize::from(quantity).div_ceil(8))
            } else {
                (123, 2 * usize::from(quantity))
            };
            expect((1..=limit).contains(&quantity) && bytes == usize::from(count), Errors::DATA_VALUE, errors);
            Data::WriteMultiple { address, quantity, data: counted(data, 5, count, errors)? }
        }
        22 => mask(data, errors)?,
        23 => {
            let (read_quantity, write_quantity, count) = (word(2)?, word(6)?, *data.get(8).ok_or(Short)?);
            let right = (1..=125).contains(&read_quantity)
                && (1..=121).contains(&write_quantity)
                && 2 * usize::from(write_quantity) == usize::from(count);
            expect(right, Errors::DATA_VALUE, errors);
            Data::ReadWrite {
                read_address: word(0)?,
                read_quantity,
                write_address: word(4)?,
                write_quantity,
                data: counted(data, 9, count, errors)?,
            }
        }
        7 | 11 | 12 | 17 => {
            whole(data, 0, errors);
            bytes(data)
        }
        20 | 21 => {
            let count = *data.first().ok_or(Short)?;
            expect((7..=0xfb).contains(&count), Errors::DATA_VALUE, errors);
            let groups = counted(data, 1, count, errors)?;
            expect(are_file_groups(function, &groups), Errors::DATA_VALUE, errors);
            bytes(data)
        }
        24 => {
            word(0)?;
            whole(data, 2, errors);
            bytes(data)
        }
        _ => common(function, data)?,
    };
    Ok(content)
}

fn response(function: u8, data: &[u8], errors: &mut Errors) -> Result<Data, Short> {
    let word = |at| short(data, at).ok_or(Short);
    let content = match function {
        1..=4 | 23 => {
            let count = *data.first().ok_or(Short)?;
            expect(count > 0 && (function <= 2 || count % 2 == 0), Errors::DATA_VALUE, errors);
            Data::ReadResponse(counted(data, 1, count, errors)?)
        }
        5 | 6 | 15 | 16 => {
            whole(data, 4, errors);
            Data::Write { address: word(0)?, data: word(2)? }
        }
        7 => {
            whole(data, 1, errors);
            bytes(data)
        }
        11 => {
            whole(data, 4, errors);
            bytes(data)
        }
        12 | 17 | 20 | 21 => {
            let count = *data.first().ok_or(Short)?;
            counted(data, 1, count, errors)?;
            bytes(data)
        }
        22 => mask(data, errors)?,
        24 => {
            let count = word(0)?;
            expect(usize::from(count) + 2 == data.len(), Errors::DATA_LENGTH, errors);
            bytes(data)
        }
        _ => common(function, data)?,
    };
    Ok(content)
}

fn exception(data: &[u8], errors: &mut Errors) -> Result<Data, Short> {
    let code = *data.first().ok_or(Short)?;
    expect(tables::exception_name(code) != "Unknown", Errors::EXC_CODE, errors);
    whole(data, 1, errors);
    Ok(Data::Exception(code))
}

/// Functions whose request and response look alike.
fn common(function: u8, data: &[u8]) -> Result<Data, Short> {
    Ok(match function {
        DIAGNOSTIC => {
            Data::Diagnostic { code: short(data, 0).ok_or(Short)?, data: data.get(2..).unwrap_or_default().to_vec() }
        }
        ENCAPSULATED => {
            Data::Interface { code: *data.first().ok_or(Short)?, data: data.get(1..).unwrap_or_default().to_vec() }
        }
        _ => bytes(data),
    })
}

fn mask(data: &[u8], errors: &mut Errors) -> Result<Data, Short> {
    let word = |at| short(data, at).ok_or(Short);
    whole(data, 6, errors);
    Ok(Data::Mask { address: word(0)?, and_mask: word(2)?, or_mask: word(4)? })
}

/// Whether the groups of a file record request are complete and of the one kind that there is (reference type 6).
fn are_file_groups(function: u8, groups: &[u8]) -> bool {
    let mut rest = groups;
    while let Some((&kind, _)) = rest.split_first() {
        let Some(registers) = short(rest, 5) else { return false };
        let length = if function == 21 { 7 + 2 * usize::from(registers) } else { 7 };
        match rest.get(length..) {
            Some(next) if kind == 6 => rest = next,
            _ => return false,
        }
    }
    true
}

/// Data whose length stands before it, at `at`; if it is longer than the message, that is an error.
fn counted(data: &[u8], at: usize, count: u8, errors: &mut Errors) -> Result<Vec<u8>, Short> {
    whole(data, at + usize::from(count), errors);
    data.get(at..at + usize::from(count)).map(<[u8]>::to_vec).ok_or(Short)
}

fn whole(data: &[u8], length: usize, errors: &mut Errors) {
    expect(data.len() == length, Errors::DATA_LENGTH, errors);
}

fn expect(holds: bool, error: Errors, errors: &mut Errors) {
    if !holds {
        *errors = errors.and(error);
    }
}

fn bytes(data: &[u8]) -> Data {
    if data.is_empty() { Data::None } else { Data::Bytes(data.to_vec()) }
}

fn read_bytes(access: Access, quantity: u16) -> usize {
    let quantity = usize::from(quantity);
    if access.intersects(Access::COILS.and(Access::DISCRETES)) { quantity.div_ceil(8) } else { 2 * quantity }
}

fn addresses(first: u16, quantity: u16) -> Option<RangeInclusive<u32>> {
    let first = u32::from(first) + 1;
    (quantity > 0).then(|| first..=first + u32::from(quantity) - 1)
}

/// The number of two octets at a position.
pub(super) fn short(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}
