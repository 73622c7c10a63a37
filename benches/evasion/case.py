"""What a case is: a trick, whose word the truth is, and what is expected of the sensor."""
import fnmatch

# What the sensor is to do, given what the host took. `follow`: an alert exactly if the host took the marker.
ALERT, QUIET, FOLLOW = "alert", "no alert", "follow"
EITHER = "alert or event"
# The host kept the benign copy, but the sensor cannot know and looks at both: an alert is as good.
BOTH = "both copies"
ANY = "no matter"

# Two copies of the same octets differ: whatever the trick, a reader knows that there was one.
AMBIGUOUS = ("stream.reassembly_overlap_different_data", "*overlap*", "*ambig*")

MARKER = b"EVIL-MARKER"
KIND = b"KIND-MARKER"
CASES = []


class Case:
    """One variant of a trick."""

    def __init__(self, name, variant, truth, expected, events, play, taken, keys):
        self.name, self.variant, self.truth, self.expected, self.events, self.play = name, variant, truth, expected, events, play
        self.taken, self.keys = taken, keys
        self.wanted = expected.split(" + ")[0]
        self.event_wanted = expected.endswith("+ event")

    @property
    def id(self):
        return ("%s %s" % (self.name, self.variant)).strip()

    @property
    def file(self):
        return "".join(c if c.isalnum() else "-" for c in self.id).strip("-") + ".pcap"

    def named(self, events, beside=()):
        """The events seen that name the trick."""
        return [e for e in events if any(fnmatch.fnmatch(e, pattern) for pattern in self.events + beside)]

    def agrees(self, taken, alerts, events):
        """Whether the sensor did what is expected."""
        alert, event = any(k in alerts for k in self.keys), bool(self.named(events))
        wanted = self.wanted
        if wanted == FOLLOW:
            wanted = ALERT if taken else QUIET
        if wanted == BOTH:
            wanted = ALERT if taken else ANY
        right = {ALERT: alert, QUIET: not alert, EITHER: alert or event, ANY: True, "event": event}[wanted]
        return right and (event or not self.event_wanted)

    def silent_miss(self, taken, alerts, events):
        """The host took it, and nobody who reads the records can know."""
        return taken and not alerts and not self.named(events, AMBIGUOUS)


def case(name, variant="", truth="k", expected=ALERT, events=(), taken=None, keys=("tcp", "stream", "uri"), add=CASES):
    """Registers the decorated function as what the attacker does. `taken` is the truth where the protocol's text has it;
    `keys` are the rules of which one has to match."""
    def register(play):
        add.append(Case(name, variant, truth, expected, tuple(events), play, taken, keys))
        return play
    return register
