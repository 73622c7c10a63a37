#!/bin/sh
# A TLS 1.3 handshake, and one in which the server asks for another client hello first.
# Client and server are in two network namespaces of their own; needs root, openssl, tcpdump, ethtool, iproute2 and util-linux.
set -eu
[ "${1-}" = inside ] || exec unshare --net --mount -- "$0" inside
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server= dump=
ip netns add server
trap 'kill $server $dump 2>/dev/null || true; ip netns del server; rm -rf "$work"' EXIT
cd "$work"
ip link add client type veth peer name cable netns server
ip addr add 192.0.2.10/24 dev client
ip netns exec server ip addr add 192.0.2.44/24 dev cable
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec server ethtool -K cable tx off >/dev/null

certificate() { # name, subject, further names
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -keyout "$1.key" -out "$1.pem" \
        -subj "$2" -addext "subjectAltName=$3" 2>/dev/null
}
certificate server '/C=NL/O=Tapwire Tests/CN=server.example/emailAddress=root@server.example' \
    'DNS:server.example,DNS:*.server.example,IP:192.0.2.1,URI:urn:tapwire:test'

tcpdump -i client -Z root -U -w capture.pcap 'tcp port 4433' 2>/dev/null &
dump=$!
ip netns exec server openssl s_server -accept 192.0.2.44:4433 -cert server.pem -key server.key -tls1_3 \
    -groups P-256 -alpn h2,http/1.1 -rev >/dev/null 2>&1 </dev/null &
server=$!
sleep 1
connect() {
    (sleep 1; echo hello; sleep 1) | openssl s_client -connect 192.0.2.44:4433 -servername server.example -tls1_3 \
        -alpn h2,http/1.1 "$@" >/dev/null 2>&1 || true
}
connect -groups P-256
connect -groups X25519:P-256
sleep 1
kill -INT $dump
wait $dump || true
dump=
mv capture.pcap "$here/capture.pcap"
