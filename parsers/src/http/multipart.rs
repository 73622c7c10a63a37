//! Forms with files (RFC 7578, RFC 2046 section 5.1): the parts of a body, as it comes.
//!
//! Only parts with a file name matter. What could be the start of a delimiter waits for the bytes behind it, so that any cut of the
//! body finds the same parts; no more than a header line or a delimiter ever waits.

use memchr::{memchr, memmem};

use super::headers::{same_name, trim};
use super::parameters::parameter;
use crate::protocol::held;

/// What was found in a body, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// A file begins.
    Open(&'a [u8]),
    /// Bytes of the open file.
    Content(&'a [u8]),
    /// The open file ends.
    Close,
    /// Something wrong with the form.
    Odd(&'static str),
}

/// The form of one body.
#[derive(Debug)]
pub(crate) struct Multipart {
    /// The delimiter with the line end before it.
    needle: Vec<u8>,
    pending: Vec<u8>,
    scanned: usize,
    state: State,
    name: Option<Vec<u8>>,
    /// A header line to which folded ones may be added.
    header: Vec<u8>,
    headers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    /// The rest of the delimiter's line.
    Delimiter,
    Headers,
    /// Content of a part; whether it is a file, and whether any of it came.
    Content {
        file: bool,
        any: bool,
    },
    End,
}

/// Longest boundary (RFC 2046 allows 70; some programs make longer ones).
const BOUNDARY_BYTES: usize = 200;
/// Longest header line of a part.
const LINE_BYTES: usize = 8 * 1024;
/// Header lines of a part.
const HEADER_LIMIT: usize = 64;
/// Longest name that is not worth an anomaly.
const NAME_BYTES: usize = 4096;

impl Multipart {
    /// The form that a `Content-Type` announces: `None` where it announces none, an error where it has no usable boundary.
    pub(crate) fn announced(content_type: &[u8]) -> Option<Result<Self, &'static str>> {
        let mut pieces = content_type.split(|&b| b == b';');
        if !same_name(trim(pieces.next()?), b"multipart/form-data") {
            return None;
        }
        let boundary = parameter(content_type, b"boundary").unwrap_or_default();
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES {
            return Some(Err("http.multipart_generic_error"));
        }
        Some(Ok(Self {
            needle: [b"\n--", &*boundary].concat(),
            // The first delimiter may stand at the very start.
            pending: b"\n".to_vec(),
            scanned: 0,
            state: State::Preamble,
            name: None,
            header: Vec::new(),
            headers: 0,
        }))
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        held::list(&self.needle)
            + held::list(&self.pending)
            + held::list(&self.header)
            + self.name.as_ref().map_or(0, held::list)
    }

    /// Takes a piece of the body; `last` when nothing more comes.
    pub(crate) fn push(&mut self, data: &[u8], last: bool, tell: &mut dyn FnMut(Part<'_>)) {
        let mut held = std::mem::take(&mut self.pending);
        held.extend_from_slice(data);
        let mut at = 0;
        while let Some(done) = self.step(held.get(at..).unwrap_or_default(), last, tell) {
            at += done;
        }
        held.drain(..at.min(held.len()));
        self.pending = held;
        if last {
            if let State::Content { file, any } = self.state {
                tell(Part::Odd("http.multipart_generic_error"));
                self.end_part(file, any, tell);
            }
            self.state = State::End;
            self.pending = Vec::new();
        }
    }

    /// Nothing more is looked at: what waits is content of the open file.
    pub(crate) fn cut(&mut self, tell: &mut dyn FnMut(Part<'_>)) {
        if let State::Content { file: true, any } = self.state {
            let rest = self.pending.get(usize::from(!any)..).unwrap_or_default();
            if !rest.is_empty() {
                tell(Part::Content(rest));
            }
        }
        (self.state, self.pending) = (State::End, Vec::new());
    }

    /// One step at the start of `data`: how many bytes it is done with, `None` when it needs more.
    fn step(&mut self, data: &[u8], last: bool, tell: &mut dyn FnMut(Part<'_>)) -> Option<usize> {
        if data.is_empty() {
            return None;
        }
        match self.state {
            State::End => Some(data.len()),
            State::Preamble => self.content(data, false, false, last, tell),
            State::Content { file, any } => self.content(data, file, any, last, tell),
            State::Delimiter if data.starts_with(b"--") => {
                self.state = State::End;
                Some(data.len())
            }
            State::Delimiter if data == b"-" && !last => None,
            State::Delimiter => {
                let length = self.line(data)?;
                self.state = State::Headers;
                (self.name, self.headers) = (None, 0);
                Some(length)
            }
            State::Headers => {
                let length = self.line(data)?;
                let line = data.get(..length)?;
                if matches!(line.first(), Some(b' ' | b'\t')) && !trim(line).is_empty() && !self.header.is_empty() {
                    let room = LINE_BYTES.saturating_sub(self.header.len());
                    self.header.extend(line.iter().take(room));
                    return Some(length);
                }
                let before = std::mem::take(&mut self.header);
                if !before.is_empty() {
                    self.header(trim(&before), tell);
                }
                if trim(line).is_empty() {
                    if let Some(name) = self.name.take() {
                        tell(Part::Open(&name));
                        self.state = State::Content { file: true, any: false };
                    } else {
                        self.state = State::Content { file: false, any: false };
                    }
                    // The line end of an empty part belongs to its delimiter.
                    return Some(length.saturating_sub(1));
                }
                self.header = line.to_vec();
                Some(length)
            }
        }
    }

    /// The length of the line at the start of `data`; one that is too long counts as ended.
    fn line(&mut self, data: &[u8]) -> Option<usize> {
        match memchr(b'\n', data.get(self.scanned..).unwrap_or_default()) {
            Some(found) => {
                let length = self.scanned + found + 1;
                self.scanned = 0;
                Some(length)
            }
            None if data.len() > LINE_BYTES => {
                self.scanned = 0;
                Some(data.len())
            }
            None => {
                self.scanned = data.len();
                None
            }
        }
    }

    fn header(&mut self, line: &[u8], tell: &mut dyn FnMut(Part<'_>)) {
        self.headers += 1;
        let colon = memchr(b':', line).filter(|_| self.headers <= HEADER_LIMIT);
        let Some((name, value)) = colon.and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?))) else {
            tell(Part::Odd("http.multipart_invalid_header"));
            return;
        };
        if same_name(trim(name), b"content-disposition")
            && let Some(file) = parameter(value, b"filename").filter(|n| !n.is_empty())
        {
            if file.len() > NAME_BYTES {
                tell(Part::Odd("http.file_name_too_long"));
            }
            self.name = Some(file.get(..NAME_BYTES).unwrap_or(&file).to_vec());
        }
    }

    /// Content up to a delimiter. The first byte of a part is the line end before its content, which is not part of it.
    fn content(
        &mut self,
        data: &[u8],
        file: bool,
        any: bool,
        last: bool,
        tell: &mut dyn FnMut(Part<'_>),
    ) -> Option<usize> {
        let from = self.scanned.min(data.len());
        let found = memmem::find(data.get(from..)?, &self.needle).map(|i| i + from);
        // Without a delimiter its longest possible start (with the CR before it) waits.
        let until = match found {
            Some(at) => at,
            None if last => data.len(),
            None => data.len().saturating_sub(self.needle.len()),
        };
        let skip = usize::from(!any && self.state != State::Preamble);
        let mut end = until;
        if end > skip && data.get(end - 1) == Some(&b'\r') && (found.is_some() || !last) {
            end -= 1;
        }
        let body = data.get(skip..end).unwrap_or_default();
        if file && !body.is_empty() {
            tell(Part::Content(body));
        }
        let any_now = any || !body.is_empty();
        if let Some(at) = found {
            self.scanned = 0;
            if self.state != State::Preamble {
                self.end_part(file, any_now, tell);
            }
            self.state = State::Delimiter;
            return Some(at + self.needle.len());
        }
        if let State::Content { .. } = self.state {
            self.state = State::Content { file, any: any_now };
        }
        let done = if any_now || self.state == State::Preamble { end } else { 0 };
        self.scanned = until.saturating_sub(done);
        (done > 0).then_some(done)
    }

    fn end_part(&mut self, file: bool, any: bool, tell: &mut dyn FnMut(Part<'_>)) {
        if file && !any {
            tell(Part::Odd("http.multipart_no_filedata"));
        }
        if file {
            tell(Part::Close);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &[u8], cut: usize) -> Vec<(String, String)> {
        let mut form = Multipart::announced(b"multipart/form-data; boundary=\"xx\"").unwrap().unwrap();
        let mut out: Vec<(String, String)> = Vec::new();
        let mut tell = |part: Part<'_>| match part {
            Part::Open(name) => out.push((String::from_utf8_lossy(name).into(), String::new())),
            Part::Content(data) => out.last_mut().unwrap().1.push_str(&String::from_utf8_lossy(data)),
            Part::Close => out.last_mut().unwrap().1.push('$'),
            Part::Odd(name) => out.push((name.into(), String::new())),
        };
        for piece in body.chunks(cut) {
            form.push(piece, false, &mut tell);
        }
        form.push(b"", true, &mut tell);
        out
    }

    #[test]
    fn what_waits_when_it_is_cut_belongs_to_the_file() {
        let mut form = Multipart::announced(b"multipart/form-data; boundary=xx").unwrap().unwrap();
        let mut content = Vec::new();
        let mut tell = |part: Part<'_>| {
            if let Part::Content(data) = part {
                content.extend_from_slice(data);
            }
        };
        form.push(b"--xx\r\nContent-Disposition: form-data; filename=a\r\n\r\none\r\n--x", false, &mut tell);
        form.cut(&mut tell);
        form.push(b"more", true, &mut tell);
        assert_eq!(content, b"one\r\n--x");
    }

    #[test]
    fn any_cut_finds_the_same_files() {
        let disposition = "Content-Disposition: form-data; name=f; filename=";
        for (body, expected) in [
            (
                format!(
                    "--xx\r\n{disposition}\"a;b\"\r\nX: y\r\n\r\none\r\n--x\r\r\n--xx\r\n\r\nno file\r\n--xx\r\n{disposition}c\r\n\r\ntwo\r\n--xx--\r\n"
                ),
                vec![("a;b", "one\r\n--x\r$"), ("c", "two$")],
            ),
            (
                format!(
                    "--xx\r\n{}\r\n\tfilename*=utf-8''%41\r\n\r\none\r\n--xx--",
                    disposition.trim_end_matches("filename=")
                ),
                vec![("A", "one$")],
            ),
            (format!("pre\n--xx\n{disposition}a\n\nhalf"), vec![("a", "half"), ("http.multipart_generic_error", "$")]),
            (
                format!("--xx\n{disposition}a\nbad\n\n--xx--"),
                vec![("http.multipart_invalid_header", ""), ("a", ""), ("http.multipart_no_filedata", "$")],
            ),
        ] {
            for cut in [1, 2, 3, 5, 1000] {
                let found = parts(body.as_bytes(), cut);
                let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                assert_eq!(found, expected, "{cut}: {body:?}");
            }
        }
    }
}
