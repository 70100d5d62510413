#!/usr/bin/env python3
"""make bench-check: does the benchmark itself work?

Runs every stage on a few rows and checks the result: each contestant asked for
has figures or a reason, figures are possible ones, a goal has been judged, the
report has its pictures.  Comparing two results that are alike finds nothing;
a regression put in by hand is found, with the exit status that says so.
"""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
for room in (HERE.parent / "data", HERE.parent / "hnsw", HERE.parent, HERE):
    sys.path.insert(0, str(room))
import common
import numpy as np

import sets

NAMES = ("ours hnsw", "ours ivfrabitq", "ours exact", "pgvector hnsw", "hnswlib", "faiss ivfpq", "faiss flat")
checks = [0, 0]


def check(what, good):
    checks[not good] += 1
    print(f"{'ok' if good else 'NOT OK'}: {what}", flush=True)


def truth():
    """Exact answers and recall against a plain computation."""
    rng = np.random.default_rng(3)
    rows, queries = rng.standard_normal((500, 8), np.float32), rng.standard_normal((20, 8), np.float32)
    order = ((rows[None] - queries[:, None]) ** 2).sum(2).argsort(1)
    exact = sets.Truth(rows, queries, k=10)
    check("recall of the right answers is 1", exact.recall(order[:, :10]) == 1)
    check("recall of nine right of ten is .9", abs(exact.recall(order[:, 1:10]) - .9) < 1e-9)
    check("recall of the farthest is 0", exact.recall(order[:, -10:]) == 0)
    alive = np.zeros(500, bool)
    alive[order[0, 100:103]] = True
    few = sets.Truth(rows, queries[:1], alive)
    check("where three rows are alive, three are all", few.recall([order[0, 100:103]]) == 1)
    check("rows that are not alive are not right", few.recall([order[0, :10]]) == 0)


def run():
    name = f"check-{time.strftime('%Y%m%d-%H%M%S')}"
    done = subprocess.run([sys.executable, HERE / "run.py", "--profile", "check", "--run", name,
                           "--contestants", ",".join(NAMES)])
    check("the run ends with status 0", done.returncode == 0)
    return common.CACHE / "runs" / name


def look(folder):
    result = json.loads((folder / "result.json").read_text())
    stages = result["stages"]
    check("every stage has figures", sorted(stages) == ["cold", "filtered", "growth", "search", "writes"])
    search = stages["search"]["contestants"]
    check("everybody asked for was measured", set(search) == set(NAMES) and not any("not_run" in c for c in search.values()))
    for name, c in search.items():
        points = c["at10"]
        check(f"{name}: recall up to .9 or more, speeds above 0",
              points[-1]["recall"] >= .9 and all(p["qps"] > 0 and p["cores"]["qps"] > 0 for p in points))
        check(f"{name}: percentiles rise", all(0 < p["p50"] <= p["p95"] <= p["p99"] for p in points))
    check("exact contestants are exact", all(search[n]["at10"][0]["recall"] > .999 for n in ("ours exact", "faiss flat")))
    writes = stages["writes"]["contestants"]
    check("an index costs WAL", writes["ours hnsw"]["steady"]["wal_bytes"] > writes["table alone"]["steady"]["wal_bytes"] > 0)
    check("deleted rows are gone from the answers", writes["ours hnsw"]["search"]["deleted"]["recall"] > .9)
    cells = [c for w in stages["filtered"]["contestants"].values() if "not_run" not in w for c in w["cells"]]
    check("filters: the exact plan finds all", all(c["recall"] > .999 and c["full"] == 1 for c in cells if c["ef"] is None))
    cold = stages["cold"]["contestants"]["ours hnsw"]
    check("cold: a dropped cache is read from disk", cold["dropped"]["read_bytes"] > cold["kept"]["read_bytes"])
    growth = stages["growth"]["contestants"]["ours hnsw"]
    check("growth: the index grows about as the rows", .5 < growth["exponents"]["bytes"] < 1.3)
    check("goals were judged", sum(g["value"] is not None for g in result["goals"]) >= 10)
    html = (folder / "report.html").read_text()
    check("the report holds its pictures and nothing from elsewhere",
          html.count("data:image/png;base64,") >= 8 and "src=\"http" not in html)
    return result


def compare(result):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        old, new = folder / "old.json", folder / "new.json"
        old.write_text(json.dumps(result))

        def status():
            done = subprocess.run([sys.executable, HERE / "compare.py", old, new], capture_output=True, text=True)
            return done.returncode, [line for line in done.stdout.splitlines() if "REGRESSION" in line]

        new.write_text(json.dumps(result))
        check("compare: a result is as good as itself", status() == (0, []))
        worse = copy.deepcopy(result)
        build = next(iter(worse["stages"]["search"]["contestants"]["ours hnsw"]["build"].values()))
        build["bytes"] = int(build["bytes"] * 1.2)
        new.write_text(json.dumps(worse))
        code, lines = status()
        check("compare: an index larger by a fifth is a regression, and the only one",
              code == 1 and len(lines) == 1 and "ours hnsw" in lines[0] and "index bytes" in lines[0])
        slower = copy.deepcopy(result)
        slower["stages"]["writes"]["contestants"]["ours hnsw"]["steady"]["rows_s"] /= 2
        new.write_text(json.dumps(slower))
        code, lines = status()
        check("compare: half the inserts a second is one", code == 1 and len(lines) == 1 and "steady" in lines[0])
        drift = copy.deepcopy(result)
        for c in drift["stages"]["writes"]["contestants"].values():
            c["steady"]["rows_s"] /= 2
        new.write_text(json.dumps(drift))
        check("compare: everybody at half the speed is a slower machine", status() == (0, []))
        new.write_text("{")
        check("compare: a broken file is an error", status()[0] not in (0, None))


def main():
    if len(sys.argv) > 1:				# the folder of a run: look at that
        compare(look(pathlib.Path(sys.argv[1])))
        return 1 if checks[1] else 0
    truth()
    folder = run()
    compare(look(folder))
    print(f"{checks[0]} passed, {checks[1]} failed")
    return 1 if checks[1] else 0


if __name__ == "__main__":
    sys.exit(main())
