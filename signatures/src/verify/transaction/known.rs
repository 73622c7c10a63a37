//! What inspection remembers of a transaction between two looks at it.

use smallvec::SmallVec;

use tapwire_parsers::protocol::held;

use super::scan::{Growing, GrowingList};
use crate::plan::RuleIndex;
use crate::rule::{BitOperation, BitTrack, HostBits, Rule};

/// What inspection remembers of a transaction.
#[derive(Debug, Default)]
pub struct TransactionState {
    pub(super) sides: [Flowside; 2],
    /// Its own bits (`xbits` with `track tx`).
    pub(super) bits: SmallVec<[u16; 2]>,
}

/// What inspection remembers of one direction of a transaction.
#[derive(Debug, Default)]
pub struct Flowside {
    /// The plan whose places the rules below have.
    pub(super) generation: u32,
    pub(super) started: bool,
    pub(super) progress: u8,
    pub(super) next_engine: usize,
    pub(super) anomalies: usize,
    /// Buffers that still grow.
    pub(super) growing: GrowingList,
    pub(super) waiting: Vec<RuleIndex>,
    /// Size of the longest buffer that grows when what waits was last looked at.
    pub(super) looked: u64,
    /// Rules on nothing but a hook that is where the direction stands: they match at each look.
    pub(super) lasting: SmallVec<[RuleIndex; 2]>,
    pub(super) matched: SmallVec<[RuleIndex; 4]>,
    /// Rules on names of files were asked, and those on types.
    pub(super) met: [bool; 2],
    /// Rules on files that matched, and the newest file then: they are asked again about newer ones.
    pub(super) rearmed: SmallVec<[(RuleIndex, u64); 1]>,
}

impl TransactionState {
    /// Whether rules are to be asked again at the next look, though nothing of the transaction itself changes until then.
    pub fn is_waited_for(&self) -> bool {
        self.sides.iter().any(|side| !side.waiting.is_empty() || !side.lasting.is_empty())
    }

    /// Bytes that it keeps besides its own size.
    pub fn held_bytes(&self) -> usize {
        let list = |spilled: bool, bytes: usize| if spilled { held::block(bytes) } else { 0 };
        let side = |side: &Flowside| {
            let Flowside { growing, waiting, lasting, matched, rearmed, .. } = side;
            held::list(waiting)
                + list(growing.spilled(), growing.capacity() * size_of::<Growing>())
                + list(lasting.spilled(), lasting.capacity() * size_of::<RuleIndex>())
                + list(matched.spilled(), matched.capacity() * size_of::<RuleIndex>())
                + list(rearmed.spilled(), rearmed.capacity() * size_of::<(RuleIndex, u64)>())
        };
        self.sides.iter().map(side).sum::<usize>() + list(self.bits.spilled(), self.bits.capacity() * 2)
    }
}

/// The keywords of a rule about bits of a transaction.
fn own_bits(rule: &Rule) -> impl Iterator<Item = &HostBits> {
    rule.hostbits.iter().filter(|keyword| keyword.track == BitTrack::Transaction)
}

pub(super) fn bits_allow(rule: &Rule, bits: &[u16]) -> bool {
    own_bits(rule).all(|keyword| match keyword.operation {
        BitOperation::IsSet => bits.contains(&keyword.bit),
        BitOperation::IsNotSet => !bits.contains(&keyword.bit),
        BitOperation::Set | BitOperation::Unset | BitOperation::Toggle => true,
    })
}

pub(super) fn change_bits(rule: &Rule, bits: &mut SmallVec<[u16; 2]>) {
    for keyword in own_bits(rule) {
        let at = bits.iter().position(|bit| *bit == keyword.bit);
        match (keyword.operation, at) {
            (BitOperation::Set | BitOperation::Toggle, None) => bits.push(keyword.bit),
            (BitOperation::Unset | BitOperation::Toggle, Some(at)) => drop(bits.swap_remove(at)),
            _ => {}
        }
    }
}
