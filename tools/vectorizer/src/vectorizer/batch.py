"""One batch: claim rows of the queue, embed them, write back; one transaction.

What holds at every moment, whoever else runs and wherever this is killed:

- A row of the queue is deleted only by the transaction that writes the
  embedding of its text, or that finds nothing to write.  A worker that dies
  leaves the queue as it was.
- An embedding is written only while the row is locked and its text has the
  hash of the text that was embedded.  Where it has not, somebody committed a
  change, whose trigger has appended a row to the queue.
- A writer never waits for a model: triggers only append, and a row of the
  table is locked just for the write.  The worker never waits for a writer's
  row: it skips it and comes back.  So neither can be in a deadlock with the
  other.

Keys never leave the server: a claimed row is named by its ctid in the queue,
which stays while its lock is held.
"""

import dataclasses
import logging
import random

import psycopg
from psycopg import sql

from . import chunkers, ddl, registry
from .errors import Rejected, Unavailable, VectorizerError
from .models import load_model
from .models.base import embed_checked
from .names import columns, ident, literal
from .source import read_extension, read_source, trigger_tables

log = logging.getLogger("vectorizer")

MAX_INPUT = 16 << 20		# bytes of one text, and of all texts of a batch
MAX_ATTEMPTS = 5
FIRST_DELAY = 10			# seconds until a failed row is tried again; then twice as long each time
LONGEST_DELAY = 3600
WORDS_OF = 100000			# characters of a text that go to full-text search

# Errors of the server that say nothing against the row that met them, but for
# limits that a value exceeds.
PASSING = (psycopg.errors.OperationalError, psycopg.errors.TransactionRollback,
           psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject,
           psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction,
           psycopg.errors.ReadOnlySqlTransaction)


def blame(error):
    """Raise an error again unless it is the fault of the row that met it."""
    if isinstance(error, PASSING) and not isinstance(error, psycopg.errors.ProgramLimitExceeded):
        raise error
    return error.diag.message_primary or str(error)


@dataclasses.dataclass
class Item:
    """A key that was claimed, once however often it is in the queue."""
    at: str                 # ctid of its first row in the queue
    more: list              # of its others
    attempts: int
    waits: float            # seconds since it was queued
    hash: bytes = None
    data: bytes = None
    pieces: list = None     # what is embedded: the text, its chunks, the image
    vectors: list = None
    error: str = None
    final: bool = False

    @property
    def rows(self):
        return [self.at, *self.more]


@dataclasses.dataclass
class Result:
    claimed: int = 0
    embedded: int = 0
    settled: int = 0        # nothing to embed: no text, the row is gone, the text changed meanwhile
    skipped: int = 0        # locked by a writer
    retried: int = 0
    set_aside: int = 0
    lags: list = dataclasses.field(default_factory=list)
    errors: list = dataclasses.field(default_factory=list)

    @property
    def progress(self):
        return self.claimed - self.skipped


