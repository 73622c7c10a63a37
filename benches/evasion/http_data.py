"""A1 to A7: requests and answers that servers take and that are not as one expects them."""
import base64, gzip, zlib

from case import ALERT, EITHER, case
from talk import Talk

HOST = b"Host: victim.example\r\n"
END = b" HTTP/1.1\r\n" + HOST + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TEXT = b"<html><body>" + b"some words before it " * 20 + b"EVIL-MARKER" + b" and some behind it" * 20 + b"</body></html>"
# The same kind of text, packed by zstd 1.5 at level 19: the marker stands in no literal.
ZSTD = base64.b64decode(b"KLUv/QBoXQQAAgkdGWB3Dg9GYhoK26JbdH9l19dBw2jqSYIg4AHEpK4c3vAuLAayFEqQHI1xgTaM4Ll5RQu71rbqnLOGIoUH2LI85Xvbar/6c8Jf+Ii2vJWeZ0vtUY3nOjjP8t5yVn9VFCZ9q9CpVq3z6WnMOkuG4GJ1HjGpK18GACgr4AyJ0ZZjQBfOPGUc6ladAQ==")


def exchange(requests, answer=OK, port=80, pieces=None):
    """A player: all requests at once (or in these pieces, each with its acknowledgement), then all answers."""
    def play(host):
        host.answer = answer
        talk = Talk(host, port=port).connect()
        for piece in pieces or [requests]:
            talk.say(piece)
        talk.finish()
    return play


def add(name, variant, request, keys=("uri",), expected=ALERT, events=("http.*",), **how):
    case(name, variant, truth="s", taken=True, expected=expected, events=events, keys=keys)(exchange(request, **how))


def get(path=b"/EVIL-MARKER"):
    return b"GET " + path + END


def post(headers, body, path=b"/form"):
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body


def chunked(data, size, before=b"", extension=b""):
    parts = [data[n:n + size] for n in range(0, len(data), size)]
    return b"".join(before + b"%x" % len(p) + extension + b"\r\n" + p + b"\r\n" for p in parts) + b"0\r\n\r\n"


add("A1", "percent-encoded", get(b"/%45%56%49%4c%2DMARKER"))
add("A1", "lines end with LF", get().replace(b"\r\n", b"\n"))
add("A1", "CRLF before the request", b"\r\n\r\n" + get())
add("A1", "absolute URI", get(b"http://victim.example/EVIL-MARKER"))
add("A1", "dot segments", get(b"/EVIL-DIR/./x/../MARKER"), keys=("path",))
add("A1", "percent-encoded dot segments", get(b"/EVIL-DIR/%2e/x/%2e%2e/MARKER"), keys=("path",))
add("A1", "many slashes", get(b"/EVIL-DIR////MARKER"), keys=("path",))

BODY = b"field=EVIL-MARKER&other=1"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BOTH = ("body", "uri")
add("A2", "chunk extensions", post(CHUNKED, chunked(BODY, 7, extension=b";a=b;c=\"d\"")), keys=("body",))
add("A2", "zeros before the chunk length", post(CHUNKED, chunked(BODY, 7, before=b"00000000")), keys=("body",))
add("A2", "1-byte chunks", post(CHUNKED, chunked(BODY, 1)), keys=("body",))
add("A2", "folded Transfer-Encoding", post(b"Transfer-Encoding:\r\n chunked\r\n", chunked(BODY, 7)), keys=("body",))
add("A2", "Transfer-Encoding in odd case", post(b"tRANSFER-eNCODING: cHuNkEd\r\n", chunked(BODY, 7)), keys=("body",))
add("A2", "Transfer-Encoding and Content-Length", post(CHUNKED + b"Content-Length: 4\r\n", chunked(BODY, 7)), keys=("body",))
add("A2", "request behind a chunked one", post(CHUNKED, chunked(b"nothing here", 5)) + get())
add("A2", "CL.TE smuggling", post(b"Content-Length: %d\r\n" % (5 + len(get())) + CHUNKED, b"0\r\n\r\n" + get()), answer=OK * 2)
add("A2", "TE.CL, the request is a chunk", post(CHUNKED + b"Content-Length: 4\r\n", chunked(get(), 500)), keys=("body",))

LIMIT = ("http.*", "*limit*", "*resync*", "*too_many*")
add("A3", "600 requests, the last is evil", get(b"/kind") * 599 + get(), expected=EITHER, events=LIMIT, answer=OK * 600)
add("A3", "3,000 requests, the last is evil", get(b"/kind") * 2999 + get(), expected=EITHER, events=LIMIT, answer=OK * 3000)
MANY = b"GET /kind HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: 1\r\n" % n for n in range(1100)) + b"\r\n"
add("A4", "1,100 headers, the next request is evil", MANY + get(), expected=ALERT + " + event", events=("http.request_too_many_headers",), answer=OK * 2)
add("A4", "1,100 headers, one of the last is evil", MANY[:-2] + b"X-Last: EVIL-MARKER\r\n\r\n", keys=("header",), expected=EITHER,
    events=("http.request_too_many_headers",))


def response(headers, body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def zipped(data):
    return gzip.compress(data, mtime=0)


def deflated(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def reply(name, variant, headers, body, **how):
    add(name, variant, get(b"/page"), keys=("file",), answer=response(headers, body), **how)


reply("A5", "gzip 3 times", b"Content-Encoding: gzip, gzip, gzip\r\n", zipped(zipped(zipped(TEXT))))
reply("A5", "gzip, 2 members", b"Content-Encoding: gzip\r\n", zipped(TEXT[:300]) + zipped(TEXT[300:]))
reply("A5", "zstd", b"Content-Encoding: zstd\r\n", ZSTD)
add("A6", "2 MB into the answer", get(b"/page"), keys=("client", "file"), expected=EITHER, events=("*depth*", "*limit*"),
    answer=response(b"", b"x" * 2_000_000 + b"EVIL-MARKER" + b"y" * 1000))
reply("A7", "deflate without its header", b"Content-Encoding: deflate\r\n", deflated(TEXT))
reply("A7", "x-gzip", b"Content-Encoding: x-gzip\r\n", zipped(TEXT))
add("A7", "request body in gzip", post(b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(zipped(BODY)), zipped(BODY)), keys=("body",))
PART = b"--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nEVIL-MARKER\r\n--cut--\r\n"
add("A7", "multipart", post(b"Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: %d\r\n" % len(PART), PART), keys=("body",))
add("A7", "unknown port", get(), port=2080)
add("A7", "odd method", b"FROBNICATE /EVIL-MARKER" + END)


@case("A7", "100-continue", truth="s", taken=True, keys=("body",), events=("http.*",))
def go_on(host):
    head = post(b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(BODY), b"")
    talk = Talk(host).connect()
    talk.say(head)
    host.answer = b"HTTP/1.1 100 Continue\r\n\r\n"
    host.respond()
    if talk.wait():
        talk.send(flags=0x10)
    talk.say(BODY)
    host.answer = OK
    for connection in host.connections:
        connection.answered = False
    talk.finish()
