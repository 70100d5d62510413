"""An import: plan, copy, check.

Each part of the records is one transaction, which also notes in the table
vector_import_state how far it is.  Killed anywhere, the next run of the same
import goes on after the last part that was committed, and writes nothing twice.
"""

import dataclasses
import hashlib
import json
import random

import psycopg
from psycopg import sql

from . import target
from .errors import ImportFailed, without_password
from .sources import in_short, open_source

SAMPLE = 100			# vectors that are compared at the end, of the beginning and of the rest
BATCH = 2000
# Rows of a part are held in memory twice: fewer of them where vectors are long.
BATCH_BYTES = 32 << 20
STATE = "vector_import_state"


@dataclasses.dataclass
class Plan:
    """What to import.  columns: "" for all metadata in one jsonb column, "auto"
    for typed columns as the first records suggest, or "key[:type],...".
    filters: metadata that searches filter by; it becomes columns, and the
    proposed index has it."""
    source: str
    location: str
    table: str
    collection: str = None
    vector: str = None
    columns: str = ""
    filters: str = ""
    type: str = None
    id_type: str = None
    dimensions: int = None
    index: str = "hnsw"
    create_index: bool = False
    batch: int = None
    dry_run: bool = False
    distance: str = None


def table_name(conn, text):
    try:
        with conn.transaction():
            parts = conn.execute("SELECT parse_ident(%s)", [text]).fetchone()[0]
    except psycopg.Error as e:
        raise ImportFailed(f"--table {text!r}: {e.diag.message_primary} (write names as in SQL)") from e
    if len(parts) > 2 or any(len(p.encode()) > 63 for p in parts):
        raise ImportFailed(f"--table {text!r}: a name of at most 63 bytes, with a schema if need be")
    return sql.Identifier(*parts)


def asked(text, seen):
    """key[:type],... as pairs; "" for no type.  A key that was seen may have colons."""
    keys = [c.strip() for c in text.split(",") if c.strip()]
    return [(c, "") if c in seen or ":" not in c else c.rpartition(":")[::2] for c in keys]


def chosen_columns(plan, first):
    """Metadata key to type of column, of what was asked for and the first records;
    and the keys that searches filter by."""
    seen = {}
    for record in first:
        for key, value in record.metadata.items():
            seen.setdefault(key, []).append(value)
    out = {}
    filters = asked(plan.filters, seen)
    if plan.columns.strip() == "auto":
        pairs = [(k, "") for k in seen if target.guess(seen[k])]
    else:
        pairs = asked(plan.columns, seen)
    for key, type in pairs + filters:
        type = {"int": "bigint", "float": "double precision", "json": "jsonb", "bool": "boolean"}.get(type, type)
        if type and type not in target.TYPES:
            raise ImportFailed(f"{key}:{type}: the types are {', '.join(target.TYPES)}")
        if not type:
            type = out.get(key) or target.guess(seen.get(key, []))
            if type is None:
                raise ImportFailed(f"no record of the first {len(first)} has {key!r}: give its type, {key}:text")
        out[key] = type
    return out, list(dict.fromkeys(key for key, _ in filters))


def read(source, after, size):
    """What the source reads.  Whatever its library raises is an ImportFailed."""
    try:
        yield from source.read(after, size)
    except (ImportFailed, psycopg.Error):
        raise
    except Exception as e:
        raise ImportFailed(f"reading {source.collection or 'the source'}: {in_short(e)}") from e


def comment(text):
    """A comment of SQL: of one line, whatever names are in it."""
    return "-- " + "".join(c if c.isprintable() else " " for c in without_password(text))


def run(conn, plan, say=print, bar=None):
    """Import.  conn: a psycopg connection with autocommit.  bar(total) gives
    something with update(n) and close().  Returns how many rows there are.
    Raises ImportFailed; what was committed stays, and the next run goes on."""
    source = open_source(plan.source, plan.location, plan.collection, plan.vector)
    try:
        return _run(conn, plan, source, say, bar)
    finally:
        source.close()


