//! A ring that the kernel writes packets into (TPACKET_V3): blocks of memory that both sides see, handed back and forth.
//!
//! The kernel fills a block until it is full or its time is over, and gives it up; packets in it are read where they lie, and the block goes
//! back. While none is free, packets are dropped, and counted by the kernel.
#![allow(unsafe_code, reason = "memory that the kernel writes to")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::system::{get, set};

/// The shape of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bytes of a block: a power of two, of pages.
    pub(super) block_bytes: usize,
    /// How many there are.
    pub(super) blocks: usize,
    /// Milliseconds after which the kernel gives up a block that is not full.
    pub(super) timeout_ms: u32,
    /// It stays in memory whatever else is needed.
    pub(super) locked: bool,
}

/// The ring of a socket.
pub(super) struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    shape: Shape,
    /// The block that is read next.
    next: usize,
}

// SAFETY: the memory belongs to the ring alone, as the socket does.
unsafe impl Send for Ring {}

/// What the kernel counted since it was asked before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Packets that the filter let through, those that found no room as well.
    pub(super) received: u64,
    /// Packets that found no room.
    pub(super) dropped: u64,
    /// How often the ring was full.
    pub(super) full: u64,
}

impl Ring {
    /// The ring of a packet socket, that gets nothing until the socket is bound.
    pub(super) fn new(socket: OwnedFd, shape: Shape) -> io::Result<Self> {
        set(socket.as_fd(), libc::PACKET_VERSION, &VERSION_3)?;
        // Room to put a VLAN tag back.
        set(socket.as_fd(), libc::PACKET_RESERVE, &RESERVED_BYTES)?;
        let number = |n: usize| u32::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let request = libc::tpacket_req3 {
            tp_block_size: number(shape.block_bytes)?,
            tp_block_nr: number(shape.blocks)?,
            // Packets of any size lie in a block one behind the other: this only has to fit.
            tp_frame_size: FRAME_BYTES,
            tp_frame_nr: number(shape.block_bytes / FRAME_BYTES as usize * shape.blocks)?,
            tp_retire_blk_tov: shape.timeout_ms,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(socket.as_fd(), libc::PACKET_RX_RING, &request)?;
        let flags = MapFlags::SHARED | if shape.locked { MapFlags::LOCKED } else { MapFlags::empty() };
        let len = shape.block_bytes * shape.blocks;
        // SAFETY: a fresh mapping of a ring of that size, at a place that the system chooses.
        let memory = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags, &socket, 0) }?;
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { socket, memory, shape, next: 0 })
    }

    /// Its socket.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next block, if the kernel has given it up.
    #[inline]
    pub(super) fn block(&mut self) -> Option<&mut [u8]> {
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the block lies in the mapping. The kernel wrote it before it gave it up, and does not touch it until it is given
        // back, which takes `&mut self`: the slice is gone by then.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr(), self.shape.block_bytes) })
    }

    /// Gives the block back that was read, and goes on to the one behind it.
    pub(super) fn release(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.shape.blocks;
    }

    /// What was counted since this was called before.
    pub(super) fn counted(&self) -> Counted {
        let Ok(stats) = get::<libc::tpacket_stats_v3>(self.socket(), libc::PACKET_STATISTICS) else {
            return Counted::default();
        };
        let [received, dropped, full] = [stats.tp_packets, stats.tp_drops, stats.tp_freeze_q_cnt].map(u64::from);
        Counted { received, dropped, full }
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: `next` is less than the number of blocks, which the mapping has room for.
        unsafe { self.memory.add(self.next * self.shape.block_bytes) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: a block begins with its version and an offset, and the word behind them is what both sides tell by whose it is; it is
        // only ever touched as an atomic, for the slice of a block is not read there.
        unsafe { AtomicU32::from_ptr(self.start().add(STATUS_AT).as_ptr().cast()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: it is the whole mapping, and nobody has a part of it.
        let _ = unsafe { munmap(self.memory.as_ptr().cast(), self.shape.block_bytes * self.shape.blocks) };
    }
}

/// `TPACKET_V3`
const VERSION_3: libc::c_int = 2;
/// Bytes of a VLAN tag.
const RESERVED_BYTES: u32 = 4;
const FRAME_BYTES: u32 = 2_048;
/// Where a block says whose it is.
const STATUS_AT: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::system::packet_socket;
    use super::*;

    #[test]
    fn a_ring_that_is_bound_to_nothing_stays_empty() {
        let shape = Shape { block_bytes: 1 << 16, blocks: 4, timeout_ms: 10, locked: false };
        // Without rights there is no socket.
        let Ok(mut ring) = packet_socket().and_then(|socket| Ring::new(socket, shape)) else { return };
        assert!(ring.block().is_none());
        assert_eq!(ring.counted(), Counted::default());
    }
}
