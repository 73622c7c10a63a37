"""I1 to I8 and V1 to V4: fragments, options and headers of IPv4 and IPv6."""
import random, struct, time

from case import ALERT, BOTH, FOLLOW, QUIET, case
from talk import LOW_TTL, Talk
from tcp_data import DIFFERENCE, EVIL, GOOD
from wire import ethernet, ipv4, ipv6

# The same 16-bit words in another order: the checksum of the segment holds for both.
SWAPPED = EVIL.replace(b"EVIL", b"ILEV")
TCP_HEADER = 20
OVERLAP = ("ipv4.frag_overlap", "ipv6.frag_overlap", "*overlap*", "*ambig*")
MORE = 0x2000


class Fragments:
    """The fragments of one IPv4 packet with a segment of the connection in it."""

    def __init__(self, talk, data):
        self.talk, self.segment, self.ident = talk, talk.segment(data), talk.source_port

    def packet(self, start, end, instead=None, **header):
        """The octets from start to end, those of another segment's text if given."""
        text = self.segment if instead is None else self.segment[:TCP_HEADER] + instead
        more = MORE if end < len(self.segment) else 0
        return ipv4(text[start:end], **{"ident": self.ident, "fragment": start, "flags": more, **header})

    def pieces(self, size=8, first=None):
        """Start and end of each fragment."""
        cuts = [0] + list(range(first or size, len(self.segment), size)) + [len(self.segment)]
        return list(zip(cuts, cuts[1:]))

    def send(self, start, end, **how):
        self.talk.raw(self.packet(start, end, **how))


def connected(host, data=EVIL):
    talk = Talk(host).connect()
    return talk, Fragments(talk, data)


def done(talk, data=EVIL):
    """The datagram arrived, or did not: goes on behind it."""
    talk.next = len(data)
    talk.wait()
    talk.finish()


def retold(talk, data):
    """Sends the whole text once more in a plain segment, as if the datagram had never been."""
    talk.wait()
    talk.say(data)
    talk.finish()


for word in ("in order", "reversed", "shuffled", "first one of 16"):
    @case("I1", "8-byte fragments " + word, events=OVERLAP)
    def small_fragments(host, word=word):
        talk, fragments = connected(host)
        pieces = fragments.pieces(first=16 if word.startswith("first") else None)
        if word == "reversed":
            pieces.reverse()
        if word == "shuffled":
            random.Random(7).shuffle(pieces)
        for start, end in pieces:
            fragments.send(start, end)
        done(talk)


# Offsets in the datagram of a fragment that holds the differing octets.
LEFT = (TCP_HEADER + DIFFERENCE) // 8 * 8
RIGHT = LEFT + 16
END = TCP_HEADER + len(EVIL)
# Pieces of the first text, then one of the second, then what is missing of both.
SHAPES = (
    ("to the right", FOLLOW, [(0, LEFT), (LEFT, RIGHT)], (LEFT + 8, RIGHT + 8), [(RIGHT, END)]),
    ("to the left", FOLLOW, [(LEFT, RIGHT)], (LEFT - 8, LEFT + 8), [(0, LEFT), (RIGHT, END)]),
    ("covering", FOLLOW, [(LEFT, RIGHT)], (LEFT - 8, RIGHT + 8), [(0, LEFT), (RIGHT, END)]),
    ("within what is there", BOTH, [(0, LEFT), (LEFT, RIGHT)], (LEFT - 8, LEFT + 8), [(RIGHT, END)]),
    ("the same place", BOTH, [(0, LEFT), (LEFT, RIGHT)], (LEFT, RIGHT), [(RIGHT, END)]),
)


def overlapping(host, evil, first, second, shape):
    """Sends the pieces with the checksum of one text, then as a plain segment the other text, if nothing was joined."""
    before, (start, end), after = shape
    talk, fragments = connected(host, evil)
    for a, b in before:
        fragments.send(a, b, instead=first)
    fragments.send(start, end, instead=second)
    for a, b in after:
        fragments.send(a, b, instead=first)
    retold(talk, GOOD if evil is EVIL else EVIL)


for variant, expected, *shape in SHAPES:
    for word, first, second in (("evil first", EVIL, GOOD), ("evil last", GOOD, EVIL)):
        case("I2", "overlap %s, %s" % (variant, word), expected=expected + " + event", events=OVERLAP)(
            lambda host, first=first, second=second, shape=shape: overlapping(host, EVIL, first, second, shape))
    case("I2", "overlap %s, benign, evil resent" % variant, expected=expected + " + event", events=OVERLAP)(
        lambda host, shape=shape: overlapping(host, GOOD, GOOD, EVIL, shape))


