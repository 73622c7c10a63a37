//! The rule files that are meant: by name, folder or pattern.

use std::path::{Path, PathBuf};

use tapwire_signatures::language::load::Source;

use super::{Found, read_text};
use crate::start::cli::Common;
use crate::start::config::{Configuration, Problem};

/// The rule files that the command line or the configuration names; what cannot be found is told.
pub(super) fn paths(common: &Common, configuration: &Configuration, found: &mut Found) -> Vec<PathBuf> {
    if common.no_rules {
        return Vec::new();
    }
    let from_command = !common.rules.is_empty();
    let named: Vec<String> = if from_command {
        common.rules.clone()
    } else {
        let base = configuration.rule_path.clone().unwrap_or_default();
        configuration.rule_files.iter().map(|f| base.join(f).display().to_string()).collect()
    };
    let mut paths = Vec::new();
    for name in named {
        match expand(&name) {
            Ok(mut files) => paths.append(&mut files),
            Err(error) => {
                let hint = "name a rule file, a folder of *.rules, or a pattern";
                let problem = Problem::of_line(&name, 0, format!("cannot be read: {error}"), hint);
                // A configuration made for another place often names files that are not here.
                let list = if from_command { &mut found.faults } else { &mut found.warnings };
                list.push(problem);
                found.unread += 1;
            }
        }
    }
    paths
}

/// The texts of rule files, each read when it is its turn.
pub(super) fn sources<'a>(paths: &'a [PathBuf], found: &'a mut Found) -> impl Iterator<Item = Source> + 'a {
    paths.iter().filter_map(|path| match read_text(path) {
        Ok(text) => Some(Source { name: path.display().to_string(), text }),
        Err(error) => {
            let message = format!("cannot be read: {error}");
            found.faults.push(Problem::of_file(path, message, "check the path and its permissions"));
            found.unread += 1;
            None
        }
    })
}

/// A file stands for itself, a folder for its rule files, a pattern (`*` and `?` in its last part) for what it matches.
fn expand(name: &str) -> std::io::Result<Vec<PathBuf>> {
    let path = Path::new(name);
    let listed = |folder: &Path, fits: &dyn Fn(&str) -> bool| -> std::io::Result<Vec<PathBuf>> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
        let mut found: Vec<PathBuf> =
            entries.into_iter().filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(fits)).collect();
        found.sort();
        Ok(found)
    };
    if path.is_dir() {
        return listed(path, &|n| n.ends_with(".rules"));
    }
    let pattern = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if !path.exists() && pattern.contains(['*', '?']) {
        let found = listed(path.parent().unwrap_or(Path::new("")), &|n| fits(pattern.as_bytes(), n.as_bytes()))?;
        return if found.is_empty() { Err(std::io::Error::other("nothing fits the pattern")) } else { Ok(found) };
    }
    std::fs::metadata(path)?;
    Ok(vec![path.to_owned()])
}

/// Whether a name fits a pattern of `*` (anything) and `?` (one character).
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => fits(rest, name) || name.split_first().is_some_and(|(_, tail)| fits(pattern, tail)),
        (Some((b'?', rest)), Some((_, tail))) => fits(rest, tail),
        (Some((p, rest)), Some((n, tail))) => p == n && fits(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, expected) in
            [("*.rules", "a.rules", true), ("a?c*", "abcde", true), ("a?c", "ac", false), ("*", "", true)]
        {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
