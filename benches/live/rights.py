#!/usr/bin/env python3
"""A live sensor gives up what it does not need, and still does its work.

    benches/live/rights.py --bin target/release/tapwire [--magic target/debug/tapwire]

`--magic` names a build with `--features magic-packet`: a packet makes its worker try to open, connect, run, trace and the like. Needs root for
network namespaces, and strace, with which a kernel is played that lacks Landlock or seccomp.
"""
import argparse, os, pathlib, pwd, shutil, subprocess, sys, time

from bed import *

MAGIC = b"tapwire, try the doors"


def check(what, found, expected=True):
    print("  %-88s %s" % (what, "yes" if found == expected else "NO: %r" % (found,)), flush=True)
    return found == expected


def send(*payloads, port=ALERT_PORT):
    with namespace(CLIENT):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with link:
        for payload in payloads:
            link.sendto(payload, (ADDRESS[SERVER], port))
    time.sleep(0.6)


def threads_of(pid):
    """What /proc says of each thread."""
    for folder in pathlib.Path("/proc/%d/task" % pid).iterdir():
        lines = (folder / "status").read_text().splitlines()
        yield {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def level(binary, folder):
    """Every thread is without capabilities and behind two filters, and the records say so."""
    sensor = Sensor(binary, folder / "out", "--set", "stats.interval=1", "--threads", "2")
    time.sleep(2)
    all_threads = list(threads_of(sensor.process.pid))
    none = "0" * 16
    told = [sensor.said("sandbox: full")]
    ended = sensor.end()
    stats = of_type(records(folder / "out"), "stats")
    return all([
        check("it ends cleanly", ended, 0),
        check("%d threads have no capability and can win none" % len(all_threads),
              [t["Name"] for t in all_threads if {t["CapPrm"], t["CapEff"], t["CapInh"], t["CapBnd"], t["CapAmb"]} != {none} or t["NoNewPrivs"] != "1"], []),
        check("each is behind two filters", [(t["Name"], t["Seccomp_filters"]) for t in all_threads if int(t["Seccomp_filters"]) < 2], []),
        check("each record of counters says so", {s["stats"]["tapwire"]["sandbox"] for s in stats}, {"full"}),
    ])


def behind(binary, folder):
    """Rules, sets and files are read and written again behind the doors."""
    out, data, rules = folder / "out", folder / "data", folder / "rules"
    rules.mkdir()
    data.mkdir()
    (rules / "one.rules").write_text(RULES + 'alert dns any any -> any any (msg:"kept"; dns.query; dataset:set,seen,type string,state seen.lst; sid:2;)\n')
    sensor = Sensor(binary, out, "--data-dir", str(data), rules=rules)
    send(b"an alert 1")
    send(query(1), port=53)
    (folder / "moved").mkdir()
    moved = segments(out)[-1]
    moved.rename(folder / "moved" / moved.name)
    (rules / "two.rules").write_text(RULES.replace("alert\"", "other\"").replace("sid:1", "sid:3"))
    sensor.process.send_signal(signal.SIGHUP)
    sensor.said("rules reloaded")
    send(b"an other 2")
    for harmless in (signal.SIGUSR1, signal.SIGUSR2):
        sensor.process.send_signal(harmless)
    time.sleep(0.3)
    send(b"an alert 3")
    out.rename(folder / "away")
    send(b"an alert 4")
    sensor.said("cannot be written")
    (folder / "away").rename(out)
    sensor.said("are written to")
    send(b"an alert 5")
    ended = sensor.end()
    seen = lambda name: [r["alert"]["signature_id"] for r in of_type(records(folder / name), "alert")]
    return all([
        check("USR1 and USR2 do not end it, TERM does", ended, 0),
        check("all alerts, though its file was moved, and its folder was away for a while", (seen("moved"), seen("out")), ([1, 2], [3, 1, 1, 1])),
        check("a set is saved", len((data / "seen.lst").read_text().split()) >= 1),
    ])


def run_as(binary, folder):
    """It becomes another user, whose everything is that it writes."""
    who = pwd.getpwnam("nobody")
    for path in [folder, *folder.parents]:
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    (folder / "data").mkdir()
    os.chown(folder / "data", who.pw_uid, who.pw_gid)
    os.chown(folder, who.pw_uid, who.pw_gid)
    out = folder / "data" / "out"
    sensor = Sensor(binary, out, "--data-dir", str(folder / "data"), "--set", "run-as.user=nobody")
    ids = {tuple(t["Uid"].split()) + tuple(t["Gid"].split()) for t in threads_of(sensor.process.pid)}
    send(b"an alert")
    sensor.process.send_signal(signal.SIGHUP)
    sensor.said("rules reloaded")
    said = "".join(sensor.lines)
    ended = sensor.end()
    refused = Sensor(binary, folder / "other", "--set", "run-as.user=nobody-of-the-sort", wait=False)
    refused.process.wait(PATIENCE_S)
    return all([
        check("it ends cleanly", ended, 0),
        check("all threads are that user's", ids, {(str(who.pw_uid),) * 4 + (str(who.pw_gid),) * 4}),
        check("its files are", {path.stat().st_uid for path in out.iterdir() if path.is_file()}, {who.pw_uid}),
        check("it finds alerts", len(of_type(records(out), "alert")), 1),
        check("nothing is warned of", "warning" in said, False),
        check("a user who is not there is an error", refused.process.returncode, 1),
    ])


def lacking(binary, folder):
    """A kernel that lacks a layer stops the start, unless that is said to be right."""
    if not shutil.which("strace"):
        print("  left out: no strace")
        return True
    ok = []
    for name, call in (("Landlock", "landlock_create_ruleset"), ("seccomp", "seccomp")):
        without = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=%s:error=ENOSYS" % call]
        play = lambda out, *options: Sensor(binary, folder / out, *options, wait=False, before=without)
        refused = play("a" + name)
        status = refused.process.wait(PATIENCE_S)
        time.sleep(0.2)
        ok.append(check("no %s: it does not start, and says so" % name, (status, "has no %s" % name in "".join(refused.lines)), (1, True)))
        allowed = play("b" + name, "--allow-unsandboxed")
        ok.append(check("with --allow-unsandboxed it does", "without " + name in allowed.said("sandbox: ")))
        children = subprocess.run(["pgrep", "-P", str(allowed.process.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(children[0]), signal.SIGTERM)
        allowed.process.wait(PATIENCE_S)
        stats = of_type(records(folder / ("b" + name)), "stats")
        ok.append(check("the records say `partial`", stats[-1]["stats"]["tapwire"]["sandbox"], "partial"))
    off = Sensor(binary, folder / "off", "--set", "tapwire.sandbox=no")
    said = off.said("sandbox: off")
    ok.append(check("it can be switched off, which is told", (off.end(), bool(said)), (0, True)))
    return all(ok)


def magic(binary, folder):
    """A worker that somebody took over gets nowhere."""
    if not MAGIC_BINARY:
        print("  left out: --magic names no build for it")
        return True
    sensor = Sensor(MAGIC_BINARY, folder / "out")
    send(MAGIC)
    sensor.said("copy an open file")
    ended = sensor.end()
    # More than one worker sees it.
    tried = sorted({line.strip().removeprefix("magic packet: ") for line in sensor.lines if line.startswith("magic packet: ")})
    for line in tried:
        print("    " + line)
    return all([check("it goes on", ended, 0), check("%d ways out are tried" % len(tried), len(tried) >= 14), check("none is open", [line for line in tried if "refused" not in line], [])])


CASES = [level, behind, run_as, lacking, magic]
MAGIC_BINARY = None


def main():
    global MAGIC_BINARY
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--magic")
    parser.add_argument("--only", help="some of: " + ", ".join(case.__name__ for case in CASES))
    options = parser.parse_args()
    binary, MAGIC_BINARY = os.path.abspath(options.bin), options.magic and os.path.abspath(options.magic)
    if is_lacking():
        return 0
    return 0 if held(CASES, options.only, binary) else 1


if __name__ == "__main__":
    sys.exit(main())
