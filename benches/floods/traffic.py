"""Captures of floods, each with real attacks mixed in evenly: the canaries.

Everything is drawn from a seed, so that the same arguments give the same file. A flood is a generator of frames in their order;
checksums are right everywhere, so that no packet can be left aside for its own sake. Sums of constant words are taken once.
"""
import os, random, struct, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "evasion"))
import wire  # noqa: E402

START = 1_767_225_600
ETHERNET = wire.SERVER_MAC + wire.CLIENT_MAC + b"\x08\0"
BACK = wire.CLIENT_MAC + wire.SERVER_MAC + b"\x08\0"
SERVER = 0xC6336400  # 198.51.100.0
HEAD = struct.Struct("!BBHHHBBHII")
TCP_HEAD = struct.Struct("!HHIIBBHHH")
UDP_HEAD = struct.Struct("!HHHH")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ROUND_TRIP_S = 0.05


def fold(total):
    """A sum of 16-bit words as an Internet checksum."""
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def words(data):
    """The sum of the 16-bit words of a text of even length."""
    return sum(struct.unpack("!%dH" % (len(data) // 2), data))


def halves(number):
    """The sum of both halves of 32 bits."""
    return (number >> 16) + (number & 0xFFFF)


def ip_head(length, ident, flags, protocol, source, target):
    total = fold(0x4500 + length + ident + flags + (64 << 8 | protocol) + halves(source) + halves(target))
    return HEAD.pack(0x45, 0, length, ident, flags, 64, protocol, total, source, target)


def tcp_frame(source, target, ports, sequence, ack, flags, payload=b"", payload_sum=0, back=False):
    """A frame with a TCP segment; `payload_sum` is what `words` says of the payload."""
    offset_flags = 5 << 12 | flags
    total = fold(halves(source) + halves(target) + wire.TCP + 20 + len(payload) + ports[0] + ports[1] + halves(sequence) + halves(ack)
                 + offset_flags + 64240 + payload_sum)
    return ((BACK if back else ETHERNET) + ip_head(40 + len(payload), sequence & 0xFFFF, 0x4000, wire.TCP, source, target)
            + TCP_HEAD.pack(ports[0], ports[1], sequence, ack, 5 << 4, flags, 64240, total, 0) + payload)


def syns(rng, count):
    """One SYN each, from random addresses and ports."""
    for _ in range(count):
        bits = rng.getrandbits(96)
        yield tcp_frame(bits & 0xFFFFFFFF, SERVER | 16 + (bits >> 32) % 200, (bits >> 40 & 0xFFFF, 80), bits >> 56 & 0xFFFFFFFF, 0, wire.SYN)


def datagrams(rng, count):
    """One datagram of 30 octets each, from and to random ends."""
    payload = bytes(range(30))
    inside = words(payload)
    for _ in range(count):
        bits = rng.getrandbits(96)
        source, target, ports = bits & 0xFFFFFFFF, SERVER | (bits >> 32 & 0xFF), (bits >> 40 & 0xFFFF, bits >> 56 & 0xFFFF)
        total = fold(halves(source) + halves(target) + wire.UDP + 38 + ports[0] + ports[1] + 38 + inside) or 0xFFFF
        yield ETHERNET + ip_head(58, bits >> 72 & 0xFFFF, 0x4000, wire.UDP, source, target) + UDP_HEAD.pack(*ports, 38, total) + payload


def first_fragments(rng, count):
    """The first 520 octets each of a datagram whose rest never comes."""
    payload = UDP_HEAD.pack(4000, 5000, 1200, 0) + bytes(512)
    for _ in range(count):
        bits = rng.getrandbits(64)
        yield ETHERNET + ip_head(20 + len(payload), bits >> 40 & 0xFFFF, 0x2000, wire.UDP, bits & 0xFFFFFFFF, SERVER | (bits >> 32 & 0xFF)) + payload


def holes(rng, count):
    """Flows that open, miss an octet, and then carry 4 full segments which nobody can deliver. Eight packets a flow, 50 flows at a time."""
    payload = b"\x41\x42" * 700
    inside = words(payload)

    def packets(bits):
        source, target, ports = bits & 0xFFFFFFFF, SERVER | 16 + (bits >> 32) % 200, (bits >> 40 & 0xFFFF | 1024, 80)
        first, other = bits >> 56 & 0x7FFFFFFF, bits >> 88 & 0x7FFFFFFF
        forth = lambda sequence, flags, *data: tcp_frame(source, target, ports, sequence, 0 if flags == wire.SYN else other + 1, flags, *data)
        back = lambda sequence, flags: tcp_frame(target, source, ports[::-1], sequence, first + 1, flags, back=True)
        yield forth(first, wire.SYN)
        yield back(other, wire.SYN | wire.ACK)
        yield forth(first + 1, wire.ACK)
        for number in range(4):
            yield forth(first + 2 + number * len(payload), wire.ACK | wire.PSH, payload, inside)
        yield back(other + 1, wire.ACK)

    left = count
    while left:
        batch = [packets(rng.getrandbits(128)) for _ in range(min(left, 50))]
        left -= len(batch)
        for step in zip(*batch):
            yield from step


def connections(source=lambda bits: bits & 0xFFFFFFFF, service=80, data=b""):
    """Completed handshakes, and what the client says in them first. Three packets a flow, four with data."""
    inside = words(data + b"\0" * (len(data) % 2))

    def build(rng, count):
        for _ in range(count):
            bits = rng.getrandbits(160)
            client, target, ports = source(bits), SERVER | 16 + (bits >> 32) % 200, (bits >> 40 & 0xFFFF | 1024, service)
            first, other = bits >> 56 & 0x7FFFFFFF, bits >> 88 & 0x7FFFFFFF
            yield tcp_frame(client, target, ports, first, 0, wire.SYN)
            yield tcp_frame(target, client, ports[::-1], other, first + 1, wire.SYN | wire.ACK, back=True)
            yield tcp_frame(client, target, ports, first + 1, other + 1, wire.ACK)
            if data:
                yield tcp_frame(client, target, ports, first + 1, other + 1, wire.ACK | wire.PSH, data, inside)

    return build


def answered(rng, count):
    """Datagrams with an answer each."""
    payload = bytes(range(30))
    for _ in range(count):
        bits = rng.getrandbits(96)
        source, target, ports = bits & 0xFFFFFFFF, SERVER | (bits >> 32 & 0xFF), (bits >> 40 & 0xFFFF, bits >> 56 & 0xFFFF)
        total = fold(halves(source) + halves(target) + wire.UDP + 38 + sum(ports) + 38 + words(payload)) or 0xFFFF
        for ends, own, way in (((source, target), ports, ETHERNET), ((target, source), ports[::-1], BACK)):
            yield way + ip_head(58, bits >> 72 & 0xFFFF, 0x4000, wire.UDP, *ends) + UDP_HEAD.pack(*own, 38, total) + payload


def canary(number, at, fragmented):
    """A whole HTTP exchange with an attack in its URI, over five round trips; its source address tells which one it is.

    With `fragmented`, segments with data come in two fragments each, a fifth of a round trip apart.
    """
    source, target, ports = 0x0A640000 + number, SERVER | 1 + number % 8, (20000 + number, 80)
    request = b"GET /EVIL-CANARY-%05d HTTP/1.1\r\nHost: victim.example\r\nUser-Agent: canary\r\n\r\n" % number
    first, other = 1000 + number * 7919, 5_000_000 + number * 104729
    a, b, half = first + 1, other + 1, 16
    after, answered = a + len(request), b + len(ANSWER)
    F, S, P, A = wire.FIN, wire.SYN, wire.PSH, wire.ACK
    steps = [
        (0.0, False, first, 0, S, b""), (0.5, True, other, a, S | A, b""), (1.0, False, a, b, A, b""),
        (1.0, False, a, b, A | P, request[:half]), (1.5, True, b, a + half, A, b""), (2.0, False, a + half, b, A | P, request[half:]),
        (2.5, True, b, after, A, b""), (2.6, True, b, after, A | P, ANSWER), (3.0, False, after, answered, A, b""),
        (4.0, False, after, answered, F | A, b""), (4.5, True, answered, after + 1, F | A, b""), (5.0, False, after + 1, answered + 1, A, b""),
    ]
    for order, (trips, back, sequence, ack, flags, data) in enumerate(steps):
        ends = (target, source, ports[::-1]) if back else (source, target, ports)
        frame = tcp_frame(*ends, sequence, ack, flags, data, words(data + b"\0" * (len(data) % 2)), back)
        moment = at + trips * ROUND_TRIP_S + order * 1e-6
        if fragmented and data and not back:
            for late, part in enumerate(in_two(frame)):
                yield moment + late * ROUND_TRIP_S / 5, part
        else:
            yield moment, frame


def in_two(frame):
    """The fragments of a frame: the TCP header with 8 octets more, and the rest."""
    source, target = struct.unpack_from("!II", frame, 26)
    payload, ident = frame[34:], struct.unpack_from("!H", frame, 18)[0]
    first, rest = payload[:24], payload[24:]
    if not rest:
        first, rest = payload[:16], payload[16:]
    yield frame[:14] + ip_head(20 + len(first), ident, 0x2000, wire.TCP, source, target) + first
    yield frame[:14] + ip_head(20 + len(rest), ident, len(first) // 8, wire.TCP, source, target) + rest


def write(path, frames, duration_s, count, canaries, fragmented):
    """Writes `count` frames evenly over the duration with canaries among them; gives the packets and octets of all."""
    known = sorted(step for n in range(canaries) for step in canary(n, duration_s * (n + 0.5) / canaries, fragmented))
    head, total, out, place = struct.Struct("<IIII"), 0, bytearray(), 0
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1))

        def put(at, frame):
            nonlocal total, out
            micros, length = int(at * 1_000_000), len(frame)
            total += length
            out += head.pack(START + micros // 1_000_000, micros % 1_000_000, length, length) + frame
            if len(out) > 1 << 20:
                file.write(out)
                out = bytearray()

        pace, due = duration_s / max(count, 1), known[0][0] if known else float("inf")
        for number, frame in enumerate(frames):
            at = number * pace
            while at >= due:
                put(*known[place])
                place += 1
                due = known[place][0] if place < len(known) else float("inf")
            put(at, frame)
        for step in known[place:]:
            put(*step)
        file.write(out)
    return count + len(known), total


# Name: its generator, how many at full size, packets each, whether the canaries come in fragments; packets a second, if it has a pace of its own.
FLOODS = {
    "syn": (syns, 1_000_000, 1, False),
    "udp": (datagrams, 1_000_000, 1, False),
    "fragments": (first_fragments, 500_000, 1, False),
    "fragments2": (first_fragments, 500_000, 1, True),
    "holes": (holes, 60_000, 8, False),
    "handshakes": (connections(), 400_000, 3, False),
    "slow": (connections(), 300_000, 3, False, 6_000),
    "octets": (connections(data=b"x"), 300_000, 4, False),
    "requests": (connections(data=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 300_000, 4, False),
    "source": (connections(lambda bits: 0x2D010203, 9999), 300_000, 3, False),
    "network": (connections(lambda bits: 0x2D010000 | bits & 0xFFFF, data=b"x"), 300_000, 4, False),
    "answered": (answered, 300_000, 2, False),
}
# Floods that are answered: each of their flows has a record of its own.
TALK = ("handshakes", "slow", "octets", "requests", "source", "network", "answered")


def make(name, path, scale, seed, rate, canaries):
    """Writes the capture of a flood; gives its packets and octets."""
    frames, full, each, fragmented, *own = FLOODS[name]
    rate = own[0] if own else rate
    count = max(1, int(full * scale))
    return write(path, frames(random.Random("%s %d" % (name, seed)), count), count * each / rate, count * each, canaries, fragmented)
