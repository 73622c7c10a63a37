"""The sensor under test: rules, one replay a capture, and what its records say."""
import json, os, re, subprocess

# A rule for each place where the marker can be seen, and one for each event that the rule language knows.
MARKER_RULES = {
    "tcp": 'alert tcp any any -> any any (msg:"marker tcp"; flow:established,to_server; content:"EVIL-MARKER"; sid:1;)',
    "stream": 'alert tcp-stream any any -> any any (msg:"marker stream"; flow:established,to_server; content:"EVIL-MARKER"; sid:2;)',
    "uri": 'alert http any any -> any any (msg:"marker uri"; http.uri; content:"EVIL-MARKER"; sid:3;)',
    "path": 'alert http any any -> any any (msg:"marker path"; http.uri; content:"/EVIL-DIR/MARKER"; sid:13;)',
    "sni": 'alert tls any any -> any any (msg:"marker sni"; tls.sni; content:"evil-marker.example"; bsize:19; sid:4;)',
    "query": 'alert dns any any -> any any (msg:"marker query"; dns.query; content:"evil-marker.example"; nocase; bsize:19; sid:5;)',
    "body": 'alert http any any -> any any (msg:"marker request body"; http.request_body; content:"EVIL-MARKER"; sid:6;)',
    "file": 'alert http any any -> any any (msg:"marker response"; flow:to_client; file.data; content:"EVIL-MARKER"; sid:7;)',
    "udp": 'alert udp any any -> any any (msg:"marker udp"; content:"EVIL-MARKER"; sid:8;)',
    "quic": 'alert quic any any -> any any (msg:"marker quic"; quic.sni; content:"evil-marker.example"; sid:9;)',
    "header": 'alert http any any -> any any (msg:"marker header"; http.header; content:"EVIL-MARKER"; sid:10;)',
    "client": 'alert tcp any any -> any any (msg:"marker to client"; flow:established,to_client; content:"EVIL-MARKER"; sid:11;)',
    "mail": 'alert smtp any any -> any any (msg:"marker mail"; file.data; content:"EVIL-MARKER"; sid:12;)',
}
KEY_OF_SID = {int(re.search(r"sid:(\d+)", rule).group(1)): key for key, rule in MARKER_RULES.items()}
EVENT_PREFIX = "event "


def event_rules():
    """A rule for each named event, from the lists beside this file."""
    sid = 1000
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "events.txt")) as lines:
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            keyword, protocol, *names = line.split()
            for name in names:
                sid += 1
                shown = "csum." + keyword[:-5] if keyword.endswith("-csum") else name if "." in name else "%s.%s" % (keyword.split("-")[0], name)
                yield 'alert %s any any -> any any (msg:"%s%s"; %s:%s; sid:%d;)' % (protocol, EVENT_PREFIX, shown, keyword, name, sid)


class Sensor:
    """A tapwire binary and a folder to work in."""

    def __init__(self, binary, folder, settings=()):
        self.binary, self.folder, self.settings = os.path.realpath(binary), folder, settings
        self.rules = os.path.join(folder, "evasion.rules")
        with open(self.rules, "w") as out:
            out.write("\n".join(list(MARKER_RULES.values()) + list(event_rules())) + "\n")

    def check(self):
        """What the sensor has to say about the rules."""
        done = subprocess.run([self.binary, "check", "--rules", self.rules], capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).strip()

    def replay(self, capture):
        """The keys of the marker rules that matched, and the names of the events that were raised."""
        out = os.path.join(self.folder, os.path.basename(capture) + ".out")
        os.makedirs(out, exist_ok=True)
        command = [self.binary, "replay", "--quiet", "--checksums", "on", "--threads", "1", "--rules", self.rules, "--log-dir", out]
        for pair in self.settings:
            command += ["--set", pair]
        done = subprocess.run(command + [capture], capture_output=True, text=True)
        if done.returncode:
            return set(), {"exit status %d: %s" % (done.returncode, done.stderr.strip()[-200:])}
        return judge(records(out))


def records(folder):
    """The records of a run, plain or compressed."""
    plain, packed = os.path.join(folder, "eve.json"), os.path.join(folder, "eve.json.zst")
    if os.path.exists(packed):
        data = subprocess.run(["zstd", "-dcq", packed], capture_output=True, check=True).stdout
    else:
        with open(plain, "rb") as source:
            data = source.read()
    return [json.loads(line) for line in data.splitlines()]


def judge(lines):
    """Alerts and events among the records."""
    alerts, events = set(), set()
    for record in lines:
        if record["event_type"] == "alert":
            rule = record["alert"]
            if rule["signature_id"] in KEY_OF_SID:
                alerts.add(KEY_OF_SID[rule["signature_id"]])
            elif rule["signature"].startswith(EVENT_PREFIX):
                events.add(rule["signature"][len(EVENT_PREFIX):])
        elif record["event_type"] == "anomaly":
            name = record["anomaly"].get("event", "")
            layer = record["anomaly"].get("app_proto")
            name = name.removeprefix("decoder.")
            events.add("%s.%s" % (layer, name.lower()) if layer and "." not in name else name.lower())
    return alerts, events
