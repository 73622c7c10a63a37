//! What is known of the hosts that packets go to.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// The operating system of a host, as far as it matters for what the host makes of overlapping data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// Nobody said.
    #[default]
    Unknown,
    /// BSD.
    Bsd,
    /// BSD that prefers later data.
    BsdRight,
    /// Linux before 2.6.
    OldLinux,
    /// Linux.
    Linux,
    /// Solaris before 9.
    OldSolaris,
    /// Solaris.
    Solaris,
    /// HP-UX 10.
    Hpux10,
    /// HP-UX 11.
    Hpux11,
    /// IRIX.
    Irix,
    /// Mac OS.
    MacOs,
    /// Windows.
    Windows,
    /// Windows Vista.
    Vista,
    /// Windows Server 2003.
    Windows2k3,
}

/// Something said of networks, the longest prefix that an address has counting.
#[derive(Clone, Debug)]
pub struct ByNetwork<T>(Arc<[(IpNet, T)]>);

impl<T> Default for ByNetwork<T> {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl<T: Copy> ByNetwork<T> {
    /// What is said of each network.
    pub fn new(mut said: Vec<(IpNet, T)>) -> Self {
        said.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        Self(said.into())
    }

    /// What is said of an address.
    pub fn of(&self, address: IpAddr) -> Option<T> {
        self.0.iter().find(|(network, _)| network.contains(&address)).map(|(_, said)| *said)
    }
}
