"""T10 to T17, T19 to T22 and T31 to T34: where a connection begins and ends."""
from case import ALERT, AMBIGUOUS, EITHER, FOLLOW, QUIET, case
from talk import MD5, Talk
from tcp_data import DIFFERENCE as D, EVIL, GOOD
from wire import ACK, CLIENT, FIN, PSH, RST, SERVER, SERVER_MAC, CLIENT_MAC, SYN, ethernet, ipv4, tcp

RESET = ("stream.suspected_rst_inject", "stream.rst_*", "*rst*")
END = ("stream.fin_*", "*fin*", "csum.*")


def interrupted(event, at=D + 2, expected=ALERT, **options):
    """A player: the connection, something odd before or amid the request, and the rest of the request."""
    def play(host):
        talk = Talk(host, **options).connect()
        if at:
            talk.say(EVIL[:at])
        event(talk)
        talk.wait()
        talk.say(EVIL[at:])
        talk.finish()
    return play


for word, at in (("before the request", 0), ("mid-request", D + 2)):
    case("T10", "RST far outside the window, " + word, events=RESET)(
        interrupted(lambda t: t.send(flags=RST, sequence=t.isn + 1 + t.next + 0x40000000), at))
    case("T11", "RST in the window, " + word, expected=ALERT + " + event", events=RESET)(
        interrupted(lambda t: t.send(flags=RST, sequence=t.isn + 1 + t.next + 100), at))
    case("T12", "RST with bad checksum, " + word, events=RESET + ("csum.*",))(
        interrupted(lambda t: t.send(flags=RST, bad_checksum=True), at))
    case("T13", "RST phantom, " + word, events=RESET)(interrupted(lambda t: t.phantom(flags=RST), at))
    case("T13", "RST+ACK phantom, " + word, events=RESET)(interrupted(lambda t: t.phantom(flags=RST | ACK), at))
    case("T14", "RST with MD5 option, " + word, expected=FOLLOW + " + event", events=RESET + ("*md5*",))(
        interrupted(lambda t: t.send(flags=RST, options=MD5), at))
    case("T15", "RST+ACK with a bad ack, " + word, expected=FOLLOW, events=RESET)(
        interrupted(lambda t: t.send(flags=RST | ACK, ack=t.peer + 5_000_000), at))
    case("T15", "RST with a stale timestamp, " + word, expected=FOLLOW, events=RESET + ("*timestamp*",))(
        interrupted(lambda t: t.send(flags=RST, options=t.stamp(t.clock - 1_000_000)), at, timestamps=True))
    case("T16", "FIN out of the window, " + word, events=END)(
        interrupted(lambda t: t.send(flags=FIN | ACK, sequence=t.isn + 1 + t.next + 0x40000000), at))
    case("T16", "FIN with bad checksum, " + word, events=END)(
        interrupted(lambda t: t.send(flags=FIN | ACK, bad_checksum=True), at))
    case("T16", "FIN phantom, " + word, events=END)(interrupted(lambda t: t.phantom(flags=FIN | ACK), at))
    case("T22", "SYN amid the connection, " + word, expected=ALERT + " + event", events=("stream.est_syn_resend*", "*syn*"))(
        interrupted(lambda t: t.send(flags=SYN, sequence=77_000_000, ack=0), at))
    case("T22", "SYN phantom, " + word, expected=ALERT + " + event", events=("stream.est_syn_resend*", "*syn*"))(
        interrupted(lambda t: t.phantom(flags=SYN, sequence=77_000_000, ack=0), at))


@case("T17", "evil octets on the FIN", events=END)
def data_on_fin(host):
    talk = Talk(host).connect()
    talk.say(EVIL[:D + 2])
    talk.send(EVIL[D + 2:], flags=FIN | ACK | PSH)
    talk.next = len(EVIL) + 1
    talk.wait()
    host.hang_up()
    if talk.wait():
        talk.send(flags=ACK)


@case("T17", "data after the FIN", expected=QUIET, events=END)
def data_after_fin(host):
    talk = Talk(host).connect()
    talk.say(EVIL[:D - 2])
    talk.send(flags=FIN | ACK)
    talk.wait()
    talk.send(EVIL[D - 2:], at=D - 1)
    talk.wait()
    host.hang_up()


def second_syn(host, real):
    """Another SYN with its own first number amid the handshake."""
    talk = Talk(host)
    talk.syn()
    (talk.send if real else talk.phantom)(sequence=77_000_000, ack=0, flags=SYN, options=talk.options)
    talk.wait()
    talk.send(flags=ACK)
    talk.wait()
    talk.say(EVIL)
    talk.finish()


SYNS = ("stream.3whs_syn*", "stream.est_syn*", "*syn*")
case("T19", "second SYN before the final ACK", events=SYNS)(lambda host: second_syn(host, True))
case("T19", "second SYN, phantom", events=SYNS)(lambda host: second_syn(host, False))


