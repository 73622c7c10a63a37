//! What can only be judged when the whole rule was read: contradictions, and what follows from its parts.

use tapwire_parsers::protocol::Direction;

use crate::builder::Builder;
use crate::plan::contents;
use crate::rule::dataset::Operation;
use crate::rule::fault::Fault;
use crate::rule::item::{Content, FastPattern, Item, Operand};
use crate::rule::variables::wanted_by;
use crate::rule::{Arrow, Buffer, FieldName, PacketHook, Rule, RuleProtocol, Section};
use crate::state::shared::asks_host_bits;

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
    for (position, section) in builder.rule.sections.iter().enumerate() {
        let fault = |(item, message, hint): Wrong| {
            Fault::new(builder.span_of(position, item).unwrap_or(whole.clone()), message, hint)
        };
        items(&section.items, section).map_err(fault)?;
        if section.buffer == Buffer::Payload
            && let Some(dsize) = builder.dsize
        {
            fits(&section.items, dsize.bounds().1).map_err(fault)?;
        }
    }
    let rule = &mut builder.rule;
    rule.sections.retain(|s| !s.items.is_empty());
    rule.sections.iter_mut().for_each(|section| section.wanted = wanted_by(&section.items));
    let chosen = rule.sections.iter().flat_map(contents).filter(|content| content.fast_pattern.is_some()).count();
    if chosen > if rule.arrow == Arrow::Transactional { 2 } else { 1 } {
        let message = "more than one content is the fast pattern";
        return Err(Fault::new(whole, message, "choose one; a rule with `=>` has one for each direction"));
    }
    let fields = rule.sections.iter().any(|s| matches!(s.buffer, Buffer::Field(_)));
    packet_hook(rule).map_err(|message| {
        Fault::new(whole.clone(), message, "leave the hook out, or make two rules of it, joined by flowbits")
    })?;
    if fields && rule.packet.iter().any(|c| !c.suits_transactions()) {
        return Err(Fault::new(
            whole,
            "the rule tests a packet and a buffer of an application protocol",
            "make two rules of it, joined by flowbits",
        ));
    }
    let frames = rule.sections.iter().filter(|s| matches!(s.buffer, Buffer::Frame(_)));
    let of_transactions =
        rule.transaction.len() + rule.events.len() + rule.file.len() + usize::from(rule.hook.is_some());
    let first = frames.clone().next().map(|section| section.buffer);
    let alone = rule.sections.iter().all(|section| Some(section.buffer) == first) && of_transactions == 0;
    if first.is_some() && !alone {
        let message = "the rule looks at a frame and at something else";
        return Err(Fault::new(whole, message, "make two rules of it, joined by flowbits"));
    }
    if rule.prefilter && rule.app_protocol.iter().any(|test| test.names.len() > 1) {
        let message = "`prefilter` cannot stand with a list of protocols";
        return Err(Fault::new(whole, message, "name one protocol, or leave `prefilter` out"));
    }
    if rule.bypass && waits_for_others(rule) {
        return Err(Fault::new(
            whole,
            "`bypass` cannot wait for what other flows did",
            "ask with flowbits, or leave `bypass` out",
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

/// Fails where a rule hooks into packets and asks for what they do not have.
fn packet_hook(rule: &Rule) -> Result<(), &'static str> {
    let of_packets = |section: &Section| matches!(section.buffer, Buffer::Payload | Buffer::Header(_));
    let others = rule.transaction.len() + rule.file.len() + rule.events.len() + usize::from(rule.filestore.is_some());
    match rule.packet_hook {
        Some(_) if others > 0 || !rule.sections.iter().all(of_packets) => {
            Err("the rule hooks into packets and looks at what an application protocol has")
        }
        Some(PacketHook::PreFlow) if rule.flow.present || rule.flow.direction.is_some() => {
            Err("the rule hooks in before there is a flow, and asks about one")
        }
        _ => Ok(()),
    }
}

/// Position of an item, what is wrong with it, what to do.
type Wrong = (usize, String, &'static str);

fn items(items: &[Item], section: &Section) -> Result<(), Wrong> {
    let sizes =
        || items.iter().filter_map(|item| if let Item::Size(test) = item { Some(test.bounds().1) } else { None });
    let smallest = sizes().min().filter(|_| section.transforms.is_empty()).unwrap_or(u64::MAX);
    for (position, item) in items.iter().enumerate() {
        let wrong = |(message, hint)| (position, message, hint);
        match item {
            Item::Content(content) => {
                self::content(content).map_err(wrong)?;
                let length = content.bytes.len() as u64;
                let from = if content.is_relative() { 0 } else { given(content.offset).unwrap_or(0) };
                if !content.negated && smallest < length.saturating_add(u64::try_from(from).unwrap_or(0)) {
                    let message = format!("a content of {length} bytes cannot be there in a buffer of the given size");
                    return Err((position, message, "check bsize"));
                }
                if section.buffer.is_field("http.host") && section.transforms.is_empty() {
                    host(content).map_err(wrong)?;
                }
            }
            Item::Absent { or_else } if *or_else == (items.len() == 1) => {
                return Err(wrong(if *or_else {
                    ("nothing is left to hold otherwise".into(), "put a condition on the buffer after it")
                } else {
                    ("what is absent has nothing to look at".into(), "write `absent:or_else`, or leave the rest out")
                }));
            }
            Item::Base64Data(inner) => {
                self::items(inner, section).map_err(|(_, message, hint)| (position, message, hint))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn host(content: &Content) -> Result<(), (String, &'static str)> {
    if content.nocase {
        return Err(("http.host is in lower case: `nocase` changes nothing".into(), "leave `nocase` out"));
    }
    if content.bytes.iter().any(u8::is_ascii_uppercase) {
        let message = "http.host is in lower case, the content has capitals".into();
        return Err((message, "write it in lower case or use http.host.raw"));
    }
    Ok(())
}

/// A number that stands in the rule.
fn given(operand: Option<Operand>) -> Option<i64> {
    match operand {
        Some(Operand::Value(value)) => Some(value),
        _ => None,
    }
}

/// Fails where the contents need more bytes than a payload may have.
fn fits(items: &[Item], size: u64) -> Result<(), Wrong> {
    let (mut end, size) = (0_i64, i64::try_from(size).unwrap_or(i64::MAX));
    for (position, item) in items.iter().enumerate() {
        let Item::Content(content) = item else { continue };
        let length = i64::try_from(content.bytes.len()).unwrap_or(i64::MAX);
        let distance = given(content.distance).unwrap_or(0);
        let needed = match (content.negated, content.is_relative()) {
            // What must not be in a window asks for the window.
            (true, true) => given(content.within).map_or(end, |within| end.saturating_add(distance + within)),
            (true, false) => end,
            (false, true) => end.saturating_add(distance.max(0) + length),
            (false, false) => end.max(given(content.offset).unwrap_or(0) + length),
        };
        if needed > size {
            let message = format!("the contents need {needed} bytes, more than `dsize` allows");
            return Err((position, message, "raise dsize, or shorten the contents and their places"));
        }
        if !content.negated {
            end = needed;
        }
    }
    Ok(())
}

fn content(content: &Content) -> Result<(), (String, &'static str)> {
    let length = i64::try_from(content.bytes.len()).unwrap_or(i64::MAX);
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
    if content.fast_pattern == Some(FastPattern::Only) && (absolute || content.is_relative() || content.startswith) {
        let message = "`fast_pattern:only` says that the place of the content does not matter, and it has one";
        return Err((message.into(), "write `fast_pattern` alone"));
    }
    Ok(())
}

/// Whether only the order of all flows' packets tells if the rule holds.
fn waits_for_others(rule: &Rule) -> bool {
    let changes = |item: &Item| matches!(item, Item::Dataset(test) if matches!(test.operation, Operation::Set | Operation::Unset));
    asks_host_bits(rule) || rule.sections.iter().flat_map(|section| &section.items).any(changes)
}

/// The directions in which a buffer exists, over all protocols that have it.
fn exists(name: FieldName) -> [bool; 2] {
    name.fields().fold([false; 2], |[s, c], f| [s || f.from.to_server.is_some(), c || f.from.to_client.is_some()])
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
                return Err(format!("`{}` does not exist in the direction that `flow` asks for", name.as_str()));
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
    let id = tapwire_parsers::protocol_id(protocol)?;
    rule.sections.iter().find_map(|s| match s.buffer {
        Buffer::Field(name) if name.of(id).is_none() => Some(name.as_str()),
        _ => None,
    })
}
