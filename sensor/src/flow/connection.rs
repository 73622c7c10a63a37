//! A TCP packet of a flow on its way to the flow's connection, which it may begin or go on with.

use tapwire_parsers::link::{Tcp, tcp_flags};
use tapwire_parsers::protocol::{Anomaly, Direction};

use super::exceptions::Exception;
use super::parked::Ends;
use super::store::Store;
use super::tcp::{TcpFlow, TcpSettings, TcpUpdate};
use super::{Flow, Key, Marks, Overlap, Settings};

impl<A> Flow<A> {
    /// Goes on with a connection that was remembered, if the packet does.
    pub(super) fn resume(
        &mut self,
        tcp: &Tcp<'_>,
        ends: &Ends,
        key: &Key,
        direction: &mut Direction,
        settings: &Settings,
    ) -> bool {
        let sender = ends.direction_of(key);
        let Some(resumed) = TcpFlow::resume(tcp, ends.next, sender) else { return false };
        self.begin(resumed, sender, direction, settings);
        true
    }

    /// Goes on with a connection of which nothing is known but that it may have been evicted, from where the packet is.
    pub(super) fn pick_up(
        &mut self,
        tcp: &Tcp<'_>,
        payload: &[u8],
        direction: &mut Direction,
        settings: &Settings,
    ) -> bool {
        use tcp_flags::{ACK, RST, SYN};
        // A keep-alive has an octet at most, which the receiver has.
        if tcp.flags & (SYN | ACK | RST) != ACK || matches!(payload, [] | [0]) {
            return false;
        }
        let tcp_settings = TcpSettings { midstream: true, ..settings.tcp };
        let Some(begun) = TcpFlow::begin(tcp, payload.len(), &tcp_settings) else { return false };
        self.followed.follow(Exception::Midstream, settings.exceptions.midstream);
        if !self.is_bypassed() {
            self.begin(begun, Direction::ToServer, direction, settings);
        }
        true
    }

    /// The flow has a connection now, in which the packet's sender is the one given.
    fn begin(&mut self, connection: TcpFlow, sender: Direction, direction: &mut Direction, settings: &Settings) {
        if *direction != sender {
            self.swap();
            *direction = sender;
        }
        self.tcp = Some(Box::new(connection));
        self.set_overlaps(settings);
    }

    /// What counts of overlapping data is what its receiver does.
    fn set_overlaps(&mut self, settings: &Settings) {
        let overlap = |address| Overlap::of(settings.systems.of(address).unwrap_or_default());
        let (Some(tcp), Some(ends)) = (&mut self.tcp, self.key.ip()) else { return };
        for (direction, address) in [(Direction::ToServer, ends.destination), (Direction::ToClient, ends.source)] {
            tcp.set_overlap(direction, overlap(address));
        }
    }

    /// A TCP packet of the flow: it goes to its connection, which it may begin.
    pub(super) fn connection(
        &mut self,
        tcp: &Tcp<'_>,
        payload: &[u8],
        direction: &mut Direction,
        settings: &Settings,
        store: &mut Store,
    ) -> TcpUpdate {
        if self.tcp.is_none() {
            let answers = tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN | tcp_flags::ACK;
            // Whoever sends the SYN is the client, and who answers one is not.
            let client_sends = if answers { Direction::ToClient } else { Direction::ToServer };
            let Some(begun) = TcpFlow::begin(tcp, payload.len(), &settings.tcp) else {
                return self.without_connection(tcp, payload, *direction, settings);
            };
            if begun.midstream {
                self.followed.follow(Exception::Midstream, settings.exceptions.midstream);
                if self.is_bypassed() {
                    return TcpUpdate::default();
                }
            }
            self.begin(begun, client_sends, direction, settings);
        }
        let Some(connection) = &mut self.tcp else { return TcpUpdate::default() };
        let refused = store.refused().0;
        let update = connection.packet(tcp, payload, *direction, &settings.tcp, store);
        if store.refused().0 > refused {
            self.followed.follow(Exception::Starved, settings.exceptions.reassembly);
        }
        update
    }

    fn without_connection(
        &mut self,
        tcp: &Tcp<'_>,
        payload: &[u8],
        direction: Direction,
        settings: &Settings,
    ) -> TcpUpdate {
        let mut update = TcpUpdate::default();
        // Who answered a SYN goes on, and nobody is seen who sent it.
        let (sender, other) = (*self.tcp_flags.of(direction), *self.tcp_flags.of(direction.reverse()));
        let goes_on = !payload.is_empty() && sender & tcp_flags::SYN != 0 && other == 0;
        if goes_on && !settings.tcp.async_oneside && !self.marks.has(Marks::ONE_SIDE) {
            self.marks.set(Marks::ONE_SIDE, true);
            update.anomalies.push(Anomaly("stream.one_side_seen"));
        }
        if tcp.flags & tcp_flags::RST != 0 {
            update.anomalies.push(Anomaly("stream.rst_but_no_session"));
            return update;
        }
        if tcp.flags & tcp_flags::FIN != 0 {
            update.anomalies.push(Anomaly("stream.fin_but_no_session"));
        }
        self.followed.follow(Exception::Midstream, settings.exceptions.midstream);
        update
    }
}
