#!/usr/bin/env python3
"""A live sensor neither goes blind nor loses its evidence in silence: restarts, kills, full and slow disks, pipes, offload, stalls.

    benches/live/live.py --bin target/release/tapwire               as root: quick forms, under a minute
    benches/live/live.py --bin target/release/tapwire --full        a minute of a full disk, 100 kills, and the like
    benches/live/live.py --bin ... --only disk,kill                 some

Needs root for its two network namespaces, tcpreplay, zstd, and a C compiler for the slow disk; without root it says so and ends with status 0.
"""
import argparse, os, pathlib, random, signal, socket, subprocess, sys, threading, time

from bed import *

FULL = False


def check(what, found, expected=True):
    print("  %-88s %s" % (what, "yes" if found == expected else ("NO: %r" % (found,))[:300]), flush=True)
    return found == expected


def sizes(quick, full):
    return full if FULL else quick


def restart(binary, folder):
    """A start goes on behind what is there, past a torn end, and nobody else may write there."""
    out, ok = folder / "out", []
    sent = []
    for turn in range(3):
        sensor = Sensor(binary, out, "--set", "outputs.1.fast.enabled=yes")
        if turn == 1:
            second = Sensor(binary, out, wait=False)
            second.process.wait(PATIENCE_S)
            time.sleep(0.1)
            ok.append(check("a second sensor on the folder ends at once and says why", (second.process.returncode, "is in use" in "".join(second.lines)), (1, True)))
            empty = folder / "empty.pcap"
            write_capture(empty, exchange_frames(1))
            replayed = subprocess.run([binary, "replay", "--no-rules", "--log-dir", out, empty], capture_output=True, text=True)
            ok.append(check("a replay into it is refused", (replayed.returncode, "is in use" in replayed.stderr), (1, True)))
        sending = Datagrams()
        time.sleep(0.6)
        sent += sending.stop()
        ok.append(check("it ends cleanly", sensor.end([signal.SIGTERM, signal.SIGINT, signal.SIGTERM][turn]), 0))
        if turn == 0:
            frame = subprocess.run(["zstd", "-c"], input=b"{}\n" * 99, capture_output=True, check=True).stdout
            # As if it had been killed amid a frame.
            last = segments(out)[-1].rename(segments(out)[-1].with_suffix(".zst.open"))
            with last.open("ab") as file:
                file.write(frame[:-5])
            with (out / "fast.log").open("ab") as file:
                file.write(b"half a li")
        if turn == 1:
            told = "".join(sensor.lines)
            ok.append(check("what a crash left is cut off and told", ("bytes are cut off" in told and "frame" in told, "its 9 bytes" in told), (True, True)))
    found = alert_ports(records(out))
    ok.append(check("%d alerts of three runs are there, each once" % len(sent), sorted(found), sorted(sent)))
    ok.append(check("fast.log has them as well", len((out / "fast.log").read_text().splitlines()), len(sent)))
    return all(ok)


def offload(binary, folder):
    """Real clients through a veth pair with its offloads: every request is seen, from the first packet on."""
    count, out = sizes(60, 1200), folder / "out"
    served, sockets = threading.Event(), []

    def serve(listener, is_stream):
        while not served.is_set():
            try:
                if not is_stream:
                    data, peer = listener.recvfrom(2000)
                    listener.sendto(data, peer)
                    continue
                link, _ = listener.accept()
                with link:
                    link.recv(4000)
                    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\nConnection: close\r\n\r\n" + b"x" * 30000)
            except OSError:
                pass

    with namespace(SERVER):
        for address, family in ((ADDRESS[SERVER], socket.AF_INET), (ADDRESS_V6[SERVER], socket.AF_INET6)):
            for kind, port in ((socket.SOCK_STREAM, 80), (socket.SOCK_DGRAM, 53)):
                listener = socket.socket(family, kind)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, port))
                listener.settimeout(0.5)
                if kind == socket.SOCK_STREAM:
                    listener.listen(64)
                sockets.append(listener)
                threading.Thread(target=serve, args=(listener, kind == socket.SOCK_STREAM), daemon=True).start()
    sensor = Sensor(binary, out)
    for number in range(count):
        for family, address in ((socket.AF_INET, ADDRESS[SERVER]), (socket.AF_INET6, ADDRESS_V6[SERVER])):
            with namespace(CLIENT):
                link, datagram = socket.socket(family, socket.SOCK_STREAM), socket.socket(family, socket.SOCK_DGRAM)
            with link, datagram:
                link.settimeout(5)
                link.connect((address, 80))
                link.sendall(b"GET /%d-%d HTTP/1.1\r\nHost: example.org\r\n\r\n" % (family, number))
                while link.recv(1 << 16):
                    pass
                datagram.settimeout(5)
                datagram.sendto(query(number), (address, 53))
                datagram.recv(2000)
    time.sleep(0.5)
    ended = sensor.end()
    served.set()
    seen = records(out)
    urls = [record["http"]["url"] for record in of_type(seen, "http")]
    wanted = ["/%d-%d" % (family, number) for family in (socket.AF_INET, socket.AF_INET6) for number in range(count)]
    flows = [record for record in of_type(seen, "flow") if record["proto"] == "UDP" and record.get("dest_port") == 53]
    stats = of_type(seen, "stats")[-1]["stats"]["tapwire"]
    print("  checksums: %s" % stats["checksums"])
    return all([
        check("it ends cleanly", ended, 0),
        check("%d HTTP requests over IPv4 and IPv6 are seen, each once" % len(wanted), sorted(urls), sorted(wanted)),
        check("all %d DNS queries and answers are seen" % (2 * count), [sum(f["flow"]["pkts_" + way] for f in flows) for way in ("toserver", "toclient")], [2 * count] * 2),
        check("unfinished checksums are counted, none is refused", (stats["checksums"]["unfinished"] > 0, stats["checksums"]["refused"]), (True, 0)),
    ])


