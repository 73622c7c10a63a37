//! How evenly bytes are spread (`entropy`).

use crate::rule::item::Entropy;

pub(super) fn part<'a>(entropy: &Entropy, data: &'a [u8]) -> &'a [u8] {
    let part = data.get(entropy.offset as usize..).unwrap_or(&[]);
    if entropy.bytes == 0 { part } else { part.get(..entropy.bytes as usize).unwrap_or(part) }
}

pub(super) fn holds(entropy: &Entropy, value: f64) -> bool {
    let held = if entropy.inclusive {
        entropy.low <= value && value <= entropy.high
    } else {
        entropy.low < value && value < entropy.high
    };
    held != entropy.negated
}

/// Shannon entropy of bytes, in bits for each byte.
#[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 53 bits")]
pub fn shannon_entropy(data: &[u8]) -> f64 {
    let mut counts = [0u64; 256];
    for &byte in data {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = data.len() as f64;
    counts.iter().filter(|&&c| c > 0).map(|&c| c as f64 / total).map(|p| -p * p.log2()).sum()
}