class Statements:
    """The statements of a batch, for one vectorizer and one of its two queues."""

    def __init__(self, v, source, extension, table):
        S = sql.SQL
        held = S("{}.{}({})").format(ident(extension), ident(v.type), literal(v.dimensions))
        text = S("{}({})").format(v.text, columns(v.reads, "s"))
        data = S("x.input") if v.input == "image" else S("textsend(x.input)")
        join = source.join("q", "s")
        n = {"q": table, "keys": source.key_list(), "qkeys": source.key_list("q"), "skeys": source.key_list("s"),
             "join": join, "source": source.table, "text": text, "data": data, "retry": v.retry,
             "first": ident("s", source.keys[0].name), "target": ident(v.target), "type": held}
        retry = table is v.retry or table.as_string(None) == v.retry.as_string(None)
        n["attempts"] = S("q.attempts") if retry else S("0")
        n["due"] = S("WHERE q.due_at <= clock_timestamp() ORDER BY q.due_at") if retry else S("")
        self.retry = retry

        # A sequential scan of the queue takes the oldest rows first.
        self.claim = S("""
            SELECT q.ctid::text, jsonb_build_array({qkeys})::text, {attempts},
                extract(epoch FROM clock_timestamp() - q.queued_at)::float8
            FROM {q} q {due} LIMIT %s FOR UPDATE SKIP LOCKED""").format(**n)
        # Texts, up to a number of bytes; what is beyond is not told, but for its size.
        self.read = S("""
            SELECT at, present, CASE WHEN total <= {most} THEN data END, CASE WHEN total <= {most} THEN hash END, size
            FROM (SELECT *, sum(CASE WHEN size <= {most} THEN size ELSE 0 END) OVER (ROWS UNBOUNDED PRECEDING)
                      + CASE WHEN size > {most} THEN size ELSE 0 END AS total
                  FROM (SELECT q.ctid::text AS at, {first} IS NOT NULL AS present, {data} AS data,
                            sha256({data}) AS hash, COALESCE(octet_length(x.input), 0)::bigint AS size
                        FROM {q} q LEFT JOIN {source} s ON {join}
                        LEFT JOIN LATERAL (SELECT {text} AS input OFFSET 0) x ON true
                        WHERE q.ctid = ANY (%s::tid[])) r) r""").format(most=literal(MAX_INPUT), **n)
        self.lock = S("SELECT q.ctid::text FROM {q} q JOIN {source} s ON {join} WHERE q.ctid = ANY (%s::tid[])"
                      " FOR NO KEY UPDATE OF s SKIP LOCKED").format(**n)
        self.hashes = S("""
            SELECT q.ctid::text, {first} IS NOT NULL, sha256({data})
            FROM {q} q LEFT JOIN {source} s ON {join} LEFT JOIN LATERAL (SELECT {text} AS input OFFSET 0) x ON true
            WHERE q.ctid = ANY (%s::tid[])""").format(**n)
        if v.chunks:
            n["chunks"] = v.chunk_table
            copied = [f for f in v.filters if f not in [k.name for k in source.keys]]
            n["filters"] = S("").join(S(", {}").format(ident(f)) for f in copied)
            n["sfilters"] = S("").join(S(", {}").format(ident("s", f)) for f in copied)
            n["cjoin"] = source.join("q", "c")
            self.known = S("SELECT q.ctid::text, c.chunk, c.{target}::text FROM {q} q JOIN {chunks} c ON {cjoin}"
                           " WHERE q.ctid = ANY (%s::tid[])").format(**n)
            self.clear = S("DELETE FROM {chunks} c USING {q} q WHERE q.ctid = %s::tid AND {cjoin}").format(**n)
            self.fill = S("""
                INSERT INTO {chunks} ({keys}, chunk_no, chunk{filters}, {target})
                SELECT {skeys}, v.chunk_no, v.chunk{sfilters}, v.embedding::{type}
                FROM {q} q JOIN {source} s ON {join}
                CROSS JOIN unnest(%s::integer[], %s::text[], %s::text[]) v(chunk_no, chunk, embedding)
                WHERE q.ctid = %s::tid""").format(**n)
        else:
            n["words"], n["made"], n["was"] = S(""), S(""), S("")
            if v.fulltext:
                made = S("to_tsvector({}::regconfig, left(({}), {}))").format(
                    literal(v.fulltext), text, literal(WORDS_OF))
                n["words"], n["made"], n["was"] = S(", {} = {}").format(ident(v.words), made), \
                    S(", {}").format(made), S(", {}").format(ident("s", v.words))
            self.write = S("""
                UPDATE {source} s SET {target} = v.embedding::{type}{words}
                FROM unnest(%s::tid[], %s::text[]) v(at, embedding) JOIN {q} q ON q.ctid = v.at
                WHERE {join} AND ROW(s.{target}{was})::record OPERATOR(pg_catalog.*<>) ROW(v.embedding::{type}{made})::record""").format(**n)
        # Keys that were loaded many at a time, from one of their arrays into the queue.
        self.unpack = S("""
            WITH taken AS (DELETE FROM {loaded} WHERE ctid = (SELECT ctid FROM {loaded} LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *)
            INSERT INTO {q} ({keys}, queued_at) SELECT {ukeys}, t.queued_at FROM taken t, unnest({tkeys}) AS u({keys})""").format(
            loaded=v.loaded, ukeys=source.key_list("u"), tkeys=source.key_list("t"), **n) if source.packs else None
        self.done = S("DELETE FROM {q} q WHERE q.ctid = ANY (%s::tid[])").format(**n)
        self.forgive = S("""
            DELETE FROM {retry} r WHERE r.ctid IN (
                SELECT r.ctid FROM {retry} r JOIN {q} q ON {rjoin} WHERE q.ctid = ANY (%s::tid[])
                FOR UPDATE OF r SKIP LOCKED)""").format(rjoin=source.join("q", "r"), **n)
        self.postpone = S("INSERT INTO {q} ({keys}, queued_at) SELECT {qkeys}, q.queued_at FROM {q} q"
                          " WHERE q.ctid = ANY (%s::tid[])").format(**n)
        self.wait = S("UPDATE {q} q SET due_at = clock_timestamp() + interval '1 s' WHERE q.ctid = ANY (%s::tid[])").format(**n)
        if retry:
            self.fail = S("UPDATE {q} q SET attempts = %s, due_at = clock_timestamp() + %s::interval, error = %s"
                          " WHERE q.ctid = %s::tid").format(**n)
        else:
            self.fail = S("""
                INSERT INTO {retry} ({keys}, queued_at, attempts, due_at, error)
                SELECT {qkeys}, q.queued_at, v.attempts, v.due_at, v.error FROM {q} q,
                    (SELECT %s::integer AS attempts, clock_timestamp() + %s::interval AS due_at, %s::text AS error) v
                WHERE q.ctid = %s::tid
                ON CONFLICT ({keys}) DO UPDATE SET queued_at = excluded.queued_at, attempts = excluded.attempts,
                    due_at = excluded.due_at, error = excluded.error""").format(**n)


