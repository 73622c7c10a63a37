//! What a control block publishes: a state, said again and again until it changes.

use super::message::{Header, Message, Time};
use crate::link::Timestamp;
use crate::protocol::{Anomaly, Direction, held};

/// A control block, as its last message had it.
#[derive(Debug)]
pub(super) struct Stream {
    pub state: State,
    pub direction: Direction,
    /// A digest of the values.
    digest: u64,
    last: Timestamp,
    /// When the state was first said, and how often it was.
    begun: Timestamp,
    pub state_frames: u64,
    /// When the interval began, and frames in it that no record told of.
    interval: Timestamp,
    pub untold_frames: u64,
}

/// What a message says, but for its values.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub header: Header,
    pub gocb_ref: Vec<u8>,
    pub time_allowed_to_live_ms: u32,
    pub dat_set: Vec<u8>,
    pub go_id: Vec<u8>,
    pub time: Time,
    pub st_num: u32,
    pub sq_num: u32,
    pub simulation: bool,
    pub conf_rev: u32,
    pub nds_com: bool,
    pub entries: u32,
}

/// The state before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Previous {
    pub st_num: u32,
    pub sq_num: u32,
    pub frames: u64,
    pub seconds: u64,
}

impl Stream {
    /// One that begins with a message.
    pub(super) fn begin(message: &Message<'_>, direction: Direction, now: Timestamp) -> (Self, Vec<Anomaly>) {
        let notes = [(message.is_simulation(), "goose.simulation"), (message.nds_com, "goose.needs_commissioning")];
        let stream = Self {
            state: State::of(message),
            direction,
            digest: digest(message.data),
            last: now,
            begun: now,
            state_frames: 1,
            interval: now,
            untold_frames: 1,
        };
        (stream, raised(&notes))
    }

    /// Whether the interval is over that a record tells of.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.interval) >= INTERVAL_US && self.untold_frames > 0
    }

    /// A record tells of the frames so far: how many there were.
    pub(super) fn tell(&mut self, now: Timestamp) -> u64 {
        self.interval = now;
        std::mem::take(&mut self.untold_frames)
    }

    /// When the last message came.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    /// The next message: the state before it, where it says another one, and what is odd about it.
    pub(super) fn advance(&mut self, message: &Message<'_>, now: Timestamp) -> (Option<Previous>, Vec<Anomaly>) {
        let before = &self.state;
        let changes = message.st_num != before.st_num;
        let digest = digest(message.data);
        let (st_num, sq_num) = (message.st_num.wrapping_sub(before.st_num), message.sq_num.wrapping_sub(before.sq_num));
        // Numbers begin anew behind the largest one, with 1 (IEC 61850-8-1, section 18.1.2.5). One that is said twice came by two ways.
        let wraps = |last: u32, next: u32| last == u32::MAX && next <= 1;
        let is_back = changes && message.st_num < before.st_num && !wraps(before.st_num, message.st_num);
        let follows = if changes { message.sq_num <= 1 } else { sq_num <= 1 || wraps(before.sq_num, message.sq_num) };
        let lived_us = u64::from(before.time_allowed_to_live_ms) * 1_000;
        let notes = [
            (is_back, "goose.st_num_back"),
            (changes && !is_back && st_num != 1 && !wraps(before.st_num, message.st_num), "goose.st_num_jump"),
            (!follows && !is_back, "goose.sq_num_jump"),
            (!changes && digest != self.digest, "goose.data_changed"),
            (message.conf_rev != before.conf_rev, "goose.conf_rev_changed"),
            (message.dat_set != before.dat_set || message.go_id != before.go_id, "goose.data_set_changed"),
            (message.is_simulation() && !before.simulation, "goose.simulation"),
            (message.nds_com && !before.nds_com, "goose.needs_commissioning"),
            (lived_us > 0 && now.since(self.last) > lived_us, "goose.ttl_expired"),
        ];
        let previous = changes.then(|| Previous {
            st_num: before.st_num,
            sq_num: before.sq_num,
            frames: self.state_frames,
            seconds: self.last.since(self.begun) / 1_000_000,
        });
        if changes {
            (self.begun, self.state_frames) = (now, 0);
        }
        self.state.follow(message);
        (self.digest, self.last) = (digest, self.last.max(now));
        (self.state_frames, self.untold_frames) = (self.state_frames + 1, self.untold_frames + 1);
        (previous, raised(&notes))
    }
}

fn raised(notes: &[(bool, &'static str)]) -> Vec<Anomaly> {
    notes.iter().filter(|(is, _)| *is).map(|(_, name)| Anomaly(name)).collect()
}

impl State {
    /// What a message says.
    pub(super) fn of(message: &Message<'_>) -> Self {
        let mut state = Self { gocb_ref: message.gocb_ref.to_vec(), ..Self::default() };
        state.follow(message);
        state
    }

    fn follow(&mut self, message: &Message<'_>) {
        for (kept, said) in [(&mut self.dat_set, message.dat_set), (&mut self.go_id, message.go_id)] {
            if *kept != said {
                *kept = said.to_vec();
            }
        }
        (self.header, self.time) = (message.header, message.time);
        self.time_allowed_to_live_ms = message.time_allowed_to_live_ms;
        (self.st_num, self.sq_num, self.conf_rev) = (message.st_num, message.sq_num, message.conf_rev);
        (self.simulation, self.nds_com, self.entries) = (message.is_simulation(), message.nds_com, message.entries);
    }

    /// Bytes that it keeps.
    pub(super) fn held_bytes(&self) -> usize {
        [&self.gocb_ref, &self.dat_set, &self.go_id].into_iter().map(held::list).sum()
    }
}

/// Tells values from others; who knows it can make some that are taken for the same, and changes what a receiver sees all the same.
fn digest(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |sum, octet| (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3))
}

/// How long a record tells of, in microseconds of the packets' time.
const INTERVAL_US: u64 = 60_000_000;
