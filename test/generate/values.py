"""Random vectors of all types and kinds, and random values of filter columns."""

import math
import struct

KINDS = ("uniform", "clusters", "ties", "duplicates", "zeros", "outliers", "integers", "extreme",
         "few_dims", "all_null", "one_row", "empty", "drift", "curve")
SPARSE_ELEMENTS = 16000


def float4(x):
    """x as it is in a vector: PostgreSQL reads the text of a double as well."""
    return struct.unpack("f", struct.pack("f", x))[0]


def number(x):
    return "%.7g" % x


class Vec:
    """A value that can be cut to fewer dimensions when a case shrinks."""

    def __init__(self, type_name, values):
        self.type = type_name
        self.values = values        # a list; of sparsevec a dict from index (from 1) to value

    def text(self, dims):
        if self.type == "sparsevec":
            return "{%s}/%d" % (",".join(f"{i}:{number(x)}" for i, x in sorted(self.values.items())
                                         if i <= dims), dims)
        if self.type == "bit":
            return "".join("1" if x > 0 else "0" for x in self.values[:dims])
        return "[%s]" % ",".join(number(x) for x in self.values[:dims])


class Source:
    """Makes the values of one column: of one type, one kind and one number of dimensions."""

    def __init__(self, rng, type_name, kind, dims):
        self.rng = rng
        self.type = type_name
        self.kind = kind
        self.dims = dims
        self.made = 0
        self.half = False
        self.far = 1e6
        if type_name == "halfvec":
            self.limit_to_half()
        self.centers = [self._plain() for _ in range(rng.choice((2, 5, 20)))]
        self.pool = [self._plain() for _ in range(rng.choice((1, 3, 10)))]
        self.angle = [rng.uniform(0.5, 3) for _ in range(min(dims, 64))]

    def limit_to_half(self):
        """All values fit half precision, which ends at 65,504."""
        self.half = True
        self.far = 100

    def _indices(self):
        """Which elements of a sparse vector are not 0: some are in many vectors."""
        rng, n = self.rng, self.rng.choice((1, 2, 5, 20))
        if rng.random() < 0.002:
            n = 2000
        common = min(self.dims, 50)
        return {rng.randint(1, common) if rng.random() < 0.7 else rng.randint(1, self.dims)
                for _ in range(n)}

    def _elements(self, draw):
        if self.type == "sparsevec":
            return {i: x for i in self._indices() if (x := draw()) != 0}
        return [draw() for _ in range(self.dims)]

    def _plain(self):
        gauss = self.rng.gauss
        return self._elements(lambda: gauss(0, 1))

    def _near(self, center, width):
        gauss = self.rng.gauss
        if self.type == "bit":
            return [-x if self.rng.random() < width / 4 else x for x in center]
        if self.type == "sparsevec":
            return {i: x + gauss(0, width) for i, x in center.items()}
        return [x + gauss(0, width) for x in center]

    def _map(self, values, function):
        if self.type == "sparsevec":
            return {i: y for i, x in values.items() if (y := function(x)) != 0}
        return [function(x) for x in values]

    def value(self):
        """The next value of the column; None for null."""
        rng, kind = self.rng, self.kind
        self.made += 1
        if kind == "all_null" or (kind != "one_row" and rng.random() < 0.02):
            return None
        values = self._draw(kind)
        if rng.random() < 0.01:
            values = self._map(values, lambda x: 0.0)
        return self._vec(values)

    def _vec(self, values):
        if self.half:
            values = self._map(values, lambda x: max(-60000.0, min(60000.0, x)))
        return Vec(self.type, values)

    def _draw(self, kind):
        rng = self.rng
        if kind == "clusters":
            return self._near(rng.choice(self.centers), 0.05)
        if kind == "ties":
            return self._map(self._plain(), lambda x: float(x > 0))
        if kind == "duplicates":
            return rng.choice(self.pool)
        if kind == "zeros":
            return self._map(self._plain(), lambda x: 0.0) if rng.random() < 0.5 else self._plain()
        if kind == "outliers" and rng.random() < 0.02:
            return self._map(self._plain(), lambda x: x * self.far)
        if kind == "integers":
            return self._map(self._plain(), lambda x: float(round(3 * x)))
        if kind == "extreme":
            low, high = (-4, 4) if self.half else (-18, 15)
            scale = 10.0 ** rng.randint(low, high)
            return self._map(self._plain(), lambda x: x * scale)
        if kind == "few_dims" and self.type in ("vector", "halfvec"):
            return [x if i < 2 else 0.0 for i, x in enumerate(self._plain())]
        if kind == "drift":
            shift = self.made / 100
            return self._map(self._plain(), lambda x: x + shift)
        if kind == "curve" and self.type in ("vector", "halfvec"):
            t = rng.random() * 6
            return [math.sin(t * self.angle[i % len(self.angle)] + i) for i in range(self.dims)]
        return self._plain()

    def query(self):
        """A value to search for."""
        rng, how = self.rng, self.rng.random()
        if how < 0.6:
            values = self._near(self._draw(self.kind), rng.choice((0, 0, 0.1, 1)))
        elif how < 0.9:
            values = self._plain()
        elif how < 0.95:
            values = self._map(self._plain(), lambda x: 0.0)
        else:
            values = self._map(self._plain(), lambda x: x * min(self.far, 1000))
        return self._vec(values)


