//! Pieces of records between the writer and the thread of their output, in a bounded memory.
//!
//! A replay waits where there is no room. A live sensor gives up records by class: flows first, alerts last; what is lost is
//! counted where that happens, and the time from the first loss or fault to its end is an [`Outage`].

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tapwire_parsers::link::Timestamp;

use super::latency::Latency;
use super::log::{Figures, Missed};
use super::piece::{Lane, Piece};
use crate::capture::clock;
use crate::records::class::Tally;

/// A shortage of room is over when nothing was lost for so long.
const CALM: Duration = Duration::from_secs(1);
/// A failing output is waited for so long at the end.
const LAST_TRY: Duration = Duration::from_millis(1_200);
/// Alerts that are handed over at once while an output fails.
const AT_ONCE_BYTES: usize = 1 << 20;
/// Buffers that are kept to be filled again.
const SPARE: usize = 2;
/// Above that a buffer is given back.
const SPARE_BYTES: usize = 4 << 20;

/// A time in which records of an output could not be written, or not as fast as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// What was wrong.
    pub reason: String,
    /// What was lost.
    pub lost: Tally,
}

/// Something to be told of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An outage begins, for a reason.
    Begun(String),
    /// An outage is over.
    Over(Outage),
    /// A sink of the log misses what was removed before it had it.
    Missed(String, Missed),
    /// Anything else.
    Note(String),
}

/// What became of the records of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// They are in the file.
    pub stored: Tally,
    /// They are lost.
    pub lost: Tally,
    /// They wait at the moment.
    pub waiting: Tally,
    /// The bytes of those.
    pub waiting_bytes: usize,
    /// Counts of the log, if it is that.
    pub figures: Option<Figures>,
}

/// What is next for the thread of an output.
#[derive(Debug)]
pub enum Next {
    /// A piece.
    Piece(Piece),
    /// Nothing came in time.
    Time,
    /// Nothing will come any more.
    End,
}

/// Pieces that wait.
#[derive(Debug)]
pub struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
    limit_bytes: usize,
    live: bool,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Piece>,
    /// The one that is being written.
    in_hand: Tally,
    /// Bytes of all of them.
    bytes: usize,
    spare: Vec<Piece>,
    closing: bool,
    idle: bool,
    failing: bool,
    reopening: bool,
    books: Books,
    latency: Latency,
    outage: Option<(Timestamp, String, Tally)>,
    last_loss: Option<Instant>,
    news: Vec<News>,
    failure: Option<io::Error>,
}

impl Backlog {
    /// An empty one that holds so many bytes.
    pub fn new(limit_bytes: usize, live: bool) -> Self {
        Self { state: Mutex::new(State { idle: true, ..State::default() }), changed: Condvar::new(), limit_bytes, live }
    }

