#!/usr/bin/env python3
"""Follows the page as far as it goes without Vector, which no registry has: the sensor delivers to a socket in Vector's place and writes files of
its own, records.vrl is compiled and run on every line by Vector's language (vrl-python), hostile ones too, and vector.yaml is read.
"""
import json
import re
import socketserver
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import trial  # noqa: E402

PACKAGES = ["vrl-python==0.1.0", "PyYAML"]
NOT_RECORDS = ["", "no json", "[]", "{}", "null", '{"event_type":3}', '{"event_type":"a/../../b","timestamp":"2026-11-24T12:35:06.357488+0000"}', '{"event_type":"flow","timestamp":"never"}']
LEVELS = {1: "high", 2: "medium", 3: "low"}


class Socket(socketserver.ThreadingUnixStreamServer):
    """Takes lines, as Vector does with `mode: unix_stream`."""

    daemon_threads = True

    def __init__(self, path):
        self.lines = lines = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                lines.extend(line.decode().rstrip("\n") for line in self.rfile)

        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def transform(runtime, source, line):
    """What the transform makes of a line; nothing where it drops it."""
    try:
        return runtime.execute(source, {"message": line}).processed_event
    except Exception as error:
        if "error[E" not in str(error):
            raise
        return None


def configuration(faults):
    """vector.yaml: every input is somebody's output, and names of objects come from nothing that is on the wire."""
    import vrl_python
    import yaml

    text = (HERE / "vector.yaml").read_text()
    config = yaml.safe_load(text)
    outputs = set(config["sources"]) | set(config["transforms"])
    for name, one in config["transforms"].items():
        outputs |= {f"{name}.{route}" for route in one.get("route", {})}
        outputs |= {f"{name}._unmatched"} if one["type"] == "route" else set()
        outputs |= {f"{name}.dropped"} if one.get("reroute_dropped") else set()
        for condition in one.get("route", {}).values():
            vrl_python.VRLRuntime().compile(condition)
    for name, one in {**config["transforms"], **config["sinks"]}.items():
        faults += [f"vector.yaml: {name} reads {source}, which is not there" for source in one["inputs"] if source not in outputs]
    faults += [f"vector.yaml: {field} is in a name" for field in re.findall(r"\{\{ *(\S+?) *\}\}", text) if field != "event_type"]
    instead = "\n".join(line[4:] for line in text.splitlines() if line.startswith("  # ") and ":" in line and "sent" not in line)
    if yaml.safe_load(instead)["tapwire"]["include"] != ["/var/log/tapwire/eve-*.json"]:
        faults.append("vector.yaml: the source of files is another")
    if config["transforms"]["records"]["file"] != "records.vrl":
        faults.append("vector.yaml: the transform is another file")


def main():
    given = trial.arguments(__doc__)
    trial.packages(*PACKAGES)
    import vrl_python

    faults = []
    configuration(faults)
    source, runtime = (HERE / "records.vrl").read_text(), vrl_python.VRLRuntime()
    runtime.compile(source)
    with trial.folder() as place:
        with Socket(place / "vector.sock") as server:
            config = trial.configured(HERE / "tapwire.yaml", place, {"/run/vector/tapwire.sock": str(place / "vector.sock"), "/var/log/tapwire": str(place / "out")})
            records, _, status = trial.deliver(given, config, place)
            trial.wait_for("all lines have come", lambda: len(server.lines) >= status["delivered"])
            lines = [line for line in server.lines if '"sample":true' not in line]
        files = trial.configured(HERE / "tapwire-files.yaml", place, {"/var/log/tapwire": str(place / "files")})
        trial.told([given.bin, "check", "--config", files])
        written = trial.live_files(given, files, place, "files/eve-*.json")
        if not written:
            print("   left out: files of a live sensor, for which there are no rights here")
        elif not all(re.fullmatch(r"eve-\d{8}T\d{6}Z\.json", path.name) for path in written) or not written[0].read_text().startswith('{"timestamp":'):
            faults.append(f"files are called otherwise, or are no records: {written}")
    wanted = [record for record in records if record["event_type"] != "stats"]
    if len(lines) != len(wanted):
        faults.append(f"of {len(wanted)} records {len(lines)} lines came")
    levels = set()
    more = trial.SAMPLES.read_text().splitlines() + trial.hostile()
    for line in lines + more:
        record, event = json.loads(line), transform(runtime, source, line)
        if event is None:
            faults.append(f"the transform drops {line[:200]}")
            continue
        changed = [name for name in record if name != "timestamp" and event.get(name) != record[name]]
        if changed or not str(event["timestamp"]).startswith(record["timestamp"][:10]):
            faults.append(f"the transform changes {changed} of {line[:200]}")
        if record["event_type"] == "alert":
            levels.add(event["level"])
            if event["level"] != "critical" and event["level"] != LEVELS.get(record["alert"]["severity"], "informational"):
                faults.append(f"the level of {line[:200]} is {event['level']}")
    kept = [line for line in NOT_RECORDS if transform(runtime, source, line) is not None]
    if kept:
        faults.append(f"what is no record passes: {kept}")
    print(f"{len(lines)} records through the socket, {len(more)} more, hostile ones among them, all through records.vrl; levels {', '.join(sorted(levels))}; {len(NOT_RECORDS)} lines that are no records dropped; "
          "vector.yaml read, and not run: there is no Vector to be had")
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
