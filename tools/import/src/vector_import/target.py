"""The table that is filled: its columns, and rows in the form of binary COPY."""

import datetime
import json
import struct
import uuid

import numpy as np
from psycopg import sql

from .errors import ImportFailed

EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
# name: SQL type
TYPES = ("boolean", "bigint", "double precision", "text", "timestamptz", "jsonb")
OPS = {"l2": "l2", "cosine": "cosine", "ip": "ip", "l1": "l1"}
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)


def _text(value):
    # PostgreSQL's text has no zero byte.
    return str(value).replace("\0", "").encode("utf-8", "replace")


def _strip(value):
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_strip(str(k)): _strip(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strip(v) for v in value]
    if isinstance(value, np.generic):
        return _strip(value.item())
    if isinstance(value, np.ndarray):
        return _strip(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return str(value).replace("\0", "")


def _jsonb(value):
    return b"\1" + json.dumps(_strip(value), ensure_ascii=False).encode("utf-8", "replace")


def _bigint(value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError
    return struct.pack("!q", int(value))


def _double(value):
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ValueError
    return struct.pack("!d", float(value))


def _boolean(value):
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError
    return b"\1" if value else b"\0"


def _timestamptz(value):
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if not isinstance(value, datetime.datetime):
        raise ValueError
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return struct.pack("!q", (value - EPOCH) // datetime.timedelta(microseconds=1))


def _text_only(value):
    if not isinstance(value, str):
        raise ValueError
    return _text(value)


PACK = {"boolean": _boolean, "bigint": _bigint, "double precision": _double, "text": _text_only,
        "timestamptz": _timestamptz, "jsonb": _jsonb}


def pack_vector(value, type, dimensions):
    """A vector as its type's receive function reads it."""
    if type == "sparsevec":
        items = sorted((int(i), float(v)) for i, v in value.items() if v)
        if items and not 0 <= items[0][0] <= items[-1][0] < dimensions:
            raise ValueError(f"index {items[-1][0]}, the column has {dimensions} dimensions")
        indices, values = np.array([i for i, _ in items], ">i4"), np.array([v for _, v in items], ">f4")
        if not np.isfinite(values).all():
            raise ValueError("a value that is not finite")
        return struct.pack("!iii", dimensions, len(items), 0) + indices.tobytes() + values.tobytes()
    if value.shape != (dimensions,):
        raise ValueError(f"{value.size} dimensions, the others have {dimensions}")
    out = value.astype(">f2" if type == "halfvec" else ">f4")
    if not np.isfinite(out).all():
        raise ValueError("a value that is not finite" + (", or too large for halfvec" if type == "halfvec" else ""))
    return struct.pack("!hh", dimensions, 0) + out.tobytes()


def guess(values):
    """The type of a column for such metadata; None where nothing is known."""
    kinds = set()
    for v in values:
        if v is not None:
            kinds.add("boolean" if isinstance(v, (bool, np.bool_)) else "bigint" if isinstance(v, (int, np.integer)) else
                      "double precision" if isinstance(v, (float, np.floating)) else "text" if isinstance(v, str) else
                      "timestamptz" if isinstance(v, datetime.datetime) else "jsonb")
    if kinds == {"bigint", "double precision"}:
        return "double precision"
    return kinds.pop() if len(kinds) == 1 else "jsonb" if kinds else None


class Table:
    """name: its sql.Composable.  columns: metadata key to type; keys that have
    no column are in the column metadata."""

    def __init__(self, name, id_type, type, dimensions, has_text, columns, extension):
        self.name, self.id_type, self.type, self.dimensions = name, id_type, type, dimensions
        self.has_text, self.columns, self.extension = has_text, columns, extension
        taken = {"id", "embedding", "metadata"} | ({"content"} if has_text else set())
        # metadata key: the column's name
        self.named = {}
        for key in columns:
            column = key if key not in taken else f"{key}_"
            while column in taken:
                column += "_"
            if not column or "\0" in column or len(column.encode()) > 63:
                raise ImportFailed(f"metadata {key!r} is no name of a column; leave it in metadata")
            taken.add(column)
            self.named[key] = column

    def names(self):
        return ["id", *(["content"] if self.has_text else []), *self.named.values(), "metadata", "embedding"]

    def create(self):
        parts = [sql.SQL("id {} PRIMARY KEY").format(sql.SQL(self.id_type))]
        if self.has_text:
            parts.append(sql.SQL("content text"))
        parts += [sql.SQL("{} {}").format(sql.Identifier(self.named[k]), sql.SQL(t)) for k, t in self.columns.items()]
        parts.append(sql.SQL("metadata jsonb"))
        parts.append(sql.SQL("embedding {}.{}({})").format(sql.Identifier(self.extension), sql.SQL(self.type), sql.Literal(self.dimensions)))
        return sql.SQL("CREATE TABLE {} (\n    {}\n)").format(self.name, sql.SQL(",\n    ").join(parts))

    def index(self, method, metric, filters):
        column = sql.SQL("embedding {}.{}").format(sql.Identifier(self.extension), sql.SQL(f"{self.type}_{OPS[metric]}_ops"))
        return sql.SQL("CREATE INDEX ON {} USING {} ({})").format(
            self.name, sql.SQL(method), sql.SQL(", ").join([column, *(sql.Identifier(self.named[f]) for f in filters)]))

    def copy(self):
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            self.name, sql.SQL(", ").join(map(sql.Identifier, self.names())))

    def id_text(self, id):
        """An id as the server writes it as text."""
        return str(uuid.UUID(str(id))) if self.id_type == "uuid" else _text(id).decode()

    def pack_id(self, id):
        if id is None:
            raise ImportFailed("a record has no id")
        if self.id_type == "bigint":
            try:
                return _bigint(id)
            except (ValueError, struct.error):
                raise ImportFailed(f"id {id!r} is no bigint: --id-type text") from None
        if self.id_type == "uuid":
            try:
                return uuid.UUID(str(id)).bytes
            except ValueError:
                raise ImportFailed(f"id {id!r} is no uuid: --id-type text") from None
        return _text(id)

    def pack(self, record):
        """A row in the form of binary COPY.  Raises ImportFailed, with the id."""
        fields = [self.pack_id(record.id)]
        if self.has_text:
            fields.append(None if record.text is None else _text(record.text))
        rest = {k: v for k, v in record.metadata.items() if k not in self.named}
        for key, type in self.columns.items():
            value = record.metadata.get(key)
            try:
                fields.append(None if value is None else PACK[type](value))
            except (ValueError, TypeError, struct.error, OverflowError):
                raise ImportFailed(f"id {record.id!r}: metadata {key!r} is {value!r}, no {type}: --columns with {key}:jsonb, "
                                   f"or without {key}") from None
        fields.append(_jsonb(rest) if rest else None)
        try:
            fields.append(None if record.vector is None else pack_vector(record.vector, self.type, self.dimensions))
        except ValueError as e:
            raise ImportFailed(f"id {record.id!r}: the vector has {e}") from None
        out = [struct.pack("!h", len(fields))]
        for f in fields:
            out.append(struct.pack("!i", -1) if f is None else struct.pack("!i", len(f)) + f)
        return b"".join(out)
