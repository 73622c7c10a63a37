//! What is known of a flow's application protocol: `app-layer-protocol`, and what it did wrong: `app-layer-event`.

use tapwire_parsers::protocol::{Direction, FLOW_ANOMALIES};
use tapwire_parsers::{protocol, protocol_id};

use super::Keyword;
use crate::builder::nearest::nearest;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::protocols::{canonical_protocol, protocol_names};
use crate::rule::{AppProtocolTest, ProtocolSide};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "app-layer-protocol",
        aliases: &[],
        doc: "Tests the recognised application protocol (one of a list with `|`); after a comma which one is meant: that of a direction, the one before or after a change.",
        examples: &["app-layer-protocol:http", "app-layer-protocol:!tls,final", "app-layer-protocol:failed"],
        parse: app_layer_protocol,
    },
    Keyword {
        name: "app-layer-event",
        aliases: &[],
        doc: "Holds when an application protocol's parser, or its recognition, raised an anomaly.",
        examples: &["app-layer-event:applayer_mismatch_protocol_both_directions"],
        parse: app_layer_event,
    },
];

/// Words that say which protocol of a flow is meant.
const SIDES: &[(&str, ProtocolSide)] = &[
    ("to_server", ProtocolSide::Of(Direction::ToServer)),
    ("toserver", ProtocolSide::Of(Direction::ToServer)),
    ("to_client", ProtocolSide::Of(Direction::ToClient)),
    ("toclient", ProtocolSide::Of(Direction::ToClient)),
    ("direction", ProtocolSide::Own),
    ("either", ProtocolSide::Either),
    ("final", ProtocolSide::Final),
    ("exact", ProtocolSide::Final),
    ("original", ProtocolSide::Original),
];

fn app_layer_protocol(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let (names, mode) = text.split_once(',').map_or((text, None), |(names, mode)| (names, Some(mode.trim())));
    let (names, negated) = names.trim().strip_prefix('!').map_or((names, false), |names| (names, true));
    let known = |mode| SIDES.iter().find(|(word, _)| *word == mode).map(|(_, side)| *side);
    let side = mode.map_or(Some(ProtocolSide::Own), known).ok_or_else(|| {
        let words: Vec<&str> = SIDES.iter().map(|(word, _)| *word).collect();
        argument.fault(format!("`{}` says no side of a flow", mode.unwrap_or_default()), words.join(", "))
    })?;
    let (mut canonical, mut any_parsed) = (Vec::new(), false);
    for name in names.split('|').map(|name| name.trim().to_ascii_lowercase()) {
        match protocol_id(&name) {
            Some(_) if name == "http" && mode == Some("exact") => {
                return Err(argument.fault(
                    "`http` with `exact` never matches",
                    "`http` stands for several versions: name one, such as `http1`",
                ));
            }
            Some(id) => {
                any_parsed = true;
                canonical.push(protocol(id).name.to_owned());
            }
            None if matches!(name.as_str(), "failed" | "unknown") => {
                any_parsed = true;
                canonical.push(name);
            }
            None if canonical_protocol(&name).is_some() => canonical.push(name),
            None => {
                let hint = nearest(&name, protocol_names());
                return Err(argument.fault(format!("`{name}` is no known protocol"), hint));
            }
        }
    }
    if !any_parsed && !negated {
        builder.rule.later.push("app-layer-protocol");
    }
    builder.rule.app_protocol.push(AppProtocolTest { names: canonical, negated, side });
    Ok(())
}

fn app_layer_event(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?.to_ascii_lowercase();
    let Some((name, event)) = text.split_once('.') else {
        if !FLOW_ANOMALIES.iter().any(|kind| kind.name == text) {
            let hint = match nearest(&text, FLOW_ANOMALIES.iter().map(|kind| kind.name)) {
                none if none.is_empty() => "an event of a protocol is written `protocol.event`".into(),
                hint => hint,
            };
            return Err(argument.fault(format!("`{text}` is no known event"), hint));
        }
        builder.rule.events.push(text);
        return Ok(());
    };
    match protocol_id(name).map(protocol) {
        Some(protocol) => {
            let full = format!("{}.{event}", protocol.name);
            // Older rule sets name events that are not raised any more.
            if protocol.retired_anomalies.contains(&full.as_str()) {
                builder.rule.later.push("app-layer-event");
                return Ok(());
            }
            if !protocol.anomalies.iter().any(|kind| kind.name == full) {
                let hint = nearest(&full, protocol.anomalies.iter().map(|kind| kind.name));
                return Err(argument.fault(format!("`{event}` is no event of {}", protocol.name), hint));
            }
            builder.rule.events.push(full);
        }
        None if canonical_protocol(name).is_some() && !event.is_empty() => builder.rule.later.push("app-layer-event"),
        None => return Err(argument.fault(format!("`{name}` is no known protocol"), nearest(name, protocol_names()))),
    }
    Ok(())
}
