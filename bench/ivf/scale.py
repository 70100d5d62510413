#!/usr/bin/env python3
"""Inverted files on a million rows of 768 dimensions: seconds, memory and size
of a build by two processes, ours and FAISS's; then search at equal recall.

    bench/servers.sh -v 18 -s shared_buffers=6GB bench/cache/venv/bin/python bench/ivf/scale.py

Rows are ../data/sets.py's synthetic ones, kept in bench/cache.  See bench/README.md.
"""

import argparse
import os
import pathlib
import threading
import time

import lists as lib
import common
import graph
import numpy as np
from sets import stored_synthetic


class Phases(threading.Thread):
    """Seconds in each phase that pg_stat_progress_create_index shows."""

    def __init__(self, dsn):
        super().__init__(daemon=True)
        self.conn = common.connect(dsn)
        self.done, self.seconds = threading.Event(), {}

    def run(self):
        last = time.perf_counter()
        while not self.done.wait(.2):
            row = self.conn.execute("SELECT phase FROM pg_stat_progress_create_index").fetchone()
            now = time.perf_counter()
            if row:
                self.seconds[row[0]] = self.seconds.get(row[0], 0) + now - last
            last = now

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()
        self.conn.close()


def main():
    arg = argparse.ArgumentParser(description="Inverted files on a million rows")
    arg.add_argument("--rows", type=int, default=1000000)
    arg.add_argument("--dims", type=int, default=768)
    arg.add_argument("--lists", type=int, default=4000)
    arg.add_argument("--contestants", nargs="+", default=["ivfrabitq", "faiss-pq"], metavar="NAME")
    arg.add_argument("--processes", type=int, default=2)
    arg.add_argument("--memory", default="1GB", help="maintenance_work_mem")
    arg.add_argument("--faiss-sample", type=int, default=64,
                     help="rows a list that FAISS trains on (default 64, as ours; FAISS's own is 256)")
    arg.add_argument("--queries", type=int, default=400)
    arg.add_argument("--rounds", type=int, default=7)
    arg.add_argument("--targets", type=float, nargs="+", default=[.9, .95, .99])
    arg.add_argument("--cpu", type=int, default=1 % (os.cpu_count() or 1))
    arg.add_argument("--json", type=pathlib.Path)
    arg = arg.parse_args()

    arg.dataset = f"synthetic:{arg.rows}:{arg.dims}"
    rows = np.asarray(stored_synthetic(arg.rows, arg.dims))
    queries = graph.synthetic(arg.queries, arg.dims, 2)
    all_ = lib.contestants(arg.contestants, arg.lists, arg.faiss_sample)
    about = graph.describe(arg, all_, rows)
    truth = graph.Truth(rows, queries)
    build, seen = {}, {}
    for c in all_:
        c.load(rows)
        if isinstance(c, lib.Sql):
            c.conn.execute(f"SET maintenance_work_mem = '{arg.memory}'")
            with Phases(c.dsn) as phases:
                figures = c.build(arg.processes, arg.cpu)
            figures["phases"] = phases.seconds
            print({phase: round(s, 1) for phase, s in phases.seconds.items()}, flush=True)
        else:
            figures = c.build(arg.processes, arg.cpu)
        build[c.name] = {arg.processes: figures}
        print(c.name, {k: v for k, v in figures.items() if k != "phases"}, f"load now {common.load()}", flush=True)
        c.prepare(queries)
        seen[c.name] = lib.explore(c, truth, max(arg.targets) + .001, arg.cpu, arg.lists)
        print(c.name, " ".join(f"{p}/{r}:{v[0]:.4f}:{1e3 * v[1]:.0f}us" for (p, r), v in seen[c.name].items()),
              flush=True)
    graph.require_cached(all_)
    print(f"\n{arg.lists} lists, FAISS trained on {arg.faiss_sample} rows a list\n")
    lib.print_builds(build, len(rows), {})

    points = {c.name: {p for target in arg.targets for p in lib.around(target, seen[c.name])} for c in all_}
    for c in all_:
        if c.default:
            points[c.name].add(c.default)
    figures = graph.sweep(all_, points, arg.cpu, arg.rounds, len(queries), 100)
    out = []
    for target in arg.targets:
        at = {name: lib.at_target(target, seen[name], by_point) for name, by_point in figures.items()}
        for name, a in at.items():
            if a is None:
                out.append([name, target, *["not reached"] * 4])
                continue
            mark, rerank, values = a
            wall, cpu = common.median(values)
            base = at.get("faiss-pq")
            ratio = "{:.2f} ({:.2f}-{:.2f})".format(*common.ratio(base[2], values)) if base else ""
            out.append([name, f"{mark}{target}", rerank or "", f"{1e3 / wall:.0f}", f"{1e3 * cpu:.0f}", ratio])
    for c in all_:
        if c.default:
            wall, cpu = common.median(figures[c.name][c.default])
            out.append([c.name, f"default: {seen[c.name][c.default][0]:.4f}", "", f"{1e3 / wall:.0f}",
                        f"{1e3 * cpu:.0f}", ""])
    print(f"\nsearch; load now {common.load()}\n")
    common.print_table(["", "recall@10", "rerank", "QPS", "CPU us", "to FAISS PQ"], out)
    common.add_result(arg.json, "ivf scale", dict(about=about, build=build,
                                                  seen={n: [[*p, *v] for p, v in s.items()] for n, s in seen.items()}))


if __name__ == "__main__":
    main()
