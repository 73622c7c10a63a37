"""Frames from bytes and back: Ethernet, IPv4 and IPv6 with their fragments, TCP, UDP, and pcap files.

Everything that a case may want to have wrong is an argument; what it does not name is right.
"""
import socket, struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP, UDP = 6, 17
CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
CLIENT = {4: "10.9.0.1", 6: "fd09::1"}
SERVER = {4: "10.9.0.2", 6: "fd09::2"}


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    """The octets of an address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def ethernet(payload, kind=None, source=CLIENT_MAC, target=SERVER_MAC):
    """A frame; the type follows the version of the IP packet unless it is given."""
    if kind is None:
        kind = 0x86DD if payload[0] >> 4 == 6 else 0x0800
    return target + source + struct.pack("!H", kind) + payload


def ipv4(payload, protocol=TCP, source=CLIENT[4], target=SERVER[4], ttl=64, ident=0, fragment=0, flags=0x4000,
         options=b"", tos=0, bad_checksum=False, version=4, header_words=None, total=None):
    """An IPv4 packet. `fragment` is the offset in octets, `flags` the two bits 0x4000 (DF) and 0x2000 (MF)."""
    options += bytes(-len(options) % 4)
    words = header_words if header_words is not None else 5 + len(options) // 4
    length = total if total is not None else 20 + len(options) + len(payload)
    fields = [version << 4 | words, tos, length, ident, flags | fragment >> 3, ttl, protocol, 0, address(source), address(target)]
    fields[7] = checksum(struct.pack("!BBHHHBBH4s4s", *fields) + options) ^ (0x5555 if bad_checksum else 0)
    return struct.pack("!BBHHHBBH4s4s", *fields) + options + payload


def ipv6(payload, protocol=TCP, source=CLIENT[6], target=SERVER[6], ttl=64, extensions=(), flow_label=0):
    """An IPv6 packet. An extension is a pair of its number and its octets without the next-header octet."""
    body, following = payload, protocol
    for number, octets in reversed(extensions):
        body, following = bytes([following]) + octets + body, number
    return struct.pack("!IHBB16s16s", 6 << 28 | flow_label, len(body), following, ttl, address(source), address(target)) + body


def pseudo_header(source, target, protocol, length):
    """What the checksums of TCP and UDP cover beside their own octets."""
    if ":" in source:
        return address(source) + address(target) + struct.pack("!II", length, protocol)
    return address(source) + address(target) + struct.pack("!HH", protocol, length)


def tcp(source, target, source_port, target_port, sequence, acknowledgement, flags, payload=b"", window=64240, options=b"",
        urgent=0, bad_checksum=False, header_words=None, reserved=0):
    """A TCP segment between two addresses."""
    options += b"\1" * (-len(options) % 4)
    words = header_words if header_words is not None else 5 + len(options) // 4
    head = struct.pack("!HHIIBBH", source_port, target_port, sequence & 0xFFFFFFFF, acknowledgement & 0xFFFFFFFF,
                       words << 4 | reserved, flags, window)
    tail = struct.pack("!H", urgent) + options + payload
    total = checksum(pseudo_header(source, target, TCP, len(head) + 2 + len(tail)) + head + b"\0\0" + tail)
    return head + struct.pack("!H", total ^ (0x5555 if bad_checksum else 0)) + tail


def udp(source, target, source_port, target_port, payload):
    """A UDP datagram between two addresses."""
    head = struct.pack("!HHH", source_port, target_port, 8 + len(payload))
    total = checksum(pseudo_header(source, target, UDP, 8 + len(payload)) + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack("!H", total) + payload


def fragments4(packet, size, ident=0x4242, first=None):
    """The fragments of an IPv4 packet without options, `size` octets each (the first one `first`), as (offset, more, data)."""
    payload, offset, parts = packet[20:], 0, []
    while offset < len(payload):
        length = first if first and not offset else size
        parts.append((offset, offset + length < len(payload), payload[offset:offset + length]))
        offset += length
    return parts


class Segment:
    """What a case needs of a TCP segment that the other side sent."""

    def __init__(self, frame):
        packet = frame[14:]
        if packet[0] >> 4 == 6:
            self.protocol, header, end = packet[6], 40, 40 + struct.unpack_from("!H", packet, 4)[0]
        else:
            self.protocol, header, end = packet[9], (packet[0] & 15) * 4, struct.unpack_from("!H", packet, 2)[0]
        self.source_port = self.target_port = self.sequence = self.acknowledgement = self.flags = 0
        self.payload, self.options = b"", b""
        if self.protocol == TCP and end >= header + 20:
            (self.source_port, self.target_port, self.sequence, self.acknowledgement, offset, self.flags,
             self.window) = struct.unpack_from("!HHIIBBH", packet, header)
            start = header + (offset >> 4) * 4
            self.options, self.payload = packet[header + 20:start], packet[start:end]

    def timestamp(self):
        """The value of the sender's timestamp option, None without one."""
        options = self.options
        while options and options[0]:
            if options[0] == 1:
                options = options[1:]
            elif options[0] == 8:
                return struct.unpack_from("!I", options, 2)[0]
            else:
                options = options[max(options[1], 2):]
        return None


def write_pcap(path, packets):
    """Writes (seconds, frame) pairs."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1))
        for time, frame in packets:
            micros = round(time * 1_000_000)
            out.write(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(frame), len(frame)) + frame)
