"""A build: read, compute, write tables, create the index, check it, clean up.

Each phase leaves its result in the work folder.  Killed anywhere, the next run
with the same arguments goes on with what is there; rows that have changed in
between are inserted by PostgreSQL as usual."""

import dataclasses
import hashlib
import json
import os
import shutil
import time

import numpy as np
import psycopg
from psycopg import sql

from . import compute, database
from .arrays import engine
from .errors import BuildFailed

QUERIES = 100             # rows whose neighbours are looked up at the end
METHODS = ("hnsw", "ivfrabitq", "ivfpq", "ivfflat")
USELESS = ("is built without table", "does not have the", "has the neighbors of few")


@dataclasses.dataclass
class Plan:
    """What to build.  options: storage parameters, as in WITH (...)."""
    table: str
    column: str
    method: str = "hnsw"
    distance: str = "l2"
    key: str = None
    name: str = None
    filters: str = ""
    options: str = ""
    lists: int = 0
    neighbors: int = 32
    exact_rows: int = 3000000
    device: str = "auto"
    device_memory: int = 0
    work_dir: str = None
    keep: bool = False
    concurrently: bool = True
    maintenance_work_mem: str = None
    workers: int = None
    seed: int = 0
    dry_run: bool = False


class Work:
    """The folder with the results of phases."""

    def __init__(self, path, key):
        self.path, self.state = path, {"key": key}
        os.makedirs(path, exist_ok=True)
        try:
            with open(self.file("state.json")) as f:
                found = json.load(f)
            if found.get("key") == key:
                self.state = found
        except (OSError, ValueError):
            pass

    def file(self, name):
        return os.path.join(self.path, name)

    def save(self, **more):
        self.state.update(more)
        with open(self.file("state.new"), "w") as f:
            json.dump(self.state, f)
        os.replace(self.file("state.new"), self.file("state.json"))


class Phases:
    def __init__(self, say, bar):
        self.say, self.make_bar, self.rows = say, bar, []

    def run(self, name, count, work):
        progress = self.make_bar(name, count) if self.make_bar else None
        start = time.monotonic()
        try:
            result = work(progress.update if progress is not None else None)
        finally:
            if progress is not None:
                progress.close()
        self.rows.append((name, time.monotonic() - start, count))
        return result

    def table(self):
        self.say(f"{'phase':24} {'seconds':>9} {'rows/s':>12}")
        for name, seconds, count in self.rows:
            rate = f"{count / seconds:12,.0f}" if count and seconds > 0 else " " * 12
            self.say(f"{name:24} {seconds:9.2f} {rate}")
        self.say(f"{'all':24} {sum(s for _, s, _ in self.rows):9.2f}")


def number_of_lists(plan, rows):
    return plan.lists or max(1, min(32768, int(4 * max(rows, 1) ** .5)))


def index_statement(plan, source, extension, tables):
    columns = [sql.SQL("{} {}").format(sql.Identifier(source.column), sql.Identifier(extension, f"{source.type}_{plan.distance}_ops")),
               *(sql.Identifier(f.strip()) for f in plan.filters.split(",") if f.strip())]
    # a name between quotes of an option: quotes in it are doubled
    options = [plan.options] if plan.options else []
    options += [f"{option} = {sql.Literal(database.quoted(pair)).as_string(None).strip()}" for option, pair in tables]
    return sql.SQL("CREATE INDEX {}{} ON {} USING {} ({}){}").format(
        sql.SQL("CONCURRENTLY " if plan.concurrently else ""), sql.Identifier(index_name(plan, source)), source.name,
        sql.Identifier(plan.method), sql.SQL(", ").join(columns),
        sql.SQL(f" WITH ({', '.join(options)})" if options else ""))


def index_name(plan, source):
    return plan.name or f"{source.table}_{source.column}_{plan.method}"[:63]


