//! The parts that a flow brings of files which are put together ([`super::wholes`]): rules and records see these beside the parts.

use std::sync::Arc;

use smallvec::SmallVec;
use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::{Direction, FileHandle};

use super::file::File;
use super::wholes::{Origin, Wholes};
use super::{FileSettings, Files, Open};
use crate::flow::key::Key;

/// Bytes of parts that wait for those before them, of all flows, where the configuration does not say.
pub const PARTS_BYTES: u64 = 100 << 20;
/// How long parts wait for each other, where the configuration does not say.
pub const PARTS_TIMEOUT_S: u32 = 60;

/// Files of the worker that a flow remembers it had.
const HAD_LIMIT: usize = 16;

/// Where parts are put together.
#[derive(Debug)]
pub struct Joining<'a> {
    /// The files of the worker.
    pub wholes: &'a mut Wholes,
    /// The flow that brings parts.
    pub key: &'a Key,
    /// When they come.
    pub now: Timestamp,
}

/// Bytes of a part, with their place in the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) origin: Origin,
    /// Of the transaction that brings it.
    pub(super) transaction: u64,
    pub(super) name: &'a [u8],
    pub(super) start: u64,
    pub(super) data: &'a [u8],
}

/// A file of the worker that is with a flow, as one of its open ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lent {
    origin: Origin,
    number: u64,
    handle: FileHandle,
    mark: u64,
}

impl Lent {
    /// Whether it is one of the open files.
    pub(super) fn is(&self, open: &Open) -> bool {
        (open.handle, open.mark) == (self.handle, self.mark)
    }
}

impl Files {
    /// Puts bytes of a part where they belong.
    pub(super) fn join(
        &mut self,
        part: &Part<'_>,
        mark: u64,
        settings: &FileSettings,
        (wholes, now): (&mut Wholes, Timestamp),
    ) {
        let Some(budget) = settings.parts.as_ref().map(Arc::clone) else { return };
        let origin = part.origin;
        let Some(whole) = wholes.of(&origin, now, &budget, settings.parts_timeout_s) else {
            return self.give_up(&origin, wholes);
        };
        let number = whole.number;
        let own = self.lent_of(&origin, number);
        if part.start > whole.joined || (whole.is_lent() && own.is_none()) {
            if !whole.waiting.add(part.start, part.data) {
                self.give_up(&origin, wholes);
            }
            return;
        }
        let lent = own.unwrap_or_else(|| {
            let begin = || Box::new(File::new((origin.direction(), part.transaction), part.name, None, settings));
            let mut file = whole.lend().unwrap_or_else(begin);
            file.origin = Some(Box::new(origin));
            // Rules of the flow know it, where it had it before.
            let known = self.kept.iter().flat_map(|kept| &kept.had).find(|had| had.0 == number).map(|had| had.1);
            file.number = known.unwrap_or(0);
            if known.is_none() {
                file.change_to(part.transaction);
            }
            // Parsers number what they have from 0 on.
            let own_number = known.unwrap_or(self.begun.wrapping_add(1));
            let handle = FileHandle { direction: origin.direction(), number: u64::MAX - u64::from(own_number) };
            self.open((handle, mark), file, settings.open_limit);
            let lent = Lent { origin, number, handle, mark };
            let kept = self.kept.get_or_insert_default();
            kept.lent.push(lent);
            if known.is_none() {
                if kept.had.len() >= HAD_LIMIT {
                    kept.had.remove(0);
                }
                kept.had.push((number, own_number));
            }
            lent
        });
        self.go_on(&lent, Some(part), wholes);
    }

    /// Appends what follows to a file that the flow has, bytes of its own and what waits behind them. The transaction that it
    /// travels in.
    fn go_on(&mut self, lent: &Lent, part: Option<&Part<'_>>, wholes: &mut Wholes) -> Option<u64> {
        let kept = self.kept.as_deref_mut()?;
        let whole = wholes.lent(&lent.origin, lent.number)?;
        let Some(open) = kept.open.iter_mut().find(|open| lent.is(open)) else {
            // It was cut off for others.
            wholes.remove(&lent.origin);
            self.forget_lent(lent);
            return None;
        };
        if part.is_some_and(|part| open.file.travel_in(part.transaction)) {
            kept.marks.put_on(&mut open.file);
        }
        whole.mark(&mut open.file);
        let (mut start, mut owned, mut room) = (part.map_or(whole.joined, |part| part.start), None::<Vec<u8>>, true);
        let first = part.map_or(&[][..], |part| part.data);
        loop {
            let fresh = whole.fresh(start, owned.as_deref().unwrap_or(first));
            whole.joined += fresh.len() as u64;
            room &= open.file.append(fresh);
            match whole.waiting.take_up_to(whole.joined) {
                Some((next, bytes)) => (start, owned) = (next, Some(bytes)),
                None => break,
            }
        }
        kept.losses.unkept += u64::from(!room);
        let transaction = open.file.transaction;
        if whole.joined >= whole.size {
            kept.losses.joined += 1;
            wholes.remove(&lent.origin);
            self.forget_lent(lent);
            self.close(lent.handle, lent.mark, true);
        }
        Some(transaction)
    }

