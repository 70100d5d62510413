"""Recall must not depend on how an index came to be, nor on what runs a search.

For each access method and operator a table of rows is brought to its state in
several ways, and recall there is compared with that of an index built afresh on
the same rows: not lower by more than .01, or .06 in lists, which know the rows
that they were made for better than later ones. One comparison says little where recall
depends on the order of the rows by chance; one outside of these bounds is made again in
other orders, and their mean loss decides. Then the same index must give the very
same rows after a restart, on a standby, and, where only the instruction set
differs, nearly the same.
"""

import random
import statistics
import time

import schema
import values
from server import Server

QUERIES = 150
NEAREST = 10
LOWER = 0.01
LOWER_IN_LISTS = 0.06
# Comparisons that are made again, and how many standard errors their mean may be off:
# Student's t of 7 degrees of freedom, one side, of 95 in 100.
AGAIN = 8
ERRORS = 1.895
WAYS = (
    ("vector", "flat", "<->"), ("halfvec", "flat", "<=>"), ("vector", "flat", "<#>"),
    ("vector", "hnsw", "<->"), ("vector", "ivfflat", "<->"), ("vector", "ivfrabitq", "<=>"), ("vector", "ivfpq", "<#>"),
    ("sparsevec", "sparse_inverted", "<#>"), ("halfvec", "hnsw", "<=>"), ("halfvec", "ivfrabitq", "<->"),
    ("vector", "hnsw", "<#>"), ("bit", "hnsw", "<%>"), ("sparsevec", "hnsw", "<=>"), ("vector", "hnsw", "<+>"),
    ("bit", "ivfflat", "<~>"), ("halfvec", "ivfpq", "<=>"), ("sparsevec", "sparse_inverted", "<=>"),
    ("vector", "ivfrabitq", "<#>"), ("halfvec", "ivfflat", "<+>"), ("bit", "hnsw", "<~>"), ("sparsevec", "hnsw", "<#>"),
)
EXACT = ("flat", "sparse_inverted")      # nothing may be missing, whatever has happened
KINDS = ("uniform", "clusters", "curve", "few_dims")


