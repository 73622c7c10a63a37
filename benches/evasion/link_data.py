"""L1 to L7: what a packet may be wrapped in. The connection is real, the wrapping is added to its capture."""
import struct

from case import ALERT, case
from talk import Talk
from tcp_data import EVIL
from wire import CLIENT_MAC, SERVER_MAC, ethernet, ipv4, ipv6, udp

GRE, IP_IN_IP, IPV6_IN_IP, UDP = 47, 4, 41, 17
DEPTH = ("*layers*", "*depth*", "*nest*")


def wrapped(wrap, many=False):
    """A player: a plain connection, every frame of its capture wrapped; `wrap` gets the frame and whether it goes to the server."""
    def play(host):
        talk = Talk(host).connect()
        talk.say(EVIL)
        talk.finish()
        packets = []
        for time, frame in host.packets:
            result = wrap(frame, frame[:6] == SERVER_MAC)
            packets += [(time, each) for each in (result if many else [result])]
        host.packets = packets
    return play


def framed(payload, kind, to_server):
    """A frame of the same direction."""
    return ethernet(payload, kind, *((CLIENT_MAC, SERVER_MAC) if to_server else (SERVER_MAC, CLIENT_MAC)))


def vlan(*tags):
    """Tags from the outside in; the outer ones of more than one are service tags."""
    def wrap(frame, to_server):
        text = b"".join(struct.pack("!HH", 0x8100 if number == len(tags) - 1 else 0x88A8, tag) for number, tag in enumerate(tags))
        return frame[:12] + text + frame[12:]
    return wrap


def outer(payload, protocol, to_server, version=4, **header):
    """An IP packet between two tunnel ends."""
    ends = ("192.0.2.1", "192.0.2.2") if version == 4 else ("2001:db8::1", "2001:db8::2")
    source, target = ends if to_server else ends[::-1]
    return (ipv4 if version == 4 else ipv6)(payload, protocol=protocol, source=source, target=target, **header)


def tunnel(protocol, head=b"", version=4):
    """The IP packet of a frame within another one."""
    return lambda frame, to_server: framed(outer(head + frame[14:], protocol, to_server, version), None, to_server)


def datagram(port, head, whole_frame):
    """The frame or its IP packet behind a header in UDP."""
    def wrap(frame, to_server):
        inner = head(frame) + (frame if whole_frame else frame[14:])
        ends = ("192.0.2.1", "192.0.2.2") if to_server else ("192.0.2.2", "192.0.2.1")
        return framed(outer(udp(*ends, 40000, port, inner), UDP, to_server), None, to_server)
    return wrap


def gre(depth):
    """GRE in GRE in GRE."""
    def wrap(frame, to_server):
        packet = frame[14:]
        for _ in range(depth):
            packet = outer(b"\0\0\x08\0" + packet, GRE, to_server)
        return framed(packet, None, to_server)
    return wrap


def mpls(labels):
    """A stack of labels."""
    def wrap(frame, to_server):
        stack = b"".join(struct.pack("!I", (100 + n) << 12 | (1 if n == labels - 1 else 0) << 8 | 64) for n in range(labels))
        return framed(stack + frame[14:], 0x8847, to_server)
    return wrap


def fragmented_gre(frame, to_server):
    """The outer packet in fragments of 24 octets."""
    payload, parts = b"\0\0\x08\0" + frame[14:], []
    for start in range(0, len(payload), 24):
        more = 0x2000 if start + 24 < len(payload) else 0
        parts.append(framed(outer(payload[start:start + 24], GRE, to_server, ident=sum(frame[18:20]) + 1 + len(frame), fragment=start, flags=more),
                            None, to_server))
    return parts


def add(name, variant, wrap, expected=ALERT, events=DEPTH, many=False):
    case(name, variant, truth="s", taken=True, expected=expected, events=events)(wrapped(wrap, many))


for count in (1, 2, 3):
    add("L1", "VLAN, %d tags" % count, vlan(*range(10, 10 + count)))
for count in (5, 8):
    add("L2", "VLAN, %d tags" % count, vlan(*range(10, 10 + count)))
add("L2", "VLAN, 9 tags", vlan(*range(10, 19)), "event")
add("L3", "MPLS, 3 labels", mpls(3))
add("L3", "PPPoE", lambda frame, to_server: framed(struct.pack("!BBHHH", 0x11, 0, 7, len(frame) - 12, 0x21) + frame[14:], 0x8864, to_server))
add("L3", "GRE", tunnel(GRE, b"\0\0\x08\0"))
add("L3", "GRE with key and sequence", tunnel(GRE, b"\x30\0\x08\0" + bytes(8)))
add("L3", "GRE, Ethernet inside", lambda frame, to_server: framed(outer(b"\0\0\x65\x58" + frame, GRE, to_server), None, to_server))
add("L3", "IP in IP", tunnel(IP_IN_IP))
add("L3", "IPv4 in IPv6", tunnel(IP_IN_IP, version=6))
add("L3", "VXLAN", datagram(4789, lambda frame: b"\x08\0\0\0\0\0\x2a\0", True))
add("L3", "Geneve", datagram(6081, lambda frame: b"\0\0\x65\x58\0\0\x2a\0", True))
add("L4", "GTP-U", datagram(2152, lambda frame: struct.pack("!BBHI", 0x30, 0xFF, len(frame) - 14, 7), False))
for count in (2, 4, 8, 16):
    add("L5", "GRE, %d deep" % count, gre(count))
add("L5", "GRE, 17 deep", gre(17), "event")
add("L5", "GRE, 24 deep", gre(24), "event")
add("L6", "outer GRE fragmented", fragmented_gre, many=True)
add("L7", "another VLAN in each direction", lambda frame, to_server: vlan(10 if to_server else 20)(frame, to_server),
    ALERT + " + event", ("*vlan*",))
