//! What a script can ask about while it runs.

use std::sync::Arc;

use smallvec::SmallVec;

use super::output::LogFiles;
use crate::plan::Plan;
use crate::rule::Rule;
use crate::rule::condition::{PacketView, TransactionView};
use crate::rule::dataset::Dataset;
use crate::rule::script::Script;
use crate::state::flow::FlowState;
use crate::state::shared::Addition;

/// A rule, and what it is asked about. All of it is absent while a rule is loaded.
#[derive(Default)]
pub(crate) struct Context<'a> {
    /// The rule.
    pub(crate) rule: Option<&'a Rule>,
    /// The packet and its flow.
    pub(crate) packet: Option<&'a PacketView<'a>>,
    /// The transaction.
    pub(crate) subject: Option<&'a TransactionView<'a>>,
    /// What rules keep of the flow.
    pub(crate) state: Option<&'a mut FlowState>,
    /// Names of flowints by index.
    pub(crate) flowints: &'a [String],
    /// The script that runs.
    pub(crate) script: Option<&'a Script>,
    /// The sets of rules.
    pub(crate) sets: &'a [Arc<Dataset>],
    /// What scripts add to them.
    pub(crate) additions: Option<&'a mut Vec<Addition>>,
    /// Files of a script of an output.
    pub(crate) files: Option<&'a mut LogFiles>,
    /// What the rule's items extracted, by index.
    pub(crate) variables: SmallVec<[u64; 8]>,
    /// Names of what the rule's items extract, and what the script asks for: while a rule is loaded.
    pub(crate) loading: Option<Loading<'a>>,
}

/// What a script asks for in `init`.
pub(crate) struct Loading<'a> {
    /// Names of the variables that the rule's items set so far.
    pub(crate) variables: &'a [String],
    /// Those that the script wants, with their index.
    pub(crate) wanted: Vec<(String, u8)>,
    /// Flowints that it uses.
    pub(crate) flowints: Vec<String>,
}

impl<'a> Context<'a> {
    /// The context of a rule that is decided.
    pub(crate) fn new(
        plan: &'a Plan,
        rule: &'a Rule,
        packet: &'a PacketView<'a>,
        subject: Option<&'a TransactionView<'a>>,
        state: &'a mut FlowState,
    ) -> Self {
        let [_, flowints, _] = &plan.names;
        Self { rule: Some(rule), packet: Some(packet), subject, state: Some(state), flowints, ..Self::default() }
    }
}
