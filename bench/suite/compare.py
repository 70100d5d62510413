#!/usr/bin/env python3
"""Compare two result files of make bench.

    bench/cache/venv/bin/python bench/suite/compare.py OLD/result.json NEW/result.json

Prints NEW / OLD of every figure that both have.  Two runs are two moments of a
machine: figures of time are first divided by the drift of the others (the
median ratio of what is not ours, for the same figure or else the same kind of
figure in the same stage); --raw leaves that out.  Ends with status 1 if one of ours is worse by
more than --tolerance, and says which.
"""

import argparse
import json
import pathlib
import statistics
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
for room in (HERE.parent / "data", HERE.parent / "hnsw", HERE.parent, HERE):
    sys.path.insert(0, str(room))
import common
import measure

# kind: (more is better, a figure of time)
KINDS = {
    "QPS": (True, True), "QPS, all cores": (True, True), "build s": (False, True), "index bytes": (False, False),
    "peak bytes": (False, False), "recall": (True, False), "rows/s": (True, True), "rows/s, clients": (True, True),
    "WAL bytes": (False, False), "vacuum s": (False, True), "COPY rows/s": (True, True), "ms": (False, True),
}


def figures(result):
    """{(stage, contestant, kind, detail): (value, ours)}"""
    out = {}
    for stage, s in result["stages"].items():
        for name, c in s["contestants"].items():
            if "not_run" in c:
                continue
            for kind, detail, value in READERS[s["kind"]](c):
                if value is not None and value == value:
                    out[stage, name, kind, detail] = value, c.get("home") == "ours"
    return out


def of_search(c):
    for n, b in c["build"].items():
        yield "build s", f"{n} processes", b.get("seconds")
        yield "index bytes", f"{n} processes", b.get("bytes")
        yield "peak bytes", f"{n} processes", b.get("peak_bytes")
    for at in ("at10", "at100"):
        for target in (.9, .95, .99):
            values, mark = measure.at_recall(target, c.get(at, []))
            if values and not mark:
                yield "QPS", f"recall@{at[2:]} {target}", 1e3 / common.median(values)[1]
        for p in c.get(at, []):
            detail = f"@{at[2:]}, setting {' '.join(map(str, p['point']))}"
            yield "recall", detail, p["recall"]
            if "cores" in p:
                yield "QPS, all cores", detail, p["cores"]["qps"]


def of_writes(c):
    for when in ("steady", "checkpointed"):
        if when in c:
            yield "rows/s", when, c[when]["rows_s"]
            yield "WAL bytes", when, c[when]["wal_bytes"]
    for key, kind, field in (("clients", "rows/s, clients", "rows_s"), ("delete", "vacuum s", "vacuum_seconds"),
                             ("copy", "COPY rows/s", "rows_s")):
        if key in c:
            yield kind, "", c[key][field]
    for when, s in c.get("search", {}).items():
        yield "recall", when, s["recall"]


def of_cold(c):
    for when in ("dropped", "kept"):
        yield "ms", when, c[when]["p50"]


def of_filtered(c):
    for cell in c["cells"]:
        detail = f"{cell['column']} {cell['share']:.2%} ef {cell['ef']}"
        yield "ms", detail, cell["p50"]
        yield "recall", detail, cell["recall"]


def of_growth(c):
    for s in c["sizes"]:
        yield "build s", f"{s['rows']} rows", s["build_seconds"]
        yield "peak bytes", f"{s['rows']} rows", s["peak_bytes"]
        if not s["mark"]:
            yield "ms", f"{s['rows']} rows", s["cpu_ms"]


READERS = dict(search=of_search, writes=of_writes, cold=of_cold, filtered=of_filtered, growth=of_growth)


def compare(old, new, tolerance=.1, raw=False):
    """[dict(key, old, new, ratio, drift, worse, regression)]; ratio > 1: better."""
    old, new = figures(old), figures(new)
    rows = []
    for key in (k for k in new if k in old):
        more, _ = KINDS[key[2]]
        a, b = old[key][0], new[key][0]
        if a > 0 and b > 0:
            rows.append(dict(key=key, old=a, new=b, ours=new[key][1], better=b / a if more else a / b))
    for row in rows:
        stage, _, kind, detail = row["key"]
        others = [r for r in rows if not r["ours"] and (r["key"][0], r["key"][2]) == (stage, kind)]
        # Of the very same figure, where they have it.
        others = [r["better"] for r in [r for r in others if r["key"][3] == detail] or others]
        row["drift"] = statistics.median(others) if others and KINDS[kind][1] and not raw else 1.0
        row["ratio"] = row["better"] / row["drift"]
        # Of a recall of .99 not a tenth may be lost: errors count.
        if kind == "recall":
            row["regression"] = row["ours"] and (1 - row["new"]) > (1 - row["old"]) * (1 + tolerance) + .005
        else:
            row["regression"] = row["ours"] and row["ratio"] < 1 / (1 + tolerance)
    return rows


def main():
    arg = argparse.ArgumentParser(prog="bench-compare", description="Compare two results of make bench")
    arg.add_argument("old", type=pathlib.Path)
    arg.add_argument("new", type=pathlib.Path)
    arg.add_argument("--tolerance", type=float, default=.1, help="how much worse is a regression (default .1)")
    arg.add_argument("--raw", action="store_true", help="do not take out the drift of the others")
    arg.add_argument("--all", action="store_true", help="print the others' figures too")
    arg = arg.parse_args()
    results = []
    for path in (arg.old, arg.new):
        try:
            results.append(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            sys.exit(f"{path}: {error}")
    for label, r in zip(("old", "new"), results):
        about = r["about"]
        print(f"{label}: {about['commit']}, {about['date']}, {about['machine']['cpu']}, {about['machine']['cores']} cores")
    if results[0]["about"]["machine"]["cpu"] != results[1]["about"]["machine"]["cpu"]:
        print("different machines: figures of time are compared only by their ratio to the others")
    rows = compare(*results, arg.tolerance, arg.raw)
    if not rows:
        sys.exit("the two have no figure in common")
    print("\nratio: how many times as good as before, the others' drift taken out\n")
    common.print_table(["", "figure", "old", "new", "drift", "ratio", ""], [
        [f"{r['key'][0]}: {r['key'][1]}", " ".join(filter(None, r["key"][2:])), f"{r['old']:.6g}", f"{r['new']:.6g}",
         f"{r['drift']:.2f}", f"{r['ratio']:.2f}", "REGRESSION" if r["regression"] else ""]
        for r in rows if r["ours"] or arg.all])
    bad = [r for r in rows if r["regression"]]
    ours = [r["ratio"] for r in rows if r["ours"]]
    print(f"\n{len(ours)} figures of ours, median ratio {statistics.median(ours) if ours else 1:.2f}, "
          f"{len(bad)} worse by more than {arg.tolerance:.0%}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
