#!/usr/bin/env python3
"""Whether the template and the functions for Sentinel fit what the program writes.

  check.py --bin PROGRAM [--captures FILE...]
  check.py --write            writes main.json anew from the columns and functions

The page is followed with a stand-in for Microsoft's login and its Logs Ingestion API that keeps to their documented limits. What
comes is put through the rule's transformations into its tables and asked by all functions, with a KQL engine (duckdb-kql);
Microsoft's own language service reads all KQL (kql.js), and its management library the template.
"""
import collections
import json
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import template
import trial

PACKAGES = ["duckdb-kql==1.1.2", "duckdb==2.0.1", "azure-mgmt-monitor==7.0.0", "azure-mgmt-loganalytics==14.0.0"]
LANGUAGE = "@kusto/language-service-next@12.4.1"
CALL_BYTES, VALUE_BYTES = 1 << 20, 64 << 10
# What each schema asks of every row, beside what asim.tsv says of our columns.
ALWAYS = "EventCount EventStartTime EventEndTime EventType EventResult EventProduct EventVendor EventSchema EventSchemaVersion Dvc"
MANDATORY = {
    "NetworkSession": "EventSeverity Src Dst", "Dns": "EventResultDetails DnsResponseCodeName Src", "WebSession": "Url Src",
    "AlertEvent": "EventUid EventSubType AlertId AlertName DetectionMethod", "DhcpEvent": "SrcIpAddr SrcHostname SrcMacAddr",
    "Authentication": "TargetUsername TargetAppName EventResultDetails LogonProtocol",
}
VALUES = {
    "AlertEvent": {"EventType": {"Alert"}, "EventSubType": {"Threat"}, "DetectionMethod": {"Intrusion Detection"}},
    "DhcpEvent": {"EventType": {"Assign", "Renew", "Release"}, "EventResult": {"Success", "Failure"}},
    "Authentication": {"EventType": {"Logon"}, "EventResultDetails": {"NA", "No such user", "Incorrect password", "User disabled", "Password expired", "Other"}},
}
SQL = {"string": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "boolean": "BOOLEAN", "datetime": "TIMESTAMP", "dynamic": "JSON"}
# What is asked of functions with filters, and must find something; arguments as their callers give them.
FILTERS = {
    "vimNetworkSessionTapwire": ["dstportnumber=502", "eventresult='Success'", "srcipaddr_has_any_prefix=dynamic(['192.0.2.'])", "starttime=datetime(2020-01-01)"],
    "vimDnsTapwire": ["responsecodename='NXDOMAIN'", "domain_has_any=dynamic(['example'])", "srcipaddr='192.0.2.10'"],
    "vimWebSessionTapwire": ["url_has_any=dynamic(['pot'])", "eventresultdetails_in=dynamic(['418'])"],
    "vimAlertEventTapwire": ["attacktechniques_has_any=dynamic(['T1190'])", "eventseverity_has_any=dynamic(['High'])"],
    "vimDhcpEventTapwire": ["eventresult='Success'"],
    "vimAuthenticationTapwire": ["targetusername_has_any=dynamic(['alice'])", "eventresult='Success'"],
}
# Filters that nothing can pass.
NOTHING = {"vimNetworkSessionTapwire": "hostname_has_any=dynamic(['x'])", "vimDnsTapwire": "endtime=datetime(1990-01-01)", "vimAlertEventTapwire": "disabled=true"}


class Faults(collections.Counter):
    def add(self, what, example=""):
        if what not in self and len(self) < 20:
            print(f"   {what}\n      {str(example)[:400]}")
        self[what] += 1


def limits(whole, faults):
    """What Azure Monitor says of names and numbers."""
    if (HERE / "main.json").read_text() != template.text():
        faults.add("main.json is not what columns and functions make of it: check.py --write")
    rule = next(resource for resource in whole["resources"] if resource["type"].endswith("dataCollectionRules"))["properties"]
    tables = [resource["properties"]["schema"] for resource in whole["resources"] if resource["type"].endswith("/tables")]
    for schema in tables:
        names = [column["name"] for column in schema["columns"]]
        for name in names:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,44}", name) or name.lower() in ("id", "title", "type", "tenantid", "uniqueid"):
                faults.add(f"{name} may be no column")
        if len(names) > 500 or "TimeGenerated" not in names or len(set(map(str.lower, names))) != len(names):
            faults.add(f"the columns of {schema['name']} are wrong")
    if len(rule["dataFlows"]) > 10 or any(len(flow["transformKql"]) > 15_360 for flow in rule["dataFlows"]):
        faults.add("the rule has too many flows, or too long ones")
    for resource in whole["resources"]:
        if "functionAlias" in resource["properties"] and resource["properties"]["query"].startswith("["):
            faults.add("a query is an expression of the template", resource)
    return rule, tables


