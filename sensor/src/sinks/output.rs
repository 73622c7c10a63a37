//! One output: what records become on their way to a file, and the thread that writes and syncs it.
//!
//! The writer never waits for a disk when live. It collects records into pieces and hands them over; the thread makes them bytes,
//! writes them whole, and syncs once a second. While a file cannot be written, what comes waits in the bounded [`Backlog`], and the
//! thread tries again twice a second.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::backlog::{Backlog, Books, News, Next};
use super::latency::Latency;
use super::medium::Medium;
use super::piece::Piece;
use crate::records::class::{Class, Tally};
use crate::rights::{self, Role};

/// Text in a frame.
const FRAME_BYTES: usize = 1 << 20;
/// Text that is written at once to a plain file.
const PLAIN_BYTES: usize = 256 << 10;
/// How long records may wait before they can be read, when live.
const CLOSE_EVERY: Duration = Duration::from_secs(1);
/// An alert, or what the sensor says of itself, closes a frame at once, unless another one did so less than this before.
const CLOSE_ALERTS: Duration = Duration::from_millis(20);
/// Between two syncs, when live.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to write to what fails.
const RETRY: Duration = Duration::from_millis(500);
/// Records of a replay that wait for their thread, in bytes.
const REPLAY_BYTES: usize = 2 << 20;

/// When what was written is made to survive a crash of the machine; one of the program costs nothing that was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncing {
    /// With each frame.
    Frame,
    /// Once a second.
    #[default]
    Second,
    /// When the system likes to.
    System,
}

/// How records go.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// An interface is watched: nothing is waited for.
    pub live: bool,
    /// They are compressed.
    pub in_frames: bool,
    /// Bytes of them that may wait, when live.
    pub limit_bytes: usize,
    /// When they are made to survive a crash, when live.
    pub sync: Syncing,
}

/// Where records go.
pub struct Output {
    backlog: Arc<Backlog>,
    thread: Option<JoinHandle<()>>,
    piece: Piece,
    piece_bytes: usize,
    /// Since when the piece has records.
    began: Option<Instant>,
    /// Whether urgent ones are among them, and when such a piece was last handed over.
    is_urgent: bool,
    hurried: Option<Instant>,
    name: String,
    live: bool,
    /// Records that it took.
    taken: u64,
}

impl Output {
    /// Starts the thread of what was opened. Live, so many bytes of records may wait for it.
    pub fn start(mut medium: Box<dyn Medium>, way: Way) -> io::Result<Self> {
        let Way { live, in_frames, limit_bytes, sync } = way;
        let piece_bytes = if in_frames { FRAME_BYTES } else { PLAIN_BYTES };
        let piece_bytes = if live { piece_bytes.min(limit_bytes / 4) } else { piece_bytes };
        let name = medium.name();
        let backlog = Arc::new(Backlog::new(if live { limit_bytes } else { REPLAY_BYTES }, live));
        backlog.note(medium.take_news());
        let shared = Arc::clone(&backlog);
        let thread = std::thread::Builder::new().name("tapwire-disk".to_owned()).spawn(move || {
            Disk { medium, backlog: shared, live, sync, in_hand: None, gave_up: false, unsynced: false, synced: None }
                .run()
        })?;
        Ok(Self {
            backlog,
            thread: Some(thread),
            piece: Piece::default(),
            piece_bytes,
            began: None,
            is_urgent: false,
            hurried: None,
            name,
            live,
            taken: 0,
        })
    }

    /// Takes a record, which is one whole line.
    pub fn write(&mut self, class: Class, record: &[u8]) {
        if self.piece.text().len() + record.len() > self.piece_bytes {
            self.hand_over();
        }
        if self.live {
            self.began.get_or_insert_with(Instant::now);
            self.is_urgent |= matches!(class, Class::Alert | Class::Sensor);
        }
        self.taken += 1;
        self.piece.push(class, record);
    }

    /// Records that it took and did not lose, with what the sensor says of itself.
    pub fn kept(&self) -> u64 {
        self.taken.saturating_sub(self.books().lost.total())
    }

    /// Hands over what has waited for long enough, where an interface is watched.
    pub fn tick(&mut self) {
        let is_due = self.began.is_some_and(|began| began.elapsed() >= CLOSE_EVERY);
        let may_hurry = || self.hurried.is_none_or(|hurried| hurried.elapsed() >= CLOSE_ALERTS);
        if is_due || self.is_urgent && may_hurry() {
            if self.is_urgent {
                self.hurried = Some(Instant::now());
            }
            self.hand_over();
        }
    }

    /// Hands over everything that was collected.
    pub fn hand_over(&mut self) {
        (self.began, self.is_urgent) = (None, false);
        if !self.piece.is_empty() {
            self.piece = self.backlog.push(std::mem::take(&mut self.piece));
        }
    }

    /// Begins a new file, or finds the one again that was moved.
    pub fn reopen(&self) {
        self.backlog.reopen();
    }

    /// Where it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Records that are collected and not handed over.
    pub fn collected(&self) -> Tally {
        self.piece.tally()
    }

    /// What became of them.
    pub fn books(&self) -> Books {
        self.backlog.books()
    }

