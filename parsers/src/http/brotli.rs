//! Brotli (RFC 7932), with a count of what its decoder holds: the window grows with what comes out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, SliceWrapper, StandardAlloc,
};

use crate::protocol::held;

/// A decoder of one stream.
pub(super) struct Brotli {
    state: Box<BrotliState<Counted, Counted, Counted>>,
    held_bytes: Arc<AtomicUsize>,
    /// Bytes that came out, as the library counts them.
    total: usize,
}

/// Bytes that are decoded at once.
const PIECE_BYTES: usize = 4096;

impl Brotli {
    pub(super) fn new() -> Self {
        let counted = Counted::default();
        let state = Box::new(BrotliState::new(counted.clone(), counted.clone(), counted.clone()));
        Self { state, held_bytes: counted.0, total: 0 }
    }

    /// Decodes a piece, of which no more comes out than there is room for, and one piece more: then it is `over`. Whether it was
    /// sound.
    pub(super) fn push(&mut self, data: &[u8], room: u64, out: &mut Vec<u8>, over: &mut bool) -> bool {
        let (mut left, mut at, mut buffer) = (data.len(), 0, [0; PIECE_BYTES]);
        loop {
            let (mut free, mut made) = (buffer.len(), 0);
            let Self { state, total, .. } = self;
            let result =
                BrotliDecompressStream(&mut left, &mut at, data, &mut free, &mut made, &mut buffer, total, state);
            out.extend_from_slice(buffer.get(..made).unwrap_or_default());
            if out.len() as u64 > room {
                *over = true;
                return true;
            }
            match result {
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return true,
                // Nothing may follow.
                BrotliResult::ResultSuccess => return left == 0,
                BrotliResult::ResultFailure => return false,
            }
        }
    }

    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        held::block(size_of_val(&*self.state)) + self.held_bytes.load(Ordering::Relaxed)
    }
}

/// The library's allocator, with a count of what it gave out.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

macro_rules! counted {
    ($($item:ty),*) => { $(
        impl Allocator<$item> for Counted {
            type AllocatedMemory = <StandardAlloc as Allocator<$item>>::AllocatedMemory;

            fn alloc_cell(&mut self, count: usize) -> Self::AllocatedMemory {
                self.0.fetch_add(held::block(count * size_of::<$item>()), Ordering::Relaxed);
                StandardAlloc::default().alloc_cell(count)
            }

            fn free_cell(&mut self, memory: Self::AllocatedMemory) {
                self.0.fetch_sub(held::block(memory.slice().len() * size_of::<$item>()), Ordering::Relaxed);
            }
        }
    )* };
}

counted!(u8, u32, HuffmanCode);
