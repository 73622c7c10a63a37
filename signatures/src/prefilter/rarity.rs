//! How rare bytes are in traffic: what makes one part of a pattern a better fast pattern than another.
//!
//! The weights are coarse classes, from what protocols are made of: zero bytes and blanks, header letters and digits are
//! everywhere; capital letters, punctuation and odd binary bytes are not.

/// How rare a byte is, folded to lower case: higher is rarer.
fn weight(byte: u8) -> u32 {
    match byte {
        0 | b' ' => 1,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b'/' | b'.' | 0xff => 3,
        b'0'..=b'2' | b'\r' | b'\n' | b'-' | b':' | b'c' | b'd' | b'l' | b'p' | b'h' | b'm' | b'u' | b'=' | 1 => 5,
        b'3'..=b'9' | b'f' | b'g' | b'b' | b'w' | b'y' | b'_' | b'&' | b'"' | b',' | b';' => 7,
        b'k' | b'v' | b'x' | b'z' | b'j' | b'q' | b'A'..=b'Z' | b'?' | b'%' | b'(' | b')' | b'<' | b'>' => 9,
        _ => 10,
    }
}

/// How rare a string is: the sum over its bytes, where a byte that repeats the one before counts little.
pub(crate) fn rarity(bytes: &[u8]) -> u32 {
    let mut before = None;
    let mut sum = 0;
    for byte in bytes.iter().map(u8::to_ascii_lowercase) {
        sum += if before == Some(byte) { 1 } else { weight(byte) };
        before = Some(byte);
    }
    sum
}

/// Words that stand in nearly every message of their protocol: a gram within them says nothing.
const COMMON: &[&[u8]] = &[
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

/// Start of the rarest window of `length` bytes within a pattern that is at least that long.
pub(super) fn rarest_window(pattern: &[u8], length: usize) -> usize {
    let lower = pattern.to_ascii_lowercase();
    let common: Vec<bool> = {
        let mut marks = vec![false; lower.len()];
        for word in COMMON {
            for start in memchr::memmem::find_iter(&lower, word) {
                if let Some(part) = marks.get_mut(start..start + word.len()) {
                    part.fill(true);
                }
            }
        }
        marks
    };
    let score = |start: usize| {
        let window = lower.get(start..start + length).unwrap_or(&[]);
        let inside = common.get(start..start + length).is_some_and(|marks| marks.iter().all(|&m| m));
        if inside { rarity(window) / 3 } else { rarity(window) }
    };
    (0..=pattern.len().saturating_sub(length)).max_by_key(|&start| (score(start), usize::MAX - start)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_window_avoids_what_is_everywhere() {
        for (pattern, expected) in
            [(&b"http/1.1 xqz"[..], &b" xqz"[..]), (b"\0\0\0\0\x9c\x81\0\0", b"\0\0\x9c\x81"), (b"abcd", b"abcd")]
        {
            let start = rarest_window(pattern, 4);
            assert_eq!(&pattern[start..start + 4], expected);
        }
    }
}