    /// Gives files of a direction back to the worker, after rules were asked about what the flow brought of them. Transactions in
    /// which they go on, for others have brought what follows meanwhile: rules are to be asked about these.
    pub fn give_back(&mut self, direction: Direction, wholes: &mut Wholes) -> SmallVec<[u64; 1]> {
        let lent = self.kept.iter().flat_map(|kept| &kept.lent).copied();
        let lent: SmallVec<[Lent; 2]> = lent.filter(|lent| lent.origin.direction() == direction).collect();
        let mut going_on = SmallVec::new();
        for lent in &lent {
            if let Some(whole) = wholes.lent(&lent.origin, lent.number)
                && whole.waiting.reaches(whole.joined)
            {
                going_on.extend(self.go_on(lent, None, wholes));
                continue;
            }
            self.forget_lent(lent);
            let Some(file) = self.take_open(lent) else { continue };
            // Its time may have been over while the flow had it.
            let back = match wholes.lent(&lent.origin, lent.number) {
                Some(whole) => whole.take_back(file),
                None => Err(file),
            };
            if let Err(file) = back {
                self.note_unjoined(Some(&file));
                wholes.remove_lent(&lent.origin, lent.number);
            }
        }
        going_on
    }

    /// Whether the worker's files are with the flow.
    pub fn has_lent(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.lent.is_empty())
    }

    /// Gives up on a file: its parts have their records.
    fn give_up(&mut self, origin: &Origin, wholes: &mut Wholes) {
        wholes.remove(origin);
        let lent = self.kept.iter().flat_map(|kept| &kept.lent).find(|lent| lent.origin == *origin).copied();
        let file = lent.and_then(|lent| {
            self.forget_lent(&lent);
            self.take_open(&lent)
        });
        self.note_unjoined(file.as_deref());
    }

    fn note_unjoined(&mut self, file: Option<&File>) {
        let kept = self.kept.get_or_insert_default();
        kept.losses.unjoined += 1;
        kept.abandoned.extend(file.and_then(|file| file.handed_as));
    }

    fn lent_of(&self, origin: &Origin, number: u64) -> Option<Lent> {
        let mut lent = self.kept.iter().flat_map(|kept| &kept.lent);
        lent.find(|lent| lent.origin == *origin && lent.number == number).copied()
    }

    fn forget_lent(&mut self, lent: &Lent) {
        self.kept.iter_mut().for_each(|kept| kept.lent.retain(|other| other.number != lent.number));
    }

    fn take_open(&mut self, lent: &Lent) -> Option<Box<File>> {
        let kept = self.kept.as_deref_mut()?;
        let place = kept.open.iter().position(|open| lent.is(open))?;
        Some(kept.open.remove(place).file)
    }
}

#[cfg(test)]
mod tests {
    use tapwire_parsers::link::Vlans;
    use tapwire_parsers::protocol::{FileRange, FileSink};

    use super::*;
    use crate::decode::memory::Budget;

    const TO_CLIENT: Direction = Direction::ToClient;
    const TEXT: &[u8] = b"0123456789";

    fn key(client_port: u16) -> Key {
        let address = |last| std::net::IpAddr::from([10, 0, 0, last]).into();
        Key {
            source: address(1),
            destination: address(2),
            source_port: client_port,
            destination_port: 8080,
            protocol: 6,
            tunnel_depth: 0,
            vlans: Vlans::default(),
            interface: 0,
            tenant: 0.into(),
        }
    }

    /// Flows of a worker, and what came of their files: flow, transaction, size and the begin of the part, where it is one.
    struct Flows {
        wholes: Wholes,
        flows: [Files; 3],
        settings: FileSettings,
        now_s: u64,
        came: Vec<(usize, u64, u64, Option<u64>)>,
        unjoined: u64,
    }

    impl Flows {
        fn new(budget: usize) -> Self {
            let settings = FileSettings { contents: true, parts: Some(Budget::new(budget)), ..FileSettings::default() };
            let (wholes, flows) = Default::default();
            Self { wholes, flows, settings, now_s: 0, came: Vec::new(), unjoined: 0 }
        }

        fn bring(&mut self, flow: usize, (from, to): (u64, u64), resource: u64, complete: bool) {
            let key = key(u16::try_from(flow).unwrap());
            let now = Timestamp(self.now_s * 1_000_000);
            let mut sink = self.flows[flow].sink(&self.settings, 0);
            sink.joining = Some(Joining { wholes: &mut self.wholes, key: &key, now });
            sink.open(TO_CLIENT.into(), from, b"a", Some(FileRange { start: from, end: to, size: 10, resource }));
            sink.append(TO_CLIENT.into(), &TEXT[usize::try_from(from).unwrap()..=usize::try_from(to).unwrap()]);
            if complete {
                sink.close(TO_CLIENT.into(), true);
            }
            self.take(flow);
        }

