"""The table vectorizer.vectorizers: what is kept up to date, and how.

A row says which table's text is embedded by which model into which column or
table of chunks.  The objects that serve it are called by its id, so that names
can be exchanged when the model changes:

    vectorizer.text_ID(columns)     the text of a row
    vectorizer.queue_ID             keys of rows to be embedded: no index, writers only append
    vectorizer.loaded_ID            keys that came many at a time: arrays of them, which workers put into the queue
    vectorizer.retry_ID             keys that failed, with when to try again and why
    vectorizer.changed_ID()         the trigger function, of
    vectorizer_ID_insert, vectorizer_ID_update, and
    vectorizer_ID_note              the trigger whose condition notes keys of new rows
"""

import dataclasses

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from .errors import VectorizerError
from .names import ident

CREATE = """\
CREATE SCHEMA vectorizer;
CREATE TABLE vectorizer.vectorizers (
    id           integer PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    source       regclass NOT NULL,
    input        text NOT NULL CHECK (input IN ('text', 'image')),
    expression   text NOT NULL,
    reads        text[] NOT NULL,
    target       text NOT NULL,
    added        boolean NOT NULL,
    chunks       regclass,
    view         regclass,
    chunker      jsonb,
    filters      text[] NOT NULL,
    model        text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('dense', 'sparse')),
    type         text NOT NULL,
    dimensions   integer NOT NULL,
    index        text,
    trained      boolean NOT NULL,
    fulltext     text,
    bm25         text,
    bm25_column  text,
    notify       boolean NOT NULL,
    partner      integer
);
COMMENT ON SCHEMA vectorizer IS 'what keeps embeddings up to date';
COMMENT ON TABLE vectorizer.vectorizers IS 'which text is embedded by which model, and where to';
GRANT USAGE ON SCHEMA vectorizer TO PUBLIC;
GRANT SELECT ON vectorizer.vectorizers TO PUBLIC"""

# Tables are held as regclass: they may be renamed, and a dump has their names.
# Indexes are not, for they are restored after the data.
SELECT = """
    SELECT v.*, v.source::oid AS source_oid, v.chunks::oid AS chunks_oid, c.relname AS chunks_name,
        cn.nspname AS chunks_schema, w.relname AS view_name, s.oid IS NOT NULL AS exists
    FROM vectorizer.vectorizers v
    LEFT JOIN pg_class s ON s.oid = v.source
    LEFT JOIN pg_class c ON c.oid = v.chunks LEFT JOIN pg_namespace cn ON cn.oid = c.relnamespace
    LEFT JOIN pg_class w ON w.oid = v.view"""


@dataclasses.dataclass
class Vectorizer:
    """A row of the table; its fields are its columns, and the names of the
    tables that it refers to."""
    id: int
    name: str
    source: str
    source_oid: int
    input: str
    expression: str
    reads: list
    target: str
    added: bool
    chunker: dict
    filters: list
    model: str
    kind: str
    type: str
    dimensions: int
    trained: bool
    fulltext: str
    notify: bool
    bm25: str = None            # the text search configuration
    bm25_column: str = None     # the vectors of words, in the table or the table of chunks
    index: str = None
    partner: int = None
    chunks: str = None
    chunks_oid: int = None
    chunks_name: str = None
    chunks_schema: str = None
    view: str = None
    view_name: str = None
    exists: bool = True

    @property
    def queue(self):
        return ident("vectorizer", f"queue_{self.id}")

    @property
    def loaded(self):
        return ident("vectorizer", f"loaded_{self.id}")

    @property
    def retry(self):
        return ident("vectorizer", f"retry_{self.id}")

    @property
    def text(self):
        return ident("vectorizer", f"text_{self.id}")

    @property
    def changed(self):
        return ident("vectorizer", f"changed_{self.id}")

    @property
    def chunk_table(self):
        return ident(self.chunks_schema, self.chunks_name)

    @property
    def view_table(self):
        return ident(self.chunks_schema, self.view_name)

    def bm25_tables(self, schema, table):
        """The tables that bm25_setup makes: what is set, terms, changes."""
        return [ident(schema, f"{table}_{self.bm25_column}{s}") for s in ("", "_terms", "_changes")]

    @property
    def words(self):
        """The column with the words for full-text search."""
        return f"{self.target}_words"

    @property
    def distance(self):
        return "<=>" if self.kind == "dense" else "<#>"


def exists(conn):
    return conn.execute("SELECT to_regclass('vectorizer.vectorizers') IS NOT NULL").fetchone()[0]


def read_all(conn, where="", params=()):
    if not exists(conn):
        return []
    with conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(SELECT + " " + where + " ORDER BY v.id", params).fetchall()
    return [Vectorizer(**row) for row in rows]


def read_id(conn, id):
    found = read_all(conn, "WHERE v.id = %s", [id])
    return found[0] if found else None


def find(conn, name=None, table=None, first=False):
    """The vectorizer of a name, or the one of a table, not counting those kept
    beside another.  Of a table with several: with first, the one that was made
    first, else none."""
    if name is not None:
        found = read_all(conn, "WHERE v.name = %s", [name])
        if not found:
            known = [v.name for v in read_all(conn)]
            raise VectorizerError(f'no vectorizer is called "{name}"; ' +
                                  (f"there are: {', '.join(known)}" if known else "there is none in this database"))
        return found[0]
    if table is None:
        raise VectorizerError("say which: a name (vectorizer status lists them) or --table")
    try:
        with conn.transaction():
            found = read_all(conn, "WHERE v.source = to_regclass(%s)::oid", [table])
    except psycopg.Error as e:
        raise VectorizerError(f"table {table!r}: {e.diag.message_primary}") from e
    if not found:
        raise VectorizerError(f"nothing keeps embeddings of a table {table}: vectorizer create makes it so")
    active = [v for v in found if not v.name.endswith(("_new", "_old"))] or found
    if len(active) > 1 and not first:
        raise VectorizerError(f"table {table} has several: {', '.join(v.name for v in active)}; say which by its name")
    return active[0]


def next_id(conn):
    return conn.execute("SELECT COALESCE(max(id), 0) + 1 FROM vectorizer.vectorizers").fetchone()[0] \
        if exists(conn) else 1


def count_waiting(conn, v):
    """The statement that counts the keys that wait for a worker."""
    queued = sql.SQL("SELECT count(*) FROM {}").format(v.queue)
    first = conn.execute("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum = 1",
                         [f"vectorizer.loaded_{v.id}"]).fetchone()
    if first is None:
        return queued
    return sql.SQL("SELECT ({}) + (SELECT COALESCE(sum(cardinality({})), 0) FROM {})").format(queued, ident(first[0]), v.loaded)
