#!/bin/sh
# Makes capture.pcap, a pcapng file: connections and datagrams whose packets have no length of their own, as those that a network card
# cuts up, or whose end was not captured. Needs python3.
set -eu
cd "$(dirname "$0")"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.. python3 - <<'END'
import struct
from wire import *

packets = []
v6 = (bytes(15) + b"\1", bytes(15) + b"\2")

def exchange(port, answer, wrap, snap=None):
    """A request and its answer; `wrap` makes a frame of a segment, and of the answer where it is told so."""
    request = b"GET /%d HTTP/1.1\r\nHost: example\r\n\r\n" % port
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
    there, back = (port, 80), (80, port)
    ends = 2 + len(head) + len(answer)
    for flags, sequence, acknowledgement, data, ports in [
        (2, 0, 0, b"", there), (0x12, 0, 1, b"", back), (0x10, 1, 1, b"", there),
        (0x18, 1, 1, request, there), (0x18, 1, 1 + len(request), head + answer, back),
        (0x11, 1 + len(request), ends - 1, b"", there), (0x11, ends - 1, 2 + len(request), b"", back),
        (0x10, 2 + len(request), ends, b"", there),
    ]:
        # Both shift their windows, or an answer would not fit into one.
        scale = b"\1\3\3\7" if flags & 2 else b""
        packet = wrap(flags, sequence, acknowledgement, data, ports, scale)
        cut = packet[:snap]
        packets.append((1, cut, len(packet)) if snap else (1, packet))

def segment(length=None):
    def wrap(flags, sequence, acknowledgement, data, ports, options):
        ends = ("10.0.0.1", "10.0.0.2") if ports[1] == 80 else ("10.0.0.2", "10.0.0.1")
        body = tcp(flags, sequence, acknowledgement, data, ports, tuple(map(address, ends)), options)
        return frame(ipv4(body, 6, *ends, length=length if len(data) > 40 else None))
    return wrap

def segment_v6(jumbo):
    def wrap(flags, sequence, acknowledgement, data, ports, options):
        ends = v6 if ports[1] == 80 else v6[::-1]
        body = tcp(flags, sequence, acknowledgement, data, ports, ends, options)
        if len(data) <= 40:
            return frame(ipv6(body, 6, None, ends), 0x86dd)
        if jumbo:
            body = struct.pack("!BBBBI", 6, 0, 0xc2, 4, 8 + len(body)) + body
        return frame(ipv6(body, 0 if jumbo else 6, 0, ends), 0x86dd)
    return wrap

exchange(41001, b"x" * 3000, segment(0))
exchange(41002, b"y" * 70000, segment(0))
exchange(41003, b"z" * 70000, segment_v6(True))
exchange(41004, b"w" * 3000, segment_v6(False))
exchange(41005, b"v" * 500, segment(), 54)
exchange(41006, b"u" * 500, segment(), 130)
exchange(41007, b"t" * 500, segment(), 48)
query = frame(ipv4(udp(question("cut." + "a" * 60 + ".example"), 41008)))
packets.append((1, query[:60], len(query)))
packets.append((1, query[:38], len(query)))
packets.append((1, query[:-20]))
write("capture.pcap", packets)
END
