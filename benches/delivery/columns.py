#!/usr/bin/env python3
"""Records as columns, read back by PyArrow and DuckDB: nothing is missing, and every value is that of its record.

Captures of the project are replayed with outputs that become Parquet, in a folder and in a store (SeaweedFS, where it is installed);
`tapwire parquet` writes the same again. What `tapwire cat` says of the log is what must be there, also where a segment is torn, values
are hostile, and the command is killed in the middle. Left out where PyArrow and DuckDB are not installed.
"""
import argparse, collections, contextlib, glob, hashlib, json, pathlib, random, shutil, signal, socket, subprocess, sys, tempfile, time

from delivery import Missing, Store

ARGS = argparse.ArgumentParser(description=__doc__)
ARGS.add_argument("--bin", default="target/debug/tapwire", help="built with --features parquet")
HERE = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """%YAML 1.1
---
outputs: []
tapwire:
  output-drain: 120
  outputs:
"""


def run(*command, status=0):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != status:
        raise SystemExit("%s: status %s\n%s%s" % (" ".join(map(str, command)), done.returncode, done.stdout, done.stderr))
    return done.stdout


def files(folder):
    """Each file below a folder with its digest."""
    folder = pathlib.Path(folder)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def moment(text):
    """Microseconds since 1970 of a time of a record."""
    import datetime
    text = text + ".000000+0000" if len(text) == 19 else text
    time = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    return (time - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def members(value, path, found, in_list):
    """Puts what a record has, by the names of columns."""
    if isinstance(value, dict):
        for name, inner in value.items():
            members(inner, path + [name], found, in_list)
    elif isinstance(value, list):
        for inner in value:
            members(inner, path, found, True)
    elif value is not None:
        found["_".join(path)].append(value)


def judge_values(path, hostile):
    """Whether each value of a file is that of its record; how many records."""
    import pyarrow
    import pyarrow.parquet
    table = pyarrow.parquet.read_table(path, partitioning=None)
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        kind = column.type.value_type if pyarrow.types.is_list(column.type) else column.type
        if pyarrow.types.is_timestamp(kind):
            assert kind.unit == "us" and kind.tz == "UTC", (path, name, kind)
            whole = pyarrow.list_(pyarrow.int64()) if kind != column.type else pyarrow.int64()
            columns[name] = (column.cast(whole).to_pylist(), moment)
        else:
            columns[name] = (column.to_pylist(), lambda value: value)
    for row, raw in enumerate(columns["raw"][0]):
        found = collections.defaultdict(list)
        members(json.loads(raw), [], found, False)
        for name, (values, convert) in columns.items():
            value = values[row]
            if name == "host" and name not in found:
                assert value in (None, socket.gethostname())
                continue
            if name == "raw" or hostile or (value is None and name not in found):
                continue
            said = [convert(one) for one in found[name]] if name in found else []
            assert (value if isinstance(value, list) else [value]) == said, (path, name, value, said)
    return table.num_rows


def judge(lake, expected, what, hostile=False):
    """Whether a lake has all lines, and DuckDB finds as many of each type and hour."""
    import duckdb
    names = glob.glob(str(lake) + "/**/*.parquet", recursive=True)
    assert names and not glob.glob(str(lake) + "/**/*.new", recursive=True), lake
    rows = sum(judge_values(name, hostile) for name in names)
    found = sorted(line for (line,) in duckdb.sql("SELECT raw FROM read_parquet('%s/**/*.parquet', union_by_name = true)" % lake).fetchall())
    assert found == sorted(expected), "%s: %d records, and %d were expected" % (what, len(found), len(expected))
    counts = dict(((kind, str(date), int(hour)), count) for kind, date, hour, count in duckdb.sql(
        "SELECT event_type, date, hour, count(*) FROM read_parquet('%s/**/*.parquet', hive_partitioning = true, union_by_name = true) GROUP BY ALL" % lake).fetchall())
    if not hostile:
        wanted = collections.Counter()
        for line in expected:
            record = json.loads(line)
            wanted[(record["event_type"], record["timestamp"][:10], int(record["timestamp"][11:13]))] += 1
        assert counts == wanted, (what, counts, wanted)
        # Files of one type have the same columns: no word about that is needed.
        for kind in {kind for kind, _, _ in counts}:
            duckdb.sql("SELECT timestamp, src_ip, tapwire_event_id FROM '%s/event_type=%s/**/*.parquet' ORDER BY 1" % (lake, kind)).fetchall()
    print("%-20s %6d records in %4d files" % (what, rows, len(names)), flush=True)


def hostile_lines():
    """Records that nobody should write."""
    words = ["\u202e", "\\u0000", "a" * 50_000, "'; DROP TABLE x; --", "\\\"", "\U0001f980", "\\ud83e\\udd80", "..", "%2e%2e", "NaN", ""]
    values = ["1", "-1", "99999999999999999999999", "1e300", "1.5", "true", "null", "[]", "{}", "[[[[1]]]]", '{"x":{"y":1}}', '[null,"x",3]']
    chance = random.Random(1)
    for n in range(3_000):
        some = lambda: '"%s"' % chance.choice(words) if n % 2 else chance.choice(values)
        yield ('{"timestamp":"2026-12-%02dT%02d:00:00.000000+0000","event_type":"%s","n":%d,"src_ip":%s,"src_port":%s,"vlan":%s,"flow_id":%s,"host":%s,"flow":%s,"dns":{"queries":[{"rrname":%s}],"aa":%s},"alert":%s,"tapwire":{"event_id":%s}}'
               % (1 + n // 600, n // 100 % 3, chance.choice(["dns", "flow", "alert", "../x", "odd"]), n, *(some() for _ in range(10))))


def main():
    args = ARGS.parse_args()
    try:
        import duckdb, pyarrow
    except ImportError as missing:
        print("left out: %s is not installed" % missing.name)
        return
    with tempfile.TemporaryDirectory(prefix="tapwire-columns-") as folder, contextlib.ExitStack() as ends:
        folder = pathlib.Path(folder)
        log, lake, config = folder / "log", folder / "lake", folder / "tapwire.yaml"
        outputs = [{"type": "folder", "to": lake, "objects": "parquet", "without-types": "none"},
                   {"type": "folder", "to": folder / "archive", "objects": "segments"}]
        store = None
        try:
            store = Store(folder)
            ends.callback(store.receiver.end)
            outputs += [{**store.output(), "objects": "parquet", "without-types": "none"}, {**store.output(), "objects": "segments", "prefix-of-names": "archive/"}]
        except Missing as missing:
            print("the store is left out: %s is not installed" % missing)
        text = CONFIG
        for number, output in enumerate(outputs):
            text += "  - name: o%d\n" % number + "".join("    %s: %s\n" % pair for pair in output.items())
        config.write_text(text)
        tested = run(args.bin, "outputs", "test", "--config", config, "--log-dir", log)
        assert tested.count(" samples delivered") == len(outputs) and lake.exists(), tested
        shutil.rmtree(lake), shutil.rmtree(folder / "archive")
        samples = list(store.objects()) if store else []
        captures = sorted(HERE.glob("pcaps/*/*/capture.pcap"))
        # A run goes on with the log of the one before, in a new segment.
        for part in range(5):
            run(args.bin, "replay", "--config", config, "--no-rules", "--quiet", "--log-dir", log, *captures[part::5])
        expected = run(args.bin, "cat", log).splitlines()
        assert len(expected) > 500 and len(list(log.glob("eve-*.zst"))) > 3
        judge(lake, expected, "output, folder")
        # The same again replaces what is there, and is the same.
        before = files(lake)
        run(args.bin, "parquet", "--out", lake, "--host", socket.gethostname(), log)
        assert files(lake) == before
        archived = run(args.bin, "cat", folder / "archive").splitlines()
        assert archived == expected and len(list((folder / "archive").iterdir())) == len(list(log.glob("eve-*.zst")))
        if store:
            bodies = {path: store.body(path) for path in store.objects() if path not in samples}
            own = {path.split("/tapwire/")[1]: hashlib.sha256(body).hexdigest() for path, body in bodies.items() if path.endswith(".parquet")}
            assert own == before, "the store has other files"
            segments = [body for path, body in sorted(bodies.items()) if path.endswith(".zst")]
            lines = [line for body in segments for line in subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout.decode().splitlines()]
            assert lines == expected
            print("%-20s %6d files" % ("output, store", len(bodies)))
        # Killed at any moment, and begun again.
        other = folder / "killed"
        for n in range(8):
            process = subprocess.Popen([args.bin, "parquet", "--out", str(other), str(log)], stdout=subprocess.DEVNULL)
            time.sleep(0.05 * n)
            process.send_signal(signal.SIGKILL)
            process.wait()
        run(args.bin, "parquet", "--out", other, "--host", socket.gethostname(), log)
        assert files(other) == before
        print("%-20s %6d files" % ("killed 8 times", len(before)))
        # One segment ends in the middle of a frame, in another some bytes are wrong.
        torn, segments = folder / "torn", sorted(log.glob("eve-*.zst"))
        torn.mkdir()
        for number, segment in enumerate(segments):
            body = bytearray(segment.read_bytes())
            if number == 1:
                body = body[:-7]
            if number == 2:
                body[len(body) // 2] ^= 0xff
            (torn / segment.name).write_bytes(body)
        expected = subprocess.run([args.bin, "cat", str(torn)], capture_output=True, text=True).stdout.splitlines()
        run(args.bin, "parquet", "--out", folder / "torn-lake", torn, status=1)
        judge(folder / "torn-lake", expected, "torn segments")
        lines = list(hostile_lines())
        (folder / "eve.json").write_text("\n".join(lines) + "\nno record\n{\"half\":\n")
        said = run(args.bin, "parquet", "--out", folder / "hostile", folder / "eve.json")
        assert "\n2 lines are no records" in said and "values fit no column" in said, said
        judge(folder / "hostile", lines, "hostile values", hostile=True)


if __name__ == "__main__":
    sys.exit(main())
