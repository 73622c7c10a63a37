//! Variables of a rule: `byte_extract` and `byte_math` set them, and what follows in the rule reads them, in whatever buffer.

use super::item::{Item, Operand};

/// A set of variables, a bit for each index.
pub type VariableSet = u64;

/// Variables that one rule may have, so that a [`VariableSet`] has room for all.
pub(crate) const VARIABLE_LIMIT: usize = 64;

/// The set of one variable.
pub(crate) fn only(index: u8) -> VariableSet {
    1_u64.checked_shl(index.into()).unwrap_or(0)
}

impl Item {
    /// The variable that it sets.
    pub(crate) fn sets(&self) -> Option<u8> {
        match self {
            Item::ByteExtract(extract) => Some(extract.variable),
            Item::ByteMath(math) => Some(math.variable),
            _ => None,
        }
    }

    /// The variables that it reads.
    fn reads(&self) -> VariableSet {
        let operands = |operands: &[Operand]| {
            let indices = operands.iter().filter_map(|operand| match operand {
                Operand::Variable(index) => Some(only(*index)),
                Operand::Value(_) => None,
            });
            indices.fold(0, |all, one| all | one)
        };
        match self {
            Item::Content(content) => {
                let places = [content.offset, content.depth, content.distance, content.within];
                operands(&places.map(|place| place.unwrap_or(Operand::Value(0))))
            }
            Item::ByteTest(test) => operands(&[test.number.bytes, test.number.offset, test.value]),
            Item::ByteJump(jump) => operands(&[jump.number.bytes, jump.number.offset, jump.post_offset]),
            Item::ByteExtract(extract) => operands(&[extract.number.bytes, extract.number.offset]),
            Item::ByteMath(math) => operands(&[math.number.bytes, math.number.offset, math.value]),
            Item::IsDataAt(at) => operands(&[at.position]),
            Item::Script(test) => test.script.variables.iter().fold(0, |all, (_, index)| all | only(*index)),
            _ => 0,
        }
    }
}

/// The variables that items set.
pub(crate) fn set_by(items: &[Item]) -> VariableSet {
    items.iter().fold(0, |all, item| match item {
        Item::Base64Data(inner) => all | set_by(inner),
        item => all | item.sets().map_or(0, only),
    })
}

/// The variables that items read and that none of them sets before.
pub(crate) fn wanted_by(items: &[Item]) -> VariableSet {
    let (mut set, mut wanted) = (0, 0);
    for item in items {
        let reads = if let Item::Base64Data(inner) = item { wanted_by(inner) } else { item.reads() };
        wanted |= reads & !set;
        set |= set_by(std::slice::from_ref(item));
    }
    wanted
}
