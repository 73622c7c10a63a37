#!/bin/sh
# Makes capture.pcap: curl lists a folder, gets a file, puts one and asks for one that is not there, in passive mode, from vsftpd,
# across a virtual cable between two network namespaces. Needs root, curl, vsftpd, tcpdump, ethtool, iproute2 and util-linux.
# With ACTIVE and CAPTURE it gets and puts in active mode, where the server begins the connections for data, and writes there.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
work=$(mktemp -d)
trap 'ip netns del server; rm -rf "$work"' EXIT
ip link add client address 02:00:00:00:00:10 type veth peer name cable address 02:00:00:00:00:21 netns server
ip netns exec server ip addr add 192.0.2.21/24 dev cable
ip addr add 192.0.2.10/24 dev client
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec server ethtool -K cable tx off >/dev/null

mkdir -p "$work/files/incoming" /run/vsftpd/empty
chmod 755 "$work" "$work/files"
chmod 777 "$work/files/incoming"
yes 'configuration of a controller' | head -c 5000 >"$work/files/running.cfg"
yes 'new firmware' | head -c 3000 >"$work/firmware.bin"
cat >"$work/vsftpd.conf" <<END
listen=YES
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_root=$work/files
ftp_username=ftp
secure_chroot_dir=/run/vsftpd/empty
seccomp_sandbox=NO
END
chown root "$work/vsftpd.conf"
ip netns exec server vsftpd "$work/vsftpd.conf" &
server=$!
tcpdump -i client -U -w "${CAPTURE:-capture.pcap}" tcp 2>/dev/null &
tcpdump=$!
sleep 2
if [ -n "${ACTIVE:-}" ]; then
    curl -sS --ftp-port 192.0.2.10 ftp://192.0.2.21/running.cfg >/dev/null
    curl -sS --ftp-port 192.0.2.10 --disable-eprt -T "$work/firmware.bin" ftp://192.0.2.21/incoming/
else
    curl -sS ftp://192.0.2.21/ >/dev/null
    curl -sS ftp://192.0.2.21/running.cfg >/dev/null
    curl -sS --disable-epsv -T "$work/firmware.bin" ftp://192.0.2.21/incoming/
    curl -sS ftp://192.0.2.21/missing.cfg >/dev/null || true
fi
sleep 1
kill "$tcpdump" "$server"
wait "$tcpdump" "$server" || true
