//! A record in a line.

use super::records::Record;
use super::table::{Paint, bytes};
use crate::start::terminal::escaped;

/// An alert: when, how severe, which rule, between whom.
pub(super) fn alert(record: &Record, paint: Paint) -> Option<String> {
    let alert = record.alert.as_ref().filter(|_| record.event_type == "alert")?;
    let category = if alert.category.is_empty() { String::new() } else { format!("  [{}]", alert.category) };
    let text = format!("{}  {}:{}", alert.severity, alert.gid, alert.signature_id);
    let what = escaped(&format!("{}{category}", alert.signature), false);
    let (time, ends) = (escaped(&record.timestamp, false), escaped(&ends(record), false));
    Some(format!("{time}  {}  {ends}  {what}", paint.severity(alert.severity, &text)))
}

/// A flow: when it began, between whom, which protocol, how much.
pub(super) fn flow(record: &Record) -> Option<String> {
    let flow = record.flow.as_ref().filter(|_| record.event_type == "flow")?;
    let protocol = record.app_proto.as_deref().unwrap_or("-");
    let (to_server, to_client) = (bytes(flow.bytes_toserver), bytes(flow.bytes_toclient));
    let text = format!(
        "{}  {}  {protocol}  {to_server} to server, {to_client} to client, {}",
        flow.start,
        ends(record),
        flow.state
    );
    Some(escaped(&text, false))
}

/// The ends of a record, as its packets go.
fn ends(record: &Record) -> String {
    let end = |address: &Option<String>, port: Option<u16>| match (address, port) {
        (None, _) => "-".to_owned(),
        (Some(address), None) => address.clone(),
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
    };
    let proto = record.proto.as_deref().unwrap_or("-");
    format!("{} -> {} {proto}", end(&record.src_ip, record.src_port), end(&record.dest_ip, record.dest_port))
}
