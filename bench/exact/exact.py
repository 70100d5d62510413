#!/usr/bin/env python3
"""Exact search in SQL against faiss.IndexFlatL2, on Fashion-MNIST.

60,000 x 784 train images are the rows, test images the queries: the ten
nearest by L2, one query at a time, one thread.  In SQL that is

    SELECT id FROM t ORDER BY v <-> $1 LIMIT 10

prepared, with a binary parameter, from one backend, timed at the client, for
each storage of the column; and for the column in line also without the
extension's exact scan, by PostgreSQL's sequential scan and sort.  Client, faiss and backend sit on the same CPU:
they never work at the same time.  See bench/README.md.
"""

import argparse
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common
import faiss
import numpy as np

K = 10


def load_table(conn, name, kind, storage, rows):
    """Returns the name of a filled table; an already filled one is kept."""
    table = f"exact_{name}"
    if common.one(conn, "SELECT to_regclass(%s) IS NOT NULL", table):
        if common.one(conn, f"SELECT count(*) FROM {table}") == len(rows):
            return table
        conn.execute(f"DROP TABLE {table}")
    conn.execute(f"CREATE UNLOGGED TABLE {table} (id integer, v {kind}({rows.shape[1]}))"
                 " WITH (autovacuum_enabled = off)")
    conn.execute(f"ALTER TABLE {table} ALTER v SET STORAGE {storage}")
    common.copy_in(conn, table, rows, kind)
    conn.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
    return table


def scan(conn, table, kind, query):
    """What the plan of a search scans the table with, and whether in parallel."""
    lines = [r[0].strip(" ->") for r in conn.execute(
        f"EXPLAIN (COSTS off) SELECT id FROM {table} ORDER BY v <-> %s::{kind} LIMIT {K}",
        (str(query.tolist()),))]
    return next(line for line in lines if " on " in line).split(" on ")[0]


