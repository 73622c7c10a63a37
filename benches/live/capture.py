#!/usr/bin/env python3
"""What a live sensor sees of its interfaces: every packet or a number for it, whatever happens to the interface.

    benches/live/capture.py --bin target/release/tapwire               as root: quick forms, under a minute
    benches/live/capture.py --bin target/release/tapwire --full        a link that goes down and up 100 times, and the like
    benches/live/capture.py --bin ... --only books,tap                 some

Needs root for its two network namespaces, tcpreplay, ethtool and zstd; without root it says so and ends with status 0.
"""
import itertools, struct, subprocess, sys, threading, time

import live
from bed import *
from live import check, sizes

OWN_RINGS = ("--threads", "2", "--set", "runmode=workers")
ONE_READER = ("--threads", "2", "--set", "runmode=autofp")
SECOND = {CLIENT: "lv2", SERVER: "lv3"}


def second_wire():
    """A second veth pair between the namespaces: a TAP has a port for each direction."""
    run = lambda *words: subprocess.run(words, check=True, capture_output=True)
    run("ip", "-n", CLIENT, "link", "add", "lv2", "type", "veth", "peer", "name", "lv3", "netns", SERVER)
    for name, device in SECOND.items():
        run("ip", "-n", name, "link", "set", device, "up")


def link(*words):
    subprocess.run(["ip", "-n", SERVER, "link", *words], check=True, capture_output=True)


def quiet(device="lv1"):
    """No packet of the system's own comes from now on."""
    for name in (CLIENT, SERVER):
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done"], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "arp", "off", "dev", {CLIENT: "lv0", SERVER: device}[name]], check=True)
    time.sleep(0.3)


def quiet_again():
    """After an interface was down its peer is to be up, and silent."""
    for device in ("lv0", "lv2"):
        subprocess.run(["ip", "-n", CLIENT, "link", "set", device, "up"], check=True)
    time.sleep(0.3)


def interface_packets(device="lv1"):
    """Packets that an interface counted, both ways."""
    shown = subprocess.run(["ip", "-n", SERVER, "-s", "-j", "link", "show", "dev", device], check=True, capture_output=True, text=True).stdout
    stats = json.loads(shown)[0]["stats64"]
    return stats["rx"]["packets"] + stats["tx"]["packets"]


def frame_sender(device):
    """Sends frames as they are from the client's end of a wire."""
    with namespace(CLIENT):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((device, 0))
    return sender


def datagram(payload, source_port, tag=b""):
    """A frame with a UDP datagram."""
    udp = struct.pack("!HHHH", source_port, ALERT_PORT, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(ADDRESS[CLIENT]), socket.inet_aton(ADDRESS[SERVER]))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" + tag + b"\x08\x00" + head + udp


def last_stats(out):
    return of_type(records(out), "stats")[-1]["stats"]


def books(binary, folder):
    """What the interface counted is what was seen, dropped by the ring or kept out by a filter: exactly, also where nothing keeps up."""
    ok = []
    capture = folder / "load.pcap"
    write_capture(capture, exchange_frames(2_000))
    quiet()
    for name, options in (("all", ONE_READER), ("own rings", OWN_RINGS), ("one worker", ("--threads", "1")), ("a filter", ("--bpf", "tcp src port 80")), ("a small ring", ("--set", "tapwire.live.ring=256kb")),
                          ("packets cut short", ("--set", "tapwire.live.snap-length=96"))):
        out = folder / name.replace(" ", "-")
        sensor = Sensor(binary, out, *options)
        before = interface_packets()
        stalled = threading.Timer(0.2, lambda: (sensor.process.send_signal(signal.SIGSTOP), time.sleep(1), sensor.process.send_signal(signal.SIGCONT)))
        if name == "a small ring":
            stalled.start()
        sent = replay(capture, "--topspeed" if "--threads" in options else "--mbps=400", "--loop=3")
        time.sleep(0.5 if name != "a small ring" else 1.5)
        ok.append(check("it ends cleanly", sensor.end(), 0))
        counted = interface_packets() - before
        stats = last_stats(out)
        packets, capture_stats = stats["tapwire"]["packets"], stats["tapwire"]["capture"]
        dropped = packets["dropped"]
        print("  %s: %d sent, %d counted, %d seen, %s dropped, %d filtered" % (name, sent, counted, packets["seen"], dropped, capture_stats["filtered"]))
        ok.append(check("the interface's count = seen + filtered", packets["seen"] + capture_stats["filtered"], counted))
        ok.append(check("seen = processed + dropped", packets["processed"] + sum(dropped.values()), packets["seen"]))
        ok.append(check("the kernel's own count is the same", (stats["capture"]["kernel_packets"], stats["capture"]["kernel_drops"]), (packets["seen"], dropped["kernel"])))
        if name == "a filter":
            ok.append(check("the filter keeps packets out", 0 < capture_stats["filtered"] < counted))
        if name == "a small ring":
            ok.append(check("packets that found no room are counted", dropped["kernel"] > 0))
    return all(ok)


