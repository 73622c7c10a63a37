//! What else is done when a rule matches: `bypass`, `config`, `nfq_set_mark`.

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::Silence;
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "bypass",
        aliases: &[],
        doc: "After a match nothing more of the flow is inspected; its record says so. Rules that ask for bits of hosts or change sets cannot do it, for what other flows did is known too late; one on a set that another rule changes does not.",
        examples: &["bypass"],
        parse: |builder, argument| {
            argument.none()?;
            builder.rule.bypass = true;
            Ok(())
        },
    },
    Keyword {
        name: "config",
        aliases: &[],
        doc: "After a match the transaction, or with `scope flow` every one of the flow from it on, has no record; with `type flow` the flow has none. The action may be `config`, for no alert, or any other.",
        examples: &["config:logging disable, type tx, scope tx", "config:logging disable, type flow, scope flow"],
        parse: config,
    },
    Keyword {
        name: "nfq_set_mark",
        aliases: &[],
        doc: "A mark, with a mask or not, that a sensor in the way of packets would give them: this one only listens and sets none.",
        examples: &["nfq_set_mark:0x8/0x8", "nfq_set_mark:1"],
        parse: mark,
    },
];

fn config(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "such as `logging disable, type tx, scope tx`";
    let words: Vec<&str> = argument.required()?.split([',', ' ']).filter(|word| !word.is_empty()).collect();
    let silence = match words.as_slice() {
        ["logging", "disable", "type", "tx", "scope", "tx"] => Silence::Transaction,
        ["logging", "disable", "type", "tx", "scope", "flow"] => Silence::Transactions,
        ["logging", "disable", "type", "flow", "scope", "flow"] => Silence::Flow,
        ["tracking", ..] => {
            return Err(
                argument.fault("flows are followed whatever rules say", "leave packets out with a capture filter")
            );
        }
        _ => return Err(argument.fault("it says nothing that can be configured", hint)),
    };
    builder.rule.silence = Some(silence);
    Ok(())
}

fn mark(_: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let is_number = |part: &str| match part.trim().strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).is_ok(),
        None => part.trim().parse::<u32>().is_ok(),
    };
    let (mark, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    if is_number(mark) && is_number(mask) {
        return Ok(());
    }
    Err(argument.fault(format!("`{text}` is no mark"), "a number, then perhaps a mask, such as `0x8/0x8`"))
}
