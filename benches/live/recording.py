#!/usr/bin/env python3
"""A live sensor records packets: they are there at once, after kill -9, and where the disk is full.

    benches/live/recording.py --bin target/release/tapwire

Needs root for network namespaces and a small tmpfs.
"""
import argparse, os, pathlib, shutil, signal, subprocess, time

from bed import *

RECORD = ("--set", "tapwire.recording.enabled=yes", "--set", "tapwire.recording.free-percent=0")
LITTLE_MIB = 3
# A block is written a second after its first packet came, and the sensor looks ten times a second.
SOON_S = 2.0


def check(what, found, expected=True):
    print("  %-88s %s" % (what, "yes" if found == expected else "NO: %r" % (found,)), flush=True)
    return found == expected


def fetch(binary, folder, *by):
    """Payloads of the datagrams that are found."""
    out = folder / "found.pcap"
    out.unlink(missing_ok=True)
    subprocess.run([binary, "packets", "--log-dir", folder, "--quiet", "-o", out, *(by if "--filter" in by else (*by, "--filter", "udp"))], capture_output=True)
    data, at, found = out.read_bytes() if out.exists() else b"", 24, []
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at + 16 + 42:at + 16 + size])
        at += 16 + size
    return found


def of_ports(ports):
    return [b"an alert %d" % port for port in ports]


def at_once(binary, folder):
    """What was recorded is found while the sensor runs, and after it was killed."""
    sensor = Sensor(binary, folder / "out", *RECORD, "--threads", "2")
    sent = Datagrams(20).stop_after(1.0)
    time.sleep(SOON_S)
    held = [check("packets of alerts are found while the sensor runs", fetch(binary, folder / "out", "--alert", "1"), of_ports(sent))]
    more = Datagrams(20)
    time.sleep(1.5)
    sensor.end(signal.SIGKILL)
    more = more.stop()
    found = fetch(binary, folder / "out", "--alert", "1")
    kept = of_ports(sent + more)
    held.append(check("after kill -9 all but the last second of them are", found == kept[:len(found)] and len(found) >= len(sent) + 5))
    sensor = Sensor(binary, folder / "out", *RECORD, "--threads", "2")
    again = Datagrams(20).stop_after(0.5)
    held.append(check("the next run ends cleanly", sensor.end(), 0))
    held.append(check("and what the one before could not finish is there with its own",
                      fetch(binary, folder / "out", "--alert", "1"), found + of_ports(again)))
    return all(held)


def before_alerts(binary, folder):
    """Only flows with alerts are recorded, from their first packet on."""
    sensor = Sensor(binary, folder / "out", *RECORD, "--set", "tapwire.recording.mode=alerts")
    with namespace(CLIENT):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for text in (b"first", b"second", b"an alert", b"behind"):
        link.sendto(text, (ADDRESS[SERVER], ALERT_PORT))
        time.sleep(0.3)
    noise = Datagrams(1, 4).stop_after(0.1)
    ended = sensor.end()
    found = [text for text in fetch(binary, folder / "out", "--from", "0") if text in (b"first", b"second", b"an alert", b"behind")]
    dns = [text for text in fetch(binary, folder / "out", "--filter", "udp port 53")]
    return all([check("it ends cleanly", ended, 0), check("a flow with an alert is recorded whole", found, [b"first", b"second", b"an alert", b"behind"]),
                check("flows without one are not", dns, [])])


def full(binary, folder):
    """Where the disk is full, the oldest recording goes, and records go on."""
    recording = folder / "out" / "recording"
    recording.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % LITTLE_MIB, "tmpfs", recording], check=True)
    try:
        sensor = Sensor(binary, folder / "out", *RECORD, "--set", "tapwire.recording.segment=256kb", "--set", "stats.interval=1")
        with namespace(CLIENT):
            link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(4 * LITTLE_MIB):
            for _ in range(1024):
                link.sendto(os.urandom(1024), (ADDRESS[SERVER], NOISE_PORT))
            time.sleep(0.05)
        sent = Datagrams(20, 0).stop_after(0.5)
        time.sleep(SOON_S)
        found = fetch(binary, folder / "out", "--alert", "1")
        ended = sensor.end()
        all_records = records(folder / "out")
        counted = of_type(all_records, "stats")[-1]["stats"]["tapwire"]["recording"]
        return all([check("it ends cleanly", ended, 0), check("the oldest segments went", counted["segments_removed"] > 0),
                    check("what came last is there", found, of_ports(sent)),
                    check("no alert is lost", sorted(alert_ports(all_records)), sorted(sent)),
                    check("the folder has no more than it may", sum(f.stat().st_size for f in recording.iterdir()) <= LITTLE_MIB << 20)])
    finally:
        subprocess.run(["umount", recording])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    binary = parser.parse_args().bin.resolve()
    if is_lacking():
        return
    Datagrams.stop_after = lambda self, seconds: (time.sleep(seconds), self.stop())[1]
    sys.exit(0 if held([at_once, before_alerts, full], None, binary) else 1)


if __name__ == "__main__":
    main()
