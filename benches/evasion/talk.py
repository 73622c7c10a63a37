"""The attacker's end of a TCP connection: segments at any offset, with anything in them wrong that a case asks for."""
import struct

from wire import ACK, CLIENT, FIN, PSH, RST, SERVER, SYN, TCP, ethernet, ipv4, ipv6, tcp

MSS, SACK_PERMITTED = b"\2\4\5\xb4", b"\4\2"
LOW_TTL = 2
MD5 = b"\x13\x12" + bytes(16)


class Talk:
    """One connection. Offsets count from the first octet of the client's stream; `next` is where the next data goes."""

    ports = 40000

    def __init__(self, host, version=4, port=80, isn=1_000_000, options=MSS + SACK_PERMITTED, source_port=None, timestamps=False):
        self.host, self.version, self.port, self.isn, self.options = host, version, port, isn, options
        Talk.ports = Talk.ports + 1 if Talk.ports < 60000 else 40000
        self.source_port = source_port or Talk.ports
        self.timestamps, self.clock, self.echo = timestamps, 5_000_000, 0
        self.next = self.peer = self.taken = 0
        self.identification = 1

    def stamp(self, value=None):
        """A timestamp option; the client's clock runs a tick a segment."""
        self.clock += 1
        return b"\1\1\x08\x0a" + struct.pack("!II", self.clock if value is None else value, self.echo)

    def segment(self, data=b"", at=None, sequence=None, ack=None, flags=ACK | PSH, options=None, ports=None, **rest):
        """A TCP segment with `data` at a stream offset (the next one unless given)."""
        if sequence is None:
            sequence = self.isn + 1 + (self.next if at is None else at)
        if options is None:
            options = self.stamp() if self.timestamps else b""
        source, target = ports or (self.source_port, self.port)
        return tcp(CLIENT[self.version], SERVER[self.version], source, target, sequence, self.peer if ack is None else ack,
                   flags, data, options=options, **rest)

    def packet(self, data=b"", ip=None, **rest):
        """An IP packet around a segment; `ip` are arguments for its header."""
        return self.ip(self.segment(data, **rest), **(ip or {}))

    def ip(self, payload, **header):
        """An IP packet from client to server."""
        if self.version == 6:
            return ipv6(payload, **header)
        self.identification = self.identification % 0xFFFF + 1
        return ipv4(payload, **{"ident": self.identification, **header})

    def send(self, data=b"", **rest):
        """Sends a segment that may be odd; the place of the next data stays where it is."""
        self.host.send(ethernet(self.packet(data, **rest)))

    def raw(self, packet):
        """Sends an IP packet as it is."""
        self.host.send(ethernet(packet))

    def phantom(self, data=b"", **rest):
        """A segment that passes the sensor and dies before the host."""
        rest["ip"] = {**(rest.get("ip") or {}), "ttl": LOW_TTL}
        self.host.record(ethernet(self.packet(data, **rest)))

    def say(self, data, size=1400, **rest):
        """Sends data in order, as a client does that keeps to the server's window."""
        for start in range(0, len(data), size):
            piece = data[start:start + size]
            self.send(piece, **rest)
            self.next += len(piece)
            if start // size % 8 == 7:
                self.wait()
        self.wait()

    def wait(self):
        """Takes what the server says and acknowledges what it sent, if anything."""
        self.host.settle()
        before = self.peer
        for segment in self.host.answers:
            if (segment.source_port, segment.target_port) != (self.port, self.source_port):
                continue
            stamp = segment.timestamp()
            if stamp is not None:
                self.echo = stamp
            if segment.flags & RST:
                continue
            length = len(segment.payload) + (1 if segment.flags & (SYN | FIN) else 0)
            if segment.flags & SYN or segment.sequence == self.peer:
                self.peer = (segment.sequence + length) & 0xFFFFFFFF
        self.host.answers.clear()
        return self.peer != before

    def syn(self, **rest):
        """The first segment and its answer."""
        options = self.options + (b"\x08\x0a" + struct.pack("!II", self.clock, 0) if self.timestamps else b"")
        self.send(**{"sequence": self.isn, "ack": 0, "flags": SYN, "options": options, **rest})
        self.wait()

    def connect(self):
        """The three-way handshake."""
        self.syn()
        self.send(flags=ACK)
        self.wait()
        return self

    def finish(self):
        """The server answers, then both close."""
        self.host.respond()
        while self.wait():
            self.send(flags=ACK)
        self.send(flags=FIN | ACK)
        self.next += 1
        self.wait()
        self.host.hang_up()
        if self.wait():
            self.send(flags=ACK)
        self.host.settle()
