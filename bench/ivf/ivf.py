#!/usr/bin/env python3
"""Inverted files: build, size, speed at equal recall, COPY into a living index;
ours, pgvector's, FAISS's, and hnswlib.

    bench/servers.sh -v 18 bench/cache/venv/bin/python bench/ivf/ivf.py

A query is SELECT id FROM t ORDER BY v <-> $1 LIMIT 10, prepared, with a binary
parameter; a library is asked one query at a time by one thread of this process.
Everything sits on one CPU, in interleaved rounds.  See bench/README.md.
"""

import argparse
import os
import pathlib

import lists as lib
import common
import graph
import numpy as np
from sets import more_rows


def arguments():
    arg = argparse.ArgumentParser(description="Inverted files against pgvector, FAISS and hnswlib")
    common.data_argument(arg)
    arg.add_argument("--dataset", default="fashion", help="fashion, sentences, bge or synthetic:N:D")
    arg.add_argument("--rows", type=int, help="the first rows of the data set only")
    arg.add_argument("--contestants", nargs="+", default=lib.CONTESTANTS, metavar="NAME",
                     help=f"of {' '.join(lib.CONTESTANTS)} pgvector-hnsw faiss-pqr faiss-pq2 faiss-rabitq faiss-rabitqfs0; ours with"
                     " -index, -opq, -bitsN, -mN, -plain")
    arg.add_argument("--lists", type=int, help="of every inverted file (default 1000 for 60,000 rows, else 4 sqrt(rows))")
    arg.add_argument("--processes", type=int, nargs="+", default=[2, 1],
                     help="processes to build with, one build after the other; the last one's index is searched")
    arg.add_argument("--faiss-sample", type=int, help="rows a list that FAISS trains on (default FAISS's, 256)")
    arg.add_argument("--queries", type=int, default=1000)
    arg.add_argument("--rounds", type=int, default=7, help="of --a-round queries at each point")
    arg.add_argument("--a-round", type=int, default=100)
    arg.add_argument("--targets", type=float, nargs="+", default=[.9, .95, .99])
    arg.add_argument("--insert", type=int, default=5000, help="rows to COPY into each living index; 0: none")
    arg.add_argument("--hnsw-mb", type=float, help="size of pgvector's hnsw on the same rows, of another run")
    arg.add_argument("--cpu", type=int, default=1 % (os.cpu_count() or 1))
    arg.add_argument("--json", type=pathlib.Path, help="append the figures to this file")
    return arg.parse_args()


def main():
    arg = arguments()
    rows, queries = graph.dataset(arg.dataset, arg.data, arg.rows, arg.queries)
    lists = arg.lists or (1000 if len(rows) == 60000 else lib.default_lists(len(rows)))
    all_ = lib.contestants(arg.contestants, lists, arg.faiss_sample)
    about = graph.describe(arg, all_, rows)
    about["lists"] = lists
    truth = graph.Truth(rows, queries)
    enough = max(arg.targets) + .001
    build, seen = {}, {}
    for c in all_:
        c.load(rows)
        build[c.name] = {n: c.build(n, arg.cpu) for n in arg.processes}
        c.prepare(queries)
        seen[c.name] = lib.explore(c, truth, enough, arg.cpu, lists)
        print(f"{c.name}: built in {[round(b['seconds'], 1) for b in build[c.name].values()]} s; recall "
              + " ".join(f"{p}/{r}:{v[0]:.4f}" if r else f"{p}:{v[0]:.4f}" for (p, r), v in seen[c.name].items())
              + f"; load now {common.load()}", flush=True)
    graph.require_cached(all_)

    bases = {name: build[name][arg.processes[-1]]["bytes"] for name in ("pgvector", "pgvector-hnsw") if name in build}
    if arg.hnsw_mb:
        bases["pgvector-hnsw"] = arg.hnsw_mb * 1e6
    print(f"\n{lists} lists\n")
    lib.print_builds(build, len(rows), bases)

    # Points to time: around the targets, and ours and pgvector's flat lists at
    # the same probes.
    points = {c.name: {p for target in arg.targets for p in lib.around(target, seen[c.name])} for c in all_}
    flat = [name for name in points if name in ("ivfflat", "ivfflat-plain", "pgvector")]
    shared = set().union(*(points[name] for name in flat)) if len(flat) > 1 else set()
    for name in flat:
        points[name] |= {p for p in shared if p in seen[name]}
    for c in all_:
        if c.default:
            points[c.name].add(c.default)
    figures = graph.sweep(all_, points, arg.cpu, arg.rounds, len(queries), arg.a_round)
    result = {c.name: dict(build=build[c.name], seen=[[*p, *v] for p, v in seen[c.name].items()],
                           ms=[[*p, v] for p, v in figures.get(c.name, {}).items()]) for c in all_}
    print(f"\n{len(queries)} queries, {arg.rounds} rounds of {arg.a_round}, one process; load now {common.load()}\n")
    out = []
    for name, by_point in figures.items():
        for (probes, rerank), values in sorted(by_point.items(), key=lambda i: (i[0][1] or 0, i[0][0])):
            wall, cpu = common.median(values)
            out.append([name, "default" if (probes, rerank) == (0, 0) else probes, rerank or "",
                        f"{seen[name][probes, rerank][0]:.4f}", f"{1e3 / wall:.0f}", f"{1e3 * cpu:.0f}"])
    common.print_table(["", "probes or ef", "rerank or k_factor", "recall@10", "QPS", "CPU us"], out)
    print_ratios(arg, seen, figures, result)
    print_same_probes(flat, seen, figures)
    if arg.insert:
        insert(arg, all_, more_rows(arg.dataset, arg.data, len(rows), arg.queries)[:arg.insert], result)
    common.add_result(arg.json, "ivf", dict(about=about, figures=result))


