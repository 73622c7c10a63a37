#!/usr/bin/env python3
"""Rules are reloaded while a sensor watches one end of a veth pair: what was changed counts, what flows remember stays.

    benches/reload/live.py --bin target/release/tapwire
    benches/reload/live.py --bin target/release/tapwire --rules FOLDER     what reloads of a large set take instead

Needs root, for its two network namespaces; without it says so and ends with status 0.
"""
import argparse, contextlib, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "evasion"))
from host import namespace

CLIENT, SERVER = "tapwire-reload-client", "tapwire-reload-server"
ADDRESS = {CLIENT: "10.99.0.1", SERVER: "10.99.0.2"}
PORT, WEB_PORT = 7777, 80
PATIENCE_S = 30


def rule(sid, options, protocol="tcp", port=PORT):
    return 'alert %s any any -> any %d (msg:"rule %d"; flow:to_server; %s sid:%d;)\n' % (protocol, port, sid, options, sid)


SETS = rule(1, 'content:"alpha"; flowbits:set,seen;')
ASKS = rule(2, 'content:"beta"; flowbits:isset,seen;')
BROKEN = rule(3, 'content:"gamma"; no_such_keyword;')
COUNTS = rule(4, 'content:"delta"; threshold:type limit, track by_src, count 1, seconds 600;')
MATCHED = rule(10, 'http.uri; content:"/secret";', "http", WEB_PORT)
WAITS = rule(11, 'http.uri; content:"/secret"; http.host; content:"example";', "http", WEB_PORT)
LATE = rule(12, 'http.method; content:"POST";', "http", WEB_PORT)


