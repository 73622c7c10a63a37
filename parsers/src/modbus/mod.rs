//! Modbus/TCP.

use crate::protocol::{Both, Probe, Protocol, Settings, Opener, Recorder, Transport};

/// The card of modbus.
pub static PROTOCOL: Protocol = Protocol {
    name: "modbus",
    aliases: &[],
    doc: "Modbus/TCP.",
    on_by_default: true,
    transports: &[Transport::Tcp],
    patterns: &[],
    ports: &[],
    probe: |_, _, _| Probe::No,
    states: Both { to_server: &[], to_client: &[] },
    fields: &[],
    anomalies: &[],
    event_type: Some("modbus"),
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
