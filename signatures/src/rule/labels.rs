//! What of a rule's text made each of its conditions: kept only where rules are to be explained.

/// The text of a rule's conditions, in the order in which the rule has them.
#[derive(Debug, Default)]
pub struct Labels {
    /// The words of the header: action, protocol, source, port, arrow, destination, port.
    pub header: Vec<String>,
    /// Of conditions on packets.
    pub packet: Vec<String>,
    /// Of conditions on transactions.
    pub transaction: Vec<String>,
    /// Of conditions on files.
    pub file: Vec<String>,
    /// Of events.
    pub events: Vec<String>,
    /// Of tests of the protocol.
    pub app_protocol: Vec<String>,
    /// Of bits of flows.
    pub flowbits: Vec<String>,
    /// Of numbers of flows.
    pub flowints: Vec<String>,
    /// Of [`super::Rule::variable_tests`].
    pub variable_tests: Vec<String>,
    /// Of bits of hosts and transactions.
    pub hostbits: Vec<String>,
    /// Of scripts that look at no buffer.
    pub scripts: Vec<String>,
    /// Of items, by section; those within `base64_data` follow it.
    pub items: Vec<Vec<String>>,
}
