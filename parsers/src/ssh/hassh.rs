//! The algorithms that a side offers (RFC 4253, section 7.1), and their fingerprint.
//!
//! HASSH is the MD5 of the key exchange, encryption, MAC and compression algorithms with semicolons between them: of those that
//! the side would use for what it sends.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

use crate::protocol::Direction;

/// Octets of the random cookie before the lists.
const COOKIE_BYTES: usize = 16;

/// A fingerprint of the algorithms that a side offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hassh {
    /// The algorithms, as sent.
    pub(super) string: Vec<u8>,
    /// MD5 of them, in lower-case hex.
    pub(super) hash: String,
}

impl Hassh {
    /// Reads a KEXINIT message behind its number; `None` where it ends early.
    pub(super) fn read(message: &[u8], direction: Direction) -> Option<Self> {
        let mut rest = message.get(COOKIE_BYTES..)?;
        let mut lists: [&[u8]; 8] = [&[]; 8];
        for list in &mut lists {
            let (length, after) = rest.split_first_chunk::<4>()?;
            (*list, rest) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        }
        let [key_exchange, _, encryption_up, encryption_down, mac_up, mac_down, compression_up, compression_down] =
            lists;
        let own = match direction {
            Direction::ToServer => [key_exchange, encryption_up, mac_up, compression_up],
            Direction::ToClient => [key_exchange, encryption_down, mac_down, compression_down],
        };
        let string = own.join(&b';');
        let hash = HEXLOWER.encode(&Md5::digest(&string));
        Some(Self { string, hash })
    }
}
