#!/usr/bin/env python3
"""Follows the page with Fluent Bit's own inputs, as they are inside of Tenzir: with the options of fluent-bit.conf they receive what the sensor
delivers, and follow files, with hostile records among them; every record has to come out as it went in. Filter and outputs are read only.
"""
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import trial  # noqa: E402

PACKAGES = ["tenzir==6.20.0"]
# Keys of a section that are of Fluent Bit's engine and not of the input.
OF_ENGINE = ("name", "tag", "storage.type")


def sections(text):
    """Sections with their keys and values; those that stand as comments are given as well."""
    found = []
    for line in text.splitlines():
        line = re.sub(r"^# (?=\[|    )", "", line)
        head = re.fullmatch(r"\[(\w+)\]", line.strip())
        if head:
            found.append((head.group(1), {}))
        elif found and re.match(r"    \w", line) and not line.startswith("#"):
            key, value = line.split(None, 1)
            found[-1][1][key] = value.strip()
    return found


def pipeline(one, changes, options):
    given = {key: value for key, value in {**one, **changes}.items() if key not in OF_ENGINE}
    listed = ", ".join(f'"{key}": {json.dumps(value)}' for key, value in given.items())
    return f'from_fluent_bit "{one["name"]}", options={{{listed}}}, fluent_bit_options={options} | write_ndjson'


def received(path):
    """Records that came out, by their ids."""
    records = {}
    for line in path.read_text().splitlines():
        event = json.loads(line)
        record = event.get("message", event)
        records[record.get("tapwire", {}).get("event_id")] = record
    return records


def plain(value):
    """A value without what Tenzir, which shows it, sees in texts: numbers, addresses and times become one mark, what is empty goes."""
    if isinstance(value, dict):
        inner = {key: plain(inner) for key, inner in value.items()}
        return {key: value for key, value in inner.items() if value not in (None, [], {})} or None
    if isinstance(value, list):
        return [item for item in map(plain, value) if item is not None] or None
    text = str(value)
    if value is None or text.strip() in ("", "NaN", "1e999"):
        return None
    if text in ("True", "False", "true", "false") or re.fullmatch(r"\d{4}-\d\d-\d\d(T.*)?|[-+]?[\d.]+(e\d+)?( ?[a-z]{1,2})?|[0-9a-f]*:[0-9a-f:]+(/\d+)?|[\d.]+/\d+", text):
        return "a number, an address or a time"
    return text


def differing(ours, theirs, path=""):
    """The first place where two values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *theirs]:
            if ours.get(key) != theirs.get(key):
                return differing(ours.get(key), theirs.get(key), f"{path}.{key}")
    return f"{path}: {str(ours)[:200]!r} and {str(theirs)[:200]!r}"


def main():
    given = trial.arguments(__doc__)
    trial.packages(*PACKAGES)
    tenzir = Path(sys.prefix) / "bin/tenzir"
    faults = []
    conf = sections((HERE / "fluent-bit.conf").read_text())
    parsers = sections((HERE / "parsers.conf").read_text())
    inputs = {one["name"]: one for kind, one in conf if kind == "INPUT"}
    if set(inputs) != {"tcp", "tail"} or inputs["tail"]["parser"] != parsers[0][1]["name"]:
        faults.append("fluent-bit.conf has other inputs")
    with trial.folder() as place:
        # What the sensor delivers.
        port, out = trial.free_port(), place / "tcp.json"
        with out.open("wb") as file, trial.process([tenzir, pipeline(inputs["tcp"], {"port": str(port)}, "{}")], port, stdout=file):
            config = trial.configured(HERE / "tapwire.yaml", place, {"127.0.0.1:5170": f"127.0.0.1:{port}", "/var/log/tapwire": str(place / "out")})
            records, _, status = trial.deliver(given, config, place)
            sent = [record for record in records if record["event_type"] != "stats"]
            trial.wait_for("all records have come", lambda: sum(b'"sample":true' not in line for line in out.read_bytes().splitlines()) >= status["delivered"])
        came = received(out)
        lost = [record for record in sent if record.get("tapwire", {}).get("event_id") not in came]
        if lost:
            faults.append(f"of {len(sent)} records {len(lost)} did not come: {json.dumps(lost[0])[:300]}")
        # Files, with everything that a record may have in it.
        lines = trial.encode(given, "eve", trial.hostile())
        (place / "eve-20261124T120000Z.json").write_text("\n".join(lines) + "\n")
        (place / "parsers.conf").write_text((HERE / "parsers.conf").read_text())
        out = place / "tail.json"
        changes = {"path": str(place / "eve-*.json"), "db": str(place / "tail.db")}
        options = f'{{parsers_file: "{place}/parsers.conf"}}'
        with out.open("wb") as file, trial.process([tenzir, pipeline(inputs["tail"], changes, options)], stdout=file):
            trial.wait_for("all lines have come", lambda: out.read_bytes().count(b"\n") >= len(lines))
        came = received(out)
        for line in lines:
            record = json.loads(line)
            theirs = came.get(record["tapwire"]["event_id"])
            if plain(record) != plain(theirs):
                faults.append(f"a record came out as another: {differing(plain(record), plain(theirs))}")
        files = trial.configured(HERE / "tapwire-files.yaml", place, {"/var/log/tapwire": str(place / "files")})
        trial.told([given.bin, "check", "--config", files])
    print(f"{len(sent)} records through Fluent Bit's tcp, {len(lines)} hostile ones through its tail with the parser; filter and outputs read, and not run")
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
