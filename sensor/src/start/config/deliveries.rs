//! `tapwire.outputs`: the receivers that records are delivered to.

mod address;
mod suricata;
mod ways;

use std::path::PathBuf;
use std::time::Duration;

use tapwire_parsers::protocol::parse_size;

use self::address::{Scheme, Written};
use super::node::{Node, Value, spelling};
use super::{Problem, keys};
use crate::sinks::deliver::{Filter, Proxy, Secret, Settings, Template, Tls};
use crate::sinks::encode;

pub(super) use suricata::of_eve_log;

/// Kinds of receivers, as `type` names them.
const KINDS: [&str; 15] = [
    "syslog",
    "relp",
    "lines",
    "datagrams",
    "redis",
    "nats",
    "amqp",
    "splunk",
    "elastic",
    "opensearch",
    "sentinel",
    "http",
    "s3",
    "folder",
    "kafka",
];

/// What would show a secret where anybody sees it.
const OPEN_SECRETS: [&str; 7] = ["password", "secret", "token", "api-key", "secret-key", "pass", "key-password"];

/// Reads the list of receivers.
pub(super) fn read(root: &Node, faults: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Vec<Settings> {
    let mut all: Vec<Settings> = Vec::new();
    let sensor = root.at("sensor-name").and_then(Node::text).map_or_else(host, str::to_owned);
    for node in root.at("tapwire.outputs").map(Node::items).unwrap_or_default() {
        if !node.switch_at("enabled", true, faults) {
            continue;
        }
        let mut reader = Reader { node, sensor: &sensor, faults: Vec::new() };
        let settings = reader.delivery();
        // A line of this part may have a secret in it, whatever is wrong with it.
        let mut unknown = Vec::new();
        reader.name_unknown(&mut unknown);
        faults.extend(reader.faults.into_iter().map(without_excerpt));
        warnings.extend(unknown.into_iter().map(without_excerpt));
        let Some(settings) = settings else { continue };
        if all.iter().any(|known| known.name == settings.name) {
            let message = format!("two outputs are called `{}`", settings.name);
            faults
                .push(node.get("name").unwrap_or(node).problem(message, "their positions in the log are kept by name"));
            continue;
        }
        all.push(settings);
    }
    all
}

/// Whether a value is a secret, wherever it stands.
pub(super) fn is_secret(path: &str, text: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or_default();
    let in_address = text.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    OPEN_SECRETS.contains(&key) || in_address.is_some_and(|(user, _)| user.contains(':'))
}

fn without_excerpt(problem: Problem) -> Problem {
    Problem { excerpt: None, ..problem }
}

/// Reads one receiver and notes what is wrong with it.
struct Reader<'n> {
    node: &'n Node,
    /// The sensor's name, where the output says none.
    sensor: &'n str,
    faults: Vec<Problem>,
}

impl<'n> Reader<'n> {
    fn delivery(&mut self) -> Option<Settings> {
        let name = self.name()?;
        let kind = self.kind()?;
        let written = if kind == "folder" { self.folder()? } else { self.address()? };
        let way = self.way(kind, &written)?;
        let is_datagram = kind == "datagrams" || (kind == "syslog" && written.scheme == Scheme::Udp);
        let is_syslog = matches!(kind, "syslog" | "relp");
        let cap = if is_syslog || is_datagram { 8 << 10 } else { 64 << 10 };
        let (bytes, records, wait) = match kind {
            // Objects are many small files otherwise.
            "s3" => (16 << 20, 100_000, 60_000),
            "splunk" => (4 << 20, 10_000, 1_000),
            "syslog" | "lines" | "datagrams" => (256 << 10, 1_000, 200),
            _ => (1 << 20, 5_000, 1_000),
        };
        Some(Settings {
            log: PathBuf::new(),
            name,
            to: format!("{kind} {}", written.shown()),
            way,
            encoding: self.encoding()?,
            profile: self.profile()?,
            record_bytes: self.size("record-bytes", cap),
            filter: self.filter(),
            batch_bytes: self.size("batch-bytes", bytes).max(1),
            batch_records: self.count("batch-records", records).max(1),
            wait: self.milliseconds("batch-wait", wait),
            rate_bytes: self.size("rate", 64 << 20) as u64,
            from_begin: self.switch("from-begin", false),
            host: self.host(),
            names_sensor: true,
        })
    }

    fn host(&self) -> String {
        self.text("host").unwrap_or(self.sensor).to_owned()
    }

