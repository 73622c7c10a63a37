//! What a flow keeps of its application protocol: which it is, its parser with the open transactions, files, what rules remember.

use std::num::NonZeroU16;

use smallvec::SmallVec;
use tapwire_parsers::protocol::{Anomaly, Both, Context, Direction, ProtocolId, Transaction, held};
use tapwire_signatures::plan::RuleIndex;
use tapwire_signatures::rule::condition::SideProtocol;
use tapwire_signatures::state::flow::FlowState;
use tapwire_signatures::verify::fuel::FlowFuel;

use super::anomalies::Anomalies;
use super::excerpt::Excerpt;
use super::files::Files;
use super::frames::{Frame, Frames};
use super::layers::{Layer, apart, mark};
use super::recognise::Recognition;
use super::silence;
use super::transactions::{Known, Parsed};
use crate::flow::CommunityId;

/// What a flow keeps of its application protocol.
#[derive(Default)]
pub struct Application {
    /// The protocol it speaks now.
    pub protocol: Option<ProtocolId>,
    /// The protocol it spoke before it changed.
    pub original: Option<ProtocolId>,
    /// The protocol each direction was recognised as.
    pub recognised: Both<Recognition>,
    /// No protocol claims it.
    pub failed: bool,
    /// That was so for an earlier message.
    pub(super) failed_before: bool,
    /// Nothing more is parsed.
    pub stopped: bool,
    /// Its parser has just given up.
    pub given_up: bool,
    /// That is so because the flow seemed to be over.
    pub(super) released: bool,
    /// What it holds may have changed since it was weighed.
    pub(super) unweighed: bool,
    /// What follows is encrypted.
    pub encrypted: bool,
    /// The parser goes on all the same, to name frames.
    pub(super) frames_only: bool,
    /// Files that travel in it.
    pub files: Files,
    /// What rules remember.
    pub rules: Remembered,
    /// Whether something new came that rules have not looked at, in each direction.
    pub updated: Both<bool>,
    /// Raw bytes should be inspected without waiting for a full chunk.
    pub flush_raw: Both<bool>,
    /// A pass rule ended inspection.
    pub passed: bool,
    /// Recognition ended and rules that wait for that have not been asked, in each direction.
    pub recognition_due: Both<bool>,
    /// A rule with a tag matched.
    pub tag_asked: bool,
    /// Transactions that were opened since its protocol last changed, over all parsers; no more than it can count.
    pub opened: u32,
    /// It has datagrams, no streams.
    pub(super) is_datagram: bool,
    /// Its bytes show that client and server are the other way round.
    pub turned: bool,
    /// Its begin was not seen: client and server may be the other way round.
    pub turnable: bool,
    /// The flow's community id, once a record wanted it.
    pub community_id: std::cell::OnceCell<Box<CommunityId>>,
    /// Bytes of its packets that records were charged with, modulo 4 GiB.
    pub charged_bytes: std::cell::Cell<u32>,
    pub(super) is_rival: bool,
    pub(super) closed: Both<bool>,
    /// Bytes without which the parser need not be asked again.
    pub(super) wanted: Both<u32>,
    /// What rules may still spend on it; see [`FlowFuel::left`].
    pub(super) fuel: Option<NonZeroU16>,
    pub(super) parsed: Option<Box<Parsed>>,
    pub(super) rare: Option<Box<Rare>>,
}

/// What only some flows have.
#[derive(Default)]
pub(super) struct Rare {
    /// The flow that announced it.
    pub(super) parent: Option<u64>,
    /// The protocol that both sides agreed to change to, by name: it need not be one that is parsed.
    pub(super) agreed: Option<&'static str>,
    /// The server's port that the protocol which is spoken now was asked for on.
    pub(super) asked_port: Option<u16>,
    /// The protocol is about to change.
    pub(super) change: Option<Next>,
    /// It was told that more came than is inspected.
    pub(super) limit_told: bool,
    /// New anomalies outside transactions.
    pub(super) anomalies: Anomalies,
    /// What another version of one direction's bytes makes, until rules were asked about it.
    pub(super) rival: Option<Box<(Direction, Application)>>,
    /// The parser was let go for its memory: another one goes on where a message begins.
    pub(super) lapsed: bool,
    /// What has no record.
    pub(super) silent: Option<Box<silence::Silent>>,
    /// Frames, where somebody wants them.
    pub(super) frames: Option<Box<Frames>>,
    /// Whether the certificates that go in each direction are stored.
    certificates: Both<Certificates>,
    /// Rules that ran out of fuel.
    pub(super) dry: Vec<RuleIndex>,
    /// Protocols inside the one of the flow.
    pub(super) layers: Vec<Layer>,
    /// What alerts show of its streams, where they show that.
    excerpts: Option<Box<Both<Excerpt>>>,
}

