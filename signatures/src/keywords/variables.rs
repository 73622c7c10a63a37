//! `flowvar` and `pktvar`: contents of variables that an expression captured or a script set.

use super::Keyword;
use super::content::{bytes, quoted};
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::{VariableScope, VariableTest};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "flowvar",
        aliases: &[],
        doc: "Holds when a variable of the flow has a content in it, or with `!` when it has not. A variable that was never set has none.",
        examples: &[r#"flowvar:user,"root""#, r#"flowvar:user,!"|00|""#],
        parse: |builder, argument| parse(builder, argument, VariableScope::Flow),
    },
    Keyword {
        name: "pktvar",
        aliases: &[],
        doc: "Holds when a variable that an earlier rule set on the same packet has a content in it, or with `!` when it has not.",
        examples: &[r#"pktvar:user,"root""#],
        parse: |builder, argument| parse(builder, argument, VariableScope::Packet),
    },
];

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>, scope: VariableScope) -> Result<(), Fault> {
    let hint = r#"such as `user,"root"`"#;
    let (name, content) =
        argument.required()?.split_once(',').ok_or_else(|| argument.fault("a name or a content is missing", hint))?;
    let name = super::flowbits::checked_name(name, argument)?.into();
    let content = Argument { text: Some(content.trim()), ..argument.clone() };
    let (negated, text) = quoted(&content)?;
    builder.rule.variable_tests.push(VariableTest { scope, name, bytes: bytes(text, &content)?, negated });
    Ok(())
}
