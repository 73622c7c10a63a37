//! Files that travel inside a protocol.

use super::Direction;

/// A file that is open, as its parser knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileHandle {
    /// Where its contents go.
    pub direction: Direction,
    /// A number of the protocol's own: of a stream, a handle, a part of a form.
    pub number: u64,
}

/// The file of a direction, for protocols in which there is one at a time.
impl From<Direction> for FileHandle {
    fn from(direction: Direction) -> Self {
        Self { direction, number: 0 }
    }
}

/// Takes the contents of files that travel inside a protocol, any number of them at once. To open one under a handle that is open
/// already cuts that one off.
pub trait FileSink {
    /// A file begins. `range` is the byte range it is part of, where the protocol tells (`start`, `end`, `size`).
    fn open(&mut self, handle: FileHandle, transaction: u64, name: &[u8], range: Option<FileRange>);
    /// Bytes of the open file, in order.
    fn append(&mut self, handle: FileHandle, data: &[u8]);
    /// Bytes of the open file are missing.
    fn gap(&mut self, handle: FileHandle, missing: u64);
    /// The open file ends; `complete` tells whether all of it came.
    fn close(&mut self, handle: FileHandle, complete: bool);
    /// Whether the open file is wanted to its end, also past what is inspected of its message.
    fn is_kept(&self, _handle: FileHandle) -> bool {
        false
    }
}

/// The part of a file that a transfer carries, in bytes; `end` is the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// First byte.
    pub start: u64,
    /// Last byte.
    pub end: u64,
    /// Size of the whole file, 0 where unknown.
    pub size: u64,
    /// Digest of what names the whole for its protocol: parts of one have the same.
    pub resource: u64,
}

/// A sink for those who want no files.
#[derive(Debug, Default)]
pub struct NoFiles;

impl FileSink for NoFiles {
    fn open(&mut self, _: FileHandle, _: u64, _: &[u8], _: Option<FileRange>) {}
    fn append(&mut self, _: FileHandle, _: &[u8]) {}
    fn gap(&mut self, _: FileHandle, _: u64) {}
    fn close(&mut self, _: FileHandle, _: bool) {}
}

/// A file as a text, for tests: what came, `?` for each missing byte, `.` where it ended whole, `!` where it did not.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct FileText(pub(crate) String);

#[cfg(test)]
impl FileSink for FileText {
    fn open(&mut self, _: FileHandle, _: u64, name: &[u8], _: Option<FileRange>) {
        self.0 += &format!("{}:", String::from_utf8_lossy(name));
    }
    fn append(&mut self, _: FileHandle, data: &[u8]) {
        self.0 += &String::from_utf8_lossy(data);
    }
    fn gap(&mut self, _: FileHandle, missing: u64) {
        self.0 += &"?".repeat(usize::try_from(missing).unwrap());
    }
    fn close(&mut self, _: FileHandle, complete: bool) {
        self.0.push(if complete { '.' } else { '!' });
    }
}
