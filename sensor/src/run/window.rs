//! What others see of a run while it goes on, and ask of it: the counters of the moment, sets of rules, whether every thread moves.
//!
//! Nobody reaches into the run: a question waits until the writer comes by, which it does twenty times a second.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tapwire_signatures::state::shared::SetState;

use super::latency::Histogram;
use crate::sequence::RuleMatches;
use crate::sinks::deliver::report::Report;

/// Questions that wait at once.
const WAITING: usize = 64;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The counters of a moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Since the run began.
    pub uptime_s: u64,
    /// All counters by name.
    pub counters: BTreeMap<String, u64>,
    /// Rules by how often they matched, the most often first, as far as they are named.
    pub rules: Vec<RuleMatches>,
    /// What waits for each worker.
    pub queues: Vec<Queue>,
    /// How long after its packet a record came to the log.
    pub latency: Histogram,
    /// How each output that delivers is doing.
    pub outputs: Vec<Report>,
}

/// What waits for a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Batches of packets.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is asked.
#[derive(Debug)]
pub enum Question {
    /// The counters as they stand.
    Counters(SyncSender<Arc<Snapshot>>),
    /// The sets that rules change.
    Sets(SyncSender<Vec<SetState>>),
    /// That a set is changed, or looked into.
    Set(SetQuestion, SyncSender<Result<bool, String>>),
}

/// What is asked of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetQuestion {
    /// Whose it is.
    pub tenant: u32,
    /// Its name.
    pub name: String,
    /// What is done.
    pub what: SetOperation,
    /// The value as lists in JSON have it: text as it is, digests in hexadecimal digits, addresses.
    pub value: String,
}

/// What is done with a value of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperation {
    /// It is added.
    Add,
    /// It is removed.
    Remove,
    /// It is looked up.
    Lookup,
}

/// The window of a run.
#[derive(Debug)]
pub struct Window {
    questions: Mutex<Vec<Question>>,
    asked: AtomicBool,
    beats: Vec<AtomicU64>,
    queues: Vec<(AtomicU64, AtomicU64)>,
}

/// A thread that has to move on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one that reads packets.
    Reader,
    /// The one that writes records.
    Writer,
    /// One that inspects.
    Worker(u16),
}

impl Part {
    fn place(self) -> usize {
        match self {
            Part::Reader => 0,
            Part::Writer => 1,
            Part::Worker(number) => 2 + usize::from(number),
        }
    }

    /// What people call it.
    pub fn name(place: usize) -> String {
        match place {
            0 => "the reader".into(),
            1 => "the writer".into(),
            worker => format!("worker {}", worker - 2),
        }
    }
}

impl Window {
    /// One of a run with so many workers.
    pub fn new(workers: u16) -> Arc<Self> {
        let workers = usize::from(workers);
        Arc::new(Self {
            questions: Mutex::default(),
            asked: AtomicBool::new(false),
            beats: (0..workers + 2).map(|_| AtomicU64::new(0)).collect(),
            queues: (0..workers).map(|_| Default::default()).collect(),
        })
    }

    /// A thread says that it moves.
    pub(super) fn beat(&self, part: Part) {
        if let Some(beats) = self.beats.get(part.place()) {
            beats.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each has said so.
    fn beats(&self) -> impl Iterator<Item = u64> {
        self.beats.iter().map(|beats| beats.load(Ordering::Relaxed))
    }

    /// What waits for a worker, as it says itself.
    pub(super) fn queue(&self, worker: usize, queue: Queue) {
        if let Some((batches, bytes)) = self.queues.get(worker) {
            batches.store(queue.batches, Ordering::Relaxed);
            bytes.store(queue.bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn queues(&self) -> Vec<Queue> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.queues.iter().map(|(batches, bytes)| Queue { batches: read(batches), bytes: read(bytes) }).collect()
    }

    /// The counters of this moment; nothing where the run does not answer.
    pub fn counters(&self) -> Option<Arc<Snapshot>> {
        self.ask(Question::Counters)
    }

    /// The sets that rules change; nothing where the run does not answer.
    pub fn sets(&self) -> Option<Vec<SetState>> {
        self.ask(Question::Sets)
    }

    /// What a set says; nothing where the run does not answer.
    pub fn set(&self, question: SetQuestion) -> Option<Result<bool, String>> {
        self.ask(|answer| Question::Set(question, answer))
    }

    fn ask<T>(&self, question: impl FnOnce(SyncSender<T>) -> Question) -> Option<T> {
        let (sender, receiver): (_, Receiver<T>) = sync_channel(1);
        {
            let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
            if questions.len() >= WAITING {
                return None;
            }
            questions.push(question(sender));
        }
        self.asked.store(true, Ordering::Release);
        receiver.recv_timeout(PATIENCE).ok()
    }

    /// What was asked since this was last called.
    pub(super) fn take(&self) -> Vec<Question> {
        if !self.asked.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut self.questions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sees whether every thread of a run moves.
#[derive(Debug)]
pub struct Pulse {
    window: Arc<Window>,
    limit: Duration,
    last: Vec<(u64, Instant)>,
}

impl Pulse {
    /// A thread that did not move for `limit` is stuck.
    pub fn new(window: Arc<Window>, limit: Duration) -> Self {
        let last = window.beats().map(|beats| (beats, Instant::now())).collect();
        Self { window, limit, last }
    }

    /// The threads that are stuck, by name. It has to be asked more often than the limit.
    pub fn stuck(&mut self) -> Vec<String> {
        let mut stuck = Vec::new();
        for (place, (beats, (known, since))) in self.window.beats().zip(&mut self.last).enumerate() {
            if beats != *known {
                (*known, *since) = (beats, Instant::now());
            } else if since.elapsed() >= self.limit {
                stuck.push(Part::name(place));
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_when_the_writer_comes_by() {
        let window = Window::new(1);
        assert!(window.take().is_empty());
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| window.counters());
            let question = loop {
                match window.take().pop() {
                    Some(question) => break question,
                    None => std::thread::yield_now(),
                }
            };
            let Question::Counters(answer) = question else { panic!("{question:?}") };
            answer.send(Arc::new(Snapshot { uptime_s: 7, ..Snapshot::default() })).unwrap();
            assert_eq!(asking.join().unwrap().unwrap().uptime_s, 7);
        });
    }

    #[test]
    fn threads_that_do_not_move_are_named() {
        let window = Window::new(2);
        let mut pulse = Pulse::new(Arc::clone(&window), Duration::ZERO);
        assert_eq!(pulse.stuck(), ["the reader", "the writer", "worker 0", "worker 1"]);
        window.beat(Part::Reader);
        window.beat(Part::Worker(1));
        assert_eq!(pulse.stuck(), ["the writer", "worker 0"]);
        let mut patient = Pulse::new(window, Duration::from_secs(60));
        assert!(patient.stuck().is_empty(), "not for long");
    }
}
