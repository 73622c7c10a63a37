//! A file of packets in the order of their times, as far as that can be had with a bounded memory: what waited for an alert was recorded
//! behind what came later.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Format;
use crate::recording::packet::{Captured, Owners};
use crate::recording::pcap_file::{Compression, PcapFile};
use crate::recording::segment::block::{self, Found};
use crate::sinks::open;

/// Bytes of packets among which the earliest is written first.
const WINDOW_BYTES: usize = 64 << 20;

/// A file that is made when the first packet comes.
pub(super) struct Out {
    path: PathBuf,
    format: Format,
    window: BinaryHeap<Reverse<Waiting>>,
    held_bytes: usize,
    taken: u64,
    file: Option<Target>,
    others: u64,
    failed: Option<io::Error>,
}

enum Target {
    /// Packets of one link type.
    Pcap(PcapFile, u32),
    /// Packets of these.
    Pcapng(BufWriter<File>, Vec<u32>),
}

/// A packet, by its time, its number, and when it was found.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    place: (u64, u64, u64),
    data: Vec<u8>,
    about: About,
}

#[derive(PartialEq, Eq)]
struct About {
    packet: Captured,
    owners: Owners,
}

impl PartialOrd for About {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for About {
    // Places are all different.
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Out {
    /// One that is written to a path, - for standard output.
    pub(super) fn new(path: &Path, format: Format) -> Self {
        let path = if path.as_os_str() == "-" { Path::new("/dev/stdout") } else { path };
        let (window, file, failed) = (BinaryHeap::new(), None, None);
        Self { path: path.to_owned(), format, window, held_bytes: 0, taken: 0, file, others: 0, failed }
    }

    /// Takes a packet.
    pub(super) fn take(&mut self, found: &Found<'_>) {
        if self.failed.is_some() {
            return;
        }
        self.taken += 1;
        let Found { packet, data, owners } = found;
        self.held_bytes += data.len() + size_of::<Waiting>();
        let place = (packet.time.0, packet.number, self.taken);
        let about = About { packet: *packet, owners: owners.clone() };
        self.window.push(Reverse(Waiting { place, data: data.to_vec(), about }));
        while self.held_bytes > WINDOW_BYTES && self.write_first() {}
    }

    /// Writes what is left; how many packets were of another link type than the first.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        while self.failed.is_none() && self.write_first() {}
        match (self.failed, self.file) {
            (Some(error), _) => return Err(error),
            (None, Some(Target::Pcap(file, _))) => file.finish()?,
            (None, Some(Target::Pcapng(mut file, _))) => file.flush()?,
            (None, None) => {}
        }
        Ok(self.others)
    }

    fn write_first(&mut self) -> bool {
        let Some(Reverse(Waiting { data, about, .. })) = self.window.pop() else { return false };
        self.held_bytes -= data.len() + size_of::<Waiting>();
        if let Err(error) = self.write(&about, &data) {
            self.failed = Some(error);
        }
        self.failed.is_none()
    }

    fn write(&mut self, About { packet, owners }: &About, data: &[u8]) -> io::Result<()> {
        let target = match &mut self.file {
            Some(target) => target,
            None => {
                let file = open::fresh(&self.path)?;
                self.file.insert(match self.format {
                    Format::Pcap => {
                        Target::Pcap(PcapFile::begin(file, Compression::None, packet.link_type)?, packet.link_type)
                    }
                    Format::Pcapng => Target::Pcapng(BufWriter::new(file), Vec::new()),
                })
            }
        };
        match target {
            Target::Pcap(_, link_type) if *link_type != packet.link_type => {
                self.others += 1;
                Ok(())
            }
            Target::Pcap(file, _) => file.write(packet, data),
            Target::Pcapng(file, links) => {
                let mut text = Vec::with_capacity(data.len() + 128);
                if links.is_empty() {
                    block::begin(&mut text);
                }
                let place = links.iter().position(|known| *known == packet.link_type).unwrap_or_else(|| {
                    block::interface(&mut text, packet.link_type);
                    links.push(packet.link_type);
                    links.len() - 1
                });
                block::packet(&mut text, u32::try_from(place).unwrap_or(0), packet, data, owners);
                file.write_all(&text)
            }
        }
    }
}
