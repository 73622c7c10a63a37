//! `flowint`: named numbers that rules keep in a flow.

use super::Keyword;
use super::flowbits::checked_name;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::{Flowint, IntComparison, IntOperation, IntValue};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "flowint",
    aliases: &[],
    doc: "Changes (`+` `-` `=`), compares (`<` `<=` `==` `!=` `>=` `>`) or asks for (`isset`, `isnotset`) a number of a flow.",
    examples: &["flowint:logins,+,1", "flowint:logins,>=,3", "flowint:logins,isnotset", "flowint:a,=,b"],
    parse,
}];

const HINT: &str = "such as `logins,+,1`, `logins,>=,3` or `logins,isset`";

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let parts: Vec<&str> = argument.required()?.split(',').map(str::trim).collect();
    let (name, operator, value) = match parts.as_slice() {
        [name, operator] => (*name, *operator, None),
        [name, operator, value] => (*name, *operator, Some(*value)),
        _ => return Err(argument.fault("a name and what to do are needed", HINT)),
    };
    let name = intern(builder, argument, name)?;
    let operation = match (operator, value) {
        ("isset", None) => IntOperation::IsSet,
        ("notset" | "isnotset", None) => IntOperation::IsNotSet,
        (_, None) => return Err(argument.fault(format!("`{operator}` needs a value"), HINT)),
        (_, Some(text)) => {
            let make = operation(operator)
                .ok_or_else(|| argument.fault(format!("`{operator}` is nothing to do with a number"), HINT))?;
            make(value_of(builder, argument, text)?)
        }
    };
    builder.rule.flowints.push(Flowint { name, operation });
    Ok(())
}

fn operation(operator: &str) -> Option<fn(IntValue) -> IntOperation> {
    Some(match operator {
        "+" => IntOperation::Add,
        "-" => IntOperation::Subtract,
        "=" => IntOperation::Set,
        "<" => |v| IntOperation::Test(IntComparison::Less, v),
        "<=" => |v| IntOperation::Test(IntComparison::LessOrEqual, v),
        "==" => |v| IntOperation::Test(IntComparison::Equal, v),
        "!=" => |v| IntOperation::Test(IntComparison::NotEqual, v),
        ">=" => |v| IntOperation::Test(IntComparison::GreaterOrEqual, v),
        ">" => |v| IntOperation::Test(IntComparison::Greater, v),
        _ => return None,
    })
}

fn value_of(builder: &mut Builder<'_>, argument: &Argument<'_>, text: &str) -> Result<IntValue, Fault> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return text
            .parse()
            .map(IntValue::Value)
            .map_err(|_| argument.fault(format!("`{text}` is not a number of 32 bits"), HINT));
    }
    intern(builder, argument, text).map(IntValue::Variable)
}

fn intern(builder: &mut Builder<'_>, argument: &Argument<'_>, name: &str) -> Result<u16, Fault> {
    let index = builder.names.flowints.intern(checked_name(name, argument)?);
    index.ok_or_else(|| argument.fault("too many names of flowints", ""))
}
