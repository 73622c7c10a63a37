#!/usr/bin/env python3
"""Soak: a capture in a loop for half an hour beside alerts that are counted; memory stays flat, books add up, alerts are in time.

    benches/live/soak.py --bin target/release/tapwire                      a quarter of a minute, as CI runs it
    benches/live/soak.py --bin target/release/tapwire --minutes 30         as long as it takes
    benches/live/soak.py --bin target/release/tapwire --capture mix.pcap --rules FOLDER
    benches/live/soak.py --bin target/release/tapwire --only clock         steps of the clock

Needs root, iproute2, tcpreplay and zstd; without them it says so and is left out."""
import argparse, os, pathlib, socket, struct, subprocess, sys, threading, time

from bed import ADDRESS, CLIENT, SERVER, Datagrams, Sensor, alert_ports, each_of, exchange_frames, held, is_lacking, namespace, of_type, records, replay, write_capture

HALF_LOAD_MBPS = 100
LATENCY_MS = 100
# Memory of the last quarter against that of the second, in a long run; a short one has hardly begun.
GROWTH, GROWTH_SHORT = 1.05, 1.5


def check(what, found, expected=True):
    print("  %-88s %s" % (what, "yes" if found == expected else "NO: %r" % (found,)), flush=True)
    return found == expected


def resident_kib(process):
    """Memory of the sensor, which is what `ip netns exec` became."""
    for line in pathlib.Path("/proc/%d/status" % process.pid).read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def on_the_wire():
    """Packets that the interface of the sensor counted, both ways: answers of its host are seen as well."""
    with namespace(SERVER):
        for line in pathlib.Path("/proc/thread-self/net/dev").read_text().splitlines():
            if line.strip().startswith("lv1:"):
                counts = line.split(":")[1].split()
                return int(counts[1]) + int(counts[9])
    raise SystemExit("there is no lv1")


def is_busy():
    """Whether others keep the machine busy: then nothing can be said of time."""
    return os.getloadavg()[0] > 2 * os.cpu_count()