def run(conn, plan, say=print, bar=None):
    """Build.  conn: a psycopg connection with autocommit.  bar(name, total) gives
    something with update(n) and close().  Returns the recall of the sample, or
    None for a dry run.  Raises BuildFailed; what was computed stays."""
    row = conn.execute("SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'").fetchone()
    if row is None:
        raise BuildFailed("this database has no extension vector: CREATE EXTENSION vector")
    if plan.method not in METHODS:
        raise BuildFailed(f"--method is one of {', '.join(METHODS)}")
    source = database.Source(conn, plan.table, plan.column, plan.key)
    e = engine(plan.device, plan.device_memory)
    graph = plan.method == "hnsw"
    if graph:
        tables = [("neighbors", source.companion("neighbors"))]
    else:
        tables = [("centroids", source.companion("centroids")), ("assignments", source.companion("assignments"))]
    create = index_statement(plan, source, row[0], [(o, t[1]) for o, t in tables])
    estimate(plan, source, e, say)
    if plan.dry_run:
        say(create.as_string(None) + ";")
        return None
    said = [conn.info.dsn, source.oid, plan.column, plan.method, plan.distance, plan.lists, plan.neighbors, plan.exact_rows, plan.seed]
    work = Work(plan.work_dir or f"vector-gpu-build-{source.table}-{source.column}",
                hashlib.sha256(json.dumps(said).encode()).hexdigest())
    phases = Phases(say, bar)
    keys, rows = read(work, source, phases)
    if len(rows) < 2:
        raise BuildFailed(f"{plan.table} has fewer than two rows with a vector: create the index as usual")
    if graph:
        found = neighbors(plan, work, e, rows, phases)
        phases.run("writing neighbours", len(rows),
                   lambda b: database.write_neighbors(conn, tables[0][1][0], source, keys, found, b))
    else:
        centroids, lists = assignments(plan, work, e, rows, phases)
        phases.run("writing lists", len(rows), lambda b: (
            database.write_centroids(conn, tables[0][1][0], source.type, centroids),
            database.write_lists(conn, tables[1][1][0], source, keys, lists, b)))
    build(conn, plan, source, create, phases, len(rows), say)
    option, (name, _) = tables[-1]
    index = sql.Identifier(source.schema, index_name(plan, source))
    conn.execute(sql.SQL("ALTER INDEX {} RESET ({})").format(index, sql.SQL(option)))
    conn.execute(sql.SQL("DROP TABLE {}").format(name))
    recall = phases.run("checking recall", QUERIES, lambda b: check(conn, plan, source, e, keys, rows))
    if not plan.keep:
        del rows
        shutil.rmtree(work.path)
    phases.table()
    say(f"recall of {QUERIES} rows' ten nearest, with default settings: {recall:.4f}")
    return recall


def estimate(plan, source, e, say):
    """What it will take.  A product is timed for that."""
    n, d = int(source.rows), source.dims
    x = np.random.default_rng(0).standard_normal((1024, d), dtype=np.float32)
    there = e.put(x)
    bias = e.norms2(there)
    e.get(e.best(e.scores(there, there, bias), 33)[0])
    start = time.monotonic()
    for _ in range(4):
        e.get(e.best(e.scores(there, there, bias), 33)[0])
    speed = 4 * 1024 * 1024 * d / max(time.monotonic() - start, 1e-6)
    if plan.method == "hnsw":
        pairs = n * n if n <= plan.exact_rows else n * compute.LIST_ROWS * compute.NEAR_LISTS
        what = f"{plan.neighbors} neighbours of each, " + ("exactly" if n <= plan.exact_rows else "by lists")
    else:
        k = number_of_lists(plan, n)
        pairs = n * k + compute.ITERATIONS * k * min(n, compute.SAMPLE_ROWS * k)
        what = f"{k} lists"
    say(f"{n:,} rows of {d} dimensions, {what}; {e.name}, at most {e.memory / 2**30:.1f} GiB there; "
        f"{n * d * 4 / 2**30:.2f} GiB in the work folder; some {pairs * d / speed:,.0f} s to compute")


