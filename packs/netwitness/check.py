#!/usr/bin/env python3
"""Follows the page with a stand-in for a Log Decoder, for the product itself is not to be had: receives the sensor's syslog, maps each CEF line by
cef-custom.xml and table-map-custom.xml, applies the rules of hunting.nwr, and looks at what comes out: types, lengths of names, the six hunting
keys. JSON mappings are applied to the same records as EVE JSON. Names are held against the list in pySigma's backend for NetWitness.
"""
import collections
import ipaddress
import json
import re
import socketserver
import sys
import threading
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import trial  # noqa: E402

sys.path.insert(0, str(HERE))
import merge  # noqa: E402

PACKAGES = ["pysigma-backend-netwitness==0.3.0"]
HUNTING = ["ioc", "boc", "eoc", "analysis.session", "analysis.service", "analysis.file"]
# What the pack leaves to the decoder's own parser, or leaves out: the same under another key, or of no use there.
LEFT = {"rt", "start", "end", "msg", "deviceExternalId", "cn2", "cn3", "fileId", "flexString1"}
# Where a value of the wrong type comes as no surprise: an address of IPv6 in the key for IPv4, which then has none.
TOLERATED = {("ip.src", "IPv4"), ("ip.dst", "IPv4")}
HEADER = re.compile(r"^<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (\S+) (?:\S+: )?(CEF:0\|.*)$")


def table(name):
    return [line.split("\t") for line in (HERE / name).read_text().splitlines() if line and not line.startswith("#")]


def pairs(text):
    """The pairs of an extension: a value ends before the next ` key=`."""
    found = list(re.finditer(r"(?:^|(?<= ))([A-Za-z0-9]+)=", text))
    for n, match in enumerate(found):
        end = found[n + 1].start() - 1 if n + 1 < len(found) else len(text)
        yield match.group(1), re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), text[match.end():end])


