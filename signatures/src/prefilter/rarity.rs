//! How rare bytes are in traffic: what makes one part of a pattern a better fast pattern than another.
//!
//! The table holds what was counted in real captures of IT and OT traffic: how rare each byte is, and which byte follows which,
//! in eighths of a bit with ASCII case folded. `benches/src/bin/pairs.rs` writes it.

use std::sync::LazyLock;

static TABLE: &[u8; 256 + (1 << 16)] = include_bytes!("pairs.bin");

/// Eighths of a bit that a byte tells.
fn single(byte: u8) -> u32 {
    TABLE.get(usize::from(byte)).copied().unwrap_or(0).into()
}

/// Eighths of a bit that a byte tells behind another one.
fn behind(before: u8, byte: u8) -> u32 {
    let pair = TABLE.get(256 + (usize::from(before) << 8 | usize::from(byte))).copied().unwrap_or(0);
    u32::from(pair).saturating_sub(single(before))
}

/// How rare a string is, in eighths of a bit: one that tells `8 * n` is expected at one of `2^n` places. A word that nearly every
/// message of some protocol has tells little, however odd its bytes are.
pub(crate) fn rarity(bytes: &[u8]) -> u32 {
    let Some((start, length)) = common_word(bytes) else { return plain_rarity(bytes) };
    let (before, behind) = (bytes.get(..start).unwrap_or(&[]), bytes.get(start + length..).unwrap_or(&[]));
    plain_rarity(before) + WORD_RARITY + rarity(behind)
}

