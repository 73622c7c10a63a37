//! Packets that come twice, as from a mirror that sends what enters a port and what leaves another one.
//!
//! Both copies are the same from the network header on, but for their time to live where they were routed in between. All of that is
//! hashed under a secret key, so that nobody hides a packet behind another one that only looks like it. A copy comes within less than a
//! millisecond, or within so many packets; who sends the same again later, as TCP does, means it.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

use super::batch::{Batch, Frame};

/// What is done with packets that come twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are counted where an interface is watched.
    #[default]
    Auto,
    /// Nothing.
    Off,
    /// They are counted.
    Count,
    /// They are counted and left out.
    Drop,
}

/// How packets that come twice are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `tapwire.duplicates.mode`
    pub mode: Mode,
    /// `tapwire.duplicates.window`: microseconds within which a copy comes.
    pub window_us: u32,
    /// `tapwire.duplicates.packets`: packets within which one comes, whatever the time; 0 where only time counts.
    pub packets: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mode: Mode::Auto, window_us: 500, packets: 0 }
    }
}

/// Windows are shorter than this.
pub const WINDOW_LIMIT_US: u32 = 1_000;
/// Packets that are remembered.
pub const PLACES: u32 = 8_192;

/// The packets that came last.
pub struct Duplicates {
    settings: Settings,
    hasher: SeedableRandomState,
    /// Packets of different interfaces have nothing to do with each other.
    by_interface: bool,
    places: Box<[Place]>,
    /// Packets that came twice.
    pub count: u64,
}

#[derive(Clone, Copy, Default)]
struct Place {
    digest: u64,
    time_us: u64,
    number: u64,
}

impl Duplicates {
    /// Looks for them, if that is wanted. A replay has the same key each time.
    pub fn new(settings: Settings, by_interface: bool, live: bool) -> Option<Self> {
        let wanted = match settings.mode {
            Mode::Auto => live,
            Mode::Off => false,
            Mode::Count | Mode::Drop => true,
        };
        let hasher = if live {
            SeedableRandomState::random()
        } else {
            SeedableRandomState::with_seed(REPLAY_SEED, SharedSeed::global_fixed())
        };
        let places = vec![Place::default(); PLACES as usize].into_boxed_slice();
        wanted.then_some(Self { settings, hasher, by_interface, places, count: 0 })
    }

    /// Marks the copies in a batch, where they are to be left out, and counts them.
    pub fn mark(&mut self, batch: &mut Batch) {
        let mut frames = std::mem::take(&mut batch.frames);
        for frame in &mut frames {
            if self.is_copy(frame, batch.data(frame)) {
                self.count += 1;
                frame.duplicate = self.settings.mode == Mode::Drop;
            }
        }
        batch.frames = frames;
    }

    fn is_copy(&mut self, frame: &Frame, data: &[u8]) -> bool {
        let digest = self.digest(frame, data);
        let at = usize::try_from(digest % u64::from(PLACES)).unwrap_or(0);
        let Some(place) = self.places.get_mut(at) else { return false };
        let Settings { window_us, packets, .. } = self.settings;
        let is_near = place.time_us.abs_diff(frame.time.0) <= u64::from(window_us)
            || frame.number.saturating_sub(place.number) <= u64::from(packets);
        if place.number > 0 && place.digest == digest && is_near {
            return true;
        }
        *place = Place { digest, time_us: frame.time.0, number: frame.number };
        false
    }

    /// What a packet and its copy have in common.
    fn digest(&self, frame: &Frame, data: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        if self.by_interface {
            hasher.write_u16(frame.interface);
        }
        hasher.write_u32(frame.wire_len);
        let packet = if frame.link_type == ETHERNET { behind_tags(data) } else { data };
        // Whoever routes a packet changes its time to live, and with it the checksum of an IPv4 header.
        match packet.first().map(|first| first >> 4) {
            Some(4) if packet.len() >= 20 => {
                let (before, rest) = packet.split_at(8);
                hasher.write(before);
                hasher.write(rest.get(1..2).unwrap_or_default());
                hasher.write(rest.get(4..).unwrap_or_default());
            }
            Some(6) if packet.len() >= 40 => {
                let (before, rest) = packet.split_at(7);
                hasher.write(before);
                hasher.write(rest.get(1..).unwrap_or_default());
            }
            // Without IP the stations count as well.
            _ => hasher.write(data),
        }
        hasher.finish()
    }
}

