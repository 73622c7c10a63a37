//! Files that configurations and rules are made of: plain ones, up to a size. A device, a pipe or a folder under such a name is an
//! error, and so is a file that never ends.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a plain file of at most so many bytes.
pub(crate) fn read_plain(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    // To open a pipe waits for its other end, unless it is asked not to.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(limit_bytes)).unwrap_or(0));
    // What the kernel makes up as it is read has no size beforehand.
    if about.len() > limit_bytes || io::copy(&mut file.take(limit_bytes + 1), &mut bytes)? > limit_bytes {
        return Err(io::Error::other(format!(
            "it is larger than {} KiB, the limit for such a file",
            limit_bytes / 1024
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_up_to_a_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::write(place("file"), [b'x'; 10]).unwrap();
        std::os::unix::fs::symlink("/dev/zero", place("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, place("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        std::fs::File::create(place("sparse")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read_plain(&place("file"), 10).unwrap(), [b'x'; 10]);
        for (name, limit, said) in [
            ("file", 9, "larger"),
            ("sparse", 1 << 20, "larger"),
            ("pipe", 10, "no plain file"),
            ("link", 10, "no plain file"),
            (".", 10, "no plain file"),
            ("/dev/zero", 10, "no plain file"),
            ("/proc/self/mem", 10, ""),
            ("none", 10, ""),
        ] {
            let error = read_plain(&place(name), limit).unwrap_err().to_string();
            assert!(error.contains(said), "{name}: {error}");
        }
    }
}