/// What a flow is about to change to.
pub(super) struct Next {
    /// The protocol, where that was agreed.
    pub(super) protocol: Option<&'static str>,
    /// What its parser is to know.
    pub(super) context: Option<Context>,
    /// The server's port that it was asked for on.
    pub(super) port: Option<u16>,
}

impl Rare {
    fn held_bytes(&self) -> usize {
        let frames = self.frames.as_ref().map_or(0, |frames| held::boxed::<Frames>(frames.held_bytes()));
        let silent = self.silent.as_ref().map_or(0, |silent| held::boxed::<silence::Silent>(silent.held_bytes()));
        let rival = self.rival.as_ref();
        let rival = rival.map_or(0, |rival| held::boxed::<(Direction, Application)>(rival.1.held_bytes()));
        let excerpts = self.excerpts.as_ref().map_or(0, |excerpts| {
            let texts = excerpts.to_server.held_bytes() + excerpts.to_client.held_bytes();
            held::boxed::<Both<Excerpt>>(texts)
        });
        held::boxed::<Self>(frames + silent + rival + excerpts) + self.anomalies.held_bytes()
    }
}

/// Whether the certificates of one side are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Certificates {
    /// No rule wants that.
    #[default]
    Unwanted,
    /// They will be once they are there.
    Wanted,
    /// They are.
    Stored,
}

/// What rules remember of a flow, which is nothing for most.
#[derive(Default)]
pub struct Remembered(pub(super) Option<Box<FlowState>>);

impl Remembered {
    /// It, if it is anything.
    pub fn state(&self) -> Option<&FlowState> {
        self.0.as_deref().filter(|state| !state.is_empty())
    }

    /// Lets rules change it.
    pub fn lend<T>(&mut self, work: impl FnOnce(&mut FlowState) -> T) -> T {
        if let Some(state) = &mut self.0 {
            return work(state);
        }
        let mut state = FlowState::default();
        let result = work(&mut state);
        if !state.is_empty() {
            self.0 = Some(Box::new(state));
        }
        result
    }
}

impl Application {
    /// The open transactions with what is known of them, oldest first.
    pub fn transaction(&self, transaction: u64) -> Option<&dyn Transaction> {
        self.find(transaction).map(|(open, _)| open)
    }

    /// A rule that wants certificates stored matched in a direction: it means those that go there, and if that is to the server
    /// those of the server too, which are yet to come as a rule.
    pub fn want_certificates(&mut self, direction: Direction) {
        for wanted in [direction, Direction::ToClient] {
            let certificates = self.rare.get_or_insert_default().certificates.of_mut(wanted);
            if *certificates == Certificates::Unwanted {
                *certificates = Certificates::Wanted;
            }
        }
    }

    /// Whether certificates that go in a direction are to be stored.
    pub fn wants_certificates(&self, direction: Direction) -> bool {
        self.rare.as_ref().is_some_and(|rare| *rare.certificates.of(direction) == Certificates::Wanted)
    }

    /// They are.
    pub fn note_certificates(&mut self, direction: Direction) {
        *self.rare.get_or_insert_default().certificates.of_mut(direction) = Certificates::Stored;
    }

