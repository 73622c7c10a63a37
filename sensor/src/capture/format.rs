//! What the readers of capture formats have in common: what they give, and what can be wrong.

use std::io;

use super::batch::Arrival;
use super::input::{Input, Short};
use super::pcap::Pcap;
use super::pcapng::Pcapng;

/// A capture, from the first packet on.
pub(super) enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// What is wrong with a capture.
#[derive(Debug)]
pub(super) enum Damage {
    Cut,
    Corrupt(&'static str),
    Unsupported(String),
    Failed(io::Error),
}

impl From<Short> for Damage {
    fn from(short: Short) -> Self {
        match short {
            Short::Ended | Short::Cut => Damage::Cut,
            Short::Failed(error) => Damage::Failed(error),
            Short::TooLong => Damage::Corrupt("a length beyond all that is written"),
        }
    }
}

impl Format {
    /// Recognises the format and reads the header of the file; none if it is no capture.
    pub(super) fn open(input: &mut Input) -> Result<Option<Self>, Damage> {
        // Less than four bytes are no capture; more of them are one that is cut off.
        let Some(magic) = input.view_some(4)?.first_chunk::<4>().copied() else { return Ok(None) };
        if Pcapng::follows(magic) {
            return Ok(Some(Self::Pcapng(Pcapng::default())));
        }
        Ok(Pcap::open(magic, input)?.map(Self::Pcap))
    }

    /// The next packet; none at the end.
    #[inline]
    pub(super) fn next<'i>(&mut self, input: &'i mut Input) -> Result<Option<(Arrival, &'i [u8])>, Damage> {
        match self {
            Self::Pcap(pcap) => pcap.next(input),
            Self::Pcapng(pcapng) => pcapng.next(input),
        }
    }
}

/// Byte order of a file or section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Little,
    Big,
}

impl Order {
    #[inline]
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The number at a place of a header; 0 behind its end.
    #[inline]
    pub(super) fn u32_at(self, header: &[u8], at: usize) -> u32 {
        header.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| self.u32(*bytes))
    }

    /// The number at a place of a header; 0 behind its end.
    #[inline]
    pub(super) fn u16_at(self, header: &[u8], at: usize) -> u16 {
        header.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| self.u16(*bytes))
    }
}
