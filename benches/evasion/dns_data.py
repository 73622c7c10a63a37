"""D1 to D3: names in DNS questions."""
import struct

from case import case
from talk import Talk
from wire import CLIENT, SERVER, UDP, ethernet, ipv4, udp

NAME = b"\x0bevil-marker\x07example\0"
QUERY = b"\0\1\0\1"


def message(questions, count=None, opcode=0, tail=b""):
    """A query; a question is a name in wire form, type A and class IN are added."""
    return struct.pack("!HHHHHH", 0x1234, opcode << 11 | 0x100, count or len(questions), 0, 0, 0) + b"".join(q + QUERY for q in questions) + tail


def ask(data):
    """A player: one datagram."""
    return lambda host: host.record(ethernet(ipv4(udp(CLIENT[4], SERVER[4], 40002, 53, data), protocol=UDP)))


def add(variant, data, name="D1", expected="alert", events=("dns.*",), taken=True):
    case(name, variant, truth="s", taken=taken, expected=expected, events=events, keys=("query",))(ask(data))


add("plain", message([NAME]))
add("mixed case", message([b"\x0beViL-mArKeR\x07eXaMpLe\0"]))
# `example` stands at offset 12 + 1 + 3 of the first question's name.
add("suffix by pointer", message([b"\3www\x07example\0", b"\x0bevil-marker\xc0\x10"]))
add("third of 3 questions", message([b"\3www\x07example\0", b"\4mail\x07example\0", NAME]))
add("trailing junk", message([NAME], tail=b"\xff" * 40))
add("reserved opcode", message([NAME], opcode=7))
add("pointer to itself", message([b"\xc0\x0c"]), "D3", "event", taken=False)
add("pointers to each other", message([b"\1a\xc0\x14", b"\1b\xc0\x0c"]), "D3", "event", taken=False)
add("pointer loop, then a good question", message([b"\1a\xc0\x0c", NAME]), "D3", "alert or event")

STREAM = struct.pack("!H", len(message([NAME]))) + message([NAME])
OTHER = struct.pack("!H", len(message([b"\3www\x07example\0"]))) + message([b"\3www\x07example\0"])


def stream(pieces, order=None):
    """A player: DNS over TCP in these pieces, sent in an order."""
    def play(host):
        talk = Talk(host, port=53).connect()
        host.answer = b""
        starts = [sum(len(p) for p in pieces[:n]) for n in range(len(pieces))]
        for n in order or range(len(pieces)):
            talk.send(pieces[n], at=starts[n])
            if not order:
                talk.wait()
        talk.next = sum(len(p) for p in pieces)
        talk.wait()
        talk.finish()
    return play


def add_stream(variant, play):
    case("D2", variant, truth="s", taken=True, events=("dns.*",), keys=("query",))(play)


BYTES = [STREAM[n:n + 1] for n in range(len(STREAM))]
add_stream("1-byte segments", stream(BYTES))
add_stream("1-byte segments reversed", stream(BYTES, list(reversed(range(len(BYTES))))))
add_stream("length split", stream([STREAM[:1], STREAM[1:]]))
add_stream("pipelined, third of 3", stream([OTHER + OTHER + STREAM]))
add_stream("two halves reversed", stream([STREAM[:20], STREAM[20:]], [1, 0]))
