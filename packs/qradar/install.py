#!/usr/bin/env python3
"""Puts the event map and the custom properties into QRadar, by its REST API.

  install.py --console https://qradar.example --token-file FILE [--ca FILE] [--log-source-type Tapwire] [--classification FILE]

The log source type has to be there (DSM Editor). What is there already is left as it is, so that it can be run again. Classes of
a site's own are read from its classification.config. The token is that of an authorised service with the role Admin.
"""
import argparse
import csv
import json
import re
import ssl
import sys
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEVERITIES = {1: 8, 2: 5, 3: 3}
UNKNOWN_SUSPICIOUS = 7001


class Console:
    """The API, with its token."""

    def __init__(self, address, token, authorities):
        self.address, self.token = address.rstrip("/"), token
        self.tls = ssl.create_default_context(cafile=authorities) if address.startswith("https:") else None

    def ask(self, path, body=None, **query):
        url = f"{self.address}/api/{path}" + ("?" + urllib.parse.urlencode(query) if query else "")
        headers = {"SEC": self.token, "Version": "16.0", "Accept": "application/json", "Content-Type": "application/json"}
        request = urllib.request.Request(url, headers=headers, data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            sys.exit(f"{path}: {error.code} {error.read(2000).decode(errors='replace')}")
        except urllib.error.URLError as error:
            sys.exit(f"{self.address}: {error.reason}")


def table(name):
    with open(HERE / name, newline="") as rows:
        return list(csv.DictReader(rows))


def classes(path):
    """Rows for classes of a classification.config that are not in the map."""
    known = {row["event_id"] for row in table("qidmap.csv")}
    for name, text, priority in re.findall(r"^\s*config\s+classification:\s*([^,\n]+),([^,\n]+),\s*(\d+)", path.read_text(), re.M):
        if text.strip() not in known:
            known.add(text.strip())
            yield {"event_id": text.strip(), "event_category": "alert", "name": f"Tapwire: {text.strip()}", "description": f"Alert of a rule of the class {name}.",
                   "severity": SEVERITIES.get(int(priority), 1), "low_level_category_id": UNKNOWN_SUSPICIOUS}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--console", required=True)
    parser.add_argument("--token-file", required=True, type=Path)
    parser.add_argument("--ca")
    parser.add_argument("--log-source-type", default="Tapwire")
    parser.add_argument("--classification", type=Path)
    given = parser.parse_args()
    console = Console(given.console, given.token_file.read_text().strip(), given.ca)
    types = console.ask("config/event_sources/log_source_management/log_source_types", filter=f'name="{given.log_source_type}"', fields="id,name")
    if not types:
        sys.exit(f"there is no log source type {given.log_source_type}: make it in the DSM Editor first")
    kind = types[0]["id"]

    records = {row["name"]: row["id"] for row in console.ask("data_classification/qid_records", filter=f"log_source_type_id={kind}", fields="id,name")}
    mapped = {(row["log_source_event_id"], row["log_source_event_category"]) for row in
              console.ask("data_classification/dsm_event_mappings", filter=f"log_source_type_id={kind}", fields="log_source_event_id,log_source_event_category")}
    made = 0
    for row in table("qidmap.csv") + list(classes(given.classification) if given.classification else []):
        if row["name"] not in records:
            records[row["name"]] = console.ask("data_classification/qid_records", {
                "log_source_type_id": kind, "name": row["name"], "description": row["description"], "severity": int(row["severity"]),
                "low_level_category_id": int(row["low_level_category_id"])})["id"]
        if (row["event_id"], row["event_category"]) not in mapped:
            console.ask("data_classification/dsm_event_mappings", {
                "log_source_type_id": kind, "log_source_event_id": row["event_id"], "log_source_event_category": row["event_category"],
                "qid_record_id": records[row["name"]]})
            made += 1
    print(f"event map: {len(records)} names, {made} new mappings")

    properties = "config/event_sources/custom_properties"
    there = {row["name"]: row["identifier"] for row in console.ask(f"{properties}/regex_properties", fields="identifier,name")}
    told = {(row["regex_property_identifier"], row["expression"]) for row in
            console.ask(f"{properties}/property_leef_expressions", filter=f"log_source_type_id={kind}", fields="regex_property_identifier,expression")}
    made = 0
    for row in table("properties.csv"):
        if row["name"] not in there:
            there[row["name"]] = console.ask(f"{properties}/regex_properties", {
                "name": row["name"], "description": row["description"], "property_type": row["type"].lower(), "use_for_rule_engine": row["leef_key"] != "msg",
                "auto_discovered": False})["identifier"]
        if (there[row["name"]], row["leef_key"]) not in told:
            console.ask(f"{properties}/property_leef_expressions", {
                "regex_property_identifier": there[row["name"]], "log_source_type_id": kind, "expression": row["leef_key"], "enabled": True})
            made += 1
    print(f"custom properties: {made} new expressions")


if __name__ == "__main__":
    main()
