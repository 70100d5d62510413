"""The contestants, all asked in the same way.

A contestant has: name, family (hnsw, ivf, flat, embedded), home (ours, pgvector,
peer, library, embedded), and
    load(rows)              a path of float32 [n, d] and the number of its rows
    build(processes) -> dict(seconds, cpu_seconds, bytes, peak_bytes[, wal])
    prepare(queries, k)     what run asks for from now on
    points(k), set(point)   settings from fast to thorough
    run(first, count, clients) -> Run
    pin(cpu)                its one-client half; None: any CPU
    close()
An SQL contestant is asked by driver.c, a library in a process of its own.
"""

import collections
import os
import sys

import common
import numpy as np
from driver import Driver
from embedded import EMBEDDED
from libraries import EF_CONSTRUCTION, LIBRARIES, M, PROBES, efs, lists_for
from worker import Lost, Worker

import graph

# whole: ns; each: ns of each statement, or None; cpu: ns on a CPU of whoever asks
# and whoever answers (a library is both).
Run = collections.namedtuple("Run", "whole each ids cpu")
CORES = os.cpu_count() or 1
GRAPH = f"m = {M}, ef_construction = {EF_CONSTRUCTION}"
# name: (method, storage parameters); {lists} as of every inverted file.
OURS = {
    "ours hnsw": ("hnsw", GRAPH),
    "ours hnsw, heap": ("hnsw", GRAPH + ", rerank = heap"),
    "ours ivfrabitq": ("ivfrabitq", "lists = {lists}, rerank = index"),
    "ours ivfrabitq, heap": ("ivfrabitq", "lists = {lists}"),
    "ours ivfpq": ("ivfpq", "lists = {lists}, rerank = index"),
    "ours ivfpq, heap": ("ivfpq", "lists = {lists}"),
    "ours ivfflat": ("ivfflat", "lists = {lists}"),
}
PGVECTOR = {
    "pgvector hnsw": ("hnsw", GRAPH),
    "pgvector ivfflat": ("ivfflat", "lists = {lists}"),
}
EXACT = "ours exact"
EVERYBODY = [*OURS, EXACT, *PGVECTOR, *LIBRARIES, *EMBEDDED]
SESSION = ("SET jit = off", "SET enable_seqscan = off", "SET max_parallel_workers_per_gather = 0")
# How to make each index more thorough.  A peer's: its own, or hnsw's.
KNOBS = {
    "hnsw": (lambda k, rows: efs(k), "SET hnsw.ef_search = {0}"),
    "ivfflat": (lambda k, rows: [(p,) for p in PROBES if p <= lists_for(rows)], "SET ivfflat.probes = {0}"),
    "ivfpq": (lambda k, rows: [(p, max(r, k)) for p in PROBES if p <= lists_for(rows) for r in (30, 100)],
              "SET ivfpq.probes = {0}; SET ivfpq.rerank = {1}"),
    "ivfrabitq": (lambda k, rows: [(p, r and max(r, k)) for p in PROBES if p <= lists_for(rows) for r in (0, 30)],
                  "SET ivfrabitq.probes = {0}; SET ivfrabitq.rerank = {1}"),
}


class Sql(graph.Sql):
    """A table and an index on a server of the dialect."""

    def __init__(self, name, dsn, method, options, home, ddl=None, knob=None):
        super().__init__(name, dsn, options)
        self.method, self.home, self.ddl = method, home, ddl
        self.family = "hnsw" if method == "hnsw" else "ivf"
        self.knobs = (lambda k, rows: [(v,) for v in knob[1]], f"SET {knob[0]} = {{0}}") if knob else KNOBS[method]
        # A server elsewhere can be neither pinned nor measured from outside.
        host = self.conn.info.host or ""
        self.local = host.startswith("/") and os.path.isdir(f"/proc/{self.pid}") and bool(self.parent())
        self.drivers, self.first_pid = {}, self.pid

    def parent(self):
        status = graph.Memory.status(self.pid)
        return status.get("Name", "").strip().startswith("postgres") and status.get("PPid")

    def version(self):
        return "{} on PostgreSQL {}".format(
            common.one(self.conn, "SELECT string_agg(extname || ' ' || extversion, ', ' ORDER BY extname)"
                       " FROM pg_extension WHERE extname IN ('vector', 'vchord', 'vectorscale')"),
            common.one(self.conn, "SHOW server_version").split()[0])

    def load(self, path, rows):
        self.rows = rows
        self.close_drivers()
        super().load(np.load(path, mmap_mode="r")[:rows])

    def using(self):
        if self.ddl:
            return self.ddl.replace("{lists}", str(lists_for(self.rows)))
        return f"{self.method} (v vector_l2_ops) WITH ({self.options.format(lists=lists_for(self.rows))})"

    def build(self, processes, cpu=None):
        if not self.local:
            return self.build_from_afar()
        before = children_seconds(self.parent())
        figures = super().build(processes, cpu)
        # Workers have ended by now, and their parent counts them.
        figures["cpu_seconds"] += children_seconds(self.parent()) - before
        return figures

    def build_from_afar(self):
        self.conn.execute(f"DROP INDEX IF EXISTS {self.index}")
        wall = common.timed(self.conn.execute, f"CREATE INDEX {self.index} ON {self.table} USING {self.using()}")[0]
        return dict(seconds=wall / 1e3, bytes=self.size())

    def select(self, k, where=""):
        return f"SELECT id FROM {self.table} {where} ORDER BY v <-> $1 LIMIT {k}"

    def prepare(self, queries, k=10, statement=None, check=True):
        self.k = k
        statement = statement or self.select(k)
        if check:
            self.check_plan(statement, queries[0])
        for clients in dict.fromkeys((1, CORES)):
            if clients not in self.drivers:
                self.drivers[clients] = Driver(self.dsn, clients)
                for command in SESSION:
                    self.drivers[clients].sql(command)
            self.drivers[clients].load([(common.vector_binary(q),) for q in queries])
            self.drivers[clients].prepare(statement)

    def plan(self, statement, query):
        sql = statement.replace("$1", "%s::vector")
        return "\n".join(r[0] for r in self.conn.execute("EXPLAIN (COSTS off) " + sql, (str(query.tolist()),)))

    def check_plan(self, statement, query):
        plan = self.plan(statement, query)
        if self.index not in plan:
            raise Lost("the plan does not use the index: " + " ".join(plan.split()))

    def points(self, k):
        return self.knobs[0](k, self.rows)

    def set(self, point):
        for command in self.knobs[1].format(*point).split("; "):
            self.sql(command)

    def sql(self, command):
        for driver in self.drivers.values():
            driver.sql(command)

    def run(self, first, count, clients=1):
        driver = self.drivers[clients]
        before = self.on_cpu(driver)
        whole, each, ids = driver.run(first, count, self.k)
        return Run(whole, each, ids, self.on_cpu(driver) - before)

    def on_cpu(self, driver):
        """ns of a driver's main thread and of its backends: right for one client."""
        if not self.local:
            return float("nan")
        return sum(common.on_cpu(pid) * 1e6 for pid in (driver.process.pid, *driver.pids))

    def pin(self, cpu, driver=None):
        """driver: another than the one that searches."""
        driver = driver or self.drivers.get(1)
        if driver:
            cpus = {cpu} if cpu is not None else range(CORES)
            for pid in [driver.process.pid, *(driver.pids if self.local else [])]:
                os.sched_setaffinity(pid, cpus)

    def close_drivers(self):
        for driver in self.drivers.values():
            driver.close()
        self.drivers = {}

    def drop(self):
        self.close_drivers()
        self.conn.execute(f"DROP TABLE IF EXISTS {self.table}")

    def close(self):
        self.drop()
        self.conn.close()


