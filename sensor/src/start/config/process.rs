//! What is said of the process of a live sensor: whom it runs as, with which rights, and how it is asked.

use std::path::PathBuf;

use super::node::Node;
use super::read::Reader;
use crate::metrics;

/// Whom the sensor runs as, with which rights, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// `run-as.user` and `run-as.group`
    pub run_as: Option<(String, Option<String>)>,
    /// `tapwire.sandbox`: it gives up what it does not need.
    pub sandbox: bool,
    /// `unix-command.enabled`: there is a control socket.
    pub has_socket: bool,
    /// `unix-command.filename`
    pub socket: Option<PathBuf>,
    /// `tapwire.metrics`
    pub metrics: metrics::Settings,
}

impl Default for Process {
    fn default() -> Self {
        Self { run_as: None, sandbox: true, has_socket: true, socket: None, metrics: metrics::Settings::default() }
    }
}

impl Reader<'_> {
    /// Reads what is said of the process.
    pub(super) fn process(&mut self, process: &mut Process) {
        let text = |key| self.root.at(key).and_then(Node::text).map(str::to_owned);
        match (text("run-as.user"), text("run-as.group")) {
            (Some(user), group) => process.run_as = Some((user, group)),
            (None, Some(_)) => {
                if let Some(node) = self.root.at("run-as.group") {
                    self.faults
                        .push(node.problem("run-as names a group and no user".into(), "name one with run-as.user"));
                }
            }
            (None, None) => {}
        }
        process.socket = text("unix-command.filename").map(PathBuf::from);
        self.switch("tapwire.sandbox", &mut process.sandbox);
        self.switch("unix-command.enabled", &mut process.has_socket);
        let metrics = &mut process.metrics;
        metrics.said = self.root.at("tapwire.metrics").is_some();
        self.switch("tapwire.metrics.enabled", &mut metrics.enabled);
        if let Some(node) = self.root.at("tapwire.metrics.address")
            && let Some(text) = node.text()
        {
            match text.parse() {
                Ok(address) => metrics.address = address,
                Err(_) => {
                    let message = format!("`{text}` is no address with a port");
                    self.faults.push(node.problem(message, "such as 127.0.0.1:9560 or [::1]:9560"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::start::config::{Given, load};

    #[test]
    fn what_is_wrong_is_told_with_a_hint() {
        for (key, value, hint) in [
            ("tapwire.metrics.address", "9560", "such as 127.0.0.1:9560"),
            ("run-as.group", "tapwire", "name one with run-as.user"),
        ] {
            let set = [(key.to_owned(), value.to_owned())];
            let loaded = load(Given { set: &set, ..Given::default() }).unwrap();
            assert!(loaded.faults.iter().any(|fault| fault.hint.contains(hint)), "{key}: {:?}", loaded.faults);
        }
        let set = [("tapwire.metrics.address".to_owned(), "[::1]:1".to_owned())];
        let metrics = load(Given { set: &set, ..Given::default() }).unwrap().configuration.process.metrics;
        assert_eq!((metrics.address.to_string(), metrics.said), ("[::1]:1".to_owned(), true));
    }
}
