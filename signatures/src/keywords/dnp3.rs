//! `dnp3.ind`, `dnp3.obj`: what an outstation says of itself, and what a DNP3 message is about.

use tapwire_parsers::dnp3::{INDICATIONS, Message};
use tapwire_parsers::protocol::{Both, Direction, Transaction};

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::condition::TransactionCondition;
use crate::rule::fault::Fault;
use crate::rule::number::NumberTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "dnp3.ind",
        aliases: &["dnp3_ind"],
        doc: "Tests the internal indications of a DNP3 response: one of those that are named is set and none of those with `!`, or the number that they make.",
        examples: &[
            "dnp3.ind:device_restart",
            "dnp3_ind:need_time,device_trouble",
            "dnp3.ind:device_restart,!need_time",
            "dnp3.ind:0x8000",
        ],
        parse: indications,
    },
    Keyword {
        name: "dnp3.obj",
        aliases: &["dnp3_obj"],
        doc: "Holds where a DNP3 message names objects of a group and variation.",
        examples: &["dnp3.obj:60,2", "dnp3_obj:12,1"],
        parse: object,
    },
];

#[derive(Debug)]
enum Dnp3 {
    Indications(NumberTest),
    /// One of these bits is set, and none of those.
    Named {
        wanted: u16,
        refused: u16,
    },
    Object(u8, u8),
}

impl TransactionCondition for Dnp3 {
    fn protocol(&self) -> &'static str {
        "dnp3"
    }

    fn from(&self) -> Both<Option<u8>> {
        Both { to_server: Some(1), to_client: Some(1) }
    }

    fn holds(&self, transaction: &dyn Transaction, direction: Direction) -> bool {
        let message = transaction.as_any().downcast_ref::<Message>();
        let Some(message) = message.filter(|message| message.only_direction() == Some(direction)) else { return false };
        match self {
            Dnp3::Indications(test) => message.indications.is_some_and(|bits| test.holds(bits.into())),
            Dnp3::Named { wanted, refused } => {
                message.indications.is_some_and(|bits| (*wanted == 0 || bits & wanted != 0) && bits & refused == 0)
            }
            Dnp3::Object(group, variation) => {
                message.objects.iter().any(|header| (header.group, header.variation) == (*group, *variation))
            }
        }
    }
}

fn indications(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let hint = "names such as `device_restart,!need_time`, or a number such as `0x8000`";
    let bit = |name: &str| INDICATIONS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(bit, _)| *bit);
    let (mut wanted, mut refused) = (0, 0);
    for name in text.split(',').map(str::trim) {
        match (name.strip_prefix('!'), bit(name.trim_start_matches('!').trim())) {
            (None, Some(bit)) => wanted |= bit,
            (Some(_), Some(bit)) => refused |= bit,
            (_, None) if name == text.trim() => {
                let test = NumberTest::parse(name).map_err(|m| argument.fault(m, hint))?;
                builder.rule.transaction.push(Box::new(Dnp3::Indications(test)));
                return Ok(());
            }
            (_, None) => return Err(argument.fault(format!("`{name}` is no internal indication"), hint)),
        }
    }
    builder.rule.transaction.push(Box::new(Dnp3::Named { wanted, refused }));
    Ok(())
}

fn object(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "a group and a variation, such as `60,2`";
    let parts = argument.required()?.split_once(',');
    let numbers =
        parts.and_then(|(group, variation)| Some((group.trim().parse().ok()?, variation.trim().parse().ok()?)));
    let Some((group, variation)) = numbers else {
        return Err(argument.fault("two numbers up to 255 are needed", hint));
    };
    builder.rule.transaction.push(Box::new(Dnp3::Object(group, variation)));
    Ok(())
}
