#!/bin/sh
# Makes capture.pcap: a client and a server agree on WebSocket with and without compression and talk, across a virtual cable
# between two network namespaces. Needs root, python3 with websockets, tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add server
trap 'ip netns del server' EXIT
ip link add client address 02:00:00:00:00:10 type veth peer name cable address 02:00:00:00:00:80 netns server
ip netns exec server ip addr add 192.0.2.80/24 dev cable
ip addr add 192.0.2.10/24 dev client
ip link set client up
ip netns exec server ip link set cable up
ethtool -K client tx off gso off tso off >/dev/null
ip netns exec server ethtool -K cable tx off gso off tso off >/dev/null

ip netns exec server python3 -c '
import asyncio, websockets
async def answer(connection):
    async for message in connection:
        await connection.send(message[::-1])
async def main():
    async with websockets.serve(answer, "192.0.2.80", 8080):
        await asyncio.sleep(20)
asyncio.run(main())' &
server=$!
tcpdump -i client -U -w capture.pcap tcp 2>/dev/null &
tcpdump=$!
sleep 2
python3 -c '
import asyncio, websockets
async def main():
    for compression in (None, "deflate"):
        async with websockets.connect("ws://192.0.2.80:8080/control", compression=compression) as connection:
            await connection.send("valve 7 open, valve 8 open, valve 9 open")
            await connection.recv()
            await connection.send(bytes(range(200)))
            await connection.recv()
            await connection.send(["valve 7 ", "shut, ", "valve 8 shut"])
            await connection.recv()
            await (await connection.ping(b"alive?"))
asyncio.run(main())'
sleep 1
kill "$tcpdump" "$server"
wait "$tcpdump" "$server" || true
