#!/usr/bin/env python3
"""Many queries in one statement, against as many statements and against hnswlib, by turns.

    SELECT count(n.id) FROM unnest($1::vector[]) WITH ORDINALITY q(v, place),
        LATERAL (SELECT id FROM t ORDER BY t.v <-> q.v LIMIT 10) n

1,000 queries by one prepared statement with a binary array, one process; the same by 1,000
executions of a prepared statement; hnswlib's knn_query of the whole batch by one thread.  All
with m 16 and ef_construction 200.  For each setting recall@10 and CPU time a query (of the
server process, or of this thread); at recall .95 and .99 interpolated between two settings,
linearly in recall and in the logarithm of time.  The statement returns ids and places.
"""

import argparse
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "data"))
import common
import hnswlib
import numpy as np
import sets
from graph import at_recall

K = 10


def array_binary(conn, queries):
    """A vector[] as array_recv wants it."""
    oid = common.one(conn, "SELECT 'vector'::regtype::oid")
    items = [common.vector_binary(q) for q in queries]
    return (struct.pack(">iiIii", 1, 0, oid, len(items), 1)
            + b"".join(struct.pack(">i", len(i)) + i for i in items))


def main():
    arg = argparse.ArgumentParser(description="many queries in one statement")
    common.data_argument(arg)
    arg.add_argument("--set", default="fashion")
    arg.add_argument("--rows", type=int)
    arg.add_argument("--queries", type=int, default=1000)
    arg.add_argument("--rounds", type=int, default=5)
    arg.add_argument("--ef", default="2,4,8,12,16,24,40,80")
    arg.add_argument("--hnswlib-ef", default="10,14,20,30,45,70,100")
    arg.add_argument("--cpu", type=int, default=1 % (common.os.cpu_count() or 1))
    arg = arg.parse_args()

    conn = common.connect(max_parallel_workers_per_gather=0, max_parallel_maintenance_workers=0,
                          maintenance_work_mem="1GB")
    rows, queries = sets.dataset(arg.set, arg.data, arg.rows, arg.queries)
    conn.execute("DROP TABLE IF EXISTS batch_items")
    conn.execute(f"CREATE UNLOGGED TABLE batch_items (id integer, v vector({rows.shape[1]}) NOT NULL)"
                 " WITH (autovacuum_enabled = off)")
    common.copy_in(conn, "batch_items", rows, "vector")
    conn.execute("CREATE INDEX ON batch_items USING hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 200)")
    conn.execute("VACUUM ANALYZE batch_items")
    graph = hnswlib.Index("l2", rows.shape[1])
    graph.init_index(len(rows), M=16, ef_construction=200)
    graph.add_items(rows, num_threads=1)
    graph.set_num_threads(1)
    common.describe(conn)

    norms = (rows.astype(np.float64) ** 2).sum(axis=1)
    right = [set(np.argpartition(norms - 2 * (rows @ q).astype(np.float64), K)[:K].tolist()) for q in queries]
    batch, params = array_binary(conn, queries), [common.vector_binary(q) for q in queries]
    pid = conn.info.backend_pid
    common.pin(arg.cpu, pid)
    conn.execute("SET plan_cache_mode = force_generic_plan")
    together = common.Prepared(conn, "together", "SELECT n.id, q.place::int FROM unnest($1) WITH ORDINALITY q(v, place), "
                               f"LATERAL (SELECT id FROM batch_items t ORDER BY t.v <-> q.v LIMIT {K}) n", "vector[]")
    single = common.Prepared(conn, "single", f"SELECT id FROM batch_items ORDER BY v <-> $1 LIMIT {K}", "vector")

    def found_together():
        answer = together.run(batch)
        found = [set() for _ in queries]
        for i in range(answer.ntuples):
            found[struct.unpack(">i", answer.get_value(i, 1))[0] - 1].add(struct.unpack(">i", answer.get_value(i, 0))[0])
        return found

    def recall(found):
        return sum(len(a & b) for a, b in zip(right, found)) / K / len(right)

    def all_single():
        for p in params:
            single.run(p)

    def searched(ef, run):
        conn.execute("SELECT set_config('hnsw.ef_search', %s, false)", (str(ef),))
        return common.timed_backend(pid, run)

    def library(ef):
        graph.set_ef(ef)
        return common.timed_here(graph.knn_query, queries, K)

    points, contestants = {}, {}
    for ef in map(int, arg.ef.split(",")):
        conn.execute("SELECT set_config('hnsw.ef_search', %s, false)", (str(ef),))
        points["one statement", ef] = points["statements", ef] = recall(found_together())
        contestants["one statement", ef] = lambda ef=ef: searched(ef, lambda: together.run(batch))
        contestants["statements", ef] = lambda ef=ef: searched(ef, all_single)
    for ef in map(int, arg.hnswlib_ef.split(",")):
        graph.set_ef(ef)
        points["hnswlib", ef] = recall([set(x.tolist()) for x in graph.knn_query(queries, K)[0]])
        contestants["hnswlib", ef] = lambda ef=ef: library(ef)
    figures = {name: common.median(f)[1] for name, f in common.interleaved(contestants, arg.rounds).items()}
    common.print_table(["", "recall", "CPU µs a query"],
                       [(f"{n} {ef}", f"{points[n, ef]:.4f}", f"{figures[n, ef] / len(queries) * 1000:.0f}") for n, ef in points])
    for goal in .95, .98, .99, .995:
        times = {}
        for name in ("one statement", "statements", "hnswlib"):
            settings = [key for key in points if key[0] == name]
            time, mark = at_recall(goal, {k: points[k] for k in settings}, {k: figures[k] for k in settings})
            times[name] = None if mark else time
        print(f"recall {goal}: " + ", ".join(
            f"{name} {t / len(queries) * 1000:.0f} µs" if t else f"{name} out of reach" for name, t in times.items())
            + (f"; hnswlib / one statement {times['hnswlib'] / times['one statement']:.2f}"
               if times["hnswlib"] and times["one statement"] else ""))


if __name__ == "__main__":
    main()
