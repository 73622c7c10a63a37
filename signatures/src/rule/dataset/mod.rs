//! Sets of values that rules ask about and change (`dataset`), with a record or a score for each value where a file gives one.
//!
//! What a file holds is loaded once and never changes; it is shared by all workers. What rules add and remove while traffic is
//! inspected lies over it, in [`Changes`], which one thread owns.

mod entries;
mod read;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use smallvec::SmallVec;

pub use entries::{Entries, Note};
pub use read::{Format, Layout, Read};

/// What the values of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes; base64 in files.
    String,
    /// 16 bytes; hexadecimal in files.
    Md5,
    /// 32 bytes; hexadecimal in files.
    Sha256,
    /// 4 bytes; an address in files.
    Ipv4,
    /// An address of either version.
    Ip,
}

/// A value as it is kept.
pub type Key = SmallVec<[u8; 32]>;

impl Kind {
    /// The kind that a word of the language means.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "string" => Self::String,
            "md5" => Self::Md5,
            "sha256" => Self::Sha256,
            "ipv4" => Self::Ipv4,
            "ip" | "ipv6" => Self::Ip,
            _ => return None,
        })
    }

    /// The word of the language for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Ipv4 => "ipv4",
            Self::Ip => "ip",
        }
    }

    /// A value of a buffer as it is kept; `None` where the bytes cannot be one.
    pub fn key(self, bytes: &[u8]) -> Option<Key> {
        let length = match self {
            Self::String => bytes.len(),
            Self::Md5 => 16,
            Self::Sha256 => 32,
            Self::Ipv4 => 4,
            Self::Ip => {
                let v4 = <[u8; 4]>::try_from(bytes).map(|v4| Ipv4Addr::from(v4).to_ipv6_mapped().octets());
                return v4.or_else(|_| bytes.try_into()).ok().map(|octets: [u8; 16]| Key::from_slice(&octets));
            }
        };
        (bytes.len() == length && length > 0).then(|| Key::from_slice(bytes))
    }

    /// A value as it stands in plain files, as it is kept.
    pub fn from_file(self, text: &str) -> Option<Key> {
        match self {
            Self::String => BASE64.decode(text.as_bytes()).ok().and_then(|bytes| self.key(&bytes)),
            _ => self.from_text(text),
        }
    }

    /// A value as it stands in JSON files, as it is kept: strings are what they are.
    pub fn from_text(self, text: &str) -> Option<Key> {
        match self {
            Self::String => self.key(text.as_bytes()),
            Self::Md5 | Self::Sha256 => {
                HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| self.key(&bytes))
            }
            Self::Ipv4 => text.parse::<Ipv4Addr>().ok().map(|address| Key::from_slice(&address.octets())),
            Self::Ip => text.parse::<IpAddr>().ok().and_then(|address| match address {
                IpAddr::V4(v4) => self.key(&v4.octets()),
                IpAddr::V6(v6) => self.key(&v6.octets()),
            }),
        }
    }

    /// A kept value as it stands in plain files.
    pub fn to_file(self, key: &[u8]) -> String {
        match self {
            Self::String => BASE64.encode(key),
            Self::Md5 | Self::Sha256 => HEXLOWER.encode(key),
            Self::Ipv4 => {
                <[u8; 4]>::try_from(key).map(Ipv4Addr::from).map_or_else(|_| String::new(), |a| a.to_string())
            }
            Self::Ip => <[u8; 16]>::try_from(key).map(Ipv6Addr::from).map_or_else(
                |_| String::new(),
                |a| a.to_ipv4_mapped().map_or_else(|| a.to_string(), |v4| v4.to_string()),
            ),
        }
    }
}

/// Whether bytes are those of a file in which a set of a kind was kept, be it that some of it is damaged.
pub fn is_set(kind: Kind, bytes: &[u8]) -> bool {
    Layout::default().read(kind, bytes).is_ok_and(|read| read.used >= read.passed)
}

/// What a rule does with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Adds the value; holds where it was not there.
    Set,
    /// Removes the value; holds where it was there.
    Unset,
    /// Holds where it is there.
    IsSet,
    /// Holds where it is not there.
    IsNotSet,
}

