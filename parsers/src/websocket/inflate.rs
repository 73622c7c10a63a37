//! Messages that are compressed one by one (RFC 7692, `permessage-deflate`).

use flate2::{Decompress, FlushDecompress, Status};

use crate::protocol::{Both, Direction, Fuel};

/// What the sides agreed on for the messages of each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Agreement {
    pub is_compressed: bool,
    /// Each message begins with an empty window.
    pub begins_anew: Both<bool>,
}

impl Agreement {
    /// What the answer's `Sec-WebSocket-Extensions` says.
    pub(super) fn read(extensions: &[u8]) -> Self {
        let mut agreement = Self::default();
        let offer = extensions.split(|octet| *octet == b',').find(|offer| {
            let name = offer.split(|octet| *octet == b';').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"permessage-deflate")
        });
        let Some(offer) = offer else { return agreement };
        agreement.is_compressed = true;
        for parameter in offer.split(|octet| *octet == b';').skip(1) {
            let name = parameter.split(|octet| *octet == b'=').next().unwrap_or_default().trim_ascii();
            agreement.begins_anew.to_server |= name.eq_ignore_ascii_case(b"client_no_context_takeover");
            agreement.begins_anew.to_client |= name.eq_ignore_ascii_case(b"server_no_context_takeover");
        }
        agreement
    }

    /// What undoes it in a direction.
    pub(super) fn inflater(self, direction: Direction) -> Option<Inflater> {
        let begins_anew = *self.begins_anew.of(direction);
        self.is_compressed.then(|| Inflater { inflate: None, begins_anew, made: 0 })
    }
}

/// Undoes the compression of one direction.
pub(super) struct Inflater {
    inflate: Option<Box<Decompress>>,
    begins_anew: bool,
    /// Bytes of the message at hand that came out.
    made: u64,
}

/// Why compression could not be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The bytes are none that were compressed.
    Broken,
    /// A message is too long.
    TooLong,
}

impl Inflater {
    /// Adds what comes out of a piece of a message to `out`, up to a limit of bytes in it. `work` is what it took, in bytes.
    pub(super) fn piece(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
        fuel: &mut Fuel,
    ) -> Result<(), Failure> {
        let inflate = self.inflate.get_or_insert_with(|| Box::new(Decompress::new(false)));
        let (mut at, mut buffer) = (0, [0; 4096]);
        loop {
            let (taken, given) = (inflate.total_in(), inflate.total_out());
            let rest = piece.get(at..).unwrap_or_default();
            let status = inflate.decompress(rest, &mut buffer, FlushDecompress::Sync).map_err(|_| Failure::Broken)?;
            let taken = usize::try_from(inflate.total_in() - taken).unwrap_or(usize::MAX);
            let given = usize::try_from(inflate.total_out() - given).unwrap_or(usize::MAX);
            at = at.saturating_add(taken);
            fuel.spend((taken + given) as u64);
            self.made += given as u64;
            let room = limit.saturating_sub(out.len()).min(given);
            out.extend_from_slice(buffer.get(..room).unwrap_or_default());
            if self.made > limit as u64 * TIMES_LIMIT {
                return Err(Failure::TooLong);
            }
            match status {
                // A block that says it is the last one: what follows begins anew.
                Status::StreamEnd => inflate.reset(false),
                _ if taken == 0 && given == 0 => return Ok(()),
                _ => {}
            }
            if at >= piece.len() && given < buffer.len() {
                return Ok(());
            }
        }
    }

    /// The message ends: what its sender left out of its end is put in.
    pub(super) fn end(&mut self, out: &mut Vec<u8>, limit: usize, fuel: &mut Fuel) -> Result<(), Failure> {
        let ended = self.piece(&[0, 0, 0xff, 0xff], out, limit, fuel);
        self.made = 0;
        if self.begins_anew {
            self.inflate = None;
        }
        ended
    }

    pub(super) fn held_bytes(&self) -> usize {
        if self.inflate.is_some() { INFLATE_BYTES } else { 0 }
    }
}

/// How often what is kept of a message may come out of one before it is given up.
const TIMES_LIMIT: u64 = 64;
/// What one decompressor holds, most of it its window.
const INFLATE_BYTES: usize = 48 << 10;
