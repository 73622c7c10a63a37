#!/usr/bin/env python3
"""What recording costs, and how long it takes to fetch one flow out of much.

    benches/recording.py --bin target/release/tapwire --capture mix.pcap [--gib 20] [--rules DIR]

The capture is recorded once, and its segments are linked under further names until there are as many GiB as are asked for (no more of the disk
is taken). A small flow that was recorded in their midst is then fetched, with nothing of it in the system's memory.
"""
import argparse, json, os, pathlib, resource, socket, struct, subprocess, sys, tempfile, time

LIMIT_S = 2.0


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def replay(binary, folder, capture, *options):
    """Seconds of processors and of the clock that a replay takes."""
    begun, before = time.monotonic(), cpu()
    subprocess.run([binary, "replay", "--quiet", "--log-dir", folder, *options, capture], check=True)
    return cpu() - before, time.monotonic() - begun


def forget(folder):
    """Takes files out of the system's memory."""
    os.sync()
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def needle(path, second):
    """A flow of 200 datagrams."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for number in range(200):
            payload = b"one flow of many %d" % number
            udp = struct.pack("!HHHH", 40000, 40001, 8 + len(payload), 0) + payload
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton("203.0.113.7"), socket.inet_aton("203.0.113.9"))
            file.write(struct.pack("<IIII", second, number * 1000, len(ip + udp), len(ip + udp)) + ip + udp)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--capture", required=True, type=pathlib.Path)
    parser.add_argument("--gib", type=float, default=20)
    parser.add_argument("--rules")
    parser.add_argument("--tmp", help="where it is recorded")
    options = parser.parse_args()
    binary, size = options.bin.resolve(), options.capture.stat().st_size
    rules = ["--rules", options.rules] if options.rules else ["--no-rules"]
    record = ["--set", "tapwire.recording.enabled=yes", "--set", "tapwire.recording.free-percent=0", "--set", "tapwire.recording.size=1000gb"]
    with tempfile.TemporaryDirectory(prefix="tapwire-recording-", dir=options.tmp) as folder:
        folder = pathlib.Path(folder)
        plain = replay(binary, folder / "plain", options.capture, "--threads", "1", *rules)
        for level in (-5, 1, 3):
            out = folder / ("level%d" % level)
            cost = replay(binary, out, options.capture, "--threads", "1", *rules, *record, "--set", "tapwire.recording.level=%d" % level)
            kept = sum(path.stat().st_size for path in (out / "recording").iterdir())
            print("level %2d: %.2f of a processor for each Gbit/s, %.1f %% of the bytes on disk; replay takes %.2f s, without %.2f s"
                  % (level, (cost[0] - plain[0]) / (size * 8 / 1e9), 100 * kept / size, cost[1], plain[1]), flush=True)
        out = folder / "level1"
        first = sorted((out / "recording").glob("*.zst"))
        second = int(subprocess.run(["tcpdump", "-nn", "-tt", "-r", options.capture, "-c", "1"], capture_output=True, text=True).stdout.split(".")[0])
        needle(folder / "needle.pcap", second)
        replay(binary, out, folder / "needle.pcap", "--checksums", "off", *rules, *record)
        flow = next(json.loads(line) for line in subprocess.run(["zstd", "-dcq", out / "eve.json.zst"], capture_output=True).stdout.splitlines()
                    if b'"event_type":"flow"' in line)["flow_id"]
        number, linked = 1000, sum(path.stat().st_size for path in (out / "recording").glob("*.zst"))
        while linked < options.gib * (1 << 30):
            for path in first:
                number, linked = number + 1, linked + path.stat().st_size
                os.link(path, path.with_name("%s-%08d.pcapng.zst" % (path.name.split("-")[0], number)))
        held = True
        for by in (["--flow-id", str(flow)], ["--filter", "host 203.0.113.7", "--from", str(second), "--to", str(second + 1)]):
            forget(out / "recording")
            begun, before = time.monotonic(), cpu()
            said = subprocess.run([binary, "packets", "--log-dir", out, "-o", folder / "found.pcap", *by], capture_output=True, text=True).stderr
            took = time.monotonic() - begun
            held &= took < LIMIT_S or by[0] != "--flow-id"
            print("%s out of %.1f GiB: %.3f s (%.3f s of a processor); %s" % (by[0], linked / (1 << 30), took, cpu() - before, said.strip()), flush=True)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
