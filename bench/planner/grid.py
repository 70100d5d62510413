"""Does the planner choose the fastest plan?  Over a grid of rows, selectivity,
LIMIT and indexes, each plan that is possible is forced and timed, and the one
chosen is compared with the fastest.

A plan that returns fewer rows than another (an ordered scan that gave up) is
not counted among the fastest; to choose it is a failure.

    bench/planner/grid.py [--sizes 128:1000,128:100000,768:10000]
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

SELECTIVITIES = (1, .5, .1, .01, .001, .0001)
LIMITS = (1, 10, 100, 1000)
SIZES = "128:1000,128:10000,128:100000,128:1000000,768:1000,768:10000,768:40000"


def cell(plans, sqls, rounds):
    """Microseconds, rows and cost of each plan; which one is chosen"""
    forced = {}
    for name, settings in ALTERNATIVES.items():
        plans.set(**settings)
        plan = plans.explain(sqls[0])
        if plans.kind(plan) == name and plan["Total Cost"] < 1e9:
            # what takes long needs no repetition
            us, rows = plans.measure(sqls[:1], 1)
            if us < 50000:
                us, rows = plans.measure(sqls, rounds)
            forced[name] = us, rows, plan["Total Cost"]
        plans.reset(settings)
    return forced, plans.kind(plans.explain(sqls[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--method", default="hnsw")
    parser.add_argument("--options", default="")
    parser.add_argument("--kinds", default="plain,filter")
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    conn = connect(max_parallel_workers_per_gather="0")
    plans = Plans(conn)
    ratios = []
    failed = []
    print("| table | filter | selectivity | LIMIT | ordered | bitmap | exact | chosen | of the fastest |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in args.sizes.split(","):
        dims, count = map(int, size.split(":"))
        queries = [literal(v) for v in vectors(np.random.default_rng(5), args.queries, dims)]
        for table in make(conn, count, dims, args.method, args.options, args.kinds.split(',')):
            for column in ("f", "g"):
                for share in SELECTIVITIES:
                    if share == 1 and column == "g" or share * count < 1:
                        continue
                    for limit in LIMITS:
                        where = "" if share == 1 else f"WHERE {column} < {round(share * 1000000)}"
                        sqls = [f"SELECT id FROM {table} {where} ORDER BY v <-> '{q}' LIMIT {limit}" for q in queries]
                        forced, chosen = cell(plans, sqls, args.rounds)
                        rows = max(rows for _, rows, _ in forced.values())
                        fastest = min(us for us, got, _ in forced.values() if got == rows)
                        ratio = forced[chosen][0] / fastest if forced[chosen][1] == rows else float("inf")
                        ratios.append(ratio)
                        texts = [f"{forced[name][0]:.0f} ({forced[name][2]:.0f})" + ("" if forced[name][1] == rows else f" {forced[name][1]} rows")
                                 if name in forced else "" for name in ALTERNATIVES]
                        what = "none" if share == 1 else "btree" if column == "f" else "no btree"
                        line = f"| {table} | {what} | {share:g} | {limit} | {' | '.join(texts)} | {chosen} | {ratio:.2f} |"
                        print(line, flush=True)
                        if ratio > 1.3:
                            failed.append(line)
    ratios = np.array(ratios)
    print(f"\n{len(ratios)} cells: within 1.3 times {np.mean(ratios <= 1.3):.1%}, within 2 times {np.mean(ratios <= 2):.1%}")
    if failed:
        print("beyond 1.3 times:")
        print("\n".join(failed))


if __name__ == "__main__":
    main()
