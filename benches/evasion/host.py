"""The attacked host: this machine's kernel behind a veth pair, and a small server on it that keeps what it read.

Two network namespaces: the one with the server has an address, the attacker's has none, so that its kernel stays silent and
every frame on that side is one that a case built. The capture is what passed the attacker's end, in both directions. Its
clock is its own: a millisecond a packet, plus what a case says that it idled.
"""
import contextlib, ctypes, errno, os, select, socket, subprocess, time

import wire

ATTACKER, VICTIM = "tapwire-attacker", "tapwire-victim"
PORTS = (80, 443, 53, 2080)
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
TCP_QUICKACK = 12
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Connection:
    """One connection that the server took, and what it read from it."""

    def __init__(self, link):
        self.link, self.read, self.reading, self.answered, self.unsent = link, b"", True, False, b""
        link.setblocking(False)

    def push(self):
        """Sends what there is room for."""
        while self.unsent:
            try:
                self.unsent = self.unsent[self.link.send(self.unsent):]
            except OSError:
                return

    def pull(self):
        while self.reading:
            try:
                data = self.link.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self.read += data
            self.reading = bool(data)
        with contextlib.suppress(OSError):
            self.link.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)


class Host:
    """Both ends of the wire. Use it as a context; `start` begins a new capture."""

    def __enter__(self):
        self.teardown()
        run = lambda *words: subprocess.run(words, check=True, capture_output=True)
        for name in (ATTACKER, VICTIM):
            run("ip", "netns", "add", name)
        inside = lambda name, *words: run("ip", "netns", "exec", name, *words)
        inside(ATTACKER, "ip", "link", "add", "tw0", "type", "veth", "peer", "name", "tw1", "netns", VICTIM)
        inside(ATTACKER, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
        # Fragments time out after a second, so that a case need not wait for the usual thirty.
        for key, value in (("net.ipv6.conf.all.accept_ra", 0), ("net.ipv6.conf.all.accept_dad", 0), ("net.ipv6.conf.default.accept_dad", 0),
                           ("net.ipv6.conf.default.router_solicitations", 0), ("net.ipv4.ipfrag_time", 1), ("net.ipv6.ip6frag_time", 1),
                           ("net.ipv4.tcp_challenge_ack_limit", 1000000), ("net.ipv4.tcp_invalid_ratelimit", 0),
                           ("net.ipv4.tcp_fastopen", 0)):
            inside(VICTIM, "sysctl", "-q", "-w", "%s=%d" % (key, value))
        inside(ATTACKER, "ip", "link", "set", "tw0", "address", "02:00:00:00:00:01", "up")
        inside(VICTIM, "ip", "link", "set", "lo", "up")
        inside(VICTIM, "ip", "link", "set", "tw1", "address", "02:00:00:00:00:02", "up")
        for family, prefix in ((4, 24), (6, 64)):
            inside(VICTIM, "ip", "address", "add", "%s/%d" % (wire.SERVER[family], prefix), "dev", "tw1", *(["nodad"] if family == 6 else []))
            inside(VICTIM, "ip", "neighbour", "replace", wire.CLIENT[family], "lladdr", "02:00:00:00:00:01", "dev", "tw1")
        for name, device in ((ATTACKER, "tw0"), (VICTIM, "tw1")):
            inside(name, "ethtool", "-K", device, "tx", "off", "rx", "off", "gso", "off", "tso", "off", "gro", "off")
        with namespace(ATTACKER):
            self.port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.port.bind(("tw0", 0))
        self.port.setblocking(False)
        self.listeners = []
        with namespace(VICTIM):
            for number in PORTS:
                listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("::", number))
                listener.listen(64)
                listener.setblocking(False)
                self.listeners.append(listener)
        self.start()
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        self.start()
        for each in [self.port] + self.listeners:
            each.close()
        self.teardown()

    def teardown(self):
        for name in (ATTACKER, VICTIM):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def start(self, moment=1_767_225_600.0):
        """Forgets the connections and packets of the case before."""
        for connection in getattr(self, "connections", []):
            with contextlib.suppress(OSError):
                connection.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.link.close()
        time.sleep(0.002)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.port.recv(1 << 16)
        self.connections, self.packets, self.moment, self.answers, self.answer = [], [], moment, [], OK

    def record(self, frame):
        """Puts a frame into the capture without sending it: it passes the sensor and never arrives."""
        self.moment += 0.001
        self.packets.append((self.moment, frame))

    def send(self, frame):
        """Puts a frame on the wire, and takes what comes back at once."""
        self.record(frame)
        while True:
            try:
                self.port.send(frame)
                break
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                    raise
                time.sleep(0.001)
        self.collect()

    def idle(self, seconds):
        """Lets the capture's clock run on."""
        self.moment += seconds

    def collect(self):
        """Takes the frames that are there: the host's own, not multicast listener reports and the like."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.port.recv(1 << 16)
                if frame[:6] != wire.CLIENT_MAC:
                    continue
                self.record(frame)
                if frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
                    self.answers.append(wire.Segment(frame))

    def settle(self, quiet_ms=4):
        """Lets the server read, until the wire was quiet for a while."""
        while True:
            self.serve()
            before = len(self.packets)
            select.select([self.port] + [c.link for c in self.connections if c.reading], [], [], quiet_ms / 1000)
            self.collect()
            if not self.serve() and len(self.packets) == before:
                return

    def serve(self):
        """Accepts and reads what there is; says whether anything was."""
        before = (len(self.connections), sum(len(c.read) for c in self.connections))
        for listener in self.listeners:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.connections.append(Connection(listener.accept()[0]))
        for connection in self.connections:
            connection.pull()
            connection.push()
        return before != (len(self.connections), sum(len(c.read) for c in self.connections))

    def respond(self):
        """The server answers what it read, once a connection."""
        self.serve()
        for connection in self.connections:
            if connection.read and not connection.answered:
                connection.answered = True
                connection.unsent = self.answer
                connection.push()
        self.settle()

    def hang_up(self):
        """The server closes every connection whose client is done."""
        self.serve()
        for connection in self.connections:
            if not connection.reading:
                connection.link.close()
        self.connections = [Closed(c) if not c.reading else c for c in self.connections]
        self.settle()

    def read(self):
        """All that the server read, one connection after the other."""
        self.settle()
        return [c.read for c in self.connections]


class Closed:
    """A connection after its end: only what was read is left."""

    reading, answered = False, True

    def __init__(self, connection):
        self.read, self.link = connection.read, self

    def pull(self):
        """Nothing comes any more."""

    def push(self):
        """Nothing goes any more."""

    def close(self):
        """It is closed."""

    def setsockopt(self, *_):
        """It has no options."""


@contextlib.contextmanager
def namespace(name):
    """Sockets that are made inside belong to the named network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open("/run/netns/" + name, os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns " + name)
        yield
    finally:
        libc.setns(home, CLONE_NEWNET)
        os.close(there)
        os.close(home)
