//! `tcp-data` and `http-body-data`: pieces of streams and bodies to the [files](crate::sinks::stream_data) that have them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tapwire_parsers::protocol::Direction;
use tapwire_parsers::protocol_id;
use tapwire_signatures::lua::Shown;

use super::{Begun, Entry, Follower, Seen};
use crate::records::finding::{Topic, What};
use crate::sinks::stream_data::{self, Origin, StreamData};

/// Between two times that what was dumped is made readable, when live.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

pub(super) const STREAMS: Entry = Entry {
    counters: &["tapwire.tcp_data.written", "tapwire.tcp_data.refused", "tapwire.tcp_data.fs_errors"],
    begin: |settings, folder, _| begin("tcp_data", Some(Shown::Stream), settings.tcp_data.as_ref(), folder),
};

pub(super) const BODIES: Entry = Entry {
    counters: &["tapwire.http_body_data.written", "tapwire.http_body_data.refused", "tapwire.http_body_data.fs_errors"],
    begin: |settings, folder, _| {
        let shown = protocol_id("http").map(Shown::Body);
        begin("http_body_data", shown, settings.http_body_data.as_ref(), folder)
    },
};

fn begin(name: &'static str, shown: Option<Shown>, settings: Option<&stream_data::Settings>, folder: &Path) -> Begun {
    let Some((settings, shown)) = settings.zip(shown) else { return Ok(None) };
    let data = StreamData::open(settings, folder)?;
    Ok(Some(Box::new(Data { name, shown, data, flushed: Instant::now() })))
}

struct Data {
    name: &'static str,
    shown: Shown,
    data: StreamData,
    flushed: Instant,
}

impl Follower for Data {
    fn wants(&self) -> Vec<Topic> {
        vec![Topic::Each(self.shown)]
    }

    fn finding(&mut self, seen: Seen<'_>) {
        let What::Shown(subject) = &seen.finding.what else { return };
        let (Some(piece), Some(flow)) = (subject.piece(seen.text), &subject.flow) else { return };
        let Some(ends) = subject.key.ip() else { return };
        let (client, server) = ((ends.source, ends.source_port), (ends.destination, ends.destination_port));
        let (source, destination) = match piece.direction {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        };
        let origin = Origin { flow: flow.id, start: flow.start, source, destination, direction: piece.direction };
        // A flow has many bodies, one behind the other.
        self.data.write(&origin, piece.data, piece.closes && self.shown == Shown::Stream);
    }

    fn tick(&mut self) {
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.flushed = Instant::now();
            self.data.flush();
        }
    }

    fn count(&self, counters: &mut BTreeMap<String, u64>) {
        let StreamData { written, refused, errors, .. } = self.data;
        for (what, count) in [("written", written), ("refused", refused), ("fs_errors", errors)] {
            counters.insert(format!("tapwire.{}.{what}", self.name), count);
        }
    }

    fn take_failure(&mut self) -> Option<String> {
        self.data.take_failure()
    }

    fn end(&mut self, _: &mut BTreeMap<String, u64>) -> io::Result<Vec<String>> {
        self.data.flush();
        Ok(Vec::new())
    }
}
