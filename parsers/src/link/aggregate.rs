//! Several packets in one frame, which stand beside each other: each is a packet of its own at the same depth.

use super::{docsis, wireless};

/// The packets of a frame behind the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside<'a> {
    /// What kind of frame it is.
    pub kind: Aggregate,
    /// Their bytes.
    pub data: &'a [u8],
}

/// What kind of frame several packets share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// An aggregate of wireless networks (A-MSDU, IEEE 802.11-2020, 9.3.2.2).
    Wireless,
    /// A concatenation of cable modems (DOCSIS).
    Cable,
}

impl<'a> Beside<'a> {
    /// The bytes of each packet.
    pub fn packets(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.data;
        std::iter::from_fn(move || {
            let (packet, behind) = match self.kind {
                Aggregate::Wireless => wireless::split(rest)?,
                Aggregate::Cable => docsis::split(rest)?,
            };
            rest = behind;
            Some(packet)
        })
    }
}
