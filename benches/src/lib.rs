//! Inputs that the benchmarks share: made from a seed, so that two runs measure the same.

/// A small generator with a seed.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.roll(256).to_le_bytes()[0]
    }
}

const WORDS: &[&str] = &[
    "GET /index.html HTTP/1.1\r\n",
    "Host: www.example.com\r\n",
    "User-Agent: Mozilla/5.0 (Windows NT 10.0)\r\n",
    "Accept: */*\r\n",
    "Content-Type: text/html\r\n",
    "Content-Length: 1024\r\n",
    "Connection: keep-alive\r\n",
    "<html><body>",
    "</div>",
    "password=",
    "id=17&name=",
    "\0\0\0\0\0\0\0\0",
    "/static/js/app.js",
    "Cookie: session=",
    "\r\n\r\n",
];

/// Text that looks like web traffic, mixed with binary, of about `length` bytes.
pub fn traffic(length: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut out = Vec::with_capacity(length + 64);
    while out.len() < length {
        if dice.roll(3) == 0 {
            for _ in 0..dice.roll(64) {
                out.push(dice.byte());
            }
        } else {
            let word = usize::try_from(dice.roll(WORDS.len() as u64)).ok().and_then(|i| WORDS.get(i)).unwrap_or(&"");
            out.extend_from_slice(word.as_bytes());
        }
    }
    out
}

/// Byte strings as rules have them: mostly odd words of 4 to 24 bytes, some binary.
pub fn patterns(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut dice = Dice(seed);
    (0..count)
        .map(|_| {
            let binary = dice.roll(5) == 0;
            let length = 4 + dice.roll(20);
            (0..length).map(|_| if binary { dice.byte() } else { b'a' + dice.roll(26).to_le_bytes()[0] }).collect()
        })
        .collect()
}

/// A raw IPv4 packet with an empty UDP datagram of flow `number`.
pub fn udp_packet(number: u32) -> Vec<u8> {
    let [a, b, c, d] = number.to_be_bytes();
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, b, c, d, 192, 0, 2, a];
    packet.extend([0x10, 0, 0, 53, 0, 8, 0, 0]);
    packet
}

/// A raw IPv4 packet with a TCP segment between one client and one server.
pub fn tcp_segment(from_client: bool, sequence: u32, acknowledgement: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let (client, server) = ([10, 0, 0, 1], [192, 0, 2, 1]);
    let (from, to) = if from_client { (client, server) } else { (server, client) };
    let ports: [u8; 4] = if from_client { [0x30, 0x39, 0, 80] } else { [0, 80, 0x30, 0x39] };
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend(from);
    packet.extend(to);
    packet.extend(ports);
    packet.extend(sequence.to_be_bytes());
    packet.extend(acknowledgement.to_be_bytes());
    packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}
