#!/bin/sh
# Makes capture.pcap, a pcapng file: one DNS question in each form of link header and tunnel, named after it. Needs python3.
set -eu
cd "$(dirname "$0")"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.. python3 - <<'END'
import struct
from wire import *

ETHERNET = 1
packets = []
def add(name, kind, wrap):
    port = 40000 + len(packets)
    packets.append((kind, wrap(ipv4(udp(question(name + ".example"), port)))))

snap = b"\xaa\xaa\x03\0\0\0\x08\0"
def llc(ip, header=snap):
    return header + ip
def length(data):
    return frame(data, len(data)) + bytes(4)
def tagged(data, kind):
    return frame(struct.pack("!HH", 5, kind) + data, 0x8100)

add("llc-snap", ETHERNET, lambda ip: length(llc(ip)))
add("llc-ip", ETHERNET, lambda ip: length(b"\6\6\3" + ip))
add("llc-nlpid", ETHERNET, lambda ip: length(b"\xfe\xfe\3\xcc" + ip))
add("llc-bridge", ETHERNET, lambda ip: length(b"\xaa\xaa\3\0\0\xf8\x08\0" + ip))
add("llc-vlan", ETHERNET, lambda ip: tagged(llc(ip), len(llc(ip))))
add("llc-jumbo", ETHERNET, lambda ip: frame(llc(ip), 0x8870))
add("fabric", ETHERNET, lambda ip: frame(b"\1" * 6 + b"\x08\0" + ip, 0x8988))

def gre(kind, body, flags=0, number=b""):
    return frame(ipv4(struct.pack("!HH", flags, kind) + number + body, 47, "192.0.2.1", "192.0.2.2"))
def mirror(version, frame_type, o):
    head = struct.pack("!HHIHH", version << 12 | 100, 1, 0, 0, frame_type << 10 | o)
    return head + bytes(8 * o)
number = struct.pack("!I", 1)
add("gre", ETHERNET, lambda ip: gre(0x0800, ip))
add("gre-wccp1", ETHERNET, lambda ip: gre(0x883e, ip))
add("gre-wccp2", ETHERNET, lambda ip: gre(0x883e, bytes(4) + ip))
add("gre-mpls", ETHERNET, lambda ip: gre(0x8847, b"\0\6\x41\xff" + ip))
add("gre-frelay", ETHERNET, lambda ip: gre(0x6559, b"\x18\x41\3\xcc" + ip))
add("erspan1", ETHERNET, lambda ip: gre(0x88be, frame(ip)))
add("erspan2", ETHERNET, lambda ip: gre(0x88be, struct.pack("!HHI", 1 << 12 | 100, 1, 0) + frame(ip), 0x1000, number))
add("erspan2-fabric", ETHERNET, lambda ip: gre(0x88be, struct.pack("!HHI", 1 << 12 | 100, 1, 0)
    + frame(b"\1" * 6 + b"\x08\0" + ip, 0x8988), 0x1000, number))
add("erspan3", ETHERNET, lambda ip: gre(0x22eb, mirror(2, 0, 0) + frame(ip), 0x1000, number))
add("erspan3-long", ETHERNET, lambda ip: gre(0x22eb, mirror(2, 0, 1) + frame(ip), 0x1000, number))
add("erspan3-ip", ETHERNET, lambda ip: gre(0x22eb, mirror(2, 2, 0) + ip, 0x1000, number))

def vxlan(flags, following, body, port=4790):
    head = bytes([flags, 0, 0, following]) + struct.pack("!I", 9 << 8)
    return frame(ipv4(udp(head + body, 50000, port, ("192.0.2.1", "192.0.2.2")), 17, "192.0.2.1", "192.0.2.2"))
add("vxlan", ETHERNET, lambda ip: vxlan(8, 0, frame(ip), 4789))
add("gpe-ip", ETHERNET, lambda ip: vxlan(12, 1, ip))
add("gpe-frame", ETHERNET, lambda ip: vxlan(12, 3, frame(ip)))
add("gpe-nsh", ETHERNET, lambda ip: vxlan(12, 4, b"\0\2\2\1\0\0\0\0" + ip))
add("gpe-mpls", ETHERNET, lambda ip: vxlan(12, 5, b"\0\6\x41\xff" + ip))
add("ah", ETHERNET, lambda ip: frame(ipv4(struct.pack("!BBHII", 17, 4, 0, 1, 1) + bytes(12) + ip[20:], 51)))