/// A set.
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Whose it is: the number of a tenant, 0 where it is nobody's.
    pub tenant: u32,
    /// Its place among all sets of the rules.
    pub index: u16,
    /// What its values are.
    pub kind: Kind,
    /// The file its first values come from, as rules name it.
    pub load: Option<String>,
    /// The file it is written to at the end, as rules name it.
    pub save: Option<String>,
    /// Bytes of values that rules may add.
    pub limit_bytes: usize,
    /// Its first values.
    pub entries: Entries,
    changed_by_rules: AtomicBool,
}

impl Dataset {
    /// A set with its first values.
    pub fn new(name: &str, index: u16, kind: Kind, entries: Entries) -> Self {
        let changed_by_rules = AtomicBool::new(false);
        let limit_bytes = DEFAULT_LIMIT_BYTES;
        let (load, save) = (None, None);
        Self { name: name.into(), tenant: 0, index, kind, load, save, limit_bytes, entries, changed_by_rules }
    }

    /// Whether it is the set that a tenant calls so.
    pub(crate) fn is(&self, tenant: u32, name: &str) -> bool {
        self.tenant == tenant && self.name == name
    }

    /// Notes that a rule adds or removes values: what is in it depends on the traffic from then on.
    pub fn note_change(&self) {
        self.changed_by_rules.store(true, Ordering::Relaxed);
    }

    /// Whether a rule adds or removes values.
    pub fn is_changed_by_rules(&self) -> bool {
        self.changed_by_rules.load(Ordering::Relaxed)
    }

    /// The note of a value that is there from the beginning; with `subdomains` also where a name is there that it ends with.
    pub fn find(&self, key: &[u8], subdomains: bool) -> Option<Note<'_>> {
        let mut names = suffixes(key, subdomains);
        names.find_map(|name| self.entries.get(name))
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dataset({}, {:?}, {} values)", self.name, self.kind, self.entries.len())
    }
}

/// Bytes of values that rules may add to a set where nothing else is said.
pub const DEFAULT_LIMIT_BYTES: usize = 64 << 20;
/// Labels of a name that are looked for.
const LABELS: usize = 64;

/// A name itself, then what begins with each of its dots.
pub(crate) fn suffixes(key: &[u8], subdomains: bool) -> impl Iterator<Item = &[u8]> {
    let dots = memchr::memchr_iter(b'.', key).filter(|&at| at > 0).take(if subdomains { LABELS } else { 0 });
    std::iter::once(key).chain(dots.filter_map(|at| key.get(at..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: Kind, text: &str) -> Dataset {
        Dataset::new("test", 0, kind, Layout::default().read(kind, text.as_bytes()).unwrap().entries)
    }

    #[test]
    fn values_are_kept_as_files_and_buffers_have_them() {
        for (kind, text, bytes) in [
            (Kind::String, "YWJj", &b"abc"[..]),
            (Kind::Md5, "000102030405060708090a0b0c0d0e0f", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
            (Kind::Ipv4, "1.2.3.4", &[1, 2, 3, 4]),
            (Kind::Ip, "1.2.3.4", &[1, 2, 3, 4]),
        ] {
            let key = kind.key(bytes).unwrap();
            assert_eq!(kind.from_file(text).as_ref(), Some(&key), "{kind:?}");
            assert_eq!(kind.to_file(&key), text, "{kind:?}");
            assert!(set(kind, &format!("{text}\n")).find(&key, false).is_some());
        }
        assert_eq!(Kind::Ip.from_file("::ffff:1.2.3.4"), Kind::Ip.key(&[1, 2, 3, 4]));
        assert_eq!(Kind::Md5.key(b"short"), None);
    }

    #[test]
    fn a_name_is_found_by_what_it_ends_with_where_that_is_asked_for() {
        let set = set(Kind::String, &BASE64.encode(b".evil.com"));
        for (name, found) in [(".evil.com", true), (".www.evil.com", true), (".notevil.com", false), (".com", false)] {
            assert_eq!(set.find(name.as_bytes(), true).is_some(), found, "{name}");
            assert_eq!(set.find(name.as_bytes(), false).is_some(), name == ".evil.com", "{name}");
        }
    }
}