/// What an Ethernet frame carries, without its addresses, VLANs and type.
fn behind_tags(frame: &[u8]) -> &[u8] {
    let mut at = 12;
    while let Some([0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00]) = frame.get(at..at + 2) {
        at += 4;
    }
    frame.get(at + 2..).unwrap_or_default()
}

/// Link type as tcpdump numbers it.
const ETHERNET: u32 = 1;
const REPLAY_SEED: u64 = 0x7a9_3117;

#[cfg(test)]
mod tests {
    use tapwire_parsers::link::Timestamp;

    use super::*;
    use crate::capture::batch::Arrival;

    fn packet(ttl: u8, vlan: Option<u8>, last: u8) -> Vec<u8> {
        let mut data = vec![ttl; 12];
        data.extend(vlan.into_iter().flat_map(|vlan| [0x81, 0, 0, vlan]));
        data.extend([8, 0, 0x45, 0, 0, 29, 0, 7, 0, 0, ttl, 17, ttl, ttl, 10, 0, 0, 1, 10, 0, 0, 2]);
        data.extend([0, 7, 0, 9, 0, 9, 0, 0, last]);
        data
    }

    /// Which of some packets, each with its time and interface, are copies.
    fn copies(settings: Settings, by_interface: bool, packets: &[(u64, u16, Vec<u8>)]) -> (Vec<bool>, u64) {
        let mut batch = Batch::new();
        for (number, (time, interface, data)) in (1..).zip(packets) {
            // Tags are none of the packet's own.
            let arrival = Arrival { time: Timestamp(*time), link_type: 1, interface: *interface, wire_len: 43 };
            batch.push(number, arrival, data);
        }
        let mut duplicates = Duplicates::new(settings, by_interface, false).unwrap();
        duplicates.mark(&mut batch);
        (batch.frames.iter().map(|frame| frame.duplicate).collect(), duplicates.count)
    }

    const DROP: Settings = Settings { mode: Mode::Drop, window_us: 500, packets: 0 };

    #[test]
    fn a_copy_comes_at_once_and_may_have_been_routed() {
        let first = || (0, 0, packet(64, None, 1));
        for (second, is_copy) in [
            ((100, 0, packet(64, None, 1)), true),
            ((500, 0, packet(63, Some(5), 1)), true),
            ((501, 0, packet(64, None, 1)), false),
            ((100, 0, packet(64, None, 2)), false),
            ((100, 1, packet(64, None, 1)), true),
        ] {
            assert_eq!(copies(DROP, false, &[first(), second.clone()]).0, [false, is_copy], "{second:?}");
        }
        assert_eq!(copies(DROP, true, &[first(), (100, 1, packet(64, None, 1))]).0, [false, false]);
        let counted = Settings { mode: Mode::Count, ..DROP };
        assert_eq!(copies(counted, false, &[first(), first()]), (vec![false, false], 1), "it is only counted");
    }

    #[test]
    fn packets_may_be_compared_whatever_the_time() {
        let settings = Settings { packets: 2, ..DROP };
        let same = |time| (time, 0, packet(64, None, 1));
        let other = (0, 0, packet(64, None, 9));
        assert_eq!(copies(settings, false, &[same(0), other.clone(), same(9_000_000)]).0, [false, false, true]);
        assert_eq!(
            copies(settings, false, &[same(0), other.clone(), other, same(9_000_000)]).0,
            [false, false, true, false]
        );
    }

    #[test]
    fn who_sends_the_same_for_ever_is_heard_now_and_then() {
        let packets: Vec<_> = (0..10).map(|number| (number * 200, 0, packet(64, None, 1))).collect();
        assert_eq!(copies(DROP, false, &packets).1, 6, "the first one counts, and not the one before");
    }

    #[test]
    fn a_replay_looks_for_none_unless_it_is_told_to() {
        assert!(Duplicates::new(Settings::default(), false, false).is_none());
        assert!(Duplicates::new(Settings::default(), false, true).is_some());
        assert!(Duplicates::new(Settings { mode: Mode::Off, ..DROP }, false, true).is_none());
    }
}
