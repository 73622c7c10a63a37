//! The parser of a flow, and what inspection and records know of its open transactions.
//!
//! A flow may have thousands of them open, and a packet changes one or two. Only those are looked at that changed since the last look
//! in that direction, and those that rules wait for; only those are asked for something to record that changed or were looked at.

use std::collections::VecDeque;
use std::ops::Range;

use smallvec::SmallVec;
use tapwire_parsers::protocol::{Both, Direction, Fuel, Parser, Transaction, held};
use tapwire_signatures::verify::TransactionState;

/// Transactions of a flow that rules wait for and that are looked at with each packet: the newest ones.
const WAITING_LIMIT: usize = 128;
/// Room in a list that it keeps when it becomes empty.
const SPARE: usize = 64;

/// The parser of a flow, and what is known of its open transactions.
pub(super) struct Parsed {
    pub(super) parser: Box<dyn Parser>,
    /// Each by itself, as most flows have one open transaction at a time and a list makes room for four.
    known: VecDeque<Option<Box<Known>>>,
    base: u64,
    /// Those to look at, in each direction.
    due: Both<List>,
    /// Those that may have something to record.
    unreported: List,
    /// The plan that was looked with last.
    generation: u32,
    /// What is held by what is known.
    known_bytes: usize,
    waiting_cut: u64,
    /// What the parser may spend, below 0 where it took more than there was.
    tank: i64,
    /// Bytes of each direction that it left when it was asked last.
    left: Both<u32>,
    /// It was said that it ran dry.
    ran_dry: bool,
}

/// How much work parsers may do, in bytes looked at or steps of about that cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParserFuel {
    /// What each new byte adds.
    pub byte: u32,
    /// What each packet adds.
    pub packet: u32,
    /// What a flow begins with, and the most that it saves up.
    pub most: u32,
}

impl Default for ParserFuel {
    fn default() -> Self {
        // Parsers take one to three units a byte, decompressors as many as bytes come out.
        Self { byte: 64, packet: 4_096, most: 4 << 20 }
    }
}

/// The most that a parser is in debt.
const DEBT_LIMIT: i64 = 256 << 10;

/// Ids of transactions, each once, in no order.
type List = SmallVec<[u64; 2]>;

/// What inspection and records remember of an open transaction.
#[derive(Default)]
pub struct Known {
    pub(super) rules: TransactionState,
    pub(super) inspected: Both<bool>,
    /// Its record was written.
    pub recorded: bool,
    /// It has no record, because a rule said so.
    pub silent: bool,
    /// Anomalies of it that were recorded.
    pub anomalies: usize,
    /// Bytes of its bodies that followers were shown, and whether that was all; absent where none wants them.
    pub shown: Option<Box<Both<(u64, bool)>>>,
    is_due: Both<bool>,
    is_unreported: bool,
    held_bytes: u32,
}

impl Parsed {
    pub(super) fn new(parser: Box<dyn Parser>, fuel: ParserFuel) -> Box<Self> {
        Box::new(Self {
            parser,
            known: VecDeque::new(),
            base: 0,
            due: Both::default(),
            unreported: List::new(),
            generation: 0,
            known_bytes: 0,
            waiting_cut: 0,
            tank: fuel.most.into(),
            left: Both::default(),
            ran_dry: false,
        })
    }

    /// Adds what the bytes of a direction are worth that were not there when it was asked last; whether there is any fuel.
    pub(super) fn refuel(&mut self, direction: Direction, bytes: usize, fuel: ParserFuel) -> bool {
        let left = std::mem::take(self.left.of_mut(direction));
        let new = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_sub(i64::from(left)).max(0);
        let more = new.saturating_mul(fuel.byte.into()).saturating_add(fuel.packet.into());
        self.tank = self.tank.saturating_add(more).min(fuel.most.into());
        self.tank > 0
    }

    /// What it may spend on a call.
    pub(super) fn fuel(&self) -> Fuel {
        Fuel::of(u64::try_from(self.tank).unwrap_or(0))
    }

