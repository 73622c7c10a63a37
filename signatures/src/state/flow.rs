//! What rules keep of a flow: bits and numbers.

use std::sync::Arc;

use smallvec::SmallVec;
use tapwire_parsers::protocol::held;

use crate::rule::{
    BitOperation, Flowbits, Flowint, IntComparison, IntOperation, IntValue, VariableScope, VariableTest,
};

/// Bits and numbers of a flow. Names are bounded by the rules that use them, and so is this.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowState {
    bits: SmallVec<[u64; 2]>,
    ints: SmallVec<[(u16, u32); 2]>,
    notes: Option<Box<FlowNotes>>,
}

/// What rules noted of a flow for its records. Names are bounded by the rules, values by their size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowNotes {
    /// Variables of the flow, oldest first.
    pub variables: Vec<(Arc<str>, Box<[u8]>)>,
    /// Variables of the packet that is inspected.
    pub packet_variables: Vec<(Arc<str>, Box<[u8]>)>,
    /// Entropies by buffer.
    pub entropies: Vec<(&'static str, f64)>,
}

impl FlowNotes {
    /// Sets a variable of the flow.
    pub fn set_variable(&mut self, name: Arc<str>, value: Box<[u8]>) {
        match self.variables.iter_mut().find(|(known, _)| *known == name) {
            Some(variable) => variable.1 = value,
            None => self.variables.push((name, value)),
        }
    }

    /// Sets the entropy of a buffer.
    pub fn set_entropy(&mut self, buffer: &'static str, value: f64) {
        match self.entropies.iter_mut().find(|(known, _)| *known == buffer) {
            Some(entropy) => entropy.1 = value,
            None => self.entropies.push((buffer, value)),
        }
    }
}

impl FlowState {
    /// Whether a bit is set.
    pub fn isset(&self, bit: u16) -> bool {
        let (word, mask) = place(bit);
        self.bits.get(word).is_some_and(|bits| bits & mask != 0)
    }

    /// Sets a bit.
    pub fn set(&mut self, bit: u16) {
        let (word, mask) = place(bit);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= mask;
        }
    }

    /// Unsets a bit.
    pub fn unset(&mut self, bit: u16) {
        let (word, mask) = place(bit);
        if let Some(bits) = self.bits.get_mut(word) {
            *bits &= !mask;
        }
    }

    /// Toggles a bit.
    pub fn toggle(&mut self, bit: u16) {
        if self.isset(bit) { self.unset(bit) } else { self.set(bit) }
    }

    /// The bits that are set, in order.
    pub fn bits(&self) -> impl Iterator<Item = u16> + '_ {
        (0..=u16::MAX).take(self.bits.len() * 64).filter(|&bit| self.isset(bit))
    }

    /// A number.
    pub fn int(&self, name: u16) -> Option<u32> {
        self.ints.iter().find(|int| int.0 == name).map(|int| int.1)
    }

    /// Sets a number.
    pub fn set_int(&mut self, name: u16, value: u32) {
        match self.ints.iter_mut().find(|int| int.0 == name) {
            Some(int) => int.1 = value,
            None => self.ints.push((name, value)),
        }
    }

    /// The numbers that are set, in order of their first use.
    pub fn ints(&self) -> &[(u16, u32)] {
        &self.ints
    }

    /// What was noted for records.
    pub fn notes(&self) -> Option<&FlowNotes> {
        self.notes.as_deref()
    }

    /// What was noted for records, to add to it.
    pub fn notes_mut(&mut self) -> &mut FlowNotes {
        self.notes.get_or_insert_default()
    }

    /// Forgets the variables of the packet before.
    pub fn begin_packet(&mut self) {
        if let Some(notes) = &mut self.notes {
            notes.packet_variables.clear();
        }
    }

    /// Bytes that it keeps besides its own size.
    pub fn held_bytes(&self) -> usize {
        let bits = if self.bits.spilled() { held::block(self.bits.capacity() * 8) } else { 0 };
        let ints = if self.ints.spilled() { held::block(self.ints.capacity() * 8) } else { 0 };
        let notes = self.notes.as_ref().map_or(0, |notes| {
            let FlowNotes { variables, packet_variables, entropies } = &**notes;
            let values: usize =
                variables.iter().chain(packet_variables).map(|(_, value)| held::block(value.len())).sum();
            held::boxed::<FlowNotes>(values)
                + held::list(variables)
                + held::list(packet_variables)
                + held::list(entropies)
        });
        bits + ints + notes
    }

    /// Whether records have something to show of it.
    pub fn is_empty(&self) -> bool {
        self.ints.is_empty() && self.notes.is_none() && self.bits.iter().all(|&word| word == 0)
    }

    /// Whether what a `flowbits` asks for holds; those that change something hold always.
    pub fn allows_bits(&self, flowbits: &Flowbits) -> bool {
        match flowbits.operation {
            BitOperation::IsSet => flowbits.bits.iter().any(|&bit| self.isset(bit)),
            BitOperation::IsNotSet => flowbits.bits.iter().any(|&bit| !self.isset(bit)),
            BitOperation::Set | BitOperation::Unset | BitOperation::Toggle => true,
        }
    }

    /// Changes what a `flowbits` changes, after its rule matched. Whether a bit was set that was not.
    pub fn apply_bits(&mut self, flowbits: &Flowbits) -> bool {
        let mut risen = false;
        for &bit in &flowbits.bits {
            let before = self.isset(bit);
            match flowbits.operation {
                BitOperation::Set => self.set(bit),
                BitOperation::Unset => self.unset(bit),
                BitOperation::Toggle => self.toggle(bit),
                BitOperation::IsSet | BitOperation::IsNotSet => {}
            }
            risen |= !before && self.isset(bit);
        }
        risen
    }

    /// Whether what a `flowint` asks for holds; those that change something hold always. A number that was never set compares
    /// with nothing.
    pub fn allows_int(&self, flowint: &Flowint) -> bool {
        let value = self.int(flowint.name);
        match &flowint.operation {
            IntOperation::IsSet => value.is_some(),
            IntOperation::IsNotSet => value.is_none(),
            IntOperation::Test(comparison, other) => match (value, self.value(*other)) {
                (Some(left), Some(right)) => match comparison {
                    IntComparison::Less => left < right,
                    IntComparison::LessOrEqual => left <= right,
                    IntComparison::Equal => left == right,
                    IntComparison::NotEqual => left != right,
                    IntComparison::GreaterOrEqual => left >= right,
                    IntComparison::Greater => left > right,
                },
                _ => false,
            },
            IntOperation::Add(_) | IntOperation::Subtract(_) | IntOperation::Set(_) => true,
        }
    }

    /// Whether what a `flowvar` or `pktvar` asks for holds.
    pub fn allows_variable(&self, test: &VariableTest) -> bool {
        let variables = self.notes().map_or(&[][..], |notes| match test.scope {
            VariableScope::Flow => &notes.variables,
            VariableScope::Packet => &notes.packet_variables,
        });
        let mut values = variables.iter().filter(|(name, _)| *name == test.name);
        values.any(|(_, value)| memchr::memmem::find(value, &test.bytes).is_some() != test.negated)
    }

    /// Changes what a `flowint` changes, after its rule matched. Numbers start at 0 and wrap around.
    pub fn apply_int(&mut self, flowint: &Flowint) {
        let before = self.int(flowint.name).unwrap_or(0);
        let after = match flowint.operation {
            IntOperation::Add(by) => self.value(by).map(|by| before.wrapping_add(by)),
            IntOperation::Subtract(by) => self.value(by).map(|by| before.wrapping_sub(by)),
            IntOperation::Set(to) => self.value(to),
            IntOperation::Test(..) | IntOperation::IsSet | IntOperation::IsNotSet => None,
        };
        if let Some(after) = after {
            self.set_int(flowint.name, after);
        }
    }

    fn value(&self, value: IntValue) -> Option<u32> {
        match value {
            IntValue::Value(value) => Some(value),
            IntValue::Variable(name) => self.int(name),
        }
    }
}

