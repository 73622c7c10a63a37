#!/bin/sh
# Makes capture.pcap: an OpenSSH client runs a command on an OpenSSH server, and a second client gets no further than a wrong
# first line, across a virtual cable between two network namespaces. Needs root, openssh-server, openssh-client, bash, tcpdump,
# ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
work=$(mktemp -d)
trap 'ip netns del server; rm -rf "$work"' EXIT
ip link add client type veth peer name cable netns server
ip addr add 192.0.2.10/24 dev client
ip netns exec server ip addr add 192.0.2.22/24 dev cable
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off gso off gro off tso off >/dev/null
ip netns exec server ethtool -K cable tx off gso off gro off tso off >/dev/null

ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/user"
cp "$work/user.pub" "$work/authorized"
mkdir -p /run/sshd
ip netns exec server /usr/sbin/sshd -D -e -f /dev/null -h "$work/host" -o ListenAddress=192.0.2.22 -o PidFile=none -o StrictModes=no \
    -o AuthorizedKeysFile="$work/authorized" -o PermitRootLogin=yes -o UsePAM=no -o VersionAddendum=none 2>/dev/null &
sshd=$!
tcpdump -i client -U -w capture.pcap port 22 2>/dev/null &
tcpdump=$!
sleep 2

ssh -F /dev/null -i "$work/user" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@192.0.2.22 true
bash -c 'exec 3<>/dev/tcp/192.0.2.22/22; printf "SSH-2.0\r\n" >&3; cat <&3' >/dev/null || true

sleep 1
kill "$tcpdump" "$sshd"
wait "$tcpdump" "$sshd" || true
