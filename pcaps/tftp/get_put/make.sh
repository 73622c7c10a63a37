#!/bin/sh
# Makes capture.pcap: a client gets a file, puts one, and asks for one that is not there, across a virtual cable
# between two network namespaces. Needs root, tftp-hpa, tftpd-hpa, tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
work=$(mktemp -d)
trap 'ip netns del server; rm -rf "$work"' EXIT
ip link add client address 02:00:00:00:00:10 type veth peer name cable address 02:00:00:00:00:69 netns server
ip netns exec server ip addr add 192.0.2.69/24 dev cable
ip addr add 192.0.2.10/24 dev client
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec server ethtool -K cable tx off >/dev/null

mkdir "$work/files"
chmod 777 "$work" "$work/files"
yes 'configuration of a controller' | head -c 2000 >"$work/files/running.cfg"
yes 'new firmware' | head -c 1300 >"$work/firmware.bin"
chmod 666 "$work/files/running.cfg"
ip netns exec server in.tftpd --foreground --listen --address 192.0.2.69:69 --create --permissive --user root --secure "$work/files" &
server=$!
tcpdump -i client -U -w capture.pcap udp 2>/dev/null &
tcpdump=$!
sleep 2
cd "$work"
tftp -m octet 192.0.2.69 -c get running.cfg
tftp -m octet 192.0.2.69 -c put firmware.bin
tftp -m netascii 192.0.2.69 -c get missing.cfg || true
sleep 1
kill "$tcpdump" "$server"
wait "$tcpdump" "$server" || true
