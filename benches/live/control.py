#!/usr/bin/env python3
"""A live sensor says how it is and does what it is told: the control socket, Prometheus, the service manager, signals.

    benches/live/control.py --bin target/release/tapwire

Needs root for its network namespaces; Debian's `prometheus` scrapes where it is installed.
"""
import argparse, http.client, json, os, pathlib, re, shutil, socket, subprocess, sys, time, urllib.parse

from bed import *

SET = ('alert dns any any -> any any (msg:"known"; dns.query; dataset:isset,names,type string,state names.lst; sid:5;)\n'
       'alert dns any any -> any any (msg:"learnt"; dns.query; content:"n777."; startswith; dataset:set,names; sid:6;)\n')


def check(what, found, expected=True):
    print("  %-88s %s" % (what, "yes" if found == expected else "NO: %r" % (found,)), flush=True)
    return found == expected


class Socket:
    """A connection to the control socket."""

    def __init__(self, path):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(str(path))
        self.link.settimeout(PATIENCE_S)
        self.file = self.link.makefile("rb")

    def line(self, text):
        self.link.sendall(text)
        return json.loads(self.file.readline())

    def ask(self, command, **arguments):
        return self.line(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")


def send(number):
    with namespace(CLIENT):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with link:
        link.sendto(query(number), (ADDRESS[SERVER], 53))
    time.sleep(0.5)


def get(path):
    """A page: its status and text."""
    with namespace(SERVER):
        link = http.client.HTTPConnection("127.0.0.1", 9560, timeout=10)
        link.connect()
    link.request("GET", path)
    answer = link.getresponse()
    return answer.status, answer.read().decode()


def name_of(number):
    return query(number)[12:-5].decode("latin1")


def commands(binary, folder):
    """Each command does what it says, and what is none is answered as well."""
    out, rules = folder / "out", folder / "own.rules"
    rules.write_text(RULES + SET)
    sensor = Sensor(binary, out, "--threads", "2", rules=rules)
    path = out / "tapwire.socket"
    talk, ok = Socket(path), []
    ctl = lambda *words: subprocess.run([binary, "ctl", "--log-dir", out, *words], capture_output=True, text=True)
    send(1)
    ok.append(check("it says at the start what it watches", bool(sensor.said("lv1: Ethernet, ring of"))))
    status = talk.ask("status")["message"]
    ok.append(check("status: interface, workers, sandbox, packets", (status["interfaces"], status["workers"], status["sandbox"][:4], status["packets"]["seen"] >= 1, status["stuck"]), (["lv1"], 2, "full", True, [])))
    stats = talk.ask("stats")["message"]
    ok.append(check("stats: %d counters, that add up" % len(stats["counters"]), stats["counters"]["tapwire.packets.seen"],
                    stats["counters"]["tapwire.packets.processed"] + sum(n for name, n in stats["counters"].items() if name.startswith("tapwire.packets.dropped."))))
    ok.append(check("rules: in use, refused", [talk.ask("rules")["message"][key] for key in ("in_use", "refused")], [3, 0]))
    memory = talk.ask("memory")["message"]
    ok.append(check("memory: the whole and its parts", memory["resident_bytes"] > 1 << 20 and "flow.memuse" in memory["parts"]))
    labels = bytes(query(5)[12:-4])
    plain = ".".join(part.decode() for part in iter_labels(labels))
    ok.append(check("datasets: one that rules change", [(s["name"], s["type"], s["values"]) for s in talk.ask("datasets")["message"]], [("names", "string", 0)]))
    ok.append(check("a value is added, found, and an alert", [talk.ask("datasets", do=what, name="names", value=plain)["message"] for what in ("lookup", "add", "add", "lookup")],
                    [{"found": False}, {"added": True}, {"added": False}, {"found": True}]))
    send(5)
    ok.append(check("and removed again", talk.ask("dataset-remove", setname="names", settype="string", datavalue=plain)["message"], {"removed": True}))
    send(5)
    ok.append(check("a set that is none is an error", talk.ask("datasets", do="add", name="waldo", value="x")["return"], "NOK"))
    rules.write_text(RULES + SET + 'alert udp any any -> any any (msg:"new"; content:"new"; sid:9;)\n')
    answer = talk.ask("reload-rules")
    ok.append(check("reload: says what changed", (answer["return"], "1 added" in answer["message"]["lines"][-1]), ("OK", True)))
    rules.write_text("alert nonsense\n")
    answer = talk.ask("reload")
    ok.append(check("a broken set is refused, with its line", (answer["return"], "own.rules:1:" in answer["message"], "stay as they were" in answer["message"]), ("NOK", True, True)))
    for what, line, words in (("no JSON", b"waldo\n", "no JSON"), ("no command", b"{}\n", "no `command`"), ("an unknown command", b'{"command":"waldo"}\n', "no command `waldo`")):
        ok.append(check("%s is answered" % what, words in talk.line(line)["message"]))
    ok.append(check("Suricata's client is greeted", talk.line(b'{"version":"0.2"}\n'), {"return": "OK"}))
    flood = Socket(path)
    ok.append(check("a line without end is not kept", flood.line(b"x" * 65_536)["return"], "NOK"))
    others = [Socket(path) for _ in range(30)]
    ok.append(check("many who say nothing are in nobody's way", talk.ask("uptime")["return"], "OK"))
    [other.link.close() for other in others]
    time.sleep(0.5)
    ran = ctl("status")
    ok.append(check("`tapwire ctl status` shows it", (ran.returncode, json.loads(ran.stdout)["interfaces"]), (0, ["lv1"])))
    ok.append(check("`tapwire ctl waldo` fails", ctl("waldo").returncode, 1))
    top = subprocess.run([binary, "top", "--log-dir", out, "--once", "--interval", "1"], capture_output=True, text=True)
    ok.append(check("`tapwire top` shows it", (top.returncode, "packets" in top.stdout, "lv1" in top.stdout), (0, True, True)))
    ok.append(check("the socket is for its user and group", oct(path.stat().st_mode & 0o777), "0o660"))
    before = len(segments(out))
    rotated = talk.ask("rotate")["return"]
    time.sleep(0.5)
    send(7)
    time.sleep(1.5)
    ok.append(check("rotate begins new files", (rotated, len(segments(out)) > before), ("OK", True)))
    ok.append(check("shutdown ends it", (talk.ask("shutdown")["return"], sensor.process.wait(PATIENCE_S)), ("OK", 0)))
    ok.append(check("its socket is gone, and asking then says so", (path.exists(), ctl("status").returncode), (False, 1)))
    sids = sorted(r["alert"]["signature_id"] for r in of_type(records(out), "alert"))
    ok.append(check("the added value made an alert, the removed one none", sids, [5]))
    ok.append(check("every flow has its record", sum(r["flow"]["pkts_toserver"] for r in of_type(records(out), "flow") if r.get("dest_port") == 53), 4))
    return all(ok)


def iter_labels(name):
    while name and name[0]:
        yield name[1 : 1 + name[0]]
        name = name[1 + name[0] :]


def metrics(binary, folder):
    """Prometheus' own program takes what it gets, and the numbers are those of the records."""
    sensor, ok = Sensor(binary, folder / "out", "--threads", "2"), []
    sending = Datagrams()
    time.sleep(1)
    sent = sending.stop()
    status, text = get("/metrics")
    value = lambda name: sum(float(line.split()[-1]) for line in text.splitlines() if re.match(re.escape(name) + r"[ {]", line))
    ok.append(check("%d series; the alerts are those that were sent" % len([l for l in text.splitlines() if l[0] != "#"]), (status, value("tapwire_alerts_total")), (200, float(len(sent)))))
    ok.append(check("packets add up", value("tapwire_packets_seen_total"), value("tapwire_packets_processed_total") + value("tapwire_packets_dropped_total")))
    ok.append(check("the rule's matches", 'tapwire_rule_matches_total{gid="1",sid="1",tenant="0"} %d' % len(sent) in text))
    ok.append(check("latency of records", value("tapwire_record_latency_seconds_count") >= len(sent)))
    ok.append(check("/healthz is well, others are no pages", (get("/healthz"), get("/etc/passwd")[0]), ((200, "well\n"), 404)))
    if shutil.which("promtool"):
        # It reads the older format, which has fewer types.
        plain = re.sub(r"(?m)^(# TYPE \S+) (info|unknown)$", r"\1 untyped", text).replace("# EOF\n", "")
        ran = subprocess.run(["promtool", "check", "metrics"], input=plain, capture_output=True, text=True)
        wrong = [line for line in (ran.stdout + ran.stderr).splitlines() if "error while" in line]
        ok.append(check("promtool reads it", wrong, []))
    if shutil.which("prometheus"):
        ok.append(scraped(folder, len(sent)))
    else:
        print("  left out: no prometheus")
    ok.append(check("it ends cleanly", sensor.end(), 0))
    return all(ok)


def scraped(folder, alerts):
    """Debian's Prometheus scrapes it."""
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: tapwire, static_configs: [{targets: ['127.0.0.1:9560']}]}]\n")
    server = subprocess.Popen(["ip", "netns", "exec", SERVER, "prometheus", "--config.file=%s" % (folder / "prometheus.yml"), "--storage.tsdb.path=%s" % (folder / "tsdb"),
                               "--web.listen-address=127.0.0.1:9099"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(expression):
        with namespace(SERVER):
            link = http.client.HTTPConnection("127.0.0.1", 9099, timeout=10)
            link.connect()
        link.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        return [float(series["value"][1]) for series in json.loads(link.getresponse().read())["data"]["result"]]

    try:
        end, found = time.monotonic() + PATIENCE_S, []
        while time.monotonic() < end and found != [float(alerts)]:
            time.sleep(1)
            try:
                found = ask("tapwire_alerts_total")
            except OSError:
                pass
        good = check("Prometheus has its alerts", found, [float(alerts)])
        good &= check("and knows it is up", (ask('up{job="tapwire"}'), ask("tapwire_healthy")), ([1.0], [1.0]))
        board = json.loads((HERE.parent.parent / "packaging" / "grafana-dashboard.json").read_text())
        expressions = [target["expr"].replace("$instance", ".*") for panel in board["panels"] for target in panel["targets"]]
        time.sleep(2)
        # What never happened has no value, and that is all that may lack one.
        empty = [expression for expression in expressions if not ask(expression) and "> 0" not in expression]
        return good & check("each of %d questions of the dashboard is answered" % len(expressions), empty, [])
    finally:
        server.terminate()
        server.wait()


def until(status):
    """What `/healthz` says once it has a status, or at last."""
    end, said = time.monotonic() + PATIENCE_S, (0, "")
    while said[0] != status and time.monotonic() < end:
        time.sleep(0.2)
        said = get("/healthz")
    return said


def manager(binary, folder):
    """The service manager is told that it is ready, lives, and ends; nothing is told while a thread is stuck."""
    path, said = folder / "notify", []
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(path))
    threading.Thread(target=lambda: [said.append((time.monotonic(), notify.recv(4096).decode())) for _ in range(1000)], daemon=True).start()
    (folder / "slow.lua").write_text("function init(args) return {} end\nfunction match(args) local n = 0 for i = 1, 10000000000 do n = n + i end return 0 end\n")
    rules = folder / "slow.rules"
    rules.write_text(RULES + 'alert udp any any -> any %d (msg:"slow"; lua:slow.lua; sid:2;)\n' % NOISE_PORT)
    sensor = Sensor(binary, folder / "out", "--threads", "2", "--set", "security.lua.allow-rules=yes", "--set", "security.lua.max-instructions=4000000000",
                    "--set", "tapwire.lua.max-time-ms=4000", rules=rules, environment={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"})
    time.sleep(2.5)
    beats = [text for _, text in said if "WATCHDOG=1" in text]
    well = get("/healthz")
    with namespace(CLIENT):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    began = time.monotonic()
    link.sendto(b"slow", (ADDRESS[SERVER], NOISE_PORT))
    stuck = until(503)
    silent = [at - began for at, text in said if "WATCHDOG=1" in text and began + 2.8 < at < time.monotonic()]
    sensor.said("does not move any more")
    again = until(200)
    sensor.end()
    time.sleep(0.2)
    all_said = "\n".join(text for _, text in said)
    return all([
        check("it says that it is ready", "READY=1" in all_said),
        check("and that it lives", len(beats) >= 1),
        check("and that it ends", "STOPPING=1" in all_said),
        check("while a worker is stuck it does not", silent, []),
        check("and /healthz says which", (well[0], stuck[0], "worker" in stuck[1], again[0]), (200, 503, True, 200)),
    ])


def replays(binary, folder):
    """A replay ends cleanly on Ctrl-C, and USR1 does not end it."""
    capture, whole = folder / "big.pcap", 0
    write_capture(capture, exchange_frames(4_000, 40_000))
    for harmless in (True, False):
        out = folder / ("out-%s" % harmless)
        # One of them alone may be over before it is told anything.
        command = [binary, "replay", "--no-rules", "--quiet", "--set", "tapwire.record-summary.enabled=no", "--log-dir", out]
        process = subprocess.Popen([*command, *[capture] * 12], stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        process.send_signal(signal.SIGUSR1)
        if not harmless:
            process.send_signal(signal.SIGINT)
        status = process.wait(600)
        found = records(out / "eve.json.zst")
        flows, packets = len(of_type(found, "flow")), of_type(found, "stats")[-1]["stats"]["decoder"]["pkts"]
        if harmless:
            whole = packets
            good = check("USR1 does not end it: %d flows, %d packets" % (flows, packets), (status, flows > 1_000), (0, True))
        else:
            good &= check("Ctrl-C ends it with %d flows of %d packets, and 130" % (flows, packets), (status, flows > 0, 0 < packets < whole), (130, True, True))
    return good


CASES = [commands, metrics, manager, replays]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--only", help="some of: " + ", ".join(case.__name__ for case in CASES))
    options = parser.parse_args()
    binary = os.path.abspath(options.bin)
    if is_lacking():
        return 0
    return 0 if held(CASES, options.only, binary) else 1


if __name__ == "__main__":
    sys.exit(main())