def refused(binary, folder):
    """Where most packets are refused for their checksum, that is told."""
    sensor = Sensor(binary, folder / "out", "--checksums", "on", "--set", "tapwire.health.interval=1")
    sending = Datagrams()
    time.sleep(2.5)
    sending.stop()
    said = sensor.said("wrong checksum and are not inspected")
    sensor.end()
    health = [record["health"]["name"] for record in of_type(records(folder / "out"), "health")]
    return all([
        check("most packets are refused, and it says what to do", "--checksums auto" in said),
        check("a record says it too", "checksums_refused" in health),
    ])


def books_hold(stats):
    """Whether made = delivered + held back + summed + shed + waiting in each record of counters."""
    return all(
        books["made"] == books["delivered"] + books["held_back"] + books["summed"] + books["shed"] + books["waiting"] and books["shed"] == sum(books["lost"].values())
        for books in (record["stats"]["tapwire"]["records"] for record in stats))


def disk(binary, folder):
    """The disk is full for a while, and free again."""
    full_s, ok = sizes(4, 60), []
    with small_disk(folder / "small", 3 << 20) as small:
        out = small / "out"
        sensor = Sensor(binary, out, "--set", "tapwire.log.reserve=512kb", "--set", "stats.interval=1", "--set", "tapwire.live.record-backlog=%dkb" % sizes(128, 4096), "--set", "flow-timeouts.udp.new=1")
        sending = Datagrams(50, 10)
        time.sleep(2)
        before = len(records(out))
        with open(small / "filler", "wb", 0) as filler:
            for size in (1 << 16, 512):
                try:
                    while True:
                        filler.write(b"f" * size)
                except OSError:
                    pass
        sensor.said("records cannot be written to", 10)
        time.sleep(full_s)
        alive = sensor.process.poll() is None
        whole = max(subprocess.run("zstd -tq < '%s'" % segment, shell=True, capture_output=True).returncode for segment in segments(out))
        early = sending.sent[:-300]
        ok.append(check("alerts have their room on the full disk", len(set(early) - set(alert_ports(records(out)))), 0))
        (small / "filler").unlink()
        freed = time.time()
        again = sensor.said("records are written to", 10)
        time.sleep(2)
        sent = sending.stop()
        ok.append(check("it goes on", alive))
        ok.append(check("no torn frame while the disk is full", whole, 0))
        ok.append(check("it ends cleanly", sensor.end(), 0))
        seen = records(out)
        losses = of_type(seen, "loss")
        stats = of_type(seen, "stats")
        lost = stats[-1]["stats"]["tapwire"]["records"]["lost"]
        print("  packets: %s" % stats[-1]["stats"]["tapwire"]["packets"])
        print("  %s\n  lost: %s, after %d s of a full disk" % (again, lost, full_s))
        ok.append(check("no earlier record is lost, no line torn", len(seen) > before))
        ok.append(check("%d alerts are kept, each once" % len(sent), sorted(alert_ports(seen)), sorted(sent)))
        ok.append(check("what was lost is stated, class by class", [loss["loss"]["records"]["alert"] for loss in losses], [0]))
        ok.append(check("and all of it", sum(losses[0]["loss"]["records"].values()) if losses else None, sum(lost.values())))
        ok.append(check("within 5 s", bool(losses) and abs(time.mktime(time.strptime(losses[0]["loss"]["to"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - freed) < 5))
        ok.append(check("made = delivered + held back + summed + shed + waiting in each record of counters", books_hold(stats)))
        ok.append(check("the outage is told once", sum("cannot be written" in line for line in sensor.lines), 1))
    return all(ok)


def gone(binary, folder):
    """The folder vanishes, the file is moved: a new one is made, and nothing else is lost."""
    out, ok = folder / "out", []
    # Behind the doors it makes no folder: rights.py has what happens then.
    sensor = Sensor(binary, out, "--set", "tapwire.sandbox=no")
    sending = Datagrams()
    time.sleep(1)
    (folder / "moved").mkdir()
    moved = segments(out)[-1]
    moved.rename(folder / "moved" / moved.name)
    time.sleep(1.5)
    first = records(folder / "moved")
    out.rename(folder / "away")
    time.sleep(1.5)
    sent = sending.stop()
    ok.append(check("it ends cleanly", sensor.end(), 0))
    seen = first + records(folder / "away") + records(out)
    ok.append(check("%d alerts are in the three folders, each once" % len(sent), sorted(alert_ports(seen)), sorted(sent)))
    ok.append(check("it is told", sum("taken away" in line for line in sensor.lines), 2))
    return all(ok)


def pipe(binary, folder):
    """Records go to a pipe whose reader goes away and comes back."""
    out = folder / "out"
    out.mkdir()
    os.mkfifo(out / "eve.json")
    got, ok = b"", []
    sensor = Sensor(binary, out, "--set", "outputs.0.eve-log.compression=none", "--set", "stats.interval=1")
    sending = Datagrams()

    def read(seconds):
        reader = os.open(out / "eve.json", os.O_RDONLY | os.O_NONBLOCK)
        taken, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                taken += os.read(reader, 1 << 16)
            except BlockingIOError:
                pass
            time.sleep(0.01)
        return reader, taken

    time.sleep(1.2)
    reader, taken = read(1.5)
    got += taken
    os.close(reader)
    time.sleep(1.5)
    alive = sensor.process.poll() is None
    reader, taken = read(1.5)
    got += taken
    sent = sending.stop()
    sensor.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and sensor.process.poll() is None:
        try:
            got += os.read(reader, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
    while chunk := os.read(reader, 1 << 16):
        got += chunk
    ok.append(check("SIGPIPE and a pipe that nobody reads do not end it", (alive, sensor.process.returncode), (True, 0)))
    seen = [json.loads(line) for line in got.splitlines()]
    ok.append(check("%d alerts come through, each once" % len(sent), sorted(alert_ports(seen)), sorted(sent)))
    return all(ok)


def kill(binary, folder):
    """Killed at random moments: what was finished is there, and the next start goes on."""
    rounds, out = sizes(5, 100), folder / "out"
    known, ok, rng = [], [], random.Random(7)
    sending = Datagrams(150, 1)
    lost_most, cut = 0.0, 0
    for turn in range(rounds):
        sensor = Sensor(binary, out)
        time.sleep(rng.uniform(0.0, 1.5))
        sensor.process.kill()
        sensor.process.wait()
        killed = len(sending.sent)
        now = alert_ports(records(out, whole=False))
        if now[: len(known)] != known:
            ok.append(check("round %d keeps what was there before" % turn, False))
        known = now
        last = max((sending.sent.index(port) for port in now[-1:]), default=0)
        lost_most = max(lost_most, (killed - last) / 150)
        cut += sum("cut off" in line for line in sensor.lines)
    sensor = Sensor(binary, out)
    time.sleep(1)
    sending.stop()
    ended = sensor.end()
    print("  at most %.2f s of alerts were gone with a kill; %d torn ends were cut off" % (lost_most, cut))
    return all(ok + [
        check("after %d kills the last start ends cleanly" % rounds, ended, 0),
        check("all frames read back, and what each kill left is still there", alert_ports(records(out))[: len(known)], known),
        check("at most a second of records is gone with a kill", lost_most <= 1.5),
    ])


def load(binary, folder, seconds, *options, environment=None, stall=0.0, mbps=200):
    """A load of HTTP at a rate; packets that were sent, and the last record of counters."""
    capture = folder / "load.pcap"
    if not capture.exists():
        write_capture(capture, exchange_frames(1_000))
    out = folder / ("out%d" % len(list(folder.iterdir())))
    sensor = Sensor(binary, out, *options, environment=environment)
    if stall:
        threading.Timer(1, lambda: (sensor.process.send_signal(signal.SIGSTOP), time.sleep(stall), sensor.process.send_signal(signal.SIGCONT))).start()
    sent = replay(capture, "--mbps=%d" % mbps, "--loop=0", "--duration=%d" % seconds)
    time.sleep(1)
    status = sensor.end()
    stats = of_type(records(out), "stats")
    return sent, status, stats, sensor


def slow(binary, folder):
    """Syncing takes half a second, at 200 Mbit/s."""
    environment = slow_disk(folder, 500)
    if environment is None:
        print("  left out: no C compiler")
        return True
    sent, status, stats, _ = load(binary, folder, sizes(4, 30), environment=environment)
    last = stats[-1]["stats"]
    dropped, books = last["tapwire"]["packets"]["dropped"], last["tapwire"]["records"]
    print("  %d packets sent, %d seen, lost: %s; records: %d made, %d shed" % (sent, last["tapwire"]["packets"]["seen"], dropped, books["made"], books["shed"]))
    return all([
        check("it ends cleanly", status, 0),
        check("no packet is lost", (last["tapwire"]["packets"]["processed"] >= sent, sum(dropped.values())), (True, 0)),
        check("no record is lost", (books["shed"], books["made"]), (0, books["delivered"])),
    ])


def stall(binary, folder):
    """The process does not run for a second: packets wait in the system's buffer."""
    sent, status, stats, sensor = load(binary, folder, sizes(3, 10), "--threads", "2", stall=1.0)
    last = stats[-1]["stats"]["tapwire"]["packets"]
    print("  %d packets sent, %d seen, lost: %s" % (sent, last["seen"], last["dropped"]))
    return all([check("it ends cleanly", status, 0), check("no packet is lost", (last["processed"] >= sent, sum(last["dropped"].values())), (True, 0))])


def stuck(binary, folder):
    """One flow costs a worker seconds: the other worker's alerts do not wait for it, and nothing is lost."""
    out = folder / "out"
    (folder / "slow.lua").write_text(
        "function init(args) return {} end\nfunction match(args) local n = 0 for i = 1, 100000 do n = n + i end return 0 end\n")
    with (folder / "live.rules").open("w") as rules:
        rules.write(RULES + 'alert udp any any -> any %d (msg:"slow"; lua:slow.lua; sid:2;)\n' % NOISE_PORT)
    sensor = Sensor(binary, out, "--threads", "2", "--set", "security.lua.allow-rules=yes", rules=folder / "live.rules")
    count = sizes(3_000, 10_000)
    with namespace(CLIENT):
        heavy = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(count):
        heavy.sendto(b"x" * 100, (ADDRESS[SERVER], NOISE_PORT))
    sending = Datagrams(100, 0)
    time.sleep(1.5)
    sent = sending.stop()
    time.sleep(1.5)
    early = len(set(alert_ports(records(out))) & set(sent))
    ended = sensor.end()
    seen = records(out)
    stats = of_type(seen, "stats")[-1]["stats"]["tapwire"]
    print("  %d of %d alerts could be read while one worker was stuck; %d batches came late" % (early, len(sent), stats["records"]["late_batches"]))
    return all([
        check("it ends cleanly", ended, 0),
        check("alerts of the other worker do not wait", early >= len(sent) // 5),
        check("in the end all %d alerts are there, each once" % len(sent), sorted(alert_ports(seen)), sorted(sent)),
        check("no packet is lost", sum(stats["packets"]["dropped"].values()), 0),
    ])


def counters(binary, folder):
    """Counters come at their interval and flows end by the clock, also where nothing is to be seen."""
    out = folder / "out"
    sensor = Sensor(binary, out, "--set", "stats.interval=1", "--set", "flow-timeouts.udp.new=1", "--set", "flow-timeouts.udp.established=1")
    sending = Datagrams()
    time.sleep(0.5)
    sent = sending.stop()
    time.sleep(3.5)
    seen = records(out)
    stats, flows = of_type(seen, "stats"), [r for r in of_type(seen, "flow") if r.get("dest_port") == ALERT_PORT]
    sensor.end()
    gaps = [b["stats"]["uptime"] - a["stats"]["uptime"] for a, b in zip(stats, stats[1:])]
    return all([
        check("counters come every second", len(stats) >= 3 and max(gaps) <= 2),
        check("they say what was dropped, by reason", sorted(stats[-1]["stats"]["tapwire"]["packets"]["dropped"]), ["duplicate", "interface", "invalid", "kernel", "ring_full", "worker_panic"]),
        check("and what was lost, by class", sorted(stats[-1]["stats"]["tapwire"]["records"]["lost"]), ["alert", "anomaly", "file", "flow", "packet", "transaction"]),
        check("%d flows ended by the clock" % len(sent), len(flows), len(sent)),
    ])


CASES = [restart, offload, refused, disk, gone, pipe, kill, slow, stall, stuck, counters]


def main():
    global FULL
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--full", action="store_true", help="as long as it takes")
    parser.add_argument("--only", help="some of: " + ", ".join(case.__name__ for case in CASES))
    options = parser.parse_args()
    binary, FULL = os.path.abspath(options.bin), options.full
    if is_lacking("tcpreplay"):
        return 0
    return 0 if held(CASES, options.only, binary) else 1


if __name__ == "__main__":
    sys.exit(main())
