//! New files for what is written as it comes: after a time, after some bytes, or where somebody asks.
//!
//! A name with the time in it (`eve-%Y%m%dT%H%M%SZ.json`) is that of each file for ever; one without is that of the newest, which
//! gets another name when the next is begun. Times are of UTC.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tapwire_parsers::link::Timestamp;

/// Names that are tried for one that is taken.
const NAMES: u32 = 1_000;
/// What tells finished files of one name apart.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// When a new file is begun, and what becomes of old ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// `rotate-interval`: the time of a file.
    pub every: Option<Every>,
    /// `rotate-size`: its bytes; 0 for any.
    pub bytes: u64,
    /// `keep`: finished ones that stay; 0 for all.
    pub keep: u32,
    /// `archive`: the folder that they go to, where that is another one.
    pub archive: Option<PathBuf>,
}

/// How long a file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// So many seconds.
    Seconds(u32),
    /// Until the next multiple of so many seconds since 1970: a minute, an hour, a day.
    Multiple(u32),
}

impl Every {
    /// Reads `minute`, `hour`, `day`, `90`, `30s`, `15m`, `12h`, `7d`, `1w`.
    pub fn parse(text: &str) -> Option<Self> {
        let named = [("minute", 60), ("hour", 3_600), ("day", 86_400)];
        if let Some((_, seconds)) = named.iter().find(|(name, _)| *name == text) {
            return Some(Self::Multiple(*seconds));
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let unit = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        let seconds = count.parse::<u32>().ok()?.checked_mul(unit)?;
        (seconds > 0).then_some(Self::Seconds(seconds))
    }
}

/// Since when a file is written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    time: Timestamp,
    at: Instant,
}

impl Since {
    /// Since now.
    pub(super) fn now(time: Timestamp) -> Self {
        Self { time, at: Instant::now() }
    }
}

impl Rotation {
    /// Whether a new file is to be begun.
    pub(super) fn is_due(&self, since: Since, bytes: u64, now: Timestamp) -> bool {
        let is_late = match self.every {
            None => false,
            Some(Every::Seconds(seconds)) => since.at.elapsed() >= Duration::from_secs(seconds.into()),
            Some(Every::Multiple(seconds)) => {
                let nth = |time: Timestamp| time.0 / 1_000_000 / u64::from(seconds.max(1));
                nth(now) != nth(since.time)
            }
        };
        bytes > 0 && (is_late || self.bytes > 0 && bytes >= self.bytes)
    }

    /// Gives a finished file the place and name where it stays; those that are too many go.
    pub(super) fn finish(&self, path: &Path, pattern: &Path, now: Timestamp) -> io::Result<()> {
        let (Some(folder), Some(file), Some(pattern)) = (path.parent(), path.file_name(), pattern.file_name()) else {
            return Ok(());
        };
        let to = self.archive.as_deref().unwrap_or(folder);
        let has_time = has_time(pattern);
        if !has_time || to != folder {
            fs::create_dir_all(to)?;
            let mut name = to.join(file).into_os_string();
            if !has_time {
                name.push(format!(".{}", written(STAMP, now)));
            }
            renamed(path, &name)?;
        }
        if self.keep > 0 {
            self.remove_old(to, path, pattern)?;
        }
        Ok(())
    }

    /// Removes the oldest finished files.
    fn remove_old(&self, folder: &Path, current: &Path, pattern: &OsStr) -> io::Result<()> {
        let Some(mut pattern) = pattern.to_str().map(str::to_owned) else { return Ok(()) };
        let has_time = pattern.contains('%');
        if !has_time {
            pattern.push_str(&format!(".{STAMP}"));
        }
        let mut finished: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let is_ours = entry.file_name().to_str().is_some_and(|name| is_of(&pattern, name));
            // What is written to next is named later.
            if is_ours
                && (!has_time || entry.path() != current || self.archive.is_some())
                && entry.file_type()?.is_file()
            {
                finished.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        finished.sort();
        let keep = usize::try_from(self.keep).unwrap_or(usize::MAX);
        // The one that was finished just now is there under its own name.
        let keep = if has_time && self.archive.is_none() { keep.saturating_sub(1) } else { keep };
        for (_, path) in finished.iter().take(finished.len().saturating_sub(keep)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn has_time(pattern: &OsStr) -> bool {
    pattern.to_string_lossy().contains('%')
}

/// The file that a pattern means at a time; it itself where it has no time in it, or is none that can be written.
pub(super) fn named(pattern: &Path, now: Timestamp) -> PathBuf {
    match pattern.to_str().filter(|text| text.contains('%')) {
        Some(text) => PathBuf::from(written(text, now)),
        None => pattern.to_owned(),
    }
}

/// The same for a new file, which must have a name of its own.
pub(super) fn named_anew(pattern: &Path, now: Timestamp) -> PathBuf {
    let path = named(pattern, now);
    if !has_time(pattern.as_os_str()) {
        return path;
    }
    let (folder, file) =
        (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default().to_string_lossy());
    let (stem, end) = file.find('.').map_or((&*file, ""), |dot| file.split_at(dot));
    let numbered = (1..NAMES).map(|number| folder.join(format!("{stem}-{number}{end}")));
    std::iter::once(path.clone()).chain(numbered).find(|path| !path.exists()).unwrap_or(path)
}

fn written(pattern: &str, now: Timestamp) -> String {
    let time = i64::try_from(now.0).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    jiff::fmt::strtime::format(pattern, time.unwrap_or_default()).unwrap_or_else(|_| pattern.to_owned())
}

/// Whether a pattern can be written; why not.
pub fn checked(pattern: &str) -> Result<(), String> {
    jiff::fmt::strtime::format(pattern, jiff::Timestamp::default()).map(drop).map_err(|error| error.to_string())
}

/// Renames a file, to a name with a number where the name is taken.
fn renamed(path: &Path, to: &OsStr) -> io::Result<()> {
    for number in 0..NAMES {
        let mut name = to.to_owned();
        if number > 0 {
            name.push(format!("-{number}"));
        }
        match renameat_with(CWD, path, CWD, &name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            result => return Ok(result?),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether a name is one that a pattern with a time in it may have become, with a number at its end or before its first dot.
fn is_of(pattern: &str, name: &str) -> bool {
    let Some(at) = pattern.find('%') else {
        return name.strip_prefix(pattern).is_some_and(is_number)
            || pattern.split_once('.').is_some_and(|(stem, end)| {
                let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(end)?.strip_suffix('.'));
                rest.is_some_and(is_number)
            });
    };
    let (literal, rest) = pattern.split_at(at);
    let Some(name) = name.strip_prefix(literal) else { return false };
    let mut behind = rest.chars();
    let kind = behind.by_ref().nth(1).unwrap_or('%');
    let in_it = |c: char| match kind {
        'a' | 'A' | 'b' | 'B' | 'h' | 'p' | 'P' | 'Z' => c.is_ascii_alphanumeric(),
        'F' | 'T' | 'D' | 'R' => c.is_ascii_digit() || "-:/".contains(c),
        _ => c.is_ascii_digit(),
    };
    let most = name.find(|c| !in_it(c)).unwrap_or(name.len()).min(16);
    (1..=most).rev().any(|taken| name.get(taken..).is_some_and(|name| is_of(behind.as_str(), name)))
}

fn is_number(rest: &str) -> bool {
    rest.is_empty() || rest.strip_prefix('-').is_some_and(|digits| digits.parse::<u32>().is_ok())
}

#[cfg(test)]
#[path = "rotation/tests.rs"]
mod tests;
