//! Protocols inside the protocol of a flow: what a parser carries ([`Output::carry`]) goes to parsers of its own, one for each channel.
//!
//! A transaction is known by one number all over a flow: that of its layer in the upper bits, its id there in the lower ones. Those of the protocol of
//! the flow itself have theirs unchanged.
//!
//! [`Output::carry`]: tapwire_parsers::protocol::Output::carry

use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Anomaly, Carried, Carrier, Direction, Input, Opening, ProtocolId, Transaction, held};
use tapwire_signatures::rule::condition::Layers;

use super::Inspector;
use super::application::Application;
use super::recognise::{Ports, Recognition};
use super::transactions::Parsed;

/// What is known of a protocol inside another one.
pub(super) struct Layer {
    pub(super) protocol: ProtocolId,
    /// What carries it: the protocol of the flow, or that of another layer.
    within: Option<usize>,
    channel: u64,
    /// The transaction that began it.
    parent: Option<u64>,
    pub(super) parsed: Option<Box<Parsed>>,
    ended: bool,
}

/// A message that is carried, with what it needs to find its way.
struct Carriage<'c> {
    input: Input<'c>,
    within: Option<usize>,
    depth: usize,
}

/// Levels of protocols inside one another.
const DEPTH_LIMIT: usize = 4;
/// Bits of a transaction's id within its layer.
const ID_BITS: u32 = 48;

/// The layer of a transaction, `None` for the protocol of the flow itself, and its id there.
pub(super) fn apart(transaction: u64) -> (Option<usize>, u64) {
    let layer = usize::try_from(transaction >> ID_BITS).unwrap_or(usize::MAX);
    (layer.checked_sub(1), transaction & ((1 << ID_BITS) - 1))
}

/// The id of a transaction within its layer, as records show it.
pub fn id_within(transaction: u64) -> u64 {
    apart(transaction).1
}

/// What all transactions of a layer have in common.
pub(super) fn mark(layer: Option<usize>) -> u64 {
    layer.map_or(0, |layer| (layer as u64 + 1) << ID_BITS)
}

impl Layer {
    /// Nothing more is parsed; what is open stays until it is recorded.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.parsed.as_ref().map_or(0, |parsed| parsed.held_bytes())
    }
}

impl Application {
    #[inline]
    pub(super) fn layers(&self) -> &[Layer] {
        self.rare.as_ref().map_or(&[], |rare| &rare.layers)
    }

    pub(super) fn layers_mut(&mut self) -> &mut [Layer] {
        self.rare.as_mut().map_or(&mut [], |rare| &mut rare.layers)
    }

    /// The parser of a layer, with the protocol that it reads.
    #[inline]
    pub(super) fn level(&self, layer: Option<usize>) -> Option<(ProtocolId, &Parsed)> {
        match layer {
            None => self.protocol.zip(self.parsed.as_deref()),
            Some(layer) => self.layers().get(layer).and_then(|layer| Some((layer.protocol, layer.parsed.as_deref()?))),
        }
    }

    #[inline]
    pub(super) fn level_mut(&mut self, layer: Option<usize>) -> Option<&mut Parsed> {
        match layer {
            None => self.parsed.as_deref_mut(),
            Some(layer) => self.layers_mut().get_mut(layer)?.parsed.as_deref_mut(),
        }
    }

    /// The protocol of a transaction.
    pub fn protocol_of(&self, transaction: u64) -> Option<ProtocolId> {
        self.level(apart(transaction).0).map(|(id, _)| id)
    }

    /// An open transaction, with its protocol.
    pub fn find(&self, transaction: u64) -> Option<(&dyn Transaction, ProtocolId)> {
        let (layer, id) = apart(transaction);
        let (protocol, parsed) = self.level(layer)?;
        Some((parsed.parser.transactions().get(id)?, protocol))
    }

    /// The transaction that a transaction's protocol was begun by, where it is inside another one.
    pub fn parent_of(&self, transaction: u64) -> Option<u64> {
        self.layers().get(apart(transaction).0?)?.parent
    }

    /// The protocols that are inside the one of the flow.
    pub fn carried(&self) -> impl Iterator<Item = ProtocolId> {
        self.layers().iter().map(|layer| layer.protocol)
    }

    /// The same, as rules are told.
    #[inline]
    pub(super) fn carried_for_rules(&self) -> Layers {
        let layers = self.layers();
        if layers.is_empty() { Layers::default() } else { Layers::of(self.carried()) }
    }

    /// Whether anything of any layer is open.
    pub fn has_open(&self) -> bool {
        !self.open().is_empty() || self.layers().iter().flat_map(|layer| &layer.parsed).any(|p| !p.range().is_empty())
    }

    pub(super) fn layers_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| {
            let own: usize = rare.layers.iter().map(Layer::held_bytes).sum();
            own + held::list(&rare.layers)
        })
    }
}

