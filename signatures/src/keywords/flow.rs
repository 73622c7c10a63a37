//! `flow`: the state and direction of the flow.

use tapwire_parsers::protocol::Direction;

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "flow",
    aliases: &[],
    doc: "Direction and state of the flow: to_server, to_client, from_server, from_client, established, not_established, stateless, only_stream, no_stream, only_frag, no_frag.",
    examples: &["flow:established,to_server", "flow:stateless"],
    parse,
}];

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let flow = &mut builder.rule.flow;
    flow.present = true;
    let conflict = |word: &str| {
        argument.fault(format!("`{word}` repeats or contradicts what was said before"), "leave one of them out")
    };
    for word in argument.required()?.split(',').map(str::trim) {
        let direction = match word.to_ascii_lowercase().as_str() {
            "to_server" | "from_client" => Some(Direction::ToServer),
            "to_client" | "from_server" => Some(Direction::ToClient),
            "established" if flow.established.is_some() || flow.stateless => return Err(conflict(word)),
            "established" => {
                flow.established = Some(true);
                None
            }
            "not_established" if flow.established.is_some() || flow.stateless => return Err(conflict(word)),
            "not_established" => {
                flow.established = Some(false);
                None
            }
            "stateless" if flow.established.is_some() || flow.stateless => return Err(conflict(word)),
            "stateless" => {
                flow.stateless = true;
                None
            }
            "only_stream" if flow.no_stream || flow.only_stream => return Err(conflict(word)),
            "only_stream" => {
                flow.only_stream = true;
                None
            }
            "no_stream" if flow.only_stream || flow.no_stream => return Err(conflict(word)),
            "no_stream" => {
                flow.no_stream = true;
                None
            }
            "only_frag" if flow.fragments.is_some() => return Err(conflict(word)),
            "only_frag" => {
                flow.fragments = Some(true);
                None
            }
            "no_frag" if flow.fragments.is_some() => return Err(conflict(word)),
            "no_frag" => {
                flow.fragments = Some(false);
                None
            }
            _ => {
                return Err(
                    argument.fault(format!("`{word}` is no state of a flow"), "to_server, to_client, from_server, from_client, established, not_established, stateless, only_stream, no_stream, only_frag or no_frag")
                );
            }
        };
        if let Some(direction) = direction {
            if flow.direction.is_some() {
                return Err(conflict(word));
            }
            flow.direction = Some(direction);
        }
    }
    Ok(())
}
