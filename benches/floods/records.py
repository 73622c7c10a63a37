#!/usr/bin/env python3
"""Floods of records: what a sender can make tapwire write, against what they had to send for it.

  benches/floods/records.py --bin target/release/tapwire [--only dns-spoofed,arp] [--scale 0.5] [--strict]

Each flood is made of the smallest packets, or the smallest messages in a stream, that leave a record of some kind. The records, before they
are compressed, may have as many octets as the packets; some of the kind must be there, and a summary of the others. `noise` may leave 64
records in all. Exit status 1 with --strict if a limit is passed.
"""
import argparse, os, random, shutil, struct, subprocess, sys, tempfile

sys.dont_write_bytecode = True
import traffic

RECORDS_RATIO, NOISE_RECORDS = 1.0, 64
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = 0x0A000001, 0xC6336401
GET, OK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def ip(protocol, payload, source=CLIENT, target=SERVER):
    return traffic.ETHERNET + traffic.ip_head(20 + len(payload), 0, 0x4000, protocol, source, target) + payload


def udp(data, source=CLIENT, target=SERVER, ports=(40000, 53)):
    return ip(17, traffic.UDP_HEAD.pack(*ports, 8 + len(data), 0) + data, source, target)


def tcp(flags, source=CLIENT, target=SERVER, ports=(40000, 80), sequence=1, ack=1, data=b"", options=b""):
    head = traffic.TCP_HEAD.pack(*ports, sequence & 0xFFFFFFFF, ack & 0xFFFFFFFF, (5 + len(options) // 4) << 4, flags, 65535, 0, 0)
    return ip(6, head + options + data, source, target)


class Flow:
    """A TCP connection as frames, from its handshake on. Direction 0 is to the server."""

    def __init__(self, client=CLIENT, service=80, port=40000):
        self.ends, self.ports, self.next = (client, SERVER), (port, service), [1000, 5000]

    def segment(self, way, flags=ACK | PSH, data=b"", **more):
        step = 1 if way == 0 else -1
        sequence = more.pop("sequence", self.next[way])
        return tcp(flags, *self.ends[::step], self.ports[::step], sequence, self.next[1 - way] if flags & ACK else 0, data, **more)

    def open(self):
        yield self.segment(0, SYN)
        self.next[0] += 1
        yield self.segment(1, SYN | ACK)
        self.next[1] += 1
        yield self.segment(0, ACK)

    def send(self, way, data, size=1460):
        for start in range(0, len(data), size):
            part = data[start:start + size]
            yield self.segment(way, data=part)
            self.next[way] += len(part)
        yield self.segment(1 - way, ACK)

    def end(self):
        for way in (0, 1):
            yield self.segment(way, FIN | ACK)
            self.next[way] += 1
        yield self.segment(0, ACK)


UPGRADE = (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
COTP_REQUEST = b"\3\0\0\x16\x11\xe0\0\0\0\1\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"


def s7_job(number):
    return b"\3\0\0\x13\2\xf0\x80\x32\1\0\0" + struct.pack("!H", number & 0xFFFF) + b"\0\2\0\0\4\0"


def stream(service, *parts):
    """One connection with data to the server and to the client in turns."""
    def build(count, rng):
        flow = Flow(service=service)
        yield from flow.open()
        for way, part in parts:
            yield from flow.send(way, part(count) if callable(part) else part * count)
        yield from flow.end()
    return build


def streams(service, *parts, closes=True):
    """Connections of an address each."""
    def build(count, rng):
        for n in range(count):
            flow = Flow(0x0B000000 + rng.getrandbits(24), service, 1024 + n % 60000)
            yield from flow.open()
            for way, part in parts:
                yield from flow.send(way, part)
            if closes:
                yield from flow.end()
    return build


def datagrams(data, ports, target=SERVER, spoofed=True, answer=None):
    def build(count, rng):
        for n in range(count):
            body = data(n) if callable(data) else data
            source, own = rng.getrandbits(32) if spoofed else CLIENT, tuple(1024 + n % 60000 if port is None else port for port in ports)
            yield udp(body, source, target, own)
            if answer:
                yield udp(answer(n), target, source, own[::-1])
    return build


def packets(make):
    def build(count, rng):
        for n in range(count):
            yield make(n, rng)
    return build


def name(*labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def dns(n, flags=0x100, answers=0):
    question = name(b"%08x" % n, b"example") + b"\0\1\0\1"
    return struct.pack("!HHHHHH", n & 0xFFFF, flags, 1, answers, 0, 0) + question + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1" * answers


def pointers(n, flags=0x8400):
    record = b"\xc0\x0c" + struct.pack("!HHIH", 12, 1, 60, 2) + b"\xc0\x0c"
    question = name(b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61) + b"\0\1\0\1"
    return struct.pack("!HHHHHH", n & 0xFFFF if flags != 0x8400 else 0, flags, 1, 80, 0, 0) + question + record * 80


def dhcp(n):
    head = struct.pack("!BBBBIHH4I16s192s", 1, 1, 6, 0, n, 0, 0, 0, 0, 0, 0, struct.pack("!HI", 2, n), b"")
    return head + b"\x63\x82\x53\x63\x35\1\1\xff"


def client_hello(n=0):
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
    shake = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + struct.pack("!H", len(shake)) + shake


def dnp3_sum(data):
    total = 0
    for octet in data:
        total ^= octet
        for _ in range(8):
            total = total >> 1 ^ 0xA6BC if total & 1 else total >> 1
    return struct.pack("<H", ~total & 0xFFFF)


def dnp3(user, wrong=0):
    head = b"\x05\x64" + bytes([5 + len(user), 0xC4]) + struct.pack("<HH", 2, 1)
    body = user + dnp3_sum(user)
    return head + dnp3_sum(head) + body[:-1] + bytes([body[-1] ^ wrong])


def arp(n, source=traffic.wire.CLIENT_MAC):
    return b"\xff" * 6 + source + b"\x08\6" + struct.pack("!HHBBH6sI6sI", 1, 0x800, 6, 4, 1, traffic.wire.CLIENT_MAC, CLIENT, bytes(6), n)


def tlv(tag, value):
    return bytes([tag]) + (bytes([len(value)]) if len(value) < 128 else b"\x81" + bytes([len(value)])) + value


def goose(state, count=0, block=b"a", source=traffic.wire.CLIENT_MAC):
    pdu = tlv(0x61, b"".join((tlv(0x80, b"IED1/LLN0$GO$" + block), b"\x81\2\x03\xe8", tlv(0x82, b"IED1/LLN0$a"), b"\x84\x08" + bytes(8), tlv(0x85, struct.pack("!I", state)),
        tlv(0x86, struct.pack("!I", count)), b"\x88\1\1\x89\1\0\x8a\1\1\xab\3\x83\1\1")))
    return b"\1\x0c\xcd\1\0\1" + source + b"\x88\xb8\x10\1" + struct.pack("!HI", 8 + len(pdu), 0) + pdu


def station(rng):
    return b"\2" + rng.randbytes(5)


def keep_alives(count, rng):
    flow = Flow(service=9999)
    yield from flow.open()
    yield from flow.send(0, b"hello")
    for _ in range(count):
        yield flow.segment(0, ACK, b"\0", sequence=flow.next[0] - 1)


def bad_options(count, rng):
    flow = Flow(service=9999)
    yield from flow.open()
    for _ in range(count):
        yield flow.segment(0, ACK, options=b"\2\1\0\0")


def rival_data(count, rng):
    """Segments that say something else than those before."""
    flow = Flow(service=9999)
    yield from flow.open()
    for _ in range(count):
        yield flow.segment(0, data=b"ab")
        yield flow.segment(0, data=b"cd")
        flow.next[0] += 2


def bad_headers(n, rng):
    frame = bytearray(udp(b"x", rng.getrandbits(32)))
    frame[14] = (0x41, 0x4F, 0x75, 0x45)[n % 4]
    frame[16:18] = struct.pack("!H", (20, 60, 29, 9)[n % 4])
    return bytes(frame)


def modbus(count):
    return b"".join(struct.pack("!H", n & 0xFFFF) + b"\0\0\0\6\1\3\0\0\0\1" for n in range(count))


def exceptions(count):
    return b"".join(struct.pack("!H", n & 0xFFFF) + b"\0\0\0\3\1\x83\2" for n in range(count))


SIP = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: a\r\nTo: a\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n\r\n"
EACH = 'alert udp any any -> any any (msg:"each datagram"; content:"x"; sid:1;)\n'
MANY = "".join('alert udp any any -> any any (msg:"each datagram %d"; content:"x"; sid:%d;)\n' % (n, n) for n in range(1, 15))
TAG = 'alert udp any any -> any 53 (msg:"first"; tag:host,1000000,packets,src; sid:1;)\n'
NOISE = bytes(random.Random(3).choice(b"\0\1 :;\t\r\n\r\nab") for _ in range(262_144))


def eve(*types):
    """A configuration whose output has these types of records."""
    listed = "".join("    - %s\n" % kind for kind in types)
    return "%YAML 1.1\n---\ntapwire:\n  records: yes\noutputs:\n- eve-log:\n    enabled: yes\n    filename: eve.json\n    types:\n" + listed


DECODE, STREAM = "anomaly: {types: {decode: yes}}", "anomaly: {types: {stream: yes}}"
# generator, how many, the kind of which some must be there, rules, configuration
FLOODS = {
    "dns-spoofed": (datagrams(dns, (None, 53)), 20_000, "dns"),
    "dns-one-client": (datagrams(dns, (None, 53), spoofed=False), 20_000, "dns"),
    "dns-one-flow": (datagrams(dns, (40000, 53), spoofed=False), 20_000, "dns"),
    "dns-answers": (datagrams(lambda n: dns(n, 0x8180, 1), (53, None)), 20_000, "dns"),
    "dns-both": (datagrams(dns, (None, 53), answer=lambda n: dns(n, 0x8180, 1)), 20_000, "dns"),
    "dns-pointers": (datagrams(lambda n: pointers(n, 0x8180), (53, 40000), spoofed=False), 1_000, "dns"),
    "mdns": (datagrams(pointers, (5353, 5353), 0xE00000FB, spoofed=False), 1_000, "mdns"),
    "mdns-spoofed": (datagrams(lambda n: dns(n, 0), (5353, 5353), 0xE00000FB), 20_000, "mdns"),
    "llmnr": (datagrams(lambda n: dns(n, 0), (None, 5355), 0xE00000FC), 20_000, "llmnr"),
    "ntp": (datagrams(b"\x23" + bytes(47), (None, 123)), 20_000, "flow"),
    "sip": (datagrams(lambda n: SIP % n, (5060, 5060)), 20_000, "sip"),
    "dhcp": (datagrams(dhcp, (68, 67)), 10_000, "dhcp"),
    "udp-unknown": (datagrams(b"0&\2\1\1", (None, 161)), 30_000, "flow"),
    "udp-answered": (datagrams(b"x", (None, 161), answer=lambda n: b"y"), 20_000, "flow"),
    "icmp": (packets(lambda n, rng: ip(1, b"\x08\0" + bytes(2) + struct.pack("!HH", n & 0xFFFF, 1), rng.getrandbits(32))), 30_000, "flow"),
    "tls-hellos": (streams(443, (0, client_hello())), 4_000, "flow"),
    "ssh-banners": (streams(22, (0, b"SSH-2.0-a\r\n"), (1, b"SSH-2.0-b\r\n")), 4_000, "flow"),
    "http-pipelined": (stream(80, (0, GET), (1, OK)), 10_000, "http"),
    "http-short-flows": (streams(80, (0, GET), (1, OK)), 4_000, "http"),
    "http-files": (streams(80, (0, GET), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")), 4_000, "fileinfo"),
    "noise": (stream(80, (0, lambda count: GET + NOISE)), 1, "flow"),
    "noise-first": (stream(80, (1, lambda count: b"HTTP/5.x 200\r\nContent-Length: 0\r\n\r\n" * 7_000)), 1, "flow"),
    "noise-behind": (stream(80, (0, lambda count: GET), (1, lambda count: b"HTTP/5.x 200\r\n" + NOISE)), 1, "flow"),
    "ftp-commands": (stream(21, (0, b"NOOP\r\n"), (1, b"200 ok\r\n")), 20_000, "ftp"),
    "ftp-unasked": (stream(21, (0, b"USER a\r\n"), (1, lambda count: b"200\r\n" * count)), 60_000, "ftp"),
    "tftp-spoofed": (datagrams(b"\0\1a\0octet\0", (None, 69)), 20_000, "tftp"),
    "websocket-frames": (stream(80, (0, lambda count: UPGRADE[0]), (1, lambda count: UPGRADE[1] + b"\x81\0" * count)), 40_000, "websocket"),
    "s7comm-jobs": (stream(102, (0, lambda count: COTP_REQUEST + b"".join(s7_job(i) for i in range(count)))), 30_000, "s7comm"),
    "cotp-requests": (stream(102, (0, COTP_REQUEST)), 30_000, "cotp"),
    "modbus-requests": (stream(502, (0, modbus)), 43_000, "modbus"),
    "modbus-exceptions": (stream(502, (0, modbus), (1, exceptions)), 30_000, "modbus"),
    "dnp3-requests": (stream(20000, (0, dnp3(b"\xc0\xc0\x01\x3c\x02\x06"))), 29_000, "dnp3"),
    "dnp3-bad-sums": (stream(20000, (0, dnp3(b"\xc0\xc0\x01\x3c\x02\x06", 1))), 29_000, "anomaly"),
    "handshakes": (streams(80, closes=False), 10_000, "flow"),
    "handshakes-closed": (streams(80), 8_000, "flow"),
    "resets": (packets(lambda n, rng: tcp(RST, rng.getrandbits(32))), 20_000, "flow"),
    "syn-scan": (packets(lambda n, rng: tcp(SYN, target=rng.getrandbits(32))), 20_000, "flow"),
    "stream-events": (keep_alives, 20_000, "anomaly", None, eve(STREAM)),
    "keep-alives": (keep_alives, 20_000, "anomaly"),
    "bad-options": (bad_options, 20_000, "anomaly", None, eve(DECODE)),
    "rival-data": (rival_data, 10_000, "anomaly"),
    "bad-headers": (packets(bad_headers), 20_000, "anomaly", None, eve(DECODE)),
    "alerts": (datagrams(b"x", (40000, 9999), spoofed=False), 20_000, "alert", EACH),
    "alerts-spoofed": (datagrams(b"x", (None, 9999)), 20_000, "alert", EACH),
    "alerts-many": (datagrams(b"x", (40000, 9999), spoofed=False), 20_000, "alert", MANY),
    "arp": (packets(lambda n, rng: arp(n)), 20_000, "arp", None, eve("arp: {enabled: yes}")),
    "arp-spoofed": (packets(lambda n, rng: arp(n, station(rng))), 20_000, "arp", None, eve("arp: {enabled: yes}", "anomaly", "flow")),
    "goose-states": (packets(lambda n, rng: goose(n)), 20_000, "goose"),
    "goose-jumps": (packets(lambda n, rng: goose(1, 2 * n)), 20_000, "anomaly"),
    "goose-blocks": (packets(lambda n, rng: goose(1, 0, b"%d" % n)), 20_000, "goose"),
    "goose-spoofed": (packets(lambda n, rng: goose(1, n, source=station(rng))), 20_000, "goose"),
    "goose-noise": (packets(lambda n, rng: goose(1)[:20] + rng.randbytes(40)), 20_000, "anomaly"),
    "frames": (datagrams(dns, (40000, 53), spoofed=False), 20_000, "frame", None, eve("frame: {enabled: yes}", "dns")),
    "netflow": (datagrams(b"x", (None, 161), answer=lambda n: b"y"), 20_000, "netflow", None, eve("netflow", "flow")),
    "tags": (datagrams(dns, (40000, 53), spoofed=False), 20_000, "packet", TAG, eve("alert: {tagged-packets: yes}", "dns")),
}


def write(path, frames, rate):
    """Writes a capture: its octets."""
    octets = 0
    with open(path, "wb", buffering=1 << 20) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1))
        for number, frame in enumerate(frames):
            micros = number * 1_000_000 // rate
            out.write(struct.pack("<IIII", traffic.START + micros // 1_000_000, micros % 1_000_000, len(frame), len(frame)) + frame)
            octets += len(frame)
    return octets


def kinds_of(folder):
    """Octets of the records, and how many there are of each event type."""
    octets, kinds = 0, {}
    for file in os.listdir(folder):
        if not file.startswith("eve.json"):
            continue
        command = ["zstd", "-dcqf", os.path.join(folder, file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as source:
            for line in source.stdout:
                octets += len(line)
                mark = line.find(b'"event_type":"') + 14
                kind = line[mark:line.index(b'"', mark)].decode()
                kinds[kind] = kinds.get(kind, 0) + 1
                kinds["summaries"] = kinds.get("summaries", 0) + (b'"summary":{' in line)
    return octets, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the tapwire program")
    parser.add_argument("--only", help="names of floods, with commas between them: " + ", ".join(FLOODS))
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the flood")
    parser.add_argument("--rate", type=int, default=100_000, help="packets a second in the capture's time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", metavar="DIR", help="keep captures and records there")
    parser.add_argument("--strict", action="store_true", help="a limit that is passed is a failure")
    opts = parser.parse_args()
    names = opts.only.split(",") if opts.only else list(FLOODS)
    if any(name not in FLOODS for name in names):
        parser.error("floods are " + ", ".join(FLOODS))
    folder, failed = opts.keep or tempfile.mkdtemp(prefix="records-"), False
    os.makedirs(folder, exist_ok=True)
    print("%-18s %8s %8s  %-52s %s" % ("flood", "raw MB", "of raw", "records", ""))
    try:
        for name in names:
            build, count, kind, rules, config = FLOODS[name] + (None, None)[len(FLOODS[name]) - 3:]
            capture, records = os.path.join(folder, name + ".pcap"), os.path.join(folder, name + ".out")
            raw = write(capture, build(max(1, int(count * opts.scale)), random.Random(opts.seed)), opts.rate)
            shutil.rmtree(records, ignore_errors=True)
            os.makedirs(records)
            command = [os.path.realpath(opts.bin), "replay", "--quiet", "--checksums", "off", "--log-dir", records]
            for option, ending, text in (("--rules", ".rules", rules or ""), ("--config", ".yaml", config)):
                if text is not None:
                    with open(os.path.join(folder, name + ending), "w") as out:
                        out.write(text)
                    command += [option, out.name]
            status = subprocess.run(command + [capture], stdout=subprocess.DEVNULL).returncode
            if status:
                sys.exit("the sensor ended with status %d on %s" % (status, name))
            octets, kinds = kinds_of(records)
            summaries, total = kinds.pop("summaries", 0), sum(kinds.values())
            wrong = [word for word, is_wrong in (("records", octets / raw > RECORDS_RATIO), ("no " + kind, kind not in kinds),
                                                 ("no summary", summaries == 0 and not name.startswith("noise")),
                                                 ("more than %d records" % NOISE_RECORDS, name.startswith("noise") and total > NOISE_RECORDS)) if is_wrong]
            failed = failed or bool(wrong)
            print("%-18s %8.2f %8.3f  %-52s %s" % (name, raw / 1e6, octets / raw, " ".join("%d %s" % (n, k) for k, n in sorted(kinds.items(), key=lambda p: -p[1])),
                                               "past limit: " + ", ".join(wrong) if wrong else "within limits"), flush=True)
            if not opts.keep:
                os.unlink(capture)
                shutil.rmtree(records)
        return 1 if opts.strict and failed else 0
    finally:
        if not opts.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
