//! Ordered bytes to transactions and matches.
//!
//! [`Application`] is what a flow keeps of its application protocol; [`Inspector`] is what a worker needs to move it on. Bytes are
//! parsed as they are acknowledged; rules look at a direction when a packet of that direction comes, or when the flow ends.
//! Nothing here knows a protocol by name, writes a record or asks for the time.

pub mod alerts;
mod anomalies;
mod application;
pub mod context;
mod counts;
mod excerpt;
pub mod files;
pub mod frames;
mod layers;
pub mod recognise;
pub mod silence;
mod streams;
pub mod tenants;
#[cfg(test)]
mod tests;
mod transactions;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::{
    Anomaly, Both, Carried, Carrier, Course, Direction, Expected, Input, NoFiles, Opener, Opening, Output, Parser,
    ProtocolId,
};
use tapwire_parsers::{REGISTRY, protocol, protocol_id};
use tapwire_signatures::plan::Plan;
use tapwire_signatures::rule::condition::{FileView, FlowView, PacketView, SideProtocol, TransactionView};
use tapwire_signatures::verify::packet::Occasion;
use tapwire_signatures::verify::{Match, Matcher, Settings};

use crate::flow::Flow;
use crate::flow::expected::Announced;
use crate::flow::key::Key;
use application::Next;
pub use application::{Application, Remembered};
use context::Context;
pub use counts::memory;
use files::{FileSettings, Joining, Losses, Wholes};
use layers::Layer;
pub use layers::id_within;
use recognise::{Ports, Recogniser, Recognition};
use tenants::Tenants;
use transactions::Parsed;
pub use transactions::{Known, ParserFuel};

/// Bytes of an unrecognised direction that wait for the other direction to be recognised.
const WAITING_LIMIT_BYTES: usize = 32 << 10;

/// How protocols are opened, and which rules hold: shared by all workers.
pub struct Engine {
    /// The rules.
    pub plan: Arc<Plan>,
    /// The protocols that are switched on.
    pub recogniser: Recogniser,
    /// Opens parsers, by protocol; `None` where a protocol is recognised but not parsed.
    pub openers: Vec<Option<Opener>>,
    /// Bytes of each direction after which nothing more is stored, by protocol, where one has a depth of its own.
    pub depths: Vec<(ProtocolId, u64)>,
    /// Protocols whose flows are not followed any more once they are encrypted.
    pub bypassed: Vec<ProtocolId>,
    /// What is done with files.
    pub files: FileSettings,
    /// Whose packets are whose, and what each tenant has.
    pub tenants: Tenants,
    /// What is known of networks.
    pub context: Context,
    /// Protocols of which rules or records want frames.
    pub framed: Vec<bool>,
    /// What is noted beside matches.
    pub matching: Settings,
    /// Protocols inside the one of a flow that are followed at once.
    pub layers_limit: usize,
    /// How much work parsers may do.
    pub parser_fuel: ParserFuel,
}

