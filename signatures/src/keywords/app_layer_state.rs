//! `app-layer-state`: how far a transaction has come.

use tapwire_parsers::protocol::{Both, Direction, Protocol, Transaction};
use tapwire_parsers::{protocol, protocol_id};

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::plan::hook_progress;
use crate::rule::RuleProtocol;
use crate::rule::condition::TransactionCondition;
use crate::rule::fault::Fault;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[Keyword {
    name: "app-layer-state",
    aliases: &[],
    doc: "Holds while a direction of a transaction is in a state of its protocol, before it (`<`) or past it (`>`); the names are those of hooks.",
    examples: &["app-layer-state:request_headers", "app-layer-state:>response_line"],
    parse,
}];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Before,
    At,
    Past,
}

#[derive(Debug)]
struct StateTest {
    protocol: &'static str,
    order: Order,
    /// The place of the state in each direction that has it.
    state: Both<Option<u8>>,
}

impl TransactionCondition for StateTest {
    fn protocol(&self) -> &'static str {
        self.protocol
    }

    fn from(&self) -> Both<Option<u8>> {
        let from = |state: Option<u8>| match self.order {
            Order::Before => state.map(|_| 0),
            Order::At => state,
            Order::Past => state.map(|state| state.saturating_add(1)),
        };
        Both { to_server: from(self.state.to_server), to_client: from(self.state.to_client) }
    }

    fn holds(&self, transaction: &dyn Transaction, direction: Direction) -> bool {
        let progress = transaction.progress(direction);
        self.state.of(direction).is_some_and(|state| match self.order {
            Order::Before => progress < state,
            Order::At => progress == state,
            Order::Past => progress > state,
        })
    }
}

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let text = argument.required()?;
    let (order, name) = match (text.strip_prefix('<'), text.strip_prefix('>')) {
        (Some(name), _) => (Order::Before, name.trim()),
        (_, Some(name)) => (Order::Past, name.trim()),
        _ => (Order::At, text),
    };
    let RuleProtocol::Application(header) = builder.rule.protocol else {
        return Err(argument.fault("states are those of an application protocol", "name one in the rule's header"));
    };
    let Some(card) = protocol_id(header).map(protocol) else {
        builder.rule.later.push("app-layer-state");
        return Ok(());
    };
    let place = |direction| hook_progress(card, direction, name);
    let state = Both { to_server: place(Direction::ToServer), to_client: place(Direction::ToClient) };
    if state == Both::default() {
        let hint = format!("it has {}", states(card).join(", "));
        return Err(argument.fault(format!("`{name}` is no state of {}", card.name), hint));
    }
    builder.rule.transaction.push(Box::new(StateTest { protocol: card.name, order, state }));
    Ok(())
}

fn states(card: &Protocol) -> Vec<&'static str> {
    Direction::BOTH.iter().flat_map(|direction| card.states.of(*direction).iter().copied()).collect()
}