/// The first common word in a string: where it starts, and its length.
fn common_word(bytes: &[u8]) -> Option<(usize, usize)> {
    static BY_FIRST: LazyLock<Vec<Vec<&'static [u8]>>> = LazyLock::new(|| {
        let mut by_first = vec![Vec::new(); 256];
        for word in COMMON {
            if let Some(words) = word.first().and_then(|first| by_first.get_mut(usize::from(*first))) {
                words.push(*word);
            }
        }
        by_first
    });
    let at = |start: usize, word: &[u8]| {
        bytes.get(start..start + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    bytes.iter().enumerate().find_map(|(start, byte)| {
        let words = BY_FIRST.get(usize::from(byte.to_ascii_lowercase()))?;
        words.iter().find(|word| at(start, word)).map(|word| (start, word.len()))
    })
}

/// The same by the bytes alone.
fn plain_rarity(bytes: &[u8]) -> u32 {
    let mut before = None;
    let mut sum = 0;
    for byte in bytes.iter().map(u8::to_ascii_lowercase) {
        sum += before.map_or_else(|| single(byte), |before| behind(before, byte));
        before = Some(byte);
    }
    sum
}

/// How often bytes are met in traffic, for what looks at their halves.
pub(super) struct Shares {
    /// The share of bytes that have a lower, and an upper half, by its value.
    pub(super) halves: [[f32; 16]; 2],
    /// The share of places where a byte stands four times, for those that often do.
    pub(super) runs: Vec<(u8, f32)>,
}

impl Shares {
    /// As they were counted.
    pub(super) fn counted() -> Self {
        let share = |eighths: u32| (-f32::from(u16::try_from(eighths).unwrap_or(u16::MAX)) / 8.0).exp2();
        let mut halves = [[0.0; 16]; 2];
        for byte in 0..=u8::MAX {
            for (table, half) in halves.iter_mut().zip([byte & 15, byte >> 4]) {
                table.iter_mut().skip(half.into()).take(1).for_each(|sum| *sum += share(single(byte)));
            }
        }
        let runs = (0..=u8::MAX).map(|byte| (byte, share(plain_rarity(&[byte; GRAM]))));
        Self { halves, runs: runs.filter(|(_, share)| *share > 1e-4).collect() }
    }
}

/// Where the byte of a string stands that is the rarest in traffic, among its first 256.
pub(crate) fn rarest_byte(bytes: &[u8]) -> u8 {
    let weights = (0..=u8::MAX).zip(bytes).map(|(at, byte)| (single(byte.to_ascii_lowercase()), u8::MAX - at));
    weights.max().map_or(0, |(_, from_end)| u8::MAX - from_end)
}

/// Bytes in a gram.
pub(super) const GRAM: usize = 4;

/// Start of the gram of a pattern that is the rarest in traffic. `None` where there are only runs of one byte that is everywhere.
pub(super) fn rarest_gram(pattern: &[u8]) -> Option<usize> {
    let weights = pattern.windows(GRAM).map(telling);
    let (start, telling) = weights.enumerate().max_by_key(|(start, telling)| (*telling, usize::MAX - start))?;
    (telling > 0).then_some(start)
}

/// Start of the two neighbouring grams of a pattern that are the rarest in traffic, the more common one of the two decides. `None` where
/// none tells anything.
pub(super) fn rarest_grams(pattern: &[u8]) -> Option<usize> {
    let weights = neighbours(pattern).enumerate();
    let (start, telling) = weights.max_by_key(|(start, telling)| (*telling, usize::MAX - start))?;
    (telling > 0).then_some(start)
}

/// Whether two neighbouring grams of a pattern tell anything.
pub(super) fn has_grams(pattern: &[u8]) -> bool {
    neighbours(pattern).any(|telling| telling > 0)
}

/// How rare every two neighbouring grams of a pattern are: the more common one.
fn neighbours(pattern: &[u8]) -> impl Iterator<Item = u32> {
    let mut weights = pattern.windows(GRAM).map(telling);
    let mut before = weights.next().unwrap_or(0);
    weights.map(move |weight| weight.min(std::mem::replace(&mut before, weight)))
}

/// Start of the part of a pattern, of so many bytes, that is the rarest in traffic.
pub(super) fn rarest_part(pattern: &[u8], bytes: usize) -> Option<usize> {
    let weights = pattern.windows(bytes.max(1)).map(plain_rarity).enumerate();
    weights.max_by_key(|(start, rare)| (*rare, usize::MAX - start)).map(|(start, _)| start)
}

/// How rare a gram is, in eighths of a bit.
fn telling(gram: &[u8]) -> u32 {
    let rare = plain_rarity(gram).max(1);
    if rare < COMMON_RARITY && gram.iter().all(|byte| Some(byte) == gram.first()) {
        return 0;
    }
    // A word that many protocols share is met more often than its pairs tell.
    if is_common(gram) { rare.min(COMMON_RARITY) } else { rare }
}

/// Eighths of a bit that a part of such a word tells at most.
const COMMON_RARITY: u32 = 10 * 8;

/// Eighths of a bit that such a word tells.
const WORD_RARITY: u32 = 3 * 8;

/// Words that stand in nearly every message of their protocol; longer ones before those that they start with.
const COMMON: &[&[u8]] = &[
    b"\xffsmb",
    b"\xfesmb",
    b"smb",
    b"\x01\0\0\x01\0\0\0\0\0\0",
    b"\x01\0\0\x01",
    b"http/1.",
    b"user-agent",
    b"content-",
    b"mozilla/",
    b"windows",
    b"accept",
    b"host: ",
    b"connection",
    b"get /",
    b"post /",
    b".com",
    b".net",
    b".org",
    b"www.",
    b"http://",
    b"https://",
    b".php",
    b".html",
    b"type",
    b"text/",
    b"application/",
];

fn is_common(gram: &[u8]) -> bool {
    static GRAMS: LazyLock<Vec<[u8; GRAM]>> = LazyLock::new(|| {
        let mut grams: Vec<_> = COMMON.iter().flat_map(|word| word.windows(GRAM)).filter_map(folded).collect();
        grams.sort_unstable();
        grams
    });
    folded(gram).is_some_and(|gram| GRAMS.binary_search(&gram).is_ok())
}

fn folded(gram: &[u8]) -> Option<[u8; GRAM]> {
    gram.first_chunk::<GRAM>().map(|gram| gram.map(|byte| byte.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_gram_avoids_what_is_everywhere() {
        for (pattern, expected) in
            [(&b"http/1.1 xqz"[..], &b" xqz"[..]), (b"\0\0\0\0\x9c\x81\xd2\0", b"\x9c\x81\xd2\0"), (b"abcd", b"abcd")]
        {
            let start = rarest_gram(pattern).unwrap();
            assert_eq!(&pattern[start..start + 4], expected);
        }
        assert_eq!(rarest_gram(b"\0\0\0\0\0\0\0\0"), None, "a run tells nothing");
    }

    #[test]
    fn longer_is_rarer_and_case_does_not_matter() {
        assert!(rarity(b"password") > rarity(b"pass"));
        assert_eq!(rarity(b"PassWord"), rarity(b"password"));
        assert!(rarity(b"\0\0\0\0") < rarity(b"\x9c\x81\xd2\xee"));
        assert!(rarity(b"\xffSMB") < rarity(b"\xffSMXq") && rarity(b"\xffSMB") < rarity(b"\xffSMB\xd2\xee"));
    }
}