def fits(kind, value):
    try:
        if kind in ("IPv4", "IPv6"):
            return ipaddress.ip_address(value).version == int(kind[-1])
        if kind.startswith("UInt"):
            return 0 <= int(value) < 2 ** int(kind[4:])
        return kind != "MAC" or bool(re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", value))
    except ValueError:
        return False


class Decoder:
    """What a Log Decoder makes of lines, as its documentation says."""

    def __init__(self, parser, table_map):
        self.devices = {(one.get("vendor"), one.get("product")): one.get("device") for one in parser.iter("Vendor2Device")}
        self.keys = collections.defaultdict(list)
        for key in parser.iter("ExtensionKey"):
            self.keys[key.get("cefName")] += [(one.get("device"), one.get("label"), one.get("metaName")) for one in key.iter("device2meta")]
        self.meta = {one.get("envisionName"): (one.get("nwName"), one.get("format", "Text")) for one in table_map.iter("mapping")}
        self.unknown, self.wrong = collections.Counter(), collections.Counter()

    def read(self, line):
        header = line.split("|", 7)
        device = self.devices.get((header[1], header[2]))
        session = collections.defaultdict(list)
        session["device.type"].append(device)
        found = dict(pairs(header[7]))
        for name, value in found.items():
            if name.endswith("Label") and name[:-5] in found:
                continue
            key = next((meta for of, label, meta in self.keys[name] if of == device and label in (None, found.get(name + "Label"))), None)
            if key is None:
                if name not in LEFT:
                    self.unknown[name] += 1
                continue
            meta, kind = self.meta[key]
            if fits(kind, value):
                session[meta].append(value)
            elif (meta, kind) not in TOLERATED:
                self.wrong[f"{meta} ({kind}): {value[:60]!r}"] += 1
        return session


CONDITION = re.compile(r"\s*([a-z][a-z0-9.]*) (!exists|exists|!=|>=|=|begins|ends|contains)(?: ((?:'[^']*'|\d+)(?:,(?:'[^']*'|\d+))*))?\s*$")


def holds(rule, session):
    """Whether a rule of an application is true of a session; only the language that hunting.nwr uses."""
    def one(text):
        match = CONDITION.match(text)
        if not match:
            raise ValueError(f"{text!r} is no condition")
        key, what, values = match.groups()
        there = [str(value).lower() for value in session.get(key, [])]
        if what in ("exists", "!exists"):
            return bool(there) == (what == "exists")
        wanted = [value.strip("'").lower() for value in re.findall(r"'[^']*'|\d+", values)]
        if what == "!=":
            return bool(there) and not any(value in wanted for value in there)
        tests = {"=": str.__eq__, "begins": str.startswith, "ends": str.endswith, "contains": str.__contains__, ">=": lambda a, b: int(a) >= int(b)}
        return any(tests[what](value, want) for value in there for want in wanted)
    return all(one(part) for part in rule.split(" && "))


def rules(faults):
    found = []
    for line in (HERE / "hunting.nwr").read_text().splitlines():
        match = re.fullmatch(r'name="([^"]{1,64})" rule="([^"]+)" alert=([a-z.]+) order=(\d+) type=application', line)
        if not match or int(match.group(4)) != len(found) + 1:
            faults.append(f"hunting.nwr: {line}")
        else:
            found.append(match.groups())
    return found


def names(faults):
    """Names against the limit, against each other in all files, and against what others list."""
    import sigma.backends.netwitness  # noqa: F401  Its modules need one another in this order.
    from sigma.pipelines.netwitness import netwitness as theirs

    texts = set(theirs.field_transformations_to_string)
    listed = texts | set(theirs.field_transformations_to_number) | set(theirs.field_transformations_unquote)
    keys = table("keys.tsv")
    meta = {key[1] for key in keys}
    mapped = [(one.get("envisionName"), one.get("nwName"), one.get("format", "Text")) for one in xml.parse(HERE / "table-map-custom.xml").iter("mapping")]
    if mapped != [(key[0], key[1], key[2]) for key in keys]:
        faults.append("table-map-custom.xml is not what keys.tsv says")
    indexed = {one.get("name"): (one.get("format"), one.get("level")) for one in xml.parse(HERE / "index-concentrator-custom.xml").iter("key")}
    if {name: indexed.get(name) for name in meta} != {key[1]: (key[2], key[3]) for key in keys}:
        faults.append("index-concentrator-custom.xml is not what keys.tsv says")
    used = {one.get("metaName") for one in xml.parse(HERE / "cef-custom.xml").iter("device2meta")}
    if used != {key[0] for key in keys}:
        faults.append(f"cef-custom.xml and keys.tsv differ in {used ^ {key[0] for key in keys}}")
    for name in [*indexed, *meta, *(row[2] for row in table("json-mapping.tsv"))]:
        if not re.fullmatch(r"[a-z][a-z0-9.]{0,15}", name):
            faults.append(f"{name} is no name of a meta key, which has 16 characters at most")
    for _, name, kind, _, whose, _ in keys:
        if (whose == "pysigma") != (name in listed):
            faults.append(f"keys.tsv says of {name} that it is listed by {whose}")
        if whose == "pysigma" and (kind == "Text") != (name in texts):
            faults.append(f"{name} is {kind} here, and not there")
    unlisted = [name for name in HUNTING + ["direction"] if name not in listed]
    if unlisted:
        faults.append(f"{unlisted} are not keys of theirs")
    return len(keys), sum(key[4] == "pysigma" for key in keys), sum(key[4] == "own" for key in keys)


def at(value, path):
    """What stands at a path, of lists all of it."""
    for name in path.split("."):
        if isinstance(value, list):
            value = [inner[name] for inner in value if isinstance(inner, dict) and name in inner]
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, list) else [] if value is None else [value]


def json_mapping(records, faults):
    kinds = {key[1]: key[2] for key in table("keys.tsv")}
    filled = collections.Counter()
    for name, path, meta in table("json-mapping.tsv"):
        for record in records:
            for value in at(record, path):
                filled[path] += 1
                if isinstance(value, (dict, list)):
                    faults.append(f"json-mapping.tsv: {path} is no single value")
                elif not fits(kinds.get(meta, "Text"), str(value)) and (meta, kinds.get(meta)) not in TOLERATED:
                    faults.append(f"json-mapping.tsv: {path} is no {kinds[meta]}: {value!r}")
        if not filled[path]:
            faults.append(f"json-mapping.tsv: nothing is at {path}")
    return len(filled)


