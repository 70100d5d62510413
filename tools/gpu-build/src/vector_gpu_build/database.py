"""Tables, keys and vectors, by binary COPY."""

import struct

import numpy as np
import psycopg
from psycopg import sql

from .errors import BuildFailed

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)
OPERATORS = {"l2": "<->", "cosine": "<=>", "ip": "<#>"}


class Source:
    """The column of a table: its schema, type, key and size."""

    def __init__(self, conn, table, column, key=None):
        try:
            oid = conn.execute("SELECT %s::regclass::oid", [table]).fetchone()[0]
        except psycopg.Error as e:
            raise BuildFailed(f"--table {table!r}: {e.diag.message_primary}") from e
        self.conn, self.oid, self.column = conn, oid, column
        self.schema, self.table, kind, rows = conn.execute(
            "SELECT n.nspname, c.relname, c.relkind::text, c.reltuples FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE c.oid = %s", [oid]).fetchone()
        if kind != "r":
            raise BuildFailed(f"{table} is not an ordinary table; of a partitioned one, build the index of each partition")
        found = conn.execute("SELECT t.typname, atttypmod FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid"
                             " WHERE attrelid = %s AND attname = %s AND NOT attisdropped", [oid, column]).fetchone()
        if found is None or found[0] not in ("vector", "halfvec"):
            raise BuildFailed(f"{table} has no column {column!r} of type vector or halfvec")
        self.type, self.dims = found
        if self.dims < 1:
            raise BuildFailed(f"{column} has no declared number of dimensions: ALTER TABLE ... TYPE {self.type}(n)")
        self.rows = rows if rows >= 0 else conn.execute(
            sql.SQL("SELECT count(*) FROM {}").format(self.name)).fetchone()[0]
        self._find_key(key)

    def _find_key(self, key):
        if key:
            names = [k.strip() for k in key.split(",")]
        else:
            names = [r[0] for r in self.conn.execute(
                "SELECT attname FROM pg_index i JOIN pg_attribute a ON attrelid = indrelid AND attnum = ANY (indkey)"
                " WHERE indrelid = %s AND indisprimary ORDER BY array_position(indkey::int2[], attnum)", [self.oid])]
        if not names:
            raise BuildFailed(f"{self.table} has no primary key: --key says which columns tell its rows apart")
        self.key = []
        for name in names:
            found = self.conn.execute(
                "SELECT atttypid, format_type(atttypid, atttypmod), typlen, typarray FROM pg_attribute JOIN pg_type t ON t.oid = atttypid"
                " WHERE attrelid = %s AND attname = %s AND NOT attisdropped", [self.oid, name]).fetchone()
            if found is None:
                raise BuildFailed(f"{self.table} has no column {name!r}")
            self.key.append((name, *found))

    @property
    def name(self):
        return sql.Identifier(self.schema, self.table)

    def read(self, add):
        """Call add(keys, vectors) with a few thousand rows at a time."""
        query = sql.SQL("COPY (SELECT {}, {} FROM {} WHERE {} IS NOT NULL) TO STDOUT (FORMAT BINARY)").format(
            sql.SQL(", ").join(sql.Identifier(k[0]) for k in self.key), sql.Identifier(self.column), self.name,
            sql.Identifier(self.column))
        keys, vectors, columns = [[] for _ in self.key], [], len(self.key)
        element = ">f4" if self.type == "vector" else ">f2"

        def flush():
            if vectors:
                data = np.frombuffer(b"".join(vectors), element).reshape(len(vectors), self.dims)
                add([self._column(i, values) for i, values in enumerate(keys)], data.astype(np.float32))
                vectors.clear()
                for values in keys:
                    values.clear()

        with self.conn.cursor() as cur, cur.copy(query) as copy:
            first = True
            for row in copy:
                row, at = bytes(row), 0
                if first:
                    at, first = len(HEADER), False
                if len(row) - at < 6:
                    continue
                at += 2
                for i in range(columns):
                    length, = struct.unpack_from("!i", row, at)
                    keys[i].append(row[at + 4:at + 4 + length] if length >= 0 else None)
                    at += 4 + max(length, 0)
                vectors.append(row[at + 8:])
                if keys[0][-1] is None or any(values[-1] is None for values in keys):
                    vectors.pop()
                    for values in keys:
                        values.pop()
                if len(vectors) >= 4096:
                    flush()
        flush()

    def _column(self, i, values):
        length = self.key[i][3]
        if length > 0:
            return np.frombuffer(b"".join(values), f"V{length}")
        out = np.empty(len(values), object)
        out[:] = values
        return out

    def companion(self, what):
        """The name of a table beside this one, at most 63 bytes long."""
        base = f"{self.table}_{self.column}".encode()[:62 - len(what)].decode(errors="ignore")
        return sql.Identifier(self.schema, f"{base}_{what}"), (self.schema, f"{base}_{what}")


