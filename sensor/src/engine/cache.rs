//! The cache of rules: what one run leaves in a file, so that the next one starts faster.
//!
//! It only saves time: a file that is missing, cannot be read or was written by another program is one more start without it.

use std::path::PathBuf;

use tapwire_signatures::language::cache::write;
use tapwire_signatures::language::loading::Loader;
use tapwire_signatures::plan::Plan;

use super::environment::{data_dir, read_bytes};
use crate::cli::Common;
use crate::config::{Configuration, Problem};
use crate::sinks::open::put_in_place;

/// The file, where there is one.
pub(super) struct Cache {
    path: PathBuf,
    program: String,
}

impl Cache {
    /// The one of a configuration; `None` where it has no folder for it, or none is wanted.
    pub(super) fn of(common: &Common, configuration: &Configuration) -> Option<Self> {
        if !configuration.rule_cache.enabled {
            return None;
        }
        let in_data = || data_dir(common, configuration).map(|folder| folder.join("cache"));
        let folder = configuration.rule_cache.folder.clone().or_else(in_data)?;
        Some(Self { path: folder.join("rules.tapwire"), program: program()? })
    }

    /// Lets a loader know again what the run before knew.
    pub(super) fn recall(&self, loader: &mut Loader) {
        if let Ok(bytes) = read_bytes(&self.path) {
            loader.recall(&bytes, &self.program);
        }
    }

    /// Leaves what a plan knows to the next run.
    pub(super) fn leave(&self, plan: &Plan) -> Result<(), Problem> {
        put_in_place(&self.path, &write(plan, &self.program)).map_err(|error| {
            let hint = "name a folder that can be written with detect.sgh-mpm-caching-path, or set detect.sgh-mpm-caching to no";
            Problem::of_file(&self.path, format!("the cache of rules cannot be written: {error}"), hint)
        })
    }
}

/// What tells this program from another build of it.
fn program() -> Option<String> {
    let file = std::env::current_exe().and_then(std::fs::metadata).ok()?;
    let modified = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(format!("{} {} {}", env!("CARGO_PKG_VERSION"), file.len(), modified.as_nanos()))
}
