#!/usr/bin/env python3
"""Follows the page in ClickHouse's own engine (chDB): makes the tables, lets the sensor deliver to them through a door of HTTP, delivers again
what was delivered, puts hostile records in, and holds every query of queries.sql against the same records counted here.
"""
import base64
import collections
import datetime
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import trial  # noqa: E402

PACKAGES = ["chdb==4.4.0"]
# Records that are JSON, and nothing that the sensor would write.
STRANGE = ["{}", '{"timestamp":"never","event_type":7,"src_ip":["x"],"src_port":"many","flow":[],"alert":"yes","tapwire":3}',
           '{"event_type":"flow","src_ip":"300.1.1.1","dest_port":70000,"flow":{"bytes_toserver":-1,"start":"2026-13-45"}}',
           '{"event_type":"alert","timestamp":"9999-12-31T23:59:59.999999+0000","alert":{"severity":999,"signature":{"a":1}}}']


def statements(name):
    """The statements of a file, with what is said above each."""
    text = (HERE / name).read_text()
    return [statement.strip() for statement in re.split(r";\s*\n", text) if statement.strip()]


class Engine:
    """chDB, and a door before it that takes inserts as ClickHouse's does: a query in the address, a name and a password, rows in the body."""

    def __init__(self, place):
        from chdb import session

        self.session, self.place, self.inserts = session.Session(str(place / "db")), place, []

    def rows(self, query):
        text = self.session.query(query, "JSONEachRow")
        return [json.loads(line) for line in str(text).splitlines() if line]

    def insert(self, body, query="INSERT INTO tapwire.landing FORMAT JSONAsString"):
        rows = self.place / "rows"
        rows.write_bytes(body)
        self.session.query(query.replace(" FORMAT ", f" FROM INFILE '{rows}' FORMAT "))

    def answer(self, path, query, headers, body):
        if headers.get("authorization") != "Basic " + base64.b64encode(b"tapwire:secret").decode():
            return 401, "Code: 516. DB::Exception: Authentication failed"
        if path != "/" or not re.fullmatch(r"INSERT INTO tapwire\.\w+ FORMAT JSON\w+", query.get("query", "")):
            return 400, f"Code: 62. DB::Exception: Syntax error: {query}"
        try:
            self.insert(body, query["query"])
        except Exception as error:  # What the engine says goes back to the sensor, as ClickHouse does it.
            return 400, str(error)[:500]
        self.inserts.append(body)
        return 200, ""


def compare(name, ours, theirs, faults):
    if ours != theirs:
        faults.append(f"{name}: {str(theirs)[:600]} and not {str(ours)[:600]}")


def queries(engine, records, faults):
    """Every query, with the time of the captures for the present."""
    newest = max(record["timestamp"] for record in records)[:19].replace("T", " ")
    asked = [text.replace("now()", f"toDateTime('{newest}', 'UTC')") for text in statements("queries.sql")]
    alerts, by_rule, flow, names, talkers, member = [engine.rows(query) for query in asked]
    real = [record for record in records if record["event_type"] == "alert"]
    begin = (datetime.datetime.fromisoformat(newest) - datetime.timedelta(days=1)).isoformat()
    day = [record for record in real if record["timestamp"][:26] > begin]
    compare("alerts of a day", min(len(day), 100), len(alerts), faults)
    compare("the worst alert", min((record["alert"]["severity"] for record in day), default=None), alerts[0]["severity"] if alerts else None, faults)
    month = (datetime.datetime.fromisoformat(newest) - datetime.timedelta(days=30)).isoformat()
    recent = [record for record in real if record["timestamp"][:13] + ":00:00" > month]
    counts = collections.Counter(record["alert"]["signature_id"] for record in recent)
    compare("alerts of rules", dict(counts), {row["sid"]: int(row["alerts"]) for row in by_rule}, faults)
    sources = collections.defaultdict(set)
    for record in recent:
        sources[record["alert"]["signature_id"]].add(record["src_ip"])
    compare("sources of rules", {sid: len(of) for sid, of in sources.items()}, {row["sid"]: int(row["sources"]) for row in by_rule}, faults)
    last = max(real, key=lambda record: record["timestamp"])
    wanted = sum(record.get("community_id") == last.get("community_id") for record in records)
    compare("records of a flow", wanted, len(flow), faults)

    def name_of(record):
        dns = record.get("dns", {})
        return record.get("http", {}).get("hostname") or record.get("tls", {}).get("sni") or dns.get("rrname") or (dns.get("queries") or [{}])[0].get("rrname", "")

    wanted = collections.Counter((record["event_type"], record["src_ip"], name_of(record)) for record in records
                                 if record["event_type"] in ("dns", "http", "tls") and name_of(record).endswith("example.test"))
    compare("who asked", dict(wanted), {(row["event_type"], row["src"], row["name"]): int(row["times"]) for row in names}, faults)
    wanted = collections.Counter()
    for record in records:
        if record["event_type"] == "flow" and record.get("src_ip", "").startswith("192.0.2."):
            wanted[record["src_ip"], record.get("dest_ip"), record.get("dest_port", 0)] += record["flow"]["bytes_toserver"]
    compare("who sent most", [count for _, count in wanted.most_common(20)], [int(row["bytes"]) for row in talkers], faults)
    wanted = collections.Counter(record["ssh"].get("client", {}).get("software_version", "") for record in records if record["event_type"] == "ssh")
    compare("a field without a column", dict(wanted), {row["client"]: int(row["times"]) for row in member}, faults)
    return sum(counts.values()), len(counts)


