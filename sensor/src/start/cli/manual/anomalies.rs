//! The page of anomalies: what headers, streams, recognition and each protocol can raise.

use tapwire_parsers::REGISTRY;
use tapwire_parsers::link::events::EVENTS;
use tapwire_parsers::protocol::{AnomalyKind, FLOW_ANOMALIES};
use tapwire_signatures::keywords::packet_event::STREAM_EVENTS;

use super::keywords::can_match;
use super::text::{Text, code};
use crate::records::report::{EVASION, OUT_OF_FUEL};

pub(super) fn page() -> String {
    let about = "What traffic does wrong, or what is worth a rule. It is never an error: inspection goes on, rules can match it, and records of the type `anomaly` tell it, as far as \
                 `types` of the output's `anomaly` wants them ([configuration](configuration.md#outputs)).";
    let mut text = Text::new("Anomalies", about);
    text.heading("Headers");
    text.paragraph(
        "Rules: `decode-event`. Records: `anomaly.type` is `decode`, `anomaly.event` the name with `decoder.` before it; each has a [counter](counters.md). Those in bold name a way to hide from a \
         sensor: with `evasion` they have records where others do not.",
    );
    text.table(["event", "what"], EVENTS.map(|event| told(event, "decoder.")));
    text.heading("Streams");
    text.paragraph("Rules: `stream-event`. Records: `anomaly.type` is `stream`, `anomaly.event` the name with `stream.` before it. The same holds of those in bold.");
    text.table(["event", "what"], STREAM_EVENTS.map(|event| told(event, "stream.")));
    text.heading("Recognition of protocols");
    text.paragraph("Rules: `app-layer-event`, where a name stands for rules. Records: `anomaly.type` is `applayer`, `anomaly.layer` is `proto_detect`.");
    kinds(&mut text, FLOW_ANOMALIES);
    text.heading("Rules");
    text.paragraph("What the sensor says of itself, in records alone: `anomaly.type` is `detect`.");
    kinds(&mut text, std::slice::from_ref(&OUT_OF_FUEL));
    for card in REGISTRY.iter().filter(|card| !card.anomalies.is_empty()) {
        text.heading(card.name);
        kinds(&mut text, card.anomalies);
    }
    text.finish()
}

fn kinds(text: &mut Text, kinds: &[AnomalyKind]) {
    text.table(
        ["in rules", "in records", "what"],
        kinds.iter().map(|kind| {
            let option = format!("app-layer-event:{}", kind.name);
            let in_rules = if can_match("ip", &option) == Some(true) { code(kind.name) } else { "none".to_owned() };
            [in_rules, code(kind.record_name), kind.doc.to_owned()]
        }),
    );
}

/// An event, in bold where it names a way to hide, and what it means.
fn told((event, doc): (&str, &str), prefix: &str) -> [String; 2] {
    let hides = EVASION.iter().any(|hiding| hiding.strip_prefix(prefix) == Some(event));
    let name = if hides { format!("**{}**", code(event)) } else { code(event) };
    [name, if doc.is_empty() { NEVER } else { doc }.to_owned()]
}

/// What is said of those that rules may name and that do not come up here.
const NEVER: &str = "It is never raised; rules may name it.";

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// The text of the source files in a folder and those in it, without tests.
    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                text.push_str(&sources(&path));
            } else if !path.ends_with("tests.rs") {
                text.push_str(std::fs::read_to_string(path).unwrap().split("#[cfg(test)]").next().unwrap());
            }
        }
        text
    }

    #[test]
    fn each_event_has_its_sentence_and_those_without_are_never_raised() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let text = ["../parsers/src/link", "src/decode", "src/flow"].map(|folder| sources(&root.join(folder))).concat();
        for (table, prefix) in [(&EVENTS[..], "decoder"), (&STREAM_EVENTS[..], "stream")] {
            for (name, doc) in table {
                assert_eq!(text.contains(&format!("\"{prefix}.{name}\"")), !doc.is_empty(), "{name} is raised, or not");
                assert!(doc.is_empty() || doc.ends_with('.'), "{name}");
            }
        }
    }
}
