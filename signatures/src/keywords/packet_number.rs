//! Tests of a number of a packet: what `ttl`, `dsize`, `tcp.seq` and their like have in common.

use crate::builder::{Argument, Builder};
use crate::rule::condition::{PacketCondition, PacketView};
use crate::rule::fault::Fault;
use crate::rule::number::{NumberNames, NumberTest};

/// Reads the number from a packet; `None` where the packet has none.
pub(super) type Read = fn(&PacketView<'_>) -> Option<u64>;

#[derive(Debug)]
struct PacketNumber {
    read: Read,
    test: NumberTest,
}

impl PacketCondition for PacketNumber {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        (self.read)(view).is_some_and(|number| self.test.holds(number))
    }
}

/// Adds the test that the argument states of a number that is at most `max`.
pub(super) fn push(builder: &mut Builder<'_>, argument: &Argument<'_>, max: u64, read: Read) -> Result<(), Fault> {
    push_with(builder, argument, &[], max, read)
}

/// As [`push`], with names for numbers.
pub(super) fn push_with(
    builder: &mut Builder<'_>,
    argument: &Argument<'_>,
    names: NumberNames<'_>,
    max: u64,
    read: Read,
) -> Result<(), Fault> {
    let test = number(argument, names, max)?;
    push_test(builder, test, read);
    Ok(())
}

/// Adds a test that was read before.
pub(super) fn push_test(builder: &mut Builder<'_>, test: NumberTest, read: Read) {
    builder.rule.packet.push(Box::new(PacketNumber { read, test }));
}

/// The test that an argument states.
pub(super) fn number(argument: &Argument<'_>, names: NumberNames<'_>, max: u64) -> Result<NumberTest, Fault> {
    NumberTest::parse_within(argument.required()?, names, max).map_err(|message| argument.fault(message, HINT))
}

/// What a number keyword takes, for faults.
pub(super) const HINT: &str = "a number, with an operator before it (`!` `<` `<=` `>` `>=`), a range such as `10-20`, or a mask such as `&0x0f=0x05`";