#[cfg(test)]
impl Engine {
    /// One that knows no rule and no protocol.
    pub(crate) fn bare() -> Self {
        Self {
            plan: Arc::new(Plan::new(Default::default(), &Default::default())),
            recogniser: Recogniser::default(),
            openers: Vec::new(),
            depths: Vec::new(),
            bypassed: Vec::new(),
            files: FileSettings::default(),
            tenants: Tenants::default(),
            context: Context::default(),
            framed: Vec::new(),
            matching: Settings::default(),
            layers_limit: 0,
            parser_fuel: ParserFuel::default(),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({} rules)", self.plan.len())
    }
}

/// What a worker needs to move applications on.
pub struct Inspector {
    engine: Arc<Engine>,
    /// Decides rules.
    pub matcher: Matcher,
    /// Parsers that broke their promise not to panic.
    pub parser_faults: u64,
    /// Ids of the transactions that are looked at.
    due: Vec<u64>,
    /// Times that rules waited for more transactions of a flow than are looked at again.
    pub waiting_cut: u64,
    books: Vec<[Book; 2]>,
    unrecognised: [u64; 2],
    /// What a parser named in the call that has just been.
    named_frames: Vec<protocol::Frame>,
    /// Names of frames that it ended, and where.
    ended_frames: Vec<(&'static str, i64)>,
    /// Flows that the one at hand announced.
    announced: Vec<Expected>,
    /// Parsers that took more work than their flow's bytes are worth.
    pub parsers_dry: u64,
    /// Messages that were carried in the call that has just been.
    carried: Carried,
    /// Messages of protocols inside others that were not read, for there were too many of them.
    pub layers_refused: u64,
    /// Frames that there was no room for, whole or in part.
    pub frames_cut: u64,
    /// What was lost of files.
    pub file_losses: Losses,
    /// Files that are put together from parts, of all flows.
    pub wholes: Wholes,
    /// The flow whose bytes are read, and their time.
    at: Option<(Key, Timestamp)>,
    /// What is done with files of another version of bytes, of which nothing is stored.
    rival_files: FileSettings,
}

/// What was counted of a protocol on one carrier.
#[derive(Clone, Copy, Debug, Default)]
struct Book {
    flows: u64,
    transactions: u64,
    gaps: u64,
    given_up: u64,
    faults: u64,
}

impl Inspector {
    /// An inspector over shared rules and protocols.
    pub fn new(engine: Arc<Engine>) -> Self {
        let books = vec![<[Book; 2]>::default(); REGISTRY.len()];
        let matcher = Matcher::new(&engine.plan, engine.matching);
        let rival_files = engine.files.unstored();
        Self {
            engine,
            matcher,
            parser_faults: 0,
            due: Vec::new(),
            waiting_cut: 0,
            books,
            unrecognised: [0; 2],
            named_frames: Vec::new(),
            ended_frames: Vec::new(),
            announced: Vec::new(),
            parsers_dry: 0,
            carried: Carried::default(),
            layers_refused: 0,
            frames_cut: 0,
            file_losses: Losses::default(),
            wholes: Wholes::default(),
            at: None,
            rival_files,
        }
    }

    /// Begins anew after a panic: whatever was under way is forgotten, what was noted of rules is not.
    pub fn restart(&mut self) {
        let before = std::mem::replace(self, Self::new(Arc::clone(&self.engine)));
        self.matcher.take_over(before.matcher);
    }

    /// What was counted of each protocol, by its name in `stats` records.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> {
        let mut all = Vec::new();
        for (suffix, count) in ["tcp", "udp"].into_iter().zip(self.unrecognised) {
            all.push((format!("app_layer.flow.failed_{suffix}"), count));
        }
        for (card, books) in REGISTRY.iter().zip(&self.books) {
            for &carrier in card.carriers {
                let [streams, messages] = books;
                let book = if carrier.has_messages() { messages } else { streams };
                let (below, name) = (card.counted_below(), card.counted_on(carrier));
                for (group, count) in [("flow", book.flows), ("tx", book.transactions)] {
                    all.push((format!("{below}.{group}.{name}"), count));
                }
                for (kind, count) in
                    [("gap", book.gaps), ("alloc", 0), ("parser", book.given_up), ("internal", book.faults)]
                {
                    all.push((format!("{below}.error.{name}.{kind}"), count));
                }
            }
        }
        all.into_iter()
    }

    fn book(&mut self, app: &Application) -> Option<&mut Book> {
        if app.is_rival {
            return None;
        }
        let books = self.books.get_mut(usize::from(app.protocol?.0))?;
        books.get_mut(usize::from(app.is_datagram))
    }

    fn book_of(&mut self, app: &Application, layer: Option<usize>) -> Option<&mut Book> {
        match layer {
            None => self.book(app),
            Some(_) if app.is_rival => None,
            Some(layer) => {
                let [_, messages] = self.books.get_mut(usize::from(app.layers().get(layer)?.protocol.0))?;
                Some(messages)
            }
        }
    }

