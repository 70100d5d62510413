"""Stage: the ten nearest among the rows that meet a condition.

Two integer columns of 10,000 values, and conditions that 50, 10, 1, .1 and .01 %
of the rows meet: u is random; c is how far a row is from one that was picked,
so that the rows that meet `c < ...` lie together, far from most queries.

The contestants: the index with the columns in it (where the access method takes
them), alone and beside btree indexes on both columns; the index alone with an
iterative scan; and the exact plan: the same table with the btrees and without a
vector index.  The planner has its defaults, so it may leave a vector index
aside; the plan is recorded, and "forced" is the same without that choice
(enable_seqscan = off).
"""

import common
import measure
import numpy as np
from contestants import CORES
from measure import say
from sets import Truth

SHARES = (.5, .1, .01, .001, .0001)
EFS = (40, 100, 200)
VALUES = 10000
FORCED = "SET enable_seqscan = off"
BTREES = ("CREATE INDEX IF NOT EXISTS {table}_u ON {table} (u)", "CREATE INDEX IF NOT EXISTS {table}_c ON {table} (c)")
RELAXED = "SET hnsw.iterative_scan = relaxed_order"
# (contestant, columns of the index after the vector, or None for no such index,
# {name: statements of its session})
WAYS = [
    ("ours hnsw", ", u, c", {"ours hnsw, filter columns": (), "ours hnsw, filter columns, forced": (FORCED,),
                             "ours hnsw, filter columns and btrees": BTREES}),
    ("ours hnsw", "", {"ours hnsw, iterative": (), "ours hnsw, iterative, forced": (FORCED,)}),
    ("ours hnsw", None, {"ours exact plan": ()}),
    ("pgvector hnsw", "", {"pgvector hnsw, iterative": (RELAXED,), "pgvector hnsw, iterative, forced": (RELAXED, FORCED)}),
    ("pgvector hnsw", None, {"pgvector exact plan": ()}),
]


def run(env):
    rows, queries = env.dataset()
    path = env.stored(rows)
    rng = np.random.default_rng(5)
    pivot = rows[rng.integers(len(rows))]
    columns = dict(u=rng.permutation(len(rows)) * VALUES // len(rows),
                   c=np.argsort(np.argsort(((rows - pivot) ** 2).sum(1))) * VALUES // len(rows))
    truths = {("all", 1): Truth(rows, queries)}
    for column, values in columns.items():
        for share in SHARES:
            truths[column, share] = Truth(rows, queries, values < share * VALUES)

    result = {}
    for name, more, ways_ in ways(env):
        def setup(c, more=more):
            c.load(path, len(rows))
            add_columns(c, columns)
            if more is None:
                for command in BTREES:
                    c.conn.execute(command.format(table=c.table))
            else:
                c.ddl = c.using().replace("vector_l2_ops", "vector_l2_ops" + more)
                builds[c.name] = c.build(CORES)
            c.prepare(queries, check=False)

        builds = {}
        running, lost = measure.gather([name], env.peers, setup)
        for way, session in ways_.items():
            if lost:
                result[way] = dict(not_run=lost[name])
                continue
            c = running[name]
            result[way] = dict(home=c.home, version=c.version(), build=builds.get(name), cells=[])
            try:
                for command in ("RESET ALL", "SET jit = off", "SET max_parallel_workers_per_gather = 0", *session):
                    c.sql(command.format(table=c.table))
                    c.conn.execute(command.format(table=c.table))
                for (column, share), truth in truths.items():
                    for ef in EFS if more is not None else (None,):
                        result[way]["cells"].append(cell(c, column, share, ef, truth, env.effort))
                say(f"{way}: {len(result[way]['cells'])} cells")
            except Exception as error:
                result[way]["not_run"] = measure.reason(error)
                say(f"{way}: not run: {result[way]['not_run']}")
        for c in running.values():
            measure.close(c)
    return dict(dataset=env.dataset_name, rows=len(rows), dims=rows.shape[1], contestants=result)


def ways(env):
    return [w for w in WAYS if w[0] in env.names] + [
        (peer, "", {f"{peer}, as it is": (), f"{peer}, forced": (FORCED,)}) for peer in env.peers if peer in env.names]


def add_columns(c, columns):
    c.conn.execute("CREATE TEMP TABLE attributes (id integer, u integer, c integer)")
    with c.conn.cursor() as cursor, cursor.copy("COPY attributes FROM STDIN") as copy:
        for i, (u, v) in enumerate(zip(columns["u"], columns["c"])):
            copy.write_row((i, int(u), int(v)))
    c.conn.execute(f"ALTER TABLE {c.table} ADD u integer, ADD c integer")
    c.conn.execute(f"UPDATE {c.table} t SET u = a.u, c = a.c FROM attributes a WHERE a.id = t.id")
    c.conn.execute("DROP TABLE attributes")
    c.conn.execute(f"VACUUM (FULL) {c.table}")
    c.conn.execute(f"VACUUM (FREEZE, ANALYZE) {c.table}")


def cell(c, column, share, ef, truth, effort):
    where = "" if column == "all" else f"WHERE {column} < {round(share * VALUES)}"
    if ef:
        c.sql(f"SET hnsw.ef_search = {ef}")
        c.conn.execute(f"SET hnsw.ef_search = {ef}")
    statement = c.select(10, where)
    for driver in c.drivers.values():
        driver.prepare(statement)
    many = len(truth.queries)
    probe = c.run(0, min(10, many), 1)
    count = int(min(many, max(20, effort.look * 1e9 / (probe.whole / min(10, many)))))
    run = c.run(0, count, 1)
    cpu_ms = run.cpu / count / 1e6
    returned = (run.ids >= 0).sum(1)
    full = float((returned >= truth.many[:count]).mean())
    uses = "index" if c.index in c.plan(statement, truth.queries[0]) else "exact"
    return dict(column=column, share=share, ef=ef, recall=truth.recall(list(run.ids)), full=full, plan=uses,
                asked=count, cpu_ms=None if cpu_ms != cpu_ms else cpu_ms, **measure.percentiles([run.each]))
