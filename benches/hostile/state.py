#!/usr/bin/env python3
"""What a parser keeps: floods that leave state behind in each protocol, and flows whose cost must grow with their bytes.

  benches/hostile/state.py --bin target/release/tapwire [--only memory,growth.http] [--quick] [--strict]

memory: so many connections, each left with as much open as it can have, and whole exchanges with an attack (canaries) between them.
Limits: peak memory 256 MiB at the default configuration, 99 % of the canaries. growth: CPU seconds of one flow, and of one twice as
long: at most x2.5. Checksums of TCP are left out: replays want `--checksums off`. It needs `zstd`.
"""
import argparse, json, os, shutil, struct, subprocess, sys, tempfile, time, zlib

MEMORY_MIB, CANARIES, CANARIES_PERCENT, DOUBLING, TELLING_S, PAYLOAD = 256, 100, 99.0, 2.5, 0.4, 100_000_000
START, SIZE, K = 1_767_225_600, 1460, 1024
FIN, SYN, PSH, ACK = 1, 2, 8, 16
SERVER, CANARY_NET = 0xC0A80101, 0xAC100000
GET, OK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
RULES = 'alert http any any -> any any (msg:"canary"; flow:established,to_server; http.uri; content:"/EVIL-CANARY-"; startswith; sid:1;)\n'


# --- captures

IP_HEAD, TCP_HEAD, PCAP_HEAD = struct.Struct("!BBHHHBBHII"), struct.Struct("!HHIIBBHHH"), struct.Struct("<IIII")
ETHERNET = bytes.fromhex("0200000000020200000000010800")


def fold(total):
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


