//! The thread that records: each batch of packets with what the writer says of it, to the ways that there are.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use sha1::{Digest, Sha1};
use tapwire_parsers::link::{Ip, Packet};

use super::Verdicts;
use super::packet::{Alerted, Belongs, Captured, Id, Owners, of_alias};
use super::selection::{Arrived, Way, due};
use crate::capture::batch::{Batch, Frame};
use crate::capture::fanout;
use crate::capture::ring::{Received, Receiver, Refused, Sender, ring};
use crate::decode::tunnels::Tunnels;
use crate::flow::key::{Key, community_id};
use crate::records::noted::Noted;
use crate::rights::{self, Role};

/// Live, a batch waits for what the writer says of it at most for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two times that counters are put where others read them.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);
/// Verdicts on their way in a replay, which waits.
const FILE_DEPTH: usize = 8;
/// The same of an interface.
const LIVE_DEPTH: usize = 1_024;
/// Alerts that wait where the way is full.
const HELD_ALERTS: usize = 65_536;
/// Other names of flows that are remembered at once.
const ALIASES: usize = 65_536;

/// Counters by name, and what is to be told.
#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<Vec<(&'static str, u64)>>,
    news: Mutex<Vec<String>>,
    unnoted: AtomicU64,
}

/// The writer's end: what it says of each batch.
pub struct Feed {
    ring: Option<Sender<Verdicts>>,
    live: bool,
    /// Alerts that found the way full.
    held: Vec<Alerted>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the recorder needs besides its ways.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// An interface is watched.
    pub live: bool,
    /// How packets are read that no worker took.
    pub tunnels: Tunnels,
    /// The seed of community ids.
    pub seed: u16,
    /// Whether packets are looked for by other names than their flow's.
    pub aliases: bool,
}

/// Begins the thread.
pub fn begin<E: Send + Sync + 'static>(ways: Vec<Way>, batches: fanout::Receiver<E>, needs: Needs) -> io::Result<Feed> {
    let (sender, verdicts) = ring(if needs.live { LIVE_DEPTH } else { FILE_DEPTH });
    let shared = Arc::new(Shared::default());
    let recorder = Recorder {
        ways,
        verdicts,
        next: None,
        needs,
        aliases: HashMap::default(),
        shared: Arc::clone(&shared),
        published: Instant::now(),
    };
    let thread = thread::Builder::new().name("recorder".into()).spawn(move || recorder.run(batches))?;
    Ok(Feed { ring: Some(sender), live: needs.live, held: Vec::new(), shared, thread: Some(thread) })
}

impl Feed {
    /// Says what became of a batch. Where an interface is watched nobody waits for the recorder: it goes without knowing of flows.
    pub fn send(&mut self, mut verdicts: Verdicts) {
        let Some(ring) = &mut self.ring else { return };
        verdicts.alerts.splice(0..0, self.held.drain(..));
        if !self.live {
            // A recorder that is gone is told of at the end.
            let _ = ring.send(verdicts);
        } else if let Err(Refused::Full(verdicts)) = ring.try_send(verdicts) {
            self.shared.unnoted.fetch_add(verdicts.packets.len() as u64, Ordering::Relaxed);
            self.held = verdicts.alerts;
            self.held.truncate(HELD_ALERTS);
        }
    }

    /// What was counted, by name.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        counts.push(("tapwire.recording.unnoted", self.shared.unnoted.load(Ordering::Relaxed)));
        counts
    }

    /// What is to be told.
    pub fn take_news(&self) -> Option<String> {
        let mut news = self.shared.news.lock().unwrap_or_else(PoisonError::into_inner);
        (!news.is_empty()).then(|| news.drain(..).collect::<Vec<_>>().join("; "))
    }

    /// Waits until all is recorded.
    pub fn end(&mut self) {
        self.ring = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            let mut news = self.shared.news.lock().unwrap_or_else(PoisonError::into_inner);
            news.push("the recorder failed: packets from then on are not recorded".to_owned());
        }
    }
}

struct Recorder {
    ways: Vec<Way>,
    verdicts: Receiver<Verdicts>,
    /// What was said of a batch that has not come yet.
    next: Option<Verdicts>,
    needs: Needs,
    /// Other names of flows.
    aliases: HashMap<Id, u64, foldhash::fast::RandomState>,
    shared: Arc<Shared>,
    published: Instant,
}

impl Recorder {
    fn run<E>(mut self, mut batches: fanout::Receiver<E>) {
        rights::enter(Role::Writer);
        while let Some(work) = batches.recv() {
            let verdicts = self.verdicts_of(work.batch.sequence);
            self.batch(&work.batch, &verdicts);
            if self.needs.live {
                let now = Instant::now();
                self.ways.iter_mut().for_each(|way| way.sink().tick(now));
            }
            if self.published.elapsed() >= PUBLISH_EVERY {
                self.publish();
            }
        }
        while let Some(verdicts) = self.next.take().or_else(|| self.verdicts.recv()) {
            self.alerts(&verdicts.alerts);
        }
        self.ways.iter_mut().for_each(|way| way.sink().end());
        self.publish();
    }

    /// What the writer says of a batch; nothing where it says nothing in time.
    fn verdicts_of(&mut self, sequence: u64) -> Verdicts {
        loop {
            let next = match self.next.take() {
                Some(next) => Some(next),
                None if self.needs.live => match self.verdicts.recv_timeout(PATIENCE) {
                    Received::Value(next) => Some(next),
                    Received::Nothing | Received::Closed => None,
                },
                None => self.verdicts.recv(),
            };
            match next {
                Some(next) if next.sequence == sequence => return next,
                // A batch that no worker had room for.
                Some(next) if next.sequence > sequence => {
                    self.next = Some(next);
                    return Verdicts::default();
                }
                // A worker that was behind: its packets are recorded by now.
                Some(late) => self.alerts(&late.alerts),
                None => return Verdicts::default(),
            }
        }
    }