    /// The shared rules and protocols.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Goes on with other rules. Parsers of flows that are open stay as they are.
    pub fn adopt(&mut self, engine: Arc<Engine>) {
        self.matcher.follow(&self.engine.plan, &engine.plan);
        self.rival_files = engine.files.unstored();
        self.engine = engine;
    }

    /// Takes ordered bytes of a direction, from the first one that is not done with; returns how many are done with now.
    pub fn bytes(&mut self, app: &mut Application, carrier: Carrier, input: &Input<'_>) -> usize {
        let Input { direction, data: chunk, ends, .. } = *input;
        let ports = Ports::of(&ends);
        if carrier.has_messages() {
            self.at = None;
        }
        if carrier.has_messages() && chunk.is_empty() && app.protocol.is_none() {
            // It says nothing of a protocol.
            app.failed = true;
            return 0;
        }
        if carrier.has_messages()
            && app.failed
            && !app.stopped
            && self.engine.recogniser.may_claim(carrier, ports, chunk)
        {
            // A datagram says nothing of the next one: what keeps a way open, or is junk, hides no protocol.
            (app.failed, *app.recognised.of_mut(direction)) = (false, Recognition::Open);
        }
        if app.is_deaf() {
            return chunk.len();
        }
        if app.changes() {
            return 0;
        }
        let between = ends_between(app, carrier, chunk);
        if between > 0 {
            return between;
        }
        if app.protocol.is_none() && !self.recognise(app, carrier, direction, ports, chunk) {
            // Failed here, open there: the bytes wait within a bound, for the other direction may tell what they are.
            let hopeless = app.is_deaf() || chunk.len() >= WAITING_LIMIT_BYTES || carrier.has_messages();
            return if hopeless { chunk.len() } else { 0 };
        }
        if app.turned {
            // The caller gives the same bytes again as those of the other direction.
            return 0;
        }
        self.compare(app, carrier, direction, ports, chunk);
        if app.rare.as_mut().is_some_and(|rare| std::mem::take(&mut rare.lapsed)) {
            self.resume(app, carrier);
        }
        if chunk.len() < *app.wanted.of(direction) as usize {
            return 0;
        }
        let fuel = self.engine.parser_fuel;
        if app.parsed.as_mut().is_some_and(|parsed| !parsed.refuel(direction, chunk.len(), fuel)) {
            app.note_left(direction, chunk.len());
            return if carrier.has_messages() { chunk.len() } else { 0 };
        }
        let done = self.advance(app, carrier, input);
        app.note_left(direction, chunk.len() - done);
        done
    }

    /// Looks at ordered bytes of a flow of which nothing is known yet; whether they tell its protocol.
    pub fn recognises(&mut self, app: &mut Application, carrier: Carrier, input: &Input<'_>) -> bool {
        let ports = Ports::of(&input.ends);
        let data = input.data.get(ends_between(app, carrier, input.data)..).unwrap_or_default();
        !app.is_deaf() && !app.changes() && self.recognise(app, carrier, input.direction, ports, data)
    }

    /// Takes another version of bytes that were just taken. They are parsed by themselves, as the first ones of a flow with the
    /// same protocol, and leave no records: only rules see what they make.
    pub fn rival_bytes(&mut self, app: &mut Application, input: &Input<'_>) {
        let mut rival = Application { is_rival: true, protocol: app.protocol, ..Application::default() };
        rival.recognised = Both { to_server: Recognition::Failed, to_client: Recognition::Failed };
        match app.protocol {
            Some(id) => rival.parsed = self.open(id, Carrier::Tcp),
            None => rival.recognised = Both::default(),
        }
        self.bytes(&mut rival, Carrier::Tcp, input);
        app.unweighed = true;
        app.rare.get_or_insert_default().rival = Some(Box::new((input.direction, rival)));
    }