class Collector(socketserver.ThreadingTCPServer):
    """Takes lines of syslog, as a Log Decoder does at its port."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        self.lines = lines = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                lines.extend(line.decode().rstrip("\n") for line in self.rfile)

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def merging(faults):
    """What merge.py makes of a parser and of a file that is there: other devices keep what they have."""
    base = xml.fromstring('<DEVICEMESSAGES><ExtensionKeys><ExtensionKey cefName="cs1" metaName="cs_fld"><device2meta device="other" metaName="context"/></ExtensionKey>'
                          '<ExtensionKey cefName="cat" metaName="theirs"/></ExtensionKeys></DEVICEMESSAGES>')
    there = xml.fromstring('<DEVICEMESSAGES><VendorProducts><Vendor2Device vendor="X" product="Y" device="xy" group="IDS"/></VendorProducts>'
                           '<ExtensionKeys><ExtensionKey cefName="act" metaName="mine"><device2meta device="xy" metaName="a"/></ExtensionKey></ExtensionKeys></DEVICEMESSAGES>')
    ours = xml.parse(HERE / "cef-custom.xml").getroot()
    once = xml.tostring(merge.merged(base, there, ours))
    root = xml.fromstring(once)
    keys = merge.keys(root)
    devices = {name: [one.get("device") for one in key] for name, key in keys.items()}
    wanted = {"cs1": ["other", "tapwire"], "cat": ["tapwire"], "act": ["xy", "tapwire"]}
    meanings = {name: keys[name].get("metaName") for name in wanted}
    if {name: devices[name] for name in wanted} != wanted or meanings != {"cs1": "cs_fld", "cat": "theirs", "act": "mine"} or len(root.findall(".//Vendor2Device")) != 2:
        faults.append(f"merge.py makes something else: {devices} {meanings}")
    if xml.tostring(merge.merged(base, root, xml.parse(HERE / "cef-custom.xml").getroot())) != once:
        faults.append("merge.py makes something else when it is run again")
    return root


def main():
    given = trial.arguments(__doc__)
    trial.packages(*PACKAGES)
    faults = []
    total, listed, own = names(faults)
    hunting = rules(faults)
    decoder = Decoder(merging(faults), xml.parse(HERE / "table-map-custom.xml"))
    with Collector() as collector, trial.folder() as place:
        config = trial.configured(HERE / "tapwire.yaml", place, {"logdecoder.example:514": f"127.0.0.1:{collector.server_address[1]}", "/var/log/tapwire": str(place / "out")})
        records, _, status = trial.deliver(given, config, place)
        trial.wait_for("all lines have come", lambda: len([line for line in collector.lines if "externalId=sample-" not in line]) >= status["delivered"])
        lines = [line for line in collector.lines if "externalId=sample-" not in line]
    kept = [record for record in records if record["event_type"] not in ("stats", "health", "packet", "metadata", "frame", "netflow")]
    if len(lines) != len(kept):
        faults.append(f"of {len(kept)} records {len(lines)} lines came")
    sessions = []
    texts = []
    for line in lines:
        match = HEADER.match(line)
        if match:
            texts.append(match.group(2))
        else:
            faults.append(f"the header of {line[:120]!r} is not one of RFC 3164 with CEF behind it")
    golden = trial.encode(given, "cef", trial.SAMPLES.read_text().splitlines())
    hostile = trial.encode(given, "cef", trial.hostile())
    for text in texts + golden:
        sessions.append(decoder.read(text))
    careful = Decoder(xml.parse(HERE / "cef-custom.xml"), xml.parse(HERE / "table-map-custom.xml"))
    for text in hostile:
        session = careful.read(text)
        if session["device.type"] != ["tapwire"] or "\n" in text or "\r" in text:
            faults.append(f"a hostile value breaks a line: {text[:200]!r}")
    for session in sessions:
        for name, rule, alert, _ in hunting:
            if holds(rule, session):
                session[alert].append(name)
    filled = collections.Counter(meta for session in sessions for meta in session)
    faults += [f"{key} is no key of cef-custom.xml ({count} records)" for key, count in decoder.unknown.items()]
    faults += [f"{what} ({count} records)" for what, count in decoder.wrong.most_common(10)]
    for _, name, *_ in table("keys.tsv"):
        if not filled[name]:
            faults.append(f"no record fills {name}")
    for name in HUNTING + ["direction"]:
        if not filled[name]:
            faults.append(f"no record fills {name}, which rules are to fill")
    mapped = json_mapping(records + [json.loads(line) for line in trial.encode(given, "eve", trial.SAMPLES.read_text().splitlines())], faults)
    print(f"{len(lines)} lines of {len(set(record['event_type'] for record in kept))} types through syslog, {len(golden)} and {len(hostile)} hostile ones beside them; {total} meta keys filled, {listed} on pySigma's list, {own} our own, "
          f"none longer than 16; {mapped} JSON mappings; by {len(hunting)} rules " + ", ".join(f"{name} {filled[name]}" for name in HUNTING))
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
