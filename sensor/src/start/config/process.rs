//! What is said of the process of a live sensor: whom it runs as, and with which rights.

use super::node::Node;
use super::read::Reader;

/// Whom the sensor runs as, and with which rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// `run-as.user` and `run-as.group`
    pub run_as: Option<(String, Option<String>)>,
    /// `tapwire.sandbox`: it gives up what it does not need.
    pub sandbox: bool,
}

impl Default for Process {
    fn default() -> Self {
        Self { run_as: None, sandbox: true }
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
        self.switch("tapwire.sandbox", &mut process.sandbox);
    }
}
