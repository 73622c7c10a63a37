//! Names of message types (RFC 2132, section 9.6, and later ones) and of what clients ask for.

/// The name of a message type.
pub(super) fn message_type(number: u8) -> &'static str {
    const NAMES: [&str; 18] = [
        "discover",
        "offer",
        "request",
        "decline",
        "ack",
        "nak",
        "release",
        "inform",
        "forcerenew",
        "leasequery",
        "leaseunassigned",
        "leaseunknown",
        "leaseactive",
        "bulkleasequery",
        "leasequerydone",
        "activeleasequery",
        "leasequerystatus",
        "tls",
    ];
    number.checked_sub(1).and_then(|index| NAMES.get(usize::from(index))).copied().unwrap_or("unknown")
}

/// The name of an option that a client asks for, of those that matter to whoever reads records.
pub(super) fn parameter(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "subnet_mask",
        3 => "router",
        6 => "dns_server",
        15 => "domain",
        35 => "arp_timeout",
        42 => "ntp_server",
        66 => "tftp_server_name",
        150 => "tftp_server_ip",
        _ => return None,
    })
}
