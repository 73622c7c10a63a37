//! Who talks to whom: hosts over IP, or stations in frames without it.
//!
//! The key of a flow has both in the same places, so that a frame costs a packet over IP nothing. What they are is read here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tapwire_parsers::protocol::Mac;

/// The address of a host or a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
    /// Ethernet; zeros where the capture has none.
    Station(Mac),
}

impl Address {
    /// The address, if it is one of IP.
    #[inline]
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Address::V4(address) => Some(IpAddr::V4(address)),
            Address::V6(address) => Some(IpAddr::V6(address)),
            Address::Station(_) => None,
        }
    }

    /// Its bits, the last one lowest.
    #[inline]
    pub(super) fn bits(self) -> u128 {
        match self {
            Address::V4(address) => u128::from(address.to_bits()),
            Address::V6(address) => address.to_bits(),
            Address::Station([a, b, c, d, e, f]) => u128::from(u64::from_be_bytes([0, 0, a, b, c, d, e, f])),
        }
    }
}

impl From<IpAddr> for Address {
    #[inline]
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Address::V4(address),
            IpAddr::V6(address) => Address::V6(address),
        }
    }
}

/// The ends of a flow over IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpEnds {
    /// Address of the sender.
    pub source: IpAddr,
    /// Address of the receiver.
    pub destination: IpAddr,
    /// Port of the sender, or what is in its place.
    pub source_port: u16,
    /// Port of the receiver, or what is in its place.
    pub destination_port: u16,
    /// IP protocol number.
    pub protocol: u8,
}

/// The ends of a flow without IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkEnds {
    /// The station that sends.
    pub source: Mac,
    /// The station or group that receives.
    pub destination: Mac,
    /// The Ethernet type.
    pub ether_type: u16,
    /// What the card of the protocol tells flows apart by ([`tapwire_parsers::protocol::Link::id`]).
    pub id: u16,
}