def library(whole, faults):
    """Microsoft's management library takes every property, and sends all of them."""
    from azure.mgmt.loganalytics import models as analytics
    from azure.mgmt.monitor import models as monitor
    kinds = {"dataCollectionEndpoints": monitor.DataCollectionEndpointResource, "dataCollectionRules": monitor.DataCollectionRuleResource,
             "tables": analytics.Table, "savedSearches": analytics.SavedSearch}

    def inside(ours, theirs, path):
        if isinstance(ours, dict):
            for key, value in ours.items():
                if not isinstance(theirs, dict) or key not in theirs:
                    faults.add(f"Microsoft's library knows no {path}.{key}")
                else:
                    inside(value, theirs[key], f"{path}.{key}")
        elif isinstance(ours, list):
            for mine, other in zip(ours, theirs or []):
                inside(mine, other, path)

    def named(ours, model, path):
        known = {field._rest_name for field in model()._attr_to_rest_field.values()}
        for key in ours.keys() - known - {"etag"}:
            faults.add(f"Microsoft's library knows no {path}.{key}")

    for resource in whole["resources"]:
        name, about = resource["type"].rpartition("/")[2], resource["properties"]
        if name == "savedSearches":
            named(about, analytics.SavedSearchProperties, name)
        elif name == "tables":
            named(about, analytics.TableProperties, name)
            named(about["schema"], analytics.Schema, "schema")
            for column in about["schema"]["columns"]:
                named(column, analytics.Column, "columns")
        if kinds.get(name):
            model = kinds[name]
            given = {"location": "", "properties": resource["properties"]}
            # Numbers stand in the template as parameters.
            given = json.loads(re.sub(r'"\[parameters\(\'retentionInDays\'\)\]"', "90", json.dumps(given)))
            made = model.deserialize(given).serialize() if hasattr(model, "deserialize") else model(given).as_dict()
            inside(given["properties"], made.get("properties", made), name)


def language(rule, tables, faults):
    folder = trial.CACHE / "kusto"
    if not (folder / "node_modules/@kusto/language-service-next").exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--prefix", folder, LANGUAGE], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print("left out: Microsoft's language service cannot be installed here:", error)
            return
    schemas = {schema["name"]: "(" + ", ".join(f"{column['name']}:{ {'boolean': 'bool'}.get(column['type'], column['type']) }" for column in schema["columns"]) + ")" for schema in tables}
    stream = rule["streamDeclarations"][template.STREAM]["columns"]
    schemas["source"] = "(" + ", ".join(f"{column['name']}:{ {'boolean': 'bool'}.get(column['type'], column['type']) }" for column in stream) + ")"
    functions = [{"name": name, "parameters": parameters, "body": body} for name, parameters, _, body in template.functions()]
    calls = {f["name"]: f"print x = {f['name']}('=1')" if f["name"] == "TapwireCells" else f"{f['name']}() | take 1" for f in functions}
    page = (HERE / "README.md").read_text()
    queries = [flow["transformKql"] for flow in rule["dataFlows"]] + re.findall(r"```kql\n(.*?)```", page, re.S)
    queries += [f"{name}({filter})" for name, filters in FILTERS.items() for filter in [*filters, *([NOTHING[name]] if name in NOTHING else [])]]
    for resource in template.template()["resources"]:
        if "condition" in resource:
            about = resource["properties"]
            functions.append({"name": about["functionAlias"], "parameters": f"({about['functionParameters']})", "body": about["query"]})
            calls[about["functionAlias"]] = f"{about['functionAlias']}() | take 1"
    asked = json.dumps({"tables": schemas, "functions": functions, "queries": queries, "calls": calls})
    done = subprocess.run(["node", HERE / "kql.js", folder], input=asked, capture_output=True, text=True)
    if done.returncode:
        faults.add("the language service fails", done.stderr[-600:])
        return
    for found in json.loads(done.stdout):
        faults.add(f"KQL of {found['in']}: {found['message']}", found["at"])
    print(f"language service: {len(functions)} functions, {len(queries)} queries")


