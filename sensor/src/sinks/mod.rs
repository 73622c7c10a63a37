//! Ways out: one file for each.

pub mod file;
pub mod packet;
pub mod zstd;

use std::io;

/// Takes records.
pub trait Sink: Send {
    /// Appends a record, which is one whole line.
    fn write(&mut self, record: &[u8]) -> io::Result<()>;
    /// Makes everything that was written readable.
    fn flush(&mut self) -> io::Result<()>;
    /// The same, and it will be there after a crash of the machine.
    fn sync(&mut self) -> io::Result<()>;
}