impl Inspector {
    /// Hands what a parser carried to the parsers of what is inside.
    pub(super) fn deliver(&mut self, app: &mut Application, carried: &Carried, input: &Input<'_>) {
        self.deliver_from(app, carried, &Carriage { input: *input, within: None, depth: 0 });
    }

    fn deliver_from(&mut self, app: &mut Application, carried: &Carried, from: &Carriage<'_>) {
        let Some(above) = app.level(from.within).map(|(id, _)| protocol(id).name) else { return };
        for (message, data) in carried.iter() {
            if data.is_empty() {
                continue;
            }
            let input = Input { direction: message.direction, data, offset: 0, ..from.input };
            let carrier = Carrier::Within(above);
            let parent = message.transaction.map(|id| mark(from.within) | id);
            let Some(layer) =
                self.layer_for(app, (from.within, message.channel, parent), message.protocol, carrier, &input)
            else {
                continue;
            };
            if from.depth >= DEPTH_LIMIT {
                self.layers_refused += 1;
                continue;
            }
            let carriage = Carriage { input, within: Some(layer), depth: from.depth + 1 };
            self.read_carried(app, layer, &carriage);
        }
    }

    /// The layer of a channel, which may begin with this message.
    fn layer_for(
        &mut self,
        app: &mut Application,
        (within, channel, parent): (Option<usize>, u64, Option<u64>),
        named: Option<&'static str>,
        carrier: Carrier,
        input: &Input<'_>,
    ) -> Option<usize> {
        let known = |layer: &Layer| layer.within == within && layer.channel == channel;
        if let Some(layer) = app.layers().iter().position(known) {
            return Some(layer).filter(|layer| app.layers().get(*layer).is_some_and(|layer| !layer.ended));
        }
        let recogniser = &self.engine.recogniser;
        let found = match named {
            Some(name) => tapwire_parsers::protocol_id(name).filter(|id| recogniser.knows(*id)),
            None => {
                let ports = Ports::of(&input.ends);
                match recogniser.recognise(carrier, input.direction, ports, input.data, true, false) {
                    Recognition::Found(id, _) => Some(id),
                    Recognition::Open | Recognition::Failed => None,
                }
            }
        }?;
        if app.layers().len() >= self.engine.layers_limit {
            self.layers_refused += 1;
            return None;
        }
        let parsed = self.open_with(found, &Opening::by(carrier));
        if !app.is_rival
            && let Some([_, book]) = self.books.get_mut(usize::from(found.0))
        {
            book.flows += 1;
        }
        let layers = &mut app.rare.get_or_insert_default().layers;
        layers.push(Layer { protocol: found, within, channel, parent, parsed, ended: false });
        Some(layers.len() - 1)
    }

    /// Hands a message to the parser of its layer, and on what that one carries.
    fn read_carried(&mut self, app: &mut Application, layer: usize, carriage: &Carriage<'_>) {
        let input = &carriage.input;
        let (fuel, length) = (self.engine.parser_fuel, input.data.len());
        if app.level_mut(Some(layer)).is_some_and(|parsed| !parsed.refuel(input.direction, length, fuel)) {
            self.layers_refused += 1;
            return;
        }
        let result = self.guard(app, Some(layer), input.direction, |parser, output| {
            // A message is never continued: what is behind it within the same one is read as well.
            let mut rest = *input;
            while !rest.data.is_empty() {
                let done = parser.advance(&rest, output).consumed;
                rest.data = rest.data.get(done..).unwrap_or_default();
                if done == 0 {
                    break;
                }
            }
        });
        *app.updated.of_mut(input.direction) = true;
        let mut carried = std::mem::take(&mut self.carried);
        if result.is_some() && !carried.is_empty() {
            self.deliver_from(app, &carried, carriage);
        }
        carried.clear();
        self.carried = carried;
    }

    /// Tells the parsers of all layers that bytes are missing, or that no more will come.
    pub(super) fn end_carried(&mut self, app: &mut Application, direction: Direction, missing: Option<u64>) {
        for layer in 0..app.layers().len() {
            self.guard(app, Some(layer), direction, |parser, output| match missing {
                Some(missing) => drop(parser.gap(direction, missing, output)),
                None => parser.close(direction, output),
            });
        }
    }

    /// A parser of a layer, or of the flow, broke its promise.
    pub(super) fn let_go_of_parser(&mut self, app: &mut Application, layer: Option<usize>, direction: Direction) {
        self.parser_faults += 1;
        match layer {
            None => {
                app.parsed = None;
                (app.stopped, app.given_up) = (true, true);
            }
            Some(layer) => {
                if let Some(layer) = app.layers_mut().get_mut(layer) {
                    layer.parsed = None;
                }
            }
        }
        app.raise(direction, Anomaly("applayer_parser_fault"));
    }
}
