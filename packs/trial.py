"""What trials of packs have in common: records of the program, packages of other authors, a receiver of HTTP, and hostile values."""
import argparse
import contextlib
import gzip
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches"))
from waiting import free_port, listens, wait_for  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tapwire-packs"
SAMPLES = ROOT / "sensor/tests/encodings/records.json"

# Rules that find something in the project's own captures; their texts are such as hurt those who paste them into a query, a cell or a template.
RULES = r"""alert http any any -> any any (msg:"=cmd|' /C calc'!A0 {{7*7}} ${jndi:x} ')\; DROP TABLE events --"; flow:to_server; classtype:trojan-activity; metadata:mitre_tactic_id TA0011, mitre_technique_id T1071, signature_severity Critical; sid:9000001; rev:3;)
alert dns any any -> any any (msg:"a question, <script>alert(1)</script> & \\ \" %0a"; dns.query; content:"."; classtype:policy-violation; sid:9000002; rev:1;)
alert modbus any any -> any any (msg:"modbus is spoken"; classtype:attempted-recon; metadata:mitre_technique_id T0855; sid:9000003; rev:1;)
alert ftp any any -> any any (msg:"a password in clear text"; classtype:default-login-attempt; sid:9000004; rev:1;)
"""

# Values as they may come from the wire, wherever a record has text.
HOSTILE = [
    "=HYPERLINK(\"http://x.test\",\"y\")", "';--", "{{constructor}}", "%{[@metadata]}", "${env:HOME}", "a\tb\r\nc\u0000d", "\u001b[2J", "\u202e\ufeff", "é\U0001f4a9",
    "a=b|c\\d\"e", "<img src=x onerror=y>", "../../etc/passwd", "x" * 5000, "-1", "1e999", "NaN", "[1,2]", "{\"a\":1}", "", " ", "\\", "ĸ" * 2000,
]


def leave_out(what):
    """Says what a machine lacks, which is no failure."""
    print("left out: " + what)
    sys.exit(0)


def arguments(doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=ROOT / "target/release/tapwire", type=Path, help="the program")
    parser.add_argument("--captures", nargs="*", default=[], help="captures beside the project's own")
    given = parser.parse_args()
    given.bin = given.bin.resolve()
    return given


def packages(*wanted):
    """Goes on with a Python that has these packages; they are installed into the cache at the first run."""
    python, mark = CACHE / "venv/bin/python", CACHE / "installed"
    has = mark.read_text().split("\n") if mark.exists() else []
    missing = [name for name in wanted if name not in has]
    if missing or not python.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            if not python.exists():
                subprocess.run([sys.executable, "-m", "venv", CACHE / "venv"], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *missing], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            leave_out(f"{', '.join(missing)} cannot be installed here: {error}")
        mark.write_text("\n".join(has + missing))
    if Path(sys.prefix).resolve() != (CACHE / "venv").resolve():
        os.execv(python, [str(python), *sys.argv])


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="tapwire-pack-") as path:
        yield Path(path)


@contextlib.contextmanager
def process(command, port=None, **options):
    """A program that is ended at the end; `port` is what it listens at."""
    running = subprocess.Popen([str(part) for part in command], **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options})
    try:
        if port:
            wait_for(f"{command[0]} listens", lambda: listens(port) or running.poll() is not None)
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def captures(given):
    return sorted(str(path) for path in ROOT.glob("pcaps/*/*/capture.pcap")) + list(given.captures)