    /// What rules may still spend on the flow, to be given back.
    #[inline]
    pub fn take_fuel(&mut self) -> FlowFuel {
        let dry = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.dry)).unwrap_or_default();
        FlowFuel { left: self.fuel, dry }
    }

    /// Gives back what rules may still spend on the flow.
    #[inline]
    pub fn return_fuel(&mut self, fuel: FlowFuel) {
        self.fuel = fuel.left;
        if !fuel.dry.is_empty() {
            self.keep_dry(fuel.dry);
        }
    }

    #[cold]
    fn keep_dry(&mut self, dry: Vec<RuleIndex>) {
        self.rare.get_or_insert_default().dry = dry;
    }

    /// The flow that announced it.
    pub fn parent(&self) -> Option<u64> {
        self.rare.as_ref()?.parent
    }

    /// The protocol that both sides agreed to change to, by name: it need not be one that is parsed.
    pub fn agreed(&self) -> Option<&'static str> {
        self.rare.as_ref()?.agreed
    }

    /// The server's port that the protocol which is spoken now was asked for on, where that is not the flow's.
    pub(super) fn asked_port(&self) -> Option<u16> {
        self.rare.as_ref()?.asked_port
    }

    /// Whether there is nothing that could be recorded: no transaction that changed, or at the `last` chance none that is open, no
    /// file that has ended, no anomaly.
    #[inline]
    pub fn has_nothing_new(&self, last: bool) -> bool {
        let is_quiet = |parsed: &Parsed| if last { parsed.range().is_empty() } else { !parsed.has_unreported() };
        self.parsed.as_deref().is_none_or(is_quiet)
            && (last || !Direction::BOTH.into_iter().any(|direction| self.wants_certificates(direction)))
            && !self.files.has_closed()
            && self.rare.as_ref().is_none_or(|rare| {
                let mut carried = rare.layers.iter().filter_map(|layer| layer.parsed.as_deref());
                !rare.anomalies.has_unrecorded() && carried.all(is_quiet)
            })
    }

    /// Takes the anomalies outside transactions that were not recorded, each with the direction of its bytes.
    pub fn take_unrecorded(&mut self) -> SmallVec<[(Direction, Anomaly); 2]> {
        self.rare.as_mut().map(|rare| rare.anomalies.take_unrecorded()).unwrap_or_default()
    }

    /// Takes those that rules on packets were not asked about.
    #[inline]
    pub fn take_unasked(&mut self) -> SmallVec<[Anomaly; 2]> {
        match &mut self.rare {
            Some(rare) => rare.anomalies.take_unasked(),
            None => SmallVec::new(),
        }
    }

    /// Ids of the open transactions.
    pub fn open(&self) -> std::ops::Range<u64> {
        self.parsed.as_ref().map_or(0..0, |parsed| parsed.range())
    }

    /// The oldest open transaction that has a direction, and whether it is the only one.
    pub fn oldest_open(&self, direction: Direction) -> Option<(u64, bool)> {
        let mut open = self.open().filter(|&id| {
            let only = self.transaction(id).map(Transaction::only_direction);
            only.is_some_and(|only| only.is_none_or(|own| own == direction))
        });
        let oldest = open.next()?;
        Some((oldest, open.next().is_none()))
    }

    /// What is known of an open transaction.
    pub fn known_mut(&mut self, id: u64) -> Option<&mut Known> {
        let (layer, id) = apart(id);
        self.level_mut(layer)?.known_mut(id)
    }

    /// Puts the ids of the open transactions that may have something new for records into a list, oldest first.
    pub fn unreported(&self, ids: &mut Vec<u64>) {
        ids.clear();
        if let Some(parsed) = &self.parsed {
            parsed.unreported(ids);
        }
        for (index, layer) in self.layers().iter().enumerate() {
            let begin = ids.len();
            layer.parsed.iter().for_each(|parsed| parsed.unreported(ids));
            put_mark(ids, begin, index);
        }
    }

    /// The same, and forgets them; at the `last` chance all that are open.
    pub fn take_unreported(&mut self, ids: &mut Vec<u64>, last: bool) {
        self.unweighed = true;
        ids.clear();
        let take = |parsed: &mut Parsed, ids: &mut Vec<u64>| {
            let begin = ids.len();
            parsed.take_unreported(ids);
            if last {
                ids.truncate(begin);
                ids.extend(parsed.range());
            }
        };
        if let Some(parsed) = &mut self.parsed {
            take(parsed, ids);
        }
        for (index, layer) in self.layers_mut().iter_mut().enumerate() {
            let begin = ids.len();
            layer.parsed.iter_mut().for_each(|parsed| take(parsed, ids));
            put_mark(ids, begin, index);
        }
    }

    /// Something of a transaction waits to be recorded.
    pub fn report_again(&mut self, transaction: u64) {
        let (layer, id) = apart(transaction);
        if let Some(parsed) = self.level_mut(layer) {
            parsed.report_again(id);
        }
    }

    /// Ends the files of a direction: the flow is over.
    pub fn end_files(&mut self, direction: Direction) {
        for transaction in self.files.truncate(direction) {
            self.touch(transaction);
        }
    }

    /// Something of a transaction is new.
    pub(super) fn touch(&mut self, transaction: u64) {
        let (layer, id) = apart(transaction);
        self.level_mut(layer).into_iter().for_each(|parsed| parsed.touch(id));
    }

    /// Forgets a transaction if it is complete, recorded and was inspected in each direction it has.
    pub fn retire_if_done(&mut self, id: u64) -> Option<Box<dyn Transaction>> {
        let transaction = self.transaction(id)?;
        let (complete, only) = (transaction.is_complete(), transaction.only_direction());
        let known = self.known_mut(id)?;
        let inspected =
            Direction::BOTH.into_iter().filter(|&d| only.is_none_or(|o| o == d)).all(|d| *known.inspected.of(d));
        if complete && known.recorded && inspected { self.retire(id) } else { None }
    }

    /// Forgets a transaction, which goes to whoever wants it.
    pub fn retire(&mut self, transaction: u64) -> Option<Box<dyn Transaction>> {
        let (layer, id) = apart(transaction);
        self.level_mut(layer)?.retire(id)
    }

    /// Bytes that it holds besides its own size: its parser with what is open in it, files, frames, what rules remember. It is
    /// added up from sums that are kept, but for files, of which there are few.
    pub fn held_bytes(&self) -> usize {
        let parsed = self.parsed.as_ref().map_or(0, |parsed| parsed.held_bytes());
        let rules = self.rules.0.as_ref().map_or(0, |state| held::boxed::<FlowState>(state.held_bytes()));
        let rare = self.rare.as_ref().map_or(0, |rare| rare.held_bytes());
        parsed + self.layers_bytes() + self.files.held_bytes() + rules + rare
    }

    /// Bytes that it holds besides its own size, where that may have changed since this was last asked.
    pub fn weigh(&mut self) -> Option<usize> {
        std::mem::take(&mut self.unweighed).then(|| self.held_bytes())
    }

    /// What alerts show of the stream of a direction.
    pub fn excerpt(&self, direction: Direction) -> &[u8] {
        let excerpts = self.rare.as_ref().and_then(|rare| rare.excerpts.as_ref());
        excerpts.map_or(&[], |excerpts| excerpts.of(direction).text())
    }

    /// The same, to go on with.
    pub fn excerpt_mut(&mut self, direction: Direction) -> &mut Excerpt {
        self.unweighed = true;
        self.rare.get_or_insert_default().excerpts.get_or_insert_default().of_mut(direction)
    }

    /// Bytes of a direction wait for more.
    pub(super) fn note_left(&mut self, direction: Direction, bytes: usize) {
        if let Some(parsed) = &mut self.parsed {
            parsed.note_left(direction, bytes);
        }
    }

    /// Something is to be said of it because what it keeps is let go. Where nothing more would be parsed, nothing is lost.
    pub fn note_memory_limit(&mut self) {
        if self.parsed.is_some() && !self.is_deaf() {
            self.raise(Direction::ToServer, Anomaly("applayer_memory_limit"));
        }
    }

    /// Lets go of what it keeps, after all of that was inspected and recorded.
    pub fn let_go(&mut self) {
        self.unweighed = true;
        let lapsed = self.parsed.take().is_some() && !self.is_deaf();
        self.wanted = Both::default();
        self.files.let_go();
        if let Some(rare) = &mut self.rare {
            (rare.frames, rare.rival) = (None, None);
            rare.layers.iter_mut().for_each(|layer| layer.parsed = None);
            rare.excerpts = None;
            rare.lapsed |= lapsed;
        }
    }

    /// Gives the parser's memory back once its flow is closed and nothing is left to record.
    pub fn release(&mut self) {
        if self.parsed.is_some() && !self.has_open() {
            self.parsed = None;
            // Which protocols were inside is told when the flow ends.
            self.rare.iter_mut().flat_map(|rare| &mut rare.layers).for_each(|layer| layer.parsed = None);
            self.unweighed = true;
            self.released = !self.stopped;
            self.stopped = true;
        }
    }

    /// A frame that rules were just asked about.
    pub fn frame(&self, id: u64) -> Option<&Frame> {
        self.rare.as_ref()?.frames.as_ref()?.get(id)
    }

    /// Frames of a direction that rules were just asked about.
    pub fn ready_frames(&self, direction: Direction) -> impl Iterator<Item = &Frame> {
        self.rare.iter().flat_map(|rare| &rare.frames).flat_map(move |frames| frames.ready(direction))
    }

    /// Whether it keeps frames.
    #[inline]
    pub fn has_frames(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.frames.is_some())
    }

    /// Forgets frames of a direction that rules were asked about.
    pub fn retire_frames(&mut self, direction: Direction) {
        if let Some(frames) = self.rare.as_mut().and_then(|rare| rare.frames.as_mut()) {
            frames.retire(direction);
        }
    }

    /// What another version of a direction's bytes made, to ask rules about it.
    pub fn take_rival(&mut self, direction: Direction) -> Option<Self> {
        self.rare.as_mut()?.rival.take_if(|rival| rival.0 == direction).map(|rival| rival.1)
    }

    /// Follows a flow whose client and server change places.
    pub fn turn(&mut self) {
        self.turned = false;
        self.turnable = false;
        let Self { recognised, updated, flush_raw, recognition_due, closed, wanted, .. } = self;
        std::mem::swap(&mut recognised.to_server, &mut recognised.to_client);
        for both in [updated, flush_raw, recognition_due, closed] {
            std::mem::swap(&mut both.to_server, &mut both.to_client);
        }
        std::mem::swap(&mut wanted.to_server, &mut wanted.to_client);
    }

    /// What the bytes of a direction were recognised as; a datagram speaks for both.
    pub fn side(&self, direction: Direction) -> SideProtocol {
        match (*self.recognised.of(direction), self.protocol) {
            (_, Some(id)) if self.is_datagram => SideProtocol::Known(id),
            (Recognition::Found(id, _), _) => SideProtocol::Known(id),
            (Recognition::Failed, _) => SideProtocol::Failed,
            (Recognition::Open, _) if self.failed => SideProtocol::Failed,
            (Recognition::Open, _) => SideProtocol::Open,
        }
    }

    /// Whether the parser wants no bytes at all.
    pub fn is_deaf(&self) -> bool {
        self.stopped || self.encrypted && !self.frames_only || self.failed
    }

    /// Whether more came than a parser inspects.
    pub fn is_limited(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.limit_told)
    }

    /// Whether there is a parser that was not told that a direction ended.
    pub fn is_left_open(&self, direction: Direction) -> bool {
        self.parsed.is_some() && !*self.closed.of(direction)
    }

    /// Whether the protocol is about to change: everything of the old one must be inspected and recorded first.
    pub fn changes(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.change.is_some())
    }

    /// Lets go of the old protocol. What was agreed on is to be opened; else recognition starts again.
    pub(super) fn leave_protocol(&mut self) -> Option<Next> {
        let rare = self.rare.as_mut()?;
        let next = rare.change.take()?;
        (rare.agreed, rare.asked_port) = (next.protocol, next.port);
        rare.lapsed = false;
        rare.layers = Vec::new();
        self.original = self.original.or(self.protocol);
        self.parsed = None;
        self.unweighed = true;
        self.recognised = Both::default();
        self.wanted = Both::default();
        self.closed = Both::default();
        self.protocol = None;
        // What was agreed on and is not parsed here leaves nothing to look for.
        self.failed = next.protocol.is_some();
        Some(next)
    }

    /// Brings what is known of a layer into step with its parser's transactions.
    pub(super) fn follow(&mut self, layer: Option<usize>) {
        self.unweighed = true;
        let new = self.level_mut(layer).map_or(0, Parsed::follow);
        self.opened = self.opened.saturating_add(u32::try_from(new).unwrap_or(u32::MAX));
    }

    pub(super) fn raise(&mut self, direction: Direction, anomaly: Anomaly) {
        self.rare.get_or_insert_default().anomalies.raise(direction, anomaly);
    }
}

/// Makes ids of a layer, from a place in a list on, those of the flow.
fn put_mark(ids: &mut [u64], begin: usize, layer: usize) {
    ids.iter_mut().skip(begin).for_each(|id| *id |= mark(Some(layer)));
}
