"""T1 to T9, T18, T23 to T30 and T35: which octets of a stream the host takes."""
import random

from case import AMBIGUOUS, BOTH, EITHER, FOLLOW, KIND, MARKER, QUIET, case
from talk import MD5, Talk
from wire import ACK, PSH, URG

EVIL = b"GET /" + b"a" * 30 + b"/" + MARKER + b"/" + b"b" * 30 + b" HTTP/1.1\r\nHost: victim.example\r\n\r\n"
GOOD = EVIL.replace(MARKER, KIND)
DIFFERENCE = EVIL.index(b"EVIL")
RESENT = AMBIGUOUS + ("stream.pkt_spurious_retransmission", "stream.reassembly_segment_before_base_seq")


def shuffled(length):
    order = list(range(length))
    random.Random(7).shuffle(order)
    return order


for word, order in (("in order", range(len(EVIL))), ("reversed", reversed(range(len(EVIL)))), ("shuffled", shuffled(len(EVIL)))):
    @case("T1", "1-byte segments " + word, events=AMBIGUOUS)
    def one_byte(host, order=list(order)):
        talk = Talk(host).connect()
        for at in order:
            talk.send(EVIL[at:at + 1], at=at)
        talk.next = len(EVIL)
        talk.wait()
        talk.finish()


def queued(host, pieces):
    """Pieces of (start, end, text) that wait behind a missing first octet; then all that is missing, benign."""
    talk = Talk(host).connect()
    for start, end, text in pieces:
        talk.send(text[start:end], at=start)
    have = set()
    for start, end, _ in pieces:
        have.update(range(start, end))
    rest = [n for n in range(len(EVIL)) if n not in have]
    while rest:
        run = 1
        while run < len(rest) and rest[run] == rest[0] + run:
            run += 1
        talk.send(EVIL[rest[0]:rest[0] + run], at=rest[0])
        rest = rest[run:]
    talk.next = len(EVIL)
    talk.wait()
    talk.finish()


D = DIFFERENCE
LAYOUTS = (
    ("left", [(D - 4, D + 8)], (D - 12, D + 6)),
    ("right", [(D - 4, D + 5)], (D - 2, D + 16)),
    ("covering", [(D - 4, D + 8)], (D - 10, D + 16)),
    ("inside", [(D - 10, D + 16)], (D - 1, D + 5)),
    ("same start, longer", [(D - 4, D + 6)], (D - 4, D + 16)),
    ("same end, longer", [(D - 4, D + 8)], (D - 12, D + 8)),
    ("covering two", [(D - 12, D - 6), (D - 2, D + 6)], (D - 14, D + 10)),
)
for word, first, second in (("benign first", GOOD, EVIL), ("evil first", EVIL, GOOD)):
    @case("T2", "exact overlap, " + word, expected=BOTH + " + event", events=AMBIGUOUS)
    def exact_overlap(host, first=first, second=second):
        queued(host, [(D - 8, D + 12, first), (D - 8, D + 12, second)])

    for layout, before, (start, end) in LAYOUTS:
        @case("T3", "%s, %s" % (layout, word), expected=BOTH + " + event", events=AMBIGUOUS)
        def overlap(host, before=before, start=start, end=end, first=first, second=second):
            queued(host, [(a, b, first) for a, b in before] + [(start, end, second)])

    for amount, (start, end) in (("whole", (0, len(EVIL) - 4)), ("part", (D - 4, D + 12)), ("part and new", (D - 4, len(EVIL)))):
        @case("T4", "resent after ACK, %s, %s" % (amount, word), expected=FOLLOW + " + event", events=RESENT)
        def resent(host, start=start, end=end, first=first, second=second):
            talk = Talk(host).connect()
            talk.say(first[:-4])
            talk.send(second[start:end], at=start)
            talk.wait()
            talk.say(first[talk.next:])
            talk.finish()


def replaced(first, second, longer=0, version=4, **odd):
    """A player: an odd segment with one text, then a right one with the other at the same place."""
    def play(host):
        talk = Talk(host, version=version).connect()
        talk.send(first + b"x" * longer, **odd)
        talk.wait()
        talk.say(second)
        talk.finish()
    return play