@case("I3", "exact duplicates", events=OVERLAP)
def duplicates(host):
    talk, fragments = connected(host)
    for start, end in fragments.pieces(size=24):
        fragments.send(start, end)
        if end < len(fragments.segment):
            fragments.send(start, end)
    done(talk)


for word, start, end in (("first", 0, LEFT + 8), ("middle", LEFT, RIGHT)):
    for what, text in (("checksum fits both", SWAPPED), ("checksum fits the evil one", GOOD)):
        @case("I4", "phantom fragment, %s, %s" % (word, what), events=OVERLAP)
        def phantom(host, start=start, end=end, text=text):
            talk, fragments = connected(host)
            host.record(ethernet(fragments.packet(start, end, instead=text, ttl=LOW_TTL)))
            cuts = sorted({0, start, end, len(fragments.segment)})
            for a, b in zip(cuts, cuts[1:]):
                fragments.send(a, b)
            done(talk)


for word, first, second in (("evil, then benign", EVIL, GOOD), ("benign, then evil", GOOD, EVIL)):
    def odd_header(host, first=first, second=second, **header):
        talk = Talk(host).connect()
        talk.send(first, ip=header)
        retold(talk, second)

    case("I5", "bad header checksum, " + word, expected=FOLLOW + " + event", events=("csum.ipv4", "*checksum*"))(
        lambda host, play=odd_header: play(host, bad_checksum=True))
    case("I6", "NOP options, " + word, expected=FOLLOW, events=("ipv4.opt*", "*overlap*"))(
        lambda host, play=odd_header: play(host, options=b"\1\1\1\1"))
    case("I6", "record route, " + word, expected=FOLLOW, events=("ipv4.opt*", "*overlap*"))(
        lambda host, play=odd_header: play(host, options=b"\x07\x0b\x04" + bytes(8)))
    case("I6", "loose source route, " + word, expected=FOLLOW, events=("ipv4.opt*", "*route*"))(
        lambda host, play=odd_header: play(host, options=b"\x83\x0b\x04" + b"\x0a\x09\x00\x03" + bytes(4)))
    case("I7", "version 5, " + word, expected=FOLLOW, events=("ipv4.wrong_ip_version", "ipraw.*", "*version*"))(
        lambda host, play=odd_header: play(host, version=5))
    case("I7", "header length too small, " + word, expected=FOLLOW, events=("ipv4.hlen_too_small",))(
        lambda host, play=odd_header: play(host, header_words=4))
    case("I7", "header length beyond the packet, " + word, expected=FOLLOW, events=("ipv4.*",))(
        lambda host, play=odd_header, text=first: play(host, header_words=15, total=50))


@case("I7", "trailer after the IP length")
def trailer(host):
    talk = Talk(host).connect()
    for piece in (EVIL[:DIFFERENCE + 2], EVIL[DIFFERENCE + 2:]):
        talk.raw(talk.packet(piece) + b"KIND" * 6)
        talk.next += len(piece)
    talk.wait()
    talk.finish()


@case("I7", "fragments with DF")
def fragments_with_df(host):
    talk, fragments = connected(host)
    for start, end in fragments.pieces(size=24):
        fragments.send(start, end, flags=0x4000 | (MORE if end < len(fragments.segment) else 0))
    done(talk)


@case("I7", "another TTL and TOS in each fragment")
def fragments_differ(host):
    talk, fragments = connected(host)
    for number, (start, end) in enumerate(fragments.pieces(size=24)):
        fragments.send(start, end, ttl=40 + number, tos=0x10 * (number % 2))
    done(talk)


@case("I8", "45 s between fragments", expected=QUIET, events=("*timeout*", "*frag*"))
def late_fragment(host):
    talk, fragments = connected(host)
    fragments.send(0, RIGHT)
    time.sleep(1.5)
    host.collect()
    host.idle(45)
    fragments.send(RIGHT, len(fragments.segment))
    retold(talk, GOOD)


# IPv6: a request large enough for three fragments of more than 1280 octets.
PADDING = b"X-Padding: " + b"p" * 2800 + b"\r\n\r\n"
LARGE, LARGE_GOOD = EVIL[:-2] + PADDING, GOOD[:-2] + PADDING
OPTIONS = b"\0\1\4" + bytes(4)
DESTINATION, HOP_BY_HOP, ROUTING, FRAGMENT = 60, 0, 43, 44


class Fragments6:
    """The fragments of one IPv6 packet; `before` are the extensions ahead of the fragment header, `inside` those behind it."""

    def __init__(self, talk, data, before=(), inside=b"", following=6):
        self.talk, self.part, self.before, self.following = talk, inside + talk.segment(data), list(before), following

    def send(self, start, end, instead=None):
        text = self.part if instead is None else instead
        header = struct.pack("!BHI", 0, start | (1 if end < len(self.part) else 0), self.talk.source_port)
        self.talk.raw(ipv6(text[start:end], protocol=self.following, extensions=self.before + [(FRAGMENT, header)]))

    def pieces(self, size):
        cuts = list(range(0, len(self.part), size)) + [len(self.part)]
        return list(zip(cuts, cuts[1:]))