    /// Goes on with a flow that was thought to be over.
    pub fn revive(&mut self, app: &mut Application, carrier: Carrier) {
        let released = app.parsed.is_none() && app.released;
        if let Some(id) = app.protocol.filter(|_| released) {
            app.parsed = self.open(id, carrier);
            app.unweighed = true;
            app.stopped = app.parsed.is_none();
            app.released = false;
        }
    }

    /// Goes on with a flow whose parser was let go, where the protocol allows to begin in the middle.
    fn resume(&mut self, app: &mut Application, carrier: Carrier) {
        let opener = app.protocol.and_then(|id| self.engine.openers.get(usize::from(id.0)).and_then(Option::as_ref));
        let begun = opener.and_then(|open| {
            let begin = || {
                let mut parser = open(&Opening::by(carrier));
                let mut files = NoFiles;
                let mut output = Output::new(&mut files);
                let goes_on = Direction::BOTH.map(|direction| parser.gap(direction, 1, &mut output));
                (goes_on == [true; 2] && output.course == Course::Parse).then_some(parser)
            };
            catch_unwind(AssertUnwindSafe(begin)).ok().flatten()
        });
        app.parsed = begun.map(|parser| Parsed::new(parser, self.engine.parser_fuel));
        app.stopped = app.parsed.is_none();
        app.unweighed = true;
    }

    /// A parser of a protocol, if that is not only recognised.
    fn open(&self, id: ProtocolId, carrier: Carrier) -> Option<Box<Parsed>> {
        self.open_with(id, &Opening::by(carrier))
    }

    fn open_with(&self, id: ProtocolId, opening: &Opening) -> Option<Box<Parsed>> {
        let opener = self.engine.openers.get(usize::from(id.0)).and_then(Option::as_ref);
        opener.map(|open| Parsed::new(open(opening), self.engine.parser_fuel))
    }

    /// Opens a flow that was announced: nothing of it needs to be recognised.
    pub fn open_announced(&mut self, app: &mut Application, announced: &Announced) {
        let Expected { carrier, protocol, context, .. } = &announced.expected;
        let Some(id) = protocol_id(protocol) else { return };
        let opening = Opening { context: Some(context.clone()), ..Opening::by(*carrier) };
        if let Some(parsed) = self.open_with(id, &opening) {
            app.parsed = Some(parsed);
            let found = Recognition::Found(id, false);
            app.recognised = Both { to_server: found, to_client: found };
            self.note_found(app, id, *carrier);
            app.rare.get_or_insert_default().parent = Some(announced.parent);
        }
    }

    /// Goes over to the protocol that a flow changes to, if it does.
    pub fn change_protocol(&mut self, app: &mut Application, carrier: Carrier) {
        let Some(Next { protocol: Some(name), context, .. }) = app.leave_protocol() else { return };
        let Some(id) = protocol_id(name).filter(|id| self.engine.recogniser.knows(*id)) else { return };
        app.failed = false;
        app.parsed =
            self.open_with(id, &Opening { carrier, context, before: app.original.map(|id| protocol(id).name) });
        app.stopped = app.parsed.is_none();
        let found = Recognition::Found(id, false);
        app.recognised = Both { to_server: found, to_client: found };
        self.note_found(app, id, carrier);
    }

    /// Nothing was announced so far.
    pub fn forget_announced(&mut self) {
        self.announced.clear();
    }

    /// The flows that were announced since this was last asked, if there are any.
    pub fn take_announced(&mut self) -> Option<Vec<Expected>> {
        if self.announced.is_empty() { None } else { Some(std::mem::take(&mut self.announced)) }
    }

    fn note_found(&mut self, app: &mut Application, id: ProtocolId, carrier: Carrier) {
        app.is_datagram = carrier.has_messages();
        if !app.is_rival
            && let Some(books) = self.books.get_mut(usize::from(id.0))
            && let Some(book) = books.get_mut(usize::from(app.is_datagram))
        {
            book.flows += 1;
        }
        app.protocol = Some(id);
        if app.original.is_some() {
            // Transactions are counted from the change on.
            app.opened = 0;
        }
        app.unweighed = true;
        app.recognition_due = Both { to_server: true, to_client: true };
        app.updated = Both { to_server: true, to_client: true };
    }

