#!/usr/bin/env python3
"""Graph index: build, size, and speed at equal recall; ours, pgvector, hnswlib.

    bench/servers.sh bench/cache/venv/bin/python bench/hnsw/hnsw.py

A query is SELECT id FROM t ORDER BY v <-> $1 LIMIT 10, prepared, with a binary
parameter; a library is asked one query at a time in this process.  Everything
sits on one CPU, in interleaved rounds.  See bench/README.md.
"""

import argparse

import graph
import common

BASES = ("pgvector", "hnswlib")


def main():
    arg = argparse.ArgumentParser(description="Graph index against pgvector and hnswlib")
    graph.arguments(arg)
    arg.add_argument("--processes", type=int, nargs="+", default=[2, 1],
                     help="processes to build with, one build after the other; the last one's index is searched")
    arg.add_argument("--queries", type=int, default=1000)
    arg.add_argument("--rounds", type=int, default=11, help="of 200 queries at each ef_search")
    arg.add_argument("--targets", type=float, nargs="+", default=[.95, .99])
    arg = arg.parse_args()

    rows, queries = graph.dataset(arg.dataset, arg.data, arg.rows, arg.queries)
    all_ = graph.contestants(arg)
    about = graph.describe(arg, all_, rows)
    truth = graph.Truth(rows, queries)
    result = {c.name: {"build": {}} for c in all_}
    for c in all_:
        c.load(rows)
        for processes in arg.processes:
            result[c.name]["build"][processes] = c.build(processes, arg.cpu)
        c.prepare(queries)
        result[c.name]["recall"] = graph.recalls(c, truth)
        print(f"{c.name}: built and asked; load now {common.load()}", flush=True)
    graph.require_cached(all_)

    print(f"\nm {graph.M}, ef_construction {graph.EF_CONSTRUCTION}\n")
    graph.print_builds({name: r["build"] for name, r in result.items()})

    recall = {name: r["recall"] for name, r in result.items()}
    figures = graph.sweep(all_, recall, arg.cpu, arg.rounds, len(queries))
    out = []
    for name, by_ef in figures.items():
        for ef, values in by_ef.items():
            wall, cpu = common.median(values)
            out.append([name, ef, f"{recall[name][ef]:.4f}", f"{1e3 / wall:.0f}", f"{1e3 * cpu:.0f}"])
        result[name]["ms"] = by_ef
    print(f"\n{len(queries)} queries, {arg.rounds} rounds, one process; load now {common.load()}\n")
    common.print_table(["", "ef_search", "recall@10", "QPS", "CPU us"], out)

    # At equal recall, within each round.
    out = []
    for target in arg.targets:
        at = {name: graph.at_recall_by_round(target, recall[name], by_ef) for name, by_ef in figures.items()}
        for name, (values, mark) in at.items():
            if values is None:
                out.append([name, target, "not reached", "", *[""] * len(BASES)])
                continue
            wall, cpu = common.median(values)
            ratios, measured = [], dict(qps=1e3 / wall, cpu_qps=1e3 / cpu, mark=mark)
            for base in BASES:
                # CPU times: the greater the ratio, the faster this contestant.
                other = at.get(base, (None, ""))[0]
                r, low, high = common.ratio(other, values) if other and base != name else (None,) * 3
                ratios.append(f"{r:.2f} ({low:.2f}-{high:.2f})" if r else "")
                measured[base] = r
            result[name].setdefault("at", {})[target] = measured
            out.append([name, f"{mark}{target}", f"{1e3 / wall:.0f}", f"{1e3 * cpu:.0f}", *ratios])
    print("\nat equal recall; how many times as fast in CPU time (range of the rounds)\n")
    common.print_table(["", "recall@10", "QPS", "CPU us", *(f"to {base}" for base in BASES)], out)
    common.add_result(arg.json, "hnsw", dict(about=about, figures=result))


if __name__ == "__main__":
    main()
