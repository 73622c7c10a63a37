#!/bin/sh
# Makes capture.pcap: hosts that leave checksums to their network card, each one of them and for one protocol, among others whose
# checksums are right, and one damaged segment, which counts for nothing. Needs python3.
set -eu
cd "$(dirname "$0")"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.. python3 - <<'END'
from wire import *

packets = []
def ask(host, name, right=True, header=True):
    ends = (f"10.0.0.{host}", "10.0.0.53")
    packets.append((1, frame(ipv4(udp(question(name), 40000 + len(packets), 53, ends, right), 17, *ends, right=header), 0x0800, host, 53)))

for number in range(120):
    ask(1, f"right{number}.example")
for number in range(4):
    ask(2, f"udp-left{number}.example", right=False)
for number in range(3):
    ask(3, f"header-left{number}.example", header=False)
ask(1, "damaged.example", right=False)

client, server = "10.0.0.4", "10.0.0.80"
def segment(sender, flags, sequence, acknowledgement, data=b""):
    ends, ports = ((client, server), (50000, 80)) if sender == client else ((server, client), (80, 50000))
    body = tcp(flags, sequence, acknowledgement, data, ports, tuple(map(address, ends)), right=sender == client)
    packets.append((1, frame(ipv4(body, 6, *ends), 0x0800, *((4, 80) if sender == client else (80, 4)))))

request = b"GET /tcp-left HTTP/1.1\r\nHost: example\r\n\r\n"
answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
segment(client, 2, 0, 0)
segment(server, 0x12, 0, 1)
segment(client, 0x10, 1, 1)
segment(client, 0x18, 1, 1, request)
segment(server, 0x18, 1, 1 + len(request), answer)
segment(client, 0x11, 1 + len(request), 1 + len(answer))
segment(server, 0x11, 1 + len(answer), 2 + len(request))
segment(client, 0x10, 2 + len(request), 2 + len(answer))
write("capture.pcap", packets)
END
