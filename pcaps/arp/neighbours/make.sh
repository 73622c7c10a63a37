#!/bin/sh
# Makes capture.pcap: a host asks for its neighbour, another one looks whether its address is free and announces it, and a third says
# that it is the neighbour, across a virtual cable between two network namespaces. Needs root, arping of
# iputils, ping, python3, tcpdump, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add other
trap 'ip netns del other' EXIT
ip link add own address 02:00:00:00:00:01 type veth peer name cable address 02:00:00:00:00:02 netns other
sysctl -qw net.ipv6.conf.own.disable_ipv6=1
ip netns exec other sysctl -qw net.ipv6.conf.cable.disable_ipv6=1
ip addr add 192.0.2.1/24 dev own
ip netns exec other ip addr add 192.0.2.2/24 dev cable
ip link set own up
ip netns exec other ip link set cable up

tcpdump -i own -U -w capture.pcap 'arp or (vlan and arp)' 2>/dev/null &
tcpdump=$!
sleep 2
ping -q -c 1 192.0.2.2 >/dev/null
# Is the address free? It is not, and another one is; then it is announced by requests and by replies.
ip netns exec other arping -q -D -c 1 -I cable 192.0.2.1 || true
ip netns exec other arping -q -D -c 1 -I cable 192.0.2.3
ip netns exec other arping -q -U -c 1 -I cable -s 192.0.2.2 192.0.2.2 || true
ip netns exec other arping -q -A -c 1 -I cable -s 192.0.2.2 192.0.2.2 || true
# Who says to be 192.0.2.2 is another station than the frame comes from, then nobody; a question within a VLAN, one that ends early, and one about IPv6.
ip netns exec other python3 - <<'END'
import socket
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("cable", 0))
own, liar, host = bytes.fromhex("020000000001"), bytes.fromhex("020000000009"), bytes.fromhex("020000000002")
head = bytes.fromhex("08060001080006040002")
out.send(own + host + head + liar + bytes([192, 0, 2, 2]) + own + bytes([192, 0, 2, 1]))
out.send(own + host + head + b"\xff" * 6 + bytes([224, 0, 0, 1]) + host + bytes([192, 0, 2, 1]))
out.send(b"\xff" * 6 + host + bytes.fromhex("8100000708060001080006040001020000000002c0000202") + bytes(6) + bytes([192, 0, 2, 7]))
out.send(own + host + head + host)
out.send(own + host + bytes.fromhex("0806000186dd06100001") + bytes(40))
END
sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
