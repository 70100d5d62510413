#!/usr/bin/env python3
"""Graph index from 10,000 rows to a million: how build time, peak memory, size
and the latency at recall .95 grow.

    bench/servers.sh -s shared_buffers=9GB -s maintenance_work_mem=6GB \\
        bench/cache/venv/bin/python bench/hnsw/growth.py

Rows are ../data/sets.py's synthetic ones, a smaller set the beginning of a larger one.  For
each contestant time ~ rows^e is fitted by least squares of the logarithms; for
exact search e is 1.  See bench/README.md.
"""

import argparse

import graph
import common
import numpy as np


def main():
    arg = argparse.ArgumentParser(description="Growth of graph indexes with the number of rows")
    graph.arguments(arg)
    arg.add_argument("--sizes", type=int, nargs="+", default=[10000, 30000, 100000, 300000, 1000000])
    arg.add_argument("--dims", type=int, default=768)
    arg.add_argument("--processes", type=int, default=1, help="processes to build with")
    arg.add_argument("--queries", type=int, default=500)
    arg.add_argument("--rounds", type=int, default=5, help="of 200 queries at each ef_search")
    arg.add_argument("--target", type=float, default=.95)
    arg = arg.parse_args()

    arg.dataset = f"synthetic:{max(arg.sizes)}:{arg.dims}"
    everything, queries = graph.dataset(arg.dataset, arg.data, queries=arg.queries)
    all_ = graph.contestants(arg)
    about = graph.describe(arg, all_, everything)
    result = {c.name: [] for c in all_}
    for n in arg.sizes:
        rows = everything[:n]
        truth = graph.Truth(rows, queries)
        builds, recall = {}, {}
        for c in all_:
            c.load(rows)
            builds[c.name] = c.build(arg.processes, arg.cpu)
            c.prepare(queries)
            recall[c.name] = graph.recalls(c, truth, enough=arg.target)
        graph.require_cached(all_)
        figures = graph.sweep(all_, recall, arg.cpu, arg.rounds, len(queries))
        for c in all_:
            values, mark = graph.at_recall_by_round(arg.target, recall[c.name], figures[c.name])
            wall, cpu = common.median(values) if values else (None, None)
            result[c.name].append(dict(rows=n, **builds[c.name], ms=wall, cpu_ms=cpu, mark=mark,
                                       recall=recall[c.name]))
            print(c.name, {k: v for k, v in result[c.name][-1].items() if k != "recall"}, flush=True)

    build = "cpu_seconds" if arg.processes == 1 else "seconds"
    out = []
    for name, sizes in result.items():
        for s in sizes:
            latency = [f"{s['mark']}{s[key]:.3f}" if s[key] else "not reached" for key in ("ms", "cpu_ms")]
            out.append([name, s["rows"], f"{s[build]:.1f}", *(f"{s[k] / 1e6:.0f}" if k in s else ""
                                                                  for k in ("peak_bytes", "bytes")), *latency])
        out.append([f"{name}, rows^e", "e =", *(fit(sizes, k) for k in (build, "peak_bytes", "bytes", "ms", "cpu_ms"))])
    print(f"\n{arg.dims} dimensions, recall@10 {arg.target}, builds by {arg.processes} processes; "
          f"load now {common.load()}\n")
    common.print_table(["", "rows", "build CPU s" if arg.processes == 1 else "build s", "peak MB", "index MB", "ms a query", "CPU ms"], out)
    common.add_result(arg.json, "growth", dict(about=about, figures=result))


def fit(sizes, key):
    """The exponent, of the sizes where the figure is at hand and exact."""
    points = [(s["rows"], s[key]) for s in sizes if s.get(key) and not ("ms" in key and s["mark"])]
    if len(points) < 2:
        return ""
    return f"{np.polyfit(*np.log(points).T, 1)[0]:.2f}"


if __name__ == "__main__":
    main()