@case("T20", "phantom SYN first", events=SYNS)
def phantom_syn(host):
    talk = Talk(host)
    talk.phantom(sequence=77_000_000, ack=0, flags=SYN, options=talk.options)
    talk.connect().say(EVIL)
    talk.finish()


@case("T20", "SYN with bad checksum first", events=SYNS)
def broken_syn(host):
    talk = Talk(host)
    talk.send(sequence=77_000_000, ack=0, flags=SYN, options=talk.options, bad_checksum=True)
    talk.connect().say(EVIL)
    talk.finish()


for word, first, second in (("benign on the SYN, then evil", GOOD, EVIL), ("evil on the SYN, then benign", EVIL, GOOD)):
    @case("T21", word, expected=FOLLOW, events=AMBIGUOUS + ("*tfo*",))
    def syn_with_data(host, first=first, second=second):
        talk = Talk(host)
        talk.syn(data=first)
        talk.send(flags=ACK)
        talk.wait()
        talk.say(second)
        talk.finish()


for word, real in (("real", True), ("phantom", False)):
    @case("T31", "SYN/ACK from the client first, " + word, events=SYNS + ("stream.*synack*",))
    def role_swap(host, real=real):
        talk = Talk(host)
        (talk.send if real else talk.phantom)(sequence=talk.isn - 5000, ack=12345, flags=SYN | ACK, options=talk.options)
        talk.wait()
        talk.peer = 0
        talk.connect().say(EVIL)
        talk.finish()


@case("T32", "data on the third packet")
def early_data(host):
    talk = Talk(host)
    talk.syn()
    talk.say(EVIL)
    talk.finish()


for word in ("FIN", "RST"):
    @case("T32", "port reuse, lower first number, after " + word)
    def port_reuse(host, word=word):
        first = Talk(host, isn=3_000_000_000, source_port=39999).connect()
        first.say(GOOD)
        if word == "FIN":
            first.finish()
        else:
            first.send(flags=RST)
            first.wait()
        host.idle(2)
        second = Talk(host, isn=100_000, source_port=39999).connect()
        second.say(EVIL)
        second.finish()


class Script:
    """Both sides of a connection from a script, for a server that this kernel is not."""

    def __init__(self, host, port=80):
        self.host, self.ports = host, (40001, port)

    def client(self, flags, sequence, ack=0, data=b""):
        """A segment to the server."""
        self.host.record(ethernet(ipv4(tcp(CLIENT[4], SERVER[4], *self.ports, sequence, ack, flags, data))))

    def server(self, flags, sequence, ack=0, data=b""):
        """A segment to the client."""
        packet = ipv4(tcp(SERVER[4], CLIENT[4], *self.ports[::-1], sequence, ack, flags, data), source=SERVER[4], target=CLIENT[4])
        self.host.record(ethernet(packet, source=SERVER_MAC, target=CLIENT_MAC))

    def exchange(self, a, b, data):
        """A request with its acknowledgement, and the end."""
        self.client(PSH | ACK, a, b, data)
        self.server(ACK, b, a + len(data))
        self.client(FIN | ACK, a + len(data), b)
        self.server(FIN | ACK, b, a + len(data) + 1)
        self.client(ACK, a + len(data) + 1, b + 1)


SPLIT = ("stream.3whs_*", "stream.4whs_*", "*async*", "*midstream*", "*split*", "*one_side*")


@case("T33", "split handshake, 4 steps", truth="s", taken=True, expected=EITHER, events=SPLIT)
def four_way(host):
    script = Script(host)
    script.client(SYN, 1000)
    script.server(SYN, 9000)
    script.client(SYN | ACK, 1000, 9001)
    script.server(ACK, 9001, 1001)
    script.exchange(1001, 9001, EVIL)


@case("T33", "split handshake, 5 steps", truth="s", taken=True, expected=EITHER, events=SPLIT)
def five_way(host):
    script = Script(host)
    script.client(SYN, 1000)
    script.server(ACK, 5000, 1001)
    script.server(SYN, 9000)
    script.client(SYN | ACK, 1000, 9001)
    script.server(ACK, 9001, 1001)
    script.exchange(1001, 9001, EVIL)


@case("T33", "only the client's side is seen", truth="k", expected=EITHER, events=SPLIT)
def one_side(host):
    talk = Talk(host).connect()
    talk.say(EVIL)
    talk.finish()
    host.packets = [(time, frame) for time, frame in host.packets if frame[:6] == SERVER_MAC]


@case("T34", "an hour within the signature", expected=EITHER, events=("*midstream*", "*gap*", "*idle*", "*wrong_seq*", "*out_of_window*"))
def long_pause(host):
    talk = Talk(host).connect()
    talk.say(EVIL[:D + 5])
    host.idle(3600)
    talk.say(EVIL[D + 5:])
    talk.finish()
