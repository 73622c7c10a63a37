//! Rules on frames: pieces of what travels, as a parser named them.

use tapwire_parsers::protocol::{Direction, ProtocolId};

use super::packet::About;
use super::payload::View;
use super::{Ground, Inspection, Match, Matcher};
use crate::plan::{Plan, frame_field};
use crate::rule::condition::PacketView;
use crate::state::flow::FlowState;

/// A frame that rules are asked about.
#[derive(Clone, Copy, Debug)]
pub struct FrameView<'a> {
    /// Its protocol.
    pub protocol: ProtocolId,
    /// Its id in the flow.
    pub id: u64,
    /// Its name in the protocol.
    pub name: &'static str,
    /// Its bytes, as many as are there and kept.
    pub data: &'a [u8],
    /// Its length.
    pub length: u64,
    /// Whether all of it is there.
    pub complete: bool,
}

impl Matcher {
    /// Appends the rules that match a frame of the view's direction, in order.
    pub fn frame(
        &mut self,
        plan: &Plan,
        view: &PacketView<'_>,
        frame: &FrameView<'_>,
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let direction = view.flow.map_or(Direction::ToServer, |f| f.direction);
        let groups = frame_field(frame.protocol, frame.name).and_then(|name| plan.frames.get(name));
        let Some(group) = groups.map(|both| both.of(direction)).filter(|group| !group.is_empty()) else { return };
        self.costs.inspect(frame.data.len());
        let began = self.costs.begin_scan(frame.data.len());
        let candidates = &mut self.candidates;
        let ports = view.packet.ports();
        group.scan(frame.data, ports, (&mut self.folded, &mut self.scratch), |rule| candidates.push(rule));
        self.costs.end_scan(began);
        let inspection = Inspection { plan, view, open: None };
        let candidates = self.take_candidates(&inspection);
        let payload = View { data: frame.data, size: frame.length, complete: frame.complete };
        let about = About { ground: Ground::Frame(frame.id), payload };
        self.decide(&inspection, &candidates, about, state, matches);
        self.return_candidates(candidates);
    }
}
