#!/usr/bin/env python3
"""Measures a tapwire binary on a capture and prints the table of speed and memory.

  benches/table.py --bin target/release/tapwire --capture mix.pcap [--rules FOLDER] [--config FILE]

Every time is CPU seconds (user and system) of the whole process, also given as a ratio to a yardstick taken in the
same minutes on the same machine: `gzip -1 -c capture >/dev/null`. Records are compressed with zstd.
"""
import argparse, os, shutil, sys, tempfile, time


def cost(command, accepted=(0,)):
    """CPU seconds, wall seconds and peak MiB of a command that ends with an accepted exit status."""
    pid = os.fork()
    start = time.monotonic()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.execvp(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in accepted:
        sys.exit("failed (%d): %s" % (status, " ".join(command)))
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--capture", required=True)
    parser.add_argument("--rules", help="rule file or folder; without it only the rows that need none")
    parser.add_argument("--config", help="a configuration whose variables the rules need")
    opts = parser.parse_args()
    binary = os.path.realpath(opts.bin)
    config = ["--config", opts.config] if opts.config else []
    zstd = ["--set", "outputs.1.eve-log.compression=zstd"] if opts.config else []
    out = tempfile.mkdtemp(prefix="table-")
    replay = [binary, "replay", "--quiet", "--checksums", "off", "--log-dir", out] + config
    rules = ["--rules", opts.rules] if opts.rules else []
    yard, _, _ = cost(["gzip", "-1", "-k", "-c", opts.capture])
    rows = [("no rules, with records", replay + zstd + ["--threads", "1", "--no-rules", opts.capture])]
    if rules:
        rows += [
            ("loading the rules alone", [binary, "check", "--log-dir", out] + config + rules),
            ("rules and records, 1 worker", replay + zstd + ["--threads", "1"] + rules + [opts.capture]),
            ("rules and records, 2 workers", replay + zstd + ["--threads", "2"] + rules + [opts.capture]),
        ]
    try:
        print("yardstick: gzip -1, %.2f CPU s" % yard)
        print("%-32s %8s %8s %8s %8s" % ("work", "CPU s", "gzip -1", "wall s", "MiB"))
        walls = {}
        for name, command in rows:
            # `check` ends with 1 where a rule cannot be right under the variables.
            cpu, wall, peak = cost(command, (0, 1) if command[1] == "check" else (0,))
            walls[name] = wall
            print("%-32s %8.2f %8.2f %8.2f %8.0f" % (name, cpu, cpu / yard, wall, peak))
        if "rules and records, 2 workers" in walls:
            ratio = walls["rules and records, 1 worker"] / walls["rules and records, 2 workers"]
            print("two workers against one, wall time: %.2f times" % ratio)
    finally:
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