    /// Recognises a flow by one direction; whether it is known now.
    fn recognise(
        &mut self,
        app: &mut Application,
        carrier: Carrier,
        direction: Direction,
        ports: Ports,
        chunk: &[u8],
    ) -> bool {
        if *app.recognised.of(direction) == Recognition::Failed {
            return false;
        }
        let whole = carrier.has_messages();
        let ports = Ports { server: app.asked_port().unwrap_or(ports.server), ..ports };
        let answer = self.engine.recogniser.recognise(carrier, direction, ports, chunk, whole, app.turnable);
        *app.recognised.of_mut(direction) = answer;
        match answer {
            Recognition::Found(id, turned) => {
                app.turned = turned;
                let before = app.original.map(|id| protocol(id).name);
                app.parsed = self.open_with(id, &Opening { before, ..Opening::by(carrier) });
                app.stopped = app.parsed.is_none();
                self.note_found(app, id, carrier);
                true
            }
            Recognition::Failed => {
                let other = *app.recognised.of(direction.reverse());
                app.failed = carrier.has_messages() || other == Recognition::Failed;
                if app.failed && !std::mem::replace(&mut app.failed_before, true) {
                    if !app.is_rival
                        && Carrier::OVER_IP.contains(&carrier)
                        && let Some(count) = self.unrecognised.get_mut(usize::from(carrier.has_messages()))
                    {
                        *count += 1;
                    }
                    app.recognition_due = Both { to_server: true, to_client: true };
                }
                false
            }
            Recognition::Open => false,
        }
    }

    /// Looks at the second direction of a flow that the first one has bound.
    fn compare(&mut self, app: &mut Application, carrier: Carrier, direction: Direction, ports: Ports, chunk: &[u8]) {
        if *app.recognised.of(direction) != Recognition::Open || carrier.has_messages() {
            return;
        }
        let ports = Ports { server: app.asked_port().unwrap_or(ports.server), ..ports };
        let answer = self.engine.recogniser.recognise(carrier, direction, ports, chunk, false, false);
        *app.recognised.of_mut(direction) = answer;
        *app.recognition_due.of_mut(direction) |= answer != Recognition::Open;
        match answer {
            Recognition::Failed => app.raise(direction, Anomaly("applayer_detect_protocol_only_one_direction")),
            Recognition::Found(id, _) if Some(id) != app.protocol => {
                app.raise(direction, Anomaly("applayer_mismatch_protocol_both_directions"));
            }
            _ => {}
        }
    }

    fn advance(&mut self, app: &mut Application, carrier: Carrier, input: &Input<'_>) -> usize {
        let Input { direction, data: chunk, .. } = *input;
        let mut done = 0;
        while let Some(rest) = chunk.get(done..).filter(|rest| !rest.is_empty())
            && !app.is_deaf()
            && !app.changes()
            && !app.parsed.as_ref().is_some_and(|parsed| parsed.is_dry())
        {
            let left = Input { data: rest, offset: input.offset + done as u64, ..*input };
            let advance = self.guard(app, None, direction, |parser, output| parser.advance(&left, output));
            let Some(advance) = advance else { return chunk.len() };
            if !self.carried.is_empty() {
                let mut carried = std::mem::take(&mut self.carried);
                self.deliver(app, &carried, input);
                carried.clear();
                self.carried = carried;
            }
            self.frame(app, direction, rest, advance.consumed);
            *app.wanted.of_mut(direction) = u32::try_from(advance.wanted).unwrap_or(u32::MAX);
            *app.updated.of_mut(direction) = true;
            done += advance.consumed.min(rest.len());
            if advance.consumed == 0 || carrier.has_messages() {
                break;
            }
        }
        // A datagram is never continued.
        if carrier.has_messages() || app.is_deaf() { chunk.len() } else { done }
    }

