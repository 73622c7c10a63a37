//! Buffers of transactions go through the prefilters: whole ones once, those that grow as far as they came.

use smallvec::SmallVec;
use tapwire_parsers::protocol::Value;

use super::grown;
use crate::plan::Engine;
use crate::rule::condition::TransactionView;
use crate::verify::{BodyWindow, Matcher};

/// A buffer that still grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growing {
    /// The place of its engine.
    engine: u32,
    /// The number of the file whose contents it is; 0 for a field of the transaction.
    file: u32,
    /// Its size when it was last scanned; [`DONE`] when nothing of it is to be scanned any more.
    seen: u64,
}

/// The buffers of a direction of a transaction that still grow.
pub(super) type GrowingList = SmallVec<[Growing; 2]>;

const DONE: u64 = u64::MAX;
/// Bytes of a growing buffer that are scanned again with what follows, so that a pattern across the border is found.
const OVERLAP: u64 = 256;

impl Growing {
    /// What is to be scanned of its value: nothing yet, where it has not grown by enough.
    fn take<'a>(&mut self, value: Value<'a>, window: BodyWindow) -> Option<&'a [u8]> {
        let (Value::Stream { data, offset, complete }, Some(size)) = (value, grown(&value)) else { return None };
        let due = if self.seen == 0 { window.first } else { self.seen.saturating_add(window.next) };
        if self.seen == DONE || !complete && size < due {
            return None;
        }
        let start = self.seen.saturating_sub(OVERLAP).saturating_sub(offset);
        self.seen = if complete { DONE } else { size };
        Some(usize::try_from(start).ok().and_then(|start| data.get(start..)).unwrap_or_default())
    }
}

impl Matcher {
    /// Scans a buffer that has just become available; one that still grows is noted.
    pub(super) fn scan_engine(
        &mut self,
        engine: &Engine,
        position: usize,
        subject: &TransactionView<'_>,
        growing: &mut GrowingList,
    ) {
        if engine.field.is_contents() {
            return;
        }
        let mut grows = || growing.extend(place(position).map(|engine| Growing { engine, file: 0, seen: 0 }));
        for index in 0.. {
            let Some(value) = subject.value(engine.field, subject.direction, index) else { break };
            match value {
                Value::Bytes(data) | Value::Stream { data, complete: true, .. } => self.scan(engine, data),
                Value::Stream { .. } => grows(),
                Value::Number(_) => {}
            }
            if !engine.field.multi {
                return;
            }
        }
        // A body may begin later than its headers end.
        if !engine.field.multi {
            grows();
        }
    }

    /// Scans what buffers have grown by since the last look; whether there was anything to look at.
    pub(super) fn scan_growing(
        &mut self,
        engines: &[Engine],
        subject: &TransactionView<'_>,
        growing: &mut GrowingList,
    ) -> bool {
        let window = *self.body_windows.of(subject.direction);
        let mut moved = false;
        growing.retain(|known| {
            if known.file != 0 {
                return subject.files.iter().any(|file| file.number == u64::from(known.file));
            }
            let Some(engine) = engines.get(known.engine as usize) else { return false };
            let value = subject.value(engine.field, subject.direction, 0);
            if let Some(data) = value.and_then(|value| known.take(value, window)) {
                self.scan(engine, data);
                moved = true;
            }
            known.seen != DONE
        });
        moved
    }

    /// Scans what came of the contents of files since the last look; whether there was anything to look at.
    pub(super) fn scan_contents(
        &mut self,
        engines: &[Engine],
        subject: &TransactionView<'_>,
        growing: &mut GrowingList,
    ) -> bool {
        if subject.files.is_empty() {
            return false;
        }
        let window = *self.body_windows.of(subject.direction);
        let mut moved = false;
        let engines = engines.iter().enumerate().filter(|(_, engine)| engine.field.is_contents());
        for (position, engine) in engines {
            for file in subject.files {
                let key = place(position).zip(u32::try_from(file.number).ok());
                let (Some(value), Some(key)) = (file.value(), key) else { continue };
                let known = growing.iter().position(|known| (known.engine, known.file) == key);
                let at = known.unwrap_or(growing.len());
                if known.is_none() {
                    growing.push(Growing { engine: key.0, file: key.1, seen: file.begins });
                }
                if let Some(data) = growing.get_mut(at).and_then(|known| known.take(value, window)) {
                    self.scan(engine, data);
                    moved = true;
                }
            }
        }
        moved
    }

    fn scan(&mut self, engine: &Engine, data: &[u8]) {
        self.costs.inspect(data.len());
        let began = self.costs.begin_scan(data.len());
        let candidates = &mut self.candidates;
        if engine.transforms.is_empty() {
            engine.group.scan(data, (0, 0), (&mut self.folded, &mut self.scratch), |rule| candidates.push(rule));
            self.costs.end_scan(began);
            return;
        }
        self.fuel.fill_for_all(&mut self.notes.tank);
        let made = self.transform(&engine.transforms, data);
        self.fuel.settle_for_all(&self.notes.tank);
        let ([from, _], candidates) = (&made, &mut self.candidates);
        engine.group.scan(from, (0, 0), (&mut self.folded, &mut self.scratch), |rule| candidates.push(rule));
        self.transformed = made;
        self.costs.end_scan(began);
    }
}

/// Marks the contents of files that are there as scanned.
pub(super) fn pass_over(engines: &[Engine], subject: &TransactionView<'_>, growing: &mut GrowingList) {
    let of_contents = engines.iter().enumerate().filter(|(_, engine)| engine.field.is_contents());
    for (position, _) in of_contents {
        let numbers = subject.files.iter().filter_map(|file| u32::try_from(file.number).ok());
        let keys = numbers.filter_map(|file| Some((place(position)?, file)));
        growing.extend(keys.map(|(engine, file)| Growing { engine, file, seen: DONE }));
    }
}

fn place(position: usize) -> Option<u32> {
    u32::try_from(position).ok()
}
