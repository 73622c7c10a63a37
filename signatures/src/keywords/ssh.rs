//! Conditions on the identification strings of SSH from before its sticky buffers.

use tapwire_parsers::protocol::{Both, Direction, Field, Transaction, Value};
use tapwire_parsers::ssh::PROTOCOL;

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::condition::TransactionCondition;
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "ssh.protoversion",
        aliases: &[],
        doc: "Holds for one version of the protocol; `2_compat` is version 2 and those that speak it beside version 1 (1.99).",
        examples: &["ssh.protoversion:2.0", "ssh.protoversion:2_compat"],
        parse: |b, a| {
            let test = match unquoted(a)? {
                "2_compat" => Test::Version2,
                text => Test::Version(text.into()),
            };
            push(b, "ssh.proto", test)
        },
    },
    Keyword {
        name: "ssh.softwareversion",
        aliases: &[],
        doc: "Holds if the version of the software has a text in it.",
        examples: &["ssh.softwareversion:\"OpenSSH\""],
        parse: |b, a| push(b, "ssh.software", Test::Software(unquoted(a)?.into())),
    },
];

#[derive(Debug)]
enum Test {
    Version2,
    Version(String),
    Software(String),
}

struct SshCondition {
    field: &'static Field,
    test: Test,
}

impl std::fmt::Debug for SshCondition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshCondition").field("field", &self.field.name).field("test", &self.test).finish()
    }
}

impl TransactionCondition for SshCondition {
    fn protocol(&self) -> &'static str {
        PROTOCOL.name
    }

    fn from(&self) -> Both<Option<u8>> {
        self.field.from
    }

    fn holds(&self, transaction: &dyn Transaction, direction: Direction) -> bool {
        let Some(Value::Bytes(value)) = (self.field.read)(transaction.as_any(), direction, 0) else { return false };
        match &self.test {
            Test::Version2 => value.starts_with(b"2") || value == b"1.99",
            Test::Version(text) => value == text.as_bytes(),
            Test::Software(text) => memchr::memmem::find(value, text.as_bytes()).is_some(),
        }
    }
}

fn unquoted<'a>(argument: &Argument<'a>) -> Result<&'a str, Fault> {
    let text = argument.required()?.trim_matches('"');
    if text.is_empty() { Err(argument.fault("there is nothing to compare with", "such as 2.0")) } else { Ok(text) }
}

fn push(builder: &mut Builder<'_>, field: &str, test: Test) -> Result<(), Fault> {
    if let Some(field) = PROTOCOL.fields.iter().find(|f| f.name == field) {
        builder.rule.transaction.push(Box::new(SshCondition { field, test }));
    }
    Ok(())
}
