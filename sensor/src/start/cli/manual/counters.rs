//! The page of counters.

use super::text::{Text, code, codes};
use crate::counters::{COUNTERS, names};

pub(super) fn page() -> String {
    let about = "The members of `stats` records. Dots in a name are objects in each other: `flow.total` is `total` in the object `flow`. Those below `tapwire` are there where \
                 `tapwire.records` is on. Counters grow from the begin of a run; those of memory tell how much is in use.";
    let mut text = Text::new("Counters", about);
    text.table(
        ["counter", "unit", "what"],
        COUNTERS
            .iter()
            .map(|counter| [code(counter.name), counter.unit.unwrap_or_default().into(), counter.doc.into()]),
    );
    text.heading("Words in capitals");
    text.paragraph("Where there is a counter for each of some things, a word stands for their names.");
    let list = |word: &str| {
        let all = names(word);
        codes(all.iter().map(String::as_str))
    };
    text.list([
        format!("`PROTOCOL`: {}. Of a protocol with two carriers each has its own.", list("PROTOCOL")),
        format!("`OWNPROTOCOL`: {}, of which EVE has no counters.", list("OWNPROTOCOL")),
        format!("`HEADER`: {}.", list("HEADER")),
        "`EVENT`: an event of decoding ([anomalies](anomalies.md)).".to_owned(),
        format!("`OTHER`: {}.", list("OTHER")),
        format!("`CLASS`: {}.", list("CLASS")),
        format!("`TYPE`: an event type of records: {}.", list("TYPE")),
        "`N`: a position in a list.".to_owned(),
    ]);
    text.finish()
}
