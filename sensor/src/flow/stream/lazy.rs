//! A stream that takes memory once something happens in it.

use super::Stream;
use crate::flow::overlap::Overlap;

/// A stream that is not there before something happens in it: many connections never get further than a SYN.
#[derive(Debug, Default)]
pub(in crate::flow) struct Lazy {
    base: u32,
    overlap: Overlap,
    stream: Option<Box<Stream>>,
}

static UNTOUCHED: Stream = Stream::new(0, Overlap::Bsd);

impl Lazy {
    /// The stream, to look at it.
    pub(in crate::flow) fn get(&self) -> &Stream {
        self.stream.as_deref().unwrap_or(&UNTOUCHED)
    }

    /// The stream, because something happens in it.
    pub(in crate::flow) fn get_mut(&mut self) -> &mut Stream {
        self.stream.get_or_insert_with(|| Box::new(Stream::new(self.base, self.overlap)))
    }

    /// The stream, if anything happened in it.
    pub(in crate::flow) fn touched_mut(&mut self) -> Option<&mut Stream> {
        self.stream.as_deref_mut()
    }

    /// Begins it at a sequence number, whatever was there.
    pub(in crate::flow) fn restart(&mut self, base: u32) {
        (self.base, self.stream) = (base, None);
    }

    /// Says which copy of overlapping bytes counts.
    pub(in crate::flow) fn set_overlap(&mut self, overlap: Overlap) {
        self.overlap = overlap;
        if let Some(stream) = &mut self.stream {
            stream.overlap = overlap;
        }
    }
}
