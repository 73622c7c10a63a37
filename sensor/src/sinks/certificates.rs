//! The folder of stored certificates: for each chain a file with it (PEM) and one that says where it was seen.

use std::io;
use std::path::{Path, PathBuf};

use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::Direction;

use super::open::put_in_place;

/// How certificates are stored.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder: below that of records, unless it is absolute.
    pub folder: PathBuf,
    /// Chains that a run stores.
    pub chains: u64,
}

/// Stores certificate chains.
pub struct Certificates {
    folder: PathBuf,
    limit: u64,
    /// Chains that were stored.
    pub stored: u64,
    /// Chains beyond the limit of a run.
    pub refused: u64,
    /// Chains that the file system refused.
    pub errors: u64,
    failure: Option<String>,
}

impl Certificates {
    /// A store in a folder below another one, or where its settings say.
    pub fn new(settings: &Settings, log_folder: &Path) -> Self {
        let folder = log_folder.join(&settings.folder);
        Self { folder, limit: settings.chains, stored: 0, refused: 0, errors: 0, failure: None }
    }

    /// Stores a chain that was seen at a time, on its way to the client from the server or the other way, and what is known of it.
    pub fn store(&mut self, (time, direction): (Timestamp, Direction), chain: &[u8], about: &[u8]) {
        if self.stored >= self.limit {
            self.refused += 1;
            return;
        }
        self.stored += 1;
        let of_whom = match direction {
            Direction::ToClient => "",
            Direction::ToServer => "client-",
        };
        let name = format!("{of_whom}{}.{:06}-{}", time.0 / 1_000_000, time.0 % 1_000_000, self.stored);
        let put = |ending, text| put_in_place(&self.folder.join(format!("{name}.{ending}")), text);
        if let Err(error) = put("pem", chain).and_then(|()| put("meta", about)) {
            self.refuse(&error);
        }
    }

    /// What went wrong first, once.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    fn refuse(&mut self, error: &io::Error) {
        self.stored -= 1;
        if self.errors == 0 {
            let folder = self.folder.display();
            self.failure = Some(format!("certificates cannot be stored below {folder}: {error}; records go on"));
        }
        self.errors += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stores_so_many_chains() {
        let folder = tempfile::tempdir().unwrap();
        let settings = |folder: &str| Settings { folder: folder.into(), chains: 2 };
        let mut store = Certificates::new(&settings("certs"), folder.path());
        for direction in [Direction::ToClient, Direction::ToServer, Direction::ToClient] {
            store.store((Timestamp(1_500_000_000_000_007), direction), b"chain", b"about");
        }
        assert_eq!((store.stored, store.refused, store.errors), (2, 1, 0));
        let read = |name: &str| std::fs::read(folder.path().join("certs").join(name)).unwrap();
        assert_eq!(read("client-1500000000.000007-2.pem"), b"chain");
        assert_eq!(read("1500000000.000007-1.meta"), b"about");
        std::fs::write(folder.path().join("file"), "").unwrap();
        let mut store = Certificates::new(&settings("file"), folder.path());
        (0..2).for_each(|_| store.store((Timestamp(0), Direction::ToClient), b"chain", b"about"));
        assert_eq!((store.stored, store.errors), (0, 2));
        assert!(store.take_failure().is_some() && store.take_failure().is_none());
    }
}
