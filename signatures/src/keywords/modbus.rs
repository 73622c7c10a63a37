//! `modbus`: what a request does, to what, in which unit.

use tapwire_parsers::modbus::{Access, Category, Message, ModbusTransaction};
use tapwire_parsers::protocol::{Both, Direction, Transaction};

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::condition::TransactionCondition;
use crate::rule::fault::Fault;
use crate::rule::number::NumberTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "modbus",
    aliases: &[],
    doc: "Tests a Modbus request: its unit, its function (number or category, subfunction), or its access with the addresses (counted from 1) and the values written.",
    examples: &[
        "modbus:function 8, subfunction 4",
        "modbus:function !reserved",
        "modbus:unit >9, access read coils, address 0<>2",
        "modbus:access write holding, address 500, value >200",
    ],
    parse,
}];

/// More addresses than one message can write.
const ADDRESS_LIMIT: usize = 2048;

const HINT: &str = "such as `function 8, subfunction 4` or `unit 10, access write holding, address 500, value >200`";

#[derive(Debug, Default)]
struct Modbus {
    unit: Option<NumberTest>,
    function: Option<Function>,
    access: Option<Access>,
    address: Option<NumberTest>,
    value: Option<NumberTest>,
}

#[derive(Debug)]
enum Function {
    Code(u8, Option<u16>),
    Category { categories: Category, negated: bool },
}

impl TransactionCondition for Modbus {
    fn protocol(&self) -> &'static str {
        "modbus"
    }

    fn from(&self) -> Both<Option<u8>> {
        Both { to_server: Some(1), to_client: None }
    }

    fn holds(&self, transaction: &dyn Transaction, _: Direction) -> bool {
        let request = transaction.as_any().downcast_ref::<ModbusTransaction>().and_then(ModbusTransaction::request);
        request.is_some_and(|message| self.holds_for(message))
    }
}

impl Modbus {
    fn holds_for(&self, message: &Message) -> bool {
        let unit = self.unit.is_none_or(|test| test.holds(message.unit.into()));
        let function = match &self.function {
            None => true,
            Some(Function::Code(code, subfunction)) => {
                message.function_code() == *code
                    && subfunction.is_none_or(|wanted| message.subfunction() == Some(wanted))
            }
            Some(Function::Category { categories, negated }) => message.category().intersects(*categories) != *negated,
        };
        let access = self.access.is_none_or(|access| message.access().contains(access));
        unit && function && access && self.address_holds(message)
    }

    fn address_holds(&self, message: &Message) -> bool {
        let Some(test) = self.address else { return true };
        let writes = self.access.is_some_and(|access| access.contains(Access::WRITE));
        let range = if writes { message.written_addresses() } else { message.read_addresses() };
        let Some(range) = range else { return false };
        let (low, high) = test.bounds();
        let low = low.max((*range.start()).into());
        let high = high.min((*range.end()).into());
        match self.value {
            None => low <= high,
            Some(value) => {
                let mut addresses = (low..=high).take(ADDRESS_LIMIT).filter_map(|address| u32::try_from(address).ok());
                addresses
                    .any(|address| message.written_value(address).is_some_and(|written| value.holds(written.into())))
            }
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut condition = Self::default();
        for part in text.split(',').map(str::trim) {
            let (key, value) =
                part.split_once(char::is_whitespace).map_or((part, ""), |(key, value)| (key, value.trim()));
            match key {
                "unit" if condition.unit.is_none() => condition.unit = Some(NumberTest::parse_within(value, &[], 255)?),
                "function" if condition.function.is_none() && condition.access.is_none() => {
                    condition.function = Some(function(value)?)
                }
                "subfunction" => match &mut condition.function {
                    Some(Function::Code(_, subfunction @ None)) => {
                        *subfunction = Some(value.parse().map_err(|_| format!("`{value}` is no subfunction"))?)
                    }
                    _ => return Err("`subfunction` follows the number of a function".into()),
                },
                "access" if condition.access.is_none() && condition.function.is_none() => {
                    condition.access = Some(access(value)?)
                }
                "address" if condition.address.is_none() && condition.access.is_some() => {
                    condition.address = Some(NumberTest::parse_within(value, &[], 65_536)?);
                }
                "value"
                    if condition.value.is_none()
                        && condition.address.is_some()
                        && condition.access.is_some_and(|a| a.contains(Access::WRITE)) =>
                {
                    condition.value = Some(NumberTest::parse_within(value, &[], 65_535)?);
                }
                _ => return Err(format!("`{part}` cannot stand here")),
            }
        }
        Ok(condition)
    }
}

fn function(text: &str) -> Result<Function, String> {
    if let Ok(code) = text.parse() {
        return Ok(Function::Code(code, None));
    }
    let (name, negated) = text.strip_prefix('!').map_or((text, false), |name| (name.trim(), true));
    let public = Category::PUBLIC_ASSIGNED.and(Category::PUBLIC_UNASSIGNED);
    let categories = match name {
        "assigned" => Category::PUBLIC_ASSIGNED,
        "unassigned" => Category::PUBLIC_UNASSIGNED,
        "public" => public,
        "user" => Category::USER_DEFINED,
        "reserved" => Category::RESERVED,
        "all" => public.and(Category::USER_DEFINED).and(Category::RESERVED),
        _ => return Err(format!("`{name}` is neither a function nor a category")),
    };
    Ok(Function::Category { categories, negated })
}

fn access(text: &str) -> Result<Access, String> {
    let (what, kind) = text.split_once(char::is_whitespace).map_or((text, ""), |(what, kind)| (what, kind.trim()));
    match (what, kind) {
        ("read", "") => Ok(Access::READ),
        ("read", "discretes") => Ok(Access::READ.and(Access::DISCRETES)),
        ("read", "coils") => Ok(Access::READ.and(Access::COILS)),
        ("read", "input") => Ok(Access::READ.and(Access::INPUT)),
        ("read", "holding") => Ok(Access::READ.and(Access::HOLDING)),
        ("write", "") => Ok(Access::WRITE),
        ("write", "coils") => Ok(Access::WRITE.and(Access::COILS)),
        ("write", "holding") => Ok(Access::WRITE.and(Access::HOLDING)),
        _ => Err(format!("`{text}` is no access")),
    }
}

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let condition = Modbus::read(argument.required()?).map_err(|m| argument.fault(m, HINT))?;
    builder.rule.transaction.push(Box::new(condition));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_is_read_and_the_rest_refused() {
        for text in KEYWORDS.iter().flat_map(|k| k.examples).map(|example| example.trim_start_matches("modbus:")) {
            assert!(Modbus::read(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "unit 256",
            "function",
            "function 300",
            "subfunction 4",
            "access write input",
            "access read, value 1",
            "address 5",
            "unit 1, unit 2",
        ] {
            assert!(Modbus::read(text).is_err(), "{text}");
        }
    }
}
