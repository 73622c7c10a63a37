//! `flowbits`: named bits that rules keep in a flow.

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::{BitOperation, Flowbits};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "flowbits",
    aliases: &[],
    doc: "Sets, unsets, toggles or asks for bits of a flow; `isset:a|b` holds for either; `noalert` silences the rule.",
    examples: &["flowbits:set,seen.login", "flowbits:isset,seen.login|seen.token", "flowbits:noalert"],
    parse,
}];

/// What can be done with a bit.
pub(super) const OPERATIONS: &str = "set, unset, toggle, isset or isnotset";

const HINT: &str = "such as `set,name`, `isset,name|other` or `noalert`";

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let (command, names) = text.split_once(',').map_or((text, None), |(command, names)| (command.trim(), Some(names)));
    if command == "noalert" {
        if names.is_some() {
            return Err(argument.fault("`noalert` takes no name", HINT));
        }
        builder.rule.noalert = true;
        return Ok(());
    }
    let operation = operation(command)
        .ok_or_else(|| argument.fault(format!("`{command}` is nothing to do with a bit"), OPERATIONS))?;
    let names = names.ok_or_else(|| argument.fault("a name is missing", HINT))?;
    let mut bits = Vec::new();
    for name in names.split('|') {
        let bit = builder.names.flowbits.intern(checked_name(name, argument)?);
        bits.push(bit.ok_or_else(|| argument.fault("too many names of flowbits", ""))?);
    }
    if bits.len() > 1 && !matches!(operation, BitOperation::IsSet | BitOperation::IsNotSet) {
        return Err(argument.fault("a list of names can only be asked for", "use one `flowbits` for each name"));
    }
    let limit = builder.environment.flowbit_limit;
    if builder.rule.flowbits.len() >= limit {
        let message = format!("more than {limit} flowbits in one rule");
        return Err(argument.fault(message, "`flowbits.max-per-signature` allows more"));
    }
    let opposite = match operation {
        BitOperation::IsSet => Some(BitOperation::IsNotSet),
        BitOperation::IsNotSet => Some(BitOperation::IsSet),
        _ => None,
    };
    let contradicts = |other: &Flowbits| Some(other.operation) == opposite && other.bits == bits;
    if builder.rule.flowbits.iter().any(contradicts) {
        return Err(argument.fault("the rule asks for a bit to be set and not set", "remove one of the two"));
    }
    builder.rule.flowbits.push(Flowbits { operation, bits });
    Ok(())
}

/// What a word does with a bit.
pub(super) fn operation(word: &str) -> Option<BitOperation> {
    match word {
        "set" => Some(BitOperation::Set),
        "unset" => Some(BitOperation::Unset),
        "toggle" => Some(BitOperation::Toggle),
        "isset" => Some(BitOperation::IsSet),
        "isnotset" => Some(BitOperation::IsNotSet),
        _ => None,
    }
}

/// A name without blanks around it; none within.
pub(super) fn checked_name<'t>(name: &'t str, argument: &Argument<'_>) -> Result<&'t str, Fault> {
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(argument.fault("a name is empty or has a blank in it", ""));
    }
    Ok(name)
}
