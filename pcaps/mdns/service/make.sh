#!/bin/sh
# Makes capture.pcap: a machine announces a service by multicast DNS and another one finds it (both python-zeroconf), across a
# virtual cable between two network namespaces. Needs root, python3 with the package zeroconf, tcpdump, ethtool, iproute2 and
# util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add printer
trap 'ip netns del printer' EXIT
ip link add browser type veth peer name cable netns printer
ip addr add 192.0.2.10/24 dev browser
ip netns exec printer ip addr add 192.0.2.77/24 dev cable
ip link set browser up
ip netns exec printer ip link set cable up
ip route add 224.0.0.0/4 dev browser
ip netns exec printer ip route add 224.0.0.0/4 dev cable
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K browser tx off >/dev/null
ip netns exec printer ethtool -K cable tx off >/dev/null

tcpdump -i browser -U -w capture.pcap udp port 5353 2>/dev/null &
tcpdump=$!
sleep 1
ip netns exec printer python3 - <<'PY' &
import socket, time
from zeroconf import IPVersion, ServiceInfo, Zeroconf
service = ServiceInfo("_ipp._tcp.local.", "Printer on floor 2._ipp._tcp.local.", addresses=[socket.inet_aton("192.0.2.77")], port=631,
                      properties={"rp": "ipp/print", "ty": "Laser 9000"}, server="printer.local.")
announcer = Zeroconf(interfaces=["192.0.2.77"], ip_version=IPVersion.V4Only)
announcer.register_service(service)
time.sleep(5)
announcer.unregister_service(service)
announcer.close()
PY
printer=$!
sleep 2
python3 - <<'PY'
from zeroconf import IPVersion, Zeroconf
finder = Zeroconf(interfaces=["192.0.2.10"], ip_version=IPVersion.V4Only)
assert finder.get_service_info("_ipp._tcp.local.", "Printer on floor 2._ipp._tcp.local.", timeout=2000)
finder.close()
PY
wait "$printer"
sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