for version in (4, 6):
    for word, first, second in (("evil, then benign", EVIL, GOOD), ("benign, then evil", GOOD, EVIL)):
        case("T5", "bad checksum v%d, %s" % (version, word), expected=FOLLOW + " + event", events=("csum.tcpv%d" % version, "*checksum*"))(
            replaced(first, second, version=version, bad_checksum=True))


def phantom_first(first, second, version=4, at=0, size=1400):
    """A player: a phantom, then what the host gets at the same place."""
    def play(host):
        talk = Talk(host, version=version).connect()
        talk.say(second[:at])
        talk.phantom(first)
        talk.say(second[at:], size=size)
        talk.finish()
    return play


case("T6", "phantom longer", events=AMBIGUOUS)(phantom_first(GOOD + b"GET /next HTTP/1.1\r\n\r\n", EVIL))
case("T6", "phantom, then octet by octet", events=AMBIGUOUS)(phantom_first(GOOD + b"GET /next HTTP/1.1\r\n\r\n", EVIL, size=1))
case("T6", "phantom shorter", events=AMBIGUOUS)(phantom_first(GOOD[:D + 6], EVIL))
case("T6", "phantom mid-request", events=AMBIGUOUS)(phantom_first(GOOD[D - 3:] + b"xx", EVIL, at=D - 3))
case("T7", "phantom, equal length", events=AMBIGUOUS)(phantom_first(GOOD, EVIL))
case("T7", "phantom mid-request", events=AMBIGUOUS)(phantom_first(GOOD[D - 3:], EVIL, at=D - 3))


def phantom_in_hole(host, early, sack=True):
    talk = Talk(host) if sack else Talk(host, options=b"\2\4\5\xb4")
    talk.connect()
    start, end = D - 2, D + 6
    if early:
        talk.phantom(GOOD[start:end], at=start)
    talk.send(EVIL[:start], at=0)
    talk.send(EVIL[end:], at=end)
    talk.wait()
    if not early:
        talk.phantom(GOOD[start:end], at=start)
    host.idle(0.3)
    talk.send(EVIL[start:end], at=start)
    talk.next = len(EVIL)
    talk.wait()
    talk.finish()


case("T8", "phantom fills a hole", events=AMBIGUOUS)(lambda host: phantom_in_hole(host, False))
case("T8", "phantom before the hole is there", events=AMBIGUOUS)(lambda host: phantom_in_hole(host, True))
case("T8", "phantom fills a hole, no SACK", events=AMBIGUOUS)(lambda host: phantom_in_hole(host, False, sack=False))
case("T9", "hop-limit phantom, longer", events=AMBIGUOUS)(phantom_first(GOOD + b"GET /next HTTP/1.1\r\n\r\n", EVIL, version=6))
case("T9", "hop-limit phantom, equal length", events=AMBIGUOUS)(phantom_first(GOOD, EVIL, version=6))

case("T18", "MD5 option, longer", events=AMBIGUOUS + ("*md5*",))(replaced(GOOD, EVIL, longer=20, options=MD5))
case("T18", "MD5 option, equal length", events=AMBIGUOUS + ("*md5*",))(replaced(GOOD, EVIL, options=MD5))

STALE = ("stream.pkt_invalid_timestamp", "*timestamp*")
for word, first, second in (("evil, then benign", EVIL, GOOD), ("benign, then evil", GOOD, EVIL)):
    @case("T23", "stale timestamp, " + word, expected=FOLLOW, events=STALE)
    def stale(host, first=first, second=second):
        talk = Talk(host, timestamps=True).connect()
        talk.send(first, options=talk.stamp(talk.clock - 1_000_000))
        talk.wait()
        talk.say(second)
        talk.finish()

    @case("T23", "timestamp missing, " + word, expected=FOLLOW, events=STALE + AMBIGUOUS + RESENT)
    def missing(host, first=first, second=second):
        talk = Talk(host, timestamps=True).connect()
        talk.send(first, options=b"")
        talk.wait()
        talk.say(second)
        talk.finish()

    case("T24", "no flags at all, " + word, expected=FOLLOW, events=("*ack*", "*flags*", "*overlap*"))(replaced(first, second, flags=0))
    case("T24", "PSH only, " + word, expected=FOLLOW, events=("*ack*", "*flags*", "*overlap*"))(replaced(first, second, flags=PSH))
    for age, distance in (("new", 1_000_000), ("old", -1_000_000)):
        @case("T25", "ack too %s, %s" % (age, word), expected=FOLLOW + " + event", events=("stream.*invalid_ack*", "stream.pkt_broken_ack"))
        def bad_ack(host, first=first, second=second, distance=distance):
            talk = Talk(host).connect()
            talk.send(first, ack=talk.peer + distance)
            talk.wait()
            talk.say(second)
            talk.finish()


