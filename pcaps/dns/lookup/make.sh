#!/bin/sh
# Makes capture.pcap: dig asks dnsmasq, in datagrams and in a stream, across a virtual cable between two network namespaces.
# Needs root, dnsmasq, dig (bind9-dnsutils), tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
trap 'ip netns del server' EXIT
ip link add client type veth peer name cable netns server
ip addr add 192.0.2.10/24 dev client
ip netns exec server ip addr add 192.0.2.53/24 dev cable
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec server ethtool -K cable tx off >/dev/null

ip netns exec server dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null --listen-address=192.0.2.53 --bind-interfaces \
    --pid-file= --user=root --local=/example.test/ --auth-ttl=60 --local-ttl=300 \
    --host-record=www.example.test,192.0.2.80,2001:db8::80 \
    --cname=alias.example.test,www.example.test \
    --mx-host=example.test,mail.example.test,10 \
    --txt-record=example.test,"v=spf1 -all","second string" \
    --srv-host=_sip._udp.example.test,sip.example.test,5060,20,1 \
    --ptr-record=80.2.0.192.in-addr.arpa,www.example.test \
    --dns-rr=ssh.example.test,44,0101198c34a92fc0b2ab1da52b688c2f191d2d960c09 2>/dev/null &
dnsmasq=$!
tcpdump -i client -U -w capture.pcap port 53 2>/dev/null &
tcpdump=$!
sleep 2

ask() { dig @192.0.2.53 -4 +tries=1 "$@" >/dev/null; }
ask +nocookie www.example.test A
ask www.example.test AAAA
ask alias.example.test A
ask example.test MX
ask example.test TXT
ask _sip._udp.example.test SRV
ask -x 192.0.2.80
ask ssh.example.test SSHFP
ask missing.example.test A || true
ask +tcp +keepopen www.example.test A example.test TXT alias.example.test AAAA

sleep 1
kill "$tcpdump" "$dnsmasq"
wait "$tcpdump" "$dnsmasq" || true