def tags(binary, folder):
    """VLAN tags that the kernel takes out are put back: one, two, and one of another type."""
    sensor = Sensor(binary, folder / "out")
    sender, wanted = frame_sender("lv0"), {}
    for port, tag in ((10_001, b""), (10_002, b"\x81\x00\x00\x64"), (10_003, b"\x88\xa8\x00\x07\x81\x00\x00\x64"), (10_004, b"\x88\xa8\x00\x09")):
        sender.send(datagram(b"an alert", port, tag))
        wanted[port] = [number for number, in struct.iter_unpack("!2xH", tag)]
    time.sleep(0.5)
    ended = sensor.end()
    found = {record["src_port"]: record.get("vlan", []) for record in of_type(records(folder / "out"), "alert")}
    return all([check("it ends cleanly", ended, 0), check("each alert shows its tags", found, wanted)])


def tap(binary, folder):
    """The two ports of a TAP are one link, unless the configuration keeps them apart; and so it is with a worker for each ring."""
    second_wire()
    quiet()
    ok = []
    senders = [frame_sender("lv0"), frame_sender("lv2")]
    for number, (apart, options) in enumerate(((False, ONE_READER), (True, ("--set", "livedev.use-for-tracking=yes")), (False, OWN_RINGS))):
        out = folder / ("out%d" % number)
        sensor = Sensor(binary, out, "-i", "lv3", *options)
        for device in ("lv3", "lv1"):
            # The kernel takes its sockets up again in some order, and both directions must still come to one worker.
            link("set", device, "down")
            time.sleep(0.3)
            link("set", device, "up")
        quiet_again()
        flows = sizes(40, 400)
        for frame in exchange_frames(flows, 4_200):
            back = frame[26:30] == bytes([10, 98, 0, 2])
            senders[back].send(frame)
            time.sleep(0.0002)
        time.sleep(0.8)
        ok.append(check("it ends cleanly", sensor.end(), 0))
        seen = records(out)
        both = [record for record in of_type(seen, "flow") if record["flow"]["pkts_toserver"] and record["flow"]["pkts_toclient"]]
        urls = {record["http"]["url"] for record in of_type(seen, "http") if record["http"].get("status") == 200}
        ok.append(check("%d connections are %s" % (flows, "kept apart" if apart else "one flow each"), (len(both), len(urls)), (0, 0) if apart else (flows, flows)))
        ok.append(check("records name the interface that a flow began on", {record["in_iface"] for record in of_type(seen, "flow")}, {"lv1", "lv3"} if apart else {"lv1"}))
    return all(ok)


def updown(binary, folder):
    """The link goes down and up again and again, and what is sent while it is up is seen."""
    out, turns = folder / "out", sizes(10, 100)
    sensor = Sensor(binary, out, "--set", "stats.interval=1", *OWN_RINGS)
    port, sent = itertools.count(10_000), []
    sender = frame_sender("lv0")
    for turn in range(turns):
        link("set", "lv1", "down")
        time.sleep(0.02 if turn % 3 else 0.3)
        link("set", "lv1", "up")
        subprocess.run(["ip", "-n", CLIENT, "link", "set", "lv0", "up"], check=True)
        time.sleep(0.05)
        for _ in range(5):
            number = next(port)
            sender.send(datagram(b"an alert %d" % number, number))
            sent.append(number)
            time.sleep(0.01)
    time.sleep(0.6)
    ended = sensor.end()
    seen = alert_ports(records(out))
    told = [line for line in sensor.lines if "the interface is" in line]
    print("  %d times; it said so in %d lines" % (turns, len(told)))
    return all([
        check("it ends cleanly", ended, 0),
        check("all %d datagrams are seen, each once: capture is back at once" % len(sent), sorted(seen), sent),
        check("it is said that the link was down, and that it is up again", any("is down" in line for line in told) and any("up again" in line for line in told)),
    ])


def gone(binary, folder):
    """The interface is removed and made anew; at the begin it is not there at all."""
    remake = lambda: (subprocess.run(["ip", "-n", CLIENT, "link", "add", "lv0", "type", "veth", "peer", "name", "lv1", "netns", SERVER], check=True),
                      subprocess.run(["ip", "-n", CLIENT, "link", "set", "lv0", "up"], check=True), link("set", "lv1", "up"))
    return all(gone_and_back(binary, folder / name, options, remake) for name, options in (("reader", ONE_READER), ("rings", OWN_RINGS)))


