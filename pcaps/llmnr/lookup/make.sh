#!/bin/sh
# Makes capture.pcap: dig asks dnsmasq on LLMNR's port, in datagrams and in a stream, across a virtual cable between two network
# namespaces; both write DNS messages, which LLMNR shares, with its flags at rest. Needs root, dnsmasq, dig (bind9-dnsutils),
# tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add host
trap 'ip netns del host' EXIT
ip link add client type veth peer name cable netns host
ip addr add 192.0.2.10/24 dev client
ip netns exec host ip addr add 192.0.2.20/24 dev cable
ip link set client up
ip netns exec host ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec host ethtool -K cable tx off >/dev/null

ip netns exec host dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null --port=5355 --listen-address=192.0.2.20 \
    --bind-interfaces --pid-file= --user=root --local-ttl=30 --host-record=workstation7,192.0.2.20,2001:db8::20 2>/dev/null &
dnsmasq=$!
tcpdump -i client -U -w capture.pcap port 5355 2>/dev/null &
tcpdump=$!
sleep 2

ask() { dig @192.0.2.20 -p 5355 -4 +tries=1 +norecurse +noedns "$@" >/dev/null; }
ask workstation7 A
ask workstation7 AAAA
ask missing A || true
ask +tcp workstation7 A

sleep 1
kill "$tcpdump" "$dnsmasq"
wait "$tcpdump" "$dnsmasq" || true
