#!/usr/bin/env python3
"""Writes countries.mmdb, a database of countries for documentation networks (needs mmdb-writer and netaddr from PyPI)."""
import os
from netaddr import IPSet
from mmdb_writer import MMDBWriter

writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Country", description="for tests")
for network, code in (("192.0.2.0/25", "DE"), ("198.51.100.0/24", "FR"), ("10.0.0.0/8", "AT")):
    writer.insert_network(IPSet([network]), {"country": {"iso_code": code}})
writer.to_db_file(os.path.join(os.path.dirname(os.path.abspath(__file__)), "countries.mmdb"))
