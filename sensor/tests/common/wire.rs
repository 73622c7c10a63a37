//! A capture of a conversation over TCP, written segment by segment.

use std::path::Path;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// Where the client's and the server's bytes begin.
pub const CLIENT: u32 = 1_000;
pub const SERVER: u32 = 5_000;

/// Packets on a wire, with their times in microseconds.
#[derive(Default)]
pub struct Wire {
    packets: Vec<(u64, Vec<u8>)>,
    /// The time of the next packet.
    pub time_us: u64,
    /// The server's port.
    pub port: u16,
    /// The client's port in the next segments; 0 for 40000.
    pub client_port: u16,
    /// Options of the next segments, padded to words.
    pub options: Vec<u8>,
    /// The urgent pointer of the next segments.
    pub urgent: u8,
    /// Packets begin with their Ethernet header, not with that of IP.
    pub ethernet: bool,
    /// Time between two packets; 0 for a millisecond.
    pub spacing_us: u64,
}

impl Wire {
    /// Nothing so far, to a port.
    pub fn to(port: u16) -> Self {
        Self { time_us: 1_600_000_000_000_000, port, ..Self::default() }
    }

    /// A segment; its numbers are counted from the first byte of each side.
    pub fn segment(
        &mut self,
        to_server: bool,
        flags: u8,
        sequence: u32,
        acknowledged: u32,
        payload: &[u8],
    ) -> &mut Self {
        let client = if self.client_port == 0 { 40_000 } else { self.client_port };
        let ports = if to_server { (client, self.port) } else { (self.port, client) };
        let (own, other) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let acknowledgement = if flags & ACK == 0 { 0 } else { other.wrapping_add(acknowledged) };
        let words = 5 + u8::try_from(self.options.len() / 4).unwrap();
        let mut tcp = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
        tcp.extend(own.wrapping_add(sequence).to_be_bytes());
        tcp.extend(acknowledgement.to_be_bytes());
        tcp.extend([words << 4, flags, 0x80, 0, 0, 0, 0, self.urgent]);
        tcp.extend(&self.options);
        tcp.extend(payload);
        self.ip(to_server, 6, &tcp)
    }

    /// What client and server exchange before the first byte.
    pub fn handshake(&mut self) -> &mut Self {
        self.segment(true, SYN, u32::MAX, 0, b"")
            .segment(false, SYN | ACK, u32::MAX, 0, b"")
            .segment(true, ACK, 0, 0, b"")
    }

    /// A datagram from port 40000 of the client, or to it.
    pub fn datagram(&mut self, to_server: bool, payload: &[u8]) -> &mut Self {
        let ports = if to_server { (40_000, self.port) } else { (self.port, 40_000) };
        let length = u16::try_from(8 + payload.len()).unwrap();
        let udp = [ports.0.to_be_bytes(), ports.1.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
        self.ip(to_server, 17, &[&udp, payload].concat())
    }

    /// A packet between 10.0.0.1, the client, and 10.0.0.2.
    pub fn ip(&mut self, to_server: bool, protocol: u8, payload: &[u8]) -> &mut Self {
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (from, to) = if to_server { (client, server) } else { (server, client) };
        let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
        self.raw(&[&[0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0], &from[..], &to, payload].concat())
    }

    /// A packet from its first header on.
    pub fn raw(&mut self, packet: &[u8]) -> &mut Self {
        self.packets.push((self.time_us, packet.to_vec()));
        self.time_us += if self.spacing_us == 0 { 1_000 } else { self.spacing_us };
        self
    }

    /// The packets, each from its first header on.
    pub fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.packets.iter().map(|(_, data)| data.as_slice())
    }

    /// Writes them as a capture.
    pub fn write(&self, path: &Path) {
        let link_type = if self.ethernet { 1 } else { 101 };
        let mut file: Vec<u8> =
            [0xa1b2_c3d4_u32, 2 << 16 | 4, 0, 0, 65_535, link_type].iter().flat_map(|w| w.to_be_bytes()).collect();
        for (time, data) in &self.packets {
            let length = u32::try_from(data.len()).unwrap();
            let head =
                [u32::try_from(time / 1_000_000).unwrap(), u32::try_from(time % 1_000_000).unwrap(), length, length];
            file.extend(head.iter().flat_map(|word| word.to_be_bytes()));
            file.extend(data);
        }
        std::fs::write(path, file).unwrap();
    }
}
