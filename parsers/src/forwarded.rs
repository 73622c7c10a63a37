//! The client behind a proxy, as the proxy names it in a header of the request (`X-Forwarded-For`).

use std::net::IpAddr;

/// The address of a client in the value of such a header. The last of several is the one that the proxy saw, which is asked for where it
/// stands before the servers (`reverse`); else it stands before the clients, and the first one is the client's.
pub fn forwarded_address(value: &[u8], reverse: bool) -> Option<IpAddr> {
    let mut addresses = std::str::from_utf8(value).ok()?.split(',');
    let text = if reverse { addresses.next_back() } else { addresses.next() }?.trim();
    // A port may follow an IPv4 address, or an IPv6 one in brackets.
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    bare.parse().ok()
}
