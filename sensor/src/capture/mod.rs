//! Where packets come from, and whose they are.
//!
//! A [`Source`] fills batches: capture files ([`files`], named by a [`listing`]) or interfaces ([`live`]). The thread that reads hands each batch to
//! all workers ([`fanout`]) over bounded rings ([`ring`]), and each of them takes the packets of its shard ([`shard`]). So
//! all see one sequence of batches, and what they find can be put into one order, whatever their number.
//!
//! Nothing here looks above the transport header, and nothing is sized by a length whose bytes have not come.

pub mod batch;
pub mod clock;
pub(crate) mod compression;
pub mod duplicates;
mod error;
pub mod fanout;
pub mod files;
mod format;
mod input;
pub mod listing;
pub mod live;
pub mod offload;
pub mod origin;
mod pcap;
mod pcapng;
pub mod ring;
pub mod shard;

pub use error::CaptureError;

use batch::Batch;

/// A source of packets.
pub trait Source: Send {
    /// Fills an empty batch.
    ///
    /// Packets that were read before an error come first: the error is given by the next call, which leaves the batch empty.
    /// After an error a source may be asked again and goes on with what it has besides, such as the next file.
    fn next_batch(&mut self, batch: &mut Batch) -> Result<More, CaptureError>;

    /// What was lost before it got here, since the last call.
    fn losses(&mut self) -> Losses {
        Losses::default()
    }

    /// What there is to say of it, since the last call.
    fn news(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Whether a source has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Perhaps. Live, the batch may be empty: time has passed.
    Yes,
    /// No, and the batch may hold the last packets.
    No,
}

/// Packets by what the system did with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The filter let them through.
    pub received: u64,
    /// There was no room for them in the system's buffer.
    pub dropped: u64,
    /// The interface or its driver dropped them.
    pub dropped_by_interface: u64,
    /// How often the system's buffer was full.
    pub ring_full: u64,
    /// What interfaces that have a filter counted.
    pub offered: u64,
    /// Of those, what the filter let through.
    pub taken: u64,
}

impl Losses {
    fn add(&mut self, other: Self) {
        self.received += other.received;
        self.dropped += other.dropped;
        self.dropped_by_interface += other.dropped_by_interface;
        self.ring_full += other.ring_full;
        self.offered += other.offered;
        self.taken += other.taken;
    }
}

/// The longest packet that is taken, in bytes: what libpcap takes.
pub const PACKET_LIMIT_BYTES: usize = 262_144;