for word, distance in (("20 MB", 20_000_000), ("70 KB", 70_000)):
    @case("T26", "data %s ahead" % word, events=("stream.est_packet_out_of_window",))
    def ahead(host, distance=distance):
        talk = Talk(host).connect()
        talk.say(EVIL[:D + 2])
        talk.send(b"x" * 100, at=distance)
        talk.wait()
        talk.say(EVIL[D + 2:])
        talk.finish()

    @case("T26", "evil %s ahead" % word, expected=QUIET, events=("stream.est_packet_out_of_window",))
    def evil_ahead(host, distance=distance):
        talk = Talk(host).connect()
        talk.say(GOOD[:D - 2])
        talk.send(EVIL, at=distance)
        talk.wait()
        talk.say(GOOD[D - 2:])
        talk.finish()


@case("T27", "keep-alive with a junk octet", events=("stream.est_pkt_before_last_ack",) + RESENT)
def keep_alive(host):
    talk = Talk(host).connect()
    talk.say(EVIL[:D + 2])
    for _ in range(2):
        talk.send(b"x", at=talk.next - 1)
        talk.wait()
    talk.say(EVIL[D + 2:])
    talk.finish()


for word, header in (("too small", {"header_words": 4}), ("beyond the packet", {"header_words": 15}), ("reserved bits", {"reserved": 14})):
    for what, first, second in (("evil, then benign", EVIL, GOOD), ("benign, then evil", GOOD, EVIL)):
        size = len(first) if word != "beyond the packet" else 20

        @case("T28", "data offset %s, %s" % (word, what) if header.get("header_words") else "%s, %s" % (word, what), expected=FOLLOW,
              events=("tcp.*",) + RESENT)
        def bad_offset(host, first=first, second=second, header=header, size=size):
            talk = Talk(host).connect()
            start = max(0, D - 2) if size == 20 else 0
            talk.say(second[:start])
            talk.send(first[start:start + size], **header)
            talk.wait()
            talk.say(second[start:])
            talk.finish()


URGENT = ("*urg*",)


@case("T29", "an octet too many is urgent", expected=FOLLOW + " + event", events=URGENT)
def urgent_extra(host):
    talk = Talk(host).connect()
    talk.say(EVIL[:D + 2] + b"x" + EVIL[D + 2:], flags=ACK | PSH | URG, urgent=D + 3)
    talk.finish()


@case("T29", "a letter is urgent", expected=FOLLOW + " + event", events=URGENT)
def urgent_letter(host):
    talk = Talk(host).connect()
    talk.say(EVIL, flags=ACK | PSH | URG, urgent=D + 3)
    talk.finish()


@case("T29", "urgent after every octet", expected=FOLLOW + " + event", events=URGENT)
def urgent_everywhere(host):
    talk = Talk(host).connect()
    for at in range(len(EVIL)):
        talk.say(EVIL[at:at + 1] + b"x", flags=ACK | PSH | URG, urgent=2)
    talk.finish()


@case("T30", "urgent pointer without its flag", expected=FOLLOW, events=URGENT)
def pointer_alone(host):
    talk = Talk(host).connect()
    talk.say(EVIL, urgent=D + 3)
    talk.finish()


@case("T35", "1.26 MB into the stream", expected=EITHER, events=("stream.reassembly_depth_reached", "*depth*"))
def deep(host):
    body = b"x" * 1_260_000 + b"/" + MARKER + b"/" + b"y" * 100
    talk = Talk(host).connect()
    talk.say(b"POST /upload HTTP/1.1\r\nHost: victim.example\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    talk.finish()
