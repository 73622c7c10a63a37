//! What a segment holds, in a small file beside it: its times, how many records of each type, where to begin for a time, and filters that
//! say for certain that an address, a name, a digest, a community id, a rule or a flow is not in it.
//!
//! The filters are as large as one wrong answer in a hundred allows.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::IpAddr;

use fastbloom::BloomFilter;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::scan::{Kind, time_of, values};
use super::volume::Volume;
use crate::records::class::{Class, Tally};

/// The form of the file. One of another form is made anew from its segment.
const VERSION: u32 = 1;
/// Bytes of the longest one.
const INDEX_BYTES: u64 = 64 << 20;
/// The same before it was compressed.
const TEXT_BYTES: usize = 256 << 20;
/// The key of the filters, which has to be the same in every run: who makes values that collide gains a wrong "maybe".
const SEED: u128 = 0x7461_7077_6972_6520_6f6e_6520_6c6f_6721;
/// Share of wrong answers.
const WRONG: f64 = 0.01;
/// Different values of a kind in a segment; a filter that would have more says "maybe" to everything.
const VALUES: usize = 1 << 19;
/// Event types of a segment.
const TYPES: usize = 256;
/// Bytes of a segment between two marks.
const MARK_BYTES: u64 = 1 << 20;
/// Names above a name that are found with it: a domain finds its hosts.
const PARENTS: usize = 4;

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Index {
    version: u32,
    /// Bytes of the segment.
    pub(crate) bytes: u64,
    /// Bytes of its records.
    pub(crate) text_bytes: u64,
    /// Microseconds of the first record and of the last, in the order of time.
    pub(crate) times: (u64, u64),
    /// How many records there are of each event type.
    pub(crate) types: BTreeMap<String, u64>,
    /// The same by class.
    pub(crate) records: Tally,
    /// Records that are in no class: what the sensor says of itself.
    pub(crate) others: u64,
    /// Places in it, with the times of what stands behind each up to the next.
    pub(crate) marks: Vec<Mark>,
    filters: Vec<Filter>,
}

/// A place in a segment where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The place.
    pub(crate) offset: u64,
    /// Microseconds of the latest record behind it, up to the next mark.
    pub(crate) last: u64,
}

/// A filter; without bits it says "maybe" to everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Filter {
    hashes: u32,
    bits: Vec<u8>,
}

impl Index {
    /// Reads that of a segment; nothing if it is not there, not whole, or of another form.
    pub(crate) fn read(volume: &impl Volume, file: &str) -> Option<Self> {
        let bytes = volume.get(file, INDEX_BYTES).ok()?;
        let text = zstd::bulk::decompress(&bytes, TEXT_BYTES).ok()?;
        postcard::from_bytes(&text).ok().filter(|index: &Self| index.version == VERSION)
    }

    /// Writes it.
    pub(crate) fn write(&self, volume: &impl Volume, file: &str) -> io::Result<()> {
        let text = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let mut compressor = zstd::bulk::Compressor::new(1)?;
        compressor.include_checksum(true)?;
        volume.put(file, &compressor.compress(&text)?)
    }

    /// Whether there are records of a type.
    pub(crate) fn may_have_type(&self, name: &str) -> bool {
        self.types.contains_key(name) || self.types.len() >= TYPES
    }

    /// Whether a value may be in its segment.
    pub(crate) fn may_hold(&self, kind: Kind, value: &str) -> bool {
        let Some(place) = Kind::FILTERED.iter().position(|filtered| *filtered == kind) else { return true };
        let Some(filter) = self.filters.get(place).filter(|filter| !filter.bits.is_empty()) else { return true };
        let words = filter.bits.chunks_exact(8).filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
        let bloom = BloomFilter::from_vec(words.collect()).seed(&SEED).hashes(filter.hashes.clamp(1, 64));
        let mut found = false;
        hashes(kind, value.as_bytes(), &bloom, false, |hash| found |= bloom.contains_hash(hash));
        found
    }
}

