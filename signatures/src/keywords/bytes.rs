//! Numbers within a buffer: `byte_test`, `byte_jump`, `byte_extract`, `byte_math`, and `isdataat`.

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::arithmetic::{
    ByteExtract, ByteJump, ByteMath, ByteTest, Comparison, Endian, MathOperator, NumberFormat, TextBase,
};
use crate::rule::fault::Fault;
use crate::rule::item::{IsDataAt, Item, Operand};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "byte_test",
        aliases: &[],
        doc: "Compares a number in the buffer.",
        examples: &["byte_test:2,>,100,0"],
        parse: byte_test,
    },
    Keyword {
        name: "byte_jump",
        aliases: &[],
        doc: "Moves the cursor by a number in the buffer.",
        examples: &["byte_jump:2,0"],
        parse: byte_jump,
    },
    Keyword {
        name: "byte_extract",
        aliases: &[],
        doc: "Keeps a number of the buffer in a variable.",
        examples: &["byte_extract:1,0,size"],
        parse: byte_extract,
    },
    Keyword {
        name: "byte_math",
        aliases: &[],
        doc: "Calculates with a number of the buffer and keeps the result in a variable.",
        examples: &["byte_math:bytes 2, offset 0, oper +, rvalue 4, result sum"],
        parse: byte_math,
    },
    Keyword {
        name: "isdataat",
        aliases: &[],
        doc: "Whether the buffer reaches to a position.",
        examples: &["isdataat:10", "isdataat:!1"],
        parse: is_data_at,
    },
];

/// What may follow the fixed parts of such a keyword.
const WORDS: &str = "relative, big, little, dce, string, hex, dec, oct, bitmask, multiplier, align, from_beginning, from_end or post_offset";

/// A format as the words after the fixed ones change it.
struct Words {
    format: NumberFormat,
    text: bool,
    multiplier: u32,
    align: u8,
    from_beginning: bool,
    from_end: bool,
    post_offset: Operand,
}

/// Reads the words that the keywords share, in any order.
fn words<'w>(
    builder: &Builder<'_>,
    argument: &Argument<'_>,
    bytes: Operand,
    offset: Operand,
    rest: impl Iterator<Item = &'w str>,
) -> Result<Words, Fault> {
    let format = NumberFormat { bytes, endian: Endian::Big, text: None, bitmask: None, relative: false, offset };
    let mut out = Words {
        format,
        text: false,
        multiplier: 1,
        align: 1,
        from_beginning: false,
        from_end: false,
        post_offset: Operand::Value(0),
    };
    for word in rest.map(str::trim) {
        let (name, value) = word.split_once(char::is_whitespace).map_or((word, ""), |(n, v)| (n, v.trim()));
        match name {
            "relative" => out.format.relative = true,
            "big" => out.format.endian = Endian::Big,
            "little" => out.format.endian = Endian::Little,
            "dce" => out.format.endian = Endian::Dce,
            "string" => out.text = true,
            "hex" => out.format.text = Some(TextBase::Hexadecimal),
            "dec" => out.format.text = Some(TextBase::Decimal),
            "oct" => out.format.text = Some(TextBase::Octal),
            "align" if value.is_empty() => out.align = 4,
            "align" => {
                out.align = value
                    .parse()
                    .ok()
                    .filter(|v| matches!(v, 2 | 4))
                    .ok_or_else(|| argument.fault("`align` is 2 or 4", ""))?
            }
            "from_beginning" => out.from_beginning = true,
            "from_end" => out.from_end = true,
            "multiplier" => {
                out.multiplier = value
                    .parse()
                    .ok()
                    .filter(|&v| v > 0)
                    .ok_or_else(|| argument.fault("`multiplier` is a number above 0", ""))?
            }
            "post_offset" => out.post_offset = builder.operand(value, argument)?,
            "bitmask" => {
                let mask = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")).unwrap_or(value);
                out.format.bitmask =
                    Some(u32::from_str_radix(mask, 16).map_err(|_| argument.fault("`bitmask` is a hex number", ""))?);
            }
            _ => return Err(argument.fault(format!("`{word}` has no meaning here"), WORDS)),
        }
    }
    if out.text && out.format.text.is_none() {
        out.format.text = Some(TextBase::Decimal);
    }
    if let Operand::Value(count) = out.format.bytes {
        let most = if out.format.text.is_some() { 23 } else { 8 };
        if count > most || count < 0 {
            return Err(argument.fault(format!("{count} bytes are too many for a number"), format!("at most {most}")));
        }
    }
    Ok(out)
}

