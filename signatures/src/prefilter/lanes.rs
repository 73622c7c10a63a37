//! Thirty-two places at once, with the vector instructions of AVX2 where the processor has them.
//!
//! This is the innermost loop of the sensor: `benches/README.md` has how fast it reads, with and without vectors. Gathers dominate it,
//! so that there is one for eight grams of every second place, and none for pairs. The gather has no safe form, hence the `unsafe`;
//! a test compares every answer with that of the plain loop.
#![expect(unsafe_code, reason = "gathers and unaligned loads take pointers; see the head of the file")]

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_castsi128_si256,
    _mm256_castsi256_ps, _mm256_cmpeq_epi8, _mm256_cmpeq_epi32, _mm256_i32gather_epi32, _mm256_inserti128_si256,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_movemask_ps, _mm256_mullo_epi32, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_sllv_epi32, _mm256_srl_epi32, _mm256_srli_epi16, _mm256_srli_epi32,
};

use super::bitmap::{Bitmap, SECOND};
use super::pairs::Nibbles;

/// Places that are looked at before the first branch.
pub(super) const BLOCK: usize = 32;
/// Bytes that are read from the start of a block on.
pub(super) const READ: usize = BLOCK + 8;

/// What is looked for, as vectors read it.
pub(super) struct Lanes<'a> {
    grams: Option<&'a Bitmap>,
    pairs: Option<&'a Nibbles>,
}

impl<'a> Lanes<'a> {
    /// Reads a bitmap of grams and a table of pairs; `None` where the bitmap is not as large as its shift says, or the processor lacks
    /// the instructions.
    #[inline]
    pub(super) fn new(grams: Option<&'a Bitmap>, pairs: Option<&'a Nibbles>) -> Option<Self> {
        let is_whole =
            |Bitmap { words, shift, .. }: &Bitmap| (SECOND..28).contains(shift) && words.len() == 1 << (32 - shift - 5);
        (grams.is_none_or(is_whole) && is_x86_feature_detected!("avx2")).then_some(Self { grams, pairs })
    }

    /// Calls `hit` for each block of places, from the start of the text until the one with `last`, that may have something: with the
    /// block's place, one bit for the gram at every second place and one for the pair at each; until it says that this is enough.
    /// Behind the last place stand [`READ`] further bytes.
    #[inline]
    pub(super) fn scan(&self, text: &[u8], last: usize, hit: impl FnMut(usize, u32, u32) -> bool) {
        match (self.grams, self.pairs) {
            // SAFETY: `new` made sure that the processor has AVX2, and that the bitmap is whole.
            (Some(grams), Some(pairs)) => unsafe { scan::<true, true>(grams, pairs, text, last, hit) },
            // SAFETY: the same.
            (Some(grams), None) => unsafe { scan::<true, false>(grams, &Nibbles::NONE, text, last, hit) },
            // SAFETY: the same; no bitmap is read.
            (None, Some(pairs)) => unsafe { scan::<false, true>(&Bitmap::NONE, pairs, text, last, hit) },
            (None, None) => {}
        }
    }
}

/// # Safety
/// Where grams are asked for, the bitmap must have as many words as its shift says.
#[target_feature(enable = "avx2")]
unsafe fn scan<const GRAMS: bool, const PAIRS: bool>(
    bitmap: &Bitmap,
    nibbles: &Nibbles,
    text: &[u8],
    last: usize,
    mut hit: impl FnMut(usize, u32, u32) -> bool,
) {
    let spread = spread();
    let mut position = 0;
    while position <= last {
        let Some(bytes) = text.get(position..).and_then(<[u8]>::first_chunk::<READ>) else { return };
        let grams = if GRAMS {
            let first = _mm256_shuffle_epi8(halves::<0>(bytes), spread);
            let second = _mm256_shuffle_epi8(halves::<16>(bytes), spread);
            // SAFETY: the caller made sure that the bitmap is whole.
            unsafe { ask(bitmap, first) | ask(bitmap, second) << 8 }
        } else {
            0
        };
        let within = u32::MAX >> (BLOCK - 1).saturating_sub(last - position);
        let pairs = if PAIRS { ask_pairs(nibbles, bytes) & within } else { 0 };
        if grams | pairs != 0 && !hit(position, grams, pairs) {
            return;
        }
        position += BLOCK;
    }
}

/// One bit for each of eight grams that may be in the bitmap.
///
/// # Safety
/// The bitmap must have as many words as its shift says.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn ask(bitmap: &Bitmap, grams: __m256i) -> u32 {
    let factor = _mm256_set1_epi32(bitmap.factor.cast_signed());
    let hashes = _mm256_mullo_epi32(grams, factor);
    let bits = _mm256_srl_epi32(hashes, _mm_cvtsi32_si128(bitmap.shift.cast_signed()));
    let seconds = _mm256_srl_epi32(hashes, _mm_cvtsi32_si128((bitmap.shift - SECOND).cast_signed()));
    // SAFETY: a first bit's number is less than 2^(32 - shift), so that its word is one of the bitmap.
    let words = unsafe { _mm256_i32gather_epi32::<4>(bitmap.words.as_ptr().cast(), _mm256_srli_epi32::<5>(bits)) };
    let (one, low) = (_mm256_set1_epi32(1), _mm256_set1_epi32(31));
    let wanted = _mm256_or_si256(
        _mm256_sllv_epi32(one, _mm256_and_si256(bits, low)),
        _mm256_sllv_epi32(one, _mm256_and_si256(seconds, low)),
    );
    let set = _mm256_cmpeq_epi32(_mm256_and_si256(words, wanted), wanted);
    _mm256_movemask_ps(_mm256_castsi256_ps(set)).cast_unsigned()
}

/// Sixteen bytes from a place and from eight behind it.
#[inline]
#[target_feature(enable = "avx2")]
fn halves<const AT: usize>(bytes: &[u8; READ]) -> __m256i {
    const { assert!(AT + 24 <= READ) };
    // SAFETY: behind both places are 16 bytes, and the loads need no alignment.
    let (first, second) =
        unsafe { (_mm_loadu_si128(bytes.as_ptr().add(AT).cast()), _mm_loadu_si128(bytes.as_ptr().add(AT + 8).cast())) };
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(first), second)
}

/// How the bytes of half a vector become four grams, two bytes apart.
#[inline]
#[target_feature(enable = "avx2")]
fn spread() -> __m256i {
    _mm256_setr_epi8(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9)
}

/// One bit for each place where a part may stand.
#[inline]
#[target_feature(enable = "avx2")]
fn ask_pairs(nibbles: &Nibbles, bytes: &[u8; READ]) -> u32 {
    const { assert!(READ >= BLOCK + 3) };
    let low = _mm256_set1_epi8(15);
    let look_up = |table: &[u8; 16], halves: __m256i| {
        // SAFETY: sixteen bytes are read from sixteen, and the load needs no alignment.
        let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), halves)
    };
    let mut lots = _mm256_set1_epi8(-1);
    for (at, [lower, upper]) in nibbles.0.iter().enumerate() {
        // SAFETY: from each of the first four bytes on there are 32, and the load needs no alignment.
        let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) };
        let of_lower = look_up(lower, _mm256_and_si256(bytes, low));
        let of_upper = look_up(upper, _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low));
        lots = _mm256_and_si256(lots, _mm256_and_si256(of_lower, of_upper));
    }
    !_mm256_movemask_epi8(_mm256_cmpeq_epi8(lots, _mm256_setzero_si256())).cast_unsigned()
}
