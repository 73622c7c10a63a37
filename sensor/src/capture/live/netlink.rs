//! What an interface counted, asked of the kernel by netlink (`rtnetlink(7)`, `RTM_GETLINK`).
//!
//! Counters in `/proc/net/dev` mix what a card lost with what nobody wanted, and a file may be out of reach; the one question that is
//! asked here is short enough to go without a crate of netlink's many.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// What an interface counted since it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets that came.
    pub(super) received: u64,
    /// Packets that went.
    pub(super) sent: u64,
    /// Packets that came and that the card or its driver lost.
    pub(super) lost: u64,
}

/// The way to the kernel.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// What the interface of a number counted.
    pub(super) fn counts(&self, index: u32) -> Option<Counts> {
        let mut question = Vec::with_capacity(32);
        question.extend(32_u32.to_ne_bytes());
        question.extend(libc::RTM_GETLINK.to_ne_bytes());
        question.extend(u16::try_from(libc::NLM_F_REQUEST).ok()?.to_ne_bytes());
        question.extend([0; 12]);
        question.extend(index.to_ne_bytes());
        question.extend([0; 8]);
        send(&self.0, &question, SendFlags::empty()).ok()?;
        let mut answer = [0; 16 << 10];
        let (len, _) = recv(&self.0, &mut answer[..], RecvFlags::empty()).ok()?;
        read(answer.get(..len)?)
    }
}

/// Finds the counters in an answer.
fn read(answer: &[u8]) -> Option<Counts> {
    let mut rest = answer.get(32..)?;
    while let Some(head) = rest.first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let (len, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        let value = rest.get(4..len)?;
        if kind == libc::IFLA_STATS64 {
            let number = |at: usize| value.get(at * 8..)?.first_chunk().copied().map(u64::from_ne_bytes);
            return Some(Counts { received: number(0)?, sent: number(1)?, lost: number(14)? + number(15)? });
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_counts_as_much_in_as_out() {
        let netlink = Netlink::new().unwrap();
        let counts = netlink.counts(1).unwrap();
        assert_eq!((counts.received, counts.lost), (counts.sent, 0));
        assert_eq!(netlink.counts(1 << 30), None);
    }

    #[test]
    fn an_answer_that_is_cut_is_none() {
        let mut answer = vec![0; 32];
        answer.extend([8, 0, 1, 0, 1, 2, 3, 4]);
        answer.extend([4 + 16 * 8, 0, 23, 0]);
        (0..16_u64).for_each(|n| answer.extend(n.to_ne_bytes()));
        assert_eq!(read(&answer), Some(Counts { received: 0, sent: 1, lost: 29 }));
        assert!((0..answer.len()).all(|len| read(&answer[..len]).is_none()));
    }
}
