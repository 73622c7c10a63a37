//! The packets of a batch that are a worker's: its own frames, and what those of others carry.

use tapwire_parsers::link::{self, How, Packet};
use tapwire_parsers::protocol::Anomaly;

use super::Worker;
use crate::capture::batch::Batch;
use crate::capture::offload::{Known, Outcome, settle};
use crate::decode::tunnels::Tunnel;
use crate::inspect::tenants::Select;

impl Worker {
    /// Takes the packets of its shard, from a frame of the batch on.
    pub(super) fn frames(&mut self, batch: &Batch, from: usize) {
        let own = self.index;
        let how = self.how();
        for (at, frame) in batch.frames.iter().enumerate().skip(from) {
            (self.at, self.books) = (at, self.counters.books());
            self.age(frame.number, frame.time);
            self.traffic += u64::from(frame.captured_bytes());
            if frame.shard != own && !frame.tunnel {
                continue;
            }
            if frame.duplicate {
                self.counters.leave_out("duplicate", u64::from(frame.shard == own));
                continue;
            }
            self.reporter.note_traffic(self.traffic);
            #[cfg(test)]
            assert_ne!(self.trip_at, Some(frame.number), "the packet at which a test lets it panic");
            let mut packet = frame.unread(batch);
            frame.read(&mut packet, &how);
            packet.tenant = self.tenant(batch, at, &packet);
            let oddity = batch.oddity(frame);
            note(&mut packet, oddity);
            let known = Known { excuses: batch.excuses.as_deref(), interface: frame.interface, said: frame.sum };
            if frame.shard == own {
                self.look_at_checksum(&mut packet, known);
                let tunnel = if frame.depth > 0 { self.tunnel_around(batch, at) } else { None };
                self.packet(&packet, tunnel);
            }
            if packet.inner.is_some() {
                self.inner_packets(packet, oddity, known);
            }
        }
    }

    /// How the packets of this batch are read.
    fn how(&self) -> How {
        self.settings.tunnels.how(self.settings.checksums.verifies())
    }

    /// Forgives checksums that a host left to its network card, and counts what is refused.
    #[inline]
    fn look_at_checksum(&mut self, packet: &mut Packet<'_>, known: Known<'_>) {
        if let Some(outcome) = settle(packet, self.settings.checksums, known) {
            self.counters.wrong_checksum(outcome == Outcome::Accepted);
        }
    }

    /// The tenant of the packet at a place.
    #[inline]
    fn tenant(&self, batch: &Batch, at: usize, packet: &Packet<'_>) -> u32 {
        match &self.select {
            Select::Same(tenant) => *tenant,
            Select::ByInterface(tenants) => tenants.get(usize::from(packet.interface)).copied().unwrap_or(0),
            Select::ByVlan(tenants) if packet.depth == 0 => tenants.of(&packet.vlans),
            // What was put together within a tunnel is of whom sent the packet around it.
            Select::ByVlan(tenants) => self.captured(batch, at).map_or(0, |outermost| tenants.of(&outermost.vlans)),
        }
    }

    /// The packet, as captured, of which the frame at a place is a part.
    #[cold]
    fn captured<'b>(&self, batch: &'b Batch, at: usize) -> Option<Packet<'b>> {
        let number = batch.frames.get(at)?.number;
        let before = batch.frames.get(..at)?.iter().rev().take_while(|other| other.number == number);
        before.last().map(|frame| frame.decode(batch, &self.settings.tunnels.how(false)))
    }

    /// The tunnel that the last piece of a datagram came in, which was put together into the frame at a place.
    fn tunnel_around(&self, batch: &Batch, at: usize) -> Option<Tunnel> {
        let frame = batch.frames.get(at)?;
        let before = batch.frames.get(..at)?.iter().rev().take_while(|other| other.number == frame.number);
        let last = before.filter(|other| other.joined < frame.joined).max_by_key(|other| other.joined)?;
        let how = self.settings.tunnels.how(false);
        let mut outer = last.decode(batch, &how);
        while outer.depth + 1 < frame.depth {
            outer = Packet::decode_inner(&outer, &how)?;
        }
        Tunnel::around(&outer, outer.inner?.carrier, frame.depth)
    }

    /// The packets that a packet carries, each inside the one before; those of this shard are taken.
    fn inner_packets(&mut self, mut outer: Packet<'_>, oddity: Option<(u8, Anomaly)>, known: Known<'_>) {
        let how = self.how();
        while let Some(carried) = outer.inner.filter(|inner| self.settings.tunnels.reads(inner.carrier))
            && let Some(mut packet) = Packet::decode_inner(&outer, &how)
        {
            note(&mut packet, oddity);
            if self.shards.of(&packet) == self.index {
                self.look_at_checksum(&mut packet, known);
                let tunnel = Tunnel::around(&outer, carried.carrier, packet.depth);
                self.packet(&packet, tunnel);
            }
            outer = packet;
        }
    }
}

/// Gives a piece of a datagram what is odd about it.
fn note(packet: &mut Packet<'_>, oddity: Option<(u8, Anomaly)>) {
    if let Some((depth, anomaly)) = oddity
        && depth == packet.depth
    {
        link::raise(&mut packet.anomalies, anomaly.0);
    }
}
