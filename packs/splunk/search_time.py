"""What Splunk makes of an event when it is searched: its order of operations, and as much of its languages as the add-on uses.

Fields are extracted from JSON, calculated all at once, looked up; event types are searched for, and have tags. What is not known
here is an error, so that nothing is believed that was not looked at.
"""
import configparser
import csv
import datetime
import re

# What the default limits.conf gives: JSON behind these characters has no fields.
CUTOFF_CHARACTERS = 5000


def conf(path):
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None, strict=True)
    parser.optionxform = str
    parser.read(path)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def one(values):
    values = [value for value in values if value is not None]
    return None if not values else values[0] if len(values) == 1 else values


def many(value):
    return [] if value is None else value if isinstance(value, list) else [value]


def extracted(text, cutoff=CUTOFF_CHARACTERS):
    """Fields of a JSON object as `KV_MODE = json` names them: `a.b`, `a{}.b`."""
    fields, scanner = {}, re.compile(r'\s*([{}\[\]:,]|"(?:[^"\\]|\\.)*"|[^\s{}\[\]:,"]+)', re.S)
    at = 0

    def token():
        nonlocal at
        found = scanner.match(text, at)
        at = found.end()
        return found.group(1)

    def value(first, path):
        if first == "{":
            word = token()
            while word != "}":
                name = string(word if word != "," else token())
                token()
                value(token(), f"{path}.{name}" if path else name)
                word = token()
        elif first == "[":
            word = token()
            while word != "]":
                value(token() if word == "," else word, path + "{}")
                word = token()
        elif at <= cutoff:
            fields.setdefault(path, []).append(string(first) if first.startswith('"') else first)

    value(token(), "")
    return {name: one(values) for name, values in fields.items()}


def string(token):
    import json
    return json.loads(token)


# The language of `eval`.
TOKEN = re.compile(r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|"(?P<text>(?:[^"\\]|\\.)*)"|'(?P<field>[^']*)'|(?P<word>[A-Za-z_]\w*)"""
                   r"""|(?P<mark>==|!=|<=|>=|[-+*/.<>=(),!]))""", re.S)


def tokens(text):
    at, text = 0, text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"not understood: {text[at:at + 40]}")
        at = found.end()
        yield found.lastgroup, found.group(found.lastgroup)


def number(value):
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return None
    if isinstance(value, (int, float)):
        return value
    return float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else None


