//! Recorded packets: which of them are of which flows, and what was decided of alerts and tags, to the thread that
//! [records](crate::recording).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tapwire_signatures::lua::Shown;

use super::{Begun, Entry, Follower, Seen, Settings};
use crate::capture::fanout::{self, Depth, Tap};
use crate::inspect::Engine;
use crate::recording::packet::Alerted;
use crate::recording::recorder::{self, Feed, Needs};
use crate::recording::{self, Verdicts};
use crate::records::batch::RecordBatch;
use crate::records::finding::{Topic, What};

/// Batches on their way in a replay, which waits.
const FILE_DEPTH: usize = 3;

pub(super) const FOLLOWER: Entry = Entry {
    counters: &[
        "tapwire.recording.before_evicted",
        "tapwire.recording.behind",
        "tapwire.recording.lost",
        "tapwire.recording.segments_removed",
    ],
    begin,
};

fn begin(settings: &Settings, folder: &Path, live: bool) -> Begun {
    let wanted = &settings.recording;
    if wanted.is_idle() {
        return Ok(None);
    }
    let ways = recording::ways(wanted, folder)?;
    let depth = if live { Depth::Bytes(wanted.backlog_bytes) } else { Depth::Batches(FILE_DEPTH) };
    let (tap, batches, behind) = fanout::tap::<Arc<Engine>>(depth);
    let seed = settings.eve.iter().find_map(|eve| eve.community_id_seed).unwrap_or(0);
    let needs = Needs { live, tunnels: wanted.tunnels, seed, aliases: wanted.ring.is_some() };
    let feed = recorder::begin(ways, batches, needs)?;
    let follows_tags = wanted.follows_tags();
    Ok(Some(Box::new(Recorder { feed, tap: Some(tap), behind, follows_tags, verdicts: Verdicts::default() })))
}

struct Recorder {
    feed: Feed,
    tap: Option<Tap<Arc<Engine>>>,
    /// Packets that came faster than they could be recorded.
    behind: Arc<AtomicU64>,
    follows_tags: bool,
    /// What is to be said of the batch that is written.
    verdicts: Verdicts,
}

impl Follower for Recorder {
    fn wants(&self) -> Vec<Topic> {
        let mut wants = vec![Topic::Packets, Topic::Each(Shown::Alert)];
        wants.extend(self.follows_tags.then_some(Topic::Tagged));
        wants
    }

    fn finding(&mut self, seen: Seen<'_>) {
        let number = seen.finding.place.number();
        match &seen.finding.what {
            What::Tagged(_) => self.verdicts.tagged.push(number),
            What::Shown(subject) => {
                let Some(rule) = subject.rule().and_then(|entry| entry.rule()) else { return };
                self.verdicts.alerts.push(Alerted {
                    number,
                    time: subject.time,
                    flow: seen.finding.place.flow,
                    gid: rule.gid,
                    sid: rule.sid,
                    tags: !rule.tags.is_empty(),
                });
            }
            _ => {}
        }
    }

    fn end_batch(&mut self, batches: &[RecordBatch]) {
        let mut verdicts = std::mem::take(&mut self.verdicts);
        verdicts.sequence = batches.iter().map(|batch| batch.sequence).max().unwrap_or(0);
        verdicts.packets.reserve(batches.iter().map(|batch| batch.packets.len()).sum());
        batches.iter().for_each(|batch| verdicts.packets.extend_from_slice(&batch.packets));
        if batches.len() > 1 {
            verdicts.packets.sort_by_key(|noted| noted.number);
        }
        // Those at the end of a flow are behind all packets.
        verdicts.alerts.sort_by_key(|alert| alert.number);
        verdicts.tagged.sort_unstable();
        self.feed.send(verdicts);
    }

    fn take_tap(&mut self) -> Option<Tap<Arc<Engine>>> {
        self.tap.take()
    }

    fn count(&self, counters: &mut BTreeMap<String, u64>) {
        for (name, count) in self.feed.counts() {
            counters.insert(name.to_owned(), count);
        }
        counters.insert("tapwire.recording.behind".into(), self.behind.load(Ordering::Relaxed));
    }

    fn take_failure(&mut self) -> Option<String> {
        self.feed.take_news()
    }

    fn end(&mut self, _: &mut BTreeMap<String, u64>) -> io::Result<Vec<String>> {
        // Where no packet was read, nobody took it.
        self.tap = None;
        self.feed.end();
        Ok(Vec::new())
    }
}
