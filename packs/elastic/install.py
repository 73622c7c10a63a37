#!/usr/bin/env python3
"""Puts Tapwire's fields, index templates and retention into Elasticsearch (8.11 or newer) or OpenSearch (2.7 or newer).

  install.py https://elastic.example:9200 --user elastic --password-file password [--ca ca.pem]
  install.py https://elastic.example:9200 --api-key-file key
  install.py --show elasticsearch           shows what would be put, for those who put it themselves

It may be run again: what is there of that name is replaced, data stays. `--days` and `--alert-days` say how long records are kept.
"""
import argparse
import base64
import json
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of data streams: `logs-tapwire.TYPE-default` has the common schema, `logs-tapwire_eve.TYPE-default` EVE JSON.
STREAMS = {"ecs": "logs-tapwire.", "eve": "logs-tapwire_eve."}
# Above the 100 and 200 that the templates of Elastic's own have, and alerts above others.
PRIORITY, ALERT_PRIORITY = 300, 310


def lifecycle(product, name, days, patterns):
    """The path and body of a retention: a new index each day or at 50 GB, and what is older than so many days goes."""
    if product == "elasticsearch":
        hot = {"actions": {"rollover": {"max_primary_shard_size": "50gb", "max_age": "1d"}}}
        return f"_ilm/policy/{name}", {"policy": {"phases": {"hot": hot, "delete": {"min_age": f"{days}d", "actions": {"delete": {}}}}}}
    states = [
        {"name": "hot", "actions": [{"rollover": {"min_primary_shard_size": "50gb", "min_index_age": "1d"}}],
         "transitions": [{"state_name": "delete", "conditions": {"min_rollover_age": f"{days}d"}}]},
        {"name": "delete", "actions": [{"delete": {}}], "transitions": []},
    ]
    priority = ALERT_PRIORITY if "alerts" in name else PRIORITY
    template = [{"index_patterns": patterns, "priority": priority}]
    return f"_plugins/_ism/policies/{name}", {"policy": {"description": "records of Tapwire", "default_state": "hot", "states": states, "ism_template": template}}


def fields(product, form):
    """The mappings of a form. What Elasticsearch calls `flattened` is `flat_object` in OpenSearch, and takes no options there."""
    def translated(value):
        if isinstance(value, dict):
            if value.get("type") == "flattened" and product == "opensearch":
                return {"type": "flat_object"}
            return {key: translated(inner) for key, inner in value.items()}
        return [translated(inner) for inner in value] if isinstance(value, list) else value
    return translated(json.loads((HERE / f"fields-{form}.json").read_text()))


def everything(product, days, alert_days):
    """Paths and bodies, in the order in which they are put."""
    for name, kept, mark in [("tapwire", days, "*"), ("tapwire-alerts", alert_days, "alert-*")]:
        patterns = [stream + mark for stream in STREAMS.values()]
        yield lifecycle(product, name, kept, patterns)
    for form, stream in STREAMS.items():
        yield f"_component_template/tapwire-{form}", fields(product, form)
        for name, mark, policy, priority in [(f"tapwire-{form}", "*", "tapwire", PRIORITY), (f"tapwire-{form}-alerts", "alert-*", "tapwire-alerts", ALERT_PRIORITY)]:
            # A number that is none, and a date that is none, is left out of the index; its record is kept all the same.
            settings = {"index.mapping.ignore_malformed": True, "index.codec": "best_compression", "index.refresh_interval": "5s"}
            if product == "elasticsearch":
                settings["index.lifecycle.name"] = policy
            yield f"_index_template/{name}", {
                "index_patterns": [stream + mark], "data_stream": {}, "priority": priority, "composed_of": [f"tapwire-{form}"],
                "template": {"settings": settings}, "_meta": {"description": "records of Tapwire"},
            }


class Cluster:
    """What answers at an address."""

    def __init__(self, url, header, context):
        self.url, self.header, self.context = url.rstrip("/"), header, context

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **self.header}
        request = urllib.request.Request(f"{self.url}/{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            if method == "GET" and error.code == 404:
                return None
            if path.startswith("_plugins/_ism") and "no handler found" in said:
                raise LookupError from error
            sys.exit(f"{method} {path}: {error.code} {said}")
        except (OSError, ValueError) as error:
            sys.exit(f"{method} {self.url}/{path}: {error}")

    def put(self, path, body):
        # A policy of OpenSearch is only replaced by who says which version it has.
        old = self.ask("GET", path) if path.startswith("_plugins/_ism") else None
        if old:
            path += f"?if_seq_no={old['_seq_no']}&if_primary_term={old['_primary_term']}"
        self.ask("PUT", path, body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--user")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--api-key-file", type=Path)
    parser.add_argument("--ca", type=Path, help="certificates of the authority that is believed")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--alert-days", type=int, default=400)
    parser.add_argument("--show", choices=["elasticsearch", "opensearch"])
    given = parser.parse_args()
    if given.show:
        for path, body in everything(given.show, given.days, given.alert_days):
            print(f"PUT {path}\n{json.dumps(body, indent=1)}\n")
        return
    if not given.url:
        parser.error("say where it is: https://host:9200")
    header = {}
    if given.api_key_file:
        header["authorization"] = "ApiKey " + given.api_key_file.read_text().strip()
    elif given.user:
        password = given.password_file.read_text().strip() if given.password_file else ""
        header["authorization"] = "Basic " + base64.b64encode(f"{given.user}:{password}".encode()).decode()
    context = ssl.create_default_context(cafile=given.ca) if given.url.startswith("https") else None
    cluster = Cluster(given.url, header, context)
    said = cluster.ask("GET", "")
    product = "opensearch" if said.get("version", {}).get("distribution") == "opensearch" else "elasticsearch"
    print(f"{product} {said['version']['number']}")
    for path, body in everything(product, given.days, given.alert_days):
        try:
            cluster.put(path, body)
            print("put", path)
        except LookupError:
            print(f"left out: {path}, for index state management is not installed there, and records are kept for ever")


if __name__ == "__main__":
    main()
