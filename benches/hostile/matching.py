#!/usr/bin/env python3
"""What bytes that are made for a rule can make it cost.

  benches/hostile/matching.py --bin target/release/tapwire [--only matching.regex] [--quick] [--strict]

Each row is a rule and a filler: connections with so many bytes of it, and with twice as many. Limits: at most 30 times the CPU of harmless text
of the same length under the same rule, and at most 2.5 times the CPU for twice the bytes. A rule that would cost more runs out of
fuel, which a record names; `genuine` rows hold that what the rule is for is found all the same, behind as many harmless bytes.
"""
import os, random, sys

sys.dont_write_bytecode = True
import state  # noqa: E402

TIMES_NORMAL, TELLING_S, LEAST_NS, LENGTH = 30, 0.25, 6.0, 3_500
WORDS = b"the of and to in is that it was for on are with as his they be at one have this from or had by hot but some what there".split()

# Name: what the rule asks for, what is repeated.
ROWS = {
    "content-chain": ('content:"a"; content:"a"; distance:0; content:"a"; distance:0; content:"b"; distance:0; within:1;', b"a"),
    "content-window": ('content:"ab"; content:"b"; distance:0; within:200; content:"c"; distance:0; within:2;', b"ab"),
    "content-not": ('content:"a"; content:!"b"; distance:0; content:"c"; distance:0; within:1;', b"a"),
    "content-nocase": ('content:"%sB"; nocase;' % ("a" * 60), b"aA"),
    "extract": ('content:"a"; byte_extract:1,0,x,relative; content:"b"; distance:0; within:x; content:"c"; distance:0; within:1;', b"abz"),
    "jump": ('content:"a"; byte_jump:1,0,relative; content:"b"; distance:0; within:1;', b"a1"),
    "base64": ('content:"a"; base64_decode:relative; base64_data; content:"x"; content:"y"; distance:0;', b"a"),
    "regex-counted": ('pcre:"/a{1,1000}b/";', b"a"),
    "regex-counted-class": ('pcre:"/[^x]{1000}y/";', b"az"),
    "regex-nested": ('pcre:"/(a{1,100}){1,100}b/";', b"a"),
    "regex-gap": ('pcre:"/a.{40}a.{40}b/";', b"aab"),
    "regex-relative": ('content:"a"; pcre:"/a+b/R";', b"a"),
    "regex-relative-held": ('content:"a"; pcre:"/^[^b]*bc/R";', b"a"),
    "regex-relative-begin": ('content:"/goform/"; pcre:"/^form(RebootCheck|Wsc)$/R";', b"/goform/"),
    "regex-relative-not": ('content:"a"; pcre:!"/(a+)+$/R";', b"a"),
    "regex-retried": ('content:"a"; pcre:"/[a-z]+/R"; content:"!"; distance:0; within:1;', b"a"),
    "regex-ahead": ('pcre:"/(?=[a-z]*1)[a-z0-9]{8}\\.x/";', b"abcdefgh1"),
    "regex-back": (r'pcre:"/([a-z]+)=\1\x3b/";', b"ab=ac;"),
    "regex-possessive": ('pcre:"/(?:a++b?)+\\.(c)\\1/";', b"aab"),
    "regex-literal": ('content:"x"; pcre:"/A{1000}/R";', b"x" + b"A" * 999),
}
# What a rule is for, behind harmless bytes.
GENUINE = {
    "regex-literal": b"x" + b"A" * 1000,
    "regex-counted-class": b"a" * 1000 + b"y",
    "regex-relative": b"aab",
    "regex-back": b"key=key;",
    "content-window": b"ab" + b"." * 150 + b"b.c",
}


def text(length):
    rng, out = random.Random(1), []
    while sum(map(len, out)) < length:
        out += rng.sample(WORDS, 20)
    return b" ".join(out)[:length]


def matching(opts, folder, name, row):
    conditions, filler = row
    path, rules = os.path.join(folder, "capture.pcap"), os.path.join(folder, "own.rules")
    with open(rules, "w") as out:
        out.write('alert tcp any any -> any any (msg:"x"; %s sid:1;)\n' % conditions)

    def run(data, copies):
        def build(capture):
            for number in range(copies):
                flow = state.Flow(capture, 0x0A000000 + number, service=9999)
                flow.send(0, data)
                flow.end()
        state.made(path, build)
        return [state.replay(opts, folder, path, rules) for _ in range(1 if opts.quick else 3)]

    def cpu(data, copies):
        return max(min(cpu_s for cpu_s, *_ in run(data, copies)) - empty_s, 0.0)

    empty_s = 0.0
    empty_s, copies = cpu(b"", 0), 400
    hostile, harmless = (filler * LENGTH)[:LENGTH], text(LENGTH)
    small = cpu(hostile, copies)
    while small < TELLING_S and copies < 6_400:
        copies *= 4
        small = cpu(hostile, copies)
    ns, normal_ns = (seconds * 1e9 / (copies * LENGTH) for seconds in (small, cpu(harmless, copies)))
    limit_ns = TIMES_NORMAL * max(normal_ns, LEAST_NS)
    for _ in range(3):
        if ns > limit_ns:
            # Other work on the machine looks like this too.
            small = min(small, cpu(hostile, copies))
            ns = small * 1e9 / (copies * LENGTH)
    figure, ok = "%.0f ns a byte, harmless %.0f" % (ns, normal_ns), ns <= limit_ns
    if small >= TELLING_S:
        small, large = state.doubling(lambda times: cpu((filler * times * LENGTH)[:times * LENGTH], copies), small)
        figure, ok = figure + "; x%.2f for twice the bytes" % (large / small), ok and large / small <= state.DOUBLING
    if name in GENUINE:
        *_, records = run(harmless.replace(b"b", b"d") + b"\n" + GENUINE[name], 1)[-1]
        seen = state.look(records)[0]
        figure, ok = figure + ("; genuine: alert" if seen else "; genuine: NO ALERT"), ok and bool(seen)
    return figure, ok


def rows(opts, folder):
    """Names of rows with a function each that gives its figure and whether it is within its limit."""
    for name, row in ROWS.items():
        yield "matching." + name, lambda name=name, row=row: matching(opts, folder, name, row)


if __name__ == "__main__":
    state.main(__doc__, rows)