# -- filter columns -----------------------------------------------------------

def _choice(*texts):
    return lambda rng: rng.choice(texts)


def _range(low, high):
    return lambda rng: str(rng.randint(low, high))


TEXTS = ("", "a", "b", "abcdefgh", "abcdefghi", "abcdefghz", "https://example.org/1",
         "https://example.org/2", "\u00e4", "zz")

# The type as a column has it, then values of it as text.
FILTER_TYPES = {
    "bool": _choice("t", "f"),
    '"char"': _choice("a", "b", "c"),
    "int2": _range(-3, 10),
    "int4": _range(-3, 30),
    "int8": _choice("-9223372036854775808", "-1", "0", "1", "2", "3", "4294967296", "9223372036854775807"),
    "float4": _choice("-Infinity", "-1.5", "-0", "0", "0.1", "1e30", "Infinity", "NaN"),
    "float8": _choice("-Infinity", "-1.5", "-0", "0", "0.1", "1e300", "Infinity", "NaN"),
    "numeric": _choice("-1e100", "-0.5", "0", "0.00", "1.5", "1.50", "12345678901234567890", "NaN"),
    'text COLLATE "C"': _choice(*TEXTS),
    "text": _choice(*TEXTS),
    "varchar(30)": _choice(*TEXTS),
    "char(24)": _choice("a", "b ", "abcdefgh", "abcdefghi", "z"),
    "bytea": _choice("\\x", "\\x00", "\\x0001", "\\xff", "\\x0102030405060708", "\\x010203040506070809"),
    "uuid": _choice("00000000-0000-0000-0000-000000000000", "11111111-2222-3333-4444-555555555555",
                    "11111111-2222-3333-4444-555555555556", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "date": _choice("-infinity", "1999-12-31", "2000-01-01", "2026-05-05", "infinity"),
    "time": _choice("00:00", "12:34:56.789", "24:00"),
    "timetz": _choice("00:00+00", "12:00+02", "10:00+00", "23:00-05"),
    "timestamp": _choice("-infinity", "1999-12-31 23:59:59", "2000-01-01", "2026-05-05 12:00", "infinity"),
    "timestamptz": _choice("-infinity", "1999-12-31 23:59:59+00", "2000-01-01+02", "infinity"),
    "interval": _choice("0", "1 day", "24 hours", "1 month", "30 days", "-1 year"),
    "inet": _choice("10.0.0.1", "10.0.0.0/8", "192.168.1.1", "::1", "fe80::/10"),
    "money": _choice("-1.00", "0.00", "99.99"),
    "oid": _choice("0", "1", "4294967295"),
    "g.mood": _choice("sad", "ok", "happy"),
    "g.small": _range(0, 9),
    "int4[]": _choice("{}", "{1}", "{1,2}", "{2,3,NULL}", "{7}"),
    "text[]": _choice("{}", "{a}", "{a,b}", "{b,NULL}", '{""}'),
}


def filter_value(rng, type_name):
    """A value's text; None for null."""
    return None if rng.random() < 0.1 else FILTER_TYPES[type_name](rng)


def quoted(text):
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def condition(rng, column, type_name):
    """A condition on a filter column that the index can test, or nearly."""
    base = type_name.split(" COLLATE")[0].split("(")[0]
    draw = FILTER_TYPES[type_name]
    if rng.random() < 0.1:
        return f"{column} IS {rng.choice(('', 'NOT '))}NULL"
    if base.endswith("[]"):
        how = rng.choice(("overlaps", "contains", "any"))
        if how == "any":
            member = rng.choice(("1", "2", "7") if base == "int4[]" else ("'a'", "'b'"))
            return f"{member} = ANY ({column})"
        return f"{column} {'&&' if how == 'overlaps' else '@>'} {quoted(draw(rng))}::{base}"
    if base == "bool" and rng.random() < 0.5:
        return rng.choice((column, f"NOT {column}"))
    if base == "varchar" or base == "char":
        base = {"varchar": "text", "char": "bpchar"}[base]
    constant = lambda: f"{quoted(draw(rng))}::{base}"
    how = rng.random()
    if how < 0.4:
        return f"{column} = {constant()}"
    if how < 0.55:
        return f"{column} IN ({constant()}, {constant()})"
    if how < 0.7:
        return f"{column} BETWEEN {constant()} AND {constant()}"
    if how < 0.8:
        return f"{column} <> {constant()}"
    return f"{column} {rng.choice(('<', '<=', '>=', '>'))} {constant()}"
