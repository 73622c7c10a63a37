//! Ways out: one file for each.

pub mod certificates;
pub mod file;
pub mod file_store;
pub mod open;
pub mod packet;
pub mod script;
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

/// Makes what was written to a file survive a crash. A pipe or a device has nothing to keep and says so; that is no fault.
fn sync(file: &std::fs::File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sinks::file::PlainFile;

    #[test]
    fn a_device_takes_records_like_a_file() {
        let mut sink = PlainFile::create(Path::new("/dev/null"), false).unwrap();
        sink.write(b"{}\n").unwrap();
        sink.sync().unwrap();
    }
}