        /// Rules are asked.
        fn ask(&mut self, flow: usize) -> usize {
            let going_on = self.flows[flow].give_back(TO_CLIENT, &mut self.wholes).len();
            self.take(flow);
            going_on
        }

        fn take(&mut self, flow: usize) {
            self.unjoined += self.flows[flow].take_losses().unjoined;
            while let Some(file) = self.flows[flow].take_closed(true) {
                let contents = file.view().contents.map(|contents| contents.data.to_vec()).unwrap();
                assert!(file.range.is_some() || contents == TEXT, "{contents:?}");
                self.came.push((flow, file.transaction, file.size, file.range.map(|range| range.start)));
            }
        }

        fn drawn(&self) -> usize {
            self.settings.parts.as_ref().unwrap().drawn_bytes()
        }
    }

    #[test]
    fn parts_are_joined_in_whatever_order_they_come_and_over_flows() {
        for second in [0, 1] {
            for order in [[(0, 4), (5, 9)], [(5, 9), (0, 4)], [(0, 7), (2, 9)], [(1, 9), (0, 8)]] {
                let mut all = Flows::new(10_000);
                all.bring(0, order[0], 7, true);
                all.ask(0);
                all.bring(second, order[1], 7, true);
                let part = |flow, at: usize| (flow, order[at].0, order[at].1 - order[at].0 + 1, Some(order[at].0));
                // Whoever brings what was missing has the whole.
                let wanted = [part(0, 0), (second, order[1].0, 10, None), part(second, 1)];
                assert_eq!((&all.came[..], all.drawn()), (&wanted[..], 0), "{order:?}");
            }
        }
    }

    #[test]
    fn parts_that_came_while_a_flow_had_the_file_are_joined_when_it_gives_it_back() {
        let mut all = Flows::new(10_000);
        all.bring(0, (0, 2), 7, true);
        all.bring(1, (3, 6), 7, true);
        all.bring(2, (7, 9), 7, true);
        assert_eq!(all.came.len(), 3);
        assert_eq!(all.ask(0), 1, "rules are asked again");
        assert_eq!(all.came.last(), Some(&(0, 0, 10, None)));
        assert_eq!((all.ask(0), all.ask(1), all.drawn()), (0, 0, 0));
    }

    #[test]
    fn what_is_another_file_is_not_joined_and_neither_is_what_comes_too_late() {
        let whole = |all: &Flows| all.came.iter().any(|(.., range)| range.is_none());
        for (resource, later_s, joins) in [(7, 60, true), (8, 0, false), (7, 61, false)] {
            let mut all = Flows::new(10_000);
            all.bring(0, (0, 4), 7, true);
            all.ask(0);
            all.now_s += later_s;
            all.bring(1, (5, 9), resource, true);
            assert_eq!(whole(&all), joins, "{resource} {later_s}");
        }
    }

    #[test]
    fn parts_wait_within_a_budget_and_it_is_given_back() {
        let mut all = Flows::new(size_of::<super::super::wholes::Whole>() + 100);
        all.bring(0, (5, 9), 7, true);
        assert_eq!((all.drawn() > 0, all.unjoined), (false, 1));
        let mut all = Flows::new(10_000);
        all.bring(0, (5, 9), 7, true);
        all.bring(1, (0, 2), 8, true);
        assert!(all.drawn() > 0);
        all.ask(1);
        all.now_s += 1_000;
        all.bring(2, (0, 8), 9, true);
        all.ask(2);
        assert_eq!((all.wholes.expired(), all.unjoined), (2, 0));
        drop(all.wholes);
        assert_eq!(all.settings.parts.unwrap().drawn_bytes(), 0);
    }

    #[test]
    fn files_that_are_done_leave_nothing() {
        let mut all = Flows::new(10_000);
        for resource in 0..5_000 {
            all.bring(0, (0, 4), resource, true);
            all.bring(0, (5, 9), resource, true);
        }
        assert!(all.wholes.times() <= 1_100 && all.drawn() == 0, "{}", all.wholes.times());
    }

    #[test]
    fn a_file_that_was_handed_on_and_is_given_up_is_told() {
        let mut all = Flows::new(10_000);
        all.settings.storing = Some(Budget::new(0));
        all.settings.all_stored = true;
        all.bring(0, (0, 4), 7, true);
        all.flows[0].kept.as_mut().unwrap().open[0].file.handed_as = Some((77, 1));
        all.ask(0);
        all.now_s += 61;
        all.bring(1, (0, 4), 8, false);
        all.bring(1, (5, 7), 8, true);
        assert_eq!(all.flows[1].take_abandoned(), [(77, 1)]);
    }
}
