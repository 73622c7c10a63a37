//! An interface as the system sees it: whether it is there and up, what it carries, and what is done to packets before they are seen.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::netlink::{Counts, Netlink};
use super::system::{Ask, ask, control_socket, driver, note_times};

/// What is asked about an interface with.
pub(super) struct Link {
    name: String,
    control: OwnedFd,
    netlink: Netlink,
}

/// How an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Its number: another one if it was gone and came back.
    pub(super) index: u32,
    /// It is switched on.
    pub(super) up: bool,
    /// There is somebody on the other end.
    pub(super) running: bool,
    /// Bytes of its longest packets.
    pub(super) mtu: u32,
    /// `ARPHRD_ETHER` …
    kind: u16,
}

impl State {
    /// How its packets begin: the link type as tcpdump numbers it; nothing where packet sockets and libpcap differ over it.
    pub(super) fn link_type(self) -> Option<u32> {
        match self.kind {
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(ETHERNET),
            libc::ARPHRD_NONE | RAW_IP => Some(RAW),
            _ => None,
        }
    }

    /// Whether each of its packets comes back to it.
    pub(super) fn is_loopback(self) -> bool {
        self.kind == libc::ARPHRD_LOOPBACK
    }
}

impl Link {
    pub(super) fn new(name: &str) -> io::Result<Self> {
        Ok(Self { name: name.to_owned(), control: control_socket()?, netlink: Netlink::new()? })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is; nothing if it is not there.
    pub(super) fn state(&self) -> Option<State> {
        let ask = |what| ask(self.control.as_fd(), &self.name, what).ok();
        let (index, flags, mtu, kind) = (ask(Ask::Index)?, ask(Ask::Flags)?, ask(Ask::Mtu)?, ask(Ask::Kind)?);
        let has = |flag: libc::c_int| flags & flag.unsigned_abs() != 0;
        let (up, running) = (has(libc::IFF_UP), has(libc::IFF_RUNNING));
        Some(State { index, up, running, mtu, kind: u16::try_from(kind).unwrap_or(u16::MAX) })
    }

    /// What it counted.
    pub(super) fn counts(&self, index: u32) -> Option<Counts> {
        self.netlink.counts(index)
    }

    /// What glues packets together before they are seen, by the names that `ethtool` has for it.
    pub(super) fn gluing(&self) -> Vec<&'static str> {
        let on = |command, bit| driver(self.control.as_fd(), &self.name, command, 0).is_ok_and(|v| v & bit != 0);
        [("gro", GET_GRO, 1), ("lro", GET_FLAGS, LRO)]
            .into_iter()
            .filter(|(_, command, bit)| on(*command, *bit))
            .map(|(name, ..)| name)
            .collect()
    }

    /// Switches that off.
    pub(super) fn unglue(&self, what: &str) -> io::Result<()> {
        let control = self.control.as_fd();
        if what == "gro" {
            return driver(control, &self.name, SET_GRO, 0).map(drop);
        }
        let flags = driver(control, &self.name, GET_FLAGS, 0)?;
        driver(control, &self.name, SET_FLAGS, flags & !LRO).map(drop)
    }

    /// Asks the card to note when each packet came.
    pub(super) fn note_times(&self) -> io::Result<()> {
        note_times(self.control.as_fd(), &self.name)
    }
}

/// `ARPHRD_RAWIP`
const RAW_IP: u16 = 519;
/// `LINKTYPE_ETHERNET`, `LINKTYPE_RAW`
const ETHERNET: u32 = 1;
const RAW: u32 = 101;
/// Commands of `linux/ethtool.h`.
const GET_GRO: u32 = 0x2b;
const SET_GRO: u32 = 0x2c;
const GET_FLAGS: u32 = 0x25;
const SET_FLAGS: u32 = 0x26;
const LRO: u32 = 1 << 15;
