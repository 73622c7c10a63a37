#!/usr/bin/env python3
"""How fast a link may be until a live sensor loses packets, beside what tcpdump holds on the same veth pair in the same run.

    benches/live/rate.py --bin target/release/tapwire [--capture mix.pcap] [--rules FOLDER] [--seconds 4] [--rates 200,500,0]

Each way is tried at each rate in Mbit/s (0: as fast as tcpreplay sends): packets that were sent, their rate, what was lost. The highest rate at which
nothing is lost is told at the end. Needs root, tcpreplay and tcpdump. Without a capture, exchanges of HTTP are sent.
"""
import argparse, re, subprocess, sys, tempfile, time

from bed import *


def send(capture, rate, seconds):
    """Packets that were sent, and how fast: Mbit/s, packets a second."""
    speed = ["--topspeed"] if rate == 0 else ["--mbps=%d" % rate]
    ran = subprocess.run(["ip", "netns", "exec", CLIENT, "tcpreplay", "-q", "-K", "-i", "lv0", *speed, "--loop=0", "--duration=%d" % seconds, str(capture)],
                         check=True, capture_output=True, text=True)
    told = ran.stdout + ran.stderr
    sent = int(re.search(r"Actual: (\d+) packets", told).group(1))
    rated = re.search(r"Rated: [\d.]+ Bps, ([\d.]+) Mbps, ([\d.]+) pps", told)
    return sent, float(rated.group(1)), float(rated.group(2))


def tcpdump(capture, rate, seconds):
    process = subprocess.Popen(["ip", "netns", "exec", SERVER, "tcpdump", "-n", "-i", "lv1", "-B", "65536", "-s", "262144", "-w", "/dev/null"], stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    sent = send(capture, rate, seconds)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    told = process.communicate()[1]
    return sent, int(re.search(r"(\d+) packets dropped by kernel", told).group(1))


def tapwire(binary, folder, options, rules):
    def run(capture, rate, seconds):
        out = folder / ("out%d" % len(list(folder.iterdir())))
        sensor = Sensor(binary, out, "--set", "stats.interval=60", *options, rules=rules)
        sent = send(capture, rate, seconds)
        time.sleep(1.5)
        sensor.end()
        packets = of_type(records(out), "stats")[-1]["stats"]["tapwire"]["packets"]
        subprocess.run(["rm", "-rf", out])
        return sent, sum(count for why, count in packets["dropped"].items() if why != "invalid")

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--capture")
    parser.add_argument("--rules")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rates", default="200,500,1000,2000,3000,0")
    parser.add_argument("--ways", default="")
    options = parser.parse_args()
    binary = os.path.abspath(options.bin)
    with tempfile.TemporaryDirectory(prefix="tapwire-rate-") as name, Network():
        folder = pathlib.Path(name)
        capture = options.capture
        if capture is None:
            capture = folder / "http.pcap"
            write_capture(capture, exchange_frames(2_000))
        none = folder / "none.rules"
        none.write_text(RULES)
        ways = [("tcpdump -w /dev/null", tcpdump)]
        for rules in [none] + [pathlib.Path(options.rules)] * bool(options.rules):
            for threads, mode in ((1, "workers"), (1, "autofp"), (2, "workers"), (2, "autofp")):
                what = "%d %s, %s, %s" % (threads, "worker" if threads == 1 else "workers", "own rings" if mode == "workers" else "one reader", "1 rule" if rules is none else rules.name)
                ways.append((what, tapwire(binary, folder, ("--threads", str(threads), "--set", "runmode=" + mode), rules)))
        best = {}
        for what, way in ways:
            if options.ways and not any(word in what for word in options.ways.split(";")):
                continue
            for rate in map(int, options.rates.split(",")):
                (sent, mbps, pps), lost = way(capture, rate, options.seconds)
                print("%-40s %7.0f Mbit/s %9.0f packets/s: %d of %d lost (%.3f %%)" % (what, mbps, pps, lost, sent, 100 * lost / max(sent, 1)), flush=True)
                if lost == 0:
                    best[what] = max(best.get(what, (0, 0)), (mbps, pps))
        for what, (mbps, pps) in best.items():
            print("without a loss: %-40s %7.0f Mbit/s, %9.0f packets/s" % (what, mbps, pps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
