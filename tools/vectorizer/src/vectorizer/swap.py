"""Another model: filled beside the first, then the two exchange their names.

The second is a vectorizer of its own, on the same table, with a column or a
table of chunks of its own.  Both are kept up to date as long as both are there,
so that a swap can be undone.
"""

import dataclasses
import time

import psycopg
from psycopg import sql

from . import ddl, registry
from .errors import VectorizerError
from .names import ident, literal
from .source import read_source

SQL = sql.SQL
PATIENCE = 60		# seconds for which a swap tries to get its locks
LOCK_TIMEOUT = "500ms"


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def table_of(conn, v):
    return read_source(conn, v.source).table if v.exists else None


def partner(conn, v):
    return registry.read_id(conn, v.partner) if v.partner is not None else None


def change(conn, v, model, dimensions, loaded):
    """The statements that put another model beside v, and its Vectorizer."""
    if partner(conn, v):
        raise VectorizerError(f"{v.name} has another beside it already: {partner(conn, v).name}; "
                              "swap them, or drop one")
    if loaded.inputs != v.input:
        raise VectorizerError(f"{model} takes {loaded.inputs}s, {v.name} embeds {v.input}s")
    wish = ddl.Wish(v.source, v.expression, model, dimensions, loaded.kind, v.input,
                    into=None if v.chunks else _quoted(v.target + "_new"),
                    chunks=_quoted(v.chunks_name + "_new") if v.chunks else None, name=v.name + "_new",
                    index=v.index, filters=",".join(map(_quoted, v.filters)), fulltext=v.fulltext,
                    # A table has its BM25 already, which a swap hands on.
                    bm25=v.bm25 if v.chunks else None, chunker=v.chunker, type="halfvec" if v.type == "halfvec" and loaded.kind == "dense" else None,
                    notify=v.notify, partner=v.id)
    new, source, extension = ddl.plan(conn, wish)
    if v.chunks:
        # so that both tables have the columns that queries know
        new.target = v.target
    statements = ddl.create(conn, new, source, extension)
    statements.append(SQL("UPDATE vectorizer.vectorizers SET partner = {} WHERE id = {}").format(literal(new.id), literal(v.id)))
    return new, statements


def _unfinished(conn, v):
    waits = conn.execute(SQL("SELECT ({}), count(due_at), count(*) - count(due_at) FROM {}").format(
        registry.count_waiting(conn, v), v.retry), []).fetchone()
    return dict(zip(("waiting", "to retry", "set aside"), waits))


def check(conn, other, force):
    left = _unfinished(conn, other)
    if any(left.values()) and not force:
        raise VectorizerError(f"{other.name} is not complete: " + ", ".join(f"{n} {k}" for k, n in left.items() if n)
                              + "; wait for vectorizer run, or --force")


def swap(conn, v, force):
    """The statements that exchange v and its partner."""
    other = partner(conn, v)
    if other is None:
        raise VectorizerError(f"{v.name} has no other beside it: vectorizer change makes one")
    if v.name.endswith(("_new", "_old")) and other.name == v.name[:-4]:
        raise VectorizerError(f"swap {other.name}, which {v.name} stands beside")
    check(conn, other, force)
    source = read_source(conn, v.source)
    if v.chunks:
        kept = v.chunks_name + "_old"
        pairs = [("TABLE", v.chunks_name, other.chunks_name, kept), ("VIEW", v.view_name, other.view_name, kept + "_view")]
    else:
        kept = v.target + "_old"
        pairs = [("COLUMN", v.target, other.target, kept)]
        if v.fulltext:
            pairs.append(("COLUMN", v.words, other.words, kept + "_words"))
    out = []
    for kind, mine, theirs, kept in pairs:
        # theirs may be called what mine is to be: by way of another name
        for old, new in ((theirs, "vectorizer_swap"), (mine, kept), ("vectorizer_swap", mine)):
            if kind == "COLUMN":
                out.append(SQL("ALTER TABLE {} RENAME COLUMN {} TO {}").format(source.table, ident(old), ident(new)))
            else:
                out.append(SQL("ALTER {} {} RENAME TO {}").format(SQL(kind), ident(v.chunks_schema, old), ident(new)))
    if v.chunks and v.filters:
        # The functions of the triggers know the tables by name.
        for one, chunks in ((v, v.chunks_name + "_old"), (other, v.chunks_name)):
            out.append(ddl.trigger_function(dataclasses.replace(one, chunks_name=chunks), source, ddl.notes(conn, one)))
    update = SQL("UPDATE vectorizer.vectorizers SET name = {}{} WHERE id = {}")
    target = SQL("") if v.chunks else SQL(", target = {}")
    # names are unique: by way of one that no other has
    out.append(update.format(literal(f"{other.name} (swap)"), SQL(""), literal(other.id)))
    out.append(update.format(literal(v.name + "_old"), target.format(literal(v.target + "_old")), literal(v.id)))
    out.append(update.format(literal(v.name), target.format(literal(v.target)), literal(other.id)))
    if not v.chunks and (v.bm25 or other.bm25):
        for one, of in ((v, other), (other, v)):
            out.append(SQL("UPDATE vectorizer.vectorizers SET bm25 = {}, bm25_column = {} WHERE id = {}").format(
                literal(of.bm25), literal(of.bm25_column), literal(one.id)))
    return other, out


def run(conn, v, other, statements, force):
    """Swap in one transaction.  Waits for batches that are being worked on, but
    not while holding up those who use the table."""
    table = read_source(conn, v.source).table
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with conn.transaction():
                conn.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                conn.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table), [])
                check(conn, other, force)
                for s in statements:
                    conn.execute(s, [])
            return
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > until:
                raise VectorizerError(f"the table was in use all the time for {PATIENCE} s; stop the workers and try again")
            time.sleep(0.2)
