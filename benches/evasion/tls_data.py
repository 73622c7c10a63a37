"""S1 to S8: the server name in a ClientHello. The stream is what the kernel's server read, the word is OpenSSL's."""
import contextlib, ssl, struct

from case import ALERT, case
from talk import Talk

NAME = b"evil-marker.example"
HANDSHAKE, CHANGE_CIPHER_SPEC, ALERT_RECORD = 22, 20, 21
TLS = ("tls.*",)


def extension(number, data):
    return struct.pack("!HH", number, len(data)) + data


def vector(data, size=2):
    return len(data).to_bytes(size, "big") + data


def hello(extra=b"", name_last=False, shares=((29, 32),)):
    """A ClientHello without record header: what a client of today says, everything random replaced by a pattern."""
    name = extension(0, vector(b"\0" + vector(NAME)))
    key_share = extension(51, vector(b"".join(struct.pack("!H", group) + vector(bytes(range(1, 33)) * (size // 32)) for group, size in shares)))
    groups = extension(10, vector(b"".join(struct.pack("!H", group) for group, _ in shares) + struct.pack("!H", 23)))
    others = groups + extension(13, vector(bytes.fromhex("040308040401050308050501"))) + extension(43, vector(b"\3\4\3\3", 1)) + key_share + extra
    extensions = others + name if name_last else name + others
    body = b"\3\3" + bytes(range(32)) + vector(bytes(range(64, 96)), 1) + vector(bytes.fromhex("130113021303c02bc02f")) + b"\1\0" + vector(extensions)
    return b"\1" + vector(body, 3)


def record(data, version=0x0301, kind=HANDSHAKE):
    return struct.pack("!BHH", kind, version, len(data)) + data


def records(data, sizes):
    """The message cut into records: as long as sizes say, the last size for all that is left."""
    parts, start, turn = [], 0, 0
    while start < len(data):
        size = sizes[min(turn, len(sizes) - 1)]
        parts.append(record(data[start:start + size]))
        start, turn = start + size, turn + 1
    return b"".join(parts)


def server_name(stream):
    """The name that OpenSSL takes from these bytes, and what it answers."""
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _, name, __: names.append(name)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(stream)
    with contextlib.suppress(ssl.SSLError):
        server.do_handshake()
    return names[0] if names else None, outgoing.read()


def talked(host, pieces, order=None):
    talk = Talk(host, port=443).connect()
    starts = [sum(len(p) for p in pieces[:n]) for n in range(len(pieces))]
    for n in order or range(len(pieces)):
        for at in range(0, len(pieces[n]), 1400):
            talk.send(pieces[n][at:at + 1400], at=starts[n] + at)
            if order is None:
                talk.wait()
    talk.next = sum(len(p) for p in pieces)
    talk.wait()
    name, host.answer = server_name(b"".join(host.read()))
    talk.finish()
    return name == NAME.decode()


def add(name, variant, pieces, order=None, expected=ALERT, events=TLS):
    case(name, variant, truth="o", expected=expected, events=events, keys=("sni",))(lambda host: talked(host, pieces, order))


PLAIN = hello()
WHOLE = record(PLAIN)
MIDDLE = PLAIN.index(NAME) + 5
EVENT = ALERT + " + event"
BYTES = [WHOLE[n:n + 1] for n in range(len(WHOLE))]
LARGE = hello(shares=((0x11EC, 1216), (29, 32)), extra=extension(21, bytes(250)), name_last=True)
LARGE_WHOLE = record(LARGE)

add("S1", "plain", [WHOLE])
add("S1", "1-byte segments in order", BYTES)
add("S1", "1-byte segments reversed", BYTES, list(reversed(range(len(BYTES)))))
add("S2", "2 records, cut in the name", [records(PLAIN, (MIDDLE, 10_000))])
add("S2", "2 records in 2 segments, cut in the name", [record(PLAIN[:MIDDLE]), record(PLAIN[MIDDLE:])])
add("S2", "64-byte records", [records(PLAIN, (64,))])
add("S2", "4-byte records", [records(PLAIN, (4,))])
add("S3", "handshake header over 2 records", [records(PLAIN, (2, 10_000))], expected=EVENT)
add("S3", "1-byte records", [records(PLAIN, (1,))], expected=EVENT)
add("S4", "empty handshake record first", [record(b"") + WHOLE], expected=EVENT)
for version in (0x0300, 0x0304, 0x0399):
    add("S5", "record version %04x" % version, [record(PLAIN, version)])
add("S6", "post-quantum hello, 2 segments", [LARGE_WHOLE[:1200], LARGE_WHOLE[1200:]])
add("S6", "post-quantum hello, 2 segments reversed", [LARGE_WHOLE[:1200], LARGE_WHOLE[1200:]], [1, 0])
add("S6", "post-quantum hello, 3 records", [records(LARGE, (600,))])
for size in (15_000, 40_000):
    for word, last in (("first", False), ("last", True)):
        add("S7", "%d KB hello, name %s" % (size // 1000, word), [records(hello(extra=extension(21, bytes(size)), name_last=last), (16_000,))])
add("S8", "change cipher spec first", [record(b"\1", 0x0303, CHANGE_CIPHER_SPEC) + WHOLE], expected="event", events=("tls.*", "applayer_*"))
add("S8", "warning alert first", [record(b"\1\x5a", 0x0301, ALERT_RECORD) + WHOLE], expected="event", events=("tls.*", "applayer_*"))
