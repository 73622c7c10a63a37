#!/usr/bin/env python3
"""Whether the log source extension, the event map and the properties for QRadar fit what the program writes.

  check.py --bin PROGRAM [--captures FILE...]

The extension is applied, as IBM documents it, to every line that a syslog receiver gets when the page is followed, as leef and as
fast: what it reads is what the record says. Every event has a place in the map, every key of a line is a field or a property.
The installer speaks to a stand-in for the console's API.
"""
import collections
import csv
import ipaddress
import json
import re
import socketserver
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import trial

# Keys that QRadar reads by itself, and what they are there.
OWN = {"devTimeFormat"}
# Fields that an extension may fill (IBM: list of valid matcher field names), as far as they are used.
FIELDS = {"EventName", "EventCategory", "SourceIp", "SourcePort", "SourceMAC", "SourceIpv6", "DestinationIp", "DestinationPort", "DestinationMAC", "DestinationIpv6",
          "Protocol", "UserName", "DeviceTime"}
# Keys of protocols that no capture here has.
ELSEWHERE = {"usrName", "smbCommand", "resource"}
# What QRadar takes of a message over TCP, once it is told to (System Settings): its default is 4,096 bytes.
PAYLOAD_BYTES = 8192


class Faults(collections.Counter):
    def add(self, what, line=""):
        if what not in self and len(self) < 20:
            print(f"   {what}\n      {str(line)[:400]}")
        self[what] += 1


def pairs(line):
    """A line of LEEF 2.0: its keys and values."""
    head, _, rest = line.partition("LEEF:2.0|")
    parts = rest.split("|", 5)
    if len(parts) != 6 or parts[4] != "x09":
        raise ValueError("no line of LEEF")
    return dict(pair.split("=", 1) for pair in parts[5].split("\t"))


class Extension:
    """A device extension, as its documentation describes it."""

    def __init__(self, path):
        root = xml.parse(path).getroot()
        if root.tag != "{event_parsing/device_extension}device-extension":
            raise ValueError("the name space is wrong")
        self.patterns = {pattern.get("id"): (pattern.get("type"), pattern.text) for pattern in root.findall("pattern")}
        self.groups = sorted(root.findall("match-group"), key=lambda group: int(group.get("order")))
        self.used = set()

    def read(self, line):
        """Fields of the first group whose pattern the line has."""
        for group in self.groups:
            whole = group.find("event-match-multiple")
            if not re.search(self.patterns[whole.get("pattern-id")][1], line):
                continue
            fields, keys = {}, pairs(line) if "LEEF:2.0|" in line else {}
            for matcher in sorted((part for part in group if part.tag.endswith("matcher")), key=lambda part: int(part.get("order"))):
                kind, text = self.patterns[matcher.get("pattern-id")]
                if (matcher.tag == "leef-matcher") != (kind == "LeefKey") or matcher.get("field") not in FIELDS:
                    raise ValueError(f"{matcher.get('field')}: no such matcher")
                value, wanted = None, matcher.get("capture-group", "0")
                if kind == "LeefKey":
                    value = keys.get(text)
                    self.used.add(text)
                elif found := re.search(text, line):
                    value = found.group(int(wanted)) if wanted.isdigit() else wanted
                if value is not None:
                    fields.setdefault(matcher.get("field"), value)
            return fields
        return None


def one_address(text):
    return str(ipaddress.ip_address(text)) if text and ":" in text else text


