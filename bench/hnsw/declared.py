#!/usr/bin/env python3
"""Declared recall of hnsw: what is asked for, what is found, and how long it takes
beside the ef_search that a person would pick.

    bash -c '. tools/server.sh
             server_start "$(tools/private-install.sh)" shared_buffers=1GB maintenance_work_mem=512MB
             python bench/hnsw/declared.py --data DIR'

Queries are not rows of the index.  The ef_search picked is the smallest that finds
the recall of the same queries (found by halving).  Times are CPU time of the
server's process, of both settings in turns, query by query; each ratio is the median
of the rounds.  --curve shows what the index says of each ef_search beside what it
finds.
"""

import argparse
import pathlib
import statistics
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / p) for p in ("", "data")]

import common
import numpy as np
from sets import Truth, dataset

SETS = ["fashion:20000", "bge", "uniform:20000:32"]


def load(name, data, queries):
    kind, _, rest = name.partition(":")
    if kind in ("uniform", "products"):
        n, dims = map(int, rest.split(":"))
        rng = np.random.default_rng(5)
        values = rng.random((n + queries, dims), np.float32)
        if kind == "products":
            values *= rng.random((n + queries, dims), np.float32)
        return values[:n], values[n:]
    return dataset(kind if kind != "synthetic" else name, data,
                   int(rest) if kind == "fashion" and rest else None, queries)


class Index:
    def __init__(self, rows, queries, options):
        self.conn = common.connect()
        self.conn.execute("SET hnsw.seed = 1")
        self.conn.execute("SET max_parallel_maintenance_workers = 0")
        self.conn.execute("DROP TABLE IF EXISTS declared")
        self.conn.execute(f"CREATE TABLE declared (id int, v vector({rows.shape[1]}))")
        common.copy_in(self.conn, "declared", rows, "vector")
        self.conn.execute("VACUUM ANALYZE declared")
        self.pid = common.one(self.conn, "SELECT pg_backend_pid()")
        self.build_ms = common.timed_backend(self.pid, self.conn.execute,
                                             f"CREATE INDEX declared_v ON declared USING hnsw (v vector_l2_ops) {options}")
        for name in ("enable_seqscan", "enable_sort", "vector.enable_exact_scan"):
            self.conn.execute(f"SET {name} = off")
        self.conn.execute("SET plan_cache_mode = force_generic_plan")
        self.queries = [common.vector_binary(q) for q in queries]
        self.nearest = {}
        self.truth = {}
        self.rows, self.plain = rows, queries

    def statement(self, k):
        if k not in self.nearest:
            self.nearest[k] = common.Prepared(self.conn, f"nearest{k}", f"SELECT id FROM declared ORDER BY v <-> $1 LIMIT {k}", "vector")
            self.truth[k] = Truth(self.rows, self.plain, k=k)
        return self.nearest[k]

    def set(self, ef=None, recall=None):
        self.conn.execute(f"SET hnsw.ef_search = {ef}" if ef else "RESET hnsw.ef_search")
        self.conn.execute(f"SET hnsw.target_recall = {recall}" if recall else "RESET hnsw.target_recall")

    def recall(self, k):
        statement = self.statement(k)
        return self.truth[k].recall([statement.int4s(q) for q in self.queries])

    def picked(self, target, k, seen):
        """The smallest ef_search that finds the recall; seen: {ef: recall}"""
        def found(ef):
            if ef not in seen:
                self.set(ef=ef)
                seen[ef] = self.recall(k)
            return seen[ef]
        low, high = k - 1, k
        while found(high) < target and high < 1000:
            low, high = high, min(high * 2, 1000)
        while high - low > max(1, low // 40):
            middle = (low + high) // 2
            if found(middle) >= target:
                high = middle
            else:
                low = middle
        return high

    def ratio(self, target, ef, k, rounds):
        """CPU time of declared by picked, and milliseconds of declared"""
        statement = self.statement(k)

        def run(**how):
            self.set(**how)
            return common.timed_backend(self.pid, lambda: [statement.run(q) for q in self.queries])
        figures = common.interleaved(dict(declared=lambda: run(recall=target), picked=lambda: run(ef=ef)), rounds)
        ratios = [a[1] / b[1] for a, b in zip(figures["declared"], figures["picked"])]
        return statistics.median(ratios), statistics.median(f[1] for f in figures["declared"]) / len(self.queries)


def curve(index, k):
    rows = []
    for ef, said in index.conn.execute("SELECT ef_search, recall FROM hnsw_recall('declared_v') WHERE k = %s ORDER BY 1", (k,)).fetchall():
        index.set(ef=ef)
        rows.append([ef, f"{said:.4f}", f"{index.recall(k):.4f}"])
        if said >= .9995:
            break
    common.print_table(["ef_search", "said", "found"], rows)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.data_argument(arg)
    arg.add_argument("--sets", nargs="+", default=SETS)
    arg.add_argument("--targets", type=float, nargs="*", default=[.95, .98, .99])
    arg.add_argument("--queries", type=int, default=800)
    arg.add_argument("--ks", type=int, nargs="+", default=[10])
    arg.add_argument("--options", default="", help="of the index, such as WITH (m = 8)")
    arg.add_argument("--rounds", type=int, default=5)
    arg.add_argument("--curve", action="store_true")
    arg = arg.parse_args()
    out = []
    for name in arg.sets:
        rows, queries = load(name, arg.data, arg.queries)
        index = Index(rows, queries, arg.options)
        print(f"{name}: {rows.shape[0]} x {rows.shape[1]}, built in {index.build_ms[1] / 1e3:.2f} s of CPU time", flush=True)
        for k in arg.ks:
            if arg.curve:
                curve(index, k)
            seen = {}
            for target in arg.targets:
                index.set(recall=target)
                found = index.recall(k)
                ef = common.one(index.conn, "SELECT ef FROM vector_last_scan()")
                ef_picked = index.picked(target, k, seen)
                ratio, ms = index.ratio(target, ef_picked, k, arg.rounds) if arg.rounds else (0, 0)
                out.append([name, k, f"{target:.3g}", f"{found:.3f}", ef, ef_picked, f"{ratio:.2f}", f"{ms * 1000:.0f}"])
                print(*out[-1], flush=True)
    common.print_table(["set", "k", "asked", "found", "ef", "ef picked", "time by picked", "µs"], out)


if __name__ == "__main__":
    main()