class Recall:
    def __init__(self, server, seed, args):
        self.server = server
        self.args = args
        self.rng = random.Random(f"recall {seed}")
        self.failed = []
        self.compared = 0

    def execute(self, *statements):
        for statement in statements:
            self.cur.execute(statement)

    def connect(self, server=None):
        self.cur = (server or self.server).connect("generate").cursor()
        self.execute("SET search_path = g, public", "SET client_min_messages = error", "SET jit = off")

    def insert(self, first, last, table="t"):
        """Rows first up to last, of the reservoir that every way takes them from."""
        self.execute(f"INSERT INTO {table} SELECT id, v FROM reservoir WHERE id >= {first} AND id < {last} ORDER BY id")

    # -- ways to come to the rows ---------------------------------------------

    def ways(self, n):
        """What leads to a table, its index included; the rows may differ from way to way."""
        index = self.index
        half = n // 2

        def built_then_inserted():
            self.insert(0, half)
            self.execute(index)
            self.insert(half, n)

        def inserted():
            self.execute(index)
            self.insert(0, n)

        def deleted():
            self.insert(0, n)
            self.execute(index, "DELETE FROM t WHERE id % 2 = 0", "VACUUM t")

        def replaced():
            self.insert(0, n)
            self.execute(index, "DELETE FROM t WHERE id % 2 = 0", "VACUUM t")
            self.insert(n, n + half)

        def updated():
            self.insert(0, n)
            self.execute(index, "UPDATE t SET v = v", "VACUUM t")

        def churned():
            self.insert(0, n)
            self.execute(index)
            for i in range(5):
                self.execute(f"DELETE FROM t WHERE id % 5 = {i} AND id < {n}", "VACUUM t")
                self.insert(n + i * n // 5, n + (i + 1) * n // 5)

        def nearly_all_deleted():
            self.insert(0, n)
            self.execute(index, "DELETE FROM t WHERE id % 50 <> 0", "VACUUM t")
            self.insert(n, 2 * n)

        def sorted_rows():
            self.execute("INSERT INTO t SELECT id, v FROM reservoir WHERE id < %d ORDER BY v" % n, index)

        def workers():
            self.insert(0, n)
            self.execute("SET max_parallel_maintenance_workers = 4", "SET min_parallel_table_scan_size = 0", index,
                         "RESET max_parallel_maintenance_workers")

        def little_memory():
            self.insert(0, n)
            self.execute("SET maintenance_work_mem = '4MB'", index, "RESET maintenance_work_mem")

        return [built_then_inserted, inserted, deleted, replaced, updated, churned, nearly_all_deleted, sorted_rows, workers,
                little_memory]

    # -- measuring ------------------------------------------------------------

    def truth(self):
        """The distance of the last of the nearest, for each query; ties count."""
        self.execute("SET enable_indexscan = off", "SET vector.enable_exact_scan = off")
        found = []
        for query in self.queries:
            self.execute(f"SELECT max(d) FROM (SELECT (v {self.operator} {query}) + 0 AS d FROM t ORDER BY 1 LIMIT {NEAREST}) x")
            last = self.cur.fetchone()[0]
            found.append(last if last == last else float("inf"))
        self.execute("RESET enable_indexscan", "RESET vector.enable_exact_scan")
        return found

    def search(self):
        self.execute("SET enable_seqscan = off", "SET vector.enable_exact_scan = off", "SET enable_sort = off")
        found = []
        for query in self.queries:
            self.execute(f"SELECT id, v {self.operator} {query} FROM t ORDER BY v {self.operator} {query} LIMIT {NEAREST}")
            # NaN is not equal to itself.
            found.append([(number, d if d == d else float("inf")) for number, d in self.cur.fetchall()])
        self.execute("RESET enable_seqscan", "RESET vector.enable_exact_scan", "RESET enable_sort")
        return found

    def share(self, found, truth):
        # Other instructions give other last digits.
        good = sum(d <= last + (abs(last) * 1e-5 + 1e-6 if last < float("inf") else 0) for rows, last in zip(found, truth) if last is not None for _, d in rows)
        return good / max(1, sum(min(NEAREST, self.rows) for last in truth if last is not None))

    def complain(self, text):
        self.failed.append(text)
        print(f"failed: {text}", flush=True)

    # -- one access method ----------------------------------------------------

    def one(self, type_name, am, operator):
        rng = self.rng
        kind = rng.choice(KINDS)
        dims = {"bit": 64, "sparsevec": 500}.get(type_name, rng.choice((8, 24, 48)))
        n = rng.choice((1500, 3000))
        self.operator = operator
        source = values.Source(rng, type_name, kind, dims)
        target = schema.Target("v", type_name, operator, am)
        options = rng.choice(("", " WITH (rerank = index)")) if am in ("ivfpq", "ivfrabitq") else ""
        self.index = f"CREATE INDEX i ON t USING {am} (v {target.opclass}){options}"
        vecs = [source.value() for _ in range(2 * n)]
        self.queries = [f"'{v.text(dims)}'::{type_name}({dims})" for v in (source.value() for _ in range(QUERIES)) if v is not None]
        self.connect()
        self.execute("DROP SCHEMA IF EXISTS g CASCADE", "CREATE SCHEMA g", f"CREATE TABLE reservoir (id int8, v {type_name}({dims}))")
        for i in range(0, 2 * n, 500):
            rows = ", ".join(f"({i + j}, " + ("NULL" if v is None else f"'{v.text(dims)}'") + ")" for j, v in enumerate(vecs[i:i + 500]))
            self.execute("INSERT INTO reservoir VALUES " + rows)
        if am == "ivfflat":
            self.execute("SET ivf.target_recall = 0.95")
        name = f"{am}/{type_name}/{operator} {kind} {n}x{dims}{options}"
        for way in rng.sample(self.ways(n), 4):
            self.way(name, way)
        self.elsewhere(name)

    def compare(self, way):
        """Recall of an index that has come to its rows by a way, and of a fresh one on them."""
        self.execute("DROP TABLE IF EXISTS t", "CREATE TABLE t AS SELECT * FROM reservoir LIMIT 0")
        way()
        self.execute("ANALYZE t", "SELECT count(v) FROM t")
        self.rows = self.cur.fetchone()[0]
        truth = self.truth()
        then = self.share(self.search(), truth)
        self.execute("DROP INDEX i", self.index)
        self.compared += 1
        return then, self.share(self.search(), truth)

    def losses(self, way):
        """What the same way loses where the reservoir's rows come in other orders."""
        lost = []
        self.execute("ALTER TABLE reservoir RENAME TO original")
        for i in range(AGAIN):
            self.execute("CREATE TABLE reservoir AS SELECT row_number() OVER (ORDER BY hashint8extended(id, %d)) - 1 AS id, v FROM original" % i)
            then, fresh = self.compare(way)
            lost.append(fresh - then)
            self.execute("DROP TABLE reservoir")
        self.execute("ALTER TABLE original RENAME TO reservoir")
        return lost

    def way(self, name, way):
        then, fresh = self.compare(way)
        print(f"{name}, {way.__name__}: {then:.4f}, fresh {fresh:.4f}", flush=True)
        # Lists that were made for other rows: see "Drift" in docs/reference.md.
        lower = LOWER_IN_LISTS if name.startswith("ivf") else LOWER
        if name.startswith(EXACT) and (then < 1 or fresh < 1):
            self.complain(f"{name}, {way.__name__}: recall {then:.4f}, of a fresh index {fresh:.4f}, where it is to be exact")
        elif then < fresh - lower:
            lost = self.losses(way)
            mean, error = statistics.mean(lost), statistics.stdev(lost) / AGAIN ** 0.5
            print(f"  in other orders it loses {mean:.4f}, standard error {error:.4f}: " + " ".join(f"{x:.4f}" for x in lost), flush=True)
            if mean - ERRORS * error > lower:
                self.complain(f"{name}, {way.__name__}: recall {then:.4f}, of a fresh index {fresh:.4f}; in {AGAIN} other orders it loses {mean:.4f}")

    def elsewhere(self, name):
        """The same index, by other instructions and after a restart."""
        truth, first = self.truth(), self.search()
        best = self.share(first, truth)
        for simd in self.args.simd:
            self.execute(f"SET vector.simd = {simd}")
            other = self.share(self.search(), truth)
            if abs(other - best) > LOWER or (name.startswith(EXACT) and other < 1):
                self.complain(f"{name}: recall {other:.4f} with {simd}, else {best:.4f}")
        self.execute("CHECKPOINT")
        self.cur.connection.close()
        self.server.crash()
        self.connect()
        if name.startswith("ivfflat"):
            self.execute("SET ivf.target_recall = 0.95")
        again = self.search()
        self.compared += 1
        if again != first:
            differ = next(i for i in range(len(first)) if first[i] != again[i])
            self.complain(f"{name}: another answer after a restart, query {differ}: {again[differ]} instead of {first[differ]}")
        self.standby(name, first)

    def standby(self, name, first):
        """A base backup, begun as a standby, answers as the primary does."""
        other = Server(self.args.bin, self.args.user, self.args.tmp, port=5433)
        try:
            other.copy_of(self.server)
            other.start()
            self.execute("SELECT pg_current_wal_lsn()")
            lsn = self.cur.fetchone()[0]
            primary = self.cur
            self.connect(other)
            while True:
                self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'")
                if self.cur.fetchone()[0]:
                    break
                time.sleep(0.05)
            if name.startswith("ivfflat"):
                self.execute("SET ivf.target_recall = 0.95")
            there = self.search()
            self.compared += 1
            if there != first:
                differ = next(i for i in range(len(first)) if first[i] != there[i])
                self.complain(f"{name}: another answer on a standby, query {differ}: {there[differ]} instead of {first[differ]}")
            self.cur.connection.close()
            self.cur = primary
        finally:
            other.remove()

    def run(self, seconds):
        end = time.monotonic() + seconds
        while True:
            # others come first with another seed
            for way in self.rng.sample(WAYS, len(WAYS)):
                self.one(*way)
                if time.monotonic() > end:
                    return self.failed