def text_of(value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def each(function):
    """Of several values, the function of each."""
    def applied(value, *rest):
        if value is None or any(part is None for part in rest):
            return None
        return one([function(text_of(part), *rest) for part in many(value)])
    return applied


def pattern(text):
    return text.replace("(?>", "(?:")


def strptime(value, form):
    try:
        return datetime.datetime.strptime(value, form).timestamp()
    except ValueError:
        return None


FUNCTIONS = {
    "isnull": lambda value: value is None,
    "isnotnull": lambda value: value is not None,
    "isnum": lambda value: number(value) is not None,
    "isstr": lambda value: isinstance(value, str) and number(value) is None,
    "len": each(len),
    "upper": each(str.upper),
    "lower": each(str.lower),
    "tostring": each(str),
    "match": lambda value, form: value is not None and any(re.search(pattern(form), text_of(part)) for part in many(value)),
    "replace": each(lambda value, form, by: re.sub(form, by, value, flags=re.S)),
    "split": each(lambda value, by: value.split(by)),
    "mvcount": lambda value: len(many(value)) or None,
    "mvindex": lambda value, at: one(many(value)[int(at):int(at) + 1]),
    "mvappend": lambda *values: one([part for value in values for part in many(value)]),
    "mvfind": lambda value, form: next((n for n, part in enumerate(many(value)) if re.search(form, part)), None),
    "strptime": each(strptime),
}


class Expression:
    """An expression, parsed once."""

    def __init__(self, text):
        self.rest = list(tokens(text)) + [(None, None)]
        self.run = self.either()
        if self.rest[0][0] is not None:
            raise ValueError(f"not understood: {self.rest[0][1]} in {text}")

    def next(self, *wanted):
        kind, value = self.rest[0]
        if wanted and not (kind in ("mark", "word") and value in wanted):
            return None
        self.rest.pop(0)
        return value

    def either(self):
        parts = [self.both()]
        while self.next("OR", "or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda fields: any(part(fields) is True for part in parts)

    def both(self):
        parts = [self.negated()]
        while self.next("AND", "and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else lambda fields: all(part(fields) is True for part in parts)

    def negated(self):
        if self.next("NOT", "!"):
            inner = self.negated()
            return lambda fields: inner(fields) is not True
        return self.compared()

    def compared(self):
        left = self.joined()
        mark = self.next("==", "=", "!=", "<", ">", "<=", ">=")
        if not mark:
            return left
        right = self.joined()

        def run(fields):
            a, b = left(fields), right(fields)
            if a is None or b is None:
                return None
            if isinstance(a, list) or isinstance(b, list):
                raise ValueError(f"several values are compared: {a} {mark} {b}")
            if number(a) is not None and number(b) is not None:
                a, b = number(a), number(b)
            else:
                a, b = text_of(a), text_of(b)
            return {"==": a == b, "=": a == b, "!=": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[mark]
        return run

    def joined(self):
        left = self.single()
        while mark := self.next(".", "+", "-"):
            left = self.operation(mark, left, self.single())
        return left

    @staticmethod
    def operation(mark, left, right):
        def run(fields):
            a, b = left(fields), right(fields)
            if a is None or b is None:
                return None
            if mark == ".":
                return text_of(a) + text_of(b)
            a, b = number(a), number(b)
            return None if a is None or b is None else a + b if mark == "+" else a - b
        return run

    def single(self):
        kind, value = self.rest.pop(0)
        if kind == "number":
            return lambda fields: float(value)
        if kind == "text":
            plain = re.sub(r'\\(["\\])', r"\1", value)
            return lambda fields: plain
        if kind == "field":
            return lambda fields: fields.get(value)
        if value == "(":
            inner = self.either()
            if not self.next(")"):
                raise ValueError("a bracket is not closed")
            return inner
        if kind != "word":
            raise ValueError(f"not understood: {value}")
        if not self.next("("):
            return lambda fields: fields.get(value)
        arguments = []
        while not self.next(")"):
            arguments.append(self.either())
            self.next(",")
        return self.call(value, arguments)

    @staticmethod
    def call(name, arguments):
        if name == "null":
            return lambda fields: None
        if name == "true":
            return lambda fields: True
        if name == "if":
            condition, then, otherwise = arguments
            return lambda fields: then(fields) if condition(fields) is True else otherwise(fields)
        if name == "case":
            pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
            return lambda fields: next((then(fields) for condition, then in pairs if condition(fields) is True), None)
        if name == "coalesce":
            return lambda fields: next((value for value in (argument(fields) for argument in arguments) if value is not None), None)
        function = FUNCTIONS[name]
        return lambda fields: function(*[argument(fields) for argument in arguments])


class Search:
    """A search of fields: `a=b "c.d"=* (e OR f) NOT g=h`."""

    WORD = re.compile(r'\s*(?:(?P<mark>[()])|(?P<field>"[^"]+"|[\w.{}]+)=(?P<value>"[^"]*"|[^\s()]+)|(?P<word>AND|OR|NOT))')

    def __init__(self, text):
        self.words, at = [], 0
        while at < len(text.rstrip()):
            found = self.WORD.match(text, at)
            if not found:
                raise ValueError(f"not understood: {text[at:]}")
            at = found.end()
            self.words.append((found.group("mark") or found.group("word"), found.group("field"), found.group("value")))
        self.run = self.either()

    def peek(self):
        return self.words[0][0] if self.words else ")"

    def either(self):
        parts = [self.both()]
        while self.words and self.peek() == "OR":
            self.words.pop(0)
            parts.append(self.both())
        return lambda fields: any(part(fields) for part in parts)

    def both(self):
        parts = [self.single()]
        while self.words and self.peek() not in (")", "OR"):
            if self.peek() == "AND":
                self.words.pop(0)
            parts.append(self.single())
        return lambda fields: all(part(fields) for part in parts)

    def single(self):
        mark, field, wanted = self.words.pop(0)
        if mark == "NOT":
            inner = self.single()
            return lambda fields: not inner(fields)
        if mark == "(":
            inner = self.either()
            self.words.pop(0)
            return inner
        field, wanted = field.strip('"'), wanted.strip('"')
        form = re.compile(re.escape(wanted).replace(r"\*", ".*"), re.I | re.S)
        return lambda fields: any(form.fullmatch(text_of(value)) for value in many(fields.get(field)))


class AddOn:
    """The files of an add-on."""

    def __init__(self, folder, source_type):
        props, self.transforms = conf(folder / "default/props.conf")[source_type], conf(folder / "default/transforms.conf")
        self.props, self.source_type = props, source_type
        self.evals = {key[5:]: Expression(value) for key, value in props.items() if key.startswith("EVAL-")}
        self.lookups = [self.lookup(folder, value) for key, value in props.items() if key.startswith("LOOKUP-")]
        self.types = {name: Search(stanza["search"]) for name, stanza in conf(folder / "default/eventtypes.conf").items()}
        tags = conf(folder / "default/tags.conf")
        self.tags = {name.partition("=")[2]: {tag for tag, on in stanza.items() if on == "enabled"} for name, stanza in tags.items()}

    def lookup(self, folder, value):
        table, column, field, outputs = re.fullmatch(r"(\w+) (\w+) AS (\w+) OUTPUT (.+)", value).groups()
        with open(folder / "lookups" / self.transforms[table]["filename"], newline="") as rows:
            rows = {row[column].lower(): row for row in csv.DictReader(rows)}
        rest = self.transforms[table].get("default_match")
        return field, outputs.split(), rows, {output: rest for output in outputs.split()} if rest else {}

    def search(self, line, host):
        """The fields of an event, with its tags by event type."""
        fields = extracted(line) | {"host": host, "sourcetype": self.source_type}
        made = {name: expression.run(fields) for name, expression in self.evals.items()}
        fields |= {name: one([text_of(part) for part in many(value)]) for name, value in made.items()}
        for field, outputs, rows, rest in self.lookups:
            if fields.get(field) is not None:
                row = rows.get(text_of(fields[field]).lower(), rest)
                fields |= {output: row[output] for output in outputs if output in row}
        fields = {name: value for name, value in fields.items() if value is not None}
        return fields, {name: self.tags.get(name, set()) for name, search in self.types.items() if search.run(fields)}
