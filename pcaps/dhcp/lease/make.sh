#!/bin/sh
# Makes capture.pcap: udhcpc gets an address from dnsmasq, and again after asking for one that it cannot have, across a virtual cable
# between two network namespaces. Needs root, udhcpc, dnsmasq, tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
work=$(mktemp -d)
trap 'ip netns del server; rm -rf "$work"' EXIT
ip link add client address 02:00:00:00:00:10 type veth peer name cable address 02:00:00:00:00:67 netns server
ip netns exec server ip addr add 192.0.2.67/24 dev cable
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec server ethtool -K cable tx off >/dev/null

ip netns exec server dnsmasq --no-daemon --port=0 --conf-file=/dev/null --interface=cable --bind-interfaces --user=root --pid-file= \
    --dhcp-leasefile="$work/leases" --dhcp-authoritative --no-ping --dhcp-range=192.0.2.100,192.0.2.110,255.255.255.0,1h \
    --dhcp-option=option:router,192.0.2.1 --dhcp-option=option:dns-server,192.0.2.53,192.0.2.54 --domain=example.test 2>/dev/null &
dnsmasq=$!
tcpdump -i client -U -w capture.pcap port 67 or port 68 2>/dev/null &
tcpdump=$!
sleep 2

printf '#!/bin/sh\n[ "$1" != bound ] || ip addr replace "$ip/$mask" dev "$interface"\n' >"$work/script"
chmod +x "$work/script"
udhcpc -i client -f -q -n -s "$work/script" -x hostname:printer -V case >/dev/null 2>&1
udhcpc -i client -f -q -n -s "$work/script" -r 198.51.100.7 -x hostname:printer >/dev/null 2>&1

sleep 1
kill "$tcpdump" "$dnsmasq"
wait "$tcpdump" "$dnsmasq" || true