def same(fields, record, is_fast, faults, line):
    """What the extension reads is what the record says."""
    alert = record.get("alert", {}) if record["event_type"] == "alert" else {}
    source, destination = (record.get(name) or record.get("arp", {}).get(name) for name in ("src_ip", "dest_ip"))
    expected = {
        "EventName": alert.get("category") or ("(null)" if is_fast else record["event_type"]), "EventCategory": record["event_type"],
        "Protocol": record.get("proto"),
        "SourceIp": source if source and ":" not in source else None, "DestinationIp": destination if destination and ":" not in destination else None,
    }
    if not is_fast:
        expected |= {"SourceIpv6": one_address(source) if source and ":" in source else None}
        fields = fields | {name: one_address(fields[name]) for name in ("SourceIpv6",) if name in fields}
        if "src_port" in record:
            expected |= {"SourcePort": str(record["src_port"]), "DestinationPort": str(record["dest_port"])}
    if is_fast:
        expected |= {"SourceIp": None, "DestinationIp": None} if source and ":" in source else {}
        if expected["SourceIp"] is None:
            expected["SourceIp"] = expected["DestinationIp"] = None if source else "0.0.0.0"
    for name, value in expected.items():
        if fields.get(name) != value:
            faults.add(f"{'fast' if is_fast else 'leef'}: {name} is read as {fields.get(name)!r}, and is {value!r}", line)
    stamp = record["timestamp"]
    time = f"{stamp[5:7]}/{stamp[8:10]}/{stamp[:4]}-{stamp[11:23]}" if is_fast else stamp[:23] + stamp[26:]
    if fields.get("DeviceTime") != time:
        faults.add(f"DeviceTime is {fields.get('DeviceTime')!r}, not {time!r}", line)


class Receiver(trial.Served, socketserver.ThreadingTCPServer):
    """A syslog receiver that takes lines."""
    allow_reuse_address = daemon_threads = True

    def __init__(self):
        self.lines = []
        super().__init__(("127.0.0.1", 0), None)

    def finish_request(self, request, _):
        with request.makefile("rb") as stream:
            for line in stream:
                self.lines.append(line.rstrip(b"\n").decode())


def page(given, name, to, faults):
    """Follows the page: the configuration, a receiver, what came."""
    with trial.folder() as place, Receiver() as receiver:
        changes = {to: f"tcp://127.0.0.1:{receiver.server_address[1]}"}
        if "tls:" in (HERE / name).read_text():
            changes["    tls: {ca: /etc/tapwire/qradar-ca.pem}\n"] = ""
        config = trial.configured(HERE / name, place, changes)
        records, _, status = trial.deliver(given, config, place)
        trial.wait_for("all lines came", lambda: len(receiver.lines) >= status["delivered"], 10)
        print(f"page, {name}: {len(receiver.lines)} messages came, {status['delivered']} records delivered")
        return records, receiver.lines


def header(line, is_fast, faults):
    """The header that IBM asks for: RFC 5424 with milliseconds, or RFC 3164; a host. Returns what is behind it."""
    form = r"<\d{1,3}>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ snort: " if is_fast else r"<\d{1,3}>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d:\d\d) \S+ tapwire \S+ \S+ - "
    found = re.match(form, line)
    if not found:
        faults.add("the header is none that QRadar reads", line)
        return line
    return line[found.end():]


def table(name):
    with open(HERE / name, newline="") as rows:
        return list(csv.DictReader(rows))


class Api:
    """What the installer asks of a console, with the fields that it must give."""
    LISTS = {"data_classification/qid_records": ("id", {"log_source_type_id": int, "name": str, "description": str, "severity": int, "low_level_category_id": int}),
             "data_classification/dsm_event_mappings": ("id", {"log_source_type_id": int, "log_source_event_id": str, "log_source_event_category": str, "qid_record_id": int}),
             "config/event_sources/custom_properties/regex_properties": ("identifier", {"name": str, "description": str, "property_type": str, "use_for_rule_engine": bool, "auto_discovered": bool}),
             "config/event_sources/custom_properties/property_leef_expressions": ("identifier", {"regex_property_identifier": str, "log_source_type_id": int, "expression": str, "enabled": bool})}

    def __init__(self, faults):
        self.faults, self.rows, self.number = faults, {path: [] for path in self.LISTS}, 100

    def answer(self, path, _query, headers, body):
        path = path.removeprefix("/api/")
        if headers.get("SEC") != "the token":
            return 401, '{"message":"You are unauthorized to access the requested resource."}'
        if path == "config/event_sources/log_source_management/log_source_types":
            return 200, '[{"id":4001,"name":"Tapwire"}]'
        key, wanted = self.LISTS[path]
        if not body:
            return 200, json.dumps(self.rows[path])
        row = json.loads(body)
        if {name: type(value) for name, value in row.items()} != wanted or not 0 <= row.get("severity", 0) <= 10 or len(row.get("name", "")) > 255:
            self.faults.add(f"{path}: not such a row", row)
        self.number += 1
        self.rows[path].append(row | {key: self.number if key == "id" else f"id-{self.number}"})
        return 201, json.dumps(self.rows[path][-1])


