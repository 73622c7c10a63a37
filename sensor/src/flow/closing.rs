//! The end of a TCP connection: both sides close it, or one resets it.
//!
//! Somebody else may have sent the FIN or the RST, so that its receiver never got it: what the receiver acknowledges later tells.

use tapwire_parsers::link::tcp_flags;
use tapwire_parsers::protocol::{Both, Direction};

use super::store::Store;
use super::tcp::{SYN_ACK, Step, TcpFlow, TcpState, after, in_window, length};

/// How a connection was before it was reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    state: TcpState,
    next: Both<u32>,
}

impl TcpFlow {
    /// Who was reset answers with resets only. If somebody acknowledges instead what was sent after the RST, the other one
    /// never got that RST.
    pub(super) fn after_reset(&mut self, reset: Reset, step: &mut Step<'_, '_>) {
        use tcp_flags::{ACK, RST, SYN};
        let (tcp, direction) = (step.tcp, step.direction);
        let receiver = self.sides.of(direction.reverse());
        let goes_on = match tcp.flags & (SYN | ACK | RST) {
            ACK => {
                let beyond = after(tcp.acknowledgement, *reset.next.of(direction.reverse()));
                beyond && !after(tcp.acknowledgement, receiver.highest_allowed())
            }
            SYN_ACK => reset.state == TcpState::SynSent && tcp.acknowledgement == receiver.next,
            _ => return,
        };
        if goes_on {
            step.anomaly("stream.suspected_rst_inject");
            self.unusual().reset = None;
            for direction in Direction::BOTH {
                if let Some(stream) = self.touched_stream_mut(direction) {
                    stream.doubt(None);
                }
            }
            if tcp.flags & SYN != 0 {
                self.state = reset.state;
                self.syn(step);
            } else {
                self.state = reset.state.max(TcpState::Established);
                self.in_established(step);
            }
        } else if tcp.flags & SYN == 0 && self.timestamp_is_fresh(step) && self.is_in_window(step) {
            // It is kept until it is known whether the receiver took it.
            self.store(step);
            step.update.accepted = false;
        }
    }

    pub(super) fn rst(&mut self, step: &mut Step<'_, '_>) {
        let (tcp, direction) = (step.tcp, step.direction);
        if self.is_stale(step) {
            // RFC 7323 section 5.2: a host takes it all the same.
            step.anomaly("stream.pkt_invalid_timestamp");
        }
        let acknowledges = tcp.flags & tcp_flags::ACK != 0;
        let (sender, receiver) = (self.sides.of(direction), self.sides.of(direction.reverse()));
        let valid = match self.state {
            TcpState::Closed => return,
            // The answer to a SYN is recognised by what it acknowledges. The client's own means nothing yet: it answers late
            // packets of an older connection in this way.
            TcpState::SynSent if direction == Direction::ToClient => {
                acknowledges && (receiver.initial..=receiver.next).contains(&tcp.acknowledgement)
            }
            TcpState::SynSent => false,
            _ => {
                let exact = [sender.next, sender.acknowledged].contains(&tcp.sequence)
                    || self.refused(direction) == Some(tcp.sequence);
                // Hosts look at the sequence number only.
                if exact && acknowledges && after(tcp.acknowledgement, receiver.highest_allowed()) {
                    step.anomaly("stream.rst_invalid_ack");
                }
                exact
            }
        };
        if valid {
            step.update.valid = true;
            let plausible = acknowledges && !after(tcp.acknowledgement, receiver.highest_allowed());
            if plausible && self.state >= TcpState::Established {
                self.acknowledge(step);
            }
            self.believe_refused(step.store);
            let next = Both { to_server: self.sides.to_server.next, to_client: self.sides.to_client.next };
            self.unusual().reset = Some(Reset { state: self.state, next });
            for direction in Direction::BOTH {
                self.stream_mut(direction).doubt(Some(*next.of(direction)));
            }
            self.state = TcpState::Closed;
        } else if self.state >= TcpState::Established && in_window(tcp.sequence, sender) {
            step.anomaly("stream.suspected_rst_inject");
        }
    }

    /// Acknowledgements that were refused are those of bytes that were lost to us: what lies before them was delivered.
    pub(super) fn believe_refused(&mut self, store: &mut Store) {
        for direction in Direction::BOTH {
            if let Some(acknowledged) = self.refused(direction) {
                self.stream_mut(direction).acknowledge(acknowledged, store);
            }
        }
    }

    pub(super) fn fin(&mut self, step: &mut Step<'_, '_>) {
        let direction = step.direction;
        let place = step.tcp.sequence.wrapping_add(length(step.payload)).wrapping_add(step.tcp.missing);
        let sender = self.sides.of_mut(direction);
        sender.stream.get_mut().finish(place);
        if !after(sender.next, place) {
            sender.next = place.wrapping_add(1);
        }
        if step.settings.async_oneside && !self.midstream && !self.sides.of(direction.reverse()).seen {
            // Nobody is seen who could answer it.
            return;
        }
        let acknowledges_theirs = self.has_acknowledged_fin(direction);
        self.state = match (self.state, direction) {
            (TcpState::Established, Direction::ToServer) => TcpState::CloseWait,
            (TcpState::Established, Direction::ToClient) => TcpState::FinWait1,
            (TcpState::CloseWait, Direction::ToClient) => TcpState::LastAck,
            (TcpState::FinWait1, Direction::ToServer) if acknowledges_theirs => TcpState::TimeWait,
            (TcpState::FinWait1, Direction::ToServer) => TcpState::Closing,
            (TcpState::FinWait2, Direction::ToServer) => TcpState::TimeWait,
            // It is sent again, with an acknowledgement that was missing.
            (state, _) if state.is_over() && acknowledges_theirs && self.has_acknowledged_fin(direction.reverse()) => {
                TcpState::Closed
            }
            (state, _) => state,
        };
    }

    /// The receiver acknowledges what comes behind a FIN: it never got that FIN.
    pub(super) fn unfinish(&mut self, step: &mut Step<'_, '_>) {
        let direction = step.direction.reverse();
        step.anomaly("stream.suspected_fin_inject");
        self.stream_mut(direction).unfinish();
        self.state = match (self.state, direction) {
            (TcpState::CloseWait, Direction::ToServer)
            | (TcpState::FinWait1 | TcpState::FinWait2, Direction::ToClient) => TcpState::Established,
            (TcpState::LastAck | TcpState::Closing, Direction::ToServer) => TcpState::FinWait1,
            (TcpState::TimeWait, Direction::ToServer) => TcpState::FinWait2,
            (TcpState::LastAck | TcpState::Closing | TcpState::TimeWait, Direction::ToClient) => TcpState::CloseWait,
            (state, _) => state,
        };
    }

    pub(super) fn acknowledged_fin(&mut self, direction: Direction) {
        if !self.has_acknowledged_fin(direction) {
            return;
        }
        let both = self.has_acknowledged_fin(direction.reverse());
        self.state = match (self.state, direction) {
            (TcpState::FinWait1, Direction::ToServer) => TcpState::FinWait2,
            (TcpState::Closing, _) if !both => TcpState::TimeWait,
            (TcpState::LastAck, Direction::ToServer) | (TcpState::Closing | TcpState::TimeWait, _) => TcpState::Closed,
            (state, _) => state,
        };
    }

    /// Whether the sender of packets in `direction` has acknowledged the other's FIN.
    fn has_acknowledged_fin(&self, direction: Direction) -> bool {
        let other = self.sides.of(direction.reverse());
        other.stream.get().fin_seen() && !after(other.next, other.acknowledged)
    }
}
