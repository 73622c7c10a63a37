//! Which captures a command line names.
//!
//! A folder stands for the captures in it and in the folders in it, in the order of their names, in which numbers are counted:
//! what `tcpdump -C` calls `x`, `x1`, … `x10` is read as it was written. What a file is, its first bytes tell.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::CaptureError;
use super::files::{is_capture, is_standard_input};

/// Files that were named, and those in folders that were named.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those to read, and `-` for the standard input.
    pub captures: Vec<PathBuf>,
    /// Those in folders that are no captures.
    pub others: Vec<PathBuf>,
}

impl Listing {
    /// Looks for the captures that `paths` stand for. A file that is named is taken without a look.
    pub fn of(paths: &[PathBuf]) -> Result<Self, CaptureError> {
        let mut listing = Self::default();
        for path in paths {
            let is_folder = || fs::metadata(path).map(|data| data.is_dir()).map_err(|cause| unreadable(path, cause));
            if is_standard_input(path) || !is_folder()? {
                listing.captures.push(path.clone());
                continue;
            }
            let before = listing.captures.len();
            listing.look(path, 0)?;
            if listing.captures.len() == before {
                return Err(CaptureError::Nothing { name: path.display().to_string() });
            }
        }
        Ok(listing)
    }

    /// Links to folders are not followed, as they may lead back.
    fn look(&mut self, folder: &Path, depth: usize) -> Result<(), CaptureError> {
        let list = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut list = list.map_err(|cause| unreadable(folder, cause))?;
        list.sort_by_cached_key(|entry| Counted(entry.file_name()));
        for entry in list {
            let path = entry.path();
            let kind = entry.file_type().map_err(|cause| unreadable(&path, cause))?;
            if kind.is_dir() {
                if depth < DEPTH_LIMIT {
                    self.look(&path, depth + 1)?;
                }
            } else if path.is_file() {
                let is_capture = is_capture(&path).map_err(|cause| unreadable(&path, cause))?;
                let list = if is_capture { &mut self.captures } else { &mut self.others };
                list.push(path);
            }
        }
        Ok(())
    }
}

/// A name in an order in which the numbers in it are counted.
#[derive(PartialEq, Eq)]
struct Counted(OsString);

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        by_numbers(&self.0, &other.0).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn by_numbers(one: &OsStr, other: &OsStr) -> Ordering {
    let (mut one, mut other) = (one.as_encoded_bytes(), other.as_encoded_bytes());
    loop {
        let (first, second) = (leading_number(&mut one), leading_number(&mut other));
        // Of two numbers without zeros before them, the one with more digits is the greater.
        let order = match (first, second) {
            (Some(first), Some(second)) => first.len().cmp(&second.len()).then_with(|| first.cmp(second)),
            // Nothing, and what is no digit, stand before digits as they do in ASCII, as far as names have it.
            (Some(_), None) => b'0'.cmp(other.first().unwrap_or(&0)),
            (None, Some(_)) => one.first().unwrap_or(&0).cmp(&b'0'),
            (None, None) => match (one.split_first(), other.split_first()) {
                (Some((a, rest)), Some((b, more))) if a == b => {
                    (one, other) = (rest, more);
                    continue;
                }
                (a, b) => return a.map(|(a, _)| a).cmp(&b.map(|(b, _)| b)),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes the digits off that a name begins with, and gives them without the zeros before them.
fn leading_number<'n>(name: &mut &'n [u8]) -> Option<&'n [u8]> {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = name.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
    *name = rest;
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    number.get(zeros..)
}

/// A name for each capture that no other one has: that of its file, and a number behind it where several are called so.
pub fn own_names(captures: &[PathBuf]) -> Vec<OsString> {
    let own = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_owned();
    // What is the name of a file is never made up for another one.
    let files: HashSet<OsString> = captures.iter().map(own).collect();
    let (mut taken, mut numbers) = (HashSet::new(), HashMap::<OsString, u32>::new());
    captures
        .iter()
        .map(|path| {
            let mut name = own(path);
            while !taken.insert(name.clone()) {
                let number = numbers.entry(own(path)).or_insert(1);
                loop {
                    *number += 1;
                    name = own(path);
                    name.push(format!(".{number}"));
                    if !files.contains(&name) {
                        break;
                    }
                }
            }
            name
        })
        .collect()
}

fn unreadable(path: &Path, cause: io::Error) -> CaptureError {
    CaptureError::Unreadable { name: path.display().to_string(), cause }
}

const DEPTH_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_captures_have_one_name() {
        for (paths, expected) in [
            (vec!["a/x.pcap", "b/x.pcap", "c/x.pcap"], vec!["x.pcap", "x.pcap.2", "x.pcap.3"]),
            (vec!["x.pcap", "x.pcap.gz", "X.pcap"], vec!["x.pcap", "x.pcap.gz", "X.pcap"]),
            (vec!["a/x", "b/x", "x.2", "c/x.2"], vec!["x", "x.3", "x.2", "x.2.2"]),
            (vec!["x", "x"], vec!["x", "x.2"]),
            (vec!["-"], vec!["-"]),
        ] {
            let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
            assert_eq!(own_names(&paths), expected);
        }
    }

    #[test]
    fn numbers_in_names_are_counted() {
        for names in [
            &["cap.pcap", "cap.pcap1", "cap.pcap2", "cap.pcap10"][..],
            &["cap.pcap.gz", "cap.pcap1.gz", "cap.pcap2.gz", "cap.pcap10.gz"],
            &["a", "a-1", "a00", "a01", "a1", "a002", "a10b", "a10c", "a99999999999999999999999", "b"],
        ] {
            let mut sorted: Vec<_> = names.iter().rev().map(|name| Counted((*name).into())).collect();
            sorted.sort();
            assert!(sorted.iter().map(|name| &name.0).eq(names), "{names:?}");
        }
    }

    #[test]
    fn a_folder_stands_for_the_captures_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, data: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, data).unwrap();
            path
        };
        let header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0];
        let captures = [
            write("a.txt", &header),
            write("b/1.pcap", &header),
            write("b/2", &zstd::encode_all(&header[..], 1).unwrap()),
            write("damaged", &header[..20]),
        ];
        let others = [write("b/notes.pcap", b"no capture"), write("empty.pcap", b"")];
        let listing = Listing::of(&[folder.path().to_path_buf(), "-".into(), others[0].clone()]).unwrap();
        let named = ["-".into(), others[0].clone()];
        assert_eq!(listing.captures, [&captures[..], &named].concat());
        assert_eq!(listing.others, others);
    }

    #[test]
    fn a_folder_without_captures_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let error = Listing::of(&[folder.path().to_path_buf()]).unwrap_err();
            assert!(matches!(error, CaptureError::Nothing { .. }) && error.exit_status() == 1);
            fs::write(folder.path().join("notes"), "none").unwrap();
        }
        assert_eq!(Listing::of(&["/no/such/file".into()]).unwrap_err().exit_status(), 1);
    }
}