def _extension(conn):
    row = conn.execute("SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
                       " WHERE extname = 'vector'").fetchone()
    if row is None:
        raise ImportFailed("this database has no extension vector: CREATE EXTENSION vector")
    return row[0]


def _run(conn, plan, source, say, bar):
    extension = _extension(conn)
    name = table_name(conn, plan.table)
    size = plan.batch or max(10, min(BATCH, BATCH_BYTES // (4 * (source.dimensions or 1000))))
    first = next((records for _, records in read(source, None, size) if records), [])
    if not first:
        raise ImportFailed(f"{plan.location} has no records")
    dimensions = plan.dimensions or source.dimensions
    if dimensions is None and not source.sparse:
        raise ImportFailed("the number of dimensions is not known: --dimensions")
    type = plan.type or ("sparsevec" if source.sparse else "vector")
    if (type == "sparsevec") != source.sparse:
        raise ImportFailed(f"these vectors are {'sparse' if source.sparse else 'dense'}, which {type} does not hold")
    columns, filters = chosen_columns(plan, first)
    table = target.Table(name, plan.id_type or source.id_type, type, dimensions or 1000000000, source.has_text, columns, extension)
    method, distance = "sparse_inverted" if source.sparse and plan.index == "hnsw" else plan.index, plan.distance or source.metric
    _can_be_indexed(conn, table, method, distance, filters)
    index = table.index(method, distance, filters)
    count = "an unknown number of" if source.count is None else source.count
    say(comment(f"{plan.source}: {source.collection or plan.location}, {count} records, "
                f"{'sparse' if source.sparse else dimensions} dimensions, distance {distance}"))
    if source.note:
        say(comment(source.note))
    say(table.create().as_string(None) + ";")
    say(table.copy().as_string(None) + ";")
    if plan.dry_run:
        for record in first:
            table.pack(record)
        say(index.as_string(None) + ";")
        return 0
    key = _key(plan, source, table)
    after, rows = _begin(conn, plan, table, key)
    if rows:
        say(f"-- going on after {rows} rows")
    sample = _copy(conn, source, table, key, after, rows, size, bar)
    _check(conn, source, table, key, first, sample, say)
    with conn.transaction():
        _alone(conn)
        conn.execute(sql.SQL("DELETE FROM {} WHERE key = %s").format(sql.Identifier(STATE)), [key])
        if not conn.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(STATE))).fetchone()[0]:
            conn.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(STATE)))
    if plan.create_index:
        conn.execute(index)
    say(("" if plan.create_index else "-- for searches:\n") + index.as_string(None) + ";")
    return conn.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()[0]


def _can_be_indexed(conn, table, method, distance, filters):
    """Raises ImportFailed before rows are copied for an index that cannot be."""
    ops = f"{table.type}_{target.OPS[distance]}_ops"
    held = "SELECT FROM pg_opclass o JOIN pg_am a ON a.oid = o.opcmethod WHERE a.amname = %s"
    if not conn.execute(f"SELECT EXISTS ({held} AND o.opcname = %s)", [method, ops]).fetchone()[0]:
        raise ImportFailed(f"{method} has no {ops}: another --index, --distance or --type")
    for key in filters:
        if not conn.execute(f"SELECT EXISTS ({held} AND o.opcdefault AND o.opcintype = %s::regtype)",
                            [method, table.columns[key]]).fetchone()[0]:
            raise ImportFailed(f"--filter {key}: {table.columns[key]} is no type of a filter column")


