//! The opening of a TCP connection: one SYN or several, the answer to it, and the step that completes it.
//!
//! What the other end acknowledges tells which of several openings counts, and whether it took the data on a SYN. A
//! connection may also open from both ends, or in four steps.

use tapwire_parsers::link::tcp_flags;
use tapwire_parsers::protocol::Direction;

use super::tcp::{MAX_WINDOW, MIDSTREAM_SCALE, Oddity, Opening, Step, TcpFlow, TcpState, after, in_window, length};

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
            self.choose_syn(step);
        }
        let takes_early = self.state == TcpState::SynSent && self.sides.to_server.early > 0;
        if takes_early && tcp.acknowledgement == self.sides.to_server.next.wrapping_add(self.sides.to_server.early) {
            if direction == Direction::ToClient {
                let client = &mut self.sides.to_server;
                client.next = tcp.acknowledgement;
                step.update.valid = true;
                step.update.acknowledged = client.stream.get_mut().acknowledge(tcp.acknowledgement, step.store);
                self.answered(step);
                self.state = TcpState::SynRecv;
            }
            return;
        }
        let client = &self.sides.to_server;
        let early = if self.state == TcpState::SynSent { 0 } else { client.early };
        let wrong_ack = tcp.acknowledgement != client.initial.wrapping_add(1).wrapping_add(early);
        match (self.state, direction) {
            (TcpState::SynSent, Direction::ToServer) => step.anomaly("stream.3whs_synack_in_wrong_direction"),
            (TcpState::SynSent, Direction::ToClient) if wrong_ack => {
                // It may answer a SYN that was not seen, or is not kept.
                step.anomaly("stream.3whs_synack_with_wrong_ack");
                self.remember(step, MAX_ANSWERS, "stream.3whs_synack_flood");
            }
            (TcpState::SynSent, Direction::ToClient) => {
                step.update.valid = true;
                let client = &mut self.sides.to_server;
                if std::mem::take(&mut client.early) > 0 {
                    step.anomaly("stream.3whs_synack_tfo_data_ignored");
                    client.discharge(step.store);
                    client.stream.restart(client.next);
                }
                self.answered(step);
                self.unusual.iter_mut().for_each(|unusual| unusual.others.clear());
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
                    self.remember(step, MAX_ANSWERS, "stream.3whs_synack_flood");
                } else if tcp.sequence != self.sides.to_client.initial {
                    step.anomaly("stream.3whs_synack_resend_with_diff_seq");
                    self.remember(step, MAX_ANSWERS, "stream.3whs_synack_flood");
                    step.update.valid = true;
                } else {
                    step.update.valid = true;
                    // A server that sent its SYN first now acknowledges the client's.
                    self.answered(step);
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

    /// Keeps another opening of this direction. The newest displaces the oldest: none may shut out the one that counts.
    fn remember(&mut self, step: &mut Step<'_, '_>, limit: usize, flood: &'static str) {
        let new = Opening::of(step.tcp);
        let others = &mut self.unusual().others;
        let is_same = |other: &Opening| (other.sequence, other.answers) == (new.sequence, new.answers);
        let is_alike = |other: &&Opening| other.answers.is_some() == new.answers.is_some();
        if let Some(known) = others.iter().position(is_same) {
            others.remove(known);
        } else if others.iter().filter(is_alike).count() >= limit {
            let oldest = others.iter().position(|other| is_alike(&other));
            oldest.map(|oldest| others.remove(oldest));
            step.anomaly(flood);
        }
        others.push(new);
    }

    /// The server acknowledged one of several SYNs: it is the one that counts.
    fn choose_syn(&mut self, step: &mut Step<'_, '_>) {
        if !self.acknowledges_syn(step.tcp)
            && let Some(syn) = self.others().iter().find(|other| other.is_opened_by(step.tcp)).copied()
        {
            self.sides.to_server.discharge(step.store);
            self.sides.to_server.open(syn);
        }
    }

    /// The client acknowledged one of several answers, and sends from where that says: it is the one that counts, whatever SYN it
    /// answered. Whether there is one.
    fn choose_answer(&mut self, step: &mut Step<'_, '_>) -> bool {
        let (tcp, known) = (step.tcp, self.sides.to_server.next);
        let is_known = self.state == TcpState::SynRecv;
        let confirmed = |other: &&Opening| {
            other.sequence.wrapping_add(1) == tcp.acknowledgement
                && (other.answers == Some(tcp.sequence) || is_known && other.answers == Some(known))
        };
        let Some(answer) = self.others().iter().find(confirmed).copied() else { return false };
        if answer.answers != Some(known) {
            // Its options are not known, but what the answer has was in the SYN as well.
            let scale = answer.scale.map(|_| MIDSTREAM_SCALE);
            let timestamp = tcp.options.timestamps.map(|(value, _)| value);
            let sequence = tcp.sequence.wrapping_sub(1);
            self.sides.to_server.discharge(step.store);
            self.sides.to_server.open(Opening {
                sequence,
                answers: None,
                window: tcp.window,
                scale,
                timestamp,
                ..answer
            });
        }
        self.open_server(answer, &[], step);
        true
    }

    /// The server's SYN with the acknowledgement of the client's.
    fn answered(&mut self, step: &mut Step<'_, '_>) {
        self.open_server(Opening::of(step.tcp), step.payload, step);
    }

    fn open_server(&mut self, opening: Opening, payload: &[u8], step: &mut Step<'_, '_>) {
        let server = &mut self.sides.to_client;
        server.discharge(step.store);
        server.open(opening);
        if !payload.is_empty() {
            // RFC 9293 section 3.10.7.3: data with the SYN counts, if the client acknowledges it.
            let stream = server.stream.get_mut();
            let stored = stream.insert(server.next, payload, None, &step.settings.stream, step.store);
            step.update.accepted |= stored.accepted;
            server.early = length(payload);
            if step.settings.inline || step.settings.async_oneside {
                stream.acknowledge(server.next.wrapping_add(server.early), step.store);
            }
        }
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

    /// What the client says of bytes on the server's SYN: it has them, or it passed over them and they will come again.
    fn meet_early(&mut self, step: &mut Step<'_, '_>) {
        let server = &mut self.sides.to_client;
        if std::mem::take(&mut server.early) == 0 {
            return;
        }
        if after(step.tcp.acknowledgement, server.next) {
            server.next = step.tcp.acknowledgement;
        } else {
            server.discharge(step.store);
            server.stream.restart(server.next);
        }
    }

    pub(super) fn in_syn_sent(&mut self, step: &mut Step<'_, '_>) {
        let acknowledges = step.direction == Direction::ToServer && step.tcp.flags & tcp_flags::ACK != 0;
        if acknowledges && self.choose_answer(step) {
            self.state = TcpState::Established;
            self.in_established(step);
            return;
        }
        let goes_on = step.direction == Direction::ToServer && !step.payload.is_empty();
        if goes_on && !step.settings.async_oneside && !self.sides.to_client.seen {
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
            let server = &self.sides.to_client;
            let goes_on = tcp.sequence.wrapping_sub(server.next) <= server.early;
            if self.midstream && goes_on {
                if !step.settings.async_oneside && !step.payload.is_empty() && !self.sides.to_server.seen {
                    self.raise_once(step, Oddity::OneSide);
                }
                self.sides.to_server.pick_up(tcp.acknowledgement);
                self.sides.to_client.limit = tcp.sequence.wrapping_add(MAX_WINDOW);
                self.state = TcpState::Established;
                self.in_established(step);
                return;
            }
            // The server may send before our copy of the client's last step; the client's data will show that it came.
            if tcp.acknowledgement == self.sides.to_server.next && goes_on {
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
        let server = &self.sides.to_client;
        let takes = tcp.acknowledgement.wrapping_sub(server.next) <= server.early;
        if !(takes && tcp.sequence == self.sides.to_server.next) {
            self.choose_answer(step);
        }
        let server = &self.sides.to_client;
        let right_ack = tcp.acknowledgement.wrapping_sub(server.next) <= server.early;
        let right_sequence = tcp.sequence == self.sides.to_server.next;
        match (right_sequence, right_ack) {
            (true, true) => {
                self.meet_early(step);
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

/// How many different SYNs of a client, and answers of a server, are kept besides the first.
const MAX_SYNS: usize = 10;
const MAX_ANSWERS: usize = 5;
