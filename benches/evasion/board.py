#!/usr/bin/env python3
"""The evasion board: what tapwire says where an attacker shows it something else than the attacked host sees.

  benches/evasion/board.py --bin target/release/tapwire [--only T6,S2] [--json FILE] [--keep DIR] [--min 100] [--strict]
  benches/evasion/board.py --make                     plays the cases again and rewrites the stored captures (root)

Each case is a capture around a marker that rules match. Its truth is what a real server read: as root, the cases are played
against this machine's kernel over a veth pair at each run; otherwise, or with --stored, the captures that are kept beside
this file are replayed with the truth of the run that made them.

A case agrees if the sensor did what is expected of it. A *silent miss*: the host took the marker, there is no alert, and no
event that names the trick. Exit status 1: agreement below --min, or a silent miss with --strict; 2: usage.
"""
import argparse, collections, concurrent.futures, json, os, shutil, sys, tempfile

import catalogue, store
from sensor import Sensor

WORDS = {"k": "kernel", "o": "openssl", "s": "standard"}


def chosen(only):
    """The cases whose name (T6) or whole title (T6 phantom longer) is among the words."""
    if not only:
        return list(catalogue.CASES)
    words = [w.strip().lower() for w in only.split(",")]
    return [c for c in catalogue.CASES if c.name.lower() in words or c.id.lower() in words]


def say(text):
    """Progress on a terminal, nothing elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K" + text)
        sys.stderr.flush()


def measure(sensor, each, folder, truth):
    """One row: what the case is, what happened."""
    alerts, events = sensor.replay(os.path.join(folder, each.file))
    taken = truth[each.id]["taken"]
    return {
        "case": each.name, "variant": each.variant, "truth": "taken" if taken else "not taken", "word": WORDS[each.truth],
        "expected": each.expected, "alerts": sorted(alerts), "events": sorted(events), "naming": sorted(each.named(events)),
        "agrees": each.agrees(taken, alerts, events), "silent_miss": each.silent_miss(taken, alerts, events),
    }


def show(rows, everything):
    """The board."""
    print("%-6s %-46s %-9s %-22s %-7s %s" % ("case", "variant", "host", "expected", "", "sensor"))
    for row in rows:
        did = ["alert (%s)" % " ".join(row["alerts"])] if row["alerts"] else ["no alert"]
        did += row["events"] if everything or not row["agrees"] else row["naming"]
        mark = "SILENT" if row["silent_miss"] else "" if row["agrees"] else "differs"
        print("%-6s %-46s %-9s %-22s %-7s %s" % (row["case"], row["variant"][:46], row["truth"], row["expected"], mark, ", ".join(did)))


def summary(rows):
    """Agreement in percent and how many misses are silent."""
    agreeing, silent = sum(r["agrees"] for r in rows), sum(r["silent_miss"] for r in rows)
    percent = 100 * agreeing / len(rows)
    groups = collections.Counter(r["case"][0] for r in rows)
    good = collections.Counter(r["case"][0] for r in rows if r["agrees"])
    print("\nby kind: " + "  ".join("%s %d/%d" % (kind, good[kind], total) for kind, total in sorted(groups.items())))
    print("evasion: %d of %d variants agree, %.1f %%; %d silent misses" % (agreeing, len(rows), percent, silent))
    return percent, silent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", help="the tapwire program")
    parser.add_argument("--only", help="names of cases, with commas between them")
    parser.add_argument("--stored", metavar="DIR|TAR", nargs="?", const=store.ARCHIVE, help="replay captures made before")
    parser.add_argument("--make", action="store_true", help="play all cases and rewrite the stored captures")
    parser.add_argument("--json", metavar="FILE", help="write the rows")
    parser.add_argument("--keep", metavar="DIR", help="leave captures, rules and records there")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting for the sensor")
    parser.add_argument("--all-events", action="store_true", help="show every event, not only those that name the trick")
    parser.add_argument("--differing", action="store_true", help="show only rows that differ")
    parser.add_argument("--min", type=float, default=0, help="lowest agreement in percent")
    parser.add_argument("--strict", action="store_true", help="a silent miss is a failure")
    opts = parser.parse_args()
    if not (opts.bin or opts.make):
        parser.error("name the program with --bin")
    cases = chosen(opts.only)
    if not cases:
        parser.error("no such case")
    folder = opts.keep or tempfile.mkdtemp(prefix="evasion-")
    os.makedirs(folder, exist_ok=True)
    captures = os.path.join(folder, "captures")
    os.makedirs(captures, exist_ok=True)
    try:
        if opts.make:
            store.make(catalogue.CASES, captures, say)
            store.pack(captures, catalogue.CASES, store.ARCHIVE)
            print("%s: %d captures, %d KiB" % (store.ARCHIVE, len(catalogue.CASES), os.path.getsize(store.ARCHIVE) // 1024))
            return 0
        if opts.stored or os.geteuid() != 0:
            captures, truth = store.load(opts.stored or store.ARCHIVE, captures)
            cases = [c for c in cases if c.id in truth]
        else:
            truth = store.make(cases, captures, say)
        sensor = Sensor(opts.bin, folder, opts.set)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            rows = list(pool.map(lambda each: measure(sensor, each, captures, truth), cases))
        show([r for r in rows if not (opts.differing and r["agrees"])], opts.all_events)
        percent, silent = summary(rows)
        if opts.json:
            with open(opts.json, "w") as out:
                json.dump({"agreement_percent": percent, "silent_misses": silent, "rows": rows}, out, indent=1)
        return 1 if percent < opts.min or (opts.strict and silent) else 0
    finally:
        if not opts.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
