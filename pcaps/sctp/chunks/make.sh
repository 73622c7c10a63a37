#!/bin/sh
# Makes capture.pcap: packets of SCTP, each with one thing that is odd about its chunks, behind two that are right. Needs python3.
set -eu
cd "$(dirname "$0")"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=../../link python3 - <<'END'
import struct
from wire import *

def chunk(kind, value=b"", length=None):
    length = 4 + len(value) if length is None else length
    return struct.pack("!BBH", kind, 0, length) + value + bytes(-len(value) % 4)

DATA, INIT, INIT_ACK, SACK, ABORT, COOKIE_ECHO = 0, 1, 2, 3, 6, 10
data = chunk(DATA, struct.pack("!IHHI", 1, 0, 0, 46) + b"user data")
init = chunk(INIT, struct.pack("!IIHHI", 9, 65535, 1, 1, 1))
packets = []
for tag, chunks in [
    (0, init),
    (9, chunk(COOKIE_ECHO, b"cookie") + data),
    (9, init),
    (0, init + chunk(COOKIE_ECHO, b"cookie")),
    (0, data),
    (9, chunk(SACK, bytes(12)) * 33),
    (9, data * 17),
    (9, chunk(ABORT) + b"\0\0"),
    (9, chunk(SACK, b"", 3)),
    (9, chunk(SACK, b"", 40)),
]:
    packets.append((1, frame(ipv4(struct.pack("!HHII", 7000, 7001, tag, 0) + chunks, 132))))
write("capture.pcap", packets)
END
