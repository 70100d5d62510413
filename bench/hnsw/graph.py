"""What the graph benchmarks share: contestants, sweeps.

A contestant is an index on rows that can be built and asked for the K nearest:
`Sql` on a server (ours, or pgvector), `Hnswlib` and `Faiss` in this process.
All have: name, load(rows), build(processes, cpu) -> figures (CPU time is the
first process's), set_ef(ef), prepare(queries), ask(query's number) -> ids, and
timed(queries' numbers) -> (wall, CPU) ms a query.
"""

import itertools
import os
import pathlib
import sys
import threading

for room in ("", "data"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / room))
import common
from sets import K, Truth, dataset, synthetic
M, EF_CONSTRUCTION = 16, 200
EFS = [10, 12, 16, 20, 24, 32, 40, 60, 80, 120, 200, 320, 500, 800]
CACHE = common.CACHE


# -- contestants -------------------------------------------------------------

class Sql:
    numbers = itertools.count(1)

    def __init__(self, name, dsn, options=""):
        # Without sequential scans neither server plans an exact one instead.
        self.name, self.dsn, self.options = name, dsn, options
        self.conn = common.connect(dsn, max_parallel_workers_per_gather=0, enable_seqscan="off")
        self.conn.prepare_threshold = None		# DROP would deallocate our statements too
        self.pid = self.conn.info.backend_pid
        self.table = f"t_{next(self.numbers)}"
        self.index = self.table + "_v_idx"

    def load(self, rows):
        self.conn.execute("DEALLOCATE ALL")
        self.conn.execute(f"DROP TABLE IF EXISTS {self.table}")
        self.conn.execute(f"CREATE TABLE {self.table} (id integer, v vector({rows.shape[1]}))")
        common.copy_in(self.conn, self.table, rows, "vector")
        self.conn.execute(f"VACUUM (FREEZE, ANALYZE) {self.table}")
        self.statement = None

    def build(self, processes, cpu=None):
        """One process is pinned to cpu."""
        self.conn.execute(f"DROP INDEX IF EXISTS {self.index}")
        self.conn.execute(f"SET max_parallel_maintenance_workers = {processes - 1}")
        self.conn.execute(f"ALTER TABLE {self.table} SET (parallel_workers = {processes - 1})")
        # The checkpoint keeps earlier work's pages out of the timed part.
        self.conn.execute("CHECKPOINT")
        if processes == 1:
            common.pin(cpu, self.pid)
        wal = self.wal()
        with Memory(self.pid) as memory:
            wall, used = common.timed_backend(
                self.pid, self.conn.execute,
                f"CREATE INDEX {self.index} ON {self.table} USING {self.using()}")
        common.pin(None, self.pid)
        self.conn.execute(f"ALTER TABLE {self.table} RESET (parallel_workers)")
        return dict(seconds=wall / 1e3, cpu_seconds=used / 1e3, bytes=self.size(), wal=self.wal() - wal,
                    peak_bytes=memory.peak)

    def using(self):
        with_ = f"m = {M}, ef_construction = {EF_CONSTRUCTION}" + (f", {self.options}" if self.options else "")
        return f"hnsw (v vector_l2_ops) WITH ({with_})"

    def size(self):
        return common.one(self.conn, "SELECT pg_relation_size(%s::regclass)", self.index)

    def wal(self):
        return int(common.one(self.conn, "SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def prepare(self, queries):
        self.params = [common.vector_binary(q) for q in queries]
        search = f"SELECT id FROM {self.table} ORDER BY v <-> $1 LIMIT {K}"
        plan = "\n".join(r[0] for r in self.conn.execute(
            "EXPLAIN (COSTS off) " + search.replace("$1", "%s::vector"), (str(queries[0].tolist()),)))
        if f"Index Scan using {self.index}" not in plan:
            sys.exit(f"{self.name} does not search its index:\n{plan}")
        if self.statement is None:
            self.statement = common.Prepared(self.conn, self.table, search, "vector")

    def set_ef(self, ef):
        self.conn.execute(f"SET hnsw.ef_search = {ef}")

    def ask(self, i):
        return self.statement.int4s(self.params[i])

    def timed(self, numbers):
        params = [self.params[i] for i in numbers]
        wall, cpu = common.timed_backend(self.pid, lambda: [self.statement.run(p) for p in params])
        return wall / len(params), cpu / len(params)


class InProcess:
    """A library's index; CPU time is this thread's, so searches use no other."""
    pid = None

    def load(self, rows):
        self.rows = rows

    def prepare(self, queries):
        self.queries = queries

    def timed(self, numbers):
        wall, cpu = common.timed_here(lambda: [self.search(self.queries[i][None]) for i in numbers])
        return wall / len(numbers), cpu / len(numbers)


class Hnswlib(InProcess):
    name = "hnswlib"

    def build(self, processes, cpu=None):
        import hnswlib
        self.graph = hnswlib.Index("l2", self.rows.shape[1])
        self.graph.init_index(len(self.rows), M=M, ef_construction=EF_CONSTRUCTION)
        common.pin(cpu if processes == 1 else None)
        wall, used = common.timed_here(lambda: self.graph.add_items(self.rows, num_threads=processes))
        common.pin(None)
        return dict(seconds=wall / 1e3, cpu_seconds=used / 1e3, bytes=self.graph.index_file_size())

    def set_ef(self, ef):
        self.graph.set_ef(ef)

    def search(self, query):
        return self.graph.knn_query(query, K, num_threads=1)[0][0]

    def ask(self, i):
        return self.search(self.queries[i][None])


class Faiss(InProcess):
    name = "faiss"

    def build(self, processes, cpu=None):
        import faiss
        faiss.omp_set_num_threads(processes)
        self.graph = faiss.IndexHNSWFlat(self.rows.shape[1], M)
        self.graph.hnsw.efConstruction = EF_CONSTRUCTION
        common.pin(cpu if processes == 1 else None)
        wall, used = common.timed_here(self.graph.add, self.rows)
        common.pin(None)
        faiss.omp_set_num_threads(1)
        return dict(seconds=wall / 1e3, cpu_seconds=used / 1e3, bytes=faiss.serialize_index(self.graph).nbytes)

    def set_ef(self, ef):
        self.graph.hnsw.efSearch = ef

    def search(self, query):
        return self.graph.search(query, K)[1][0]

    def ask(self, i):
        return self.search(self.queries[i][None])


def arguments(parser, default="ours,pgvector,hnswlib"):
    common.data_argument(parser)
    parser.add_argument("--dataset", default="fashion", help="fashion, sentences, bge or synthetic:N:D")
    parser.add_argument("--rows", type=int, help="the first rows of the data set only")
    parser.add_argument("--contestants", default=default, help=f"of ours,pgvector,hnswlib,faiss (default {default})")
    parser.add_argument("--ours", action="append", metavar="OPTIONS",
                        help="options of our index besides m and ef_construction, such as \"quantizer='rabitq8'\";"
                        " may be repeated; default none")
    parser.add_argument("--cpu", type=int, default=1 % (os.cpu_count() or 1))
    parser.add_argument("--json", type=pathlib.Path, help="append the figures to this file")


def contestants(arg):
    """Those the arguments name, on the servers of servers.sh."""
    out = []
    for name in arg.contestants.split(","):
        if name == "ours":
            out += [Sql(f"ours {o}".strip(), server("OURS"), o) for o in arg.ours or [""]]
        elif name == "pgvector":
            out.append(Sql(name, server("PEER")))
        else:
            out.append({"hnswlib": Hnswlib, "faiss": Faiss}[name]())
    return out


def server(name):
    return os.environ.get(name) or sys.exit(f"no {name}: run this by bench/servers.sh")


def describe(arg, all_, rows):
    """Print and return where and on what the figures are taken."""
    about = dict(cpu=common.cpu_name(), cpus=os.cpu_count(), load=common.load(),
                 dataset=arg.dataset, rows=rows.shape[0], dims=rows.shape[1])
    for c in all_:
        if isinstance(c, Sql):
            about[c.name] = "{} on PostgreSQL {}".format(
                common.one(c.conn, "SELECT extversion FROM pg_extension WHERE extname = 'vector'"),
                common.one(c.conn, "SHOW server_version").split()[0])
    print(", ".join(f"{k} {v}" for k, v in about.items()), flush=True)
    return about


def require_cached(all_):
    """Every table and index of a server fits its shared_buffers."""
    for c in all_:
        if isinstance(c, Sql):
            total = common.one(c.conn, "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
                               " AND relname LIKE 't\\_%%'")
            common.require_shared_buffers(c.conn, int(total))


class Memory:
    """Peak memory of a server's processes and their dynamic shared memory over
    what it was on entry, sampled; its shared buffers do not count."""

    def __init__(self, pid):
        self.root = f"/proc/{pid}/root"
        self.parent = self.status(pid)["PPid"]

    @staticmethod
    def status(pid):
        try:
            return dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
        except OSError:
            return {}

    def sample(self):
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            status = self.status(pid)
            if status.get("PPid") == self.parent and "RssAnon" in status:
                total += int(status["RssAnon"].split()[0]) * 1024
        shm = os.statvfs(self.root + "/dev/shm")
        return total + (shm.f_blocks - shm.f_bfree) * shm.f_frsize

    def watch(self):
        while not self.done.wait(.2):
            self.peak = max(self.peak, self.sample() - self.before)

    def __enter__(self):
        self.before, self.peak, self.done = self.sample(), 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


# -- sweeps ------------------------------------------------------------------

def recalls(c, truth, efs=EFS, enough=.998):
    """{ef: recall} up to the first that is enough; also fills the caches."""
    out = {}
    for ef in efs:
        c.set_ef(ef)
        out[ef] = truth.recall([c.ask(i) for i in range(len(truth.queries))])
        if out[ef] >= enough:
            break
    return out


def sweep(all_, recall, cpu, rounds, queries, a_round=200):
    """{name: {ef: [(wall, CPU) ms a query, of each round]}}, interleaved.  A
    round takes the next a_round of the queries, the same for all, after 20
    others that bring the contestant back into the CPU's caches."""
    def ask(c, ef):
        at = iter(range(0, rounds * a_round, a_round))

        def run():
            first = next(at)
            c.set_ef(ef)
            c.timed([i % queries for i in range(first - 20, first)])
            return c.timed([i % queries for i in range(first, first + a_round)])
        return run

    pids = [c.pid for c in all_ if c.pid]
    common.pin(cpu, *pids)
    figures = common.interleaved({(c.name, ef): ask(c, ef) for c in all_ for ef in recall[c.name]}, rounds)
    common.pin(None, *pids)
    out = {}
    for (name, ef), values in figures.items():
        out.setdefault(name, {})[ef] = values
    return out


def at_recall_by_round(target, recall, figures):
    """([(wall, CPU) of each round] at the target recall, mark); figures: {ef:
    [(wall, CPU)]}.  (None, '') if no ef reaches it."""
    rounds = zip(*(figures[ef] for ef in sorted(figures)))
    values = [[at_recall(target, recall, dict(zip(sorted(figures), column))) for column in zip(*round_)]
              for round_ in rounds]
    if values[0][0][0] is None:
        return None, ""
    return [(wall[0], cpu[0]) for wall, cpu in values], values[0][0][1]


def print_builds(builds):
    """builds: {name: {processes: what build returned}}"""
    out = []
    for name, by_processes in builds.items():
        for processes, b in by_processes.items():
            cpu = f"{b['cpu_seconds']:.1f}" if processes == 1 else ""
            mb = [f"{b[key] / 1e6:.0f}" if key in b else "" for key in ("bytes", "wal", "peak_bytes")]
            out.append([name, processes, f"{b['seconds']:.1f}", cpu, *mb])
    common.print_table(["build", "processes", "s", "CPU s", "index MB", "WAL MB", "peak MB"], out)


def at_recall(target, recall, cost):
    """(cost at the target recall, mark): interpolated between the two points
    around it, linearly in recall and log cost; the lowest point and '>=' if that
    is above already; (None, '') if none reaches it.  Both: {ef: value}."""
    efs = sorted(recall)
    for low, high in zip([None, *efs], efs):
        if recall[high] >= target:
            if low is None:
                return cost[high], ">="
            share = (target - recall[low]) / (recall[high] - recall[low])
            return float(cost[low] * (cost[high] / cost[low]) ** share), ""
    return None, ""
