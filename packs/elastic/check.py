#!/usr/bin/env python3
"""Follows the page: puts the templates into osmem-server, which speaks OpenSearch's protocol, delivers records of every type to it in both forms,
asks for the alerts, and counts fields. What a document is refused for is a failure, as is a field that has no type.
"""
import collections
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import trial  # noqa: E402

sys.path.insert(0, str(HERE))
import install  # noqa: E402

PACKAGES = ["osmem-server==0.1.6", "opensearch-py==3.2.0"]
ECS = "@elastic/ecs@9.4.0"
# The default of both products; more fields than these in an index, and what brings the next one is refused.
FIELD_LIMIT = 1000
TEXTS = {"keyword", "wildcard", "constant_keyword", "match_only_text", "text"}


def fields_of(properties, path=""):
    """Paths and types of a mapping, with those of subfields."""
    for name, field in properties.items():
        here = f"{path}{name}"
        yield here, field.get("type", "object")
        yield from fields_of(field.get("properties", {}), here + ".")
        yield from ((f"{here}.{sub}", kind["type"]) for sub, kind in field.get("fields", {}).items())


def leaves(value, path=""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path


def typed(documents, mapping, free):
    """Every member of a document has a type of its own, or is inside of an object that is one field."""
    known = dict(fields_of(mapping))
    whole = {path for path, kind in known.items() if kind in ("flat_object", "flattened")} | set(free)
    missing = collections.Counter()
    for document in documents:
        for path in leaves(document):
            parts = path.split(".")
            if path not in known and not any(".".join(parts[:n]) in whole for n in range(1, len(parts) + 1)):
                missing[path] += 1
    return missing


def elastic_types():
    """The types of Elastic's own list of fields, or nothing where it cannot be had."""
    place = trial.CACHE / "npm"
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "node_modules/@elastic/ecs").exists():
            subprocess.run(["npm", "install", "--silent", "--prefix", place, ECS], check=True)
        script = "process.stdout.write(JSON.stringify(require('@elastic/ecs').EcsFlat))"
        return json.loads(subprocess.run(["node", "-e", script], cwd=place, capture_output=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"   left out: Elastic's list of fields is not to be had here: {error}")


def differs(ours, theirs):
    """Whether a type is of another kind than Elastic's."""
    if ours in TEXTS and theirs in TEXTS:
        return False
    whole = {"long", "integer", "float", "scaled_float"}
    return ours != theirs and not (ours in whole and theirs in whole)


def put(client):
    """What install.py puts, but for data streams, which osmem-server does not have: plain indices of the same names have the same fields."""
    for path, body in install.everything("opensearch", 90, 400):
        body.pop("data_stream", None)
        if path.startswith("_plugins"):
            continue
        client.transport.perform_request("PUT", "/" + path, body=body)


def bulk(client, index, documents):
    """Puts documents; returns what those that are refused are refused for."""
    refused = collections.Counter()
    for begin in range(0, len(documents), 500):
        lines = []
        for document in documents[begin:begin + 500]:
            lines += [{"create": {"_index": index(document)}}, document]
        for item in client.bulk(body=lines)["items"]:
            if item["create"]["status"] >= 300:
                refused[json.dumps(item["create"].get("error"))[:300]] += 1
    return refused


def form(given, client, port, name, query, kind_of, faults):
    """Delivers in one form, and looks at what is there."""
    stream, id_field = install.STREAMS[name], {"ecs": "event.id", "eve": "tapwire.event_id"}[name]
    with trial.folder() as place:
        (place / "password").write_text("secret\n")
        config = trial.configured(HERE / f"{name}.yaml", place, {
            "https://elastic.example:9200": f"http://127.0.0.1:{port}", "/etc/tapwire/elastic-password": str(place / "password"), "/var/log/tapwire": str(place / "out")})
        records, _, status = trial.deliver(given, config, place)
        if status.get("cut"):
            faults.append(f"{name}: {status['cut']} records were cut")
        lines = trial.encode(given, name, [*trial.SAMPLES.read_text().splitlines(), *trial.hostile()])
    client.indices.refresh(index=stream + "*")
    sent = collections.Counter(record["event_type"] for record in records)
    for kind in sent - collections.Counter(stats=sent["stats"]):
        there = client.count(index=f"{stream}{kind}-default", body={"query": {"bool": {"must_not": [{"prefix": {id_field: "sample-"}}]}}})["count"]
        if there != sent[kind]:
            faults.append(f"{name}: of {sent[kind]} records of {kind} {there} are there")
    documents = [json.loads(line) for line in lines]
    for document in documents:
        if "timestamp" in document:
            document["@timestamp"] = "2026-11-24T12:35:06.357488Z"
    for reason, count in bulk(client, lambda document: f"{stream}{kind_of(document)}-trial", documents).items():
        faults.append(f"{name}: {count} documents are refused: {reason}")
    counts = {}
    for index, said in client.indices.get_mapping(index=stream + "*").items():
        found = list(fields_of(said["mappings"].get("properties", {})))
        counts[index] = len(found)
        if len(found) > FIELD_LIMIT:
            faults.append(f"{index} has {len(found)} fields")
    answer = client.search(index=f"{stream}alert-*", body=json.loads((HERE / query).read_text()))
    found = {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["rules"]["buckets"]}
    wanted = collections.Counter(record["alert"]["signature"] for record in records if record["event_type"] == "alert")
    for signature, count in wanted.items():
        if found.get(signature, 0) < count:
            faults.append(f"{name}: the query has {found.get(signature, 0)} of {count} alerts of {signature!r}")
    if not wanted:
        faults.append("the captures bring no alert")
    print(f"{name}: {len(records)} records of {len(sent)} types delivered, {sum(sent.values()) - sent['stats']} there; {len(documents)} more of {len(counts)} indices, hostile ones among them; "
          f"{max(counts.values())} fields at most; {sum(wanted.values())} alerts of {len(wanted)} rules found")
    return records, documents


class Noted(install.Cluster):
    """A cluster that has a policy already, and notes what it is asked."""

    def __init__(self):
        self.asked = []

    def ask(self, method, path, body=None):
        self.asked.append((method, path))
        return {"_seq_no": 3, "_primary_term": 1} if method == "GET" else {}


def main():
    given = trial.arguments(__doc__)
    trial.packages(*PACKAGES)
    import opensearchpy
    import osmem_server

    faults, port = [], trial.free_port()
    server = Path(osmem_server.__file__).parent / "bin/osmem-server"
    with trial.process([server, "-addr", f"127.0.0.1:{port}", "-no-stdin-watch"], port):
        client = opensearchpy.OpenSearch(f"http://127.0.0.1:{port}", timeout=120)
        said = trial.told([sys.executable, HERE / "install.py", f"http://127.0.0.1:{port}"])
        if said.count("put ") != 6 or said.count("left out: _plugins/_ism") != 2:
            faults.append(f"install.py says {said}")
        put(client)
        _, ecs = form(given, client, port, "ecs", "query-alerts.json", lambda document: document["tapwire"]["event_type"], faults)
        records, eve = form(given, client, port, "eve", "query-alerts-eve.json", lambda document: document["event_type"], faults)
        # Without a template, in one index: how many fields EVE makes by itself.
        client.indices.create(index="plain", body={"settings": {"index.mapping.total_fields.limit": 100_000}})
        bulk(client, lambda _: "plain", records[:5000] + [json.loads(line) for line in trial.SAMPLES.read_text().splitlines()])
        plain = client.indices.get_mapping(index="plain")["plain"]["mappings"]["properties"]
        print(f"without a template the same records make {len(list(fields_of(plain)))} fields")
    for name, documents in [("ecs", ecs), ("eve", eve)]:
        mapping = install.fields("opensearch", name)["template"]["mappings"]["properties"]
        missing = typed(documents, mapping, [])
        for path, count in missing.most_common(20):
            faults.append(f"{name}: {path} has no type ({count} documents)")
    theirs = elastic_types()
    for path, kind in fields_of(install.fields("elasticsearch", "ecs")["template"]["mappings"]["properties"]) if theirs else []:
        if path in theirs and differs(kind, theirs[path]["type"]):
            faults.append(f"{path} is {kind}, and {theirs[path]['type']} in Elastic's list")
    noted = Noted()
    noted.put("_plugins/_ism/policies/tapwire", {})
    if noted.asked[-1] != ("PUT", "_plugins/_ism/policies/tapwire?if_seq_no=3&if_primary_term=1"):
        faults.append(f"install.py replaces no policy: {noted.asked}")
    for product in ["elasticsearch", "opensearch"]:
        shown = trial.told([sys.executable, HERE / "install.py", "--show", product])
        if shown.count("PUT ") != 8 or ("flat_object" in shown) != (product == "opensearch"):
            faults.append(f"install.py --show {product} shows something else")
    for fault in faults:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