def hostile():
    """Records of every type with hostile values in their texts, by turns."""
    turn, lines = 0, []

    def worse(value, key=""):
        nonlocal turn
        if isinstance(value, dict):
            return {name: worse(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [worse(inner, key) for inner in value]
        fixed = ("timestamp", "start", "end", "first", "last", "from", "to", "emitted", "notbefore", "notafter", "event_type", "event_id", "proto")
        if not isinstance(value, str) or key in fixed or key.endswith("_ip") or key.startswith(("src_mac", "dest_mac")):
            return value
        turn += 1
        return HOSTILE[turn % len(HOSTILE)]

    for line in SAMPLES.read_text().splitlines():
        record = worse(json.loads(line))
        record.setdefault("tapwire", {})["event_id"] = f"hostile-{len(lines)}"
        lines.append(json.dumps(record, ensure_ascii=False))
    return lines


def encode(given, encoding, lines, *options):
    """Records as another format has them: what `tapwire cat --as` writes of them."""
    with folder() as place:
        (place / "eve.json").write_text("\n".join(lines) + "\n")
        text = subprocess.run([given.bin, "cat", "--as", encoding, *options, place / "eve.json"], capture_output=True, check=True).stdout.decode()
    return [line for line in text.split("\n") if line]


def shown(path):
    """The page has the configuration as the file has it."""
    lines = [line.strip() for line in path.read_text().splitlines() if line not in ("%YAML 1.1", "---")]
    page = [line.strip() for line in (path.parent / "README.md").read_text().splitlines()]
    if not any(page[at:at + len(lines)] == lines for at in range(len(page))):
        sys.exit(f"README.md shows something else than {path}")


def configured(path, place, changes):
    """The pack's configuration with this machine's addresses in it: what a user replaces has to be there."""
    text = path.read_text()
    for old, new in changes.items():
        if old not in text:
            sys.exit(f"{path} does not name {old} any more")
        text = text.replace(old, new)
    # A replay waits for its receivers as long as a slow machine needs.
    text = re.sub(r"^tapwire:$", "tapwire:\n  output-drain: 600", text, flags=re.MULTILINE)
    config = place / path.name
    config.write_text(text)
    return config


def run(command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def told(command):
    done = run(command)
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def replay(given, config, place, chosen=None):
    """Replays captures into a log below `place`; returns the records of that log, which are what outputs deliver."""
    (place / "trial.rules").write_text(RULES)
    command = [given.bin, "replay", "--config", config, "--rules", place / "trial.rules", "--log-dir", place / "out", "--quiet"]
    # Captures that somebody gives may be damaged, which is told with a status; the project's own are not.
    (run if given.captures else told)(command + (captures(given) if chosen is None else chosen))
    return [json.loads(line) for line in told([given.bin, "cat", place / "out"]).splitlines()]


def deliver(given, config, place):
    """Follows a page: `check`, `outputs test`, records. Returns them, with what `outputs status` says."""
    told([given.bin, "check", "--config", config])
    tested = told([given.bin, "outputs", "test", "--config", config, "--log-dir", place / "out"])
    records = replay(given, config, place)
    status = json.loads(told([given.bin, "outputs", "status", "--json", "--config", config, "--log-dir", place / "out"]))
    if status["refused"] or status["delivered"] == 0:
        sys.exit(f"not all records were delivered: {status}")
    return records, tested, status


class Served:
    """A server that answers while a block of code goes on."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Door(Served, http.server.ThreadingHTTPServer):
    """Receives requests of HTTP, unpacks them, and answers what `answer(path, query, headers, body)` says: a status and a text."""

    daemon_threads = True

    def __init__(self, answer):
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                url = urllib.parse.urlsplit(self.path)
                with lock:
                    status, text = answer(url.path, dict(urllib.parse.parse_qsl(url.query)), self.headers, body)
                text = text.encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]


def live_files(given, config, place, pattern):
    """Runs the sensor for a moment on an interface of its own, and returns the files of records that it wrote; nothing where that is not allowed."""
    setup = "ip link add p0 type veth peer name p1 && ip link set p0 up && ip link set p1 up"
    command = f"{setup} && exec {given.bin} run -i p0 --no-rules --config {config}"
    with process(["unshare", "-n", "sh", "-c", command], cwd=place) as running:
        end = time.monotonic() + 20
        while time.monotonic() < end and running.poll() is None and not list(place.glob(pattern)):
            time.sleep(0.1)
        # A new interface announces itself, which is what there is to be recorded.
        time.sleep(2.5)
    return sorted(place.glob(pattern))