def connected6(host, data=LARGE, **how):
    talk = Talk(host, version=6).connect()
    return talk, Fragments6(talk, data, **how)


@case("V1", "fragments reversed", events=OVERLAP)
def reversed6(host):
    talk, fragments = connected6(host)
    for start, end in reversed(fragments.pieces(1264)):
        fragments.send(start, end)
    done(talk, LARGE)


for word, first, second in (("evil first", LARGE, LARGE_GOOD), ("evil last", LARGE_GOOD, LARGE)):
    @case("V1", "overlap, " + word, expected=FOLLOW + " + event", events=OVERLAP)
    def overlap6(host, first=first, second=second):
        talk, fragments = connected6(host)
        one, two = (fragments.part[:TCP_HEADER] + text for text in (first, second))
        fragments.send(0, 1264, instead=one)
        fragments.send(0, 1272, instead=two)
        fragments.send(1264, 2528)
        fragments.send(2528, len(fragments.part))
        retold(talk, LARGE_GOOD)


@case("V1", "overlap benign, evil resent", expected=ALERT + " + event", events=OVERLAP)
def overlap6_benign(host):
    talk, fragments = connected6(host, LARGE_GOOD)
    fragments.send(0, 1264)
    fragments.send(0, 1272)
    fragments.send(1264, 2528)
    fragments.send(2528, len(fragments.part))
    retold(talk, LARGE)


for word, how in (("after destination options", {"before": [(DESTINATION, OPTIONS)]}),
                  ("with destination options inside", {"inside": b"\6" + OPTIONS, "following": DESTINATION})):
    @case("V1", "fragments " + word, events=OVERLAP)
    def options6(host, how=how):
        talk, fragments = connected6(host, **how)
        for start, end in fragments.pieces(1264):
            fragments.send(start, end)
        done(talk, LARGE)


SMALL = ("ipv6.frag*", "*small*", "*tiny*")
for word, sizes in (("8-byte", (8,)), ("512-byte", (512,)), ("first of 64", (64, 1264))):
    def tiny(host, first, second, sizes=sizes):
        talk, fragments = connected6(host, first)
        start, turn = 0, 0
        while start < len(fragments.part):
            end = min(start + sizes[min(turn, len(sizes) - 1)], len(fragments.part))
            fragments.send(start, end)
            start, turn = end, turn + 1
        retold(talk, second)

    case("V2", word + " fragments, evil", expected="event", events=SMALL)(lambda host, play=tiny: play(host, LARGE, LARGE_GOOD))
    case("V2", word + " fragments, benign, then evil", expected=BOTH + " + event", events=SMALL)(
        lambda host, play=tiny: play(host, LARGE_GOOD, LARGE))


def extended(*extensions, **header):
    """A player: the request in a packet with these extension headers."""
    def play(host):
        talk = Talk(host, version=6).connect()
        talk.send(EVIL, ip={"extensions": extensions, **header})
        retold(talk, GOOD)
    return play


ATOMIC = (FRAGMENT, struct.pack("!BHI", 0, 0, 0x4242))
case("V3", "atomic fragment", events=("ipv6.*",), expected=FOLLOW)(extended(ATOMIC))
case("V3", "8 destination options", events=("ipv6.*",), expected=FOLLOW)(extended(*[(DESTINATION, OPTIONS)] * 8))
case("V3", "hop-by-hop options", events=("ipv6.*",), expected=FOLLOW)(extended((HOP_BY_HOP, OPTIONS)))
case("V3", "another flow label", events=("ipv6.*",), expected=FOLLOW)(extended(flow_label=0xABCDE))


def routing(left):
    """A routing header of type 0 with one address and so many segments left."""
    return ROUTING, struct.pack("!BBBI", 2, 0, left, 0) + bytes.fromhex("fd090000000000000000000000000002")


for word, first, second in (("evil, then benign", EVIL, GOOD), ("benign, then evil", GOOD, EVIL)):
    @case("V4", "routing header, 1 segment left, " + word, expected=FOLLOW + " + event", events=("ipv6.rh_type_0", "*rout*"))
    def routed(host, first=first, second=second):
        talk = Talk(host, version=6).connect()
        talk.send(first, ip={"extensions": [routing(1)]})
        retold(talk, second)
case("V4", "routing header, 0 segments left", expected=FOLLOW, events=("ipv6.rh_type_0", "*rout*"))(extended(routing(0)))
