#!/bin/sh
# Makes capture.pcap: an engineer's station reads, writes, and stops a controller, across a virtual cable between two network
# namespaces. Needs root, python3 with python-snap7, tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add plant
trap 'ip netns del plant' EXIT
ip link add station address 02:00:00:00:00:10 type veth peer name cable address 02:00:00:00:01:02 netns plant
ip netns exec plant ip addr add 192.0.2.102/24 dev cable
ip addr add 192.0.2.10/24 dev station
ip link set station up
ip netns exec plant ip link set cable up
ethtool -K station tx off gso off tso off >/dev/null
ip netns exec plant ethtool -K cable tx off gso off tso off >/dev/null

ip netns exec plant python3 -c '
import time
from snap7.server import Server
from snap7.type import SrvArea
server = Server(log=False)
server.register_area(SrvArea.DB, 1, bytearray(64))
server.start(tcp_port=102)
time.sleep(15)' &
server=$!
tcpdump -i station -U -w capture.pcap tcp port 102 2>/dev/null &
tcpdump=$!
sleep 3
python3 -c '
from snap7.client import Client
client = Client()
client.connect("192.0.2.102", 0, 2)
client.db_read(1, 0, 8)
client.db_write(1, 0, bytearray(b"pump on!"))
for act in (client.get_cpu_info, client.get_cpu_state, client.get_plc_datetime, client.plc_stop):
    try:
        act()
    except Exception as fault:
        print(act.__name__, fault)
client.disconnect()'
sleep 1
kill "$tcpdump" "$server"
wait "$tcpdump" "$server" || true
chown 0:0 capture.pcap