add("ppp", 9, lambda ip: b"\xff\3\0\x21" + ip)
add("ppp-mpls", 9, lambda ip: b"\xff\3\2\x81\0\6\x41\xff" + ip)
add("ppp-bridged", 9, lambda ip: b"\xff\3\0\x31\0\1" + frame(ip))
add("ppp-serial", 50, lambda ip: b"\xff\3\0\x21" + ip)
add("ppp-serial-cisco", 50, lambda ip: b"\x0f\0\x08\0" + ip)
add("ppp-ether", 51, lambda ip: struct.pack("!BBHHH", 0x11, 0, 1, len(ip) + 2, 0x21) + ip)
add("ppp-pppd", 166, lambda ip: b"\1\3\0\x21" + ip)
add("ppp-direction", 204, lambda ip: b"\1\xff\3\0\x21" + ip)
add("hdlc", 104, lambda ip: b"\x0f\0\x08\0" + ip)
add("hdlc-direction", 205, lambda ip: b"\1\x0f\0\x08\0" + ip)
add("frelay", 107, lambda ip: b"\x18\x41\3\xcc" + ip)
add("frelay-snap", 107, lambda ip: b"\x18\x41\3\0\x80\0\0\0\x08\0" + ip)
add("frelay-bridged", 107, lambda ip: b"\x18\x41\3\0\x80\0\x80\xc2\0\7" + frame(ip))
add("frelay-cisco", 107, lambda ip: b"\x18\x41\x08\0" + ip)
add("slip", 8, lambda ip: bytes(16) + ip)
add("null-family", 0, lambda ip: b"\2\0\0\0" + ip)
add("null-type", 0, lambda ip: b"\0\x08\0\0" + ip)
add("null-ppp", 0, lambda ip: b"\xff\3\0\x21" + ip)

def wireless(ip, flags=1, extra=b"", kind=8, header=snap):
    return bytes([kind, flags, 0, 0]) + bytes(20) + extra + header + ip
def part(ip):
    body = snap + ip
    return bytes(12) + struct.pack("!H", len(body)) + body
add("wlan", 105, lambda ip: wireless(ip))
add("wlan-quality", 105, lambda ip: wireless(ip, extra=b"\0\0", kind=0x88))
add("wlan-four", 105, lambda ip: wireless(ip, 3, bytes(6)))
add("wlan-protected", 105, lambda ip: wireless(ip, 0x41))
add("wlan-parts", 105, lambda ip: wireless(b"", 1, b"\x80\0", 0x88, b"") + part(ip) + bytes(-len(part(ip)) % 4)
    + part(ipv4(udp(question("wlan-second-part.example"), 39999))))
add("radiotap", 127, lambda ip: b"\0\0\x0c\0\2\0\0\0\x10\0\0\0" + wireless(ip) + b"\1\2\3\4")
add("radiotap-pad", 127, lambda ip: b"\0\0\x09\0\2\0\0\0\x20" + wireless(ip, 1, bytes(4), 0x88))
add("prism", 119, lambda ip: struct.pack("<II", 0x44, 144) + bytes(136) + wireless(ip))
add("ppi", 192, lambda ip: struct.pack("<BBHI", 0, 0, 8, 105) + wireless(ip))

add("pktap", 258, lambda ip: struct.pack("<III", 108, 1, ETHERNET) + bytes(96) + frame(ip))
add("pktap-raw", 258, lambda ip: struct.pack("<III", 108, 1, 12) + bytes(96) + ip)
add("nflog", 239, lambda ip: b"\2\0\0\0" + struct.pack("<HHHBB", 8, 1, 0x8, 0, 0) + struct.pack("<HH", 4 + len(ip), 9) + ip)
add("docsis", 143, lambda ip: bytes(6) + frame(ip))
add("docsis-extended", 143, lambda ip: b"\1\2\0\0\7\7\0\0" + frame(ip))
def cable(ip):
    data = frame(ip)
    return struct.pack("!BBHH", 0, 0, len(data), 0) + data
add("docsis-parts", 143, lambda ip: b"\xf8\2\0\0\0\0" + cable(ip)
    + cable(ipv4(udp(question("docsis-second-part.example"), 39998))))
add("atm", 100, llc)
add("atm-bridged", 100, lambda ip: b"\xaa\xaa\3\0\x80\xc2\0\7\0\0" + frame(ip))
add("fddi", 10, lambda ip: bytes(13) + llc(ip))
add("token-ring", 6, lambda ip: b"\x10\x40" + bytes(6) + b"\x80" + bytes(5) + b"\2\0" + llc(ip))
add("enc", 109, lambda ip: b"\2\0\0\0" + bytes(8) + ip)
add("pflog", 117, lambda ip: b"\x3d\2" + bytes(62) + ip)
add("sll-llc", 113, lambda ip: bytes(14) + b"\0\4" + llc(ip))
write("capture.pcap", packets)
END
