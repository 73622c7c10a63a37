//! Eight grams at once, with the vector instructions of AVX2 where the processor has them.
//!
//! This is the innermost loop of the sensor: with rules, a third of all time was spent in it. Without vectors it reads 1.0 to 1.3 GB/s;
//! `benches/README.md` has what it reads with them. The gather has no safe form, hence the `unsafe`; a test compares every answer
//! with that of the plain loop.
#![expect(unsafe_code, reason = "gathers and unaligned loads take pointers; see the head of the file")]

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_and_si256, _mm256_castsi128_si256, _mm256_castsi256_ps,
    _mm256_cmpeq_epi32, _mm256_i32gather_epi32, _mm256_inserti128_si256, _mm256_movemask_ps, _mm256_mullo_epi32,
    _mm256_or_si256, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_sllv_epi32, _mm256_srl_epi32,
    _mm256_srli_epi32,
};

use super::bitmap::{Bitmap, SECOND};

/// Grams of a vector.
const LANES: usize = 8;
/// Grams that are read before the first branch.
pub(super) const BLOCK: usize = 2 * LANES;

/// A bitmap as vectors read it.
pub(super) struct Lanes<'a> {
    bitmap: &'a [u32],
    factor: u32,
    shift: u32,
}

impl<'a> Lanes<'a> {
    /// Reads a bitmap; `None` where it is not as large as its shift says, or the processor lacks the instructions.
    #[inline]
    pub(super) fn new(bitmap: &'a Bitmap) -> Option<Self> {
        let Bitmap { words, factor, shift } = bitmap;
        let whole = (5..28).contains(shift) && words.len() == 1 << (32 - shift - 5);
        (whole && is_x86_feature_detected!("avx2")).then_some(Self { bitmap: words, factor: *factor, shift: *shift })
    }

    /// Calls `hit` for each block of sixteen grams, from the start of the text until the one at `last`, of which some bit is set, with
    /// the block's place and one bit for each gram; until it says that this is enough. Behind the last gram stand 32 further bytes.
    #[inline]
    pub(super) fn scan(&self, text: &[u8], last: usize, mut hit: impl FnMut(usize, u32) -> bool) {
        // SAFETY: `new` made sure that the processor has AVX2.
        unsafe { self.scan_vectors::<false>(self, text, last, |block, hits, _| hit(block, hits)) }
    }

    /// The same with two bitmaps that are asked about the same bytes; `hit` is told the answers of both.
    #[inline]
    pub(super) fn scan_both(&self, other: &Self, text: &[u8], last: usize, hit: impl FnMut(usize, u32, u32) -> bool) {
        // SAFETY: `new` made sure that the processor has AVX2.
        unsafe { self.scan_vectors::<true>(other, text, last, hit) }
    }

    #[target_feature(enable = "avx2")]
    fn scan_vectors<const BOTH: bool>(
        &self,
        other: &Self,
        text: &[u8],
        last: usize,
        mut hit: impl FnMut(usize, u32, u32) -> bool,
    ) {
        let spread = spread();
        let mut position = 0;
        while position <= last {
            let Some(bytes) = text.get(position..).and_then(<[u8]>::first_chunk::<32>) else { return };
            let first = _mm256_shuffle_epi8(quarters::<0, 4>(bytes), spread);
            let second = _mm256_shuffle_epi8(quarters::<8, 12>(bytes), spread);
            let hits = self.ask(first) | self.ask(second) << LANES;
            let further = if BOTH { other.ask(first) | other.ask(second) << LANES } else { 0 };
            if hits | further != 0 && !hit(position, hits, further) {
                return;
            }
            position += BLOCK;
        }
    }

    /// One bit for each of eight grams that may be in the bitmap.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn ask(&self, grams: __m256i) -> u32 {
        let factor = _mm256_set1_epi32(self.factor.cast_signed());
        let hashes = _mm256_mullo_epi32(grams, factor);
        let bits = _mm256_srl_epi32(hashes, _mm_cvtsi32_si128(self.shift.cast_signed()));
        let seconds = _mm256_srl_epi32(hashes, _mm_cvtsi32_si128((self.shift - SECOND).cast_signed()));
        // SAFETY: a first bit's number is less than 2^(32 - shift), so that its word is one of the bitmap, as `new` made sure.
        let words = unsafe { _mm256_i32gather_epi32::<4>(self.bitmap.as_ptr().cast(), _mm256_srli_epi32::<5>(bits)) };
        let (one, low) = (_mm256_set1_epi32(1), _mm256_set1_epi32(31));
        let wanted = _mm256_or_si256(
            _mm256_sllv_epi32(one, _mm256_and_si256(bits, low)),
            _mm256_sllv_epi32(one, _mm256_and_si256(seconds, low)),
        );
        let set = _mm256_cmpeq_epi32(_mm256_and_si256(words, wanted), wanted);
        _mm256_movemask_ps(_mm256_castsi256_ps(set)).cast_unsigned()
    }
}

/// Sixteen bytes from each of two places.
#[inline]
#[target_feature(enable = "avx2")]
fn quarters<const FIRST: usize, const SECOND: usize>(bytes: &[u8; 32]) -> __m256i {
    const { assert!(FIRST <= 16 && SECOND <= 16) };
    // SAFETY: behind both places are 16 bytes, and the loads need no alignment.
    let (first, second) = unsafe {
        (_mm_loadu_si128(bytes.as_ptr().add(FIRST).cast()), _mm_loadu_si128(bytes.as_ptr().add(SECOND).cast()))
    };
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(first), second)
}

/// How the bytes of half a vector become four grams, one byte apart.
#[inline]
#[target_feature(enable = "avx2")]
fn spread() -> __m256i {
    _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6, 0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6)
}
