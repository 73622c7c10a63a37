//! `lua`: a script decides.

use std::sync::Arc;

use tapwire_parsers::protocol::{Both, Direction, Transaction};
use tapwire_parsers::{protocol, protocol_id};

use super::Keyword;
use crate::builder::{Argument, Builder, unquote};
use crate::rule::condition::TransactionCondition;
use crate::rule::fault::Fault;
use crate::rule::item::Item;
use crate::rule::protocols::canonical_protocol;
use crate::rule::script::{Need, Purpose, Script, ScriptTest};
use crate::rule::{Buffer, FieldName, Section};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "lua",
    aliases: &["luajit"],
    doc: "Asks the function `match` of a Lua script, with an exclamation mark whether it denies. What its function `init` names is \
          what it is asked about: a buffer, a protocol, packets; without a name it is the rule, or the sticky buffer right before.",
    examples: &[],
    parse,
}];

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let text = unquote(text).ok_or_else(|| argument.fault("the name has only one quote", "close it"))?;
    let (negated, name) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let script = load(builder, argument, name, Purpose::Match)?;
    for name in &script.flowints {
        builder.names.flowints.intern(name).ok_or_else(|| argument.fault("the rules have too many flowints", ""))?;
    }
    let test = |buffer: &str| ScriptTest { script: Arc::clone(&script), negated, buffer: buffer.into() };
    let needs = script.needs.iter().filter(|need| !matches!(need, Need::Packet | Need::Payload));
    let mut of_rule = true;
    for need in needs {
        match need {
            Need::Buffer if builder.buffer == Buffer::Payload => {
                let message = "the script looks at a sticky buffer, and none is open";
                return Err(argument.fault(message, "name the buffer before `lua`"));
            }
            Need::Buffer => builder.push(Item::Script(test("buffer"))),
            Need::Stream => builder.push_to(Buffer::Payload, Item::Script(test("stream"))),
            Need::Named(name) => match meaning(name, argument)? {
                Meaning::Field(field, direction) => {
                    builder.push_to(Buffer::Field(field), Item::Script(test(name)));
                    let of_field = |section: &&mut Section| section.buffer == Buffer::Field(field);
                    if let Some(section) = builder.rule.sections.iter_mut().rfind(of_field) {
                        section.direction = direction.or(section.direction);
                    }
                }
                Meaning::Transactions(protocol, direction) => {
                    builder.rule.transaction.push(Box::new(AnyTransaction { protocol, direction }));
                    continue;
                }
                Meaning::Later(name) => {
                    builder.rule.later.push(name);
                    continue;
                }
            },
            Need::Packet | Need::Payload => continue,
        }
        of_rule = false;
    }
    if of_rule && builder.is_idle() {
        let name = builder.buffer.name();
        builder.push(Item::Script(test(name)));
    } else if of_rule {
        builder.rule.scripts.push(test("buffer"));
    }
    Ok(())
}

/// Reads the script that a keyword names.
pub(super) fn load(
    builder: &mut Builder<'_>,
    argument: &Argument<'_>,
    name: &str,
    purpose: Purpose,
) -> Result<Arc<Script>, Fault> {
    let (files, settings) = (&builder.environment.files, builder.environment.scripts);
    if !settings.allow_rules {
        return Err(argument.fault("scripts in rules are switched off", "set security.lua.allow-rules to yes"));
    }
    let name = name.trim();
    builder.note_file(name);
    let place = (builder.environment.tenant, builder.file, name);
    builder.names.scripts.load((files, settings), place, purpose, &builder.variables).map_err(|reason| {
        let hint = match purpose {
            Purpose::Match => {
                "it needs functions `init` and `match`, and lies beside the rule file or in default-rule-path"
            }
            Purpose::Transform => {
                "it needs a function `transform`, and lies beside the rule file or in default-rule-path"
            }
        };
        argument.fault(format!("the script `{name}` cannot be used: {reason}"), hint)
    })
}

/// Other names of buffers, which scripts of older rules use, with the direction that they imply.
const OTHER_NAMES: &[(&str, &str, Option<Direction>)] = &[
    ("http.request_headers", "http.header", Some(Direction::ToServer)),
    ("http.request_headers.raw", "http.header.raw", Some(Direction::ToServer)),
    ("http.request_cookie", "http.cookie", Some(Direction::ToServer)),
    ("http.request_user_agent", "http.user_agent", Some(Direction::ToServer)),
    ("http.response_headers", "http.header", Some(Direction::ToClient)),
    ("http.response_headers.raw", "http.header.raw", Some(Direction::ToClient)),
    ("http.response_cookie", "http.cookie", Some(Direction::ToClient)),
    ("dns.rrname", "dns.queries.rrname", None),
    ("ja3", "ja3.hash", None),
    ("ja3s", "ja3s.hash", None),
];

/// What a script means by a name in its needs.
enum Meaning {
    /// A buffer.
    Field(FieldName, Option<Direction>),
    /// Transactions of a protocol as a whole.
    Transactions(&'static str, Option<Direction>),
    /// A protocol or a buffer that is not parsed yet.
    Later(&'static str),
}

fn meaning(name: &str, argument: &Argument<'_>) -> Result<Meaning, Fault> {
    let other = OTHER_NAMES.iter().find(|(known, ..)| *known == name);
    let (canonical, direction) = other.map_or((name, None), |(_, name, direction)| (*name, *direction));
    if let Some(field) = FieldName::find(canonical) {
        return Ok(Meaning::Field(field, direction));
    }
    let (protocol_name, direction) = match name.split_once('.') {
        Some((protocol, "request")) => (protocol, Some(Direction::ToServer)),
        Some((protocol, "response")) => (protocol, Some(Direction::ToClient)),
        _ => (name, None),
    };
    if let Some(known) = canonical_protocol(protocol_name) {
        let parsed = protocol_id(known).map(|id| protocol(id).name);
        return Ok(parsed.map_or(Meaning::Later(known), |name| Meaning::Transactions(name, direction)));
    }
    let keyword = super::find(name).map(|keyword| Meaning::Later(keyword.name));
    keyword.ok_or_else(|| {
        let hint = "packet, payload, stream, buffer, a protocol or the name of a sticky buffer";
        argument.fault(format!("the script needs `{name}`, which is no buffer"), hint)
    })
}

/// Any transaction of a protocol.
#[derive(Debug)]
struct AnyTransaction {
    protocol: &'static str,
    direction: Option<Direction>,
}

impl TransactionCondition for AnyTransaction {
    fn protocol(&self) -> &'static str {
        self.protocol
    }

    fn from(&self) -> Both<Option<u8>> {
        let of = |own| (self.direction.is_none_or(|wanted| wanted == own)).then_some(0);
        Both { to_server: of(Direction::ToServer), to_client: of(Direction::ToClient) }
    }

    fn holds(&self, _: &dyn Transaction, _: Direction) -> bool {
        true
    }
}
