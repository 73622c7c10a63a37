"""Packets and capture files for the cases of this folder."""
import struct

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def address(text):
    return bytes(map(int, text.split(".")))

def ipv4(payload, protocol=17, source="10.0.0.1", destination="10.0.0.2", length=None, options=b"", right=True):
    length = 20 + len(options) + len(payload) if length is None else length
    fields = [0x45 + len(options) // 4, 0, length, 1, 0, 64, protocol, 0]
    head = struct.pack("!BBHHHBBH", *fields) + address(source) + address(destination) + options
    total = checksum(head) if right else 0
    return head[:10] + struct.pack("!H", total) + head[12:] + payload

def ipv6(payload, following=17, length=None, between=(bytes(15) + b"\1", bytes(15) + b"\2")):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28, length, following, 64) + b"".join(between) + payload

def over(protocol, data, source, destination):
    pseudo = source + destination + struct.pack("!II", len(data), protocol)
    return checksum(pseudo + data)

def udp(payload, source=40000, destination=53, between=("10.0.0.1", "10.0.0.2"), right=True):
    data = struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload
    total = over(17, data, *map(address, between)) if right else 0xdead
    return data[:6] + struct.pack("!H", total) + data[8:]

def tcp(flags, sequence, acknowledgement, payload=b"", ports=(40000, 80), between=None, options=b"", right=True):
    between = between or (address("10.0.0.1"), address("10.0.0.2"))
    head = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledgement, (5 + len(options) // 4) << 4, flags, 64000, 0, 0)
    data = head + options + payload
    total = over(6, data, *between) if right else 0xdead
    return data[:16] + struct.pack("!H", total) + data[18:]

def question(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)

def frame(payload, kind=0x0800, source=1, destination=2):
    stations = bytes([2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source])
    return stations + struct.pack("!H", kind) + payload

def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

def write(path, packets):
    """A pcapng file of packets: their link type, their bytes and, where the end is cut off, their length on the wire."""
    kinds = list(dict.fromkeys(packet[0] for packet in packets))
    out = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    for kind in kinds:
        out += block(1, struct.pack("<HHI", kind, 0, 0))
    for number, (kind, data, *length) in enumerate(packets):
        time = 1_700_000_000_000_000 + number * 1000
        wire = length[0] if length else len(data)
        out += block(6, struct.pack("<5I", kinds.index(kind), time >> 32, time & 0xffffffff, len(data), wire) + data)
    open(path, "wb").write(out)