    fn alerts(&mut self, alerts: &[Alerted]) {
        for alert in alerts {
            self.ways.iter_mut().for_each(|way| way.alert(alert));
        }
    }

    fn batch(&mut self, batch: &Batch, verdicts: &Verdicts) {
        let (mut notes, mut next_alert) = (verdicts.packets.as_slice(), 0);
        for frame in batch.frames.iter().filter(|frame| frame.joined == 0) {
            let alerts = due(verdicts, &mut next_alert, frame.number);
            self.alerts(alerts);
            let begin = notes.partition_point(|note| note.number < frame.number);
            let of_frame = notes.get(begin..).unwrap_or(&[]);
            let (own, rest) = of_frame.split_at(of_frame.partition_point(|note| note.number == frame.number));
            notes = rest;
            let (owners, pieces) = self.owners(batch, frame, own);
            let alert_on = |alert: &&Alerted| alert.number == frame.number;
            let begins_tag = alerts.iter().filter(alert_on).any(|alert| alert.tags);
            let arrived = Arrived {
                packet: captured(frame),
                data: batch.data(frame),
                notes: own,
                owners: &owners,
                pieces,
                alerted: alerts.iter().any(|alert| alert_on(&alert)),
                tagged: begins_tag || verdicts.tagged.binary_search(&frame.number).is_ok(),
            };
            self.ways.iter_mut().for_each(|way| way.packet(&arrived));
        }
        self.alerts(due(verdicts, &mut next_alert, u64::MAX));
    }

    /// What a packet belongs to, and the name of the pieces of the datagram that it completed.
    fn owners(&mut self, batch: &Batch, frame: &Frame, notes: &[Noted]) -> (Owners, Option<u64>) {
        let mut owners = Owners::new();
        for note in notes {
            if !owners.iter().any(|owner| owner.id == note.flow) {
                let alias = self.alias(note.flow, &note.key);
                owners.push(Belongs { id: note.flow, alias });
            }
        }
        if owners.is_empty() {
            let packet = frame.decode(batch, &self.needs.tunnels.how(false));
            owners.extend(self.unnoted(&packet).map(|alias| Belongs { id: of_alias(alias), alias: 0 }));
            return (owners, None);
        }
        let joined = notes.iter().map(|note| note.joined).max().filter(|joined| *joined > 0);
        let whole = joined.and_then(|joined| {
            batch.frames.iter().find(|other| other.number == frame.number && other.joined == joined)
        });
        let pieces =
            whole.and_then(|whole| whole.decode(batch, &self.needs.tunnels.how(false)).ip.as_ref().map(name_of_pieces));
        (owners, pieces)
    }

    /// The other name of a flow.
    fn alias(&mut self, flow: Id, key: &Key) -> u64 {
        if !self.needs.aliases {
            return 0;
        }
        if self.aliases.len() >= ALIASES {
            self.aliases.clear();
        }
        let seed = self.needs.seed;
        *self.aliases.entry(flow).or_insert_with(|| begin_of_community(key, seed).unwrap_or(0))
    }

    /// The name of a packet that is of no flow.
    fn unnoted(&self, packet: &Packet<'_>) -> Option<u64> {
        let ip = packet.ip.as_ref()?;
        if ip.fragment.is_some() {
            return Some(name_of_pieces(ip));
        }
        begin_of_community(&Key::of(packet, false, false, 0)?, self.needs.seed).filter(|_| self.needs.aliases)
    }

    fn publish(&mut self) {
        self.published = Instant::now();
        let mut counts: Vec<(&'static str, u64)> = Vec::new();
        for way in &mut self.ways {
            for (name, count) in way.counts() {
                match counts.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += count,
                    None => counts.push((name, count)),
                }
            }
        }
        *self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        let news: Vec<String> = self.ways.iter_mut().flat_map(|way| way.sink().take_news()).collect();
        self.shared.news.lock().unwrap_or_else(PoisonError::into_inner).extend(news);
    }
}

fn captured(frame: &Frame) -> Captured {
    let Frame { number, time, link_type, interface, shard, wire_len, .. } = *frame;
    Captured { number, time, link_type, interface, shard, wire_len }
}

/// What pieces of one datagram share.
fn name_of_pieces(ip: &Ip<'_>) -> u64 {
    let mut digest = Sha1::new();
    for address in [ip.source, ip.destination] {
        match address {
            std::net::IpAddr::V4(address) => digest.update(address.octets()),
            std::net::IpAddr::V6(address) => digest.update(address.octets()),
        }
    }
    digest.update([ip.protocol]);
    digest.update(ip.id.to_be_bytes());
    begin_of(&digest.finalize())
}

fn begin_of_community(key: &Key, seed: u16) -> Option<u64> {
    alias_of_community(community_id(&key.ip()?, seed).as_str())
}

/// The name by which packets with a community id are looked for; nothing where the text is none.
pub fn alias_of_community(text: &str) -> Option<u64> {
    let digest = data_encoding::BASE64.decode(text.strip_prefix("1:")?.as_bytes()).ok()?;
    (digest.len() == 20).then(|| begin_of(&digest))
}

fn begin_of(digest: &[u8]) -> u64 {
    let begin = digest.first_chunk().map_or(0, |begin| u64::from_be_bytes(*begin));
    // One bit says that it is the name of no flow; 0 is for none.
    (begin & !of_alias(0)).max(1)
}
