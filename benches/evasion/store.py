"""Captures with their truth, made once and replayed anywhere: one archive, or a folder of the same files."""
import io, json, os, subprocess, sys, tarfile

import case, wire
from host import Host

TRUTH = "truth.json"
ARCHIVE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "captures.tar.xz")


def make(cases, folder, say):
    """Plays the cases against this machine's kernel, writes what was on the wire and what the host took."""
    truth = {}
    with Host() as host:
        for number, each in enumerate(cases):
            say("%d of %d: %s" % (number + 1, len(cases), each.id))
            host.start()
            outcome = each.play(host)
            read = host.read()
            taken = each.taken if each.taken is not None else any(case.MARKER in data for data in read)
            if isinstance(outcome, bool):
                taken = outcome
            wire.write_pcap(os.path.join(folder, each.file), host.packets)
            truth[each.id] = {"taken": taken, "read": [data[:200].decode("latin-1") for data in read], "bytes": [len(data) for data in read]}
    say("")
    with open(os.path.join(folder, TRUTH), "w") as out:
        json.dump(truth, out, indent=1, sort_keys=True)
    return truth


def load(source, folder):
    """Unpacks an archive into a folder, or takes a folder as it is; gives the folder and the truth."""
    if os.path.isdir(source):
        folder = source
    else:
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
    with open(os.path.join(folder, TRUTH)) as text:
        return folder, json.load(text)


def pack(folder, cases, archive):
    """Writes the archive: sorted, without owners and times, so that only a changed capture changes it."""
    with tarfile.open(archive, "w:xz", preset=9) as out:
        for name in [TRUTH] + sorted(each.file for each in cases):
            with open(os.path.join(folder, name), "rb") as source:
                data = source.read()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