def _alone(conn):
    """Until the transaction ends, no other import makes or drops the table of states."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [STATE])


def _key(plan, source, table):
    """What makes two runs the same import."""
    said = [plan.source, plan.location, source.collection, getattr(source, "vector", None), table.create().as_string(None)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _begin(conn, plan, table, key):
    """The token to go on after, and how many rows there are; for a new import
    makes the table."""
    with conn.transaction():
        _alone(conn)
        conn.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (key text PRIMARY KEY, token jsonb, rows bigint NOT NULL)").format(
            sql.Identifier(STATE)))
        found = conn.execute(sql.SQL("SELECT token, rows FROM {} WHERE key = %s FOR UPDATE").format(sql.Identifier(STATE)), [key]).fetchone()
        if found:
            return found
        try:
            with conn.transaction():
                conn.execute(table.create())
        except psycopg.errors.DuplicateTable:
            raise ImportFailed(f"{plan.table} exists already, and not from an interrupted run of this import: "
                               "drop it, or give another --table") from None
        conn.execute(sql.SQL("INSERT INTO {} VALUES (%s, NULL, 0)").format(sql.Identifier(STATE)), [key])
    return None, 0


def _copy(conn, source, table, key, after, rows, size, bar):
    """Copy what is left.  A sample of it, for the check."""
    progress = bar(source.count) if bar else None
    if progress is not None:
        progress.update(rows)
    sample, seen = [], 0
    state = sql.SQL("UPDATE {} SET token = %s, rows = rows + %s WHERE key = %s AND rows = %s").format(sql.Identifier(STATE))
    if after is None and rows:
        # the last part had come, and was not checked
        return sample
    try:
        for token, records in read(source, after, size):
            with conn.transaction():
                # First, so that two runs at once do not both write.
                if conn.execute(state, [json.dumps(token), len(records), key, rows]).rowcount != 1:
                    raise ImportFailed("another run of this import is at work")
                try:
                    with conn.cursor() as cur, cur.copy(table.copy()) as copy:
                        copy.write(target.HEADER)
                        for record in records:
                            copy.write(table.pack(record))
                        copy.write(target.TRAILER)
                except psycopg.errors.UniqueViolation as e:
                    raise ImportFailed(f"an id is there twice: {e.diag.message_detail}") from e
            rows += len(records)
            for record in records:
                # reservoir sampling (Vitter, algorithm R)
                seen += 1
                if len(sample) < SAMPLE:
                    sample.append(record)
                elif (at := random.randrange(seen)) < SAMPLE:
                    sample[at] = record
            if progress is not None:
                progress.update(len(records))
    finally:
        if progress is not None:
            progress.close()
    return sample


def _check(conn, source, table, key, first, sample, say):
    """Counts, and vectors value by value."""
    noted = conn.execute(sql.SQL("SELECT rows FROM {} WHERE key = %s").format(sql.Identifier(STATE)), [key]).fetchone()[0]
    there = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(table.name)).fetchone()[0]
    if there != noted or source.count not in (None, there):
        raise ImportFailed(f"the table has {there} rows, {noted} were copied, and the source says {source.count}: "
                           "was one of them written to meanwhile?")
    wanted = {}
    for record in [*first[:SAMPLE], *sample]:
        wanted[table.id_text(record.id)] = None if record.vector is None else target.pack_vector(record.vector, table.type, table.dimensions)
    send = sql.SQL("{}.{}").format(sql.Identifier(table.extension), sql.SQL(f"{table.type}_send"))
    # No parameters: a percent sign in a name would be taken for one.
    found = dict(conn.execute(sql.SQL("SELECT id::text, {}(embedding) FROM {} WHERE id = ANY ({}::text[]::{}[])").format(
        send, table.name, sql.Literal(list(wanted)), sql.SQL(table.id_type))).fetchall())
    bad = [k for k, v in wanted.items() if found.get(k, b"") != v]
    if bad:
        raise ImportFailed(f"{len(bad)} of {len(wanted)} vectors that were compared differ, of id {bad[0]} for one")
    say(f"-- checked: {there} rows, {len(wanted)} vectors byte by byte")


__all__ = ["Plan", "run"]