class Exact(Sql):
    """Exact search in SQL: the plan without an index, as the server picks it, on
    a column stored in line, as the README advises for exact search."""

    def __init__(self, name, dsn):
        super().__init__(name, dsn, "hnsw", "", "ours")
        self.family = "flat"
        self.conn.execute("RESET enable_seqscan")

    def load(self, path, rows):
        super().load(path, 0)
        self.conn.execute(f"ALTER TABLE {self.table} ALTER v SET STORAGE PLAIN")
        common.copy_in(self.conn, self.table, np.load(path, mmap_mode="r")[:rows], "vector")
        self.conn.execute(f"VACUUM (FREEZE, ANALYZE) {self.table}")
        self.rows = rows

    def build(self, *_):
        return {}

    def prepare(self, queries, k=10):
        super().prepare(queries, k, check=False)
        self.sql("RESET enable_seqscan")

    def points(self, _):
        return [()]

    def set(self, _):
        pass


class Library:
    """One of LIBRARIES or EMBEDDED."""
    local = True

    def __init__(self, name):
        self.name = name
        self.home = "library" if name in LIBRARIES else "embedded"
        self.family = next((f for f in ("hnsw", "ivf", "flat") if f in name), "hnsw")
        if self.home == "embedded":
            self.family = "embedded"
        self.worker = Worker(name)

    def version(self):
        return self.worker.call("version")

    def load(self, path, rows):
        self.worker.call("load", str(path), rows)

    def build(self, processes, cpu=None, timeout=1800):
        cpus = {cpu} if processes == 1 and cpu is not None else set(range(CORES))
        figures = self.worker.call("build", processes, cpus, timeout=timeout)
        self.worker.call("pin", set(range(CORES)))
        return figures

    def prepare(self, queries, k=10):
        self.k = k
        self.worker.call("queries", np.ascontiguousarray(queries))

    def points(self, k):
        return self.worker.call("points", k)

    def set(self, point):
        self.worker.call("set", point)

    def run(self, first, count, clients=1):
        whole, each, ids, cpu = self.worker.call("run", first, count, self.k, clients)
        return Run(whole, each if each is None else np.array(each), ids, cpu)

    def pin(self, cpu):
        self.worker.call("pin", {cpu} if cpu is not None else set(range(CORES)))

    def close(self):
        self.worker.close()


def children_seconds(pid):
    """CPU seconds of the process's children that have ended."""
    fields = open(f"/proc/{int(pid)}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def server(variable):
    if not os.environ.get(variable):
        raise Lost(f"no server: bench/servers.sh sets {variable}")
    return os.environ[variable]


def make(name, peers):
    """The contestant of that name; Lost says why not.  peers: {name: Peer}."""
    if name in OURS or name in PGVECTOR:
        method, options = {**OURS, **PGVECTOR}[name]
        home = "ours" if name in OURS else "pgvector"
        return Sql(name, server("OURS" if home == "ours" else "PEER"), method, options, home)
    if name == EXACT:
        return Exact(name, server("OURS"))
    if name in peers:
        peer = peers[name]
        return Sql(name, peer["dsn"], "hnsw", GRAPH, "peer", peer["ddl"], peer["knob"])
    if name in LIBRARIES or name in EMBEDDED:
        return Library(name)
    sys.exit(f"no contestant {name}: one of {', '.join([*EVERYBODY, *peers])}")
