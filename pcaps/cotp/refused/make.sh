#!/bin/sh
# Makes capture.pcap: a station asks for a connection, is refused, asks again and is disconnected in the middle of its data, on
# the loopback of a network namespace; both sides speak through sockets. Needs root, python3, tcpdump, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip link set lo up
tcpdump -i lo -U -w capture.pcap tcp port 102 2>/dev/null &
tcpdump=$!
sleep 2
python3 -c '
import socket, time
def packet(unit): return b"\x03\x00" + (len(unit) + 4).to_bytes(2, "big") + unit
def request(kind, own, other): return packet(b"\x11" + kind + other + own + b"\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x03\x01")
listener = socket.create_server(("127.0.0.1", 102))
for answers in ([b"\x06\x80\x00\x01\x00\x07\x03"], [b"", b"\x06\x80\x00\x02\x00\x08\x80"]):
    station = socket.create_connection(("127.0.0.1", 102))
    controller = listener.accept()[0]
    own = b"\x00\x01" if len(answers) == 1 else b"\x00\x02"
    station.send(request(b"\xe0", own, b"\x00\x00"))
    controller.recv(100)
    for answer in answers:
        if answer:
            controller.send(packet(answer))
        else:
            controller.send(request(b"\xd0", b"\x00\x08", own))
            station.recv(100)
            station.send(packet(b"\x02\xf0\x00half of a ") + packet(b"\x02\xf0\x80message"))
            controller.recv(100)
        time.sleep(0.1)
    station.close()
    controller.close()
'
sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
chown 0:0 capture.pcap