fn byte_test(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut parts = argument.required()?.split(',');
    let (Some(bytes), Some(operator), Some(value), Some(offset)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(
            argument.fault("`byte_test` needs bytes, operator, value and offset", "such as byte_test:2,>,100,0")
        );
    };
    let (bytes, value, offset) =
        (builder.operand(bytes, argument)?, builder.operand(value, argument)?, builder.operand(offset, argument)?);
    let operator = operator.trim();
    let (negated, operator) = operator.strip_prefix('!').map_or((false, operator), |rest| (true, rest.trim()));
    let operator = match operator {
        "=" | "" => Comparison::Equal,
        "<" => Comparison::Less,
        ">" => Comparison::Greater,
        "<=" => Comparison::LessOrEqual,
        ">=" => Comparison::GreaterOrEqual,
        "&" => Comparison::And,
        "^" => Comparison::Xor,
        _ => return Err(argument.fault(format!("`{operator}` is no operator"), "one of < > = <= >= & ^")),
    };
    let words = words(builder, argument, bytes, offset, parts)?;
    builder.push(Item::ByteTest(ByteTest { number: words.format, negated, operator, value }));
    Ok(())
}

fn byte_jump(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut parts = argument.required()?.split(',');
    let (Some(bytes), Some(offset)) = (parts.next(), parts.next()) else {
        return Err(argument.fault("`byte_jump` needs bytes and offset", "such as byte_jump:2,0"));
    };
    let (bytes, offset) = (builder.operand(bytes, argument)?, builder.operand(offset, argument)?);
    let words = words(builder, argument, bytes, offset, parts)?;
    if words.from_beginning && words.from_end {
        return Err(argument.fault("from_beginning and from_end contradict each other", ""));
    }
    builder.push(Item::ByteJump(ByteJump {
        number: words.format,
        multiplier: words.multiplier,
        align: words.align == 4,
        from_beginning: words.from_beginning,
        from_end: words.from_end,
        post_offset: words.post_offset,
    }));
    Ok(())
}

fn byte_extract(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut parts = argument.required()?.split(',');
    let (Some(bytes), Some(offset), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(argument.fault("`byte_extract` needs bytes, offset and a name", "such as byte_extract:1,0,size"));
    };
    let (bytes, offset) = (builder.operand(bytes, argument)?, builder.operand(offset, argument)?);
    let words = words(builder, argument, bytes, offset, parts)?;
    let variable = builder.variable(name.trim(), argument)?;
    let align = if words.align > 1 { words.align } else { 0 };
    builder.push(Item::ByteExtract(ByteExtract {
        number: words.format,
        multiplier: words.multiplier,
        align,
        variable,
    }));
    Ok(())
}

fn byte_math(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let (mut bytes, mut offset, mut operator, mut value, mut result) = (None, None, None, None, None);
    let mut shared: Vec<String> = Vec::new();
    for part in argument.required()?.split(',').map(str::trim) {
        let (name, rest) = part.split_once(char::is_whitespace).map_or((part, ""), |(n, v)| (n, v.trim()));
        match name {
            "bytes" => bytes = Some(builder.operand(rest, argument)?),
            "offset" => offset = Some(builder.operand(rest, argument)?),
            "rvalue" => value = Some(builder.operand(rest, argument)?),
            "result" => result = Some(rest),
            "oper" => {
                operator = Some(match rest {
                    "+" => MathOperator::Add,
                    "-" => MathOperator::Subtract,
                    "*" => MathOperator::Multiply,
                    "/" => MathOperator::Divide,
                    "<<" => MathOperator::ShiftLeft,
                    ">>" => MathOperator::ShiftRight,
                    _ => return Err(argument.fault(format!("`{rest}` is no operator"), "one of + - * / << >>")),
                });
            }
            "endian" => shared.push(rest.into()),
            "string" => shared.extend(["string".into(), rest.into()]),
            _ => shared.push(part.into()),
        }
    }
    let (Some(bytes), Some(offset), Some(operator), Some(value), Some(result)) =
        (bytes, offset, operator, value, result)
    else {
        return Err(argument.fault(
            "`byte_math` needs bytes, offset, oper, rvalue and result",
            "such as byte_math:bytes 2, offset 0, oper +, rvalue 4, result sum",
        ));
    };
    if operator == MathOperator::Divide && value == Operand::Value(0) {
        return Err(argument.fault("division by zero", ""));
    }
    let words = words(builder, argument, bytes, offset, shared.iter().map(String::as_str))?;
    let variable = builder.variable(result, argument)?;
    builder.push(Item::ByteMath(ByteMath { number: words.format, operator, value, variable }));
    Ok(())
}

fn is_data_at(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let mut parts = text.split(',');
    let position = builder.operand(parts.next().unwrap_or_default(), argument)?;
    let mut relative = false;
    for word in parts.map(str::trim) {
        match word {
            "relative" => relative = true,
            "rawbytes" => {}
            _ => return Err(argument.fault(format!("`{word}` has no meaning here"), "relative or nothing")),
        }
    }
    builder.push(Item::IsDataAt(IsDataAt { position, negated, relative }));
    Ok(())
}