def quoted(pair):
    """A name with its schema, as an option has it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in pair)


def _field(value):
    return struct.pack("!i", len(value)) + value


def write_lists(conn, name, source, keys, lists, bar=None):
    columns = [sql.SQL("{} {}").format(sql.Identifier(k[0]), sql.SQL(k[2])) for k in source.key]
    _write(conn, name, [*columns, sql.SQL("list int")], len(source.key) + 1, len(lists),
           lambda i: [keys[c][i].tobytes() if hasattr(keys[c][i], "tobytes") else keys[c][i] for c in range(len(keys))]
           + [struct.pack("!i", int(lists[i]) + 1)], bar)


def write_neighbors(conn, name, source, keys, neighbors, bar=None):
    """neighbors: for each row, the places of its neighbours; -1: none."""
    columns = [sql.SQL("{} {}").format(sql.Identifier(k[0]), sql.SQL(k[2])) for k in source.key]
    arrays = [sql.SQL("{} {}[]").format(sql.Identifier(f"neighbors_{i + 1}" if len(source.key) > 1 else "neighbors"), sql.SQL(k[2]))
              for i, k in enumerate(source.key)]

    def text(value):
        return value.tobytes() if hasattr(value, "tobytes") else value

    def array(c, places):
        head = struct.pack("!iiIii", 1, 0, source.key[c][1], len(places), 1)
        return head + b"".join(_field(text(keys[c][p])) for p in places)

    def row(i):
        places = [int(p) for p in neighbors[i] if p >= 0]
        return [text(keys[c][i]) for c in range(len(keys))] + [array(c, places) for c in range(len(keys))]

    _write(conn, name, [*columns, *arrays], 2 * len(source.key), len(neighbors), row, bar)


def write_centroids(conn, name, type, centroids):
    dims, element = centroids.shape[1], ">f4" if type == "vector" else ">f2"
    with np.errstate(over="ignore"):
        data = centroids.astype(element)
    _write(conn, name, [sql.SQL("list int"), sql.SQL("centroid {}({})").format(sql.SQL(type), sql.Literal(dims))], 2, len(data),
           lambda i: [struct.pack("!i", i + 1), struct.pack("!hh", dims, 0) + data[i].tobytes()], unlogged=False)


def _write(conn, name, columns, fields, rows, row, bar=None, unlogged=True):
    conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
    conn.execute(sql.SQL("CREATE {} TABLE {} ({})").format(sql.SQL("UNLOGGED" if unlogged else ""), name, sql.SQL(", ").join(columns)))
    with conn.cursor() as cur, cur.copy(sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(name)) as copy:
        copy.write(HEADER)
        head = struct.pack("!h", fields)
        for first in range(0, rows, 1000):
            last = min(first + 1000, rows)
            copy.write(b"".join(head + b"".join(map(_field, row(i))) for i in range(first, last)))
            if bar:
                bar(last - first)
        copy.write(TRAILER)