    /// Takes the frames that the parser has just named, and their bytes.
    fn frame(&mut self, app: &mut Application, direction: Direction, chunk: &[u8], done: usize) {
        let Some(protocol) = app.protocol.filter(|id| !app.is_rival && self.wants_frames(*id)) else { return };
        let frames = app.rare.get_or_insert_default().frames.get_or_insert_default();
        if app.is_datagram {
            frames.begin(direction);
        }
        let done = if app.is_datagram { chunk.len() } else { done };
        self.frames_cut += frames.take((protocol, direction), &self.named_frames, &self.ended_frames, chunk, done);
        self.named_frames.clear();
        self.ended_frames.clear();
    }

    fn wants_frames(&self, protocol: ProtocolId) -> bool {
        self.engine.framed.get(usize::from(protocol.0)) == Some(&true)
    }

    /// Asks the rules about the frames of the view's direction that are ready.
    pub fn frames(&mut self, app: &mut Application, view: &PacketView<'_>, closing: bool, matches: &mut Vec<Match>) {
        let frames = app.rare.as_mut().and_then(|rare| rare.frames.as_mut());
        let (Some(frames), Some(flow)) = (frames, view.flow) else { return };
        if closing {
            frames.close(flow.direction);
        }
        for frame in frames.views(flow.direction) {
            let (matcher, plan) = (&mut self.matcher, &self.engine.plan);
            app.rules.lend(|rules| matcher.frame(plan, view, &frame, rules, matches));
        }
    }

    /// Bytes of a direction never came; whether the parser goes on.
    pub fn gap(&mut self, app: &mut Application, direction: Direction, missing: u64) {
        if app.is_deaf() {
            return;
        }
        if app.protocol.is_none() {
            *app.recognised.of_mut(direction) = Recognition::Failed;
            app.failed = *app.recognised.of(direction.reverse()) == Recognition::Failed;
            return;
        }
        let recognised = app.recognised.of_mut(direction);
        if *recognised == Recognition::Open {
            // What comes next need not look like a begin.
            *recognised = Recognition::Failed;
        }
        *app.wanted.of_mut(direction) = 0;
        *app.updated.of_mut(direction) = true;
        if let Some(book) = self.book(app) {
            book.gaps += 1;
        }
        if let Some(frames) = app.rare.as_mut().and_then(|rare| rare.frames.as_mut()) {
            frames.gap(direction, missing);
        }
        self.end_carried(app, direction, Some(missing));
        let goes_on = self.guard(app, None, direction, |parser, output| parser.gap(direction, missing, output));
        if goes_on == Some(false) {
            app.stopped = true;
        }
    }

    /// No more bytes will come in a direction, which is told once.
    fn close(&mut self, app: &mut Application, direction: Direction) {
        if app.is_left_open(direction) {
            *app.closed.of_mut(direction) = true;
            *app.updated.of_mut(direction) = true;
            self.guard(app, None, direction, |parser, output| parser.close(direction, output));
            self.end_carried(app, direction, None);
        }
    }

