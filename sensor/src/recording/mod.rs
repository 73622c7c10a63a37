//! Packets on disk: plain captures as other sensors write them (`pcap-log`), and a [`ring`] of compressed segments with an index,
//! out of which the packets of a flow or an alert are [fetched](fetch).
//!
//! The [`recorder`] is one more receiver of batches, with a thread of its own. It holds a batch until the writer has said what
//! became of it ([`Verdicts`]): which packets are of which flows, and which alerts were decided. A [`selection`] then says which
//! packets are recorded; those that may be wanted later wait in a [memory](before) of bounded size.
//!
//! Nobody waits for a disk where an interface is watched: what comes faster than it can be written is not recorded, and counted.

pub mod before;
pub mod fetch;
pub mod filter;
pub mod packet;
pub mod pcap_file;
pub mod pcap_log;
pub mod recorder;
pub mod ring;
pub mod segment;
pub mod selection;

use std::io;
use std::path::{Path, PathBuf};

use crate::decode::tunnels::Tunnels;
use crate::records::noted::Noted;
use packet::Alerted;
use selection::Way;

/// What is recorded, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Plain captures.
    pub pcap_logs: Vec<pcap_log::Settings>,
    /// The ring of segments.
    pub ring: Option<ring::Settings>,
    /// Live: bytes of packets that wait to be recorded.
    pub backlog_bytes: usize,
    /// How packets are read that no worker took.
    pub tunnels: Tunnels,
}

impl Settings {
    /// Whether anything is recorded.
    pub fn is_idle(&self) -> bool {
        self.pcap_logs.is_empty() && self.ring.is_none()
    }

    /// Whether some packets are recorded because tags of rules want them.
    pub fn follows_tags(&self) -> bool {
        let logs = self.pcap_logs.iter().map(|log| log.selection.mode);
        logs.chain(self.ring.iter().map(|ring| ring.selection.mode)).any(|mode| mode == selection::Mode::Tagged)
    }

    /// Folders of what is recorded, below that of records.
    pub fn places(&self) -> impl Iterator<Item = PathBuf> {
        let logs = self.pcap_logs.iter().map(|log| log.folder.join(&log.filename));
        logs.chain(self.ring.iter().map(|ring| ring.folder.clone()))
    }
}

/// What the writer says of one batch of packets.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// The batch's place among all.
    pub sequence: u64,
    /// The packets of flows, in the order of their numbers.
    pub packets: Vec<Noted>,
    /// Alerts that were decided, in the order of their packets.
    pub alerts: Vec<Alerted>,
    /// Numbers of packets that tags of rules want.
    pub tagged: Vec<u64>,
}

/// The ways that settings lead to, below a folder.
pub fn ways(settings: &Settings, log_folder: &Path) -> io::Result<Vec<Way>> {
    let mut ways = Vec::new();
    for log in &settings.pcap_logs {
        ways.push(Way::new(log.selection.clone(), Box::new(pcap_log::PcapLog::new(log, log_folder)?)));
    }
    if let Some(ring) = &settings.ring {
        ways.push(Way::new(ring.selection.clone(), Box::new(ring::Ring::open(ring, log_folder)?)));
    }
    Ok(ways)
}