def installed(faults):
    api = Api(faults)
    with trial.folder() as place, trial.Door(api.answer) as door:
        (place / "token").write_text("the token\n")
        (place / "classification.config").write_text("config classification: our-own,Something of =ours,2\nconfig classification: unknown,Unknown Traffic,3\n")
        command = [sys.executable, HERE / "install.py", "--console", f"http://127.0.0.1:{door.port}", "--token-file", place / "token", "--classification", place / "classification.config"]
        trial.told(command)
        counts = {path: len(rows) for path, rows in api.rows.items()}
        trial.told(command)
        if counts != {path: len(rows) for path, rows in api.rows.items()}:
            faults.add("a second run makes things twice", counts)
        if list(counts.values()) != [len({row["name"] for row in table("qidmap.csv")}) + 1, len(table("qidmap.csv")) + 1, len(table("properties.csv")), len(table("properties.csv"))]:
            faults.add("not all was made", counts)
    print("installer:", ", ".join(f"{path.rpartition('/')[2]} {count}" for path, count in counts.items()))


def main():
    given, faults = trial.arguments(__doc__), Faults()
    for name in ("tapwire.yaml", "tapwire-fast.yaml"):
        trial.shown(HERE / name)
    extension = Extension(HERE / "tapwire-lsx.xml")
    events = {(row["event_id"], row["event_category"]) for row in table("qidmap.csv")}
    properties = {row["leef_key"] for row in table("properties.csv")}
    for row in table("qidmap.csv") + table("properties.csv"):
        if any(cell[:1] in ("=", "+", "-", "@", "\t") for cell in row.values()):
            faults.add("a cell is a formula", row)
    for text in re.findall(r"^config classification: [^,]+,([^,]+),", (ROOT / "signatures/src/language/usual/classification.config").read_text(), re.M):
        if (text, "alert") not in events:
            faults.add(f"the class {text} is not in the map")
    had, longest = set(), 0
    for name, to in (("tapwire.yaml", "tls://qradar.example:6514"), ("tapwire-fast.yaml", "tcp://qradar.example:514")):
        is_fast = "fast" in name
        records, lines = page(given, name, to, faults)
        longest = max([longest, *(len(line.encode()) for line in lines)])
        came = [header(line, is_fast, faults) for line in lines]
        for line in came:
            fields = extension.read(line)
            if not fields or not {"EventName", "EventCategory"} <= fields.keys():
                faults.add("a line is not read", line)
                continue
            place = (fields["EventName"], fields["EventCategory"])
            if place not in events:
                faults.add(f"{place} is not in the map", line)
        records += [json.loads(line) for line in trial.SAMPLES.read_text().splitlines()]
        texts = trial.encode(given, "fast" if is_fast else "leef", [json.dumps(record) for record in records])
        kept = [record for record in records if not is_fast or record["event_type"] == "alert"]
        for record, line in zip(kept, texts, strict=True):
            same(extension.read(line), record, is_fast, faults, line)
        for line in trial.encode(given, "fast" if is_fast else "leef", trial.hostile()):
            fields = extension.read(line)
            if "\n" in line or not fields or fields.get("EventCategory") == "":
                faults.add("a hostile line is not read", line)
            longest = max(longest, len(line.encode()))
        if not is_fast:
            for line in texts:
                had |= pairs(line).keys()
    for key in sorted(had - extension.used - properties - OWN - {"src", "dst"}):
        faults.add(f"{key} is written, and neither a field nor a property")
    for key in sorted((extension.used | properties) - had - ELSEWHERE):
        faults.add(f"{key} is read, and no line has it")
    if longest > PAYLOAD_BYTES:
        faults.add(f"a message has {longest} bytes")
    print(f"{len(had)} keys; the longest message has {longest} bytes")
    installed(faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