class Embedder:
    """What a worker knows of one vectorizer."""

    def __init__(self, conn, id):
        self.id = id
        self.known = None

    def _prepare(self, conn):
        """Lock the table against a swap or a drop, then read what is to be done.
        None if there is no such vectorizer any more."""
        v = registry.read_id(conn, self.id)
        if v is None or not v.exists:
            return None
        if self.known != v:
            self.source = read_source(conn, v.source)
            own = conn.execute("SELECT pg_has_role(current_user, %s, 'MEMBER') AND current_user <> %s",
                               [self.source.owner, self.source.owner]).fetchone()[0]
            # Policies that are forced hold for the owner, too.
            self.role = self.source.owner if own and not self.source.forced_security else None
            self._check_functions(conn, v)
            extension = read_extension(conn)
            self.queue = Statements(v, self.source, extension, v.queue)
            self.retry = Statements(v, self.source, extension, v.retry)
            self.known = v
        if self.role:
            conn.execute(sql.SQL("SET LOCAL ROLE {}").format(ident(self.role)), [])
        conn.execute(sql.SQL("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE").format(self.source.table), [])
        if registry.read_id(conn, self.id) != v:
            raise psycopg.errors.SerializationFailure("the vectorizer was changed meanwhile")
        self.model = load_model(v.model)
        if (self.model.kind, self.model.inputs) != (v.kind, v.input):
            raise VectorizerError(f"{v.name}: {v.model} is a {self.model.kind} model of {self.model.inputs}s, "
                                  f"the column wants {v.kind} vectors of {v.input}s")
        return v

    def _check_functions(self, conn, v):
        """The text of a row is an expression of its table's owner.  It runs as
        that owner, in a function that cannot become anybody else."""
        row = conn.execute("SELECT prosecdef, pg_get_userbyid(proowner) FROM pg_proc p JOIN pg_namespace n"
                           " ON n.oid = pronamespace WHERE nspname = 'vectorizer' AND proname = %s",
                           [f"text_{v.id}"]).fetchall()
        if row != [(True, self.source.owner)]:
            raise VectorizerError(f"{v.name}: the function vectorizer.text_{v.id} is missing, or does not belong to "
                                  f"{self.source.owner}, who owns the table: drop the vectorizer and create it again")

    def run(self, conn, limit, retry=False):
        """One batch of at most limit rows, from the queue or from those that
        are due again.  Raises Unavailable, and what the server raises, with
        nothing changed.  None if the vectorizer is gone."""
        result = self._batch(conn, limit, retry)
        if result is not None and not result.claimed and not retry and self._unpack(conn):
            result = self._batch(conn, limit, retry)
        return result

    def adopt(self, conn):
        """Give partitions that were added since their triggers, and queue
        their rows: those came by without a trigger.  Raises what the server
        does, LockNotAvailable where writers are in the way.  Whether there were."""
        with conn.transaction():
            v = self._prepare(conn)
            if v is None or not self.source.partitioned:
                return False
            new = 0
            noting = ddl.notes(conn, v) is not None
            have = {t for t, in conn.execute("SELECT tgrelid::regclass::oid FROM pg_trigger WHERE tgfoid = %s::regproc AND tgtype & 1 = 0",
                                             [f"vectorizer.changed_{v.id}"])}
            for table in trigger_tables(conn, self.source):
                oid = conn.execute("SELECT %s::regclass::oid", [table.as_string(None).replace("%%", "%")]).fetchone()[0]
                if oid in have:
                    continue
                new += 1
                log.info("%s: a new partition, %s", v.name, table.as_string(None).replace("%%", "%"))
                conn.execute("SET LOCAL lock_timeout = '2s'")
                for statement in ddl.triggers(v, table, noting):
                    conn.execute(statement, [])
                conn.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
                    v.queue, self.source.key_list(), self.source.key_list(), table), [])
            return new > 0

    def _unpack(self, conn):
        """Put keys of a load into the queue, if there are any: how many."""
        if self.queue.unpack is None:
            return 0
        with conn.transaction():
            return conn.execute(self.queue.unpack, []).rowcount if self._prepare(conn) else 0

    def _batch(self, conn, limit, retry):
        with conn.transaction():
            v = self._prepare(conn)
            if v is None:
                return None
            st = self.retry if retry else self.queue
            items = {}
            for at, key, attempts, waits in conn.execute(st.claim, [limit]):
                if key in items:
                    items[key].more.append(at)
                else:
                    items[key] = Item(at, [], attempts, waits)
            items = list(items.values())
            result = Result(claimed=sum(len(i.rows) for i in items))
            if items:
                self._read(conn, v, st, items)
                self._embed(conn, v, st, [i for i in items if i.pieces])
                self._write(conn, v, st, items, result)
            return result

    def _read(self, conn, v, st, items):
        found = {}
        tids = [i.at for i in items]
        try:
            with conn.transaction():
                found = {row[0]: row[1:] for row in conn.execute(st.read, [tids])}
        except psycopg.Error as all_failed:
            blame(all_failed)
            for item in items:
                try:
                    with conn.transaction():
                        found.update({row[0]: row[1:] for row in conn.execute(st.read, [[item.at]])})
                except psycopg.Error as e:
                    item.error = f"reading the text: {blame(e)}"
                    # bytes that are no UTF-8, in a database without an encoding
                    item.final = isinstance(e, psycopg.errors.CharacterNotInRepertoire)
        for item in items:
            if item.error:
                continue
            present, item.data, item.hash, size = found[item.at]
            if not present or size == 0:
                item.pieces = []
            elif item.data is None and size > MAX_INPUT:
                item.error, item.final = f"the text has {size} bytes, more than {MAX_INPUT}", True
            elif item.data is not None:
                self._cut(v, item)

    def _cut(self, v, item):
        if v.input == "image":
            item.pieces = [bytes(item.data)]
            return
        text = bytes(item.data).decode()
        if not text.strip():
            item.pieces = []
        elif v.chunks:
            try:
                item.pieces = chunkers.cut(v.chunker, self.model, text)
            except VectorizerError:
                raise
            except Exception as e:
                item.error = f"cutting into chunks: {e}"
        else:
            item.pieces = [text]

    def _embed(self, conn, v, st, items):
        known = {}
        if v.chunks and items:
            # A chunk whose text is as before keeps its embedding.
            for at, chunk, vector in conn.execute(st.known, [[i.at for i in items]]):
                known[chunk] = vector
        try:
            self._embed_all(v, items, known)
        except Unavailable:
            raise
        except Exception as all_failed:
            for item in items:
                try:
                    if len(items) == 1:
                        raise all_failed
                    self._embed_all(v, [item], known)
                except Unavailable:
                    raise
                except Exception as e:
                    item.error, item.final = f"{type(e).__name__}: {e}"[:2000], isinstance(e, Rejected)
                    if not isinstance(e, (Rejected, ValueError)):
                        log.debug("%s", item.error, exc_info=e)

    def _embed_all(self, v, items, known):
        new = list(dict.fromkeys(p for i in items for p in i.pieces if p not in known))
        made = dict(zip(new, embed_checked(self.model, new, v.dimensions)))
        for item in items:
            item.vectors = [made.get(p) or known[p] for p in item.pieces]

    def _write(self, conn, v, st, items, result):
        failed = [i for i in items if i.error]
        ready = [i for i in items if not i.error and i.pieces is not None]
        later = [i for i in items if not i.error and i.pieces is None]
        tids = [i.at for i in ready]
        locked = {at for at, in conn.execute(st.lock, [tids])}
        now = {at: (present, hash) for at, present, hash in conn.execute(st.hashes, [tids])}
        done, skipped, write = [], [], []
        for item in ready:
            present, hash = now[item.at]
            if present and item.at not in locked:
                skipped.append(item)
            elif present and hash == item.hash:
                write.append(item)
            else:
                done.append(item)
        result.settled = len(done)
        if v.chunks:
            self._write_chunks(conn, st, write)
        else:
            self._write_column(conn, st, write)
        for item in write:
            (failed if item.error else done).append(item)
        result.embedded = sum(1 for i in write if not i.error and i.pieces)
        result.settled += sum(1 for i in write if not i.error and not i.pieces)
        result.lags = [i.waits for i in done if i.pieces]
        for item in sorted(failed, key=lambda i: i.at):
            attempts = item.attempts + 1
            final = item.final or attempts >= MAX_ATTEMPTS
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempts - 1)) * random.uniform(0.8, 1.2)
            # without a time it is due again: set aside
            conn.execute(st.fail, [attempts, None if final else f"{delay} s", item.error.replace("\0", ""), item.at])
            result.errors.append(item.error)
            if final:
                result.set_aside += 1
            else:
                result.retried += 1
        over = [at for i in done for at in i.rows]
        if not st.retry and over:
            conn.execute(st.forgive, [over])
        if st.retry:
            conn.execute(st.wait, [[at for i in skipped for at in i.rows]])
        else:
            # To the end of the queue, so that others are not held up.
            moved = [at for i in skipped for at in i.rows]
            conn.execute(st.postpone, [moved])
            over += moved + [at for i in failed for at in i.rows]
        conn.execute(st.done, [over])
        result.skipped = sum(len(i.rows) for i in skipped)
        result.claimed -= sum(len(i.rows) for i in later)

    def _write_column(self, conn, st, items):
        self._one_by_one(conn, items, lambda part: conn.execute(
            st.write, [[i.at for i in part], [i.vectors[0] if i.pieces else None for i in part]]))

    def _write_chunks(self, conn, st, items):
        def write(part):
            for i in part:
                conn.execute(st.clear, [i.at])
                if i.pieces:
                    conn.execute(st.fill, [list(range(len(i.pieces))), i.pieces, i.vectors, i.at])
        self._one_by_one(conn, items, write)

    def _one_by_one(self, conn, items, write):
        """Write all items at once; if the server refuses, each for itself."""
        if not items:
            return
        try:
            with conn.transaction():
                write(items)
        except psycopg.Error as all_failed:
            blame(all_failed)
            for item in items:
                try:
                    with conn.transaction():
                        write([item])
                except psycopg.Error as e:
                    item.error = f"writing the embedding: {blame(e)}"