def print_ratios(arg, seen, figures, result):
    """At equal recall, within each round, in CPU time."""
    out = []
    for target in arg.targets:
        at = {name: lib.at_target(target, seen[name], by_point) for name, by_point in figures.items()}
        # FAISS's best but for its flat lists and whatever took part.
        faiss = {name: common.median(a[2])[1] for name, a in at.items() if a and name.startswith("faiss-")}
        best = min(faiss, key=faiss.get, default=None)
        bases = {"FAISS PQ": "faiss-pq", "FAISS's best": best, "hnswlib": "hnswlib", "pgvector": "pgvector"}
        for name, a in at.items():
            if a is None:
                out.append([name, target, "not reached", *[""] * 6])
                continue
            mark, rerank, values = a
            wall, cpu = common.median(values)
            ratios = {}
            for label, base in bases.items():
                other = at.get(base)
                if other and base != name:
                    ratios[label] = common.ratio(other[2], values)
            result[name].setdefault("at", {})[target] = dict(qps=1e3 / wall, cpu_qps=1e3 / cpu, mark=mark,
                                                             rerank=rerank, best=best, to=ratios)
            out.append([name + (" *" if name == best else ""), f"{mark}{target}", rerank or "", f"{1e3 / wall:.0f}",
                        f"{1e3 * cpu:.0f}", *("{:.2f} ({:.2f}-{:.2f})".format(*ratios[b]) if b in ratios else ""
                                              for b in bases)])
    print("\nat equal recall; how many times as fast in CPU time (range of the rounds); *: FAISS's best\n")
    common.print_table(["", "recall@10", "rerank", "QPS", "CPU us", "to FAISS PQ", "to FAISS's best", "to hnswlib",
                        "to pgvector"], out)


def print_same_probes(flat, seen, figures):
    out = []
    for name in flat:
        for point in sorted(figures[name]):
            if name != "pgvector" and point in figures.get("pgvector", {}):
                out.append([name, point[0], f"{seen[name][point][0]:.4f}", f"{seen['pgvector'][point][0]:.4f}",
                            "{:.2f} ({:.2f}-{:.2f})".format(*common.ratio(figures["pgvector"][point],
                                                                          figures[name][point]))])
    if out:
        print("\nflat lists at equal probes, how many times as fast as pgvector in CPU time\n")
        common.print_table(["", "probes", "recall@10", "pgvector's", "to pgvector"], out)


def insert(arg, all_, rows, result, chunks=10):
    """COPY into each table, a chunk a round, interleaved; and into one without
    an index.  The client is not on the backend's CPU."""
    servers = [c for c in all_ if isinstance(c, graph.Sql)]
    if not servers:
        return
    alone = graph.Sql("table alone", servers[0].dsn)
    alone.load(rows)
    at = {c.name: iter(np.array_split(rows, chunks)) for c in [*servers, alone]}

    def copy(c):
        part = next(at[c.name])
        wall, cpu = common.timed_backend(c.pid, common.copy_in, c.conn, c.table, part, "vector")
        return wall / len(part), cpu / len(part)

    for c in [*servers, alone]:
        common.pin(arg.cpu, c.pid)
        c.conn.execute("CHECKPOINT")
    common.pin(None)
    figures = common.interleaved({c.name: lambda c=c: copy(c) for c in [*servers, alone]}, chunks)
    out = []
    for name, values in figures.items():
        wall, cpu = common.median(values)
        # Sums too: a median leaves out what happens now and then.
        total = sum(v[0] for v in values) / len(values)
        out.append([name, f"{1e3 / wall:.0f}", f"{1e3 / total:.0f}", f"{1e3 / cpu:.0f}"])
        if name in result:
            result[name]["insert"] = dict(rows_s=1e3 / wall, all_rows_s=1e3 / total, cpu_rows_s=1e3 / cpu)
    print(f"\nCOPY of {len(rows)} rows in {chunks} parts by one client\n")
    common.print_table(["", "rows/s, median", "rows/s, all", "rows/s of CPU"], out)


if __name__ == "__main__":
    main()
