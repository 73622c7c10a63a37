//! Records that a receiver refused, with its words: `NAME.json.zst` in a folder beside the log, lines in frames of zstd. There are at most
//! two files for a sink; the older one goes for a new one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tapwire_parsers::json::Object;

use crate::capture::clock;
use crate::records::header::Clock;
use crate::sinks::open;
use crate::sinks::zstd::Frames;

/// The folder.
pub(super) const FOLDER: &str = "dead-letters";
/// Bytes of a file.
const FILE_BYTES: u64 = 64 << 20;

/// Where those of a sink go.
pub(super) struct DeadLetters {
    path: PathBuf,
    sink: String,
    frames: Frames,
    text: Vec<u8>,
    clock: Clock,
    file_bytes: u64,
}

impl DeadLetters {
    /// Those of a sink, beside a log. There is no file before there is anything in it.
    pub(super) fn new(log: &Path, sink: &str) -> io::Result<Self> {
        let path = log.join(FOLDER).join(format!("{sink}.json.zst"));
        Ok(Self {
            path,
            sink: sink.to_owned(),
            frames: Frames::new()?,
            text: Vec::new(),
            clock: Clock::default(),
            file_bytes: FILE_BYTES,
        })
    }

    /// Takes a record as it is stored.
    pub(super) fn push(&mut self, line: &[u8], words: &str) {
        let mut object = Object::new(&mut self.text);
        object.text("timestamp", self.clock.timestamp(clock::now())).text("event_type", "dead_letter");
        object.text("sink", &self.sink).text("answer", words);
        // It comes from our own log; what is no text is no record, and shown as one.
        match std::str::from_utf8(line) {
            Ok(line) => object.json("record", line),
            Err(_) => object.text("record", line),
        };
        drop(object);
        self.text.push(b'\n');
    }

    /// Makes those that were taken safe.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        if std::fs::metadata(&self.path).is_ok_and(|found| found.len() > self.file_bytes) {
            std::fs::rename(&self.path, self.path.with_extension("zst.1"))?;
        }
        let mut file = open::append(&self.path)?;
        file.write_all(self.frames.of(&self.text)?)?;
        file.sync_data()?;
        self.text.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_keep_the_record_and_the_answer_and_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut letters = DeadLetters::new(folder.path(), "siem").unwrap();
        let path = folder.path().join("dead-letters/siem.json.zst");
        letters.settle().unwrap();
        assert!(!path.exists());
        letters.push(br#"{"event_type":"flow"}"#, "400 no\n\"way\"");
        letters.settle().unwrap();
        let text = zstd::decode_all(&std::fs::read(&path).unwrap()[..]).unwrap();
        let line: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!((&line["answer"], &line["record"]["event_type"]), (&"400 no\n\"way\"".into(), &"flow".into()));
        letters.file_bytes = 10;
        for _ in 0..3 {
            letters.push(b"{}", "no");
            letters.settle().unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 2);
    }
}
