"""Receivers that trials start: a port of their own, and waiting until they are there."""
import socket
import sys
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, is_so, patience_s=60):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if is_so():
            return
        time.sleep(0.05)
    sys.exit("it was waited in vain: " + what)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
