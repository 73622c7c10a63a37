#!/usr/bin/env python3
"""Whether the add-on for Splunk fits what the program writes.

  check.py --bin PROGRAM [--captures FILE...]

Records of the project's captures, one of every type and hostile ones are searched as Splunk would (search_time.py): every field
that the add-on reads is one that records have, every field that the Common Information Model asks for is there and is what it
may be (cim.tsv). Then the page is followed with a stand-in for the event collector, and Splunk's AppInspect reads the add-on.
"""
import collections
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import search_time as splunk
import trial

ADD_ON = HERE / "TA-tapwire"
SOURCE_TYPE = "tapwire"
APPINSPECT = "splunk-appinspect==4.3.1"

# Fields that records of other versions and of protocols to come have, and none here: EVE's schema names them.
ELSEWHERE = {"krb5.error_code", "files{}.sha1", "files{}.md5", "ether.src_macs{}", "ether.dest_macs{}",
             "dns.authorities{}.rrname", "llmnr.rcode", "mdns.answers{}.aaaa", "tcp.urg"}
# What records cannot say, and is `unknown` as the model itself would write it: field, values of message_type or none, reason.
UNKNOWN = {
    "query_type": "an operation without a name",
    "reply_code": "a question has no answer",
    "reply_code_id": "a question has no answer",
    "response_time": "question and answer are records of their own",
    "answer": "nothing was answered",
    "record_type": "a type without a name",
    "category": "sites are in no class, and rules need no class",
    "app": "the protocol was not recognised",
    "user": "nobody logged in",
    "http_method": "the request was not seen",
    "http_user_agent": "the request names none",
    "src": "a packet without addresses",
    "dest": "a packet without addresses",
    "transport": "a packet without one",
    "ssl_subject_common_name": "the certificate has none",
    "ssl_issuer_common_name": "the certificate has none",
    "ssl_subject_organization": "the certificate has none",
    "ssl_serial": "the certificate has none",
    "ssl_issuer": "the certificate has none",
    "src_zone": "no zone is told of it",
    "dest_zone": "no zone is told of it",
}
# Where the kit is narrower than what the wire does: values that may stand there all the same.
ALSO = {
    "reply_code_id": r"0",
    "http_method": r"[!-~]+",
    "status": r"\d{3}",
    "query_type": r".*",
    "record_type": r"[A-Z0-9-]+",
    "transport": r"sctp|gre|esp|ethernet|ipv6|[a-z0-9-]+",
    "reply_code": r"[A-Z0-9]+",
}
# Rules of the kit that say more than the model does: a direction without bytes, an empty list, a protocol that is neither.
LOOSE = {"bytes_in", "bytes_out", "bytes", "answer_count", "protocol", "transport", "dest_ip", "icmp_type", "transaction_id", "uri_path"}


class Faults(collections.Counter):
    def add(self, what, line):
        if what not in self and len(self) < 20:
            print(f"   {what}\n      {line[:300]}")
        self[what] += 1


def model():
    rows = collections.defaultdict(list)
    for row in (HERE / "cim.tsv").read_text().splitlines():
        if not row.startswith("#"):
            name, data_set, tags, *field = row.split("\t")
            rows[name, data_set, frozenset(tags.split("|"))].append(field)
    return rows


def judge(fields, tags, rows, faults, line, seen):
    """Holds an event against the data sets that its tags put it into."""
    for (name, data_set, wanted), columns in rows.items():
        if not wanted <= tags:
            continue
        seen[name, data_set] += 1
        for field, kind, condition, values, validity in columns:
            if kind == "optional" and field not in fields or kind == "conditional" and not (condition and splunk.Search(condition).run(fields)):
                continue
            value = fields.get(field)
            place = f"{name}.{data_set}: {field}"
            # The answer may be an empty text.
            if value is None or value == "" and field != "answer":
                faults.add(f"{place} is missing", line)
            elif value == "unknown":
                if field not in UNKNOWN:
                    faults.add(f"{place} is unknown", line)
            else:
                for part in splunk.many(value):
                    if values and part not in values.split("|") and not re.fullmatch(ALSO.get(field, "(?!)"), part):
                        faults.add(f"{place} may not be {part!r}", line)
                if validity and kind != "optional" and field not in LOOSE and splunk.Expression(validity).run(fields) is None:
                    faults.add(f"{place} is not valid: {value!r}", line)


