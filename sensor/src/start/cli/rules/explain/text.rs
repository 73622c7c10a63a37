//! The explanation for people. Everything from rules and captures is shown as plain text on one line.

use std::net::IpAddr;

use tapwire_parsers::json::needs_escape;
use tapwire_signatures::plan::Kind;
use tapwire_signatures::verify::Ground;
use tapwire_signatures::verify::explain::{Bytes, Condition, Funnel, Look, Mark, Outcome};

use super::super::list::printable;
use super::{Explanation, counted};
use crate::records::header::{Clock, protocol_name};

/// Different things that are named of what was there instead.
const INSTEAD_SHOWN: usize = 4;

/// The whole report.
pub(super) fn report(explanation: &Explanation<'_>) -> String {
    let Explanation { rule, watch, looks, estimate, .. } = explanation;
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(format!("rule {} {}  {}", explanation.id, plain(&rule.message), plain(&explanation.place)));
    let patterns: Vec<String> =
        estimate.patterns.iter().map(|(buffer, bytes)| format!("{buffer} \"{}\"", printable(bytes))).collect();
    let found = if patterns.is_empty() {
        estimate.found.name().into()
    } else {
        format!("fast pattern {}", patterns.join(", "))
    };
    line(format!("asked about {}; found by {found}", explanation.kind.name()));
    line(format!("=> {}", plain(&explanation.conclusion())));
    line(String::new());
    for (name, funnel) in
        [("packets", &watch.packets), ("chunks of streams", &watch.chunks), ("transactions", &watch.transactions)]
    {
        let about = match explanation.kind {
            Kind::Transaction => name != "chunks of streams",
            Kind::Stream | Kind::PayloadOrStream | Kind::PacketAndStream => name != "transactions",
            _ => name == "packets",
        };
        if about && funnel.seen > 0 {
            line(format!("{name}: {}", funnel.seen));
            stages(funnel).into_iter().for_each(&mut line);
        }
    }
    if watch.uninspected > 0 {
        line(format!(
            "not inspected, because a pass rule matched in their flow or it is bypassed: {}",
            counted(watch.uninspected, "packet", "packets")
        ));
    }
    line(format!("looks: {}, {}", watch.made, counted(watch.matched, "match", "matches")));
    for (why, count) in explanation.fates() {
        line(format!("  {count:>8} {}", plain(&why)));
    }
    line(format!("alerts: {}", explanation.alerts));
    let mut clock = Clock::default();
    for look in looks {
        line(String::new());
        line(head(look, &mut clock));
        look.conditions.iter().flat_map(condition).for_each(&mut line);
    }
    let left = watch.made.saturating_sub(looks.len() as u64);
    if left > 0 {
        line(String::new());
        line(format!(
            "{} came less near and {} left out; --limit shows more",
            counted(left, "look", "looks"),
            if left == 1 { "is" } else { "are" }
        ));
    }
    out
}

fn stages(funnel: &Funnel) -> Vec<String> {
    let shown = |stage: &tapwire_signatures::verify::explain::Stage| {
        let mut text = format!("  {:>8} held  {}", stage.held, plain(&stage.text));
        let mut instead: Vec<(&String, &u64)> = stage.instead.iter().filter(|(what, _)| !what.is_empty()).collect();
        instead.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        if stage.failed > 0 {
            let named: Vec<String> =
                instead.iter().take(INSTEAD_SHOWN).map(|(what, count)| format!("{} ({count})", plain(what))).collect();
            let more = if instead.len() > INSTEAD_SHOWN { ", …" } else { "" };
            let colon = if named.is_empty() { "" } else { ": " };
            text.push_str(&format!("   [{} not{colon}{}{more}]", stage.failed, named.join(", ")));
        }
        text
    };
    funnel.stages.iter().map(shown).collect()
}

fn head(look: &Look, clock: &mut Clock) -> String {
    let end = |end: Option<(IpAddr, u16)>| match end {
        Some((address, 0)) => address.to_string(),
        Some((address, port)) if address.is_ipv6() => format!("[{address}]:{port}"),
        Some((address, port)) => format!("{address}:{port}"),
        None => "no address".into(),
    };
    let what = match look.ground {
        Ground::Packet => "packet".to_owned(),
        Ground::Stream => "stream".to_owned(),
        Ground::Frame(id) => format!("frame {id}"),
        Ground::Transaction(id) => format!("transaction {id}"),
    };
    let packet = if look.packet == 0 { "end of flow".to_owned() } else { format!("packet {}", look.packet) };
    let outcome = match look.outcome {
        Outcome::Matched => "MATCHED",
        Outcome::Open => "waits for more",
        Outcome::Failed => "failed",
    };
    format!(
        "{packet}, {}, {} -> {} {}, {what} {}: {outcome}",
        clock.timestamp(look.time),
        end(look.source),
        end(look.destination),
        protocol_name(look.protocol),
        look.direction.name(),
    )
}

fn condition(condition: &Condition) -> Vec<String> {
    let mark = match condition.mark {
        Mark::Held => "held",
        Mark::Failed => "FAILED",
        Mark::Open => "not yet",
        Mark::NotLooked => "-",
    };
    let mut lines = vec![format!("  {mark:<8} {}", plain(&condition.text))];
    if !condition.note.is_empty() {
        lines.push(format!("  {:<8}   {}", "", plain(&condition.note)));
    }
    if let Some(bytes) = &condition.bytes {
        lines.push(format!("  {:<8}   {}", "", excerpt(bytes)));
    }
    lines
}

fn excerpt(bytes: &Bytes) -> String {
    let Bytes { buffer, instance, transformed, size, offset, length, excerpt } = bytes;
    let which = if *instance > 0 { format!(" #{}", instance + 1) } else { String::new() };
    let how = if *transformed { ", transformed" } else { "" };
    let size = size.map_or_else(String::new, |size| format!(" of {}", counted(size, "byte", "bytes")));
    let end = offset + length;
    let (place, text) = match length {
        0 => (format!("from {offset}"), printable(excerpt)),
        length => {
            let shown = usize::try_from(*length).unwrap_or(usize::MAX).min(excerpt.len());
            (format!("{offset} to {end}"), printable(excerpt.get(..shown).unwrap_or(excerpt)))
        }
    };
    let cut = if *length > excerpt.len() as u64 { " …" } else { "" };
    format!("{buffer}{which}{size}{how}, {place}: \"{text}\"{cut}")
}

/// Text that does nothing but stand there.
fn plain(text: &str) -> String {
    text.chars().map(|c| if needs_escape(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}
