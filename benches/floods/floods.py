#!/usr/bin/env python3
"""Floods: what tapwire needs and what it still sees while someone tries to drown it.

  benches/floods/floods.py --bin target/release/tapwire [--only syn,holes] [--scale 0.1] [--strict]

A million SYNs, a million one-packet UDP flows, half a million first fragments (and once more with canaries that come in fragments
themselves), 60,000 flows with a hole; completed handshakes at two rates, with an octet of data, with a request, from one source and from one network, and
datagrams with answers; each with 1,000 real attacks (canaries) mixed in evenly. Limits: peak memory 256 MiB, 99 % of the canaries, and for floods of one packet a flow records, before they are
compressed, of 0.2 times the octets of the packets. Exit status 1 with --strict if a limit is passed.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time

import traffic

MEMORY_MIB, CANARIES_PERCENT, RECORDS_RATIO = 256, 99.0, 0.2
RULE = 'alert http any any -> any any (msg:"canary"; flow:established,to_server; http.uri; content:"/EVIL-CANARY-"; startswith; sid:1;)\n'


def generate(name, path, opts):
    """Makes a capture in a process of its own: the peak memory of a child begins with that of its parent."""
    note = path + ".json"
    wanted = {"scale": opts.scale, "seed": opts.seed, "rate": opts.rate, "canaries": opts.canaries}
    if os.path.exists(path) and os.path.exists(note):
        with open(note) as text:
            made = json.load(text)
        if made["arguments"] == wanted:
            return made["packets"], made["octets"], 0.0
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        packets, octets = traffic.make(name, path, **wanted)
        with open(note, "w") as out:
            json.dump({"arguments": wanted, "packets": packets, "octets": octets}, out)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        sys.exit("could not make " + path)
    with open(note) as text:
        made = json.load(text)
    return made["packets"], made["octets"], time.monotonic() - start


def replay(command):
    """Wall and CPU seconds, peak MiB and exit status."""
    start = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def look(folder):
    """Canaries seen, octets of all records by event type, and the last counters."""
    seen, octets, counters = set(), {}, {}
    packed = os.path.join(folder, "eve.json.zst")
    command = ["zstd", "-dcq", packed] if os.path.exists(packed) else ["cat", os.path.join(folder, "eve.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as source:
        for line in source.stdout:
            mark = line.find(b'"event_type":"')
            kind = line[mark + 14:line.index(b'"', mark + 14)].decode()
            octets[kind] = octets.get(kind, 0) + len(line)
            if kind == "alert":
                seen.add(json.loads(line)["src_ip"])
            elif kind == "stats":
                counters = json.loads(line)["stats"]
    return seen, octets, counters


def telling(counters, path=""):
    """Counters that say what was given up: evicted, dropped, shed, limits that were hit."""
    for name, value in counters.items():
        where = path + "." + name if path else name
        if isinstance(value, dict):
            yield from telling(value, where)
        elif value and any(word in where for word in ("evict", "drop", "shed", "memcap", "limit", "reuse", "pressure", "gap", "pruned", "aggregat")):
            yield where.removeprefix("tapwire."), value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the tapwire program")
    parser.add_argument("--only", help="names of floods, with commas between them: " + ", ".join(traffic.FLOODS))
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the flood; the canaries stay")
    parser.add_argument("--rate", type=int, default=100_000, help="packets a second in the capture's time")
    parser.add_argument("--canaries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="workers; as many as cores by default")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting for the sensor")
    parser.add_argument("--keep", metavar="DIR", help="keep the captures there and use them again; records too")
    parser.add_argument("--json", metavar="FILE", help="write the rows")
    parser.add_argument("--strict", action="store_true", help="a limit that is passed is a failure")
    opts = parser.parse_args()
    names = opts.only.split(",") if opts.only else list(traffic.FLOODS)
    if any(name not in traffic.FLOODS for name in names):
        parser.error("floods are " + ", ".join(traffic.FLOODS))
    folder = opts.keep or tempfile.mkdtemp(prefix="floods-")
    os.makedirs(folder, exist_ok=True)
    rules = os.path.join(folder, "canary.rules")
    with open(rules, "w") as out:
        out.write(RULE)
    rows = []
    print("%-10s %9s %8s %7s %7s %6s %6s %8s %10s %8s  %s" % (
        "flood", "packets", "raw MB", "make s", "wall s", "CPU s", "MiB", "canaries", "records MB", "of raw", ""))
    try:
        for name in names:
            capture, records = os.path.join(folder, name + ".pcap"), os.path.join(folder, name + ".out")
            shutil.rmtree(records, ignore_errors=True)
            os.makedirs(records)
            packets, octets, made_s = generate(name, capture, opts)
            command = [os.path.realpath(opts.bin), "replay", "--quiet", "--checksums", "on", "--rules", rules, "--log-dir", records]
            command += ["--threads", str(opts.threads)] if opts.threads else []
            for pair in opts.set:
                command += ["--set", pair]
            wall, cpu, peak, status = replay(command + [capture])
            if status:
                sys.exit("the sensor ended with status %d on %s" % (status, name))
            seen, kinds, counters = look(records)
            percent, ratio = 100 * len(seen) / max(opts.canaries, 1), sum(kinds.values()) / octets
            passed = [word for word, wrong in (("memory", peak > MEMORY_MIB), ("canaries", percent < CANARIES_PERCENT),
                                               ("records", ratio > RECORDS_RATIO and name not in traffic.TALK)) if wrong]
            given_up = dict(telling(counters))
            rows.append({"flood": name, "packets": packets, "octets": octets, "wall_s": wall, "cpu_s": cpu, "peak_mib": peak,
                         "canaries_percent": percent, "records_octets": kinds, "records_ratio": ratio, "passed": passed, "counters": given_up})
            print("%-10s %9d %8.0f %7.1f %7.2f %6.2f %6.0f %7.1f%% %10.1f %8.3f  %s" % (
                name, packets, octets / 1e6, made_s, wall, cpu, peak, percent, sum(kinds.values()) / 1e6, ratio,
                "past limit: " + ", ".join(passed) if passed else "within limits"), flush=True)
            print("           " + "  ".join("%s %d" % pair for pair in given_up.items()), flush=True)
            if not opts.keep:
                os.unlink(capture)
                shutil.rmtree(records)
        print("limits: %d MiB, %.0f %% of the canaries, records %.1f of raw where nobody answers" % (MEMORY_MIB, CANARIES_PERCENT, RECORDS_RATIO))
        if opts.json:
            with open(opts.json, "w") as out:
                json.dump(rows, out, indent=1)
        return 1 if opts.strict and any(row["passed"] for row in rows) else 0
    finally:
        if not opts.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
