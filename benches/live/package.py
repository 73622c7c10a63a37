#!/usr/bin/env python3
"""The Debian package is built, installed, run as its unit says, and purged.

    benches/live/package.py --bin target/release/tapwire

Needs root and dpkg; it installs the package on this machine and takes it away again. Where systemd does not run, the unit's user, capabilities
and folders are given by setpriv, and what systemd itself does is looked at by systemd-analyze.
"""
import argparse, json, os, pathlib, pwd, re, shutil, socket, subprocess, sys, tempfile, time

from bed import *

ROOT = HERE.parent.parent
UNIT = pathlib.Path("/lib/systemd/system/tapwire.service")
EXPOSURE = 1.5


def check(what, found, expected=True):
    print("  %-88s %s" % (what, "yes" if found == expected else "NO: %r" % (found,)), flush=True)
    return found == expected


def run(*words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)


def setting(text, name):
    return re.findall(r"(?m)^%s=(.*)$" % name, text)


def exposure():
    """What systemd-analyze thinks of the unit."""
    told = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT).stdout
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", told).group(1))


def service(folder, unit):
    """Runs what the unit says, with the rights that it gives."""
    who = pwd.getpwnam(setting(unit, "User")[0])
    folders = [pathlib.Path(at, "tapwire") for at in ("/run", "/var/lib", "/var/log")]
    for place in folders:
        place.mkdir(mode=0o750, exist_ok=True)
        os.chown(place, who.pw_uid, who.pw_gid)
    rules = pathlib.Path("/etc/tapwire/rules/local.rules")
    rules.write_text(RULES)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(folder / "notify"))
    os.chmod(folder / "notify", 0o777)
    notify.settimeout(PATIENCE_S)
    words = setting(unit, "ExecStart")[0].split()
    capabilities = setting(unit, "CapabilityBoundingSet")[0].lower().removeprefix("cap_")
    rights = ["setpriv", "--reuid", who.pw_name, "--regid", who.pw_name, "--init-groups", "--no-new-privs",
              "--bounding-set=-all,+" + capabilities, "--inh-caps=-all,+" + capabilities, "--ambient-caps=-all,+" + capabilities]
    more = ["--set", "rule-files.0=*.rules", "-i", "lv1"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(["ip", "netns", "exec", SERVER, *rights, *words, *more], stderr=said, cwd="/",
                                   env={"NOTIFY_SOCKET": str(folder / "notify"), "RUNTIME_DIRECTORY": "/run/tapwire", "PATH": "/usr/bin:/bin"})
    try:
        ready = notify.recv(4096).decode()
        sending = Datagrams()
        time.sleep(0.5)
        sent = sending.stop()
        status = run("tapwire", "ctl", "status")
        reload = run(*setting(unit, "ExecReload")[0].split())
        ok = [
            check("it tells systemd that it is ready", "READY=1" in ready),
            check("`tapwire ctl` finds it by itself, and its sandbox is whole", json.loads(status.stdout or "{}").get("sandbox", status.stderr)[:4], "full"),
            check("ExecReload works", reload.returncode, 0),
        ]
    finally:
        process.terminate()
        ended = process.wait(PATIENCE_S)
    print("".join("    " + line for line in (folder / "said").open()), end="")
    eve = pathlib.Path("/var/log/tapwire")
    found = [path for path in eve.rglob("*") if path.is_file()]
    seen = alert_ports(records(eve))
    return all(ok + [
        check("it ends cleanly", ended, 0),
        check("%d alerts are in its records" % len(sent), sorted(set(seen)), sorted(sent)),
        check("which are its user's, and nobody else's to read", {(p.stat().st_uid, p.stat().st_mode & 0o007) for p in found}, {(who.pw_uid, 0)}),
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    if is_lacking("dpkg-deb", "dpkg", "setpriv", "systemd-analyze"):
        return 0
    if run("dpkg", "-s", "tapwire").returncode == 0 or pathlib.Path("/etc/tapwire").exists():
        print("left out: this machine has a tapwire of its own")
        return 0
    with tempfile.TemporaryDirectory(prefix="tapwire-package-") as folder, Network():
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        built = run(ROOT / "packaging" / "build-deb", "--bin", os.path.abspath(options.bin), "--out", folder)
        package = built.stdout.strip().splitlines()[-1] if built.returncode == 0 else built.stderr
        ok = [check("it is built: " + os.path.basename(package), built.returncode, 0)]
        try:
            installed = run("dpkg", "-i", package)
            ok.append(check("it is installed", (installed.returncode, "warning" in installed.stderr), (0, False)))
            ok.append(check("with a user of its own, who cannot log in", pwd.getpwnam("tapwire").pw_shell.endswith("nologin")))
            ok.append(check("program, unit, manual", [pathlib.Path(p).exists() for p in ("/usr/bin/tapwire", UNIT, "/usr/share/man/man1/tapwire.1.gz")], [True] * 3))
            ok.append(check("its configuration has nothing that is wrong", run("tapwire", "check", "--config", "/etc/tapwire/tapwire.yaml", "--no-rules").returncode, 0))
            verified = run("systemd-analyze", "verify", UNIT)
            ok.append(check("systemd reads the unit", [line for line in verified.stderr.splitlines() if "tapwire" in line and "man " not in line], []))
            level = exposure()
            ok.append(check("systemd-analyze security: %.1f" % level, level <= EXPOSURE))
            ok.append(service(folder, UNIT.read_text()))
        finally:
            purged = run("dpkg", "--purge", "tapwire")
            shutil.rmtree("/etc/tapwire", ignore_errors=True)
            shutil.rmtree("/run/tapwire", ignore_errors=True)
        left = [p for p in ("/usr/bin/tapwire", str(UNIT), "/var/lib/tapwire", "/var/log/tapwire") if os.path.exists(p)]
        ok.append(check("a purge leaves nothing", (purged.returncode, left), (0, [])))
        run("userdel", "tapwire")
    return 0 if all(ok) else 1


if __name__ == "__main__":
    sys.exit(main())
