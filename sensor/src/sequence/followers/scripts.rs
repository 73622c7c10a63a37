//! Scripts as outputs (`outputs`: `lua`): each is shown what its `init` asks for and writes files below the log folder.

use std::collections::BTreeMap;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tapwire_signatures::lua::{Counter, Event, Open, OutputScript, RunningOutput, Shown};
use tapwire_signatures::rule::condition::PacketView;
use tapwire_signatures::rule::entry::Entry as RuleEntry;

use super::{Begun, Entry, Follower, Seen, Settings};
use crate::records::finding::{Topic, What};
use crate::sinks::open::Folder;

/// Between two times that what scripts write is made readable, when live.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

pub(super) const FOLLOWER: Entry = Entry { counters: &["tapwire.records.script_errors"], begin };

fn begin(settings: &Settings, folder: &Path, _live: bool) -> Begun {
    let start = |script: &Arc<OutputScript>| script.start(folder.display().to_string(), opener(folder.to_owned()));
    let running = settings.scripts.iter().map(start).collect::<Result<Vec<_>, _>>();
    let running = running.map_err(io::Error::other)?;
    if running.is_empty() {
        return Ok(None);
    }
    let before = BTreeMap::new();
    Ok(Some(Box::new(Scripts { running, flushed: Instant::now(), errors: 0, failure: None, before })))
}

/// The scripts of a run.
struct Scripts {
    running: Vec<RunningOutput>,
    flushed: Instant,
    errors: u64,
    failure: Option<String>,
    /// The counters when they were last shown.
    before: BTreeMap<String, u64>,
}

impl Follower for Scripts {
    fn wants(&self) -> Vec<Topic> {
        self.running.iter().map(|script| Topic::Each(script.shown())).collect()
    }

    fn finding(&mut self, seen: Seen<'_>) {
        let What::Shown(subject) = &seen.finding.what else { return };
        // What is known of its flow by now.
        let mut flow = subject.flow;
        flow.iter_mut().for_each(|flow| flow.alerted |= seen.alerted);
        let protocol = flow.as_ref().and_then(|flow| flow.protocol);
        let piece = subject.piece(seen.text);
        let packet = subject.packet(if piece.is_some() { &[] } else { seen.text });
        let view = PacketView { packet: &packet, flow: flow.as_ref(), stream_anomalies: &[], flow_anomalies: &[] };
        let transaction = subject.transaction();
        let event = Event {
            packet: Some(&view),
            transaction: transaction.as_ref(),
            rule: subject.rule().and_then(RuleEntry::rule),
            file: subject.file(),
            piece,
            counters: &[],
        };
        self.running
            .iter_mut()
            .filter(|script| script.wants(subject.kind, protocol))
            .for_each(|script| script.log(&event));
    }

    /// Shows the counters, with what they were before.
    fn counters(&mut self, counters: &BTreeMap<String, u64>) {
        let before = |name: &String| self.before.get(name).copied().unwrap_or(0);
        let list = counters.iter().map(|(name, value)| Counter { name, value: *value, before: before(name) });
        let list: Vec<Counter<'_>> = list.collect();
        let event = Event { counters: &list, ..Event::default() };
        let wanted = |script: &&mut RunningOutput| script.wants(Shown::Counters, None);
        let mut scripts = self.running.iter_mut().filter(wanted).peekable();
        if scripts.peek().is_some() {
            scripts.for_each(|script| script.log(&event));
            self.before.clone_from(counters);
        }
    }

    /// Makes what they wrote readable.
    fn tick(&mut self) {
        if self.flushed.elapsed() < FLUSH_EVERY {
            return;
        }
        self.flushed = Instant::now();
        if let Err(error) = self.running.iter_mut().try_for_each(RunningOutput::flush) {
            self.errors += 1;
            if self.errors == 1 {
                self.failure = Some(format!("what scripts write cannot be written: {error}; records go on"));
            }
        }
    }

    fn count(&self, counters: &mut BTreeMap<String, u64>) {
        counters.insert("tapwire.records.script_errors".into(), self.errors);
    }

    fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Adds up how often they failed.
    fn end(&mut self, counters: &mut BTreeMap<String, u64>) -> io::Result<Vec<String>> {
        let mut messages = Vec::new();
        for mut script in self.running.drain(..) {
            messages.extend(script.finish()?);
            for (name, count) in script.failures.counters() {
                *counters.entry(name.into()).or_default() += count;
            }
        }
        Ok(messages)
    }
}

/// Opens plain files below a folder and nothing else.
fn opener(folder: PathBuf) -> Open {
    Box::new(move |name, append| {
        let path = Path::new(name);
        let file = Folder::make(&folder)?.file(path.strip_prefix(&folder).unwrap_or(path), append)?;
        Ok(Box::new(BufWriter::new(file)))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_files_below_the_folder_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, outside) = (folder.path().join("logs"), folder.path().join("outside"));
        std::fs::create_dir_all(logs.join("inner")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, logs.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.join("file"), logs.join("link.log")).unwrap();
        let open = opener(logs.clone());
        let full = |name: &str| logs.join(name).display().to_string();
        for name in ["a.log".to_owned(), full("b.log"), full("inner/c.log"), "./d.log".into()] {
            let opened = open(&name, true).map(|mut file| file.write_all(b"x"));
            assert_eq!(opened.is_ok(), name != "./d.log", "{name}");
        }
        for name in ["", ".", "..", "../x", "/tmp/x", "inner", "inner/../../x", "link/x", "link.log"] {
            for name in [name.to_owned(), full(name)] {
                assert!(open(&name, false).is_err(), "{name}");
            }
        }
        assert_eq!(std::fs::read(logs.join("inner/c.log")).unwrap(), b"x");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }
}
