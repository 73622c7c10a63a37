//! Keywords that test a number of a transaction: a field of the protocol's card, whatever the protocol.

use tapwire_parsers::dns::{RECORD_TYPES, RETURN_CODES};
use tapwire_parsers::protocol::{Both, Direction, Field, Protocol, Transaction, Value};
use tapwire_parsers::{protocol, protocol_id};

use super::Keyword;
use super::packet_number::HINT;
use crate::language::builder::{Argument, Builder};
use crate::language::fault::Fault;
use crate::verify::condition::TransactionCondition;
use crate::verify::number::NumberNames;
use crate::verify::numbers::NumbersTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "dns.opcode",
        aliases: &[],
        doc: "Tests the kind of operation of a DNS message.",
        examples: &["dns.opcode:4", "dns.opcode:!0"],
        parse: |b, a| push(b, a, "dns", "dns.opcode", &[], 15),
    },
    Keyword {
        name: "dns.rcode",
        aliases: &[],
        doc: "Tests the return code of a DNS message, a number or a name.",
        examples: &["dns.rcode:3", "dns.rcode:!nxdomain"],
        parse: |b, a| push(b, a, "dns", "dns.rcode", &names(RETURN_CODES), 65_535),
    },
    Keyword {
        name: "dns.rrtype",
        aliases: &[],
        doc: "Tests the record types of a DNS message, numbers or names: any of them, or after a comma `all` or a position.",
        examples: &["dns.rrtype:1", "dns.rrtype:!2,all", "dns.rrtype:AAAA"],
        parse: |b, a| push(b, a, "dns", "dns.rrtype", &names(RECORD_TYPES), 65_535),
    },
    Keyword {
        name: "ntp.version",
        aliases: &[],
        doc: "Tests the version of an NTP message.",
        examples: &["ntp.version:4"],
        parse: |b, a| push(b, a, "ntp", "ntp.version", &[], 7),
    },
    Keyword {
        name: "ntp.mode",
        aliases: &[],
        doc: "Tests the mode of an NTP message.",
        examples: &["ntp.mode:3", "ntp.mode:!server"],
        parse: |b, a| push(b, a, "ntp", "ntp.mode", NTP_MODES, 7),
    },
    Keyword {
        name: "ntp.stratum",
        aliases: &[],
        doc: "Tests the distance of an NTP server from its reference clock.",
        examples: &["ntp.stratum:>3"],
        parse: |b, a| push(b, a, "ntp", "ntp.stratum", &[], 255),
    },
    Keyword {
        name: "dhcp.leasetime",
        aliases: &[],
        doc: "Tests the seconds for which DHCP lends an address.",
        examples: &["dhcp.leasetime:<7200"],
        parse: |b, a| push(b, a, "dhcp", "dhcp.leasetime", &[], MAX_SECONDS),
    },
    Keyword {
        name: "dhcp.renewal_time",
        aliases: &[],
        doc: "Tests the seconds until a client of DHCP asks its server to go on lending.",
        examples: &["dhcp.renewal_time:1000<>2000"],
        parse: |b, a| push(b, a, "dhcp", "dhcp.renewal_time", &[], MAX_SECONDS),
    },
    Keyword {
        name: "dhcp.rebinding_time",
        aliases: &[],
        doc: "Tests the seconds until a client of DHCP asks any server to go on lending.",
        examples: &["dhcp.rebinding_time:>3000"],
        parse: |b, a| push(b, a, "dhcp", "dhcp.rebinding_time", &[], MAX_SECONDS),
    },
];

/// Modes of NTP (RFC 5905, figure 10).
const NTP_MODES: NumberNames<'_> = &[
    ("reserved", 0),
    ("symmetric_active", 1),
    ("symmetric_passive", 2),
    ("client", 3),
    ("server", 4),
    ("broadcast", 5),
    ("control", 6),
    ("private", 7),
];

/// The names in a table of a protocol.
fn names(table: &'static [(u16, &'static str)]) -> Vec<(&'static str, u64)> {
    table.iter().map(|(number, name)| (*name, u64::from(*number))).collect()
}

/// The longest time that an option of DHCP can state.
const MAX_SECONDS: u64 = u32::MAX as u64;
/// More instances of a field than any parser keeps.
const LIMIT: usize = 4096;

#[derive(Clone, Copy)]
struct NumberField {
    protocol: &'static Protocol,
    field: &'static Field,
    test: NumbersTest,
}

impl std::fmt::Debug for NumberField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NumberField").field("field", &self.field.name).field("test", &self.test).finish()
    }
}

impl TransactionCondition for NumberField {
    fn protocol(&self) -> &'static str {
        self.protocol.name
    }

    fn from(&self) -> Both<Option<u8>> {
        self.field.from
    }

    fn holds(&self, transaction: &dyn Transaction, direction: Direction) -> bool {
        let limit = if self.field.multi { LIMIT } else { 1 };
        let values = (0..limit).map_while(|index| (self.field.read)(transaction.as_any(), direction, index));
        self.test.holds(values.filter_map(|value| match value {
            Value::Number(number) => Some(number),
            Value::Bytes(_) | Value::Stream { .. } => None,
        }))
    }
}

/// Adds the test that the argument states of a field; a field that its protocol does not have yet waits for it.
fn push(
    builder: &mut Builder<'_>,
    argument: &Argument<'_>,
    protocol_name: &str,
    field_name: &'static str,
    names: NumberNames<'_>,
    max: u64,
) -> Result<(), Fault> {
    let test = NumbersTest::parse(argument.required()?, names, max).map_err(|m| argument.fault(m, HINT))?;
    let protocol = protocol_id(protocol_name).map(protocol);
    let field = protocol.and_then(|p| p.fields.iter().find(|f| f.name == field_name).map(|field| (p, field)));
    match field {
        Some((protocol, field)) => builder.rule.transaction.push(Box::new(NumberField { protocol, field, test })),
        None => builder.rule.later.push(field_name),
    }
    Ok(())
}
