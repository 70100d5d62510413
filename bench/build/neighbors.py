#!/usr/bin/env python3
"""Builds of hnsw with and without given neighbours, one after the other, on the
server that PGHOST and the like name: seconds, CPU seconds of the backend, recall.

    bench/build/neighbors.py 50000 384 [--cluster 1000] [--repeat 2] [--workers 0]
    bench/build/neighbors.py 300000 384 --workers 1
    bench/build/neighbors.py 1000000 768 --workers 1

Neighbours are computed by tools/gpu-build (--device), exactly; that time is shown,
and is in none of the others.  It needs numpy, psycopg and tqdm."""

import argparse
import os
import struct
import sys
import time

import numpy as np
import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/gpu-build/src"))
from vector_gpu_build import compute, database  # noqa: E402
from vector_gpu_build.arrays import engine  # noqa: E402


def data(rows, dims, cluster, seed):
    """Rows in clusters of so many, whose centres are some 1.7 times as far from each
    other as rows of one are."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((max(rows // cluster, 1), dims), dtype=np.float32)
    rng = np.random.default_rng(seed)
    of = rng.integers(0, len(centres), rows)
    return centres[of] + np.float32(.6) * rng.standard_normal((rows, dims), dtype=np.float32)


def load(conn, x):
    conn.execute("DROP TABLE IF EXISTS bench_items, bench_near")
    conn.execute(f"CREATE TABLE bench_items (id bigint PRIMARY KEY, v vector({x.shape[1]}))")
    with conn.cursor() as cur, cur.copy("COPY bench_items FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(database.HEADER)
        for i, v in enumerate(x.astype(">f4")):
            copy.write(struct.pack("!hiqihh", 2, 8, i, 4 + v.nbytes, len(v), 0) + v.tobytes())
        copy.write(database.TRAILER)
    conn.execute("VACUUM ANALYZE bench_items")


def cpu(pid):
    """CPU seconds of a backend, without its workers; None if it is on another machine"""
    try:
        return sum(map(int, open(f"/proc/{pid}/stat").read().rsplit(")")[-1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def recall(conn, queries, exact, ef):
    conn.execute(f"SET hnsw.ef_search = {ef}")
    hits = 0
    for q, e in zip(queries, exact):
        found = conn.execute("SELECT id FROM bench_items ORDER BY v <-> %s::vector LIMIT 10", [str(q.tolist())]).fetchall()
        hits += len({i for i, in found} & set(e.tolist()))
    return hits / exact.size


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rows", type=int)
    p.add_argument("dims", type=int)
    p.add_argument("--cluster", type=int, default=1000, help="rows of a cluster")
    p.add_argument("--repeat", type=int, default=2)
    p.add_argument("--workers", type=int, default=0)
    p.add_argument("--memory", default="4GB", help="maintenance_work_mem")
    p.add_argument("--device", default="auto")
    a = p.parse_args()
    x, queries = data(a.rows, a.dims, a.cluster, 2), data(a.rows, a.dims, a.cluster, 3)[:200]
    e, bias = engine(a.device), compute.Bias("l2", False, None)
    start = time.monotonic()
    near = np.full((a.rows, 32), -1, np.int32)
    compute.neighbors_by_blocks(e, x, 32, lambda r: r, bias, near)
    print(f"{a.rows} x {a.dims}: neighbours by {e.name} in {time.monotonic() - start:.1f} s", flush=True)
    step = compute.block_rows(e, a.dims)
    values, places = compute._top(e, e.put(queries), ((j, e.put(x[j:j + step])) for j in range(0, a.rows, step)), bias, 10)
    with psycopg.connect(autocommit=True) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
        load(conn, x)
        source = database.Source(conn, "bench_items", "v")
        keys = [np.frombuffer(np.arange(a.rows, dtype=">i8").tobytes(), "V8")]
        database.write_neighbors(conn, psycopg.sql.Identifier(source.schema, "bench_near"), source, keys, near)
        conn.execute("SELECT set_config('maintenance_work_mem', %s, false)", [a.memory])
        conn.execute(f"SET max_parallel_maintenance_workers = {a.workers}; SET enable_seqscan = off; SET jit = off")
        conn.execute("SET vector.enable_exact_scan = off")
        for _ in range(a.repeat):
            for name, options in (("ordinary", ""), ("given", f"WITH (neighbors = '{source.schema}.bench_near')")):
                conn.execute("DROP INDEX IF EXISTS bench_index")
                before, start = cpu(conn.info.backend_pid), time.monotonic()
                conn.execute(f"CREATE INDEX bench_index ON bench_items USING hnsw (v vector_l2_ops) {options}")
                seconds, after = time.monotonic() - start, cpu(conn.info.backend_pid)
                used = f"{after - before:8.2f} s CPU" if before is not None else ""
                found = ", ".join(f"{ef}: {recall(conn, queries, places, ef):.4f}" for ef in (10, 20, 40, 100))
                print(f"{name:9} {seconds:8.2f} s {used}  recall@10 by ef_search {found}", flush=True)
        conn.execute("DROP TABLE bench_items, bench_near")


main()
