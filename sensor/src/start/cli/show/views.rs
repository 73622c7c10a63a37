//! Tables of what records add up to.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::books::{Books, Table};
use super::table::{Paint, bytes, drawn};

/// Rows of a table where nobody says how many.
pub(super) const TOP: usize = 10;

/// Some of everything.
pub(super) fn overview(books: &Books, top: usize, paint: Paint) -> String {
    if books.records == 0 {
        return "no records\n".to_owned();
    }
    let mut events: Vec<_> = books.events.rows.iter().collect();
    events.sort_by_key(|(name, count)| (Reverse(**count), *name));
    let events: Vec<String> = events.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let rows = [
        vec![books.records.to_string(), "records".into(), format!("{} to {}", books.first, books.last)],
        vec![String::new(), String::new(), events.join(", ")],
    ];
    let mut text = drawn(&[">", "", ""], &rows, paint).trim_start().to_owned();
    for (title, table) in [
        ("Alerts by rule", rules(books, top, paint)),
        ("Talkers", talkers(books, top, paint)),
        ("Protocols", protocols(books, top, paint)),
        ("Odd, or not decodable", undecoded(books, top, paint)),
    ] {
        text.push_str(&format!("\n{}\n{table}", paint.heading(&format!("-- {title} --"))));
    }
    text
}

/// Alerts by rule, the most severe first.
pub(super) fn rules(books: &Books, top: usize, paint: Paint) -> String {
    let order = |rule: &super::books::OfRule| (rule.severity, Reverse(rule.count));
    let row = |id: &str, rule: &super::books::OfRule| {
        vec![
            rule.count.to_string(),
            rule.severity.to_string(),
            id.to_owned(),
            rule.sources.len().to_string(),
            rule.targets.len().to_string(),
            if rule.category.is_empty() {
                rule.message.clone()
            } else {
                format!("{} [{}]", rule.message, rule.category)
            },
        ]
    };
    listed(
        &books.rules,
        top,
        order,
        row,
        (&[">alerts", ">severity", "rule", ">sources", ">targets", "message"], "no alerts"),
        paint,
    )
}

/// Addresses by the bytes that they sent and received.
pub(super) fn talkers(books: &Books, top: usize, paint: Paint) -> String {
    let order = |host: &super::books::OfHost| Reverse(host.sent_bytes + host.received_bytes);
    let row = |address: &str, host: &super::books::OfHost| {
        let (sent, received) = (bytes(host.sent_bytes), bytes(host.received_bytes));
        vec![host.flows.to_string(), sent, received, host.alerts.to_string(), address.to_owned()]
    };
    listed(&books.hosts, top, order, row, (&[">flows", ">sent", ">received", ">alerts", "address"], "no flows"), paint)
}

/// Protocols by their flows.
pub(super) fn protocols(books: &Books, top: usize, paint: Paint) -> String {
    let order = |protocol: &super::books::OfProtocol| Reverse(protocol.flows);
    let row = |name: &str, protocol: &super::books::OfProtocol| {
        let (to_server, to_client) = (bytes(protocol.to_server_bytes), bytes(protocol.to_client_bytes));
        vec![protocol.flows.to_string(), to_server, to_client, name.to_owned()]
    };
    listed(&books.protocols, top, order, row, (&[">flows", ">to server", ">to client", "protocol"], "no flows"), paint)
}

/// Anomalies by name, and what the last counters say of packets that were not decodable or never inspected.
pub(super) fn undecoded(books: &Books, top: usize, paint: Paint) -> String {
    let row = |name: &str, count: &u64| vec![count.to_string(), name.to_owned()];
    let mut text = listed(
        &books.anomalies,
        top,
        |count: &u64| Reverse(*count),
        row,
        (&[">records", "anomaly"], "no anomalies"),
        paint,
    );
    let told = |name: &str| {
        name.starts_with("decoder.event.")
            || name.contains("drop")
            || name == "decoder.invalid"
            || name == "tcp.reassembly_gap"
    };
    let counted = books.counters.iter().filter(|(name, count)| told(name) && **count > 0);
    let counted =
        Table { rows: counted.map(|(name, count)| (name.clone(), *count)).collect::<HashMap<_, _>>(), others: 0 };
    if !counted.rows.is_empty() {
        let columns: (&[&str], &str) = (&[">packets", "counter"], "");
        text.push_str(&listed(&counted, usize::MAX, |count: &u64| Reverse(*count), row, columns, paint));
    }
    text
}

/// A table of some rows in their order, with how many more there are.
fn listed<V, K: Ord>(
    table: &Table<V>,
    top: usize,
    order: impl Fn(&V) -> K,
    row: impl Fn(&str, &V) -> Vec<String>,
    (columns, nothing): (&[&str], &str),
    paint: Paint,
) -> String {
    if table.rows.is_empty() {
        return format!("{nothing}\n");
    }
    let mut all: Vec<(&String, &V)> = table.rows.iter().collect();
    all.sort_by(|a, b| order(a.1).cmp(&order(b.1)).then(a.0.cmp(b.0)));
    let rows: Vec<Vec<String>> = all.iter().take(top).map(|(name, value)| row(name, value)).collect();
    let more = all.len().saturating_sub(rows.len());
    let mut text = drawn(columns, &rows, paint);
    if more > 0 {
        text.push_str(&format!("and {more} more; --top N shows them\n"));
    }
    if table.others > 0 {
        text.push_str(&format!("{} records are of none of these: the table is full\n", table.others));
    }
    text
}