class Network:
    """Two namespaces with a wire between them."""

    def __enter__(self):
        self.teardown()
        run = lambda *words: subprocess.run(words, check=True, capture_output=True)
        for name in ADDRESS:
            run("ip", "netns", "add", name)
        run("ip", "-n", CLIENT, "link", "add", "rl0", "type", "veth", "peer", "name", "rl1", "netns", SERVER)
        for name, device in ((CLIENT, "rl0"), (SERVER, "rl1")):
            run("ip", "-n", name, "address", "add", ADDRESS[name] + "/24", "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
        return self

    def __exit__(self, *_):
        self.teardown()

    @staticmethod
    def teardown():
        for name in ADDRESS:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


class Connection:
    """A connection through the wire; what comes at the server is thrown away."""

    def __init__(self, port):
        with namespace(SERVER):
            listener = socket.create_server((ADDRESS[SERVER], port))
        with namespace(CLIENT):
            self.client = socket.create_connection((ADDRESS[SERVER], port), 5)
        self.server, _ = listener.accept()
        listener.close()

    def send(self, text):
        self.client.sendall(text.encode())
        got = b""
        while len(got) < len(text):
            got += self.server.recv(1 << 16)
        # The sensor looks at its ring ten times a second.
        time.sleep(0.6)

    def close(self):
        self.client.close()
        self.server.close()


class Sensor:
    """The program on the server's end of the wire. What it says is kept line by line."""

    def __init__(self, binary, rules, folder, *options):
        self.folder, self.lines = folder, []
        command = [binary, "run", "-i", "rl1", "--rules", str(rules), "--log-dir", str(folder), "--data-dir", str(folder), "--checksums", "off", *options]
        self.process = subprocess.Popen(["ip", "netns", "exec", SERVER, *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        threading.Thread(target=lambda: self.lines.extend(iter(self.process.stderr.readline, "")), daemon=True).start()
        self.said("watching rl1")
        time.sleep(0.3)

    def said(self, words, since=0):
        """Waits for a line with some words."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for line in self.lines[since:]:
                if words in line:
                    return line.strip()
            time.sleep(0.05)
        raise SystemExit("it did not say %r but:\n%s" % (words, "".join(self.lines)))

    def reload(self, words, send=signal.SIGHUP):
        """Asks for a reload (or waits for one) and for what is said of it."""
        since = len(self.lines)
        if send:
            self.process.send_signal(send)
        return self.said(words, since)

    def end(self):
        """Its records."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        text = subprocess.run(["zstd", "-dc", *sorted(self.folder.glob("eve-*.json.zst"))], check=True, capture_output=True).stdout
        return [json.loads(line) for line in text.splitlines()]


def alerts(records):
    return sorted(record["alert"]["signature_id"] for record in records if record["event_type"] == "alert")


def check(what, found, expected):
    print("%-75s %s" % (what, "yes" if found == expected else "NO: %r" % (found,)))
    return found == expected


def changes(binary, folder):
    """Rules come, go and are wrong while connections go on."""
    rules = folder / "rules"
    rules.mkdir()
    own = rules / "own.rules"
    write = lambda *texts: (own.with_suffix(".new").write_text("".join(texts)), os.replace(own.with_suffix(".new"), own))
    write(SETS, COUNTS, MATCHED, WAITS)
    sensor = Sensor(binary, rules, folder / "out", "--threads", "2")
    flow, web = Connection(PORT), Connection(WEB_PORT)
    flow.send("alpha delta\n" + "." * 4000)
    # What is acknowledged is looked at with the next packet of its direction.
    web.send("POST /secret HTTP/1.1\r\n")
    web.send("Accept: */*\r\n")
    write(LATE, SETS, ASKS, COUNTS, MATCHED, WAITS)
    noticed = sensor.reload("rules reloaded", send=None)
    flow.send("beta delta\n" + "." * 4000)
    web.send("Host: example.org\r\nContent-Length: 4\r\n\r\n")
    web.send("body")
    write(BROKEN, ASKS, COUNTS)
    fault = sensor.reload("own.rules:1:", signal.SIGHUP)
    fewer = sensor.said("1 refused")
    flow.send("alpha beta delta gamma\n" + "." * 4000)
    away = folder / "away"
    rules.rename(away)
    gone = sensor.reload("the rules stay as they were", signal.SIGUSR2)
    away.rename(rules)
    flow.send("beta\n" + "." * 4000)
    flow.close(), web.close()
    time.sleep(0.5)
    records = sensor.end()
    stats = [record for record in records if record["event_type"] == "stats"][-1]["stats"]
    flows = [record for record in records if record["event_type"] == "flow" and record.get("dest_port") == PORT]
    engine = stats["detect"]["engines"][0]
    return all([
        check("a changed file is noticed by itself", "2 added, 0 removed, 0 changed, 4 as before, 0 refused" in noticed, True),
        check("a flowbit that an old rule set holds for a new one in the same flow", alerts(records).count(2), 3),
        check("a rule that is gone does not match any more", alerts(records).count(1), 1),
        check("a threshold counts on", alerts(records).count(4), 1),
        check("a transaction's rules match once, those that waited and those that are new", [alerts(records).count(sid) for sid in (10, 11, 12)], [1, 1, 1]),
        check("a broken rule is named, the others are used", ("no_such_keyword" in "".join(sensor.lines), "0 added, 4 removed, 0 changed" in fewer), (True, True)),
        check("rules that cannot be read change nothing", "cannot be read" in gone, True),
        check("the connection is one flow", len(flows), 1),
        check("its record has the flowbit", flows and flows[0].get("metadata", {}).get("flowbits"), ["seen"]),
        check("counters tell of it", (stats["tapwire"]["rules"]["reloads"] >= 2, stats["tapwire"]["rules"]["reloads_refused"], engine["rules_loaded"], engine["rules_failed"], "last_reload" in engine), (True, 1, 2, 1, True)),
    ])


def strict(binary, folder):
    """With --strict a set with a fault is not taken at all."""
    rules = folder / "strict.rules"
    rules.write_text(SETS)
    sensor = Sensor(binary, rules, folder / "strict", "--strict", "--set", "tapwire.rules.watch=no")
    rules.write_text(ASKS + BROKEN)
    time.sleep(5)
    silent = not any("reloaded" in line or "stay" in line for line in sensor.lines)
    refused = sensor.reload("the rules stay as they were")
    flow = Connection(PORT)
    flow.send("alpha beta\n" + "." * 4000)
    flow.close()
    return all([
        check("nothing is noticed where that is switched off", silent, True),
        check("--strict refuses a set with a fault, and the old one stays", ("--strict" in refused, alerts(sensor.end())), (True, [1])),
    ])


def cost(binary, folder, source):
    """Time and memory of reloads in which nothing, one rule and every rule changes."""
    rules = folder / "many"
    shutil.copytree(source, rules)
    sensor = Sensor(binary, rules, folder / "cost", "--set", "tapwire.rules.watch=no", "--threads", "1")
    # Below `ip netns exec` it is the program itself.
    process = pathlib.Path("/proc/%d" % sensor.process.pid)
    kib = lambda key: next(int(line.split()[1]) for line in (process / "status").read_text().splitlines() if line.startswith(key))
    one = rules / "zz-one.rules"
    steps = [
        ("nothing", lambda: None),
        ("one rule more", lambda: one.write_text(rule(999999901, 'content:"something of its own";'))),
        ("that rule changed", lambda: one.write_text(rule(999999901, 'content:"another thing of its own";'))),
        ("that rule gone", one.unlink),
        ("every rule changed", lambda: [path.write_text(path.read_text(errors="replace").replace("sid:", "noalert; sid:")) for path in rules.glob("*.rules")]),
        ("nothing", lambda: None),
    ]
    print("| changed | seconds | steady MiB | peak MiB | times | steady afterwards MiB |\n|---|---|---|---|---|---|")
    time.sleep(1)
    for name, change in steps:
        change()
        steady = kib("VmRSS")
        (process / "clear_refs").write_text("5")
        said = sensor.reload("rules reloaded")
        time.sleep(1)
        peak, after = kib("VmHWM"), kib("VmRSS")
        print("| %s | %s | %d | %d | %.2f | %d |" % (name, said.split()[3], steady >> 10, peak >> 10, peak / steady, after >> 10))
    sensor.end()
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rules", help="a folder of rules to measure reloads with")
    options = parser.parse_args()
    binary = os.path.abspath(options.bin)
    if os.geteuid() != 0 or not shutil.which("ip"):
        print("left out: network namespaces need root and iproute2")
        return 0
    with tempfile.TemporaryDirectory() as folder, Network():
        folder = pathlib.Path(folder)
        if options.rules:
            cost(binary, folder, options.rules)
            return 0
        return 0 if all([changes(binary, folder), strict(binary, folder)]) else 1


if __name__ == "__main__":
    sys.exit(main())