class Azure:
    """Their login and their endpoint, as far as they are documented."""

    def __init__(self, rule, faults):
        self.columns = {column["name"]: column["type"] for column in rule["streamDeclarations"][template.STREAM]["columns"]}
        self.rows, self.faults = [], faults

    def answer(self, path, query, headers, body):
        if path == "/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            wanted = {"grant_type": "client_credentials", "client_id": "22222222-2222-2222-2222-222222222222", "client_secret": "a secret"}
            if wanted.items() <= form.items() and form["scope"] == "https://monitor.azure.com//.default":
                return 200, json.dumps({"access_token": "the token", "expires_in": 3599, "token_type": "Bearer"})
            return 401, json.dumps({"error": "invalid_client"})
        if path != f"/dataCollectionRules/dcr-00000000000000000000000000000000/streams/{template.STREAM}" or query != {"api-version": "2023-01-01"}:
            return 404, json.dumps({"error": {"code": "NotFound"}})
        if headers.get("authorization") != "Bearer the token":
            return 401, ""
        if len(body) > CALL_BYTES:
            self.faults.add("a call is too long")
            return 413, json.dumps({"error": {"code": "ContentLengthLimitExceeded"}})
        for row in json.loads(body):
            for name, value in row.items():
                if name not in self.columns:
                    self.faults.add(f"{name} is no column of the stream: it would be lost", row)
                if len(json.dumps(value, ensure_ascii=False).encode()) > VALUE_BYTES:
                    self.faults.add(f"a value of {name} would be cut")
            self.rows.append(row)
        return 204, ""


def positional(text):
    """Calls of functions with arguments by name, which the engine does not know, with all of them in their order."""
    listed = {name: re.findall(r"(\w+):\w+=((?:[^,()]|\([^()]*\))+)", parameters[1:-1]) for name, parameters, _, _ in template.functions()}

    def call(found):
        given = dict(re.findall(r"(\w+)=('[^']*'|\w+(?:\([^()]*\))?)", found.group(2)))
        return f"{found.group(1)}({', '.join(given.get(name, default) for name, default in listed[found.group(1)])})"

    return re.sub(r"^((?:vim|ASim)\w+Tapwire)\((.*)\)$", call, text.strip(), flags=re.S)