    fn name(&mut self) -> Option<String> {
        let Some(name) = self.text("name") else {
            self.fault(
                self.node,
                "an output has no name".to_owned(),
                "write `name: siem`; its position in the log is kept by that",
            );
            return None;
        };
        let is_plain = name.len() <= 64
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if name.is_empty() || !is_plain {
            let message = format!("`{name}` is no name for an output");
            self.fault_at("name", message, "letters, digits, `-`, `_` and `.`, 64 at most");
            return None;
        }
        Some(name.to_owned())
    }

    fn kind(&mut self) -> Option<&'static str> {
        let Some(text) = self.text("type") else {
            self.fault(self.node, "an output has no type".to_owned(), &KINDS.join(", "));
            return None;
        };
        let kind = KINDS.into_iter().find(|kind| *kind == text);
        if kind.is_none() {
            self.fault_at("type", format!("`{text}` is no type of output"), &spelling(text, KINDS));
        }
        if kind == Some("kafka") && !cfg!(feature = "kafka") {
            let hint = "build it with `cargo build --release --features kafka`";
            self.fault_at("type", "this program is built without Kafka".to_owned(), hint);
            return None;
        }
        kind
    }

    /// A folder of this machine.
    fn folder(&mut self) -> Option<Written> {
        let written = self.text("to").filter(|text| !text.is_empty()).map(Written::folder);
        if written.is_none() {
            self.fault(self.node, "an output does not say where to".to_owned(), "write `to: /srv/lake`");
        }
        written
    }

    fn address(&mut self) -> Option<Written> {
        let Some(text) = self.text("to") else {
            self.fault(self.node, "an output does not say where to".to_owned(), "write `to: tls://siem.example:6514`");
            return None;
        };
        match Written::read(text) {
            Ok(written) => Some(written),
            Err(why) => {
                // What is in it is not shown: it may be a password.
                self.fault_at(
                    "to",
                    format!("the address of the output cannot be read: {why}"),
                    "such as tls://siem.example:6514",
                );
                None
            }
        }
    }

    fn encoding(&mut self) -> Option<&'static encode::Encoding> {
        let text = self.text("encoding").unwrap_or("eve");
        let found = encode::by_name(text);
        if found.is_none() {
            let known = encode::ENCODINGS.iter().map(|encoding| encoding.name);
            self.fault_at("encoding", format!("`{text}` is no encoding"), &spelling(text, known));
        }
        found
    }

    fn profile(&mut self) -> Option<&'static encode::Profile> {
        let text = self.text("profile").unwrap_or("suricata8");
        let found = encode::profile_by_name(text);
        if found.is_none() {
            let known = encode::PROFILES.iter().map(|profile| profile.name);
            self.fault_at("profile", format!("`{text}` is no profile"), &spelling(text, known));
        } else if text != "suricata8" && self.text("encoding").is_some_and(|encoding| encoding != "eve") {
            self.fault_at("profile", "only `eve` has profiles".into(), "leave `profile` or `encoding` out");
            return None;
        }
        found
    }

    fn filter(&mut self) -> Filter {
        let mut networks = Vec::new();
        for text in self.list("networks") {
            let one = text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
            match one {
                Ok(network) => networks.push(network),
                Err(_) => {
                    self.fault_at("networks", format!("`{text}` is no network"), "such as 10.0.0.0/8 or 192.0.2.1")
                }
            }
        }
        let severity = self.count("severity", 0);
        Filter {
            types: self.list("types"),
            without: self.list_or("without-types", &["stats"]),
            severity: u8::try_from(severity).unwrap_or(u8::MAX),
            networks,
            tags: self.list("tags"),
        }
    }

    fn tls(&mut self) -> Tls {
        let path = |key: &str| self.text(key).map(PathBuf::from);
        let tls = Tls {
            authorities: path("tls.ca"),
            certificate: path("tls.certificate"),
            key: path("tls.key"),
            name: self.text("tls.name").map(str::to_owned),
            unverified: !self.switch("tls.verify", true),
        };
        if tls.certificate.is_some() != tls.key.is_some() {
            let hint = "a certificate and its key go together: `tls.certificate` and `tls.key`";
            self.fault_at("tls", "half of the sensor's certificate is named".to_owned(), hint);
        }
        for (key, path) in [("tls.ca", &tls.authorities), ("tls.certificate", &tls.certificate), ("tls.key", &tls.key)]
        {
            if let Some(error) = path.as_ref().and_then(|path| std::fs::metadata(path).err()) {
                self.fault_at(key, format!("the file of {key} cannot be read: {error}"), "a file in PEM");
            }
        }
        tls
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let text = self.text("proxy")?;
        match Written::read(text) {
            Ok(Written { scheme: Scheme::Http, address: Some(mut address), user, has_port, .. }) => {
                if !has_port {
                    address.port = 3128;
                }
                let password = self.secret_at("proxy-password-file", "proxy-password-variable");
                Some(Proxy { address, user, password })
            }
            _ => {
                let hint =
                    "http://name@proxy.example:3128; its password goes into a file that `proxy-password-file` names";
                self.fault_at("proxy", "the address of the proxy cannot be read".to_owned(), hint);
                None
            }
        }
    }

    /// The password, token or key.
    fn secret(&mut self) -> Option<Secret> {
        self.secret_at("secret-file", "secret-variable")
    }

    fn secret_at(&mut self, file: &str, variable: &str) -> Option<Secret> {
        let secret = match (self.text(file), self.text(variable)) {
            (Some(path), _) => Secret::File(path.into()),
            (None, Some(name)) => Secret::Variable(name.to_owned()),
            (None, None) => return None,
        };
        if let Err(trouble) = secret.read() {
            self.fault_at(
                if self.text(file).is_some() { file } else { variable },
                trouble.to_string(),
                "it is one line of text",
            );
        }
        Some(secret)
    }

    /// The secret that there must be.
    fn needed_secret(&mut self, what: &str) -> Option<Secret> {
        let secret = self.secret();
        if secret.is_none() {
            let hint = "write it into a file that only the sensor may read and name that with `secret-file`, or a variable with `secret-variable`";
            self.fault(self.node, format!("the output needs {what}"), hint);
        }
        secret
    }

    fn template(&mut self, key: &str, default: &str) -> Option<Template> {
        let text = self.text(key).unwrap_or(default);
        let read = Template::read(text);
        if read.is_none() {
            self.fault_at(key, format!("`{text}` is no name for {key}"), "in braces stand type, date, hour or host");
        }
        read
    }

    fn name_unknown(&mut self, warnings: &mut Vec<Problem>) {
        for (key, node) in self.node.entries() {
            if OPEN_SECRETS.contains(&key.as_str()) && node.text().is_some() {
                let hint = "write it into a file that only the sensor may read and name that with `secret-file`, or a variable with `secret-variable`";
                self.faults.push(node.key_problem(format!("`{key}` has no place in a configuration"), hint));
            }
        }
        let known = keys::below("tapwire.outputs.N");
        let known: Vec<&str> = known.into_iter().chain(OPEN_SECRETS).collect();
        self.node.name_unknown("tapwire.outputs", &known, warnings);
        if let Some(tls) = self.node.get("tls") {
            tls.name_unknown("tapwire.outputs.tls", &keys::below("tapwire.outputs.N.tls"), warnings);
        }
    }

    fn text(&self, key: &str) -> Option<&'n str> {
        self.node.at(key).and_then(Node::text)
    }

    fn list(&self, key: &str) -> Vec<String> {
        self.list_or(key, &[])
    }

    fn list_or(&self, key: &str, default: &[&str]) -> Vec<String> {
        match self.node.at(key).map(|node| &node.value) {
            Some(Value::List(items)) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
            Some(Value::Scalar(text)) => text.split(',').map(|word| word.trim().to_owned()).collect(),
            _ => default.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn switch(&mut self, key: &str, default: bool) -> bool {
        self.node.switch_at(key, default, &mut self.faults)
    }

    fn size(&mut self, key: &str, default: usize) -> usize {
        let Some(text) = self.text(key) else { return default };
        parse_size(text).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_else(|| {
            self.fault_at(key, format!("`{text}` is no size for {key}"), "such as 4096, 64 KiB or 1gb");
            default
        })
    }

    fn count(&mut self, key: &str, default: usize) -> usize {
        let Some(text) = self.text(key) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.fault_at(key, format!("`{text}` is no number for {key}"), "a whole number");
            default
        })
    }

    fn milliseconds(&mut self, key: &str, default: u64) -> Duration {
        let count = self.count(key, usize::try_from(default).unwrap_or(0));
        Duration::from_millis(u64::try_from(count).unwrap_or(default))
    }

    fn choice(&mut self, key: &str, choices: &[&'static str]) -> &'static str {
        let first = choices.first().copied().unwrap_or_default();
        let Some(text) = self.text(key) else { return first };
        choices.iter().copied().find(|choice| choice.eq_ignore_ascii_case(text)).unwrap_or_else(|| {
            self.fault_at(key, format!("`{text}` is no {key}"), &choices.join(", "));
            first
        })
    }

    fn fault_at(&mut self, key: &str, message: String, hint: &str) {
        self.fault(self.node.at(key).unwrap_or(self.node), message, hint);
    }

    fn fault(&mut self, node: &Node, message: String, hint: &str) {
        self.faults.push(node.problem(message, hint));
    }
}

/// The sensor's name.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "deliveries/tests.rs"]
mod tests;
