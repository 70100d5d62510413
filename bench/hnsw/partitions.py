#!/usr/bin/env python3
"""A search over partitions against one over a table of all rows, by turns.

    SELECT id FROM t ORDER BY v <-> $1 LIMIT 10

prepared, with a binary parameter, timed at the client.  The tables have the same rows, and an
index of the same method: `one` has no partitions, `hash` has 16 by the hash of the id, `cluster`
has 16 by k-means clusters, so that a query's nearest are mostly in one of them.  For each
setting: recall, CPU time of the server process, and the times of `one` that it takes, at the
same setting and at the same recall (interpolated between two settings of `one`, linearly in
recall and in the logarithm of time).
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "data"))
import common
import numpy as np
import sets
from graph import at_recall

TABLES = ("one", "hash", "cluster")
KNOBS = {"hnsw": "hnsw.ef_search", "ivfflat": "ivfflat.probes", "ivfpq": "ivfpq.probes",
         "ivfrabitq": "ivfrabitq.probes"}


def clusters(rows, count, seed=1):
    """The cluster of each row: k-means, ten steps on a sample."""
    rng = np.random.default_rng(seed)
    sample = rows[rng.choice(len(rows), min(len(rows), 10000), replace=False)]
    centres = sample[:count].copy()
    for _ in range(10):
        of = nearest_centre(sample, centres)
        for c in range(count):
            if (of == c).any():
                centres[c] = sample[of == c].mean(axis=0)
    return nearest_centre(rows, centres)


def nearest_centre(rows, centres):
    return np.concatenate([(-2 * part @ centres.T + (centres ** 2).sum(axis=1)).argmin(axis=1)
                           for part in np.array_split(rows, 1 + len(rows) // 10000)])


def build(conn, rows, partitions, method):
    dims = rows.shape[1]
    for table in TABLES:
        conn.execute(f"DROP TABLE IF EXISTS p_{table}")
    conn.execute(f"CREATE UNLOGGED TABLE p_one (id integer, v vector({dims}) NOT NULL, c integer)"
                 " WITH (autovacuum_enabled = off)")
    common.copy_in(conn, "p_one", rows, "vector")
    conn.execute("CREATE TEMP TABLE cluster_of (id integer, c integer)")
    with conn.cursor() as cur, cur.copy("COPY cluster_of FROM STDIN") as copy:
        for row in enumerate(clusters(rows, partitions)):
            copy.write_row([int(x) for x in row])
    conn.execute("ANALYZE cluster_of")
    for table, by in ("hash", "HASH (id)"), ("cluster", "LIST (c)"):
        conn.execute(f"CREATE TABLE p_{table} (id integer, v vector({dims}) NOT NULL, c integer) PARTITION BY {by}")
        for i in range(partitions):
            values = f"WITH (MODULUS {partitions}, REMAINDER {i})" if table == "hash" else f"IN ({i})"
            conn.execute(f"CREATE UNLOGGED TABLE p_{table}_{i} PARTITION OF p_{table} FOR VALUES {values}"
                         " WITH (autovacuum_enabled = off)")
        conn.execute(f"INSERT INTO p_{table} SELECT id, v, cluster_of.c FROM p_one JOIN cluster_of USING (id)")
    for table in TABLES:
        conn.execute(f"CREATE INDEX ON p_{table} USING {method} (v vector_l2_ops)")
        conn.execute(f"VACUUM ANALYZE p_{table}")
    conn.execute("DROP TABLE cluster_of")


def main():
    arg = argparse.ArgumentParser(description="partitions against one table")
    common.data_argument(arg)
    arg.add_argument("--set", default="fashion")
    arg.add_argument("--rows", type=int)
    arg.add_argument("--queries", type=int, default=200)
    arg.add_argument("--rounds", type=int, default=5)
    arg.add_argument("--partitions", type=int, default=16)
    arg.add_argument("--limit", type=int, default=10)
    arg.add_argument("--method", default="hnsw")
    arg.add_argument("--settings", default="10,20,40,80,160", help="of hnsw.ef_search, or of probes")
    arg.add_argument("--keep", action="store_true", help="take the tables of the last run")
    arg.add_argument("--set-also", action="append", default=[], metavar="NAME=VALUE")
    arg.add_argument("--cpu", type=int, default=1 % (common.os.cpu_count() or 1))
    arg = arg.parse_args()

    conn = common.connect(max_parallel_workers_per_gather=0, max_parallel_maintenance_workers=0,
                          maintenance_work_mem="1GB", **dict(s.split("=") for s in arg.set_also))
    rows, queries = sets.dataset(arg.set, arg.data, arg.rows, arg.queries)
    if not arg.keep:
        build(conn, rows, arg.partitions, arg.method)
    common.describe(conn)
    params = [common.vector_binary(q) for q in queries]
    right = []
    norms = (rows.astype(np.float64) ** 2).sum(axis=1)
    for q in queries:
        distances = norms - 2 * (rows @ q).astype(np.float64)
        right.append(set(np.argpartition(distances, arg.limit)[:arg.limit].tolist()))

    def run_all(statement):
        for p in params:
            statement.run(p)

    pid = conn.info.backend_pid
    common.pin(arg.cpu, pid)
    figures, recalls = {}, {}
    for value in arg.settings.split(","):
        conn.execute("SELECT set_config(%s, %s, false)", (KNOBS[arg.method], value))
        statements = {table: common.Prepared(conn, f"{table}_{value}", f"SELECT id FROM p_{table} ORDER BY v <-> $1"
                                             f" LIMIT {arg.limit}", "vector") for table in TABLES}
        for table, statement in statements.items():
            found = sum(len(right[i] & set(statement.int4s(p))) for i, p in enumerate(params))
            recalls[table, value] = found / arg.limit / len(params)
        timed = common.interleaved({table: lambda s=s: common.timed_backend(pid, run_all, s)
                                    for table, s in statements.items()}, arg.rounds)
        for table in TABLES:
            figures[table, value] = timed[table]
    one = {int(v): recalls["one", v] for v in arg.settings.split(",")}
    cost = {v: common.median(figures["one", str(v)])[1] for v in one}
    table_rows = []
    for value in arg.settings.split(","):
        for table in TABLES:
            cpu = common.median(figures[table, value])[1]
            equal, mark = at_recall(recalls[table, value], one, cost)
            same = common.ratio(figures[table, value], figures["one", value])
            table_rows.append((f"{table} {value}", f"{recalls[table, value]:.4f}", f"{cpu / len(params) * 1000:.0f}",
                               f"{same[0]:.2f} ({same[1]:.2f} to {same[2]:.2f})", f"{cpu / equal:.2f}" if equal and not mark else ""))
    common.print_table(["", "recall", "CPU µs", "times one, same setting", "same recall"], table_rows)


if __name__ == "__main__":
    main()
