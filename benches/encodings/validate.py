#!/usr/bin/env python3
"""Hands encoded records to validators of other authors: what is no valid record of its format is a failure.

  validate.py                     the records of sensor/tests/encodings, one of every type
  validate.py --bin PROGRAM FILE  records of FILE (EVE JSON, a line each), encoded by `PROGRAM cat --as`
  validate.py --tenzir PROGRAM    with the readers of Tenzir as well

OCSF: ocsf-json-schema and ocsfkit. ECS: @elastic/ecs. CEF: pycef and liblognorm. ASIM: asim.tsv. LEEF, GELF, fast: their rules, here.
Packages are installed into a folder of the cache at the first run.
"""
import argparse
import collections
import datetime
import ipaddress
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent.parent / "sensor/tests/encodings"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tapwire-encodings"
PACKAGES = ["ocsf-json-schema==1.2.0", "ocsfkit==0.9.0", "pycef==1.11", "jsonschema>=4.20"]
ECS = "@elastic/ecs@9.4.0"


def prepare():
    """Installs what is missing, and goes on with the Python that has it."""
    python = CACHE / "venv/bin/python"
    mark = CACHE / "installed"
    wanted = " ".join(PACKAGES + [ECS])
    if not mark.exists() or mark.read_text() != wanted:
        try:
            subprocess.run([sys.executable, "-m", "venv", CACHE / "venv"], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
            (CACHE / "npm").mkdir(exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--prefix", CACHE / "npm", ECS], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print("left out: the validators cannot be installed here: %s" % error)
            sys.exit(0)
        mark.write_text(wanted)
    if Path(sys.prefix).resolve() != (CACHE / "venv").resolve():
        os.execv(python, [str(python), *sys.argv])


class Faults:
    """What is wrong, each kind once."""

    def __init__(self):
        self.counts, self.examples = collections.Counter(), {}

    def add(self, what, line):
        self.counts[what] += 1
        self.examples.setdefault(what, line[:400])


def ocsf(lines, faults):
    import jsonschema
    import ocsf_json_schema as schemas

    schema = schemas.OcsfJsonSchemaEmbedded(schemas.get_ocsf_schema("1.8.0"))
    validators = {}
    for line in lines:
        event = json.loads(line)
        uid = event["class_uid"]
        if uid not in validators:
            name = schema.lookup_class_name_from_uid(uid)
            validators[uid] = jsonschema.Draft202012Validator(schema.get_class_schema(name))
        for error in validators[uid].iter_errors(event):
            path = ".".join(str(part) for part in error.absolute_path)
            faults.add(f"ocsf-json-schema: class {uid}: {path}: {error.message[:150]}", line)
    events = CACHE / "ocsf.ndjson"
    events.write_text("\n".join(lines) + "\n")
    command = [CACHE / "venv/bin/ocsfkit", "lint", "--json", "--schema-version", "1.8.0", events]
    lint = subprocess.run(command, capture_output=True, text=True)
    if lint.returncode != 0:
        faults.add(f"ocsfkit: {(lint.stdout + lint.stderr)[:1500]}", "")


def flattened(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flattened(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for item in value:
            yield from flattened(item, path)
    else:
        yield path, value


def ecs(lines, faults):
    script = "process.stdout.write(JSON.stringify(require('@elastic/ecs').EcsFlat))"
    fields = json.loads(subprocess.run(["node", "-e", script], cwd=CACHE / "npm", capture_output=True, check=True).stdout)
    kinds = {"long": int, "integer": int, "keyword": str, "wildcard": str, "match_only_text": str, "date": str, "boolean": bool, "ip": str,
             "float": (int, float), "scaled_float": (int, float), "constant_keyword": str}
    categories = {value["name"]: value.get("expected_event_types", []) for value in fields["event.category"]["allowed_values"]}
    for line in lines:
        event = json.loads(line)
        for path, value in flattened(event):
            if path.startswith("tapwire."):
                continue
            field = fields.get(path)
            if field is None:
                faults.add(f"{path} is no field", line)
                continue
            values = value if isinstance(value, list) else [value]
            is_list = "array" in field.get("normalize", [])
            inside_list = path.startswith("dns.answers.")
            if isinstance(value, list) != is_list and not inside_list:
                faults.add(f"{path} is {'a' if is_list else 'no'} list", line)
            for item in values:
                if not isinstance(item, kinds.get(field["type"], object)) or (isinstance(item, bool) and field["type"] != "boolean"):
                    faults.add(f"{path} is of type {field['type']}: {item!r}", line)
                if field["type"] == "ip":
                    ipaddress.ip_address(item)
                if field["type"] == "date":
                    datetime.datetime.fromisoformat(item)
                allowed = [entry["name"] for entry in field.get("allowed_values", [])] or field.get("expected_values", [])
                if allowed and item not in allowed:
                    faults.add(f"{path} may not be {item!r}", line)
                if field.get("pattern") and not re.match(field["pattern"], item):
                    faults.add(f"{path} does not match: {item!r}", line)
        types = set(event["event"].get("type", []))
        expected = set().union(*(categories[name] for name in event["event"].get("category", [])))
        if types - expected:
            faults.add(f"event.type {types - expected} is not expected for {event['event'].get('category')}", line)
        for path in ["@timestamp", "ecs.version", "event.kind", "event.id", "event.dataset", "observer.name"]:
            if path not in dict(flattened(event)):
                faults.add(f"{path} is missing", line)


def asim(lines, faults):
    columns, mandatory = collections.defaultdict(dict), collections.defaultdict(set)
    for row in (HERE / "asim.tsv").read_text().splitlines():
        if row.startswith("#"):
            continue
        schema, column, kind, needed, values = (row.split("\t") + [""] * 4)[:5]
        columns[schema][column] = (kind, values.split("|") if values else None)
        if needed == "M":
            mandatory[schema].add(column)
    for line in lines:
        row = json.loads(line)
        schema = row.get("EventSchema")
        known = columns["*"] | columns[schema]
        for column in (mandatory["*"] | mandatory[schema]) - row.keys():
            faults.add(f"{schema}: {column} is missing", line)
        for column, value in row.items():
            if column not in known:
                faults.add(f"{schema}: {column} is no column", line)
                continue
            kind, values = known[column]
            python = {"int": int, "long": int, "bool": bool, "dynamic": dict}.get(kind, str)
            if not isinstance(value, python) or (python is int and isinstance(value, bool)):
                faults.add(f"{schema}: {column} is of type {kind}", line)
            if kind == "int" and not -2**31 <= value < 2**31:
                faults.add(f"{schema}: {column} is too large", line)
            if kind == "ip":
                ipaddress.ip_address(value)
            if kind == "datetime":
                datetime.datetime.fromisoformat(value)
            if values and value not in values:
                faults.add(f"{schema}: {column} may not be {value!r}", line)
            if not re.fullmatch(r"[A-Za-z0-9_]{1,45}", column):
                faults.add(f"{column} is no name of a column", line)


CEF_KEYS = set("""rt cat act src dst spt dpt smac dmac proto app deviceInboundInterface dvchost deviceExternalId externalId deviceDirection
cn1 cn1Label cn2 cn2Label cn3 cn3Label cs1 cs1Label cs2 cs2Label cs3 cs3Label cs4 cs4Label cs5 cs5Label cs6 cs6Label c6a2 c6a2Label c6a3
c6a3Label start end request requestMethod requestClientApplication requestContext dhost outcome fname fsize fileType fileHash fileId filePath
suser duser shost destinationServiceName in out reason msg flexString1 flexString1Label""".split())
CEF_NUMBERS = {"rt", "start", "end", "spt", "dpt", "cn1", "cn2", "cn3", "in", "out", "fsize", "deviceDirection"}


def cef_pairs(text):
    """The pairs of an extension, as the specification reads them: a value ends before the next ` key=`."""
    ends = [match for match in re.finditer(r"(?:^|(?<= ))([A-Za-z0-9_]+)=", text) if match.start(1) == 0 or text[match.start(1) - 1] == " "]
    pairs = {}
    for n, match in enumerate(ends):
        end = ends[n + 1].start() - 1 if n + 1 < len(ends) else len(text)
        if match.group(1) in pairs:
            raise ValueError(f"{match.group(1)} is there twice")
        raw = text[match.end():end]
        if re.search(r"(?<!\\)(?:\\\\)*\\(?![\\=nr|])", raw) or re.search(r"(?<!\\)(?:\\\\)*=", raw):
            raise ValueError(f"{match.group(1)} has a wrong escape")
        pairs[match.group(1)] = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m.group(1), m.group(1)), raw)
    return pairs


def cef(lines, faults):
    import pycef

    for line in lines:
        parts = line.split("|", 7)
        if len(parts) != 8 or parts[0] != "CEF:0" or not all(parts[:7]) or "\\" in "".join(parts[:7]):
            faults.add("the header is wrong", line)
            continue
        if not 0 <= int(parts[6]) <= 10:
            faults.add("the severity is wrong", line)
        try:
            pairs = cef_pairs(parts[7])
        except ValueError as error:
            faults.add(str(error), line)
            continue
        for key in pairs.keys() - CEF_KEYS:
            faults.add(f"{key} is no key of the dictionary", line)
        for key in pairs.keys() & CEF_NUMBERS:
            if not pairs[key].isdigit():
                faults.add(f"{key} is no number", line)
        if any(len(value.encode()) > 1023 for value in pairs.values()):
            faults.add("a value is too long", line)
        for key in ["externalId", "rt"]:
            if key not in pairs:
                faults.add(f"{key} is missing", line)
        theirs = pycef.parse(line)
        if not theirs or theirs["DeviceEventClassID"] != parts[4] or theirs["DeviceSeverity"] != parts[6]:
            faults.add("pycef reads another header", line)
    rules = CACHE / "cef.rules"
    rules.write_text("version=2\nrule=:%f:cef%\n")
    try:
        read = subprocess.run(["lognormalizer", "-r", rules, "-e", "json"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    except FileNotFoundError:
        print("   left out: liblognorm (package liblognorm-utils) is not there")
        return
    for line, theirs in zip(lines, read.stdout.splitlines(), strict=True):
        extension = json.loads(theirs).get("f", {}).get("Extensions")
        ours = cef_pairs(line.split("|", 7)[7])
        # Their reader loses the first letter of the first key.
        first, *others = ours
        if extension is None or any(extension.get(key) != ours[key] for key in others):
            wrong = [key for key in others if extension and extension.get(key) != ours[key]]
            faults.add(f"liblognorm reads something else: {wrong}", line)


def leef(lines, faults):
    for line in lines:
        parts = line.split("|", 6)
        if len(parts) != 7 or parts[0] != "LEEF:2.0" or parts[5] != "x09" or not all(parts[:6]):
            faults.add("the header is wrong", line)
            continue
        pairs = [pair.partition("=") for pair in parts[6].split("\t")]
        names = [name for name, _, _ in pairs]
        if len(set(names)) != len(names):
            faults.add("a key is there twice", line)
        if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name) and mark and value for name, mark, value in pairs):
            faults.add("a pair is wrong", line)
        values = {name: value for name, _, value in pairs}
        for key in ["cat", "sev", "devTime", "devTimeFormat", "eventId", "eventType"]:
            if key not in values:
                faults.add(f"{key} is missing", line)
        if not 1 <= int(values.get("sev", 0)) <= 10:
            faults.add("sev is wrong", line)
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", values.get("devTime", "")):
            faults.add("devTime is wrong", line)


# What the content packs of IBM and RSA look for in lines of Snort.
FAST = re.compile(r"^\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\.\d{6}  \[\*\*\] \[(\d+):(\d+):(\d+)\] (.*?) \[\*\*\] "
                  r"\[Classification: ([^\]]*)\] \[Priority: (\d+)\] \{([^}]+)\} (\S+?)(?::(\d+))? -> (\S+?)(?::(\d+))?$")


def fast(lines, faults):
    for line in lines:
        if not FAST.match(line):
            faults.add("no line of Snort", line)


def gelf(lines, faults):
    for line in lines:
        event = json.loads(line)
        if event.get("version") != "1.1" or not event.get("host") or not event.get("short_message"):
            faults.add("version, host or short_message is missing", line)
        if not isinstance(event.get("timestamp"), float) or not 0 <= event.get("level", -1) <= 7:
            faults.add("timestamp or level is wrong", line)
        for key, value in event.items():
            if key not in {"version", "host", "short_message", "timestamp", "level"} and not re.fullmatch(r"_[\w.\-]+", key) or key == "_id":
                faults.add(f"{key} is no name", line)
            if isinstance(value, (dict, list, bool)) or value is None:
                faults.add(f"{key} is neither text nor number", line)


def eve(lines, faults):
    for line in lines:
        record = json.loads(line)
        if not {"timestamp", "event_type"} <= record.keys():
            faults.add("timestamp or event_type is missing", line)


VALIDATORS = {"eve": eve, "cef": cef, "leef": leef, "fast": fast, "ecs": ecs, "ocsf": ocsf, "asim": asim, "gelf": gelf}
BREAKERS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def tenzir(program, name, lines, faults):
    """Their readers take every line: as many events as lines, each with its event id."""
    reader = {"gelf": "read_lines | this = line.parse_json()", "cef": "read_lines | this = line.parse_cef()",
              "leef": "read_lines | this = line.parse_leef()"}[name]
    read = subprocess.run([program, f"from_stdin {{ {reader} }} | write_ndjson"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    events = [event for event in map(json.loads, read.stdout.splitlines()) if event]
    if len(events) != len(lines):
        faults.add(f"Tenzir reads {len(events)} events of {len(lines)} lines: {read.stderr[:600]}", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", help="encode the records of FILE with this program")
    parser.add_argument("--tenzir", help="the program of Tenzir")
    parser.add_argument("--only", action="append", help="an encoding")
    parser.add_argument("file", nargs="*")
    given = parser.parse_args()
    prepare()
    is_good = True
    for name, validator in VALIDATORS.items():
        if given.only and name not in given.only:
            continue
        if given.bin:
            text = subprocess.run([given.bin, "cat", "--as", name, *given.file], capture_output=True, check=True).stdout.decode()
        else:
            text = (GOLDEN / f"{name}.txt").read_text()
        lines, faults = [line for line in text.split("\n") if line], Faults()
        for line in lines:
            if BREAKERS.search(line if name != "leef" else line.replace("\t", "")):
                faults.add("a character that readers of lines or terminals obey", line)
        validator(lines, faults)
        if given.tenzir and name in ("cef", "leef", "gelf"):
            tenzir(given.tenzir, name, lines, faults)
        print(f"{name:5} {len(lines):7} records, {sum(faults.counts.values())} faults")
        for what, count in faults.counts.most_common(20):
            print(f"   {count} x {what}\n      {faults.examples[what]}")
        is_good &= bool(lines) and not faults.counts
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
