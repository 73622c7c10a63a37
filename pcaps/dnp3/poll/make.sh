#!/bin/sh
# Makes capture.pcap: a DNP3 master polls an outstation, across a virtual cable between two network namespaces. Needs root, Python with
# dnp3py (PYTHON names the interpreter), tcpdump, ethtool, iproute2 and util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 PYTHON="${PYTHON:-python3}" sh ./make.sh

ip netns add server
trap 'ip netns del server' EXIT
ip link add client type veth peer name cable netns server
ip addr add 192.0.2.10/24 dev client
ip netns exec server ip addr add 192.0.2.50/24 dev cable
ip link set client up
ip netns exec server ip link set cable up
# Checksums have to be right in the capture, not left to hardware that is not there.
ethtool -K client tx off >/dev/null
ip netns exec server ethtool -K cable tx off >/dev/null

ip netns exec server "$PYTHON" - <<'SERVER' 2>/dev/null &
import asyncio
from dnp3.database import AnalogInputConfig, BinaryInputConfig, Database
from dnp3.outstation import Outstation, OutstationConfig, OutstationTcpRunner

async def main():
    database = Database()
    for index in range(40):
        database.add_binary_input(index, BinaryInputConfig())
        database.add_analog_input(index, AnalogInputConfig())
    database.update_binary_input(3, value=True)
    database.update_analog_input(7, value=4242)
    outstation = Outstation(database=database, config=OutstationConfig(address=1))
    await OutstationTcpRunner(outstation=outstation, host="192.0.2.50", port=20000).run()

asyncio.run(main())
SERVER
server=$!
tcpdump -i client -U -w capture.pcap tcp port 20000 2>/dev/null &
tcpdump=$!
sleep 3

"$PYTHON" - <<'CLIENT'
import asyncio
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner

async def main():
    master = Master(handler=DefaultSOEHandler(), config=MasterConfig(address=2, outstation_address=1))
    async with MasterTcpRunner(master=master, host="192.0.2.50", port=20000) as runner:
        await runner.integrity_poll()
        await runner.enable_unsolicited()
        await runner.disable_unsolicited()

asyncio.run(main())
CLIENT

sleep 1
kill "$tcpdump" "$server"
wait "$tcpdump" "$server" || true