fn place(bit: u16) -> (usize, u64) {
    (usize::from(bit / 64), 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_asked_for_and_listed() {
        let mut state = FlowState::default();
        state.set(3);
        state.set(700);
        state.toggle(9);
        state.toggle(3);
        state.unset(65_535);
        assert_eq!(state.bits().collect::<Vec<_>>(), [9, 700]);
        for (operation, bits, holds) in [
            (BitOperation::IsSet, vec![3, 9], true),
            (BitOperation::IsSet, vec![3], false),
            (BitOperation::IsNotSet, vec![3, 9], true),
            (BitOperation::IsNotSet, vec![9, 700], false),
            (BitOperation::Set, vec![1], true),
        ] {
            assert_eq!(state.allows_bits(&Flowbits { operation, bits: bits.clone() }), holds, "{operation:?} {bits:?}");
        }
        assert!(state.apply_bits(&Flowbits { operation: BitOperation::Set, bits: vec![3] }));
        assert!(!state.apply_bits(&Flowbits { operation: BitOperation::Set, bits: vec![3] }));
        state.set(65_535);
        assert!(state.isset(65_535));
    }

    #[test]
    fn numbers_count_and_compare() {
        let mut state = FlowState::default();
        let int = |operation| Flowint { name: 1, operation };
        let test = |comparison, value| int(IntOperation::Test(comparison, IntValue::Value(value)));
        assert!(!state.allows_int(&test(IntComparison::Less, 5)));
        assert!(state.allows_int(&int(IntOperation::IsNotSet)));
        state.apply_int(&int(IntOperation::Add(IntValue::Value(2))));
        state.apply_int(&int(IntOperation::Add(IntValue::Value(2))));
        assert!(state.allows_int(&test(IntComparison::Equal, 4)));
        state.apply_int(&Flowint { name: 2, operation: IntOperation::Set(IntValue::Variable(1)) });
        state.apply_int(&Flowint { name: 2, operation: IntOperation::Set(IntValue::Variable(7)) });
        assert_eq!(state.ints(), [(1, 4), (2, 4)]);
        assert!(state.allows_int(&int(IntOperation::Test(IntComparison::GreaterOrEqual, IntValue::Variable(2)))));
        state.apply_int(&int(IntOperation::Subtract(IntValue::Value(5))));
        assert_eq!(state.int(1), Some(u32::MAX));
    }
}
