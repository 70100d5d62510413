"""vectorizer run: embeds what the queues hold, until it is told to stop."""

import dataclasses
import logging
import random
import signal
import time

import psycopg
from psycopg import sql

from . import metrics, registry
from .batch import Embedder
from .connect import connect
from .errors import Unavailable, VectorizerError
from .names import ident, literal
from .source import read_extension, read_source

log = logging.getLogger("vectorizer")

FIRST_PAUSE = 1				# seconds after the model could not be used; then twice as long each time
LONGEST_PAUSE = 60
DRAIN_PAUSES = 5			# of one vectorizer in a row, after which a worker that drains gives up


class Stop(Exception):
    """Raised from a signal while the worker waits and holds nothing."""


class GivenUp(VectorizerError):
    """A worker that drains does not wait for ever."""


@dataclasses.dataclass
class Task:
    embedder: Embedder
    name: str
    pauses: int = 0             # in a row
    not_before: float = 0.0
    counted: float = 0.0        # when its queue was last counted


class Worker:
    """dsn: how to connect.  names: which vectorizers, all if empty.  limit: rows
    of a batch.  poll: seconds between looks at the queues without a notice.
    drain: end when nothing is left that could be done now.  report(Result) is
    called after each batch that did something."""

    def __init__(self, dsn, names=(), limit=64, poll=10.0, drain=False, report=None):
        self.dsn, self.names, self.limit, self.poll, self.drain = dsn, list(names), limit, poll, drain
        self.report = report or (lambda task, result: None)
        self.tasks = {}
        self.stopping = False
        self.idle = False
        self.told = False
        self.failures = 0

    def handle_signals(self):
        """The first signal ends the worker after its batch, the next at once."""
        def on_signal(number, frame):
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True
            log.info("stopping after this batch")
            if self.idle:
                raise Stop
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, on_signal)

    def run(self):
        """Work until stopped, or drained.  Raises VectorizerError for what no
        waiting mends, at the first connection; later it waits for the server."""
        conn = self._open()
        try:
            while not self.stopping:
                try:
                    if conn is None:
                        conn = self._open()
                    if not self._round(conn):
                        if self.drain and not self._paused():
                            return
                        self._wait(conn)
                except GivenUp:
                    raise
                except (psycopg.OperationalError, VectorizerError) as e:
                    if conn is not None and not conn.closed and not isinstance(e, psycopg.OperationalError):
                        raise
                    log.warning("the connection is gone: %s", str(e).strip())
                    if conn is not None:
                        conn.close()
                    conn = None
                    self._sleep(min(LONGEST_PAUSE, 2 ** min(self.failures, 6)))
                    self.failures += 1
        except Stop:
            pass
        finally:
            if conn is not None:
                conn.close()

    def _open(self):
        conn = connect(self.dsn, "vectorizer run")
        # Rows hidden by a policy would look like rows that were deleted.
        conn.execute("SET row_security = off")
        conn.execute("SET synchronize_seqscans = off")
        conn.execute("SET idle_in_transaction_session_timeout = 0")
        conn.execute("LISTEN vectorizer")
        if conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]:
            log.warning("this worker is a superuser: triggers of the tables it writes to are run by it; "
                        "the owner of the tables would do")
        self.failures = 0
        return conn

    def _round(self, conn):
        """A batch for every vectorizer; whether anything was done."""
        found = registry.read_all(conn)
        for name in self.names:
            if name not in [v.name for v in found]:
                raise VectorizerError(f'no vectorizer is called "{name}"')
        wanted = {v.id: v for v in found if v.exists and (not self.names or v.name in self.names)}
        self.tasks = {id: self.tasks.get(id) or Task(Embedder(conn, id), v.name) for id, v in wanted.items()}
        if not wanted and not self.told:
            log.warning("there is nothing to keep up to date in this database yet: vectorizer create")
            self.told = True
        any_progress = False
        for id, task in self.tasks.items():
            task.name = wanted[id].name
            if self.stopping or task.not_before > time.monotonic():
                continue
            busy = False
            for retry in (True, False):
                if self.stopping:
                    break
                result = self._batch(conn, task, retry)
                if result is None:
                    break
                busy = busy or result.claimed > 0
                any_progress = any_progress or result.progress > 0
            any_progress = self._adopt(conn, task) or any_progress
            if not busy and not self.stopping and result is not None and not wanted[id].trained:
                self._train(conn, wanted[id])
        return any_progress

    def _adopt(self, conn, task):
        known = task.embedder.known
        if known is None or not task.embedder.source.partitioned:
            return False
        try:
            return task.embedder.adopt(conn)
        except psycopg.errors.LockNotAvailable:
            pass
        except psycopg.OperationalError:
            raise
        except psycopg.Error as e:
            log.warning("%s: a new partition has no triggers, so that changes there are not seen: %s", task.name,
                        e.diag.message_primary)
        return False

    def _batch(self, conn, task, retry):
        began = time.monotonic()
        try:
            result = task.embedder.run(conn, self.limit, retry)
        except Unavailable as e:
            self._pause(task, str(e), e.retry_after)
            metrics.UNAVAILABLE.labels(task.name).inc()
            return None
        except VectorizerError as e:
            self._pause(task, str(e))
            return None
        except psycopg.OperationalError:
            if conn.closed or conn.broken:
                raise
            self._pause(task, "the server refused", once=True)
            return None
        except psycopg.Error as e:
            # a deadlock, a right that is missing, a table that is gone
            self._pause(task, f"{e.diag.message_primary or e}" + (f" ({e.diag.message_hint})" if e.diag.message_hint else ""))
            return None
        if result is None:
            return None
        if result.claimed or not retry:
            task.pauses = 0
        for error in dict.fromkeys(result.errors):
            log.warning("%s: %s", task.name, error)
        if result.claimed:
            metrics.count(task.name, result, time.monotonic() - began)
            self.report(task, result)
        if not retry and time.monotonic() - task.counted > 15:
            task.counted = time.monotonic()
            metrics.WAITING.labels(task.name).set(waiting(conn, task.embedder.known))
        return result

    def _pause(self, task, why, retry_after=None, once=False):
        seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(task.pauses, 8)) * random.uniform(0.8, 1.2)
        if retry_after is not None:
            seconds = min(600.0, max(seconds, retry_after))
        task.pauses += 1
        task.not_before = time.monotonic() + seconds
        if self.drain and task.pauses >= DRAIN_PAUSES:
            raise GivenUp(f"{task.name}: {why}")
        log.warning("%s: %s; trying again in %.1f s", task.name, why, seconds)

    def _paused(self):
        return any(t.not_before > time.monotonic() for t in self.tasks.values())

    def _wait(self, conn):
        """Until a trigger tells of changes, a paused task may go on, or poll is over."""
        seconds = self.poll
        for task in self.tasks.values():
            if task.not_before > time.monotonic():
                seconds = min(seconds, task.not_before - time.monotonic())
        if self.drain:
            seconds = min(seconds, 1.0)
        self.idle = True
        try:
            if self.stopping:
                raise Stop
            for _ in conn.notifies(timeout=max(0.05, seconds), stop_after=1):
                pass
        finally:
            self.idle = False

    def _sleep(self, seconds):
        self.idle = True
        try:
            if not self.stopping:
                time.sleep(seconds)
        finally:
            self.idle = False

    def _train(self, conn, v):
        """Build an inverted file again, once there is something to learn
        centroids from, and have BM25 take the average length."""
        try:
            if not conn.execute("UPDATE vectorizer.vectorizers SET trained = true WHERE id = %s AND NOT trained"
                                " RETURNING true", [v.id]).fetchone():
                return
            source = read_source(conn, v.source)
            own = conn.execute("SELECT pg_has_role(current_user, %s, 'MEMBER')", [source.owner]).fetchone()[0]
            if own:
                conn.execute(sql.SQL("SET ROLE {}").format(ident(source.owner)), [])
            try:
                if v.bm25:
                    held = v.chunk_table if v.chunks else source.table
                    conn.execute(sql.SQL("SELECT {}.bm25_refresh({}, {}, 0.1)").format(
                        ident(read_extension(conn)), literal(held.as_string(None).replace("%%", "%")), literal(v.bm25_column)), [])
                if v.index and v.index.startswith("ivf"):
                    log.info("%s: building the index", v.name)
                    conn.execute(sql.SQL("REINDEX INDEX CONCURRENTLY {}").format(
                        ident(source.schema, f"vectorizer_{v.id}_idx")), [])
            finally:
                conn.execute("RESET ROLE")
        except psycopg.OperationalError:
            raise
        except psycopg.Error as e:
            log.warning("%s: now that the table is filled, do REINDEX INDEX vectorizer_%d_idx, and bm25_refresh() if it has BM25: %s",
                        v.name, v.id, e.diag.message_primary)


def waiting(conn, v):
    """Rows in the queue."""
    if v is None:
        return 0
    try:
        return conn.execute(registry.count_waiting(conn, v), []).fetchone()[0]
    except psycopg.errors.UndefinedTable:
        return 0
