//! The opening of a TCP connection: one SYN or several, the answer to it, and the step that completes it.
//!
//! What the other end acknowledges tells which of several openings counts, and whether it took the data on a SYN. A
//! connection may also open from both ends, or in four steps.

use tapwire_parsers::link::tcp_flags;
use tapwire_parsers::protocol::Direction;

use super::tcp::{MAX_WINDOW, Oddity, Opening, Step, TcpFlow, TcpState, after, in_window, length};

impl TcpFlow {
    pub(super) fn syn(&mut self, step: &mut Step<'_, '_>) {
        use tcp_flags::{ACK, FIN};
        let (tcp, direction) = (step.tcp, step.direction);
        if tcp.flags & FIN != 0 {
            step.anomaly("stream.fin_syn");
        }
        if tcp.flags & ACK != 0 {
            self.syn_ack(step);
            return;
        }
        match (self.state, direction) {
            (TcpState::SynSent, Direction::ToServer) => {
                step.update.valid = true;
                let client = &mut self.sides.to_server;
                if client.initial != tcp.sequence {
                    self.remember(step, MAX_SYNS, "stream.3whs_syn_flood");
                    return;
                }
                if let Some((value, _)) = tcp.options.timestamps.filter(|_| client.timestamp.is_some()) {
                    client.timestamp = Some(value);
                }
                if !step.payload.is_empty() {
                    // RFC 7413: data on the SYN counts if the server acknowledges it.
                    client.stream.get_mut().insert(client.next, step.payload, None, &step.settings.stream, step.store);
                    client.early = length(step.payload);
                    if step.settings.inline && tcp.options.fast_open {
                        step.update.acknowledged =
                            client.stream.get_mut().acknowledge(client.next.wrapping_add(client.early), step.store);
                    }
                }
            }
            // Simultaneous open, or a handshake in four steps: the server's own SYN comes before its acknowledgement.
            (TcpState::SynSent, Direction::ToClient) => {
                step.update.valid = true;
                self.sides.to_client.open(Opening::of(tcp));
                self.sides.to_client.limit = tcp.sequence.wrapping_add(1).wrapping_add(self.sides.to_server.window);
                self.state = TcpState::SynRecv;
            }
            (TcpState::SynRecv, Direction::ToClient) => step.anomaly("stream.3whs_syn_toclient_on_syn_recv"),
            (TcpState::SynRecv, Direction::ToServer) => {
                if self.sides.to_server.initial != tcp.sequence {
                    step.anomaly("stream.3whs_syn_resend_diff_seq_on_syn_recv");
                }
            }
            (TcpState::Established, Direction::ToClient) => step.anomaly("stream.est_syn_toclient"),
            (TcpState::Established, Direction::ToServer) => {
                let same = self.sides.to_server.initial == tcp.sequence;
                step.anomaly(if same { "stream.est_syn_resend" } else { "stream.est_syn_resend_diff_seq" });
            }
            (TcpState::Closed, _) => {}
            _ => step.anomaly("stream.shutdown_syn_resend"),
        }
    }

    fn syn_ack(&mut self, step: &mut Step<'_, '_>) {
        let (tcp, direction) = (step.tcp, step.direction);
        if self.state == TcpState::SynSent && direction == Direction::ToClient {
            self.choose(Direction::ToServer, step);
        }
        let takes_early = self.state == TcpState::SynSent && self.sides.to_server.early > 0;
        if takes_early && tcp.acknowledgement == self.sides.to_server.next.wrapping_add(self.sides.to_server.early) {
            if direction == Direction::ToClient {
                let client = &mut self.sides.to_server;
                client.next = tcp.acknowledgement;
                step.update.valid = true;
                step.update.acknowledged = client.stream.get_mut().acknowledge(tcp.acknowledgement, step.store);
                self.answered(Opening::of(tcp));
                self.state = TcpState::SynRecv;
            }
            return;
        }
        let client = &self.sides.to_server;
        let early = if self.state == TcpState::SynSent { 0 } else { client.early };
        let wrong_ack = tcp.acknowledgement != client.initial.wrapping_add(1).wrapping_add(early);
        match (self.state, direction) {
            (TcpState::SynSent, Direction::ToServer) => step.anomaly("stream.3whs_synack_in_wrong_direction"),
            (TcpState::SynSent, Direction::ToClient) if wrong_ack => step.anomaly("stream.3whs_synack_with_wrong_ack"),
            (TcpState::SynSent, Direction::ToClient) => {
                step.update.valid = true;
                let client = &mut self.sides.to_server;
                if std::mem::take(&mut client.early) > 0 {
                    step.anomaly("stream.3whs_synack_tfo_data_ignored");
                    client.discharge(step.store);
                    client.stream.restart(client.next);
                }
                self.answered(Opening::of(tcp));
                self.others = Box::default();
                self.state = TcpState::SynRecv;
            }
            (TcpState::SynRecv, Direction::ToServer) => {
                // The client's last step where both sent a SYN first.
                let answers =
                    tcp.acknowledgement == self.sides.to_client.next && tcp.sequence == self.sides.to_server.initial;
                if answers {
                    step.update.valid = true;
                    self.split = true;
                } else {
                    step.anomaly("stream.3whs_synack_toserver_on_syn_recv");
                }
            }
            (TcpState::SynRecv, Direction::ToClient) => {
                if wrong_ack {
                    step.anomaly("stream.3whs_synack_resend_with_different_ack");
                } else if tcp.sequence != self.sides.to_client.initial {
                    step.anomaly("stream.3whs_synack_resend_with_diff_seq");
                    self.remember(step, MAX_ANSWERS, "stream.3whs_synack_flood");
                } else {
                    step.update.valid = true;
                    // A server that sent its SYN first now acknowledges the client's.
                    self.answered(Opening::of(tcp));
                }
            }
            (TcpState::Established, Direction::ToServer) => step.anomaly("stream.est_synack_toserver"),
            (TcpState::Established, Direction::ToClient) => {
                if wrong_ack {
                    step.anomaly("stream.est_synack_resend_with_different_ack");
                } else if tcp.sequence != self.sides.to_client.initial {
                    step.anomaly("stream.est_synack_resend_with_diff_seq");
                } else {
                    step.anomaly("stream.est_synack_resend");
                }
            }
            _ => {}
        }
    }

