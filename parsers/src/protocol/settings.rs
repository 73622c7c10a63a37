//! What the configuration says of a protocol.

use std::collections::BTreeMap;

/// Settings of one protocol as dotted keys below `app-layer.protocols.<name>` (for a parser) or below its entry in
/// `outputs.N.eve-log.types` (for records), with scalar values as written. List items have their position as key.
#[derive(Clone, Debug, Default)]
pub struct Settings(pub BTreeMap<String, String>);

impl Settings {
    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A switch: `yes`, `true`, `on`, `1` and their opposites; `default` where absent or neither.
    pub fn switch(&self, key: &str, default: bool) -> bool {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            Some("yes" | "true" | "on" | "1" | "enabled") => true,
            Some("no" | "false" | "off" | "0" | "disabled") => false,
            _ => default,
        }
    }

    /// A number; `default` where absent or not a number.
    pub fn number(&self, key: &str, default: u64) -> u64 {
        self.text(key).and_then(|t| t.trim().parse().ok()).unwrap_or(default)
    }

    /// A size such as `100 KiB`, `4kb`, `1 MiB` or `4096`, in bytes (units count 1,024).
    pub fn bytes(&self, key: &str, default: u64) -> u64 {
        self.text(key).and_then(parse_size).unwrap_or(default)
    }

    /// Whether a rule looks at a field, as far as that is known: a parser may spare itself what nobody wants.
    pub fn is_in_rules(&self, field: &str) -> bool {
        self.switch(&format!("{IN_RULES}{field}"), true)
    }

    /// Notes whether a rule looks at a field.
    pub fn note_in_rules(&mut self, field: &str, is_in_rules: bool) {
        self.0.insert(format!("{IN_RULES}{field}"), if is_in_rules { "yes" } else { "no" }.into());
    }

    /// Whether nothing but a name stands where these settings would be (`- tls`).
    pub fn is_bare(&self) -> bool {
        self.0.contains_key(BARE)
    }

    /// Notes that nothing but a name stands there.
    pub fn note_bare(&mut self) {
        self.0.insert(BARE.into(), "yes".into());
    }

    /// The values of a list at `key` (`key.0`, `key.1`, …), in order.
    pub fn list(&self, key: &str) -> Vec<&str> {
        (0..).map_while(|i| self.text(&format!("{key}.{i}"))).collect()
    }
}

/// A key that no file can have, for it ends with a dot.
const BARE: &str = "bare.";
/// What stands before the names of fields in the keys that tell of rules.
const IN_RULES: &str = "rules.";

/// A size in bytes from text such as `100 KiB`, `4kb`, `1gb` or `4096`; units count 1,024.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
