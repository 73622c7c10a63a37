"""Where the live sensor is tried: two network namespaces with a wire between them, a sensor on one end, and traffic that is counted."""
import contextlib, ctypes, json, os, pathlib, re, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time, traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "evasion"), str(HERE.parent / "floods")]
from host import namespace
import traffic, wire

CLIENT, SERVER = ("tapwire-live-%s-%d" % (end, os.getpid()) for end in ("client", "server"))
ADDRESS = {CLIENT: "10.98.0.1", SERVER: "10.98.0.2"}
ADDRESS_V6 = {CLIENT: "fd00:98::1", SERVER: "fd00:98::2"}
PATIENCE_S = 60
ALERT_PORT, NOISE_PORT = 7001, 7002
RULES = 'alert udp any any -> any %d (msg:"an alert"; content:"alert"; sid:1;)\n' % ALERT_PORT


def is_lacking(*tools):
    """Says what keeps the trials from being run here, if anything does: rights, tools, or namespaces."""
    missing = [name for name in ("ip", "zstd", *tools) if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        print("left out: network namespaces need root%s" % "".join(", " + name for name in missing))
        return True
    probe = "tapwire-probe-%d" % os.getpid()
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        print("left out: this system makes no network namespaces")
        return True
    subprocess.run(["ip", "netns", "delete", probe], check=True)
    return False


class Network:
    """Two namespaces with a veth pair between them, its offloads as the system sets them."""

    def __enter__(self):
        self.teardown()
        run = lambda *words: subprocess.run(words, check=True, capture_output=True)
        for name in ADDRESS:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", CLIENT, "link", "add", "lv0", "type", "veth", "peer", "name", "lv1", "netns", SERVER)
        for name, device in ((CLIENT, "lv0"), (SERVER, "lv1")):
            run("ip", "-n", name, "address", "add", ADDRESS[name] + "/24", "dev", device)
            run("ip", "-n", name, "address", "add", ADDRESS_V6[name] + "/64", "dev", device, "nodad")
            run("ip", "-n", name, "link", "set", device, "up")
        return self

    def __exit__(self, *_):
        self.teardown()

    @staticmethod
    def teardown():
        for name in ADDRESS:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def held(cases, only, *given):
    """Whether all cases hold, or those that are named, each in a network of its own. Given: what a case gets before its folder.

    One that fails is tried once more: where others use the machine too, its system drops a packet now and then. What fails twice is wrong.
    """
    wrong = []
    for case in cases:
        if only and case.__name__ not in only.split(","):
            continue
        for turn in ("once more", "wrong"):
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="tapwire-live-") as folder, Network():
                print("%s: %s" % (case.__name__, case.__doc__.splitlines()[0]), flush=True)
                try:
                    good = bool(case(*given, pathlib.Path(folder)))
                except Exception:
                    traceback.print_exc()
                    good = False
            print("  (%.1f s%s)" % (time.monotonic() - began, "" if good else ", " + turn), flush=True)
            if good:
                break
        else:
            wrong.append(case.__name__)
    if wrong:
        print("wrong: " + ", ".join(wrong))
    return not wrong


class Sensor:
    """The program on the server's end of the wire. What it says is kept line by line."""

    def __init__(self, binary, folder, *options, environment=None, rules=None, wait=True, before=()):
        self.folder, self.lines = pathlib.Path(folder), []
        if rules is None:
            rules = self.folder.parent / "live.rules"
            rules.write_text(RULES)
        command = [binary, "run", "-i", "lv1", "--rules", str(rules), "--log-dir", str(folder), "--set", "tapwire.rules.watch=no", *options]
        self.process = subprocess.Popen(["ip", "netns", "exec", SERVER, *before, *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                        env={**os.environ, **(environment or {})})
        threading.Thread(target=lambda: self.lines.extend(iter(self.process.stderr.readline, "")), daemon=True).start()
        if wait:
            self.said("watching lv1")
            time.sleep(0.3)

    def said(self, words, patience_s=PATIENCE_S):
        """Waits for a line with some words."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            for line in list(self.lines):
                if words in line:
                    return line.strip()
            time.sleep(0.02)
        raise AssertionError("it did not say %r but:\n%s" % (words, "".join(self.lines)))

    def end(self, how=signal.SIGTERM):
        """Its exit status."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


def segments(folder):
    """The files of the log in a folder, in the order of their numbers, the one that is written to last."""
    found = [*folder.glob("eve-*.json.zst"), *folder.glob("eve-*.json.zst.open")]
    return sorted(found, key=lambda path: path.name.split(".json")[0][-10:])


def text_of(path, whole=True):
    """The text of a file of records, or of the log in a folder; of a torn one as much as reads back."""
    if path.is_dir():
        return b"".join(text_of(segment, whole) for segment in segments(path))
    if path.suffix == ".open":
        # Its last frame may not be finished.
        return subprocess.run(["zstd", "-dcq"], input=path.read_bytes(), check=whole, capture_output=True).stdout
    if not path.name.endswith(".zst"):
        return path.read_bytes()
    return subprocess.run(["zstd", "-dcq", path], check=whole, capture_output=True).stdout


def records(path, whole=True):
    """The records of a file. A line that is none is an error."""
    lines = text_of(path, whole).split(b"\n")
    assert not whole or lines[-1] == b"", "the last line is not whole"
    return [json.loads(line) for line in lines if line and (whole or line.endswith(b"}"))]


def each_of(folder, *event_types):
    """The records of some types in a log, one after the other: all of half an hour do not fit into memory."""
    wanted = [b'"event_type":"%s"' % event_type.encode() for event_type in event_types]
    for segment in segments(folder):
        with subprocess.Popen(["zstd", "-dcq", segment], stdout=subprocess.PIPE) as reading:
            for line in reading.stdout:
                if any(words in line[:400] for words in wanted):
                    yield json.loads(line)


def of_type(all_records, event_type):
    return [record for record in all_records if record["event_type"] == event_type]


def alert_ports(all_records):
    """Source ports of alerts: each datagram has one of its own."""
    return [record["src_port"] for record in of_type(all_records, "alert")]


class Datagrams:
    """Sends datagrams with an alert in each, from a source port of its own, and others between them, until it is told to stop."""

    def __init__(self, alerts_a_second=50, noise=4):
        self.sent, self.stopped, self.pause, self.noise = [], threading.Event(), 1 / alerts_a_second, noise
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with namespace(CLIENT):
            probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            raw = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(self.noise)]
        # Behind them are those that the system gives to others.
        for port in range(10_000, 32_768):
            if self.stopped.wait(self.pause):
                break
            with namespace(CLIENT):
                one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.bind((ADDRESS[CLIENT], port))
            one.sendto(b"an alert %d" % port, (ADDRESS[SERVER], ALERT_PORT))
            one.close()
            self.sent.append(port)
            for number, other in enumerate(raw):
                with contextlib.suppress(OSError):
                    other.sendto(query(port * 8 + number), (ADDRESS[SERVER], 53))
        for link in (probe, *raw):
            link.close()

    def stop(self):
        self.stopped.set()
        self.thread.join()
        # The sensor looks at its ring ten times a second.
        time.sleep(0.5)
        return self.sent


