//! LZMA as one stream behind its header of 13 octets, with a bound on what its decoder holds.
//!
//! The header states a dictionary that most streams never fill: what counts is how far back a stream refers.

use std::io::Write;

use lzma_rs::decompress::{Options, Stream};

use crate::protocol::held;

/// A decoder of one stream.
pub(super) struct Lzma {
    /// Gone once it was unsound or is over.
    stream: Option<Box<Stream<Vec<u8>>>>,
    tables_bytes: usize,
    dictionary_bytes: usize,
    /// Its header states more than that.
    is_bounded: bool,
}

/// How a piece was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Sound,
    Unsound,
    /// It refers further back than there is memory for.
    BeyondMemory,
}

/// Header of a stream: properties, size of the dictionary, size of the content.
pub(super) const HEADER_BYTES: usize = 13;
/// The least dictionary (as the decoder has it).
const LEAST_BYTES: usize = 4096;
/// What a decoder holds besides its dictionary and its table of literals.
const FIXED_BYTES: usize = 8 << 10;
/// Probabilities of each context of literals.
const LITERALS: usize = 0x300;
/// Bytes that are decoded before what came out is counted.
const PIECE_BYTES: usize = 256;

impl Lzma {
    /// A decoder for a stream with this header, which is not to be given to it again.
    pub(super) fn new(header: &[u8; HEADER_BYTES], memory_bytes: usize) -> Self {
        let [properties, a, b, c, d, size @ ..] = *header;
        let stated = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX).max(LEAST_BYTES);
        let dictionary_bytes = stated.min(memory_bytes.max(LEAST_BYTES));
        let [a, b, c, d] = u32::try_from(dictionary_bytes).unwrap_or(u32::MAX).to_le_bytes();
        let options = Options { allow_incomplete: true, ..Options::default() };
        let mut stream = Box::new(Stream::new_with_options(&options, Vec::new()));
        let [e, f, g, h, i, j, k, l] = size;
        let begun = stream.write_all(&[properties, a, b, c, d, e, f, g, h, i, j, k, l]).is_ok();
        let (context, position) = (properties % 9, properties / 9 % 5);
        Self {
            stream: begun.then_some(stream),
            tables_bytes: (LITERALS * size_of::<u16>()) << (context + position),
            dictionary_bytes,
            is_bounded: stated > dictionary_bytes,
        }
    }

    /// Decodes a piece, of which not much more comes out than there is room for: then it is `over`. What is in the dictionary comes
    /// out when that is full.
    pub(super) fn push(&mut self, data: &[u8], room: u64, out: &mut Vec<u8>, over: &mut bool) -> Taken {
        for piece in data.chunks(PIECE_BYTES) {
            let Some(stream) = &mut self.stream else { return Taken::Unsound };
            if let Err(error) = stream.write_all(piece) {
                self.stream = None;
                let far = self.is_bounded && error.to_string().contains("beyond dictionary size");
                return if far { Taken::BeyondMemory } else { Taken::Unsound };
            }
            if let Some(made) = stream.get_output_mut() {
                out.append(made);
            }
            if out.len() as u64 > room {
                *over = true;
                return Taken::Sound;
            }
        }
        Taken::Sound
    }

    /// No more comes: what is left in the dictionary is content as well.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(Ok(mut made)) = self.stream.take().map(|stream| stream.finish()) {
            out.append(&mut made);
        }
    }

    /// Bytes that it holds, where so many were written.
    pub(super) fn held_bytes(&self, written: usize) -> usize {
        let dictionary = written.min(self.dictionary_bytes);
        self.stream
            .as_ref()
            .map_or(0, |_| held::boxed::<Stream<Vec<u8>>>(FIXED_BYTES + self.tables_bytes + 2 * dictionary))
    }
}