    /// How long its alerts took, when live.
    pub fn latency(&self) -> Latency {
        self.backlog.latency()
    }

    /// What is to be told of it.
    pub fn take_news(&self) -> Vec<News> {
        self.backlog.take_news()
    }

    /// What a run ends with.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.backlog.take_failure()
    }

    /// Hands everything over and waits until it is written, or the output fails.
    pub fn settle(&mut self) {
        self.hand_over();
        self.backlog.settle();
    }

    /// Writes everything, makes it safe, and ends the thread; what cannot be written now is lost.
    pub fn close(&mut self) {
        self.hand_over();
        self.backlog.close();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.close();
    }
}

/// The thread of an output.
struct Disk {
    medium: Box<dyn Medium>,
    backlog: Arc<Backlog>,
    live: bool,
    sync: Syncing,
    /// What a pipe took a part of.
    in_hand: Option<Piece>,
    /// Records are lost at the end.
    gave_up: bool,
    unsynced: bool,
    synced: Option<Instant>,
}

impl Disk {
    fn run(mut self) {
        rights::enter(Role::Writer);
        let mut retry_at = Instant::now();
        loop {
            let failing = self.backlog.is_failing();
            let sync_at = self.synced.map_or_else(Instant::now, |synced| synced + SYNC_EVERY);
            let until = if failing {
                retry_at
            } else if self.live && self.unsynced {
                sync_at
            } else {
                Instant::now() + CLOSE_EVERY
            };
            if self.live {
                self.look_after();
            }
            let next = if self.in_hand.is_some() { self.resume(until) } else { self.backlog.next(until) };
            match next {
                Next::Piece(piece) => {
                    if failing && Instant::now() >= retry_at {
                        // Whatever it says, the write will say it as well.
                        drop(self.medium.renew());
                    }
                    match self.medium.write(&piece) {
                        Ok(()) => self.stored(piece),
                        Err(error) => {
                            retry_at = Instant::now() + RETRY;
                            if self.refused(piece, error) {
                                break;
                            }
                        }
                    }
                }
                Next::Time if failing && self.in_hand.is_none() => {
                    // Nothing is left to write: what failed may be the sync, or all was given up.
                    if let Err(error) = self.medium.renew().and_then(|()| self.sync()) {
                        retry_at = Instant::now() + RETRY;
                        self.backlog.failed(error);
                    } else {
                        self.backlog.recovered();
                    }
                }
                Next::Time => {}
                Next::End => break,
            }
            self.backlog.note(self.medium.take_news());
            self.backlog.count(self.medium.figures());
            if self.live {
                self.backlog.look();
                if self.unsynced
                    && !self.backlog.is_failing()
                    && (self.sync == Syncing::Frame || Instant::now() >= sync_at)
                {
                    self.sync().unwrap_or_else(|error| self.backlog.failed(error));
                }
            }
        }
        match self.medium.close() {
            Ok(()) if self.gave_up => {}
            Ok(()) => self.backlog.recovered(),
            Err(error) => self.backlog.failed(error),
        }
        self.backlog.note(self.medium.take_news());
        self.backlog.count(self.medium.figures());
    }

    /// Does what is due besides, while nothing waits.
    fn look_after(&mut self) {
        if self.backlog.is_failing() {
            return;
        }
        if self.backlog.take_reopening() {
            self.medium.reopen().unwrap_or_else(|error| self.backlog.failed(error));
        }
        loop {
            match self.medium.tick() {
                Ok(true) if !self.backlog.is_waiting() => {}
                Ok(_) => return,
                Err(error) => return self.backlog.failed(error),
            }
        }
    }

    fn stored(&mut self, piece: Piece) {
        self.backlog.stored(piece);
        self.unsynced = true;
    }

    /// Puts back what could not be written; whether the run ends and nothing more can be written.
    fn refused(&mut self, piece: Piece, error: io::Error) -> bool {
        if !self.backlog.is_closing() {
            if self.medium.is_halfway() {
                self.in_hand = Some(piece);
                self.backlog.failed(error);
            } else {
                self.backlog.refused(piece, error);
            }
            return false;
        }
        self.gave_up = true;
        // A smaller piece may fit on a full disk; a pipe that nobody reads would only be waited for.
        let over = self.medium.is_halfway() || error.kind() == io::ErrorKind::TimedOut;
        self.backlog.refused(piece, error);
        while over && let Next::Piece(piece) = self.backlog.next(Instant::now()) {
            self.backlog.refused(piece, io::ErrorKind::TimedOut.into());
        }
        over
    }

    /// Goes on with what a pipe took a part of.
    fn resume(&mut self, until: Instant) -> Next {
        if !self.backlog.is_closing() {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        let Some(piece) = self.in_hand.take() else { return Next::Time };
        match self.medium.go_on() {
            Ok(()) => self.stored(piece),
            Err(error) => {
                if self.refused(piece, error) {
                    return Next::End;
                }
            }
        }
        Next::Time
    }

    fn sync(&mut self) -> io::Result<()> {
        let result = if self.sync == Syncing::System { Ok(()) } else { self.medium.sync() };
        self.synced = Some(Instant::now());
        self.unsynced &= result.is_err();
        result
    }
}
