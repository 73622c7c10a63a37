//! `fast.log`: one line an alert, for people.

use std::io::Write;
use std::net::IpAddr;

use tapwire_parsers::json::needs_escape;
use tapwire_parsers::link::Timestamp;
use tapwire_signatures::rule::Rule;

use super::header::{Clock, protocol_name};

/// Writes the line of an alert; `ends` are source and destination with their ports (type and code for ICMP).
pub fn write(
    out: &mut Vec<u8>,
    time: Timestamp,
    rule: &Rule,
    protocol: u8,
    ends: [(IpAddr, u16); 2],
    clock: &mut Clock,
) {
    let day = clock.day_and_time(time);
    let [source, destination] = ends.map(|(address, port)| match address {
        IpAddr::V4(a) => format!("{a}:{port}"),
        IpAddr::V6(a) => format!("{a}:{port}"),
    });
    // The message comes from a rule file and must not break the line.
    let clean = |text: &str| text.chars().filter(|c| !needs_escape(*c)).collect::<String>();
    let category = if rule.category.is_empty() { "(null)".to_owned() } else { clean(&rule.category) };
    let line = writeln!(
        out,
        "{day}  [**] [{}:{}:{}] {} [**] [Classification: {category}] [Priority: {}] {{{}}} {source} -> {destination}",
        rule.gid,
        rule.sid,
        rule.rev,
        clean(&rule.message),
        rule.severity,
        protocol_name(protocol),
    );
    debug_assert!(line.is_ok(), "writing to memory does not fail");
}
