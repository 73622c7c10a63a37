#!/bin/sh
# Makes capture.pcap: curl uploads a form with two files and fetches a file in parts, the second one first, across a virtual cable between two
# network namespaces. Needs root, nginx, curl, tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
work=$(mktemp -d)
trap 'ip netns del server; rm -rf "$work"' EXIT
ip link add client type veth peer name cable netns server
ip addr add 192.0.2.10/24 dev client
ip netns exec server ip addr add 192.0.2.80/24 dev cable
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off gso off gro off tso off >/dev/null
ip netns exec server ethtool -K cable tx off gso off gro off tso off >/dev/null

mkdir "$work/www"
printf '<html><body>A plain page.</body></html>\n' >"$work/www/index.html"
seq -f 'line %g of a text that packs well' 1 300 >"$work/www/long.txt"
seq -f 'part %04g' 1 10 >"$work/www/lines.txt"
chmod -R a+rX "$work"
cat >"$work/nginx.conf" <<CONF
pid $work/pid; error_log /dev/null; daemon off; master_process off;
events {}
http {
    access_log off; default_type text/plain; server_tokens off;
    server { listen 192.0.2.80:80; root $work/www; location /form { return 204; } }
}
CONF
ip netns exec server nginx -c "$work/nginx.conf" 2>/dev/null &
nginx=$!
tcpdump -i client -U -w capture.pcap port 80 2>/dev/null &
tcpdump=$!
sleep 2

curl -s -o /dev/null -A 'case/1.0' -F "first=@$work/www/index.html" -F "second=@$work/www/long.txt" http://192.0.2.80/form
# One connection; the pages are 10 lines of 10 bytes.
curl -s -A 'case/1.0' -o /dev/null -r 50-99 http://192.0.2.80/lines.txt --next -s -A 'case/1.0' -o /dev/null -r 0-49 http://192.0.2.80/lines.txt

sleep 1
kill "$tcpdump" "$nginx"
wait "$tcpdump" "$nginx" || true
