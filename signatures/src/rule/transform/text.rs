//! Transforms of text: URL escapes, white space, header names.

/// White space as C has it in its default locale.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

/// What is no escape stays as it is.
pub(super) fn url_decode(input: &[u8], output: &mut Vec<u8>) {
    let mut rest = input;
    while let [byte, after @ ..] = rest {
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        rest = match escaped {
            Some(byte) => {
                output.push(byte);
                after.get(2..).unwrap_or(&[])
            }
            None => {
                output.push(if *byte == b'+' { b' ' } else { *byte });
                after
            }
        };
    }
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

pub(super) fn compress_whitespace(input: &[u8], output: &mut Vec<u8>) {
    let mut in_space = false;
    for &byte in input {
        let space = is_space(byte);
        if !(space && in_space) {
            output.push(byte);
        }
        in_space = space;
    }
}

pub(super) fn header_lowercase(input: &[u8], output: &mut Vec<u8>) {
    for line in input.split_inclusive(|&b| b == b'\n') {
        // A pseudo header's name begins with a colon itself.
        let name = line.iter().skip(1).position(|&b| b == b':').map_or(line.len(), |at| at + 1);
        let (name, value) = line.split_at_checked(name).unwrap_or((line, &[]));
        output.extend(name.iter().map(u8::to_ascii_lowercase));
        output.extend_from_slice(value);
    }
}

pub(super) fn strip_pseudo_headers(input: &[u8], output: &mut Vec<u8>) {
    let lines = input.split_inclusive(|&b| b == b'\n').filter(|line| line.first() != Some(&b':'));
    lines.for_each(|line| output.extend_from_slice(line));
}
