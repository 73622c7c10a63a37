//! The cache of rules: what one run leaves in a file, so that the next one starts faster.
//!
//! It only saves time: a file that is missing, cannot be read or was written by another program is one more start without it.

use std::fs::{DirBuilder, OpenOptions, symlink_metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tapwire_signatures::language::cache::{Key, write};
use tapwire_signatures::language::loading::Loader;
use tapwire_signatures::plan::Plan;

use super::RULE_FILE_LIMIT;
use super::environment::data_dir;
use crate::sinks::open::Folder;
use crate::start::cli::Common;
use crate::start::config::{Configuration, Problem};

/// The name of the cache in its folder, and that of its key.
const CACHE: &str = "rules.tapwire";
const KEY: &str = "key";
/// What others may do with a file or folder of theirs: `w` for the group and for all.
const WRITE_OF_OTHERS: u32 = 0o022;
/// Anything at all.
const ALL_OF_OTHERS: u32 = 0o077;

/// The file, where there is one.
pub(super) struct Cache {
    folder: PathBuf,
    program: String,
    /// With which it is believed; why it is not where there is none.
    key: Result<Key, String>,
}

impl Cache {
    /// The one of a configuration; `None` where it has no folder for it, or none is wanted.
    pub(super) fn of(common: &Common, configuration: &Configuration) -> Option<Self> {
        if !configuration.rule_cache.enabled {
            return None;
        }
        let in_data = || data_dir(common, configuration).map(|folder| folder.join("cache"));
        let folder = configuration.rule_cache.folder.clone().or_else(in_data)?;
        if is_of_another(&folder) {
            return None;
        }
        let (program, key) = (program()?, key(&folder));
        Some(Self { folder, program, key })
    }

    /// Lets a loader know again what the run before knew; what keeps it from being believed.
    pub(super) fn recall(&self, loader: &mut Loader) -> Option<Problem> {
        let left_aside = |why: &str| {
            let hint =
                "the folder and what is in it must be the sensor's own, and nobody else may write there: chmod -R go-w";
            Problem::of_file(&self.folder, format!("the cache of rules is left aside: {why}"), hint)
        };
        let key = match &self.key {
            Ok(key) => key,
            Err(why) => return Some(left_aside(why)),
        };
        match read_own(&self.folder.join(CACHE), WRITE_OF_OTHERS) {
            // One of another program or key is no cause for alarm: it is written anew.
            Ok(bytes) => drop(loader.recall(&bytes, &self.program, key)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Some(left_aside(&error.to_string()));
            }
            Err(_) => {}
        }
        None
    }

    /// Leaves what a plan knows to the next run.
    pub(super) fn leave(&self, plan: &Plan) -> Result<(), Problem> {
        // Why there is no key was told at the beginning.
        let Ok(key) = &self.key else { return Ok(()) };
        let put = |folder: Folder| folder.put(Path::new(CACHE), &write(plan, &self.program, key));
        Folder::make(&self.folder).and_then(put).map_err(|error| {
            let hint = "name a folder that can be written with detect.sgh-mpm-caching-path, or set detect.sgh-mpm-caching to no";
            Problem::of_file(&self.folder.join(CACHE), format!("the cache of rules cannot be written: {error}"), hint)
        })
    }
}

/// The key of a folder, which is made with it where there is none yet.
fn key(folder: &Path) -> Result<Key, String> {
    let told = |error: io::Error| error.to_string();
    match symlink_metadata(folder) {
        Ok(about) if about.is_symlink() => return Err("its folder is a link".into()),
        Ok(about) if !is_own(&about, WRITE_OF_OTHERS) => return Err("others can write its folder".into()),
        Ok(_) => {}
        Err(_) => DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(told)?,
    }
    let path = folder.join(KEY);
    match read_own(&path, ALL_OF_OTHERS) {
        Ok(bytes) => bytes.try_into().map_err(|_| format!("{} is no key", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = Key::default();
            getrandom::fill(&mut key).map_err(|error| error.to_string())?;
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            made.and_then(|mut file| file.write_all(&key)).map_err(told)?;
            Ok(key)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Reads a file that is the sensor's own, and with which others cannot do what they must not.
fn read_own(path: &Path, forbidden: u32) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || !is_own(&about, forbidden) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not the sensor's own alone"));
    }
    let mut bytes = Vec::new();
    io::copy(&mut file.take(RULE_FILE_LIMIT), &mut bytes)?;
    Ok(bytes)
}

fn is_own(about: &std::fs::Metadata, forbidden: u32) -> bool {
    about.uid() == rustix::process::geteuid().as_raw() && about.mode() & forbidden == 0
}

/// Whether root looks at what a sensor under another name has, or will have: what root leaves there that one could not use.
fn is_of_another(folder: &Path) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let known = folder.ancestors().find_map(|folder| symlink_metadata(folder).ok());
    is_root && known.is_some_and(|about| about.uid() != 0)
}

/// What tells this program from another build of it.
fn program() -> Option<String> {
    let file = std::env::current_exe().and_then(std::fs::metadata).ok()?;
    let modified = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(format!("{} {} {}", env!("CARGO_PKG_VERSION"), file.len(), modified.as_nanos()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn root_leaves_nothing_in_a_folder_of_another() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("data/cache");
        assert!(!is_of_another(&folder), "it is the own one");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(outer.path(), Some(12_345), None).unwrap();
            assert!(is_of_another(&folder));
        }
    }

    #[test]
    fn a_key_is_kept_where_nobody_else_can_write_or_read_it() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("cache");
        let made = key(&folder).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(KEY))), (0o700, 0o600));
        assert_eq!(key(&folder), Ok(made), "it stays");
        for (path, mode, said) in [
            (folder.clone(), 0o777, "others can write"),
            (folder.clone(), 0o720, "others can write"),
            (folder.join(KEY), 0o640, "own alone"),
            (folder.join(KEY), 0o602, "own alone"),
        ] {
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let why = key(&folder).unwrap_err();
            assert!(why.contains(said), "{mode:o} {why}");
            fs::set_permissions(&path, before).unwrap();
        }
        symlink(&folder, outer.path().join("link")).unwrap();
        assert!(key(&outer.path().join("link")).unwrap_err().contains("link"));
        fs::write(folder.join(KEY), "short").unwrap();
        assert!(key(&folder).unwrap_err().contains("no key"));
        fs::remove_file(folder.join(KEY)).unwrap();
        symlink("/dev/zero", folder.join(KEY)).unwrap();
        assert!(key(&folder).is_err());
    }
}
