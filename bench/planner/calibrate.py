"""Fits the constants of cost.c to measured times, and compares the planner's
estimates with these.

Times in nanoseconds: of a unit of cost in a sequential scan of what is cached
(index_cost.h, COST_OF_TIME), of a node of a graph, of a row that is read again,
of a row returned, and of testing and comparing what passes conditions
(hnsw/cost.c); of a distance of a column out of line (distance_cost.c).

    bench/planner/calibrate.py [--plot FILE.png]
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from common import connect  # noqa: E402
from plans import ALTERNATIVES, Plans  # noqa: E402
from tables import literal, make, vectors  # noqa: E402

SIZES = "128:10000,128:100000,768:10000,768:40000"


def fit(names, rows, times):
    """Least squares of relative errors; prints what each costs"""
    rows, times = np.array(rows, float), np.array(times, float)
    weights = 1 / times
    solution, *_ = np.linalg.lstsq(rows * weights[:, None], times * weights, rcond=None)
    error = np.abs(rows @ solution / times - 1)
    print("  " + ", ".join(f"{name} {x:.0f} ns" for name, x in zip(names, solution)) + f"; median error {np.median(error):.0%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--queries", type=int, default=6)
    parser.add_argument("--plot")
    args = parser.parse_args()
    conn = connect(max_parallel_workers_per_gather="0")
    plans = Plans(conn)
    points = []                 # estimated cost, microseconds, kind

    def run(sqls, kind):
        us = plans.measure_execution(sqls)
        points.append((plans.explain(sqls[0])["Total Cost"], us, kind))
        return us

    for size in args.sizes.split(","):
        dims, count = map(int, size.split(":"))
        plain, filtered = make(conn, count, dims)
        queries = [literal(v) for v in vectors(np.random.default_rng(5), args.queries, dims)]

        def nearest(table, limit, where=""):
            return [f"SELECT id FROM {table} {where} ORDER BY v <-> '{q}' LIMIT {limit}" for q in queries]

        print(f"{count} rows of {dims} dimensions")
        plans.set(**ALTERNATIVES["exact"])
        scan = [f"SELECT count(*) FROM {plain}"]
        us = plans.measure_execution(scan)
        print(f"  sequential scan: {1000 * us / plans.explain(scan[0])['Total Cost']:.0f} ns for a unit")
        for limit in (1, 100):
            run(nearest(plain, limit), "exact")
        for share in (.5, .1, .01):
            run(nearest(plain, 10, f"WHERE g < {share * 1000000:.0f}"), "exact")
        plans.set(**{"vector.enable_exact_scan": "off"})
        distance = plans.measure_execution([f"SELECT max(v <-> '{q}') FROM {plain} WHERE id % 10 = 3" for q in queries[:3]])
        without = plans.measure_execution([f"SELECT max(id) FROM {plain} WHERE id % 10 = 3"])
        print(f"  distance, a row in ten: {10000 * (distance - without) / count:.0f} ns")
        plans.reset(["vector.enable_exact_scan", *ALTERNATIVES["exact"]])

        plans.set(**ALTERNATIVES["bitmap"])
        for share in (.1, .01, .001):
            run(nearest(plain, 10, f"WHERE f < {share * 1000000:.0f}"), "bitmap")
        plans.reset(ALTERNATIVES["bitmap"])

        plans.set(**ALTERNATIVES["ordered"])
        rows, times = [], []
        for ef in (40, 100, 200):
            plans.set(**{"hnsw.ef_search": str(ef)})
            for limit in (1, 40, 100, 400, 1000, 2000):
                sqls = nearest(plain, limit)
                times.append(1000 * run(sqls, "ordered"))
                counts = []
                for sql in sqls:
                    conn.execute(sql)
                    counts.append(conn.execute("SELECT 1, distances, reread, returned FROM vector_last_scan()").fetchone())
                rows.append(np.median(np.array(counts, float), axis=0))
        plans.reset(["hnsw.ef_search"])
        fit(("begin", "node", "read again", "row"), rows, times)

        rows, times = [], []
        for share in (.1, .03, .01, .003, .001):
            for limit in (1, 40):
                sqls = nearest(filtered, limit, f"WHERE g < {share * 1000000:.0f}")
                us = run(sqls, "filter column")
                counts = []
                for sql in sqls:
                    conn.execute(sql)
                    counts.append(conn.execute("SELECT 1, distances, filtered, reread FROM vector_last_scan() WHERE mode = 'all passing rows'").fetchone())
                if None not in counts:
                    times.append(1000 * us)
                    rows.append(np.median(np.array(counts, float), axis=0))
        fit(("all passing: begin", "code", "key", "read again"), rows, times)
        plans.reset(ALTERNATIVES["ordered"])

    print("\n| plan | estimate / actual, at 0.85 microseconds a unit: median | least | greatest |\n|---|---|---|---|")
    for kind in ("exact", "bitmap", "ordered", "filter column"):
        ratios = [0.85 * cost / us for cost, us, k in points if k == kind]
        print(f"| {kind} | {np.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |")
    if args.plot:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        for kind in ("exact", "bitmap", "ordered", "filter column"):
            plt.loglog(*zip(*[(us, 0.85 * cost) for cost, us, k in points if k == kind]), "o", label=kind, alpha=.6)
        plt.plot([10, 1e5], [10, 1e5], color="grey")
        plt.xlabel("actual, microseconds")
        plt.ylabel("estimate, microseconds")
        plt.legend()
        plt.savefig(args.plot, dpi=120)


if __name__ == "__main__":
    main()
