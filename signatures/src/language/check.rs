//! What can only be judged when the whole rule was read: contradictions, and what follows from its parts.

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::Direction;

use super::builder::Builder;
use super::fault::Fault;
use super::rule::{Arrow, Buffer, Content, Item, Operand, Rule, RuleProtocol, Section};

/// Severity of a rule that says nothing of it.
const DEFAULT_SEVERITY: u8 = 3;

/// Finishes a rule, or tells why it cannot be right. `end` is the length of its text.
pub(super) fn finish(builder: &mut Builder<'_>, end: usize) -> Result<(), Fault> {
    if builder.is_idle() {
        return Err(Fault::new(
            builder.buffer_span.clone(),
            "nothing looks at the last sticky buffer",
            "put a content or another condition after it",
        ));
    }
    let rule = &mut builder.rule;
    let whole = 0..end;
    if rule.sid == 0 {
        return Err(Fault::new(whole, "the rule has no sid", "give it `sid:` and a number above 0"));
    }
    if rule.severity == 0 {
        rule.severity = DEFAULT_SEVERITY;
    }
    rule.sections.retain(|s| !s.items.is_empty());
    for section in &rule.sections {
        items(&section.items, section).map_err(|(message, hint)| Fault::new(whole.clone(), message, hint))?;
    }
    let fields = rule.sections.iter().any(|s| matches!(s.buffer, Buffer::Field(_)));
    if fields && rule.packet.iter().any(|c| !c.suits_transactions()) {
        return Err(Fault::new(
            whole,
            "the rule tests a packet and a buffer of an application protocol",
            "make two rules of it, joined by flowbits",
        ));
    }
    directions(rule)
        .map_err(|message| Fault::new(whole.clone(), message, "use `=>` for a rule on request and response"))?;
    if let RuleProtocol::Application(name) = rule.protocol {
        foreign_field(rule, name).map_or(Ok(()), |field| {
            Err(Fault::new(whole, format!("`{field}` is no buffer of {name}"), "change the protocol in the header"))
        })?;
    }
    Ok(())
}

type Wrong = (String, &'static str);

fn items(items: &[Item], section: &Section) -> Result<(), Wrong> {
    for (position, item) in items.iter().enumerate() {
        match item {
            Item::Content(content) => {
                self::content(content)?;
                if content.is_relative() && position == 0 && section.buffer == Buffer::Payload && items.len() == 1 {
                    // Without anything before it the cursor stands at the start: odd, but it has a meaning.
                    continue;
                }
                for size in items.iter().filter_map(|i| match i {
                    Item::Size(test) => Some(test),
                    _ => None,
                }) {
                    let length = content.bytes.len() as u64;
                    if section.transforms.is_empty() && !content.negated && size.bounds().1 < length {
                        return Err((
                            format!("a content of {length} bytes cannot be in a buffer of the given size"),
                            "check bsize",
                        ));
                    }
                }
            }
            Item::Base64Data(inner) => self::items(inner, section)?,
            _ => {}
        }
    }
    if section.buffer == Buffer::Field("http.host") && section.transforms.is_empty() {
        for item in items {
            if let Item::Content(content) = item
                && !content.nocase
                && content.bytes.iter().any(u8::is_ascii_uppercase)
            {
                return Err((
                    "http.host is in lower case, the content has capitals".into(),
                    "write it in lower case or use http.host.raw",
                ));
            }
        }
    }
    Ok(())
}

fn content(content: &Content) -> Result<(), Wrong> {
    let length = i64::try_from(content.bytes.len()).unwrap_or(i64::MAX);
    let given = |operand: Option<Operand>| match operand {
        Some(Operand::Value(value)) => Some(value),
        _ => None,
    };
    if given(content.depth).is_some_and(|depth| depth < length) {
        return Err((format!("depth is less than the {length} bytes of the content"), "raise it"));
    }
    if given(content.within).is_some_and(|within| within < length) {
        return Err((format!("within is less than the {length} bytes of the content"), "raise it"));
    }
    let absolute = content.offset.is_some() || content.depth.is_some();
    if absolute && content.is_relative() {
        return Err((
            "a content has both offset or depth and distance or within".into(),
            "a position is absolute or relative",
        ));
    }
    if content.startswith && (absolute || content.is_relative()) {
        return Err(("startswith stands beside offset, depth, distance or within".into(), "leave one of them out"));
    }
    if content.fast_pattern.is_some() && content.negated && (absolute || content.is_relative()) {
        return Err(("a negated content at a place cannot be the fast pattern".into(), "choose another content"));
    }
    Ok(())
}

/// The directions in which a buffer exists, over all protocols that have it.
fn exists(name: &str) -> [bool; 2] {
    let fields = REGISTRY.iter().flat_map(|p| p.fields).filter(|f| f.name == name);
    fields.fold([false; 2], |[s, c], f| [s || f.from.to_server.is_some(), c || f.from.to_client.is_some()])
}

/// Fails where the rule's buffers have no direction in common.
fn directions(rule: &Rule) -> Result<(), String> {
    let fields = rule.sections.iter().filter_map(|s| match s.buffer {
        Buffer::Field(name) => Some(name),
        _ => None,
    });
    let mut both = [true; 2];
    for name in fields {
        let own = exists(name);
        if rule.arrow != Arrow::Transactional {
            let wanted = rule.flow.direction.map(Direction::index);
            if wanted.is_some_and(|d| own.get(d) == Some(&false)) {
                return Err(format!("`{name}` does not exist in the direction that `flow` asks for"));
            }
            both = [both[0] && own[0], both[1] && own[1]];
        }
    }
    if both == [false; 2] {
        return Err("the rule looks at buffers of both directions".into());
    }
    Ok(())
}

/// A field of the rule that its protocol does not have.
fn foreign_field(rule: &Rule, protocol: &str) -> Option<&'static str> {
    let card = tapwire_parsers::protocol_id(protocol).map(tapwire_parsers::protocol)?;
    rule.sections.iter().find_map(|s| match s.buffer {
        Buffer::Field(name) if name != "file.data" && !card.fields.iter().any(|f| f.name == name) => Some(name),
        _ => None,
    })
}