def query(number):
    """A DNS query for a name of its own."""
    name = b"".join(bytes([len(part)]) + part for part in (b"n%d" % number, b"x" * 60, b"y" * 60, b"example")) + b"\0"
    return struct.pack("!HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)


def exchange_frames(flows, answer_bytes=20_000):
    """Frames of HTTP exchanges with answers of some size."""
    body = b"b" * 1400
    inside = traffic.words(body)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %07d\r\n\r\n " % (answer_bytes // 1400 * 1400)
    head = head[: len(head) // 2 * 2]
    S, A, P, F = wire.SYN, wire.ACK, wire.PSH, wire.FIN
    for number in range(flows):
        source, target, ports = 0x0A620100 + number % 200, 0x0A620002, (10_000 + number % 50_000, 80)
        request = b"GET /%07d HTTP/1.1\r\nHost: example.org\r\nUser-Agent: live\r\nX: xx\r\n\r\n" % number
        request += b" " * (len(request) % 2)
        a, b = number * 7919 & 0x7FFFFFFF, number * 104729 & 0x7FFFFFFF
        forth = lambda seq, ack, flags, data=b"": traffic.tcp_frame(source, target, ports, seq, ack, flags, data, traffic.words(data))
        back = lambda seq, ack, flags, data=b"", total=0: traffic.tcp_frame(target, source, ports[::-1], seq, ack, flags, data, total, back=True)
        yield forth(a, 0, S)
        yield back(b, a + 1, S | A)
        yield forth(a + 1, b + 1, A)
        yield forth(a + 1, b + 1, A | P, request)
        a, b = a + 1 + len(request), b + 1
        yield back(b, a, A | P, head, traffic.words(head))
        b += len(head)
        for _ in range(answer_bytes // 1400):
            yield back(b, a, A | P, body, inside)
            b += len(body)
            yield forth(a, b, A)
        yield forth(a, b, F | A)
        yield back(b, a + 1, F | A)
        yield forth(a + 1, b + 1, A)


def write_capture(path, frames):
    """Writes frames into a capture file; their number and bytes."""
    count = total = 0
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for count, frame in enumerate(frames, 1):
            out.write(struct.pack("<IIII", 1_767_225_600 + count // 20_000, count % 20_000 * 50, len(frame), len(frame)) + frame)
            total += len(frame)
    return count, total


def replay(capture, *options):
    """Sends a capture from the client's end; packets that were sent."""
    ran = subprocess.run(["ip", "netns", "exec", CLIENT, "tcpreplay", "-q", "-K", "-i", "lv0", *options, str(capture)],
                         check=True, capture_output=True, text=True)
    return int(re.search(r"Actual: (\d+) packets", ran.stdout + ran.stderr).group(1))


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of some size."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tapwire-live", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def slow_disk(folder, milliseconds):
    """The environment in which syncing to disk takes some time; nothing without a compiler."""
    source = folder / "slow.c"
    source.write_text("#include <unistd.h>\nint fdatasync(int f) { (void)f; usleep(%d); return 0; }\nint fsync(int f) { return fdatasync(f); }\n"
                      % (milliseconds * 1000))
    library = folder / "slow.so"
    made = subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], capture_output=True)
    return {"LD_PRELOAD": str(library)} if made.returncode == 0 else None