def read_fields():
    """What the add-on reads of records: names in single quotes, and those of searches."""
    props = splunk.conf(ADD_ON / "default/props.conf")[SOURCE_TYPE]
    names = {name for key, value in props.items() if key.startswith("EVAL-") for name in re.findall(r"'([^']+)'", value)}
    for stanza in splunk.conf(ADD_ON / "default/eventtypes.conf").values():
        names |= {name.strip('"') for name in re.findall(r'("[^"]+"|\w+)=', stanza["search"])}
    return names - {"sourcetype"}


def as_it_comes_in(props, transforms, line, is_hostile, faults):
    """The settings of the index: one event a line, its time, its host."""
    record = json.loads(line)
    if re.search(props["LINE_BREAKER"], line):
        faults.add("a record is more than one event", line)
    prefix = re.match(props["TIME_PREFIX"], line)
    stamp = line[prefix.end():prefix.end() + int(props["MAX_TIMESTAMP_LOOKAHEAD"])].partition('"')[0] if prefix else ""
    form = props["TIME_FORMAT"].replace("%6N", "%f")
    if splunk.strptime(stamp, form) != splunk.strptime(record["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z"):
        faults.add("the time is not found", line)
    host = re.search(transforms["tapwire_host"]["REGEX"], line)
    # Who writes into names and paths must not choose what the sensor is called.
    if host and host.group(1) != record.get("host") or not host and "host" in record and not is_hostile:
        faults.add(f"the host is read as {host and host.group(1)!r}", line)


def bulky(add_on, rows, faults, seen):
    """What whoever sends packets makes long does not push the fields of an alert out of those that Splunk extracts."""
    alert = json.loads(trial.SAMPLES.read_text().splitlines()[0])
    for name in ("url", "hostname", "http_user_agent"):
        line = json.dumps(alert | {"http": alert["http"] | {name: "/" * 12_000}, "payload": "QUFB" * 2_000}, separators=(",", ":"))
        fields, tagged = add_on.search(line, "sensor")
        if fields["severity"] != "critical" or "mitre_technique_id" not in fields:
            faults.add("a long alert loses its severity", line)
        judge(fields, set().union(*tagged.values()), rows, faults, line, seen)


def cells(faults):
    """The macro for spreadsheets leaves no cell that is a formula."""
    text = splunk.conf(ADD_ON / "default/macros.conf")["tapwire_cells"]["definition"]
    expression = splunk.Expression(re.search(r"eval <<FIELD>>=(.*) \]", text).group(1).replace("<<FIELD>>", "cell"))
    for value in [*trial.HOSTILE, "=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"]:
        made = expression.run({"cell": value})
        if made[:1] in ("=", "+", "-", "@", "\t", "\r") or made.lstrip("'") != value.lstrip("'"):
            faults.add("a cell is a formula", made)


def page(given, faults):
    """The page, with a stand-in for the event collector: events, what is told of them, and their acknowledgement."""
    taken, numbers = [], []

    def answer(path, _query, headers, body):
        if headers.get("authorization") != "Splunk 11111111-2222-3333-4444-555555555555":
            return 403, '{"text":"Invalid token","code":4}'
        if not headers.get("x-splunk-request-channel"):
            return 400, '{"text":"Data channel is missing","code":10}'
        if path == "/services/collector/ack":
            return 200, json.dumps({"acks": {str(number): number in numbers for number in json.loads(body)["acks"]}})
        decoder, text, at = json.JSONDecoder(), body.decode(), 0
        while at < len(text):
            event, at = decoder.raw_decode(text, at)
            taken.append(event)
        numbers.append(len(numbers))
        return 200, json.dumps({"text": "Success", "code": 0, "ackId": numbers[-1]})

    with trial.folder() as place, trial.Door(answer) as door:
        (place / "token").write_text("11111111-2222-3333-4444-555555555555\n")
        config = trial.configured(HERE / "tapwire.yaml", place, {
            "https://splunk.example:8088": f"http://127.0.0.1:{door.port}", "/etc/tapwire/hec-token": str(place / "token"),
            "    tls: {ca: /etc/tapwire/splunk-ca.pem}\n": ""})
        records, _, status = trial.deliver(given, config, place)
        # A record that is delivered names the sensor.
        wanted = {json.dumps(record | {"host": None}, sort_keys=True) for record in records if record["event_type"] != "stats"}
        came = {json.dumps(event["event"] | {"host": None}, sort_keys=True) for event in taken}
        if wanted - came:
            faults.add(f"{len(wanted - came)} records did not come", sorted(wanted - came)[0])
        for event in taken:
            epoch = splunk.strptime(event["event"]["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
            if event["sourcetype"] != SOURCE_TYPE or event["index"] != "netids" or event["host"] != event["event"].get("host", event["host"]) or abs(float(event["time"]) - epoch) > 1e-6:
                faults.add("what is told of an event is wrong", json.dumps(event))
        lines = [json.dumps(event["event"], ensure_ascii=False, separators=(",", ":")) for event in taken]
        print(f"page: {len(taken)} events came through the collector, {status['delivered']} delivered")
    with trial.folder() as place:
        config = trial.configured(HERE / "tapwire-files.yaml", place, {"eve-%Y%m%dT%H%M%SZ.json": "eve.json"})
        trial.told([given.bin, "check", "--strict", "--config", config])
        (place / "trial.rules").write_text(trial.RULES)
        trial.told([given.bin, "replay", "--config", config, "--rules", place / "trial.rules", "--log-dir", place / "out", "--quiet", *trial.captures(given)])
        lines += (place / "out/eve.json").read_text().splitlines()
    return lines


def installed():
    """Their program, from a folder of the cache."""
    folder = trial.CACHE / "appinspect"
    mark = folder / "installed"
    if not mark.exists() or mark.read_text() != APPINSPECT:
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", APPINSPECT], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print("left out: AppInspect cannot be installed here:", error)
            return None
        mark.write_text(APPINSPECT)
    return folder / "bin/splunk-appinspect"


def appinspect(faults):
    program = installed()
    if not program:
        return
    with trial.folder() as place:
        archive = place / "TA-tapwire.tgz"
        with tarfile.open(archive, "w:gz") as out:
            out.add(ADD_ON, "TA-tapwire")
        report = place / "report.json"
        command = [program, "inspect", archive, "--mode", "precert", "--output-file", report]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if not report.exists():
            faults.add("AppInspect gives no report", done.stdout[-1500:] + done.stderr[-1500:])
            return
        said = json.loads(report.read_text())
        print("AppInspect:", said["summary"])
        for group in said["reports"][0]["groups"]:
            for check in group["checks"]:
                if check["result"] in ("failure", "error"):
                    faults.add(f"AppInspect: {check['name']}: {[message['message'] for message in check['messages']]}", "")


def main():
    given = trial.arguments(__doc__)
    for name in ("tapwire.yaml", "tapwire-files.yaml"):
        trial.shown(HERE / name)
    faults, seen, types, had = Faults(), collections.Counter(), collections.Counter(), set()
    props, rows = splunk.conf(ADD_ON / "default/props.conf")[SOURCE_TYPE], model()
    add_on = splunk.AddOn(ADD_ON, SOURCE_TYPE)
    lines = trial.SAMPLES.read_text().splitlines() + page(given, faults)
    for line in lines:
        had |= splunk.extracted(line, len(line)).keys()
    for name in sorted(read_fields() - had - ELSEWHERE):
        faults.add(f"{name} is read, and no record has it", "")
    hostile = [json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":")) for line in trial.hostile()]
    for n, line in enumerate([*lines, *hostile]):
        is_hostile = n >= len(lines)
        as_it_comes_in(props, add_on.transforms, line, is_hostile, faults)
        fields, tagged = add_on.search(line, "sensor")
        types.update(tagged.keys())
        if not is_hostile:
            judge(fields, set().union(*tagged.values()), rows, faults, line, seen)
    for name in add_on.types:
        if not types[name] and name not in ("tapwire_malware", "tapwire_dhcp_end", "tapwire_dhcp_blocked"):
            faults.add(f"no record is of the event type {name}", "")
    bulky(add_on, rows, faults, seen)
    cells(faults)
    print(f"{len(lines)} records in {len(seen)} data sets:", ", ".join(f"{name}.{data_set} {count}" for (name, data_set), count in sorted(seen.items())))
    appinspect(faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