    /// Calls the parser. One that panics is let go, with an anomaly: the fault ends this flow's parsing and nothing else.
    fn guard<T>(
        &mut self,
        app: &mut Application,
        layer: Option<usize>,
        direction: Direction,
        call: impl FnOnce(&mut dyn Parser, &mut Output<'_>) -> T,
    ) -> Option<T> {
        // Frames have their place in the bytes of the flow, which messages inside others have not.
        let wants_frames = !app.is_rival && layer.is_none() && app.protocol.is_some_and(|id| self.wants_frames(id));
        let Application { parsed, rare, files, is_rival, .. } = app;
        let level = match layer {
            None => parsed,
            Some(layer) => &mut rare.as_mut()?.layers.get_mut(layer)?.parsed,
        };
        let level = level.as_deref_mut()?;
        let settings = if *is_rival { &self.rival_files } else { &self.engine.files };
        let mut files = files.sink(settings, layers::mark(layer));
        if let Some((key, now)) = self.at.as_ref().filter(|_| !*is_rival) {
            files.joining = Some(Joining { wholes: &mut self.wholes, key, now: *now });
        }
        let carried = std::mem::take(&mut self.carried);
        let fuel = level.fuel();
        let mut output = Output { wants_frames, carried, fuel, ..Output::new(&mut files) };
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut *level.parser, &mut output)));
        let Output {
            anomalies,
            course,
            context,
            next_port: port,
            flush_raw,
            is_limited,
            frames,
            ended_frames,
            expected,
            carried,
            fuel,
            ..
        } = output;
        let ran_dry = level.spend(fuel.spent());
        self.carried = carried;
        if layer.is_none() {
            (self.named_frames, self.ended_frames) = (frames, ended_frames);
        }
        if !app.is_rival {
            self.announced.extend(expected);
        }
        self.file_losses += app.files.take_losses();
        for anomaly in anomalies {
            app.raise(direction, anomaly);
        }
        if is_limited && !std::mem::replace(&mut app.rare.get_or_insert_default().limit_told, true) {
            app.raise(direction, Anomaly("applayer_inspection_limit"));
        }
        if ran_dry {
            self.parsers_dry += 1;
            app.raise(direction, Anomaly("applayer_parser_out_of_fuel"));
        }
        *app.flush_raw.of_mut(direction) |= flush_raw;
        let before = app.opened;
        app.follow(layer);
        let opened = app.opened - before;
        if let Some(book) = self.book_of(app, layer) {
            book.transactions += u64::from(opened);
            book.given_up += u64::from(course == Course::Stop);
            book.faults += u64::from(result.is_err());
        }
        match course {
            Course::Parse => {}
            // What is inside another protocol ends by itself: that one goes on.
            _ if let Some(layer) = layer => app.layers_mut().get_mut(layer).into_iter().for_each(Layer::end),
            Course::Encrypted | Course::FramesOnly => {
                (app.encrypted, app.frames_only) = (true, course == Course::FramesOnly);
            }
            Course::Stop => (app.stopped, app.given_up) = (true, true),
            Course::Change(protocol) => {
                app.rare.get_or_insert_default().change = Some(Next { protocol, context, port })
            }
        }
        if result.is_err() {
            self.let_go_of_parser(app, layer, direction);
        }
        result.ok()
    }

    /// Asks the rules about a packet of a flow. Scripts of theirs may look at the newest transaction of its direction.
    #[inline]
    pub fn packet(
        &mut self,
        app: &mut Application,
        view: &PacketView<'_>,
        occasion: Occasion,
        matches: &mut Vec<Match>,
    ) {
        let (plan, direction) = (&self.engine.plan, view.flow.map_or(Direction::ToServer, |flow| flow.direction));
        let Application { parsed, rules, protocol, .. } = app;
        let newest = parsed.as_ref().filter(|_| plan.has_scripts).and_then(|parsed| parsed.newest(direction));
        let open = newest.zip(*protocol).map(|((id, transaction), protocol)| TransactionView {
            protocol,
            id,
            transaction,
            direction,
            files: &[],
            other_files: &[],
            raw: &[],
            flow_anomalies: &[],
        });
        let matcher = &mut self.matcher;
        rules.lend(|rules| matcher.packet_beside(plan, view, open.as_ref(), occasion, rules, matches));
    }

    /// Asks the rules about the open transactions that changed, or that they wait for, in the direction of the view's flow. `raw`
    /// are raw bytes of that direction.
    pub fn transactions(&mut self, app: &mut Application, view: &PacketView<'_>, raw: &[u8], matches: &mut Vec<Match>) {
        let Some(flow) = view.flow else { return };
        let raised = app.rare.as_mut().map(|rare| rare.anomalies.take_of(flow.direction)).unwrap_or_default();
        let is_alone = app.parsed.as_ref().is_none_or(|parsed| parsed.range().is_empty());
        if is_alone
            && !raised.is_empty()
            && let Some(id) = app.protocol
        {
            let (matcher, plan) = (&mut self.matcher, &self.engine.plan);
            app.rules.lend(|rules| matcher.events(plan, view, (id, &raised), rules, matches));
        }
        self.transactions_of(app, None, view, (raw, &raised), matches);
        for layer in 0..app.layers().len() {
            let Some(protocol) = app.layers().get(layer).map(|layer| layer.protocol) else { return };
            let side = SideProtocol::Known(protocol);
            let sides = Both { to_server: side, to_client: side };
            let flow = FlowView { protocol: Some(protocol), sides, ..*flow };
            let view = PacketView { flow: Some(&flow), ..*view };
            self.transactions_of(app, Some(layer), &view, (raw, &raised), matches);
        }
    }

    /// The same of one protocol. `raised` are anomalies of the flow, which go with its newest transaction.
    fn transactions_of(
        &mut self,
        app: &mut Application,
        layer: Option<usize>,
        view: &PacketView<'_>,
        (raw, raised): (&[u8], &[Anomaly]),
        matches: &mut Vec<Match>,
    ) {
        let Some(flow) = view.flow else { return };
        let direction = flow.direction;
        app.follow(layer);
        let Some((id, _)) = app.level(layer) else { return };
        let Application { parsed, rules, files, rare, .. } = app;
        let level = match layer {
            None => parsed,
            Some(layer) => {
                let Some(layer) = rare.as_mut().and_then(|rare| rare.layers.get_mut(layer)) else { return };
                &mut layer.parsed
            }
        };
        let Some(parsed) = level.as_deref_mut() else { return };
        let last = u8::try_from(protocol(id).states.of(direction).len().saturating_sub(1)).unwrap_or(u8::MAX);
        let newest = parsed.range().end.saturating_sub(1);
        if !raised.is_empty() {
            parsed.touch(newest);
        }
        let mut due = std::mem::take(&mut self.due);
        parsed.take_due(direction, self.engine.plan.generation(), &mut due);
        for &transaction_id in &due {
            let Some((transaction, known)) = parsed.lend(transaction_id) else { continue };
            if transaction.only_direction().is_some_and(|only| only != direction) {
                continue;
            }
            let of_flow = layers::mark(layer) | transaction_id;
            let of_transaction =
                |direction| -> Vec<FileView<'_>> { files.of(of_flow, direction).map(files::File::view).collect() };
            let (own_files, other_files) = (of_transaction(direction), of_transaction(direction.reverse()));
            let subject = TransactionView {
                protocol: id,
                id: of_flow,
                transaction,
                direction,
                files: &own_files,
                other_files: &other_files,
                raw,
                flow_anomalies: if transaction_id == newest { raised } else { &[] },
            };
            rules.lend(|rules| {
                self.matcher.transaction(&self.engine.plan, view, &subject, &mut known.rules, rules, matches);
            });
            drop((own_files, other_files));
            files.note_inspected(of_flow, direction);
            if transaction.progress(direction) >= last || transaction.is_complete() {
                *known.inspected.of_mut(direction) = true;
            }
            parsed.note_looked_at(transaction_id, direction);
        }
        self.due = due;
        self.waiting_cut += parsed.take_waiting_cut();
    }
}

/// Line ends between two protocols of a flow, which belong to neither.
fn ends_between(app: &Application, carrier: Carrier, chunk: &[u8]) -> usize {
    let is_between = app.protocol.is_none() && app.original.is_some() && !carrier.has_messages();
    if is_between { chunk.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count() } else { 0 }
}

/// What rules may know of a flow at the time of a packet.
pub fn view_of(flow: &Flow<Application>, direction: Direction, now: Timestamp) -> FlowView {
    let app = &flow.app;
    FlowView {
        protocol: app.protocol,
        protocol_failed: app.failed,
        sides: Both { to_server: app.side(Direction::ToServer), to_client: app.side(Direction::ToClient) },
        original: app.original,
        agreed: app.agreed(),
        layers: app.carried_for_rules(),
        ..flow.view(direction, now)
    }
}
