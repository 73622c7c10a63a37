#!/bin/sh
# Makes capture.pcap: a protection relay publishes the position of a breaker with libiec61850, trips it, is put into simulation and
# starts anew; another station forges a later state, and sends what is no message. Across a virtual cable between two network
# namespaces. Needs root, python3, pyiec61850 1.5.2a1 of PyPI (PYTHON names an interpreter that has it), tcpdump, iproute2 and
# util-linux.
set -eu
cd "$(dirname "$0")"
[ -n "${INSIDE:-}" ] || exec unshare --net --mount env INSIDE=1 sh ./make.sh

ip netns add relay
trap 'ip netns del relay' EXIT
ip link add bus address 02:00:00:00:00:99 type veth peer name cable address 02:00:00:00:00:61 netns relay
sysctl -qw net.ipv6.conf.bus.disable_ipv6=1
ip netns exec relay sysctl -qw net.ipv6.conf.cable.disable_ipv6=1
ip link set bus up
ip netns exec relay ip link set cable up
tcpdump -i bus -U -w capture.pcap ether proto 0x88b8 or vlan 2>/dev/null &
tcpdump=$!
sleep 2
ip netns exec relay "${PYTHON:-python3}" - <<'END'
import socket, time
import pyiec61850 as iec

to = iec.CommParameters()
to.appId, to.vlanId, to.vlanPriority = 0x1001, 7, 4
iec.CommParameters_setDstAddress(to, 0x01, 0x0C, 0xCD, 0x01, 0x00, 0x01)

def publisher():
    relay = iec.GoosePublisher_create(to, "cable")
    iec.GoosePublisher_setGoCbRef(relay, "RELAY1Protection/LLN0$GO$gcbTrip")
    iec.GoosePublisher_setDataSetRef(relay, "RELAY1Protection/LLN0$Trip")
    iec.GoosePublisher_setGoID(relay, "trip")
    iec.GoosePublisher_setConfRev(relay, 3)
    iec.GoosePublisher_setTimeAllowedToLive(relay, 400)
    return relay

def values(is_tripped, current):
    data = iec.LinkedList_create()
    position, quality = iec.MmsValue_newBitString(2), iec.MmsValue_newBitString(13)
    iec.MmsValue_setBitStringBit(position, 0 if is_tripped else 1, True)
    for value in (iec.MmsValue_newBoolean(is_tripped), position, quality, iec.MmsValue_newIntegerFromInt32(current),
                  iec.MmsValue_newFloat(49.98), iec.MmsValue_newVisibleString("bay 3")):
        iec.LinkedList_add(data, value)
    return data

relay = publisher()
for _ in range(4):
    iec.GoosePublisher_publish(relay, values(False, 120))
    time.sleep(0.1)
iec.GoosePublisher_increaseStNum(relay)
for pause in (0.004, 0.008, 0.016, 0.032, 0.1):
    iec.GoosePublisher_publish(relay, values(True, -4700))
    time.sleep(pause)
iec.GoosePublisher_setSimulation(relay, True)
iec.GoosePublisher_publish(relay, values(True, -4700))
time.sleep(0.6)
iec.GoosePublisher_publish(relay, values(True, -4700))
again = publisher()
iec.GoosePublisher_publish(again, values(False, 0))

# What the last one was, but for its sender and the number of its state; then one that ends early, and a message of another kind.
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
listener.bind(("cable", 0))
def tlv(tag, value):
    return bytes([tag, len(value)]) + value
def frame(pdu, length=None):
    head = bytes.fromhex("010ccd010001" "020000000066" "88b8" "1001")
    return head + (length or 8 + len(pdu)).to_bytes(2, "big") + bytes(4) + pdu
def message(state, count, entries=1):
    return tlv(0x61, tlv(0x80, b"RELAY1Protection/LLN0$GO$gcbTrip") + tlv(0x81, b"\1\x90") + tlv(0x82, b"RELAY1Protection/LLN0$Trip")
        + tlv(0x83, b"trip") + tlv(0x84, bytes.fromhex("6955b900800000") + b"\x0a") + tlv(0x85, bytes([state])) + tlv(0x86, bytes([count]))
        + tlv(0x87, b"\0") + tlv(0x88, b"\3") + tlv(0x89, b"\1") + tlv(0x8A, bytes([entries])) + tlv(0xAB, tlv(0xA2, tlv(0x83, b"\1") + tlv(0x86, b"\7"))))
for data in (frame(message(90, 0)), frame(message(90, 1)), frame(message(90, 7)), frame(message(91, 0, 2)),
             frame(message(91, 1), 900), frame(message(92, 0)[:40]), frame(tlv(0x60, b"\0\0"))):
    listener.send(data)
    time.sleep(0.01)
END
sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