/// Gathers what a segment holds while it is written.
pub(crate) struct Indexer {
    index: Index,
    sets: [HashSet<u64, RandomState>; Kind::FILTERED.len()],
    hasher: BloomFilter,
}

impl Default for Indexer {
    fn default() -> Self {
        let index = Index { version: VERSION, times: (u64::MAX, 0), ..Index::default() };
        Self { index, sets: Default::default(), hasher: BloomFilter::with_num_bits(64).seed(&SEED).hashes(1) }
    }
}

impl Indexer {
    /// Adds the records of a frame at a place.
    pub(crate) fn add(&mut self, text: &[u8], offset: u64) {
        self.index.text_bytes += text.len() as u64;
        if self.index.marks.last().is_none_or(|mark| offset >= mark.offset + MARK_BYTES) {
            self.index.marks.push(Mark { offset, last: 0 });
        }
        for record in text.split_inclusive(|byte| *byte == b'\n') {
            self.record(record);
        }
    }

    fn record(&mut self, record: &[u8]) {
        let Self { index, sets, hasher } = self;
        let (mut has_time, mut has_type) = (false, false);
        values(record, |kind, value| match kind {
            // The first is that of the record itself.
            Kind::Time if !has_time => {
                has_time = true;
                if let Some(time) = time_of(value) {
                    index.times = (index.times.0.min(time), index.times.1.max(time));
                    index.marks.iter_mut().next_back().into_iter().for_each(|mark| mark.last = mark.last.max(time));
                }
            }
            Kind::Type if !has_type => {
                has_type = true;
                match Class::of_event_type(value) {
                    Class::Sensor => index.others += 1,
                    class => index.records.add(class),
                }
                count(&mut index.types, value);
            }
            Kind::Time | Kind::Type => {}
            _ => {
                let set = Kind::FILTERED.iter().position(|filtered| *filtered == kind).and_then(|at| sets.get_mut(at));
                if let Some(set) = set.filter(|set| set.len() <= VALUES) {
                    hashes(kind, value, hasher, true, |hash| {
                        set.insert(hash);
                    });
                }
            }
        });
    }

    /// The whole, for a segment of so many bytes.
    pub(crate) fn finish(mut self, bytes: u64) -> Index {
        self.index.bytes = bytes;
        if self.index.times.0 > self.index.times.1 {
            self.index.times = (0, 0);
        }
        self.index.filters = self.sets.iter().map(filter_of).collect();
        self.index
    }
}

fn count(types: &mut BTreeMap<String, u64>, name: &[u8]) {
    let name = std::str::from_utf8(name).unwrap_or_default();
    if let Some(count) = types.get_mut(name) {
        *count += 1;
    } else if types.len() < TYPES {
        types.insert(name.to_owned(), 1);
    }
}

fn filter_of(set: &HashSet<u64, RandomState>) -> Filter {
    if set.len() > VALUES {
        return Filter::default();
    }
    let mut bloom = BloomFilter::with_false_pos(WRONG).seed(&SEED).expected_items(set.len().max(1));
    for hash in set {
        bloom.insert_hash(*hash);
    }
    let bits = bloom.as_slice().iter().flat_map(|word| word.to_le_bytes()).collect();
    Filter { hashes: bloom.num_hashes(), bits }
}

