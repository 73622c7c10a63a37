//! What a script can ask about while it runs.

use std::sync::Arc;

use smallvec::SmallVec;

use super::output::LogFiles;
use crate::plan::Plan;
use crate::rule::Rule;
use crate::rule::condition::{FileKind, FileView, PacketView, TransactionView};
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
    /// The file, where it is one that an output is shown.
    pub(crate) file: Option<FileShown<'a>>,
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

/// A file as scripts see it.
#[derive(Clone, Copy, Debug)]
pub struct FileShown<'a> {
    /// Its number in the flow, from 1 on.
    pub number: u64,
    /// The transaction that it travels in, by its id in the flow.
    pub transaction: u64,
    /// Its name.
    pub name: &'a [u8],
    /// Bytes so far.
    pub size: u64,
    /// What it looks like, where that is known.
    pub magic: Option<&'a str>,
    /// MD5, where it was asked for and the file is complete.
    pub md5: Option<&'a [u8; 16]>,
    /// SHA-1.
    pub sha1: Option<&'a [u8; 20]>,
    /// SHA-256.
    pub sha256: Option<&'a [u8; 32]>,
    /// `OPENED`, `CLOSED` or `TRUNCATED`.
    pub state: &'static str,
    /// Whether it is in the store, where that is known.
    pub stored: Option<bool>,
}

impl<'a> FileShown<'a> {
    /// One that a rule is asked about.
    fn of(file: &FileView<'a>, transaction: u64) -> Self {
        let state = match (file.closed, file.complete) {
            (false, _) => "OPENED",
            (true, true) => "CLOSED",
            (true, false) => "TRUNCATED",
        };
        let FileView { number, name, size, md5, sha1, sha256, .. } = *file;
        let magic = file.kind.and_then(FileKind::describe);
        Self { number, transaction, name, size, magic, md5, sha1, sha256, state, stored: None }
    }
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

    /// The file that is meant: the first where there are several.
    pub(crate) fn shown_file(&self) -> Option<FileShown<'a>> {
        let of_subject = || self.subject.and_then(|subject| Some(FileShown::of(subject.files.first()?, subject.id)));
        self.file.or_else(of_subject)
    }
}