def engine(rule, tables, rows):
    """The tables, with what the rule's transformations make of rows."""
    import duckdb_kql
    con = duckdb_kql.connect()
    stream = rule["streamDeclarations"][template.STREAM]["columns"]
    with trial.folder() as place:
        (place / "rows.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
        kinds = ", ".join(f"'{column['name']}': '{SQL[column['type']]}'" for column in stream)
        con.execute(f"CREATE TABLE source AS SELECT * FROM read_json('{place}/rows.json', format = 'newline_delimited', columns = {{{kinds}}}, maximum_object_size = 2000000)")
    for schema, flow in zip(tables, rule["dataFlows"], strict=True):
        duckdb_kql.query(con, flow["transformKql"]).create(schema["name"])
        there = dict((row[0], row[1]) for row in con.execute(f"DESCRIBE \"{schema['name']}\"").fetchall())
        wanted = {column["name"]: SQL[column["type"]] for column in schema["columns"]}
        if there != wanted:
            sys.exit(f"{schema['name']}: the transformation gives {set(there.items()) ^ set(wanted.items())}")
    # The engine has no prefixes of addresses; that function is Microsoft's language service's to judge.
    prefix = re.compile(r"has_any_ipv4_prefix\(\w+, (\w+)\)")
    local = [f"function {name}{parameters} {{ " + prefix.sub(r"array_length(\1) > 0", positional(body)) + " }" for name, parameters, _, body in template.functions() if name != "TapwireCells"]
    duckdb_kql.set_functions(local)
    return con, lambda text: duckdb_kql.query(con, positional(text))


def asked(ask, rows, faults):
    """Every function finds what it is for, with what its schema asks for."""
    of = lambda *kinds: sum(row["EventOriginalType"] in kinds for row in rows)
    number = {
        "NetworkSession": sum(row["EventSchema"] == "NetworkSession" for row in rows), "Dns": sum(row["EventSchema"] == "Dns" for row in rows),
        "WebSession": sum(row["EventSchema"] == "WebSession" for row in rows), "AlertEvent": of("alert"),
        "DhcpEvent": sum(row["AdditionalFields"].get("dhcp", {}).get("dhcp_type") in ("ack", "release", "nak") and row["EventOriginalType"] == "dhcp" for row in rows),
        "Authentication": of("krb5"),
    }
    for schema, wanted in number.items():
        relation = ask(f"ASim{schema}Tapwire()")
        names, found = relation.columns, relation.fetchall()
        if len(found) != wanted or not found:
            faults.add(f"ASim{schema}Tapwire gives {len(found)} rows of {wanted}")
        for row in found:
            event = dict(zip(names, row, strict=True))
            for name in f"{ALWAYS} {MANDATORY[schema]}".split():
                if event.get(name) in (None, ""):
                    faults.add(f"{schema}: {name} is missing", event)
            if event["EventSchema"] != schema:
                faults.add(f"{schema}: EventSchema is {event['EventSchema']}")
            for name, values in VALUES.get(schema, {}).items():
                if event[name] not in values:
                    faults.add(f"{schema}: {name} may not be {event[name]!r}")
    for name, filters in FILTERS.items():
        for text in filters:
            if not ask(f"{name}({text})").fetchall():
                faults.add(f"{name}({text}) finds nothing")
    for name, text in NOTHING.items():
        if ask(f"{name}({text})").fetchall():
            faults.add(f"{name}({text}) finds something")
    print("functions:", ", ".join(f"{schema} {count}" for schema, count in number.items()))


def cells(ask, faults):
    # The engine has no functions that are no tables: what this one does is asked in its place.
    body = next(body for name, _, _, body in template.functions() if name == "TapwireCells")
    for value in [*trial.HOSTILE, "=1+1", "+1", "-1", "@SUM(1)", "\t=1"]:
        quoted = json.dumps(value, ensure_ascii=False)
        made = ask("print x = " + re.sub(r"\bcell\b", lambda _: quoted, body)).fetchall()[0][0]
        if made[:1] in ("=", "+", "-", "@", "\t", "\r"):
            faults.add("a cell is a formula", made)


def page(given, rule, faults):
    azure = Azure(rule, faults)
    with trial.folder() as place, trial.Door(azure.answer) as door:
        (place / "secret").write_text("a secret\n")
        config = trial.configured(HERE / "tapwire.yaml", place, {
            "https://tapwire-abcd.westeurope-1.ingest.monitor.azure.com": f"http://127.0.0.1:{door.port}\n    authority: http://127.0.0.1:{door.port}",
            "/etc/tapwire/sentinel-secret": str(place / "secret")})
        records, _, status = trial.deliver(given, config, place)
        samples = [json.loads(line) for line in trial.encode(given, "asim", trial.SAMPLES.read_text().splitlines())]
        hostile = [json.loads(line) for line in trial.encode(given, "asim", trial.hostile())]
        ids = {row["EventOriginalUid"] for row in azure.rows}
        missing = [record for record in records if record["event_type"] in ("alert", "flow", "dns", "http") and record["tapwire"].get("event_id", "") not in ids | {""}]
        if missing:
            faults.add(f"{len(missing)} records did not come", missing[0])
        print(f"page: {len(azure.rows)} rows came, {status['delivered']} records delivered")
    for row in samples + hostile:
        for name in row.keys() - azure.columns.keys():
            faults.add(f"{name} is no column of the stream: it would be lost", row)
    return azure.rows + samples, hostile


def forwarder(given, faults):
    """The other way: CEF through rsyslog, which is what Azure Monitor's agent listens behind. Lines go where it looks for CEF."""
    rsyslog = shutil.which("rsyslogd")
    if not rsyslog:
        print("left out: CEF through a forwarder, for rsyslog is not installed")
        return
    with trial.folder() as place:
        port, out = trial.free_port(), place / "lines"
        (place / "rsyslog.conf").write_text(f"""module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="told" type="string" string="%programname%\t%syslogfacility-text%\t%hostname%\t%rawmsg%\n")
*.* action(type="omfile" file="{out}" template="told")
""")
        with trial.process([rsyslog, "-n", "-f", place / "rsyslog.conf", "-i", place / "pid"], port):
            config = trial.configured(HERE / "tapwire-cef.yaml", place, {"tcp://forwarder.example:514": f"tcp://127.0.0.1:{port}"})
            _, _, status = trial.deliver(given, config, place)
            trial.wait_for("all lines came", lambda: out.exists() and out.read_text().count("\n") >= status["delivered"])
        lines = out.read_text().splitlines()
    for line in lines:
        program, facility, host, raw = line.split("\t", 3)
        if (program, facility) != ("CEF", "local4") or not host or not re.match(r"<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ CEF:0\|Tapwire\|Tapwire\|", raw):
            faults.add("a line is none of CEF for the agent", line)
    print(f"forwarder: {len(lines)} lines of CEF came through rsyslog")


def main():
    if "--write" in sys.argv:
        (HERE / "main.json").write_text(template.text())
        return 0
    given, faults = trial.arguments(__doc__), Faults()
    trial.packages(*PACKAGES)
    for name in ("tapwire.yaml", "tapwire-cef.yaml"):
        trial.shown(HERE / name)
    whole = template.template()
    rule, tables = limits(whole, faults)
    library(whole, faults)
    language(rule, tables, faults)
    rows, hostile = page(given, rule, faults)
    _, ask = engine(rule, tables, rows)
    asked(ask, rows, faults)
    cells(ask, faults)
    _, ask = engine(rule, tables, hostile)
    for name, *_ in template.functions():
        if name != "TapwireCells":
            ask(f"{name}()").fetchall()
    forwarder(given, faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