def main():
    arg = argparse.ArgumentParser(description="Exact search against faiss")
    common.data_argument(arg)
    arg.add_argument("--rows", type=int, default=60000)
    arg.add_argument("--queries", type=int, default=10, help="queries a round")
    arg.add_argument("--rounds", type=int, default=15)
    arg.add_argument("--cpu", type=int, default=1 % (common.os.cpu_count() or 1))
    arg.add_argument("--json", type=pathlib.Path, help="append the figures to this file")
    arg = arg.parse_args()

    conn = common.connect(max_parallel_workers_per_gather=0)
    about = common.describe(conn)
    common.require_shared_buffers(conn, 1 << 30)
    train, test = common.fashion_mnist(arg.data)
    train = np.ascontiguousarray(train[:arg.rows])
    queries = np.ascontiguousarray(test[:arg.queries])

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(train.shape[1])
    index.add(train)
    print(f"faiss {faiss.__version__}: {faiss.get_compile_options().strip()}")

    # 720 MB of tables: they fit the smallest buffers allowed.
    cases = [("plain", "vector", "PLAIN"), ("external", "vector", "EXTERNAL"),
             ("main", "vector", "MAIN"), ("extended", "vector", "EXTENDED"),
             ("half", "halfvec", "PLAIN")]
    tables = {name: load_table(conn, name, kind, storage, train) for name, kind, storage in cases}
    total = sum(common.one(conn, "SELECT pg_table_size(%s::regclass)", t) for t in tables.values())
    if total > common.setting_bytes(conn, "shared_buffers"):
        sys.exit(f"the tables ({total >> 20} MB) do not fit into shared_buffers")

    # Cases of the second connection go by PostgreSQL's own plan.
    sorting = common.connect(max_parallel_workers_per_gather=0)
    sorting.execute("SET vector.enable_exact_scan = off")
    contenders = [(conn, name, name, kind, storage) for name, kind, storage in cases]
    contenders += [(sorting, f"{name}_sort", name, kind, f"{storage}, scan and sort")
                   for name, kind, storage in cases if storage == "PLAIN"]

    statements, params, backends, plans = {}, {}, {}, {}
    for on, name, table, kind, _ in contenders:
        statements[name] = common.Prepared(
            on, name, f"SELECT id FROM {tables[table]} ORDER BY v <-> $1 LIMIT {K}", kind)
        params[name] = [common.vector_binary(q, kind == "halfvec") for q in queries]
        backends[name] = on.info.backend_pid
        plans[name] = scan(on, tables[table], kind, queries[0])
        for p in params[name]:		# into the buffers
            statements[name].run(p)

    # The same ids?  Pixels are whole numbers, so distances are exact in double
    # precision; rows at equal distance may come in any order.
    right = dict.fromkeys(["faiss", *statements], 0)
    for i, q in enumerate(queries):
        distance = ((train - q).astype(np.float64) ** 2).sum(axis=1)
        best = np.sort(distance)[:K]
        answers = {name: s.int4s(params[name][i]) for name, s in statements.items()}
        answers["faiss"] = index.search(q[None], K)[1][0]
        for name, ids in answers.items():
            right[name] += len(ids) == K and bool((distance[ids] == best).all())

    def ask_sql(name):
        return lambda: common.median(
            [common.timed_backend(backends[name], statements[name].run, p) for p in params[name]])

    def ask_faiss():
        return common.median([common.timed_here(index.search, q[None], K) for q in queries])

    contestants = {"faiss": ask_faiss, **{name: ask_sql(name) for name in statements}}
    common.pin(arg.cpu, *backends.values())
    figures = common.interleaved(contestants, arg.rounds)
    common.pin(None, *backends.values())

    print(f"\n{arg.rows} x {train.shape[1]}, {arg.queries} queries x {arg.rounds} rounds, "
          f"one process, a query; load now {common.load()}\n")
    out, result = [], {}
    labels = {name: (f"{kind}, {storage}", tables[table]) for _, name, table, kind, storage in contenders}
    for name in contestants:
        wall, cpu = common.median(figures[name])
        r, low, high = common.ratio(figures[name], figures["faiss"])
        label, table = labels.get(name, ("faiss IndexFlatL2", None))
        size = common.one(conn, "SELECT pg_table_size(%s::regclass)", table) if table else train.nbytes
        out.append([label, f"{wall:.2f}", f"{cpu:.2f}", f"{r:.2f}", f"{low:.2f}-{high:.2f}", f"{size / 1e6:.0f}",
                    f"{right[name]} of {arg.queries}", plans.get(name, "")])
        result[name] = dict(ms=wall, cpu_ms=cpu, to_faiss=r, low=low, high=high, bytes=size, right=right[name])
    common.print_table(["", "ms", "CPU ms", "CPU to faiss", "range", "MB", "right answers", "plan"], out)

    # Parallel, for the record: unpinned, and the ratio is to one process.
    out = []
    for on in (conn, sorting):
        for name in ("min_parallel_table_scan_size", "parallel_setup_cost", "parallel_tuple_cost"):
            on.execute(f"SET {name} = 0")
    for workers in (1, 2):
        for on, name, table, kind, storage in contenders:
            if "PLAIN" not in storage:
                continue
            on.execute(f"SET max_parallel_workers_per_gather = {workers}")
            conn.execute(f"ALTER TABLE {tables[table]} SET (parallel_workers = {workers})")
            key = f"{name}_{workers}"
            statement = common.Prepared(
                on, key, f"SELECT id FROM {tables[table]} ORDER BY v <-> $1 LIMIT {K}", kind)
            m = statistics.median(common.timed(statement.run, p)[0]
                                  for _ in range(5) for p in params[name])
            used = scan(on, tables[table], kind, queries[0])
            out.append([f"{kind}, {storage}", workers, f"{m:.2f}", f"{m / result[name]['ms']:.2f}", used])
            result[key] = dict(ms=m, plan=used)
            conn.execute(f"ALTER TABLE {tables[table]} RESET (parallel_workers)")
    print(f"\nparallel, {common.os.cpu_count()} CPUs; load now {common.load()}\n")
    common.print_table(["", "workers", "ms", "to one process", "plan"], out)
    common.add_result(arg.json, "exact", dict(about=about, figures=result))


if __name__ == "__main__":
    main()
