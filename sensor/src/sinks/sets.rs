//! Files in which sets of rules are kept. A rule chooses the name: it replaces a set that was kept before, and nothing else.

use std::io;
use std::path::{Component, Path, PathBuf};

use tapwire_signatures::rule::dataset::{Kind, is_set};

use super::open::Folder;
use super::plain::read_plain;

/// Bytes of the largest set that is replaced.
const LIMIT_BYTES: u64 = 512 << 20;
/// Names that the sensor gives itself, in the folder of records or that of data.
const RESERVED: [&str; 2] = ["cache", "tenants"];

/// Where a tenant's sets are kept, below the folder of data.
pub fn tenant_folder(tenant: u32) -> PathBuf {
    match tenant {
        0 => PathBuf::new(),
        _ => Path::new("tenants").join(tenant.to_string()),
    }
}

/// Names of what the sensor itself writes.
#[derive(Clone, Debug)]
pub struct OwnNames(Vec<PathBuf>);

impl OwnNames {
    /// Those of outputs and stores, and those that it gives itself.
    pub fn new(outputs: impl Iterator<Item = PathBuf>) -> Self {
        Self(outputs.chain(RESERVED.map(PathBuf::from)).collect())
    }

    /// Why a set may not have a name.
    pub fn refuse(&self, name: &Path) -> Option<&'static str> {
        let plain: PathBuf = name.components().filter(|part| *part != Component::CurDir).collect();
        let last = plain.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_own = last.starts_with('.') || last.starts_with("panic-") || last.ends_with(".lock");
        let is_own = is_own || self.0.iter().any(|own| plain.starts_with(own) || own.starts_with(&plain));
        is_own.then_some("that is a name of the sensor's own")
    }
}

/// Keeps sets below the folder of data.
#[derive(Debug)]
pub struct Sets {
    names: OwnNames,
    data: PathBuf,
    /// What is written meanwhile, wherever that is.
    own: Vec<PathBuf>,
}

impl Sets {
    /// Sets beside the records of a run.
    pub fn new(names: OwnNames, records: &Path, data: &Path) -> Self {
        let own = names.0.iter().filter_map(|name| records.join(name).canonicalize().ok()).collect();
        Self { names, data: data.to_owned(), own }
    }

    /// Puts a set in its place as a whole.
    pub fn keep(&self, tenant: u32, name: &str, kind: Kind, text: &str) -> io::Result<()> {
        let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        if let Some(why) = self.names.refuse(Path::new(name)) {
            return refused(why);
        }
        let place = tenant_folder(tenant).join(name);
        let whole = self.data.join(&place);
        if whole.is_symlink() {
            return refused("a link is there");
        }
        if whole.canonicalize().is_ok_and(|path| self.own.iter().any(|own| path.starts_with(own))) {
            return refused("that is a file of the sensor's own");
        }
        match read_plain(&whole, LIMIT_BYTES) {
            Ok(there) if !is_set(kind, &there) => {
                return refused("there is something else, which is no set of its type");
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let below = place.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        // Only what the configuration allows leads elsewhere.
        let (folder, place) = match whole.file_name().zip(whole.parent()) {
            Some((file, parent)) if !below => (parent, PathBuf::from(file)),
            _ => (self.data.as_path(), place.components().filter(|part| *part != Component::CurDir).collect()),
        };
        Folder::make(folder)?.put(&place, text.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_replaces_a_set_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for (name, text) in [("old.lst", "YQ==\n"), ("empty.lst", ""), ("other.log", "a record\n"), ("victim", "x y\n")]
        {
            std::fs::write(place(name), text).unwrap();
        }
        std::fs::write(place("eve.json.zst"), "").unwrap();
        std::os::unix::fs::symlink(place("victim"), place("link.lst")).unwrap();
        std::os::unix::fs::symlink(folder.path(), place("folder")).unwrap();
        std::fs::create_dir(place("is.lst")).unwrap();
        let sets = Sets::new(OwnNames::new(["eve.json.zst".into()].into_iter()), folder.path(), folder.path());
        for (name, kept) in [
            ("old.lst", true),
            ("empty.lst", true),
            ("new.lst", true),
            ("./inner/new.lst", true),
            ("other.log", false),
            ("victim", false),
            ("link.lst", false),
            ("folder/x.lst", false),
            ("is.lst", false),
            ("eve.json.zst", false),
            ("./eve.json.zst", false),
            ("eve.json.zst/x", false),
            ("cache/rules.tapwire", false),
            ("cache", false),
            (".rules.new", false),
            ("eve.json.lock", false),
            ("panic-1.pcap", false),
            ("tenants/1/x.lst", false),
        ] {
            let result = sets.keep(0, name, Kind::String, "Yg==\n");
            assert_eq!(result.is_ok(), kept, "{name} {result:?}");
            assert_eq!(kept, std::fs::read(place(name)).is_ok_and(|text| text == b"Yg==\n"), "{name}");
        }
        assert!(sets.keep(7, "a.lst", Kind::Md5, "").is_ok() && place("tenants/7/a.lst").is_file());
        assert_eq!(std::fs::read(place("victim")).unwrap(), b"x y\n");
    }
}
