//! Candidates that only a flowbit held back, to be asked again when it rises.
//!
//! Rules on packets and rules on streams are evaluated as one list, but here all of one kind go before the other: a bit that a rule on
//! a chunk sets is seen by the rules on the packet that come after it in order all the same. Transactions come after both. What is
//! kept lives as long as the look at one packet, and each look adds no more to it than it had candidates.

use super::fuel::FlowFuel;
use super::packet::About;
use super::payload::View;
use super::{Context, Ground, Inspection, Match, Matcher, memory};
use crate::plan::{Plan, RuleIndex};
use crate::rule::Rule;
use crate::rule::condition::PacketView;
use crate::state::flow::FlowState;

/// Candidates of the look at one packet that wait for a flowbit.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    pub(super) packet: Vec<RuleIndex>,
    pub(super) chunk: Vec<RuleIndex>,
    /// The first rule in order that set a bit since it was last asked.
    risen: Option<RuleIndex>,
}

impl HeldBack {
    /// Keeps a candidate; those of frames are not asked again.
    pub(super) fn keep(&mut self, ground: Ground, rule: RuleIndex) {
        match ground {
            Ground::Packet => self.packet.push(rule),
            Ground::Stream => self.chunk.push(rule),
            Ground::Frame(_) | Ground::Transaction(_) => {}
        }
    }

    /// Takes the rules of a list that come after one in order, sorted and each once.
    fn take(list: &mut Vec<RuleIndex>, after: RuleIndex) -> Vec<RuleIndex> {
        let mut taken: Vec<RuleIndex> = list.extract_if(.., |rule| *rule > after).collect();
        taken.sort_unstable();
        taken.dedup();
        taken
    }
}

impl Matcher {
    /// Begins the look at another packet, whose payload has so many bytes, with what its flow has left: nothing waits.
    #[inline]
    pub fn begin_packet(&mut self, fuel: FlowFuel, bytes: usize) {
        self.fuel.begin(fuel, bytes);
        self.held_back.packet.clear();
        self.held_back.chunk.clear();
        self.held_back.risen = None;
    }

    /// Ends it: what the flow has left, and the rules that ran dry in it for the first time.
    #[inline]
    pub fn end_packet(&mut self) -> (FlowFuel, &[RuleIndex]) {
        self.fuel.end()
    }

    /// Changes what a rule that matched changes, and notes whether a flowbit rose.
    pub(super) fn change(&mut self, index: RuleIndex, rule: &Rule, state: &mut FlowState) -> Context {
        let (context, risen) = memory::apply(rule, state, &mut self.notes);
        if risen {
            self.held_back.risen = Some(self.held_back.risen.map_or(index, |first| first.min(index)));
        }
        context
    }

    /// Asks the candidates of the packet, and of the chunk that was looked at last, again that flowbits held back: those of rules
    /// that come after one that has set a bit since.
    pub fn again(
        &mut self,
        plan: &Plan,
        view: &PacketView<'_>,
        chunk: &[u8],
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let Some(after) = self.held_back.risen.take() else { return };
        let inspection = Inspection { plan, view, open: None };
        let rules = HeldBack::take(&mut self.held_back.packet, after);
        let about = About { ground: Ground::Packet, payload: View::whole(view.packet.payload) };
        self.decide(&inspection, &rules, about, state, matches);
        let Some(after) = self.held_back.risen.take() else { return };
        let rules = HeldBack::take(&mut self.held_back.chunk, after);
        let about = About { ground: Ground::Stream, payload: View::whole(chunk) };
        self.decide(&inspection, &rules, about, state, matches);
        self.held_back.risen = None;
    }
}