class Capture:
    """A pcap file; each frame comes a little later than the one before."""

    def __init__(self, path, step_s=1e-5):
        self.file, self.at, self.step_s, self.octets, self.payload = open(path, "wb", buffering=1 << 20), 0.0, step_s, 0, 0
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1))

    def frame(self, source, target, protocol, data):
        length = 20 + len(data)
        total = fold(0x4500 + length + 0x4000 + (64 << 8 | protocol) + (source >> 16) + (source & 0xFFFF) + (target >> 16) + (target & 0xFFFF))
        packet = ETHERNET + IP_HEAD.pack(0x45, 0, length, 0, 0x4000, 64, protocol, total, source, target) + data
        self.at += self.step_s
        micros = int(self.at * 1_000_000)
        self.file.write(PCAP_HEAD.pack(START + micros // 1_000_000, micros % 1_000_000, len(packet), len(packet)) + packet)
        self.octets += len(packet)

    def udp(self, source, source_port, target, target_port, data):
        self.payload += len(data)
        self.frame(source, target, 17, struct.pack("!HHHH", source_port, target_port, 8 + len(data), 0) + data)

    def link(self, source, ether_type, data):
        """A frame without IP from a station to a group."""
        self.payload += len(data)
        packet = b"\x01\x0c\xcd\1\0\1\2" + source.to_bytes(5, "big") + struct.pack("!H", ether_type) + data
        self.at += self.step_s
        micros = int(self.at * 1_000_000)
        self.file.write(PCAP_HEAD.pack(START + micros // 1_000_000, micros % 1_000_000, len(packet), len(packet)) + packet)
        self.octets += len(packet)

    def canary(self, number):
        flow = Flow(self, CANARY_NET + number, 0xC6336407, 20000 + number, 80)
        flow.send(0, b"GET /EVIL-CANARY-%05d HTTP/1.1\r\nHost: victim.example\r\n\r\n" % number)
        flow.send(1, OK)
        flow.end()


class Flow:
    """A TCP connection, from its handshake on. Way 0 is to the server."""

    def __init__(self, capture, client=0x0A000001, server=SERVER, port=40000, service=80):
        self.capture, self.ends, self.ports, self.next = capture, (client, server), (port, service), [1000, 5000]
        for way, flags in ((0, SYN), (1, SYN | ACK), (0, ACK)):
            self.segment(way, b"", flags)
            self.next[way] += flags != ACK

    def segment(self, way, data, flags=ACK | PSH):
        ends, ports = (self.ends, self.ports) if way == 0 else (self.ends[::-1], self.ports[::-1])
        head = TCP_HEAD.pack(ports[0], ports[1], self.next[way] & 0xFFFFFFFF, self.next[1 - way] & 0xFFFFFFFF if flags & ACK else 0, 0x50, flags, 65535, 0, 0)
        self.capture.payload += len(data)
        self.capture.frame(ends[0], ends[1], 6, head + data)

    def send(self, way, data, size=SIZE, gaps=0):
        """Sends data in segments of a size; of `gaps` segments each the last one is acknowledged, but not there."""
        for count, start in enumerate(range(0, len(data), size), 1):
            part = data[start:start + size]
            if not (gaps and count % gaps == 0):
                self.segment(way, part)
            self.next[way] += len(part)
            if count % 8 == 0:
                self.segment(1 - way, b"", ACK)
        self.segment(1 - way, b"", ACK)
        return self

    def end(self):
        for way, flags in ((0, FIN | ACK), (1, FIN | ACK), (0, ACK)):
            self.segment(way, b"", flags)
            self.next[way] += flags != ACK


# --- pieces of protocols

def http_post(fields, body=b""):
    return b"POST /x HTTP/1.1\r\nHost: a\r\n%s\r\n" % fields + body


def answer(fields, body=b""):
    return b"HTTP/1.1 200 OK\r\n%s\r\n" % fields + body


def encoded(name, body):
    return answer(b"Content-Encoding: %s\r\nContent-Length: 9999999\r\n" % name, body)


def bits(*fields):
    """Values with their widths, the lowest bit first."""
    number = shift = 0
    for value, width in fields:
        number, shift = number | value << shift, shift + width
    return number.to_bytes((shift + 7) // 8, "little")


def brotli(octets):
    """A stream with a large window, in blocks that are not compressed."""
    out, first = b"", True
    for start in range(0, len(octets), K * 60):
        part = octets[start:start + K * 60]
        head = [] if not first else [(0b1111, 4)]
        out += bits(*head, (0, 1), (0, 2), (len(part) - 1, 16), (1, 1)) + part
        first = False
    return out


def zstd(octets, window_log=23):
    """A frame with a large window, in raw blocks; it is left open."""
    out = b"\x28\xb5\x2f\xfd\0" + bytes([(window_log - 10) << 3])
    for start in range(0, len(octets), 128 * K):
        part = octets[start:start + 128 * K]
        out += struct.pack("<I", len(part) << 3)[:3] + part
    return out


def gzip_open(octets):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(octets) + packer.flush(zlib.Z_SYNC_FLUSH)


def name(*labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def dns(number, answers=0, flags=0x100):
    question = name(b"a%05d" % number, b"example") + b"\0\1\0\1"
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\1\2\3\4"
    return struct.pack("!HHHHHH", number & 0xFFFF, flags, 1, answers, 0, 0) + question + record * answers


def framed(message):
    return struct.pack("!H", len(message)) + message


def modbus(number, function=b"\3\0\0\0\1"):
    return struct.pack("!HHHB", number & 0xFFFF, 0, 1 + len(function), 1) + function


def dnp3_sum(data):
    total = 0
    for octet in data:
        total ^= octet
        for _ in range(8):
            total = total >> 1 ^ 0xA6BC if total & 1 else total >> 1
    return struct.pack("<H", ~total & 0xFFFF)


def dnp3(user):
    head = b"\x05\x64" + bytes([5 + len(user), 0xC4]) + struct.pack("<HH", 2, 1)
    return head + dnp3_sum(head) + b"".join(user[i:i + 16] + dnp3_sum(user[i:i + 16]) for i in range(0, len(user), 16))


DNP3_READ, DNP3_FIRST, DNP3_PART = dnp3(b"\xc0\xc0\x01\x3c\x02\x06"), dnp3(b"\x40\xc0\x02" + b"\1" * 200), dnp3(b"\x01" + b"\1" * 240)


def tls_record(kind, body):
    return b"".join(bytes([kind, 3, 3]) + struct.pack("!H", len(body[i:i + 16000])) + body[i:i + 16000] for i in range(0, len(body), 16000))


def handshake(kind, body, length=None):
    return bytes([kind]) + (len(body) if length is None else length).to_bytes(3, "big") + body


def client_hello(extra=0):
    extensions = b"".join(struct.pack("!HH", 0x4000 + i, 0) for i in range(extra))
    return handshake(1, b"\3\3" + bytes(32) + b"\0" + struct.pack("!H", 4) + b"\x13\x01\x13\x02" + b"\1\0" + struct.pack("!H", len(extensions)) + extensions)


SERVER_HELLO = handshake(2, b"\3\3" + bytes(32) + b"\0" + b"\xc0\x2f\0")


def certificates(count, size):
    chain = b"".join(size.to_bytes(3, "big") + b"\x30" + bytes(size - 1) for _ in range(count))
    return handshake(11, len(chain).to_bytes(3, "big") + chain)


def sip(number, body=b"", length=None):
    return (b"INVITE sip:%d@a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:b@a>\r\nTo: <sip:c@a>\r\nContent-Type: application/sdp\r\n"
            b"Content-Length: %d\r\n\r\n" % (number, len(body) if length is None else length)) + body


SDP = b"v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nt=0 0\r\n" + b"a=x\r\n" * 400


def dhcp(number):
    return bytes([1, 1, 6, 0]) + struct.pack("!I", number) + bytes(228) + bytes([99, 130, 83, 99]) + b"".join(bytes([code, 200]) + bytes(200) for code in (60, 61, 12, 81)) + b"\xff"


def kexinit(octets, length):
    return struct.pack("!IB", length, 4) + b"\x14" + bytes(16) + bytes(octets)


def form(parts, disposition=b"form-data; name=f; filename=a", last=b""):
    body = b"".join(b"--xx\r\nContent-Disposition: %s\r\n\r\ny\r\n" % disposition for _ in range(parts)) + last
    return http_post(b"Content-Type: multipart/form-data; boundary=xx\r\nContent-Length: 9999999\r\n", body)


UPGRADE = (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")


def websocket(*turns):
    """A connection that goes over to WebSocket, and what is said then."""
    return [(0, UPGRADE[0]), (1, UPGRADE[1]), *turns]


def web_frame(first, payload):
    """A frame to the client, which has no mask."""
    return bytes([first]) + (bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack("!H", len(payload))) + payload


def cotp(unit):
    return b"\3\0" + struct.pack("!H", len(unit) + 4) + unit


COTP_REQUEST = cotp(b"\x11\xe0\0\0\0\1\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2")


def s7_job(number):
    return cotp(b"\2\xf0\x80\x32\1\0\0" + struct.pack("!H", number & 0xFFFF) + b"\0\2\0\0\4\0")


# --- memory: what is sent in each connection, how many there are, and rules beside that of the canaries

def many(service, count, *turns):
    """Connections, each with its turns."""
    def fill(capture, number):
        flow = Flow(capture, 0x0A000000 + number, service=service)
        for way, data in turns:
            flow.send(way, data)
    return fill, count, ""


def datagrams(port, message, each, count):
    def fill(capture, number):
        for position in range(each):
            capture.udp(0x0A000000 + number, 40000, SERVER, port, message(number * each + position))
    return fill, count, ""


def on_link(ether_type, message, each, count):
    def fill(capture, number):
        for position in range(each):
            capture.link(number, ether_type, message(number * each + position))
    return fill, count, ""


def arp(number):
    return struct.pack("!HHBBH6sI6sI", 1, 0x800, 6, 4, 1, b"\2" + number.to_bytes(5, "big"), number, bytes(6), 1)


def tlv(tag, value):
    return bytes([tag]) + (bytes([len(value)]) if len(value) < 128 else struct.pack("!BH", 0x82, len(value))) + value


def goose(number, state=1, values=8):
    texts = tlv(0x80, b"%0128d" % number) + b"\x81\1\x09" + tlv(0x82, b"d" * 128) + tlv(0x83, b"i" * 128) + b"\x84\x08" + bytes(8)
    pdu = tlv(0x61, texts + tlv(0x85, struct.pack("!I", state)) + b"\x86\1\0\x88\1\1\x89\1\0" + tlv(0x8A, struct.pack("!H", values)) + tlv(0xAB, b"\x83\1\1" * values))
    return struct.pack("!HHI", 1, 8 + len(pdu), 0) + pdu


def memory_rows():
    zeros = bytes(90 * K)
    headers = b"".join(b"h%05x:%s\r\n" % (i, b"v" * 20) for i in range(1000))
    frames = 'alert %s any any -> any any (msg:"frame"; frame:%s; content:"no such thing"; sid:2;)\n'
    return {
        "http-pipelined": many(80, 400, (0, GET * (64 * K // len(GET)))),
        "http-20-requests": many(80, 20_000, (0, GET * 20)),
        "http-1-request": many(80, 100_000, (0, GET)),
        "http-answers-unrequested": many(80, 400, (0, GET), (1, OK * (64 * K // len(OK)))),
        "http-headers-unended": many(80, 1_500, (0, b"GET / HTTP/1.1\r\n" + headers)),
        "http-headers-pending": many(80, 500, (0, (b"GET / HTTP/1.1\r\n" + headers + b"\r\n") * 3)),
        "http-uri-unended": many(80, 3_000, (0, b"GET /" + b"u" * 18_000)),
        "http-uris-pending": many(80, 800, (0, (b"GET /%s HTTP/1.1\r\n\r\n" % (b"u%41" * 4_000)) * 5)),
        "http-bodies-open": many(80, 700, (0, http_post(b"Content-Length: 9999999\r\n", zeros))),
        "http-chunks-open": many(80, 700, (0, http_post(b"Transfer-Encoding: chunked\r\n", b"fffff\r\n" + zeros))),
        "http-small-files": many(80, 2_000, (0, GET * 60), (1, answer(b"Content-Length: 1\r\n", b"A") * 59)),
        "http-form-line": many(80, 4_000, (0, form(0, last=b"--xx\r\nX: " + b"y" * 8_000))),
        "http-form-parts": many(80, 1_000, (0, form(400))),
        "gzip-open": many(80, 8_000, (0, GET), (1, encoded(b"gzip", gzip_open(bytes(K * K))))),
        "gzip-layers-open": many(80, 4_000, (0, GET), (1, encoded(b"gzip, gzip, gzip, gzip", gzip_open(gzip_open(gzip_open(gzip_open(b"x"))))))),
        "gzip-undecoded": many(80, 800, (0, GET), (1, encoded(b"gzip", b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (60 * K)))),
        "deflate-open": many(80, 8_000, (0, GET), (1, encoded(b"deflate", gzip_open(b"x" * 99)[10:]))),
        "brotli-open": many(80, 4_000, (0, GET), (1, encoded(b"br", brotli(b"x" * 1_000)))),
        "brotli-window": many(80, 600, (0, GET), (1, encoded(b"br", brotli(zeros)))),
        "zstd-open": many(80, 4_000, (0, GET), (1, encoded(b"zstd", zstd(b"x" * 1_000)))),
        "zstd-window": many(80, 600, (0, GET), (1, encoded(b"zstd", zstd(zeros)))),
        "modbus-requests": many(502, 500, (0, b"".join(modbus(i) for i in range(8192)))),
        "modbus-writes": many(502, 300, (0, b"".join(modbus(i, b"\x10\0\0\0\x78\xf0" + bytes(240)) for i in range(490)))),
        "dnp3-parts": many(20000, 700, (0, DNP3_FIRST + DNP3_PART * 260)),
        "dnp3-requests": many(20000, 500, (0, DNP3_READ * 4_000)),
        "dns-tcp": many(53, 600, (0, b"".join(framed(dns(i)) for i in range(2_000)))),
        "dns-tcp-records": many(53, 300, (0, framed(dns(1))), (1, framed(dns(1, 250, 0x8180)) * 15)),
        "dns-tcp-half": many(53, 1_000, (0, framed(dns(1))), (1, framed(dns(1, 4_000, 0x8180))[:60_000])),
        "dns-udp": datagrams(53, dns, 1, 150_000),
        "mdns": datagrams(5353, lambda n: dns(n, 60, 0x8400), 40, 1_000),
        "llmnr": datagrams(5355, dns, 20, 3_000),
        "tls-message-open": many(443, 900, (0, tls_record(22, client_hello())), (1, tls_record(22, SERVER_HELLO + handshake(11, bytes(60 * K), 120 * K)))),
        "tls-certificates": many(443, 900, (0, tls_record(22, client_hello())), (1, tls_record(22, SERVER_HELLO + certificates(30, 2_000)))),
        "tls-hello-large": many(443, 2_000, (0, tls_record(22, client_hello(4_000)))),
        "ssh-banners": many(22, 40_000, (0, b"SSH-2.0-" + b"a" * 200)),
        "ssh-kexinit-open": many(22, 2_000, (0, b"SSH-2.0-a\r\n" + kexinit(30_000, 32_000))),
        "sip-tcp": many(5060, 600, (0, b"".join(sip(i) for i in range(350)))),
        "sip-tcp-body-open": many(5060, 2_000, (0, sip(1, SDP, 60_000))),
        "sip-tcp-head-open": many(5060, 1_000, (0, sip(1)[:-2] + b"X: %s\r\n" % (b"y" * 90) * 500)),
        "sip-udp": datagrams(5060, lambda n: sip(n, SDP[:1_200]), 4, 10_000),
        "dhcp": datagrams(67, dhcp, 4, 10_000),
        "ntp": datagrams(123, lambda n: b"\x23" + bytes(47), 4, 30_000),
        "ftp-commands": many(21, 1_000, (0, b"RETR " + b"a" * 200 + b"\r\n" + b"NOOP\r\n" * 3_000)),
        "ftp-replies": many(21, 1_000, (0, b"USER a\r\n"), (1, b"220-%s\r\n" % (b"x" * 90) * 600)),
        "ftp-line-open": many(21, 5_000, (0, b"USER a\r\nRETR " + b"a" * 4_000)),
        "ftp-announced": many(21, 3_000, (0, b"PORT 10,0,0,1,4,1\r\n" * 500)),
        "tftp-announced": datagrams(69, lambda n: b"\0\1" + b"%0500d" % n + b"\0octet\0" + b"blksize\0" + b"1" * 400 + b"\0", 2, 60_000),
        "websocket-messages-open": many(80, 900, *websocket((1, web_frame(0x01, bytes(60_000))))),
        "websocket-inflate-open": many(80, 4_000, *websocket((1, web_frame(0x41, gzip_open(b"x" * 99)[10:])))),
        "websocket-frames": many(80, 900, *websocket((1, web_frame(0x81, b"a" * 100) * 600))),
        "cotp-message-open": many(102, 900, (0, COTP_REQUEST + cotp(b"\2\xf0\0" + bytes(30_000)) * 2)),
        "cotp-connections": many(102, 900, (0, COTP_REQUEST * 3_000)),
        "s7comm-jobs": many(102, 900, (0, COTP_REQUEST + b"".join(s7_job(i) for i in range(3_000)))),
        "arp-stations": on_link(0x0806, arp, 1, 150_000),
        "goose-blocks": on_link(0x88B8, goose, 8, 20_000),
        "goose-one-station": (lambda capture, number: capture.link(1, 0x88B8, goose(number)), 150_000, ""),
        "frames-sip": (*many(5060, 600, (0, b"".join(sip(i) for i in range(350))))[:2], frames % ("sip", "sip.pdu")),
        "frames-tls": (*many(443, 700, (0, tls_record(22, client_hello()) + b"\x17\3\3\x40\0" + bytes(16_000)))[:2], frames % ("tls", "tls.pdu")),
        "unknown": many(9999, 3_000, (0, b"\xff" * 30_000)),
    }


# --- growth: one flow of size n

def one(service, turns, size=SIZE, gaps=0):
    def build(capture, n, copies):
        for copy in range(copies):
            flow = Flow(capture, 0x0A000001 + copy, service=service)
            for way, data in turns(n):
                flow.send(way, data, size, gaps)
            flow.end()
    return build


def one_station(message):
    def build(capture, n, copies):
        for copy in range(copies):
            for number in range(n):
                capture.link(copy, 0x88B8, message(number))
    return build


RANGE = b"HTTP/1.1 206 P\r\nContent-Range: bytes 1-1/99999\r\nContent-Length: 1\r\n\r\nA"
MODBUS_ANSWER = b"\3\2\0\1"


def growth_rows():
    def pieces(n, make):
        return b"".join(make(i) for i in range(n))
    return {
        "http-pipelined": (one(80, lambda n: [(0, GET * n)]), 20_000),
        "http-pipelined-answered": (one(80, lambda n: [(0, GET * n), (1, OK * n)]), 14_000),
        "http-in-turn": (one(80, lambda n: [(0, GET), (1, OK)] * n), 6_000),
        "http-unrequested": (one(80, lambda n: [(0, GET * 2000), (1, OK * n)]), 14_000),
        "http-unrequested-206": (one(80, lambda n: [(0, GET * 2000), (1, RANGE * n)]), 7_400),
        "http-files": (one(80, lambda n: [(0, GET * n), (1, answer(b"Content-Length: 1\r\n", b"A") * n)]), 9_000),
        "http-gaps": (one(80, lambda n: [(0, GET * n), (1, OK * n)], gaps=5), 14_000),
        "http-header-names": (one(80, lambda n: [(0, b"GET / HTTP/1.1\r\n%s\r\n" % pieces(n, lambda i: b"h%06x:v\r\n" % i))]), 450),
        "http-header-repeated": (one(80, lambda n: [(0, b"GET / HTTP/1.1\r\n%s\r\n" % (b"a:v\r\n" * n))]), 5_000),
        "http-header-nul": (one(80, lambda n: [(0, b"GET / HTTP/1.1\r\n%s\r\n" % pieces(n, lambda i: b"".join(b"b\0" if i >> k & 1 else b"b" for k in range(12)) + b":v\r\n"))]), 450),
        "http-anomalies": (one(80, lambda n: [(0, b"G\x01T  /%%41%%zz  HTTP/9.x\r\n\x01: \r\nbad\r\n\r\n" * n)]), 8_000),
        "http-line-by-octet": (one(80, lambda n: [(0, b"GET /" + b"u" * n)], size=1), 9_000),
        "http-header-by-octet": (one(80, lambda n: [(0, b"GET / HTTP/1.1\r\nA: " + b"v" * n)], size=1), 9_000),
        "http-blanks-by-octet": (one(80, lambda n: [(0, GET), (1, b" " * n)], size=1), 9_000),
        "http-nul-by-octet": (one(80, lambda n: [(0, GET), (1, b"H" + b"\0" * n)], size=1), 9_000),
        "http-chunk-blanks-by-octet": (one(80, lambda n: [(0, http_post(b"Transfer-Encoding: chunked\r\n")), (0, b" " * n)], size=1), 9_000),
        "http-chunk-extension-by-octet": (one(80, lambda n: [(0, http_post(b"Transfer-Encoding: chunked\r\n")), (0, b"1;" + b"a" * n)], size=1), 9_000),
        "http-chunks": (one(80, lambda n: [(0, http_post(b"Transfer-Encoding: chunked\r\n", b"1\r\na\r\n" * n))]), 100_000),
        "http-form-parts": (one(80, lambda n: [(0, form(n))]), 700),
        "http-form-boundaries": (one(80, lambda n: [(0, form(1, last=b"\r\n--x" * n))], size=7), 10_000),
        "http-form-line-by-octet": (one(80, lambda n: [(0, form(0, last=b"--xx\r\nX: " + b"y" * n))], size=1), 4_000),
        "http-gzip-by-octet": (one(80, lambda n: [(0, GET), (1, encoded(b"gzip", gzip_open(os.urandom(n))))], size=1), 9_000),
        "http-junk": (one(80, lambda n: [(0, GET), (1, b"HTTP/" + b"x\n" * n)]), 100_000),
        "goose-states": (one_station(lambda i: goose(1, i, 200)), 6_000),
        "goose-blocks": (one_station(lambda i: goose(i, 1, 200)), 6_000),
        "modbus": (one(502, lambda n: [(0, pieces(n, modbus))]), 20_000),
        "modbus-answered": (one(502, lambda n: [(0, pieces(n, modbus)), (1, pieces(n, lambda i: modbus(i, MODBUS_ANSWER)))]), 14_000),
        "modbus-same-id": (one(502, lambda n: [(0, modbus(7) * n), (1, modbus(7, MODBUS_ANSWER) * n)]), 14_000),
        "modbus-by-octet": (one(502, lambda n: [(0, pieces(n // 12, modbus))], size=1), 24_000),
        "modbus-junk": (one(502, lambda n: [(0, modbus(1) + b"\xff" * n)]), 300_000),
        "dnp3": (one(20000, lambda n: [(0, DNP3_READ * n)]), 12_000),
        "dnp3-parts": (one(20000, lambda n: [(0, DNP3_FIRST + DNP3_PART * n)]), 1_500),
        "dns-tcp": (one(53, lambda n: [(0, pieces(n, lambda i: framed(dns(i))))]), 9_000),
        "dns-tcp-both": (one(53, lambda n: [(0, pieces(n, lambda i: framed(dns(i)))), (1, pieces(n, lambda i: framed(dns(i, 1, 0x8180))))]), 6_000),
        "dns-tcp-by-octet": (one(53, lambda n: [(0, framed(dns(1))), (1, framed(dns(1, n // 16, 0x8180)))], size=1), 16_000),
        "dns-tcp-junk": (one(53, lambda n: [(0, framed(dns(1)) + b"\0\1" + b"\xff" * n)], gaps=0), 300_000),
        "ftp-commands": (one(21, lambda n: [(0, b"NOOP\r\n" * n), (1, b"200 ok\r\n" * n)]), 14_000),
        "ftp-in-turn": (one(21, lambda n: [(0, b"PORT 10,0,0,1,4,1\r\n"), (1, b"200 ok\r\n")] * n), 5_000),
        "ftp-reply": (one(21, lambda n: [(0, b"FEAT\r\n"), (1, b"211-Features\r\n" + b" a\r\n" * n)]), 60_000),
        "ftp-line-by-octet": (one(21, lambda n: [(0, b"RETR " + b"a" * n)], size=1), 9_000),
        "sip-tcp": (one(5060, lambda n: [(0, pieces(n, sip))]), 3_000),
        "sip-tcp-head-by-octet": (one(5060, lambda n: [(0, sip(1)[:-2] + b"X: " + b"y" * n)], size=1), 9_000),
        "sip-headers": (one(5060, lambda n: [(0, sip(1)[:-2] + b"Via: a\r\n" * n + b"\r\n")]), 3_500),
        "tls-records": (one(443, lambda n: [(0, tls_record(22, client_hello()) + tls_record(21, b"\1\0") * n)]), 50_000),
        "tls-by-octet": (one(443, lambda n: [(0, tls_record(22, handshake(11, bytes(n), 120 * K)))], size=1), 14_000),
        "ssh-lines": (one(22, lambda n: [(0, b"SSH-2.0-a\r\n"), (1, b"hello\r\n" * n)]), 100_000),
        "websocket-frames": (one(80, lambda n: websocket((1, web_frame(0x81, b"a") * n))), 40_000),
        "websocket-fragments": (one(80, lambda n: websocket((1, web_frame(0x01, b"a") + web_frame(0x00, b"a") * n))), 40_000),
        "websocket-by-octet": (one(80, lambda n: websocket((1, web_frame(0x82, bytes(60_000)) * (n // 60_000 + 1))), size=1), 14_000),
        "s7comm-jobs": (one(102, lambda n: [(0, COTP_REQUEST + pieces(n, s7_job))]), 20_000),
        "cotp-parts": (one(102, lambda n: [(0, COTP_REQUEST + cotp(b"\2\xf0\0a") * n)]), 40_000),
        "cotp-by-octet": (one(102, lambda n: [(0, COTP_REQUEST + pieces(n // 20, s7_job))], size=1), 14_000),
        "ssh-packets": (one(22, lambda n: [(0, b"SSH-2.0-a\r\n" + b"\0\0\0\x04\x02\x02\0\0" * n)]), 100_000),
    }


# --- running

def made(path, work):
    """Makes a capture in a process of its own: the peak memory of a child begins with that of its parent."""
    pid = os.fork()
    if pid == 0:
        capture = Capture(path)
        work(capture)
        capture.file.close()
        with open(path + ".json", "w") as out:
            json.dump([capture.octets, capture.payload], out)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        sys.exit("could not make " + path)
    with open(path + ".json") as text:
        return json.load(text)


def replay(opts, folder, capture, rules):
    """CPU seconds, peak MiB and exit status of a replay with one worker, and the sources of its alerts."""
    records = os.path.join(folder, "records")
    shutil.rmtree(records, ignore_errors=True)
    os.makedirs(records)
    command = [os.path.realpath(opts.bin), "replay", "--quiet", "--threads", "1", "--checksums", "off", "--log-dir", records]
    command += ["--rules", rules] if rules else ["--no-rules"]
    for pair in opts.set:
        command += ["--set", pair]
    with open(os.path.join(folder, "errors"), "wb") as errors:
        pid = os.posix_spawn(command[0], command + [capture], os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 1), (os.POSIX_SPAWN_DUP2, errors.fileno(), 2)])
        _, status, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status), records


def look(records):
    """Sources of alerts, and what was let go."""
    seen, gone = set(), []
    with subprocess.Popen(["zstd", "-dcq", os.path.join(records, "eve.json.zst")], stdout=subprocess.PIPE) as source:
        for line in source.stdout:
            if b'"event_type":"alert"' in line:
                seen.add(json.loads(line)["src_ip"])
            elif b'"event_type":"stats"' in line:
                stats = json.loads(line)["stats"]
                own = stats.get("tapwire", {})
                gone = [own.get("app_layer", {}).get("evicted"), own.get("flow", {}).get("evicted_established"), stats.get("memcap", {}).get("pressure_max")]
    return seen, gone


def memory(opts, folder, name, row):
    fill, count, more = row
    count = max(1, int(count * opts.scale * (0.4 if opts.quick else 1)))
    path, rules = os.path.join(folder, "capture.pcap"), os.path.join(folder, "own.rules")
    with open(rules, "w") as out:
        out.write(RULES + more)

    def work(capture):
        canaries = 0
        for number in range(count):
            fill(capture, number)
            while canaries < CANARIES * (number + 1) // count:
                capture.canary(canaries)
                canaries += 1
    octets, _ = made(path, work)
    cpu_s, mib, status, records = replay(opts, folder, path, rules)
    seen, gone = look(records) if status == 0 else (set(), [])
    percent = 100 * len([one for one in seen if one.startswith("172.16.")]) / CANARIES
    figure = "%.0f MiB, %.0f %% of canaries (%d flows, %.0f MB, %.1f s; let go, evicted, pressure: %s)" % (mib, percent, count, octets / 1e6, cpu_s, gone)
    return figure, status == 0 and mib <= MEMORY_MIB and percent >= CANARIES_PERCENT


def growth(opts, folder, name, row):
    build, n = row
    path, copies = os.path.join(folder, "capture.pcap"), 1
    made(path, lambda capture: None)
    base = replay(opts, folder, path, None)[0]

    def cost(n, copies):
        payload = made(path, lambda capture: build(capture, n, copies))[1]
        return max(replay(opts, folder, path, None)[0] - base, 0.001), payload
    small, payload = cost(n, copies)
    while small < TELLING_S / (2 if opts.quick else 1) and copies < 4_000 and payload < PAYLOAD:
        copies = min(4_000, copies * max(2, min(20, int(1.5 * TELLING_S / small), PAYLOAD // payload)))
        small, payload = cost(n, copies)
    small, large = doubling(lambda times: cost(times * n, copies)[0], small)
    figure = "x%.2f, %.2f to %.2f s (n %d, %d copies, %.1f MB, %.0f ns/byte)" % (large / small, small, large, n, copies, payload / 1e6, small * 1e9 / payload)
    return figure, large / small <= DOUBLING


def doubling(cost, small=None):
    """The least costs of an input and of one twice as long: both are measured again before they count as more than double, for other work on the machine looks the same."""
    small, large = small or cost(1), cost(2)
    for _ in range(3):
        if large / small <= DOUBLING:
            break
        small, large = min(small, cost(1)), min(large, cost(2))
    return small, large


GROUPS = {"memory": (memory, memory_rows), "growth": (growth, growth_rows)}


def rows(opts, folder):
    """Names of rows with a function each that gives its figure and whether it is within its limit."""
    for group, (work, table) in GROUPS.items():
        for name, row in table().items():
            yield group + "." + name, lambda work=work, name=name, row=row: work(opts, folder, name, row)


def main(about, rows):
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the tapwire program")
    parser.add_argument("--only", help="beginnings of the names of rows, with commas between them")
    parser.add_argument("--quick", action="store_true", help="smaller floods, and shorter costs")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of each flood")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting for the sensor")
    parser.add_argument("--strict", action="store_true", help="a limit that is passed is a failure")
    opts = parser.parse_args()
    folder, failed = tempfile.mkdtemp(prefix="state-"), 0
    try:
        for name, work in rows(opts, folder):
            if opts.only and not any(name.startswith(word) for word in opts.only.split(",")):
                continue
            figure, ok = work()
            failed += not ok
            print("%-38s | %-110s | %s" % (name, figure, "ok" if ok else "FAIL"), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%d FAIL" % failed)
    sys.exit(1 if failed and opts.strict else 0)


if __name__ == "__main__":
    main(__doc__, rows)
