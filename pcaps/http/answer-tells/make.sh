#!/bin/sh
# Makes capture.pcap: requests with a method that nobody knows, of which only the answer tells that they are HTTP, on the loopback of
# a network namespace; both sides speak through sockets. Needs root, python3, tcpdump, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip link set lo up
tcpdump -i lo -U -w capture.pcap tcp port 8418 2>/dev/null &
tcpdump=$!
sleep 2
python3 -c '
import socket, time
listener = socket.create_server(("127.0.0.1", 8418))
client = socket.create_connection(("127.0.0.1", 8418))
server = listener.accept()[0]
for number in (1, 2):
    client.send(b"BREW /pot/%d HTCPCP/1.0\r\nHost: kitchen\r\n\r\n" % number)
    server.recv(999)
    time.sleep(0.1)
    server.send(b"HTTP/1.1 418 I am a teapot %d\r\nContent-Length: 3\r\n\r\ntea" % number)
    client.recv(999)
    time.sleep(0.1)
client.close()
server.close()'
sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
chown 0:0 capture.pcap
