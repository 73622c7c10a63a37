//! What a file looks like, in the words of the `file` program: its database, read by a library in safe Rust.
//!
//! Only the first bytes are looked at, once, and only when somebody asks. The database is unpacked at the first question.

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use pure_magic::MagicDb;
use tapwire_parsers::protocol::held;
use tapwire_signatures::rule::condition::FileKind;

/// First bytes of a file that are looked at.
const HEAD_LIMIT_BYTES: usize = 4 << 10;

/// What `sensor/magic/make.sh` made of libmagic's database.
const PACKED: &[u8] = include_bytes!("../../../magic/database.gz");

static DATABASE: LazyLock<Option<MagicDb>> = LazyLock::new(|| MagicDb::deserialize(&mut { PACKED }).ok());

/// The first bytes of a file, and what was found in them.
#[derive(Debug, Default)]
pub(super) struct Kind {
    head: Vec<u8>,
    /// Nothing that follows is of interest.
    complete: bool,
    found: OnceCell<Option<Box<str>>>,
}

impl Kind {
    /// Takes bytes that follow.
    pub(super) fn append(&mut self, data: &[u8]) {
        if !self.complete {
            let room = HEAD_LIMIT_BYTES - self.head.len();
            self.head.extend_from_slice(data.get(..room).unwrap_or(data));
            self.complete = self.head.len() == HEAD_LIMIT_BYTES;
        }
    }

    /// Bytes that it holds besides its own size.
    pub(super) fn held_bytes(&self) -> usize {
        let found = self.found.get().and_then(Option::as_ref).map_or(0, |found| held::block(found.len()));
        held::list(&self.head) + found
    }

    /// Nothing follows, or not what should.
    pub(super) fn end(&mut self) {
        self.complete = true;
    }
}

impl FileKind for Kind {
    fn describe(&self) -> Option<&str> {
        if !self.complete {
            return None;
        }
        self.found.get_or_init(|| describe(&self.head).map(String::into_boxed_str)).as_deref()
    }
}

fn describe(head: &[u8]) -> Option<String> {
    match head.len() {
        0 => None,
        1 => Some("very short file (no magic)".to_owned()),
        // The library promises not to panic; a broken promise costs one description.
        _ => catch_unwind(AssertUnwindSafe(|| look_up(head))).ok().flatten(),
    }
}

fn look_up(head: &[u8]) -> Option<String> {
    DATABASE.as_ref()?.first_magic_slice(head, None).map(|magic| magic.message()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_what_a_file_is() {
        let mut program = vec![0; 1024];
        program[..2].copy_from_slice(b"MZ");
        program[0x18] = 0x40;
        program[0x3c] = 0x80;
        program[0x80..0x9a].copy_from_slice(b"PE\0\0\x4c\x01\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0\0\x02\x01\x0b\x01");
        program[0xdc] = 2;
        for (bytes, expected) in [
            (&b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"[..], "PDF document, version 1.4"),
            (
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89",
                "PNG image data, 1 x 1,",
            ),
            (&program, "PE32 executable for MS Windows"),
            (&program, "(GUI), Intel i386"),
            (b"hello world\n", "ASCII text"),
            (b"x", "very short file (no magic)"),
        ] {
            for cut in [1, 7, bytes.len()] {
                let mut kind = Kind::default();
                bytes.chunks(cut).for_each(|piece| kind.append(piece));
                assert_eq!(kind.describe(), None, "more may come");
                kind.end();
                let found = kind.describe().unwrap();
                assert!(found.contains(expected), "{found}");
            }
        }
    }

    #[test]
    fn a_long_file_is_described_before_its_end_and_an_empty_one_not_at_all() {
        let mut long = Kind::default();
        (0..100).for_each(|_| long.append(&[b'a'; 1000]));
        assert_eq!(long.head.len(), HEAD_LIMIT_BYTES);
        assert!(long.describe().is_some());
        let mut empty = Kind::default();
        empty.end();
        assert_eq!(empty.describe(), None);
    }

    #[test]
    fn nothing_in_a_head_makes_it_panic() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        let starts: [&[u8]; 8] =
            [b"MZ", b"%PDF-", b"PK\x03\x04", b"\x7fELF", b"\x89PNG", b"Rar!\x1a\x07", b"{", b"<?xml "];
        for round in 0..200 {
            let mut head: Vec<u8> = (0..random() % HEAD_LIMIT_BYTES)
                .map(|_| [0, 0xff, b'a', (random() % 256).try_into().unwrap()][random() % 4])
                .collect();
            head.splice(0..0, starts[round % 8].iter().copied());
            drop(look_up(&head));
        }
    }
}
