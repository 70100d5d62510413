"""Runs the steps of a case on a server, and compares."""

import io
import json

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE as IDLE

from case import SETUP, Crash, Query, Rows
from compare import Failure, Plan, compare
from server import NotStarted

# What must never come of a legal statement: internal errors, damage, lost connections.
WRONG = ("XX", "57P", "58")
SESSION = ("SET search_path = g, public", "SET client_min_messages = error", "SET statement_timeout = '120s'",
           "SET lock_timeout = '20s'")
TRUTH = {"enable_indexscan": "off", "enable_bitmapscan": "off", "enable_indexonlyscan": "off",
         "vector.enable_exact_scan": "off", "max_parallel_workers_per_gather": "0", "jit": "off"}


class Run:
    """One case on a server. strict: any error of a statement is a failure; else, while
    a case shrinks, only what would be wrong in any statement."""

    def __init__(self, server, case, statistics, strict=True):
        self.server = server
        self.case = case
        self.statistics = statistics
        self.strict = strict
        self.sessions = {}

    def cursor(self, session):
        if session not in self.sessions:
            conn = self.server.connect("generate")
            cur = conn.cursor()
            for statement in SESSION:
                cur.execute(statement)
            self.sessions[session] = cur
        return self.sessions[session]

    def close(self):
        for cur in self.sessions.values():
            cur.connection.close()
        self.sessions = {}

    def run(self):
        """Raises Failure; its place is the step that it came from."""
        place = -1
        try:
            self.prepare()
            for place, step in enumerate(self.case.steps):
                self.step(step)
                self.check_log()
        except Failure as failure:
            failure.place = place
            raise
        finally:
            self.close()

    def check_log(self):
        if self.server.process is None or not self.server.alive():
            raise Failure("crash", self.server.tail(5))

    def prepare(self):
        cur = self.cursor("a")
        cur.execute("SELECT gid FROM pg_prepared_xacts")
        for gid, in cur.fetchall():
            cur.execute("ROLLBACK PREPARED %s", (gid,))
        for statement in SETUP:
            cur.execute(statement)

    def step(self, step):
        if isinstance(step, Crash):
            self.flush_unlogged()
            self.close()
            try:
                self.server.crash()
            except NotStarted as error:
                raise Failure("recovery", str(error)) from None
            self.count(step.kind)
        elif isinstance(step, Query):
            self.query(step)
        else:
            self.statements(step)

    def flush_unlogged(self):
        """WAL to disk, where there is an unlogged table. Without, PostgreSQL does not start again after an index
        of it was made in a transaction that was rolled back: its init fork comes back, and its main fork has
        not gone (RELIABILITY.md)."""
        cur = self.cursor("a")
        cur.execute("ROLLBACK")
        cur.execute("SET synchronous_commit = on")
        cur.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'")
        if cur.fetchone()[0] > 0:
            cur.execute("SELECT pg_logical_emit_message(true, 'flushed', '')")

    def count(self, kind):
        self.statistics.history[kind] += 1

    def statements(self, step):
        try:
            self._statements(step)
        finally:
            if step.kind == "timeout":
                self.lift_timeout(self.cursor(step.session))

    def _statements(self, step):
        cur = self.cursor(step.session)
        for statement in step.statements:
            try:
                self.execute(cur, statement)
            except psycopg2.Error as error:
                self.error(error, statement, step.allowed)
                if cur.connection.closed or cur.connection.info.transaction_status:
                    cur.execute("ROLLBACK")
                return
        self.count(step.kind)

    def lift_timeout(self, cur):
        """After a step that has set one of its own, which may end this statement, too."""
        while not cur.connection.closed:
            try:
                cur.execute("SET statement_timeout = '120s'")
                break
            except psycopg2.errors.QueryCanceled:
                pass

    def execute(self, cur, statement):
        if not isinstance(statement, Rows):
            cur.execute(self.case.render(statement))
        elif statement.rows:
            head = f"{statement.table} ({', '.join(statement.columns)})"
            if statement.copy:
                cur.copy_expert(f"COPY {head} FROM stdin", io.StringIO(self.case.copy_text(statement)))
            else:
                cur.execute(f"INSERT INTO {head} VALUES {self.case.values_text(statement)}{statement.tail}")

    def error(self, error, statement, allowed=()):
        state = error.pgcode
        if state is None or state.startswith(WRONG):
            # of a server that is about to end, the connection is lost first
            if state is None and not self.server.ends(20):
                raise Failure("connection", f"{error} from {str(statement)[:300]}")
            raise Failure("crash" if state is None else f"error {state}", f"{error} from {str(statement)[:300]}\n{self.server.tail(8)}")
        self.statistics.errors[state] += 1
        if self.strict and state not in allowed:
            raise Failure(f"error {state}", f"{str(error).strip()} from {str(statement)[:300]}")

    # -- queries --------------------------------------------------------------

    def query(self, query):
        cur = self.cursor(query.session)
        try:
            cur.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if query.session == "a" else "SAVEPOINT query")
            cur.execute("SAVEPOINT truth")
            for name, value in TRUTH.items():
                cur.execute(f"SET LOCAL {name} = {value}")
            if "vector.simd" in query.settings:
                cur.execute("SET LOCAL vector.simd = %s", (query.settings["vector.simd"],))
            cur.execute(self.case.render(query.truth))
            truth = cur.fetchall()
            cur.execute("ROLLBACK TO truth")
            plan, result = self.answer(cur, query)
        except psycopg2.Error as error:
            if not cur.connection.closed:
                lost = cur.connection.info.transaction_status == IDLE
                cur.execute("ROLLBACK" if query.session == "a" or lost else "ROLLBACK TO query")
            # An old snapshot cannot change what has been changed since.
            self.error(error, query.statements[-1], (*query.allowed, *(("40001",) if query.session == "b" else ())))
            return
        cur.execute("ROLLBACK" if query.session == "a" else "ROLLBACK TO query")
        cur.execute("DEALLOCATE ALL")
        self.statistics.query(query, plan)
        compare(query, plan, truth, result, self.statistics)

    def answer(self, cur, query):
        """The plan and the rows of a query."""
        for name, value in query.settings.items():
            cur.execute(f"SET LOCAL {name} = '{value}'")
        result, plan = [], None
        first = len(query.statements) - query.collect
        for i, statement in enumerate(query.statements):
            text = self.case.render(statement)
            if statement == query.explain:
                cur.execute(f"SELECT c.relname, a.amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.relkind = 'i' "
                            "AND c.relnamespace IN (pg_my_temp_schema(), 'g'::regnamespace)")
                methods = dict(cur.fetchall())
                cur.execute("EXPLAIN (FORMAT JSON, COSTS OFF) " + text)
                tree = cur.fetchone()[0]
                tree = json.loads(tree) if isinstance(tree, str) else tree
                plan = Plan(tree[0]["Plan"], methods)
            cur.execute(text)
            if i >= first:
                result += cur.fetchall()
        return plan, result
