#!/bin/sh
# Makes capture.pcap: sipp calls sipp, once in datagrams and once in a stream, across a virtual cable between two network
# namespaces. Needs root, sip-tester, tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
trap 'ip netns del server' EXIT
ip link add client type veth peer name cable netns server
ip addr add 192.0.2.10/24 dev client
ip netns exec server ip addr add 192.0.2.60/24 dev cable
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off gso off gro off tso off >/dev/null
ip netns exec server ethtool -K cable tx off gso off gro off tso off >/dev/null

tcpdump -i client -U -w capture.pcap port 5060 2>/dev/null &
tcpdump=$!
for transport in u1 t1; do
    ip netns exec server sipp -sn uas -i 192.0.2.60 -p 5060 -t $transport -m 1 -nostdin >/dev/null 2>&1 &
    answers=$!
    sleep 2
    sipp -sn uac -i 192.0.2.10 -p 5062 -t $transport -m 1 -d 200 -s alice -nostdin 192.0.2.60:5060 >/dev/null 2>&1 || true
    wait "$answers" || true
done

sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
