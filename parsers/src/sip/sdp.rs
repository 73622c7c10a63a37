//! Session descriptions (RFC 8866): lines of a letter, an equals sign and a value, of the session and then of each of the media.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::protocol::held;

/// Lines that are kept.
const LINES_LIMIT: usize = 1024;

/// The part of a description that a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    /// The session.
    Session,
    /// Any of the media.
    Media,
}

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sdp {
    body: Vec<u8>,
    /// Letters and values, in order.
    lines: Vec<(u8, Range<usize>)>,
    /// How many of the lines are the session's.
    session_lines: usize,
    /// Positions in `lines` by section and letter.
    by_letter: BTreeMap<(Section, u8), Vec<usize>>,
}

impl Sdp {
    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        // A tree makes room for a node of eleven at once.
        let by_letter: usize = self.by_letter.values().map(held::list).sum();
        let nodes = self.by_letter.len().div_ceil(6) * held::block(11 * (size_of::<(Section, u8)>() + 24) + 16);
        held::list(&self.body) + held::list(&self.lines) + by_letter + nodes
    }

    /// Reads the body of a message; the names of what is wrong with it go into `anomalies`.
    pub(super) fn read(body: &[u8], anomalies: &mut Vec<&'static str>) -> Option<Self> {
        if !body.starts_with(b"v=") {
            anomalies.push("sip.invalid_sdp");
            return None;
        }
        let mut sdp = Self { body: body.to_vec(), ..Self::default() };
        let (mut at, mut section) = (0, Section::Session);
        for line in body.split(|&byte| byte == b'\n') {
            let start = at;
            at += line.len() + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let &[letter, b'=', ..] = line else {
                // What an empty line ends is not the description's.
                if !line.is_empty() {
                    anomalies.push("sip.invalid_sdp");
                }
                break;
            };
            if sdp.lines.len() >= LINES_LIMIT {
                anomalies.push("sip.too_many_sdp_lines");
                break;
            }
            if letter == b'm' {
                section = Section::Media;
            }
            sdp.by_letter.entry((section, letter)).or_default().push(sdp.lines.len());
            sdp.lines.push((letter, start + 2..start + line.len()));
            if section == Section::Session {
                sdp.session_lines = sdp.lines.len();
            }
        }
        Some(sdp)
    }

    /// A value by section and letter.
    pub(super) fn value(&self, section: Section, letter: u8, index: usize) -> Option<&[u8]> {
        let line = *self.by_letter.get(&(section, letter))?.get(index)?;
        self.body.get(self.lines.get(line)?.1.clone())
    }

    /// Letters and values of the session, in order.
    pub(super) fn session(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.values(self.lines.get(..self.session_lines).unwrap_or_default())
    }

    /// Letters and values of each of the media, in order; the first is `m`.
    pub(super) fn media(&self) -> impl Iterator<Item = impl Iterator<Item = (u8, &[u8])>> {
        let media = self.lines.get(self.session_lines..).unwrap_or_default();
        media.chunk_by(|_, next| next.0 != b'm').map(|lines| self.values(lines))
    }

    fn values<'a>(&'a self, lines: &'a [(u8, Range<usize>)]) -> impl Iterator<Item = (u8, &'a [u8])> {
        lines.iter().filter_map(|(letter, range)| Some((*letter, self.body.get(range.clone())?)))
    }
}
