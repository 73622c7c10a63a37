//! What rules ask of the files of a transaction.
//!
//! A rule on files matches once for a file, not for a transaction: one that matched is asked again when another file begins, about
//! that one alone.

use tapwire_parsers::protocol::Direction;

use super::{Flowside, TransactionView, weaker};
use crate::lua::Context;
use crate::plan::{RuleIndex, TransactionPlan};
use crate::rule::condition::{FileCondition, FileView, Verdict};
use crate::rule::{Arrow, Buffer, Rule};
use crate::verify::Matcher;

impl Flowside {
    /// Notes that a rule on files is done with all up to the newest there is.
    pub(super) fn rearm(&mut self, rule: RuleIndex, newest: u64) {
        match self.rearmed.iter_mut().find(|(known, _)| *known == rule) {
            Some(known) => known.1 = newest,
            None => self.rearmed.push((rule, newest)),
        }
    }
}

impl Matcher {
    /// Makes rules on files candidates once there is a file of the kind that they ask for.
    pub(super) fn meet_files(
        &mut self,
        of_protocol: &TransactionPlan,
        subject: &TransactionView<'_>,
        side: &mut Flowside,
    ) {
        let [named, described] = &mut side.met;
        if !*named && !subject.files.is_empty() {
            *named = true;
            self.candidates.extend_from_slice(&of_protocol.of_files);
        }
        let is_described = |file: &FileView<'_>| file.kind.is_some_and(|kind| kind.describe().is_some());
        if !*described && !of_protocol.of_described_files.is_empty() && subject.files.iter().any(is_described) {
            *described = true;
            self.candidates.extend_from_slice(&of_protocol.of_described_files);
        }
    }

    /// Decides a rule on a transaction. One on files is asked about each by itself, oldest first, so that all it wants is true of
    /// one of them, whose number is given.
    pub(super) fn decide_by_file(
        &mut self,
        rule: &Rule,
        subject: &TransactionView<'_>,
        context: &mut Context<'_>,
    ) -> (Verdict, Option<u64>) {
        if !is_of_files(rule) || subject.files.len() < 2 {
            let file = subject.files.first().filter(|_| is_of_files(rule)).map(|file| file.number);
            return (self.transaction_rule(rule, subject, context), file);
        }
        let mut open = false;
        for file in subject.files {
            self.notes.clear();
            let alone = TransactionView { files: std::slice::from_ref(file), ..*subject };
            match self.transaction_rule(rule, &alone, context) {
                Verdict::Yes => return (Verdict::Yes, Some(file.number)),
                Verdict::NotYet => open = true,
                Verdict::No => {}
            }
        }
        (if open { Verdict::NotYet } else { Verdict::No }, None)
    }
}

/// Whether a rule asks for a file of its direction.
pub(super) fn is_of_files(rule: &Rule) -> bool {
    let names = || rule.sections.iter().any(|section| matches!(section.buffer, Buffer::File(_)));
    rule.arrow != Arrow::Transactional && (!rule.file.is_empty() || rule.filestore.is_some() || names())
}

/// The number of the newest file, 0 where there is none.
pub(super) fn newest(subject: &TransactionView<'_>) -> u64 {
    subject.files.iter().map(|file| file.number).max().unwrap_or(0)
}

/// The files that are newer than one.
pub(super) fn newer_files<'a>(subject: &TransactionView<'a>, than: u64) -> Vec<FileView<'a>> {
    subject.files.iter().filter(|file| file.number > than).copied().collect()
}

/// Whether one of the files fulfils all of a rule's conditions on files; one of each direction, where the rule is about both.
pub(super) fn files_hold(rule: &Rule, subject: &TransactionView<'_>) -> Verdict {
    let own = subject.direction;
    let direction_of = |condition: &dyn FileCondition| match rule.arrow {
        Arrow::Transactional => condition.direction().unwrap_or(own),
        _ => own,
    };
    let hold = |files: &[FileView<'_>], direction: Direction| {
        let conditions = || rule.file.iter().filter(|condition| direction_of(&***condition) == direction);
        let asked = conditions().next().is_some() || direction == own && rule.file.is_empty();
        let fulfils = |file| conditions().map(|condition| condition.holds(file)).fold(Verdict::Yes, weaker);
        let held = !asked || files.iter().any(|file| fulfils(file) == Verdict::Yes);
        if held { Verdict::Yes } else { Verdict::NotYet }
    };
    weaker(hold(subject.files, own), hold(subject.other_files, own.reverse()))
}
