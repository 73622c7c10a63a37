#!/bin/sh
# Makes capture.pcap: a pymodbus client talks to a pymodbus server, across a virtual cable between two network namespaces.
# Needs root, Python with pymodbus (PYTHON names the interpreter), tcpdump, ethtool, iproute2 and util-linux.
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
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartTcpServer

def block(value):
    return ModbusSequentialDataBlock(1, [value] * 100)

device = ModbusDeviceContext(di=block(1), co=block(0), hr=block(17), ir=block(42))
StartTcpServer(ModbusServerContext(devices={10: device}, single=False), address=("192.0.2.50", 502))
SERVER
server=$!
tcpdump -i client -U -w capture.pcap tcp port 502 2>/dev/null &
tcpdump=$!
sleep 3

"$PYTHON" - <<'CLIENT'
from pymodbus.client import ModbusTcpClient

client = ModbusTcpClient("192.0.2.50", port=502)
client.connect()
unit = {"device_id": 10}
client.read_coils(0, count=10, **unit)
client.read_discrete_inputs(3, count=5, **unit)
client.read_holding_registers(7, count=4, **unit)
client.read_input_registers(1, count=2, **unit)
client.write_coil(12, True, **unit)
client.write_register(20, 1234, **unit)
client.write_coils(30, [True, False, True], **unit)
client.write_registers(40, [1, 2, 600], **unit)
client.mask_write_register(address=20, and_mask=0x00F2, or_mask=0x0025, **unit)
client.readwrite_registers(read_address=0, read_count=2, write_address=50, values=[7, 8], **unit)
client.read_holding_registers(5000, count=1, **unit)  # an address that the server does not have
client.diag_query_data(b"\x12\x34", **unit)
client.diag_read_bus_message_count(**unit)
client.report_device_id(**unit)
client.read_device_information(read_code=1, **unit)
client.close()
CLIENT

sleep 1
kill "$tcpdump" "$server"
wait "$tcpdump" "$server" || true
