#!/usr/bin/env python3
"""Graph index under writes: single-row INSERTs, DELETE, VACUUM, recall after.

    bench/servers.sh bench/cache/venv/bin/python bench/hnsw/insert.py --dataset sentences

The index is on all rows but the last 4 x --inserts of the data set; these come
in as one prepared INSERT with binary parameters, one transaction, each: by one
client (interleaved with the other contestants, and once more after a
checkpoint, when every page's first change logs the page), then by four.  Then a
share of the rows, taken at random, is deleted and vacuumed.  "heap" is the same
table without an index.  See bench/README.md.
"""

import argparse
import multiprocessing
import time

import graph
import common
import numpy as np

CHUNK = 100


def inserter(dsn, table):
    conn = common.connect(dsn)
    return conn, common.Prepared(conn, "insert", f"INSERT INTO {table} VALUES ($1, $2)", "integer", "vector")


def parameters(rows, ids):
    return [(int(i).to_bytes(4, "big"), common.vector_binary(rows[i])) for i in ids]


def one_client(all_, rows, ids, cpu):
    """{name: dict(rows_s, cpu_rows_s, wal)}; wal: bytes a row."""
    clients = {c.name: inserter(c.dsn, c.table) for c in all_}
    wal = dict.fromkeys(clients, 0)
    params = parameters(rows, ids)
    at = {name: iter(range(0, len(params), CHUNK)) for name in clients}

    def chunk(c):
        conn, statement = clients[c.name]
        first, before = next(at[c.name]), c.wal()
        figures = common.timed_backend(conn.info.backend_pid,
                                       lambda: [statement.run(*p) for p in params[first:first + CHUNK]])
        wal[c.name] += c.wal() - before
        return figures

    pids = [conn.info.backend_pid for conn, _ in clients.values()]
    common.pin(cpu, *pids)
    figures = common.interleaved({c.name: lambda c=c: chunk(c) for c in all_}, len(params) // CHUNK)
    common.pin(None, *pids)
    out = {}
    for c in all_:
        wall, cpu_ms = (sum(column) / len(params) for column in zip(*figures[c.name]))
        out[c.name] = dict(rows_s=1e3 / wall, cpu_rows_s=1e3 / cpu_ms, wal=wal[c.name] / len(params))
        clients[c.name][0].close()
    return out


def client(dsn, table, rows, ids, barrier):
    conn, statement = inserter(dsn, table)
    params = [(int(i).to_bytes(4, "big"), common.vector_binary(v)) for i, v in zip(ids, rows)]
    barrier.wait()
    for p in params:
        statement.run(*p)
    barrier.wait()
    conn.close()


def many_clients(c, rows, ids, clients):
    """Rows a second, by the wall clock."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(clients + 1)
    workers = [spawn.Process(target=client, args=(c.dsn, c.table, rows[part], part, barrier), daemon=True)
               for part in np.array_split(ids, clients)]
    for w in workers:
        w.start()
    barrier.wait()
    started = time.perf_counter()
    barrier.wait()
    took = time.perf_counter() - started
    for w in workers:
        w.join()
    return len(ids) / took


def vacuum(c):
    """(wall, CPU) seconds."""
    wall, cpu = common.timed_backend(c.pid, c.conn.execute, f"VACUUM (INDEX_CLEANUP on) {c.table}")
    return wall / 1e3, cpu / 1e3


def searched(c, truth, efs, cpu):
    """{ef: (recall, CPU ms a query)} and the index's size."""
    c.prepare(truth.queries)
    out = {}
    for ef in efs:
        recall = graph.recalls(c, truth, [ef])[ef]
        common.pin(cpu, c.pid)
        out[ef] = recall, c.timed(range(len(truth.queries)))[1]
        common.pin(None, c.pid)
    return dict(at=out, bytes=c.size())


def replace(c, rows, parts):
    """Delete, vacuum and insert again every row, a part at a time; returns
    seconds of (VACUUM, INSERT)."""
    c.conn.execute(f"CREATE TEMP TABLE gone (LIKE {c.table})")
    spent = np.zeros(2)
    for part in np.array_split(np.random.default_rng(2).permutation(rows), parts):
        c.conn.execute("TRUNCATE gone")
        c.conn.execute(f"WITH d AS (DELETE FROM {c.table} WHERE id = ANY(%s) RETURNING *)"
                       " INSERT INTO gone SELECT * FROM d", (part.tolist(),))
        spent[0] += vacuum(c)[0]
        spent[1] += common.timed(c.conn.execute, f"INSERT INTO {c.table} SELECT * FROM gone")[0] / 1e3
    c.conn.execute("DROP TABLE gone")
    return spent.tolist()


def main():
    arg = argparse.ArgumentParser(description="Graph index under writes")
    graph.arguments(arg, "ours,pgvector")
    arg.add_argument("--inserts", type=int, default=1000, help="rows of each of the four insert runs")
    arg.add_argument("--delete", type=float, default=.1, help="share of the rows to delete (0: none)")
    arg.add_argument("--replace", action="store_true", help="then replace every row once, in ten parts")
    arg.add_argument("--efs", type=int, nargs="+", default=[20, 40, 100], help="ef_search of the recall before and after")
    arg = arg.parse_args()

    rows, queries = graph.dataset(arg.dataset, arg.data, arg.rows)
    base = len(rows) - 4 * arg.inserts
    all_ = graph.contestants(arg)
    heap = graph.Sql("heap", all_[0].dsn)
    about = graph.describe(arg, all_, rows[:base])
    for c in [*all_, heap]:
        c.load(rows[:base])
    result = {c.name: dict(build=c.build(2)) for c in all_}
    result["heap"] = {}
    heap.size = lambda: 0
    alive = np.ones(len(rows), bool)

    def stage(name):
        truth = graph.Truth(rows, queries, alive)
        for c in all_:
            result[c.name].setdefault("search", {})[name] = searched(c, truth, arg.efs, arg.cpu)
        print(f"{name}: done; load now {common.load()}", flush=True)

    alive[base:] = False
    stage("built")
    new = np.arange(base, len(rows)).reshape(4, -1)
    for name, ids in (("steady", new[0]), ("checkpointed", new[1])):
        if name == "checkpointed":
            for c in all_:
                c.conn.execute("CHECKPOINT")
        for c, figures in one_client([*all_, heap], rows, ids, arg.cpu).items():
            result[c][name] = figures
    for c in [*all_, heap]:
        result[c.name]["four"] = many_clients(c, rows, new[2:].ravel(), 4)
    alive[:] = True
    stage("inserted")

    gone = np.random.default_rng(1).permutation(len(rows))[:int(arg.delete * len(rows))]
    if len(gone):
        alive[gone] = False
        for c in all_:
            c.conn.execute(f"DELETE FROM {c.table} WHERE id = ANY(%s)", (gone.tolist(),))
            result[c.name]["vacuum"] = vacuum(c)
        stage(f"{arg.delete:.0%} deleted")
    if arg.replace:
        left = np.flatnonzero(alive)
        for c in all_:
            result[c.name]["replace"] = replace(c, left, 10)
        stage("replaced")
    graph.require_cached(all_)

    print(f"\nINSERT into {base} rows, rows/s; WAL bytes a row\n")
    common.print_table(
        ["", "1 client", "by CPU", "4 clients", "WAL", "after a checkpoint: 1 client", "WAL"],
        [[name, f"{r['steady']['rows_s']:.0f}", f"{r['steady']['cpu_rows_s']:.0f}", f"{r['four']:.0f}",
          f"{r['steady']['wal']:.0f}", f"{r['checkpointed']['rows_s']:.0f}", f"{r['checkpointed']['wal']:.0f}"]
         for name, r in result.items()])
    print("\nsearch: recall@10 and CPU us a query\n")
    common.print_table(
        ["", "", "index MB", *(f"ef {ef}" for ef in arg.efs)],
        [[c.name, name, f"{s['bytes'] / 1e6:.0f}", *(f"{r:.4f} {1e3 * ms:.0f}" for r, ms in s["at"].values())]
         for c in all_ for name, s in result[c.name]["search"].items()])
    for c in all_:
        for what in ("vacuum", "replace"):
            if what in result[c.name]:
                units = "wall, CPU" if what == "vacuum" else "VACUUM, INSERT"
                print(f"{c.name}: {what} " + ", ".join(f"{x:.1f}" for x in result[c.name][what]) + f" s ({units})")
    common.add_result(arg.json, "insert", dict(about=about, inserts=arg.inserts, deleted=len(gone), figures=result))


if __name__ == "__main__":
    main()
