//! What values hold in memory besides their own size, as the memory budget counts it.
//!
//! A block costs what the allocator makes of it: its head, and the rounding of its size.

/// What a block of the allocator costs besides its bytes, and what its size is a multiple of.
const BLOCK_BYTES: usize = 8;
const STEP_BYTES: usize = 16;

/// A block of so many bytes; nothing where there are none.
pub const fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + BLOCK_BYTES).next_multiple_of(STEP_BYTES) }
}

/// A list whose items hold nothing further.
pub const fn list<T>(list: &Vec<T>) -> usize {
    block(list.capacity() * size_of::<T>())
}

/// A list of lists.
pub fn lists<T>(all: &Vec<Vec<T>>) -> usize {
    list(all) + all.iter().map(list).sum::<usize>()
}

/// Something in a box of its own that holds `further`.
pub const fn boxed<T>(further: usize) -> usize {
    block(size_of::<T>()) + further
}
