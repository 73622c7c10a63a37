#!/usr/bin/env python3
"""A large set of rules: how fast it starts, and a hundred reloads under load, ten of them of a broken set.

    benches/live/reloads.py --bin target/release/tapwire --rules FOLDER             as root; some minutes
    benches/live/reloads.py --bin target/release/tapwire --rules FOLDER --reloads 10

What must hold: started in 2 s; no packet lost; a reload takes at most 5 s; a broken set leaves the old one and is answered with its lines;
the most memory is at most 1.5 times what there was before the first, and that after the last at most 2 % above the third.
"""
import argparse, json, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

from bed import *
from control import Socket

START_S, RELOAD_S, PEAK, GROWN = 2.0, 5.0, 1.5, 1.02


def check(what, found, expected=True):
    print("  %-88s %s" % (what, "yes" if found == expected else "NO: %r" % (found,)), flush=True)
    return found == expected


class Load:
    """Traffic that goes on until it is told to stop."""

    def __init__(self, capture, megabits):
        self.sent, self.stopped = 0, False
        self.thread = threading.Thread(target=self.run, args=(capture, megabits), daemon=True)
        self.thread.start()

    def run(self, capture, megabits):
        while not self.stopped:
            self.sent += replay(capture, "--mbps=%d" % megabits)

    def stop(self):
        self.stopped = True
        self.thread.join()
        return self.sent


def memory(pid, field):
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"%s:\s+(\d+) kB" % field, text).group(1)) / 1024


def changed(folder, number):
    """A file of the set is another one: a rule is changed, one comes, one goes."""
    own = folder / "zz-own.rules"
    own.write_text("".join('alert udp any any -> any %d (msg:"own %d of %d"; content:"own%d"; sid:%d;)\n' % (9_000 + n, n, number, number, 9_000_000 + n + number % 7) for n in range(50)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rules", required=True)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--mbps", type=int, default=100)
    options = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("tcpreplay"):
        print("left out: network namespaces need root, the load tcpreplay")
        return 0
    binary, ok = os.path.abspath(options.bin), []
    with tempfile.TemporaryDirectory(prefix="tapwire-reloads-") as folder, Network():
        folder = pathlib.Path(folder)
        rules, data, out = folder / "rules", folder / "data", folder / "out"
        shutil.copytree(options.rules, rules)
        data.mkdir()
        capture = folder / "load.pcap"
        write_capture(capture, exchange_frames(2_000))
        starts = []
        for turn in range(4):
            began = time.monotonic()
            sensor = Sensor(binary, out, "--data-dir", str(data), "--threads", "2", rules=rules, wait=False)
            sensor.said("watching lv1")
            starts.append(time.monotonic() - began)
            if turn < 3:
                sensor.end()
        print("  starts: %s s, the first without a cache; %s" % (" ".join("%.2f" % s for s in starts), sensor.said("in use")[:60]))
        ok.append(check("it is started within %.0f s" % START_S, min(starts[1:]) <= START_S))
        talk, pid = Socket(out / "tapwire.socket"), sensor.process.pid
        load = Load(capture, options.mbps)
        time.sleep(3)
        before, third, times, refused, course = memory(pid, "VmRSS"), 0, [], [], []
        for number in range(1, options.reloads + 1):
            broken = number % 10 == 0
            changed(rules, number)
            if broken:
                away = folder / "away"
                rules.rename(away)
                rules.mkdir()
                (rules / "broken.rules").write_text("alert tcp any any -> any any (contnt:\"x\"; sid:1;)\n")
            began = time.monotonic()
            answer = talk.ask("reload")
            times.append(time.monotonic() - began)
            if broken:
                refused.append((answer["return"], "broken.rules:1:" in str(answer["message"])))
                shutil.rmtree(rules)
                away.rename(rules)
            elif answer["return"] != "OK":
                raise SystemExit("a good set is refused: %r" % answer)
            if number % 10 == 3:
                # What old rules had is given back when nobody has them any more.
                time.sleep(1)
                course.append("%d" % memory(pid, "VmRSS"))
            if number == 3:
                third = memory(pid, "VmRSS")
        time.sleep(2)
        last, peak = memory(pid, "VmRSS"), memory(pid, "VmHWM")
        sent = load.stop()
        time.sleep(0.5)
        stats = talk.ask("stats")["message"]["counters"]
        lost = {name: n for name, n in stats.items() if name.startswith("tapwire.packets.dropped.") and n}
        print("  %d reloads: %.2f s at most, %.2f s on average; memory %.0f MiB before, %.0f after the third, %.0f at the end, %.0f at most" % (
            len(times), max(times), sum(times) / len(times), before, third, last, peak))
        print("  memory in MiB after the 3rd, 13th and so on: " + " ".join(course))
        print("  %d packets sent, %d seen; rules: %d reloads, %d refused" % (sent, stats["tapwire.packets.seen"], stats["tapwire.rules.reloads"], stats["tapwire.rules.reloads_refused"]))
        ok.append(check("no packet is lost", (lost, stats["tapwire.packets.seen"] >= sent), ({}, True)))
        ok.append(check("each takes at most %.0f s" % RELOAD_S, max(times) <= RELOAD_S))
        ok.append(check("%d broken sets are refused with their lines" % len(refused), set(refused), {("NOK", True)}))
        ok.append(check("memory is at most %.1f times that before" % PEAK, peak <= before * PEAK))
        ok.append(check("and does not grow behind the third", last <= third * GROWN))
        ok.append(check("it ends cleanly", sensor.end(), 0))
    return 0 if all(ok) else 1


if __name__ == "__main__":
    sys.exit(main())
