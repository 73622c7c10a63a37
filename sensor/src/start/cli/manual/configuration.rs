//! The page of the configuration, from the table of its keys.

use super::text::{Text, code};
use crate::start::config::{Configuration, Effect, KEYS, Key};

pub(super) fn page() -> String {
    let about = "No configuration is needed: the defaults do the main job. A file is YAML with Suricata's keys where Suricata has one; `--set KEY=VALUE` changes one value of it, with the dotted \
                 paths below. In a path `N` is a position in a list, from 0 on, `NAME` and `ID` stand for names and numbers of your own.";
    let mut text = Text::new("Configuration", about);
    text.paragraph(
        "A value that cannot be right is a fault that names its place, and its default is used; `--strict` ends the run. A key that is not known is named in a warning. `yes`, `true`, `on`, `1` and \
         their opposites are switches; sizes are such as `4096`, `64 KiB`, `1gb`; times are whole numbers of seconds.",
    );
    text.paragraph("Keys that other sensors obey and this one need not are accepted: *No effect* says why. Where a configuration has such keys, `check`, `replay` and `run` name them in one line.");
    let usual = Configuration::default();
    for (part, keys) in &*KEYS {
        text.heading(part);
        text.table(["key", "default", "what"], keys.iter().map(|key| row(key, &usual)));
    }
    text.finish()
}

fn row(key: &Key, usual: &Configuration) -> [String; 3] {
    let doc = match key.effect {
        Effect::Used => key.doc.to_owned(),
        Effect::No(why) => format!("{} *No effect*: {why}.", key.doc),
    };
    [code(key.path), key.default(usual), doc]
}
