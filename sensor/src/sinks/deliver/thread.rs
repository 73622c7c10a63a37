//! The threads of deliveries, and what their run has to do with them: to begin, to be told, to end.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::delivery::Delivery;
use super::report::Report;
use super::settings::Settings;
use crate::sinks::log::cursor;

/// Who was told to stop and is in the middle of a request is waited for so long.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// Between two looks at who has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The deliveries of a log.
pub struct Deliveries {
    control: Arc<Control>,
    sinks: Vec<Sink>,
}

/// How a delivery is doing, and its thread until that has ended.
type Sink = (Arc<Mutex<Report>>, Option<JoinHandle<()>>);

/// What threads are told.
#[derive(Default)]
pub(super) struct Control {
    ending: Mutex<Ending>,
    changed: Condvar,
}

/// How far the end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub(super) enum Ending {
    /// More will come.
    #[default]
    Going,
    /// Nothing more comes; what is there is delivered.
    Draining,
    /// Nothing is delivered any more.
    Stopped,
}

impl Control {
    fn tell(&self, ending: Ending) {
        *self.ending() = ending;
        self.changed.notify_all();
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the end is now.
    pub(super) fn now(&self) -> Ending {
        *self.ending()
    }

    /// Waits for a time, or until the end is further on than it was; how far it is then.
    pub(super) fn wait(&self, time: Duration, known: Ending) -> Ending {
        let until = Instant::now() + time;
        let mut ending = self.ending();
        while *ending <= known {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            ending = self.changed.wait_timeout(ending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *ending
    }
}

impl Deliveries {
    /// Begins to deliver what comes into the log in a folder. What is in it already is not new to those who begin.
    pub fn start(settings: &[Settings], log: &Path, live: bool) -> io::Result<Self> {
        std::fs::create_dir_all(log)?;
        let control = Arc::new(Control::default());
        let mut sinks = Vec::new();
        for settings in settings {
            let begin = match cursor::acknowledged(log, &settings.name)? {
                Some(position) => position,
                None => {
                    let position = if settings.from_begin { Default::default() } else { cursor::end(log)? };
                    // From now on nothing is removed that it has not read, as long as there is room.
                    cursor::acknowledge(log, &settings.name, position)?;
                    position
                }
            };
            let report = Report::read(log, &settings.name).ok().flatten().unwrap_or_default();
            let report = Report { name: settings.name.clone(), to: settings.to.clone(), position: begin, ..report };
            let report = Arc::new(Mutex::new(report));
            let (settings, log, told, shared) =
                (settings.clone(), log.to_owned(), Arc::clone(&control), Arc::clone(&report));
            let thread = std::thread::Builder::new()
                .name("tapwire-deliver".to_owned())
                .spawn(move || Delivery::new(settings, log, live, told, shared).run(begin))?;
            sinks.push((report, Some(thread)));
        }
        Ok(Self { control, sinks })
    }

    /// How each is doing.
    pub fn reports(&self) -> Vec<Report> {
        self.sinks.iter().map(|(report, _)| report.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    /// Lets all deliver what is in the log, for so long at most; those that could not, with why.
    pub fn finish(mut self, limit: Duration) -> Vec<Report> {
        self.control.tell(Ending::Draining);
        self.wait(limit);
        let late: Vec<bool> = self.sinks.iter().map(|(_, thread)| !is_over(thread)).collect();
        self.control.tell(Ending::Stopped);
        self.wait(LAST_WORDS);
        for (_, thread) in &mut self.sinks {
            // One that hangs in a request ends with the program.
            if is_over(thread) {
                drop(thread.take().map(JoinHandle::join));
            }
        }
        let reports = self.reports();
        reports.into_iter().zip(late).filter(|(_, late)| *late).map(|(report, _)| report).collect()
    }

    fn wait(&self, limit: Duration) {
        let until = Instant::now() + limit;
        while self.sinks.iter().any(|(_, thread)| !is_over(thread)) && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn is_over(thread: &Option<JoinHandle<()>>) -> bool {
    thread.as_ref().is_none_or(JoinHandle::is_finished)
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.control.tell(Ending::Stopped);
    }
}