def main():
    given = trial.arguments(__doc__)
    trial.packages(*PACKAGES)
    faults = []
    with trial.folder() as place:
        engine = Engine(place)
        for statement in statements("schema.sql"):
            engine.session.query(statement)
        with trial.Door(engine.answer) as door:
            (place / "password").write_text("secret\n")
            config = trial.configured(HERE / "tapwire.yaml", place, {
                "https://clickhouse.example:8443": f"http://127.0.0.1:{door.port}", "/etc/tapwire/clickhouse-password": str(place / "password"), "/var/log/tapwire": str(place / "out")})
            records, _, status = trial.deliver(given, config, place)
        sent = [record for record in records if record["event_type"] != "stats"]
        engine.session.query("ALTER TABLE tapwire.events DELETE WHERE startsWith(event_id, 'sample-') SETTINGS mutations_sync = 1")
        there = lambda: {row["event_type"]: int(row["n"]) for row in engine.rows("SELECT event_type, count() AS n FROM tapwire.events FINAL GROUP BY event_type")}  # noqa: E731
        compare("records", dict(collections.Counter(record["event_type"] for record in sent)), there(), faults)
        untold = engine.rows("SELECT count() AS n FROM tapwire.events WHERE timestamp < '1980-01-01 00:00:00' OR event_id = '' OR sensor = ''")
        compare("records without time, id or sensor", 0, int(untold[0]["n"]), faults)
        engine.session.query("ALTER TABLE tapwire.alerts_by_hour DELETE WHERE sid = 1000001 SETTINGS mutations_sync = 1")
        alerts, rules = queries(engine, sent, faults)
        # All of it once more, as after answers that were lost.
        for body in [body for body in engine.inserts if b'"sample":true' not in body]:
            engine.insert(body)
        twice = engine.rows("SELECT count() AS n FROM tapwire.events")
        compare("records after a second delivery", dict(collections.Counter(record["event_type"] for record in sent)), there(), faults)
        queries(engine, sent, faults)
        # Hostile texts come back as they went in; what is no record hinders nothing.
        lines = trial.hostile() + trial.SAMPLES.read_text().splitlines() + STRANGE
        engine.insert(("\n".join(lines) + "\n").encode())
        kept = {json.dumps(json.loads(row["raw"]), sort_keys=True) for row in engine.rows("SELECT raw FROM tapwire.events")}
        lost = [line for line in lines if json.dumps(json.loads(line), sort_keys=True) not in kept]
        compare("hostile and strange records that are lost", [], [line[:200] for line in lost], faults)
        # An engine inside of a program reads no topics: it takes the table, with all its settings, and says that it is shut.
        for statement in statements("kafka.sql"):
            try:
                engine.session.query(statement)
            except Exception as error:
                if "Shutdown was called" not in str(error) and "UNKNOWN_TABLE" not in str(error):
                    faults.append(f"kafka.sql: {error}")
        engine.session.query("OPTIMIZE TABLE tapwire.events FINAL")
        packed = engine.rows("SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE database = 'tapwire' AND table = 'events' AND active")[0]["n"]
        plain = engine.rows("SELECT sum(length(raw)) AS n FROM tapwire.events")[0]["n"]
        print(f"{len(sent)} records of {len(set(record['event_type'] for record in sent))} types delivered in {len(engine.inserts)} inserts, again ({twice[0]['n']} rows before they are merged) with the same answers; "
              f"{alerts} alerts of {rules} rules; {len(lines)} hostile and strange records kept as they were; {int(plain) / int(packed):.1f} times smaller than as text")
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
