//! A plain file, one record a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{Sink, open};

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A plain file.
pub struct PlainFile(BufWriter<File>);

impl PlainFile {
    /// Opens a file, to append to it or to begin anew.
    pub fn create(path: &Path, append: bool) -> io::Result<Self> {
        let file = if append { open::append(path)? } else { open::fresh(path)? };
        Ok(Self(BufWriter::with_capacity(BUFFER_BYTES, file)))
    }
}

impl Sink for PlainFile {
    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.0.write_all(record)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.flush()?;
        super::sync(self.0.get_ref())
    }
}
