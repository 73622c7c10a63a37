//! `asn1`: elements of ASN.1 that break the programs that read them.

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::item::{Asn1Start, Asn1Test, Item};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "asn1",
    aliases: &[],
    doc: "Holds when a packet has an element of ASN.1 that is odd: `bitstring_overflow`, `double_overflow`, or contents longer than `oversize_length`. Elements are looked for from `absolute_offset` on, or from `relative_offset` behind the last match.",
    examples: &[
        "asn1:oversize_length 500, absolute_offset 0",
        "asn1:bitstring_overflow, double_overflow, relative_offset 4",
    ],
    parse,
}];

const HINT: &str =
    "bitstring_overflow, double_overflow, oversize_length, absolute_offset or relative_offset with a number";

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut test = Asn1Test {
        bitstring_overflow: false,
        double_overflow: false,
        oversize_length: None,
        start: Asn1Start::Absolute(0),
        element_limit: builder.environment.asn1_elements,
    };
    let mut words = argument.required()?.split([',', ' ']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let mut number = || {
            let digits = words.next().unwrap_or_default();
            digits.parse::<i32>().map_err(|_| argument.fault(format!("`{word}` needs a number"), HINT))
        };
        let positive = |number: i32| {
            u32::try_from(number).map_err(|_| argument.fault(format!("`{word}` cannot be negative"), HINT))
        };
        match word {
            "bitstring_overflow" => test.bitstring_overflow = true,
            "double_overflow" => test.double_overflow = true,
            "oversize_length" => test.oversize_length = Some(positive(number()?)?.into()),
            "absolute_offset" => test.start = Asn1Start::Absolute(positive(number()?)?),
            "relative_offset" => test.start = Asn1Start::Relative(number()?),
            _ => return Err(argument.fault(format!("`{word}` is nothing to look for"), HINT)),
        }
    }
    if !test.bitstring_overflow && !test.double_overflow && test.oversize_length.is_none() {
        return Err(argument.fault("nothing is looked for", HINT));
    }
    builder.push(Item::Asn1(test));
    Ok(())
}
