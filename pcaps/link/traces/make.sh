#!/bin/sh
# Makes capture.pcap: what has no flow and leaves a trace all the same: pieces of datagrams that never become whole, over IPv4, IPv6 and
# in a tunnel, a routing header that sends packets round, and protocols without a parser. Needs python3.
set -eu
cd "$(dirname "$0")"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.. python3 - <<'END'
import struct
from wire import *

v6 = (bytes(15) + b"\1", bytes(15) + b"\2")
def piece(number, offset, more, body, source="10.0.0.9"):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), number, more << 13 | offset // 8, 64, 17, 0)
    head += address(source) + address("10.0.0.2")
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
def piece_v6(number, offset, more, body):
    return ipv6(struct.pack("!BBHI", 17, 0, offset | more, number) + body, 44)

whole = udp(question("pieces.example"), 41000, 53, ("10.0.0.9", "10.0.0.2"))
route = struct.pack("!BBBBI", 17, 2, 0, 1, 0) + bytes(15) + b"\3"
packets = [
    (1, frame(piece(1, 0, 1, whole[:16]))),
    (1, frame(piece(2, 0, 1, whole[:16]))),
    (1, frame(piece(2, 16, 0, whole[16:]))),
    (1, frame(piece(3, 64, 0, bytes(8), "10.0.0.10"))),
    (1, frame(piece_v6(4, 0, 1, bytes(1232)), 0x86dd)),
    (1, frame(ipv4(piece(5, 0, 1, bytes(16), "10.0.0.11"), 4, "192.0.2.1", "192.0.2.2"))),
    (1, frame(ipv6(route + struct.pack("!HHHH", 41001, 53, 8, 0), 43), 0x86dd)),
    (1, frame(ipv4(bytes(20), 89))),
]
write("capture.pcap", packets)
END