    /// Hands a piece over, and gives an empty one back.
    pub fn push(&self, mut piece: Piece) -> Piece {
        let mut state = self.state();
        if self.live {
            self.make_room(&mut state, &mut piece);
        } else {
            while state.bytes > 0 && state.bytes + piece.held_bytes() > self.limit_bytes {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        if !piece.is_empty() {
            state.bytes += piece.held_bytes();
            state.pieces.push_back(piece);
            self.changed.notify_all();
        }
        state.spare.pop().unwrap_or_default()
    }

    /// The next piece; while the output fails, alerts come first, and nothing before a moment.
    pub fn next(&self, until: Instant) -> Next {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let held = state.failing && !state.closing && now < until;
            if !held && let Some(piece) = take_next(&mut state) {
                state.idle = false;
                state.in_hand = piece.tally();
                return Next::Piece(piece);
            }
            if state.pieces.is_empty() && !state.idle {
                state.idle = true;
                self.changed.notify_all();
            }
            if state.closing && state.pieces.is_empty() {
                return Next::End;
            }
            if now >= until || state.reopening {
                return Next::Time;
            }
            let (next, _) = self.changed.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }

    /// A piece is in the file.
    pub fn stored(&self, mut piece: Piece) {
        let mut state = self.state();
        if self.live && piece.has(Lane::Alerts) {
            state.latency.note(&piece, clock::on_the_wall(clock::now()));
        }
        let written = std::mem::take(&mut state.in_hand);
        state.books.stored.merge(&written);
        state.bytes -= piece.held_bytes();
        if state.spare.len() < SPARE && piece.held_bytes() < SPARE_BYTES {
            piece.clear();
            state.spare.push(piece);
        }
        self.changed.notify_all();
    }

    /// A piece could not be written. Live, it waits for better times; at the end, and in a replay, it is lost.
    pub fn refused(&self, piece: Piece, error: io::Error) {
        let mut state = self.state();
        state.in_hand = Tally::default();
        if self.live && !state.closing {
            state.pieces.push_front(piece);
        } else {
            self.fault(&mut state, error);
            lose(&mut state, &piece);
            state.bytes -= piece.held_bytes();
            return;
        }
        self.fault(&mut state, error);
    }

    /// The file could not be opened or synced.
    pub fn failed(&self, error: io::Error) {
        self.fault(&mut self.state(), error);
    }

    /// Whether an outage is on that is the file's fault.
    pub fn is_failing(&self) -> bool {
        self.state().failing
    }

    /// Whether a piece, or somebody, waits.
    pub fn is_waiting(&self) -> bool {
        let state = self.state();
        !state.pieces.is_empty() || state.closing || state.reopening
    }

    /// Whether the run ends.
    pub fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Everything that waited was written and is safe.
    pub fn recovered(&self) {
        let mut state = self.state();
        state.failing = false;
        end_outage(&mut state);
        self.changed.notify_all();
    }

    /// Ends a shortage of room once it is over.
    pub fn look(&self) {
        let mut state = self.state();
        let calm = state.last_loss.is_none_or(|last| last.elapsed() >= CALM);
        if !state.failing && calm && state.bytes < self.limit_bytes / 2 {
            end_outage(&mut state);
        }
    }

    /// Notes what is to be told.
    pub fn note(&self, news: Vec<News>) {
        if !news.is_empty() {
            self.state().news.extend(news);
        }
    }

    /// Takes counts of the log.
    pub fn count(&self, figures: Option<Figures>) {
        self.state().books.figures = figures;
    }

    /// Asks for a new file.
    pub fn reopen(&self) {
        self.state().reopening = true;
        self.changed.notify_all();
    }

    /// Whether one was asked for since this was last asked.
    pub fn take_reopening(&self) -> bool {
        std::mem::take(&mut self.state().reopening)
    }

    /// What is to be told since this was last asked.
    pub fn take_news(&self) -> Vec<News> {
        std::mem::take(&mut self.state().news)
    }

    /// The first error since this was last asked, where it ends a run.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.state().failure.take()
    }

    /// What became of the records so far.
    pub fn books(&self) -> Books {
        let state = self.state();
        let mut waiting = state.in_hand;
        state.pieces.iter().for_each(|piece| waiting.merge(&piece.tally()));
        Books { waiting, waiting_bytes: state.bytes, ..state.books }
    }

    /// How long its alerts took, when live.
    pub fn latency(&self) -> Latency {
        self.state().latency.clone()
    }

    /// Waits until everything is written. For an output that fails it waits only until that was tried once more.
    pub fn settle(&self) {
        let mut state = self.state();
        let mut patience = LAST_TRY;
        let is_done = |state: &State| state.pieces.is_empty() && state.idle && !state.failing;
        while !is_done(&state) && !patience.is_zero() {
            let began = Instant::now();
            let (next, _) = self.changed.wait_timeout(state, LAST_TRY).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if state.failing {
                patience = patience.saturating_sub(began.elapsed());
            }
        }
    }

    /// Nothing will come any more.
    pub fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives records up, the least missed first and of those the oldest, until a piece fits or nothing of it is left.
    fn make_room(&self, state: &mut State, piece: &mut Piece) {
        let lacks = |state: &State, piece: &Piece| state.bytes + piece.held_bytes() > self.limit_bytes;
        if !lacks(state, piece) {
            return;
        }
        begin_outage(state, format!("the disk is too slow: {} MiB of records wait for it", self.limit_bytes >> 20));
        state.last_loss = Some(Instant::now());
        let mut pieces = std::mem::take(&mut state.pieces);
        for lane in Lane::ALL {
            // Of alerts those that came first are kept.
            let waiting = if lane == Lane::Alerts { 0 } else { pieces.len() };
            for waiting in pieces.iter_mut().take(waiting) {
                if !lacks(state, piece) {
                    break;
                }
                if waiting.has(lane) {
                    let whole = waiting.held_bytes();
                    let lost = waiting.take(lane);
                    state.bytes -= whole - waiting.held_bytes();
                    lose(state, &lost);
                }
            }
            if lacks(state, piece) && piece.has(lane) {
                lose(state, &piece.take(lane));
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        state.pieces = pieces;
    }

    fn fault(&self, state: &mut State, error: io::Error) {
        if self.live {
            state.failing = true;
            begin_outage(state, error.to_string());
        }
        if !self.live || state.closing {
            state.failure.get_or_insert(error);
        }
        self.changed.notify_all();
    }
}

fn take_next(state: &mut State) -> Option<Piece> {
    if !state.failing {
        return state.pieces.pop_front();
    }
    // All that wait go at once: one by one they would take several times the room.
    let mut alerts = Piece::default();
    for piece in state.pieces.iter_mut().filter(|piece| piece.has(Lane::Alerts)) {
        if alerts.text().len() >= AT_ONCE_BYTES {
            break;
        }
        alerts.append(&piece.take(Lane::Alerts));
    }
    state.pieces.retain(|piece| !piece.is_empty());
    if alerts.is_empty() { state.pieces.pop_front() } else { Some(alerts) }
}

fn lose(state: &mut State, lost: &Piece) {
    let tally = lost.tally();
    state.books.lost.merge(&tally);
    if let Some((_, _, all)) = &mut state.outage {
        all.merge(&tally);
    }
}

fn begin_outage(state: &mut State, reason: String) {
    if state.outage.is_none() {
        state.news.push(News::Begun(reason.clone()));
        state.outage = Some((clock::now(), reason, Tally::default()));
    }
}

fn end_outage(state: &mut State) {
    if let Some((from, reason, lost)) = state.outage.take() {
        state.news.push(News::Over(Outage { from, to: clock::now(), reason, lost }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::class::Class;

    fn piece(classes: &[Class], bytes: usize) -> Piece {
        let mut piece = Piece::default();
        classes.iter().for_each(|class| piece.push(*class, &vec![b'x'; bytes]));
        piece
    }

    fn lost(backlog: &Backlog) -> Vec<(&'static str, u64)> {
        backlog.books().lost.by_name().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn flows_are_given_up_first_and_alerts_last() {
        use Class::{Alert, Flow, Transaction};
        let backlog = Backlog::new(1_000, true);
        backlog.push(piece(&[Flow, Alert, Transaction], 200));
        backlog.push(piece(&[Flow], 200));
        assert_eq!(lost(&backlog), []);
        backlog.push(piece(&[Alert], 300));
        assert_eq!(lost(&backlog), [("flow", 1)], "the oldest one is enough");
        backlog.push(piece(&[Alert], 300));
        assert_eq!(lost(&backlog), [("transaction", 1), ("flow", 2)]);
        backlog.push(piece(&[Flow, Alert], 300));
        assert_eq!(lost(&backlog), [("alert", 1), ("transaction", 1), ("flow", 3)], "of alerts the first are kept");
        let mut alerts = 0;
        while let Next::Piece(next) = backlog.next(Instant::now()) {
            alerts += next.tally().total();
            backlog.stored(next);
        }
        let books = backlog.books();
        assert_eq!((alerts, books.stored.total(), books.lost.total(), books.waiting_bytes), (3, 3, 5, 0));
        assert!(matches!(&backlog.take_news()[..], [News::Begun(_)]));
    }

    #[test]
    fn alerts_come_first_after_a_fault_and_the_outage_says_what_was_lost() {
        use Class::{Alert, Flow};
        let backlog = Backlog::new(10_000, true);
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for class in [Flow, Alert, Flow, Alert] {
            backlog.push(piece(&[class, class], 10));
        }
        let Next::Piece(first) = backlog.next(Instant::now()) else { panic!("nothing is next") };
        backlog.refused(first, full());
        backlog.failed(full());
        let soon = Instant::now() + Duration::from_secs(600);
        assert!(backlog.is_failing());
        backlog.close();
        let mut order = Vec::new();
        for _ in 0..3 {
            let Next::Piece(next) = backlog.next(soon) else { panic!("it waits at the end") };
            order.push(next.has(Lane::Alerts));
            if order.len() < 3 { backlog.stored(next) } else { backlog.refused(next, full()) }
        }
        assert_eq!(order, [true, false, false], "all alerts at once");
        assert!(matches!(backlog.next(soon), Next::End));
        backlog.recovered();
        let news = backlog.take_news();
        let [News::Begun(why), News::Over(outage)] = &news[..] else { panic!("{news:?}") };
        assert_eq!((why, outage.lost.total()), (&outage.reason, 2));
        assert_eq!((backlog.books().stored.total(), backlog.books().lost.total()), (6, 2));
        assert!(backlog.take_failure().is_some(), "at the end it is an error");
    }

    #[test]
    fn a_replay_waits_for_room_and_loses_only_what_is_refused() {
        let backlog = Backlog::new(100, false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..50).for_each(|_| drop(backlog.push(piece(&[Class::Flow], 60))));
                backlog.settle();
                backlog.close();
            });
            let mut count = 0;
            loop {
                match backlog.next(Instant::now() + Duration::from_secs(1)) {
                    Next::Piece(next) if count == 7 => {
                        backlog.refused(next, io::Error::other("full"));
                        count += 1;
                    }
                    Next::Piece(next) => {
                        backlog.stored(next);
                        count += 1;
                    }
                    Next::Time => {}
                    Next::End => break,
                }
            }
            assert_eq!(count, 50);
        });
        assert_eq!((backlog.books().stored.total(), backlog.books().lost.total()), (49, 1));
        assert!(backlog.take_failure().is_some() && !backlog.is_failing());
    }
}