def gone_and_back(binary, out, options, remake):
    sent, ok, slowest = [], [], 0.0
    subprocess.run(["ip", "-n", SERVER, "link", "delete", "lv1"], capture_output=True)
    sensor = Sensor(binary, out, *options)
    ok.append(check("it is said that the interface is waited for", "it is waited for" in sensor.said("there is no such interface yet")))
    port = itertools.count(10_000)
    for turn in range(sizes(3, 20)):
        if turn:
            link("delete", "lv1")
            sensor.said("the interface is gone")
            sensor.lines.clear()
        remake()
        made = time.monotonic()
        sender = frame_sender("lv0")
        # Until one is seen, others are sent: how long that is, is what counts.
        while time.monotonic() - made < 1.5:
            number = next(port)
            sender.send(datagram(b"an alert %d" % number, number))
            sent.append((number, turn, time.monotonic() - made))
            time.sleep(0.02)
    time.sleep(0.6)
    ended = sensor.end()
    seen = set(alert_ports(records(out)))
    for turn in range(sizes(3, 20)):
        first = min((when for number, of, when in sent if of == turn and number in seen), default=99.0)
        missed = [number for number, of, when in sent if of == turn and when > first and number not in seen]
        ok.append(first < 1.0 and not missed or check("capture is back within 1 s, and stays (time %d)" % turn, (first, missed), ()))
        slowest = max(slowest, first)
    print("  back after %.2f s at most" % slowest)
    return all(ok + [check("it ends cleanly", ended, 0)])


def changes(binary, folder):
    """The MTU changes under it, packets glued together are told, and none is lost for it."""
    glue = lambda: subprocess.run(["ip", "netns", "exec", SERVER, "ethtool", "-k", "lv1"], check=True, capture_output=True, text=True).stdout.split("generic-receive-offload: ")[1][:3].strip()
    subprocess.run(["ip", "netns", "exec", SERVER, "ethtool", "-K", "lv1", "gro", "on"], check=True, capture_output=True)
    sensor = Sensor(binary, folder / "off", "--set", "capture.disable-offloading=yes")
    during = glue()
    sensor.end()
    ok = [check("what glues packets together is switched off where that is asked for", during, "off")]
    subprocess.run(["ip", "netns", "exec", SERVER, "ethtool", "-K", "lv1", "gro", "on"], check=True, capture_output=True)
    sensor = Sensor(binary, folder / "out")
    glued = sensor.said("glued together", 5)
    for name, device in ((CLIENT, "lv0"), (SERVER, "lv1")):
        subprocess.run(["ip", "-n", name, "link", "set", device, "mtu", "9000"], check=True)
    said = sensor.said("may have 9000 bytes", 5)
    sender = frame_sender("lv0")
    for number in range(10_000, 10_050):
        sender.send(datagram(b"an alert" + b"x" * 8_000, number))
    time.sleep(0.5)
    ended = sensor.end()
    return all(ok + [
        check("it ends cleanly", ended, 0),
        check("that packets are glued together is told, with what to do", "ethtool -K lv1 gro off" in glued),
        check("that packets may be longer is told", "not 1500" in said),
        check("all are seen", sorted(alert_ports(records(folder / "out"))), list(range(10_000, 10_050))),
    ])


def elephant(binary, folder):
    """One flow fills the link beside thousands of small ones: it is passed over where that is said, its record says so, and the others are whole."""
    small = list(exchange_frames(sizes(1_000, 4_000), 2_800))
    bulk = list(exchange_frames(1, 30_000_000))
    step, mixed = max(1, len(bulk) // len(small)), []
    for number, frame in enumerate(small):
        # The heavy flow has another client.
        mixed += [frame.replace(bytes([10, 98, 1, 0]), bytes([10, 98, 1, 250])) for frame in bulk[number * step : (number + 1) * step]] + [frame]
    capture, ok = folder / "elephant.pcap", []
    write_capture(capture, mixed)
    quiet()
    for name, options in (("followed", ()), ("passed over", ("--set", "tapwire.bypass-bytes=1mb"))):
        out = folder / name.replace(" ", "-")
        # So many small flows of one network are a flood: each shall have its records here.
        sensor = Sensor(binary, out, "--threads", "1", "--checksums", "off", "--set", "tapwire.record-summary.enabled=no", *options)
        cpu = lambda: sum(int(word) for word in pathlib.Path("/proc/%d/stat" % sensor.process.pid).read_text().rsplit(")", 1)[1].split()[11:13])
        before = cpu()
        sent = replay(capture, "--mbps=300")
        time.sleep(1)
        spent = cpu() - before
        ok.append(check("it ends cleanly", sensor.end(), 0))
        seen = records(out)
        heavy = max(of_type(seen, "flow"), key=lambda record: record["flow"]["bytes_toclient"])
        urls = {record["http"]["url"] for record in of_type(seen, "http") if record["src_ip"] != "10.98.1.250"}
        dropped = of_type(seen, "stats")[-1]["stats"]["tapwire"]["packets"]["dropped"]
        print("  %s: %d packets, %.2f s of the processor, dropped %s" % (name, sent, spent / 100, dropped))
        ok.append(check("its record says whether it was passed over", (heavy["flow"].get("bypass"), heavy.get("tapwire", {}).get("bypass")),
                        ("local", "bytes") if options else (None, None)))
        ok.append(check("all %d small flows are whole" % sizes(1_000, 4_000), len(urls) >= sizes(1_000, 4_000) - 1 and not dropped["kernel"]))
    return all(ok)


CASES = [books, tags, tap, updown, gone, changes, elephant]

if __name__ == "__main__":
    live.CASES = CASES
    sys.exit(live.main())