    /// Keeps another opening of this direction.
    fn remember(&mut self, step: &mut Step<'_, '_>, limit: usize, flood: &'static str) {
        step.update.valid = true;
        if self.others.iter().any(|other| other.sequence == step.tcp.sequence) {
            return;
        }
        if self.others.len() < limit {
            let others = std::mem::take(&mut self.others).into_vec().into_iter();
            self.others = others.chain([Opening::of(step.tcp)]).collect();
        } else {
            step.anomaly(flood);
        }
    }

    /// The other end acknowledged one of the openings: it is the one that counts.
    fn choose(&mut self, direction: Direction, step: &mut Step<'_, '_>) {
        let acknowledgement = step.tcp.acknowledgement;
        let chosen = self.others.iter().find(|other| other.sequence.wrapping_add(1) == acknowledgement).copied();
        let Some(opening) = chosen.filter(|_| self.sides.of(direction).next != acknowledgement) else { return };
        match direction {
            Direction::ToServer => {
                self.sides.to_server.discharge(step.store);
                self.sides.to_server.open(opening);
            }
            Direction::ToClient => self.answered(opening),
        }
    }

    /// The server's SYN with the acknowledgement of the client's.
    fn answered(&mut self, opening: Opening) {
        self.sides.to_client.open(opening);
        let acknowledgement = self.sides.to_server.next;
        let (client, server) = (&mut self.sides.to_server, &mut self.sides.to_client);
        if client.scale.is_none() || server.scale.is_none() {
            (client.scale, server.scale) = (None, None);
        }
        if client.timestamp.is_none() || server.timestamp.is_none() {
            (client.timestamp, server.timestamp) = (None, None);
        }
        client.acknowledged = acknowledgement;
        client.limit = acknowledgement.wrapping_add(server.window);
        server.limit = server.next.wrapping_add(client.window);
    }

    pub(super) fn in_syn_sent(&mut self, step: &mut Step<'_, '_>) {
        if !step.settings.async_oneside && step.direction == Direction::ToServer && !step.payload.is_empty() {
            self.raise_once(step, Oddity::OneSide);
        }
        // Only one direction is seen, or the server's answer was lost to us.
        if step.settings.async_oneside
            && step.direction == Direction::ToServer
            && step.tcp.sequence == self.sides.to_server.next
        {
            self.state = TcpState::Established;
            let server = &mut self.sides.to_client;
            if server.next == 0 {
                server.pick_up(step.tcp.acknowledgement);
            }
            self.sides.to_server.limit = self.sides.to_server.next.wrapping_add(MAX_WINDOW);
            self.in_established(step);
        }
    }

    pub(super) fn in_syn_recv(&mut self, step: &mut Step<'_, '_>) {
        let tcp = step.tcp;
        if tcp.flags & tcp_flags::ACK == 0 {
            return;
        }
        if step.direction == Direction::ToClient {
            // Where the client is not seen, what the server acknowledges tells where it is.
            if self.midstream && tcp.sequence == self.sides.to_client.next && tcp.flags & tcp_flags::SYN == 0 {
                self.sides.to_server.pick_up(tcp.acknowledgement);
                self.sides.to_client.limit = tcp.sequence.wrapping_add(MAX_WINDOW);
                self.state = TcpState::Established;
                self.in_established(step);
                return;
            }
            // The server may send before our copy of the client's last step; the client's data will show that it came.
            if tcp.acknowledgement == self.sides.to_server.next && tcp.sequence == self.sides.to_client.next {
                if step.payload.is_empty() && !self.split {
                    step.anomaly("stream.3whs_ack_in_wrong_dir");
                } else {
                    self.state = TcpState::Established;
                    self.in_established(step);
                }
            } else {
                step.anomaly("stream.3whs_ack_in_wrong_dir");
            }
            return;
        }
        self.choose(Direction::ToClient, step);
        let right_ack = tcp.acknowledgement == self.sides.to_client.next;
        let right_sequence = tcp.sequence == self.sides.to_server.next;
        match (right_sequence, right_ack) {
            (true, true) => {
                self.state = TcpState::Established;
                self.in_established(step);
            }
            (true, false) => step.anomaly("stream.3whs_right_seq_wrong_ack_evasion"),
            // The last step was lost to us, but what follows it proves it.
            (false, _) if right_ack || !after(self.sides.to_client.next, tcp.acknowledgement) => {
                if in_window(tcp.sequence, &self.sides.to_server) && after(tcp.sequence, self.sides.to_server.next) {
                    self.state = TcpState::Established;
                    self.in_established(step);
                }
            }
            (false, _) => step.anomaly("stream.3whs_wrong_seq_wrong_ack"),
        }
    }
}

/// How many different SYNs of a client, or answers of a server, are kept besides the first.
const MAX_SYNS: usize = 10;
const MAX_ANSWERS: usize = 5;