/// Gives the hashes that a value is found by: one, and those of the domains that it is in where it is put in.
fn hashes(kind: Kind, value: &[u8], hasher: &BloomFilter, with_parents: bool, mut give: impl FnMut(u64)) {
    match kind {
        // What an answer is may be an address or a name.
        Kind::Address | Kind::Name => {
            let text = std::str::from_utf8(value).unwrap_or_default();
            if let Ok(address) = text.parse::<IpAddr>() {
                return give(match address.to_canonical() {
                    IpAddr::V4(address) => hasher.source_hash(&address.octets()),
                    IpAddr::V6(address) => hasher.source_hash(&address.octets()),
                });
            }
            let name = value.strip_suffix(b".").unwrap_or(value).to_ascii_lowercase();
            give(hasher.source_hash(&name[..]));
            let parents = memchr::memchr_iter(b'.', &name).filter_map(|dot| name.get(dot + 1..));
            for parent in parents.filter(|_| with_parents).filter(|parent| parent.contains(&b'.')).take(PARENTS) {
                give(hasher.source_hash(parent));
            }
        }
        Kind::Hash => give(hasher.source_hash(&value.to_ascii_lowercase()[..])),
        _ => give(hasher.source_hash(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::log::volume::Folder;

    fn record(n: u32) -> String {
        format!(
            "{{\"timestamp\":\"2026-12-01T09:{:02}:{:02}.000000+0000\",\"flow_id\":{n},\"event_type\":\"{}\",\"src_ip\":\"10.0.{}.{}\",\
             \"community_id\":\"1:abc{n}=\",\"dns\":{{\"rrname\":\"Host{n}.Example.COM.\",\"rdata\":\"192.0.2.7\"}},\"md5\":\"ABC{n}\"}}\n",
            n / 60 % 60,
            n % 60,
            if n.is_multiple_of(3) { "alert" } else { "dns" },
            n / 256,
            n % 256
        )
    }

    #[test]
    fn an_index_counts_and_finds_what_is_there_and_little_else() {
        let mut indexer = Indexer::default();
        for n in 0..3_000 {
            indexer.add(record(n).as_bytes(), u64::from(n) * 2_000);
        }
        let folder = tempfile::tempdir().unwrap();
        let volume = Folder::at(folder.path());
        indexer.finish(6_000_000).write(&volume, "x.index").unwrap();
        let index = Index::read(&volume, "x.index").unwrap();
        assert_eq!((index.bytes, index.records.of(Class::Alert), index.types["dns"]), (6_000_000, 1_000, 2_000));
        assert_eq!((index.times.1 - index.times.0) / 1_000_000, 49 * 60 + 59);
        assert_eq!(index.marks.len(), 6);
        assert!(index.marks.is_sorted_by_key(|mark| (mark.offset, mark.last)));
        for n in 0..3_000 {
            let holds = |kind, value: &str| assert!(index.may_hold(kind, value), "{value}");
            holds(Kind::Address, &format!("10.0.{}.{}", n / 256, n % 256));
            holds(Kind::Flow, &n.to_string());
            holds(Kind::Name, &format!("host{n}.example.com"));
            holds(Kind::Hash, &format!("abc{n}"));
            holds(Kind::Community, &format!("1:abc{n}="));
        }
        assert!(index.may_hold(Kind::Name, "EXAMPLE.com") && index.may_hold(Kind::Name, "192.0.2.7"));
        assert!(!index.may_hold(Kind::Rule, "1"), "there are none");
        let wrong = (10_000..20_000).filter(|n: &u32| index.may_hold(Kind::Flow, &n.to_string())).count();
        assert!(wrong < 200, "{wrong} of 10000");
        let size = std::fs::metadata(folder.path().join("x.index")).unwrap().len();
        assert!(size < 60_000, "{size} bytes");
    }

    #[test]
    fn a_kind_with_too_many_values_may_be_anything() {
        let mut indexer = Indexer::default();
        indexer.sets[5] = (0..=VALUES as u64).collect();
        let index = indexer.finish(1);
        assert!(index.may_hold(Kind::Flow, "77") && !index.may_hold(Kind::Rule, "77"));
    }

    #[test]
    fn what_is_no_index_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Folder::at(folder.path());
        for bytes in
            [&b""[..], b"text", &zstd::bulk::compress(&[7; 100], 1).unwrap(), &zstd::bulk::compress(b"", 1).unwrap()]
        {
            std::fs::write(folder.path().join("x.index"), bytes).unwrap();
            assert_eq!(Index::read(&volume, "x.index"), None);
        }
    }
}
