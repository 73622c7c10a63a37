//! Domain Name System (RFC 1035).

use crate::protocol::{Both, Probe, Protocol, Settings, Opener, Recorder, Transport};

/// The card of dns.
pub static PROTOCOL: Protocol = Protocol {
    name: "dns",
    aliases: &[],
    doc: "Domain Name System (RFC 1035).",
    on_by_default: true,
    transports: &[Transport::Tcp],
    patterns: &[],
    ports: &[],
    probe: |_, _, _| Probe::No,
    states: Both { to_server: &[], to_client: &[] },
    fields: &[],
    anomalies: &[],
    event_type: Some("dns"),
    recorded_by_default: true,
    configure,
    recorder,
};

fn configure(_: &Settings) -> Opener {
    Box::new(|_| unreachable!("not recognised yet"))
}

fn recorder(_: &Settings) -> Recorder {
    Box::new(|_, _, _| false)
}
