#!/bin/sh
# Makes capture.pcap: chronyd asks another chronyd for the time, across a virtual cable between two network namespaces. Needs root,
# chrony, tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
work=$(mktemp -d)
trap 'ip netns del server; rm -rf "$work"' EXIT
ip link add client address 02:00:00:00:00:10 type veth peer name cable address 02:00:00:00:01:23 netns server
ip netns exec server ip addr add 192.0.2.123/24 dev cable
ip addr add 192.0.2.10/24 dev client
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec server ethtool -K cable tx off >/dev/null

printf 'local stratum 3\nallow all\ncmdport 0\nbindcmdaddress /\npidfile %s/server.pid\n' "$work" >"$work/server.conf"
ip netns exec server chronyd -d -x -u root -f "$work/server.conf" >/dev/null 2>&1 &
server=$!
tcpdump -i client -U -w capture.pcap port 123 2>/dev/null &
tcpdump=$!
sleep 2
printf 'server 192.0.2.123 iburst maxsamples 2\ncmdport 0\nbindcmdaddress /\npidfile %s/client.pid\n' "$work" >"$work/client.conf"
chronyd -q -t 8 -x -u root -f "$work/client.conf" >/dev/null 2>&1 || true
sleep 1
kill "$tcpdump" "$server"
wait "$tcpdump" "$server" || true
