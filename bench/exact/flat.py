#!/usr/bin/env python3
"""The access method flat against faiss.IndexFlatL2: ten nearest, one query at a time,
one thread each, in turns.

    SELECT id FROM t ORDER BY v <-> $1 LIMIT 10

prepared, with a binary parameter, by an index `USING flat (v)`, timed at the client, for
a column in line and one out of line.  Every answer is compared with a sort in double
precision: distances must be the same.  Ratios are of CPU time, which other work on the
machine hardly touches.  Also how long the build takes, in CPU time of one process, and
how many rows a query reads from the table.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "data"))
import common
import faiss
import numpy as np
import sets

K = 10


def build(conn, table, rows, storage):
    """Fill a table, and build its index: rows a second of CPU time, and of the clock."""
    conn.execute(f"DROP TABLE IF EXISTS {table}")
    conn.execute(f"CREATE UNLOGGED TABLE {table} (id integer, v vector({rows.shape[1]}) NOT NULL)"
                 " WITH (autovacuum_enabled = off)")
    conn.execute(f"ALTER TABLE {table} ALTER v SET STORAGE {storage}")
    common.copy_in(conn, table, rows, "vector")
    conn.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    # again: the first one also has the system find memory for buffers
    for _ in range(2):
        conn.execute(f"DROP INDEX IF EXISTS {table}_v")
        wall, cpu = common.timed_backend(conn.info.backend_pid, conn.execute,
                                         f"CREATE INDEX {table}_v ON {table} USING flat (v)")
    return len(rows) / cpu * 1000, len(rows) / wall * 1000


def main():
    arg = argparse.ArgumentParser(description="flat against faiss")
    common.data_argument(arg)
    arg.add_argument("--sets", default="fashion,sentences")
    arg.add_argument("--rows", type=int)
    arg.add_argument("--queries", type=int, default=10, help="queries a round")
    arg.add_argument("--rounds", type=int, default=15)
    arg.add_argument("--storages", default="PLAIN,EXTERNAL")
    arg.add_argument("--cpu", type=int, default=1 % (common.os.cpu_count() or 1))
    arg = arg.parse_args()

    conn = common.connect(max_parallel_workers_per_gather=0, max_parallel_maintenance_workers=0,
                          maintenance_work_mem="1GB")
    faiss.omp_set_num_threads(1)
    for name in arg.sets.split(","):
        rows, queries = sets.dataset(name, arg.data, arg.rows, arg.queries)
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows)
        speeds, statements = {}, {}
        params = [common.vector_binary(q) for q in queries]
        for storage in arg.storages.split(","):
            table = f"flat_{storage.lower()}"
            speeds[storage] = build(conn, table, rows, storage)
            statements[storage] = common.Prepared(
                conn, f"{name}_{table}".replace(":", "_"),
                f"SELECT id FROM {table} ORDER BY v <-> $1 LIMIT {K}", "vector")
            plan = "\n".join(r[0] for r in conn.execute(
                f"EXPLAIN SELECT id FROM {table} ORDER BY v <-> %s::vector LIMIT {K}", (str(queries[0].tolist()),)))
            if f"{table}_v" not in plan:
                sys.exit(f"the index is not used:\n{plan}")
        right, reread = dict.fromkeys(["faiss", *statements], 0), dict.fromkeys(statements, 0)
        for q, p in zip(queries, params):
            distances = np.concatenate([((rows[i:i + 10000].astype(np.float64) - q) ** 2).sum(axis=1)
                                        for i in range(0, len(rows), 10000)])
            best = np.sort(distances)[:K]
            right["faiss"] += np.allclose(np.sort(distances[index.search(q[None], K)[1][0]]), best, rtol=1e-6)
            for storage, statement in statements.items():
                ids = statement.int4s(p)
                right[storage] += len(ids) == K and np.allclose(distances[ids], best, rtol=1e-6)
                reread[storage] += common.one(conn, "SELECT reread FROM vector_last_scan()")

        pid = conn.info.backend_pid
        contestants = {"faiss": lambda: common.median([common.timed_here(index.search, q[None], K) for q in queries])}
        for storage, statement in statements.items():
            contestants[storage] = lambda s=statement: common.median(
                [common.timed_backend(pid, s.run, p) for p in params])
        common.pin(arg.cpu, pid)
        figures = common.interleaved(contestants, arg.rounds)
        common.pin(None, pid)
        print(f"\n{name}: {len(rows)} x {rows.shape[1]}, {len(queries)} queries x {arg.rounds} rounds\n")
        out = []
        for who in contestants:
            wall, cpu = common.median(figures[who])
            # how many times as fast as faiss
            r, low, high = common.ratio(figures["faiss"], figures[who])
            size = rows.nbytes if who == "faiss" else common.one(
                conn, "SELECT pg_relation_size(%s::regclass)", f"flat_{who.lower()}_v")
            out.append([who, f"{wall:.2f}", f"{cpu:.2f}", f"{r:.2f}", f"{low:.2f}-{high:.2f}", f"{size / 1e6:.0f}",
                        f"{right[who]} of {len(queries)}",
                        "" if who == "faiss" else f"{reread[who] / len(queries):.0f}",
                        "" if who == "faiss" else f"{speeds[who][0]:.0f}",
                        "" if who == "faiss" else f"{speeds[who][1]:.0f}"])
        common.print_table(["", "ms", "CPU ms", "times as fast", "range", "MB", "right answers", "rows read",
                            "build, rows/s CPU", "rows/s"], out)


if __name__ == "__main__":
    main()