def read(work, source, phases):
    """Keys, on the host, and vectors, as a file mapped into memory."""
    names = [work.file(f"key{i}.npy") for i in range(len(source.key))]
    if "rows" not in work.state:
        parts = [[] for _ in source.key]

        def all_rows(bar):
            with open(work.file("vectors.f32"), "wb") as f:
                def add(keys, vectors):
                    for part, values in zip(parts, keys):
                        part.append(values)
                    vectors.tofile(f)
                    if bar:
                        bar(len(vectors))
                source.read(add)

        phases.run("reading vectors", int(source.rows), all_rows)
        for name, part in zip(names, parts):
            np.save(name, np.concatenate(part) if part else np.empty(0, object), allow_pickle=True)
        work.save(rows=os.path.getsize(work.file("vectors.f32")) // (4 * source.dims))
    n = work.state["rows"]
    rows = np.memmap(work.file("vectors.f32"), np.float32, "r", shape=(n, source.dims)) if n else np.empty((0, source.dims), np.float32)
    return [np.load(name, allow_pickle=True) for name in names], rows


def sample_of(rows, count=20000):
    return np.array(rows[::max(1, len(rows) // count)])


def neighbors(plan, work, e, rows, phases):
    n, k = len(rows), min(plan.neighbors, len(rows) - 1)
    mean = sample_of(rows).mean(axis=0) if plan.distance == "ip" else None

    def transform(x):
        return compute.prepared(x, plan.distance, mean)

    bias = compute.Bias(plan.distance, True, transform(sample_of(rows)))
    start = work.state.get("neighbors", 0)
    out = np.lib.format.open_memmap(work.file("neighbors.npy"), "r+" if start else "w+", np.int32, (n, k))
    if start == 0:
        out[:] = -1
    if n <= plan.exact_rows:
        def by_blocks(bar):
            reached = [start]

            def done(count):
                out.flush()
                work.save(neighbors=count)
                if bar:
                    bar(count - reached[0])
                reached[0] = count
            compute.neighbors_by_blocks(e, rows, k, transform, bias, out, start, done)
        if start < n:
            phases.run("nearest neighbours", n, by_blocks)
    elif start < n:
        lists = max(2, n // compute.LIST_ROWS)
        centroids = phases.run("k-means", compute.ITERATIONS, lambda b: compute.kmeans(e, rows, lists, transform, plan.seed, b))
        labels = phases.run("assigning rows", n, lambda b: compute.nearest(e, rows, centroids, transform, b))

        def by_lists(bar):
            reached = [0]

            def done(count):
                if bar:
                    bar(count - reached[0])
                reached[0] = count
            compute.neighbors_by_lists(e, rows, k, transform, bias, out, centroids, labels, done)
            out.flush()
            work.save(neighbors=n)
        phases.run("nearest neighbours", n, by_lists)
    return out


def assignments(plan, work, e, rows, phases):
    """Centroids, in the column's own space (but of norm 1 for cosine), and lists."""
    def transform(x):
        return compute.prepared(x, "cosine" if plan.distance == "cosine" else "l2")

    k = number_of_lists(plan, len(rows))
    if "centroids" not in work.state:
        np.save(work.file("centroids.npy"), phases.run(
            "k-means", compute.ITERATIONS, lambda b: compute.kmeans(e, rows, k, transform, plan.seed, b)))
        work.save(centroids=True)
    centroids = np.load(work.file("centroids.npy"))
    if "lists" not in work.state:
        np.save(work.file("lists.npy"), phases.run(
            "assigning rows", len(rows), lambda b: compute.nearest(e, rows, centroids, transform, b)))
        work.save(lists=True)
    return centroids, np.load(work.file("lists.npy"))


def build(conn, plan, source, create, phases, count, say):
    notices = []

    def hear(message):
        if message.severity_nonlocalized in ("WARNING", "NOTICE"):
            notices.append(f"{message.message_primary}. {message.message_detail or ''}".strip())

    conn.add_notice_handler(hear)
    try:
        if plan.maintenance_work_mem:
            conn.execute("SELECT set_config('maintenance_work_mem', %s, false)", [plan.maintenance_work_mem])
        if plan.workers is not None:
            conn.execute("SELECT set_config('max_parallel_maintenance_workers', %s, false)", [str(plan.workers)])
        index = sql.Identifier(source.schema, index_name(plan, source))
        bad = conn.execute("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index.as_string(None)]).fetchone()
        if bad and bad[0]:
            # of an interrupted run
            conn.execute(sql.SQL("DROP INDEX {}").format(index))
        elif bad:
            raise BuildFailed(f"index {index_name(plan, source)} exists already: --name, or drop it")
        phases.run("creating the index", count, lambda b: conn.execute(create))
    finally:
        conn.remove_notice_handler(hear)
    for notice in notices:
        say(notice)
    if any(u in notice for notice in notices for u in USELESS):
        raise BuildFailed("the index has been built as usual, without what was computed (see above)")


def check(conn, plan, source, e, keys, rows):
    """Of some rows' ten nearest, how many does the index find?  Ties count."""
    n, k = len(rows), min(10, len(rows))
    at = np.random.default_rng(1).choice(n, min(QUERIES, n), replace=False)
    op = database.OPERATORS[plan.distance]
    step = compute.block_rows(e, rows.shape[1])

    def transform(x):
        return compute.prepared(x, plan.distance)

    queries, bias = e.put(transform(rows[at])), compute.Bias("l2", False, None)
    if plan.distance == "ip":
        bias.weight = 0.0
    blocks = ((j, e.put(transform(rows[j:j + step]))) for j in range(0, n, step))
    values, _ = compute._top(e, queries, blocks, bias, k)
    floor = values.min(axis=1)
    hits, total, cast = 0, 0, sql.SQL(source.type)
    order = sql.SQL("SELECT {c} {op} {q}::{t} FROM {n} ORDER BY {c} {op} {q}::{t} LIMIT {k}")
    with conn.transaction():
        conn.execute("SET LOCAL enable_seqscan = off; SET LOCAL vector.enable_exact_scan = off")
        for i, row in enumerate(at):
            vector = "[" + ",".join(repr(float(v)) for v in rows[row]) + "]"
            found = conn.execute(order.format(c=sql.Identifier(source.column), op=sql.SQL(op), q=sql.Literal(vector), t=cast, n=source.name,
                                              k=sql.Literal(k))).fetchall()
            x = np.asarray(transform(rows[row:row + 1]))[0]
            # the score that the k-th nearest has, as the operator's distance
            limit = {"l2": max(0., float(x @ x - floor[i])) ** .5, "cosine": 1 - float(floor[i] + 1) / 2,
                     "ip": -float(floor[i]) / 2}[plan.distance]
            slack = 1e-3 * max(abs(limit), 1e-3)
            hits += sum(d <= limit + slack for d, in found)
            total += k
    return hits / total