    /// It spent some on a call; whether that was all, for the first time.
    pub(super) fn spend(&mut self, units: u64) -> bool {
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        self.tank = self.tank.saturating_sub(units).max(-DEBT_LIMIT);
        self.tank <= 0 && !std::mem::replace(&mut self.ran_dry, true)
    }

    /// Whether it has nothing left to spend.
    pub(super) fn is_dry(&self) -> bool {
        self.tank <= 0
    }

    /// Bytes of a direction wait for more.
    pub(super) fn note_left(&mut self, direction: Direction, bytes: usize) {
        *self.left.of_mut(direction) = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// From the oldest open transaction to one past the newest.
    pub(super) fn range(&self) -> Range<u64> {
        self.parser.transactions().range()
    }

    /// Brings what is known into step with the parser's transactions; how many are new.
    pub(super) fn follow(&mut self) -> u64 {
        self.forget();
        let Self { parser, known, base, due, unreported, known_bytes, .. } = self;
        let list = parser.transactions_mut();
        let (before, end) = (known.len(), list.range().end);
        while *base + (known.len() as u64) < end {
            let mut new = Box::<Known>::default();
            new.weigh(known_bytes);
            known.push_back(Some(new));
        }
        let new = (known.len() - before) as u64;
        list.take_touched(&mut |id| {
            let place = id.checked_sub(*base).and_then(|place| usize::try_from(place).ok());
            if let Some(known) = place.and_then(|place| known.get_mut(place)?.as_deref_mut()) {
                known.touch(id, due, unreported);
            }
        });
        new
    }

    /// Forgets what is known of transactions that are not open any more.
    fn forget(&mut self) {
        let first = self.range().start;
        while self.base < first {
            if let Some(Some(known)) = self.known.pop_front() {
                self.known_bytes -= known.held_bytes as usize;
            }
            self.base += 1;
        }
        if self.known.capacity() > SPARE && self.known.len() < self.known.capacity() / 4 {
            self.known.shrink_to(self.known.len() * 2);
        }
    }

    /// What is known of an open transaction.
    pub(super) fn known_mut(&mut self, id: u64) -> Option<&mut Known> {
        let place = usize::try_from(id.checked_sub(self.base)?).ok()?;
        self.known.get_mut(place)?.as_deref_mut()
    }

    /// The newest open transaction that has a direction, and its id.
    pub(super) fn newest(&self, direction: Direction) -> Option<(u64, &dyn Transaction)> {
        let id = self.range().next_back()?;
        let newest = self.parser.transactions().get(id)?;
        newest.only_direction().is_none_or(|only| only == direction).then_some((id, newest))
    }

    /// An open transaction with what is known of it.
    pub(super) fn lend(&mut self, id: u64) -> Option<(&dyn Transaction, &mut Known)> {
        let place = usize::try_from(id.checked_sub(self.base)?).ok()?;
        let known = self.known.get_mut(place)?.as_deref_mut()?;
        Some((self.parser.transactions().get(id)?, known))
    }

    /// A transaction has something new in both directions.
    pub(super) fn touch(&mut self, id: u64) {
        let Some(place) = id.checked_sub(self.base).and_then(|place| usize::try_from(place).ok()) else { return };
        if let Some(Some(known)) = self.known.get_mut(place) {
            known.touch(id, &mut self.due, &mut self.unreported);
        }
    }

    /// Puts the ids of the transactions to look at in a direction into a list, oldest first. Under another plan than before that is
    /// all of them.
    pub(super) fn take_due(&mut self, direction: Direction, generation: u32, ids: &mut Vec<u64>) {
        if self.generation != generation {
            self.generation = generation;
            self.range().for_each(|id| self.touch(id));
        }
        ids.clear();
        take(self.due.of_mut(direction), ids);
        for &id in &*ids {
            if let Some(known) = self.known_mut(id) {
                *known.is_due.of_mut(direction) = false;
            }
        }
    }

    /// A transaction was looked at: it may have something to record, and is looked at again if rules wait for it.
    pub(super) fn note_looked_at(&mut self, id: u64, direction: Direction) {
        self.parser.transactions_mut().weigh(id);
        let Some(place) = id.checked_sub(self.base).and_then(|place| usize::try_from(place).ok()) else { return };
        let Some(Some(known)) = self.known.get_mut(place) else { return };
        known.weigh(&mut self.known_bytes);
        if !std::mem::replace(&mut known.is_unreported, true) {
            self.unreported.push(id);
        }
        if !known.rules.is_waited_for() {
            return;
        }
        *known.is_due.of_mut(direction) = true;
        let due = self.due.of_mut(direction);
        due.push(id);
        if due.len() > WAITING_LIMIT {
            let oldest = due.remove(0);
            self.waiting_cut += 1;
            if let Some(known) = self.known_mut(oldest) {
                *known.is_due.of_mut(direction) = false;
            }
        }
    }

    /// How often rules waited for more than are looked at again, since this was last asked.
    pub(super) fn take_waiting_cut(&mut self) -> u64 {
        std::mem::take(&mut self.waiting_cut)
    }

    /// Whether any transaction may have something to record.
    pub(super) fn has_unreported(&self) -> bool {
        !self.unreported.is_empty()
    }

    /// Puts the ids of the transactions that may have something to record into a list, oldest first.
    pub(super) fn unreported(&self, ids: &mut Vec<u64>) {
        let begin = ids.len();
        ids.extend_from_slice(&self.unreported);
        ids.get_mut(begin..).unwrap_or_default().sort_unstable();
    }

    /// The same, and forgets them.
    pub(super) fn take_unreported(&mut self, ids: &mut Vec<u64>) {
        let begin = ids.len();
        take(&mut self.unreported, ids);
        for &id in ids.get(begin..).unwrap_or_default() {
            if let Some(known) = self.known_mut(id) {
                known.is_unreported = false;
            }
        }
    }

    /// A transaction has something that waits to be recorded.
    pub(super) fn report_again(&mut self, id: u64) {
        let waits = self.known_mut(id).is_some_and(|known| !std::mem::replace(&mut known.is_unreported, true));
        if waits {
            self.unreported.push(id);
        }
    }

    /// Forgets a transaction, which goes to whoever wants it.
    pub(super) fn retire(&mut self, id: u64) -> Option<Box<dyn Transaction>> {
        let retired = self.parser.transactions_mut().retire(id);
        let place = id.checked_sub(self.base).and_then(|place| usize::try_from(place).ok());
        if let Some(known) = place.and_then(|place| self.known.get_mut(place)?.take()) {
            self.known_bytes -= known.held_bytes as usize;
        }
        self.forget();
        retired
    }

    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let Both { to_server, to_client } = &self.due;
        let spilled = [to_server, to_client, &self.unreported].into_iter().filter(|list| list.spilled());
        let lists: usize = spilled.map(|list| held::block(list.capacity() * size_of::<u64>())).sum();
        let places = held::block(self.known.capacity() * size_of::<Option<Box<Known>>>());
        held::boxed::<Self>(self.parser.held_bytes()) + self.known_bytes + places + lists
    }
}

impl Known {
    fn touch(&mut self, id: u64, due: &mut Both<List>, unreported: &mut List) {
        for direction in Direction::BOTH {
            if !std::mem::replace(self.is_due.of_mut(direction), true) {
                due.of_mut(direction).push(id);
            }
        }
        if !std::mem::replace(&mut self.is_unreported, true) {
            unreported.push(id);
        }
    }

    /// Brings the sum of what is held into step with it.
    fn weigh(&mut self, sum: &mut usize) {
        let now = held::boxed::<Self>(self.rules.held_bytes());
        *sum = *sum - self.held_bytes as usize + now;
        self.held_bytes = u32::try_from(now).unwrap_or(u32::MAX);
    }
}

/// Moves ids behind those of a list, in order.
fn take(from: &mut List, ids: &mut Vec<u64>) {
    from.sort_unstable();
    ids.extend_from_slice(from);
    from.clear();
    if from.capacity() > SPARE {
        *from = List::new();
    }
}