def soak(options, folder):
    """A load in a loop, and alerts beside it."""
    capture = options.capture
    if capture is None:
        capture = folder / "load.pcap"
        write_capture(capture, exchange_frames(1_000))
    seconds = max(15, int(options.minutes * 60))
    rules = None
    if options.rules:
        rules = folder / "soak.rules"
        ours = 'alert udp any any -> any 7001 (msg:"an alert"; content:"alert"; sid:1;)\n'
        texts = sorted(pathlib.Path(options.rules).glob("*.rules"))
        rules.write_bytes(ours.encode() + b"\n".join(text.read_bytes() for text in texts))
    before, samples, done = on_the_wire(), [], threading.Event()
    sensor = Sensor(options.bin, folder / "out", "--set", "stats.interval=1", "--set", "flow-timeouts.udp.new=2", "--set", "flow-timeouts.tcp.closed=2",
                    "--set", "tapwire.record-summary.enabled=no", rules=rules)
    first = on_the_wire()

    def sample():
        while not done.wait(max(0.5, seconds / 400)):
            samples.append(resident_kib(sensor.process))

    watcher = threading.Thread(target=sample)
    watcher.start()
    sending = Datagrams(min(50, 20_000 / seconds), 2)
    sent = replay(capture, "--mbps=%d" % options.mbps, "--loop=0", "--duration=%d" % seconds)
    alerts = sending.stop()
    time.sleep(1)
    done.set()
    watcher.join()
    counted = on_the_wire() - before
    missed_at_start = first - before
    ended = sensor.end()
    stats, ours = [], []
    for record in each_of(folder / "out", "stats", "alert"):
        if record["event_type"] == "stats":
            stats.append({part: record["stats"]["tapwire"][part] for part in ("packets", "records", "latency")})
        elif record["alert"]["signature_id"] == 1:
            ours.append(record["src_port"])
    last, packets = stats[-1], stats[-1]["packets"]
    latency = last["latency"]["alert"]
    quarter = max(1, len(samples) // 4)
    early, late = sorted(samples[quarter : 2 * quarter])[quarter // 2 :][:1] or samples[-1:], sorted(samples[-quarter:])[quarter // 2 :][:1]
    growth = late[0] / max(1, early[0])
    busy = is_busy()
    if busy:
        print("  left out: how long alerts may take, for the machine is busy with other work")
    print("  %d s at %d Mbit/s: %d packets sent, the interface counted %d, %d seen, %d processed, dropped %s" %
          (seconds, options.mbps, sent, counted, packets["seen"], packets["processed"], packets["dropped"]))
    print("  memory %d KiB in the second quarter, %d in the last (%.3f); alerts: p50 %d ms, p99 %d ms, longest %d ms of %d" %
          (early[0], late[0], growth, latency["p50_ms"], latency["p99_ms"], latency["longest_ms"], latency["count"]))
    return all([
        check("it ends cleanly", ended, 0),
        check("seen = processed + dropped in each record of counters",
              all(book["packets"]["seen"] == book["packets"]["processed"] + sum(book["packets"]["dropped"].values()) for book in stats)),
        # What went over the wire before the sensor was there is not its own.
        check("what the interface counted is what was seen", 0 <= counted - packets["seen"] <= missed_at_start + 8),
        check("no packet that was sent is missing", packets["seen"] >= sent),
        check("made = delivered + held back + summed + shed + waiting",
              all(b["made"] == b["delivered"] + b["held_back"] + b["summed"] + b["shed"] + b["waiting"] for b in (book["records"] for book in stats))),
        check("memory is flat", growth <= (GROWTH if options.minutes >= 5 else GROWTH_SHORT)),
        check("%d alerts are there, each once" % len(alerts), (len(ours), set(ours) == set(alerts)), (len(alerts), True)),
        busy or check("99 of 100 alerts can be read %d ms after their packet" % LATENCY_MS, latency["p99_ms"] <= LATENCY_MS or options.mbps > HALF_LOAD_MBPS),
    ])


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long *step;
static int (*real)(clockid_t, struct timespec *);
__attribute__((constructor)) static void begin(void) {
    int f = open(getenv("TAPWIRE_STEP"), O_RDONLY);
    step = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, f, 0);
    real = dlsym(RTLD_NEXT, "clock_gettime");
}
int clock_gettime(clockid_t id, struct timespec *t) {
    int done = real(id, t);
    if (id == CLOCK_REALTIME && step != MAP_FAILED) t->tv_sec += *step;
    return done;
}
"""


def clock(options, folder):
    """The time of day is put forward and back by an hour and by ten years: no flow ends early, nothing stalls, nothing is lost."""
    (folder / "shim.c").write_text(SHIM)
    if subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], capture_output=True).returncode:
        print("  left out: no C compiler")
        return True
    step = folder / "step"
    step.write_bytes(struct.pack("l", 0))
    environment = {"LD_PRELOAD": str(folder / "shim.so"), "TAPWIRE_STEP": str(step)}
    sensor = Sensor(options.bin, folder / "out", "--set", "stats.interval=1", "--set", "flow-timeouts.udp.new=30", environment=environment)
    with namespace(CLIENT):
        steady = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    steady.bind((ADDRESS[CLIENT], 9_999))
    sending, spoken = Datagrams(50, 0), 0
    hour = 3_600
    for seconds in (0, hour, 0, -hour, 0, 87_600 * hour, 0):
        with open(step, "r+b", 0) as out:
            out.write(struct.pack("l", seconds))
        for _ in range(4):
            steady.sendto(b"goes on", (ADDRESS[SERVER], 7_003))
            spoken += 1
            time.sleep(0.4)
    sent = sending.stop()
    time.sleep(1)
    ended = sensor.end()
    seen = records(folder / "out")
    flows = [record["flow"] for record in of_type(seen, "flow") if record.get("src_port") == 9_999]
    counters = of_type(seen, "stats")
    early = [record for record in of_type(seen, "flow") if record.get("dest_port") == 7_001 and record["flow"]["reason"] == "timeout"]
    return all([
        check("it ends cleanly", ended, 0),
        check("a flow goes on over six steps, with all its packets", [(flow["pkts_toserver"], flow["reason"]) for flow in flows], [(spoken, "shutdown")]),
        check("no flow ends early", len(early), 0),
        check("%d alerts are there, each once" % len(sent), sorted(alert_ports(seen)), sorted(sent)),
        check("counters come all the while", len(counters) >= 8),
        check("no packet is lost", sum(counters[-1]["stats"]["tapwire"]["packets"]["dropped"].values()), 0),
    ])


CASES = [soak, clock]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--minutes", type=float, default=0.25, help="how long (30 for the soak that counts)")
    parser.add_argument("--mbps", type=int, default=HALF_LOAD_MBPS, help="how fast (half of 200 Mbit/s by default)")
    parser.add_argument("--capture", help="what is sent in a loop; HTTP exchanges without it")
    parser.add_argument("--rules", help="a folder of rules besides the one that is counted")
    parser.add_argument("--only", help="some of: " + ", ".join(case.__name__ for case in CASES))
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    if is_lacking("tcpreplay"):
        return 0
    return 0 if held(CASES, options.only, options) else 1


if __name__ == "__main__":
    sys.exit(main())
