//! Request targets (RFC 3986): their parts, and the normal form that rules look at.

/// The parts of a request target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) port: Option<&'a [u8]>,
    pub(crate) path: &'a [u8],
    pub(crate) query: &'a [u8],
}

impl<'a> Target<'a> {
    /// Splits a target; that of CONNECT is an authority only.
    pub(crate) fn read(raw: &'a [u8], connect: bool) -> Self {
        let mut rest = raw;
        let mut authority = None;
        if connect {
            // A path is no authority.
            authority = Some(raw).filter(|raw| !raw.starts_with(b"/"));
            rest = b"";
        } else if let Some(at) =
            memchr::memmem::find(raw, b"://").filter(|&at| raw.iter().take(at).all(u8::is_ascii_alphanumeric))
        {
            let after = raw.get(at + 3..).unwrap_or_default();
            let end = after.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(after.len());
            authority = after.get(..end);
            rest = after.get(end..).unwrap_or_default();
        }
        let (host, port) = authority.map_or((None, None), |a| {
            let a = a.iter().rposition(|&b| b == b'@').and_then(|i| a.get(i + 1..)).unwrap_or(a);
            let (host, port) = host_port(a);
            (Some(host), port)
        });
        let question = rest.iter().position(|&b| b == b'?').unwrap_or(rest.len());
        let (path, query) = rest.split_at(question);
        Self { host, port, path, query }
    }
}

/// Splits `host:port`, with or without brackets around the host.
pub(crate) fn host_port(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let from = text.iter().position(|&b| b == b']').unwrap_or(0);
    match text.iter().rposition(|&b| b == b':').filter(|&i| i >= from) {
        Some(i) => (text.get(..i).unwrap_or_default(), text.get(i + 1..)),
        None => (text, None),
    }
}

/// A path with percent escapes, backslashes, repeated slashes and dot segments resolved.
pub(crate) fn normalise_path(path: &[u8], twice: bool) -> Vec<u8> {
    let mut decoded = percent_decode(path);
    if twice {
        decoded = percent_decode(&decoded);
    }
    let mut flat: Vec<u8> = Vec::with_capacity(decoded.len());
    for byte in decoded {
        let byte = if byte == b'\\' { b'/' } else { byte };
        if !(byte == b'/' && flat.last() == Some(&b'/')) {
            flat.push(byte);
        }
    }
    remove_dot_segments(&flat)
}

/// Resolves valid percent escapes; invalid ones stay as they are.
pub(crate) fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(first);
        }
    }
    out
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
    if path.first() != Some(&b'/') {
        return path.to_vec();
    }
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path.get(1..).unwrap_or_default().split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    out.truncate(out.iter().rposition(|&b| b == b'/').unwrap_or(0));
                }
                if last {
                    out.push(b'/');
                }
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_normal() {
        for (raw, normal) in
            [("/a/./b/../c", "/a/c"), ("/%61//b\\c", "/a/b/c"), ("/../../x/..", "/"), ("/%zz", "/%zz"), ("*", "*")]
        {
            assert_eq!(String::from_utf8(normalise_path(raw.as_bytes(), false)).unwrap(), normal);
        }
    }

    #[test]
    fn targets_have_parts() {
        let target = Target::read(b"http://u@h:80/p?q", false);
        assert_eq!(
            (target.host, target.port, target.path, target.query),
            (Some(&b"h"[..]), Some(&b"80"[..]), &b"/p"[..], &b"?q"[..])
        );
    }
}
