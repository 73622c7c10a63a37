//! A message: the fixed part of BOOTP (RFC 951), the magic cookie, and options (RFC 2132).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::protocol::{Anomaly, Direction, OneWay, held};

/// What the tree holds of an option, besides its bytes.
const OPTION_BYTES: usize = 48;
/// Octets of the fixed part.
const HEADER_BYTES: usize = 236;
/// What stands before options (RFC 1497).
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Type and length of Ethernet addresses.
const ETHERNET: [u8; 2] = [1, 6];
/// Where the server's name and the boot file stand, which may have options in them.
const SERVER_NAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;

/// Codes of options.
pub(super) mod option {
    pub(in crate::dhcp) const PAD: u8 = 0;
    pub(in crate::dhcp) const SUBNET_MASK: u8 = 1;
    pub(in crate::dhcp) const ROUTERS: u8 = 3;
    pub(in crate::dhcp) const DNS_SERVERS: u8 = 6;
    pub(in crate::dhcp) const HOSTNAME: u8 = 12;
    pub(in crate::dhcp) const REQUESTED_ADDRESS: u8 = 50;
    pub(in crate::dhcp) const LEASE_TIME: u8 = 51;
    pub(in crate::dhcp) const OVERLOAD: u8 = 52;
    pub(in crate::dhcp) const MESSAGE_TYPE: u8 = 53;
    pub(in crate::dhcp) const PARAMETERS: u8 = 55;
    pub(in crate::dhcp) const RENEWAL_TIME: u8 = 58;
    pub(in crate::dhcp) const REBINDING_TIME: u8 = 59;
    pub(in crate::dhcp) const VENDOR_CLASS: u8 = 60;
    pub(in crate::dhcp) const CLIENT_ID: u8 = 61;
    pub(in crate::dhcp) const END: u8 = 255;
}

/// A message as a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) direction: Direction,
    /// Sent by a server.
    pub(super) is_reply: bool,
    /// Transaction id, chosen by the client.
    pub(super) id: u32,
    /// Hardware address of the client.
    pub(super) client_hardware: Vec<u8>,
    pub(super) client_address: Ipv4Addr,
    pub(super) assigned_address: Ipv4Addr,
    pub(super) next_server_address: Ipv4Addr,
    pub(super) relay_address: Ipv4Addr,
    options: BTreeMap<u8, Vec<u8>>,
    anomalies: Vec<Anomaly>,
}

impl Message {
    /// Whether a datagram is a message: one with the cookie, or without one that of a client on Ethernet.
    pub(super) fn is_one(data: &[u8]) -> bool {
        let cookie = data.get(HEADER_BYTES..HEADER_BYTES + COOKIE.len());
        matches!(data.first(), Some(1 | 2))
            && (cookie == Some(&COOKIE) || cookie.is_some() && data.get(1..3) == Some(&ETHERNET))
    }

    /// Reads a datagram; `None` if it is no message.
    pub(super) fn read(data: &[u8], direction: Direction) -> Option<Self> {
        if !Self::is_one(data) {
            return None;
        }
        let address = |at: usize| data.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
        let hardware_length = usize::from(*data.get(2)?).min(16);
        let mut message = Self {
            direction,
            is_reply: data.first() == Some(&2),
            id: u32::from_be_bytes(*data.get(4..)?.first_chunk()?),
            client_hardware: data.get(28..28 + hardware_length)?.to_vec(),
            client_address: address(12)?,
            assigned_address: address(16)?,
            next_server_address: address(20)?,
            relay_address: address(24)?,
            options: BTreeMap::new(),
            anomalies: Vec::new(),
        };
        let rest = data.get(HEADER_BYTES..)?;
        let (cookie, options) = rest.split_at_checked(COOKIE.len())?;
        message.read_options(options);
        // BOOTP leaves to vendors what stands here, but no client of today has anything but options.
        if cookie != COOKIE && rest.iter().any(|&octet| octet != 0) {
            message.raise("dhcp.malformed_options");
        }
        // What these fields hold is read after the options, in this order (RFC 2131, section 4.1).
        let overload = message.octet(option::OVERLOAD).unwrap_or(0);
        for (bit, field) in [(1, FILE), (2, SERVER_NAME)] {
            if overload & bit != 0 {
                message.read_options(data.get(field)?);
            }
        }
        if message.options.iter().any(|(&code, value)| !has_right_length(code, value.len())) {
            message.raise("dhcp.malformed_options");
        }
        Some(message)
    }

    /// Reads the options of a field. One that comes several times is one in pieces (RFC 3396).
    fn read_options(&mut self, mut rest: &[u8]) {
        while let Some((&code, after)) = rest.split_first() {
            rest = match (code, after) {
                (option::END, _) => return,
                (option::PAD, after) => after,
                (_, [length, after @ ..]) => match after.split_at_checked(usize::from(*length)) {
                    Some((value, after)) => {
                        if is_kept(code) {
                            self.options.entry(code).or_default().extend_from_slice(value);
                        }
                        after
                    }
                    None => return self.raise("dhcp.truncated_options"),
                },
                (_, []) => break,
            };
        }
        // The end is an option of its own.
        self.raise("dhcp.truncated_options");
    }

    fn raise(&mut self, name: &'static str) {
        if !self.anomalies.contains(&Anomaly(name)) {
            self.anomalies.push(Anomaly(name));
        }
    }

    /// The message, if it travels in this direction.
    pub(super) fn seen_in(&self, direction: Direction) -> Option<&Self> {
        (direction == self.direction).then_some(self)
    }

    /// The value of an option.
    pub(super) fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.get(&code).map(Vec::as_slice)
    }

    /// The value of an option of one octet.
    pub(super) fn octet(&self, code: u8) -> Option<u8> {
        self.option(code)?.first().copied()
    }

    /// The value of an option of four octets.
    pub(super) fn number(&self, code: u8) -> Option<u64> {
        self.option(code)?.first_chunk().map(|octets| u32::from_be_bytes(*octets).into())
    }

    /// The addresses in the value of an option.
    pub(super) fn addresses(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> {
        self.option(code).unwrap_or_default().as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets))
    }
}

impl OneWay for Message {
    fn way(&self) -> Direction {
        self.direction
    }

    fn noted(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held(&self) -> usize {
        let options: usize = self.options.values().map(|option| OPTION_BYTES + held::list(option)).sum();
        held::list(&self.client_hardware) + held::list(&self.anomalies) + options
    }
}

/// Whether records or rules show an option.
fn is_kept(code: u8) -> bool {
    use option::*;
    matches!(
        code,
        SUBNET_MASK
            | ROUTERS
            | DNS_SERVERS
            | HOSTNAME
            | REQUESTED_ADDRESS
            | LEASE_TIME
            | OVERLOAD
            | MESSAGE_TYPE
            | PARAMETERS
            | RENEWAL_TIME
            | REBINDING_TIME
            | VENDOR_CLASS
            | CLIENT_ID
    )
}

fn has_right_length(code: u8, length: usize) -> bool {
    use option::*;
    match code {
        OVERLOAD | MESSAGE_TYPE => length == 1,
        SUBNET_MASK | REQUESTED_ADDRESS | LEASE_TIME | RENEWAL_TIME | REBINDING_TIME => length == 4,
        ROUTERS | DNS_SERVERS => length > 0 && length.is_multiple_of(4),
        CLIENT_ID => length >= 2,
        _ => length > 0,
    }
}
