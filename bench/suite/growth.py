"""Stage: how build time, memory, size and latency grow with the rows.

Builds by one process, latency at the target recall; for each contestant
figure ~ rows^e is fitted by least squares of the logarithms.  Exact search has
e = 1.
"""

import dataclasses

import common
import measure
import numpy as np
from measure import say
from sets import Truth

NAMES = ("ours hnsw", "ours ivfrabitq", "pgvector hnsw", "hnswlib", "faiss ivfpq")
FITTED = ("build_seconds", "peak_bytes", "bytes", "ms", "cpu_ms")


def run(env, sizes, names=NAMES, target=.95):
    everything, queries = env.dataset()
    path = env.stored(everything)
    effort = dataclasses.replace(env.effort, targets=(target,), points=3)
    result = {name: dict(sizes=[]) for name in env.servers(names)}
    for n in sizes:
        truth = Truth(everything[:n], queries)
        builds = {}

        def setup(c):
            c.load(path, n)
            builds[c.name] = c.build(1, env.cpu)
            c.prepare(queries)

        running, lost = measure.gather(list(result), env.peers, setup)
        seen = {name: measure.explore(c, truth, effort, 10, enough=target) for name, c in running.items()}
        points = {name: measure.frontier(seen[name], effort) for name in running}
        # A large index may not be in the buffers that its build has filled.
        for name, c in running.items():
            for point in points[name]:
                c.set(point)
                c.run(0, len(queries), 1)
        timed, failed = measure.rounds(running, points, seen, truth, effort, env.cpu)
        for name, c in running.items():
            if name not in failed:
                points_ = measure.record(points[name], seen[name], timed[name])
                values, mark = measure.at_recall(target, points_)
                wall, cpu = common.median(values) if values else (None, None)
                b = builds[name]
                result[name].update(home=c.home, version=c.version())
                result[name]["sizes"].append(dict(
                    rows=n, build_seconds=b["seconds"], build_cpu_seconds=b.get("cpu_seconds"),
                    peak_bytes=b.get("peak_bytes"), bytes=b["bytes"], ms=wall, cpu_ms=cpu, mark=mark))
            measure.close(c)
        for name, why in {**lost, **failed}.items():
            result[name]["not_run"] = why
        say(f"{n} rows done; load {common.load()}")
    for r in result.values():
        r["exponents"] = {key: fit(r["sizes"], key) for key in FITTED}
    return dict(dataset=env.dataset_name, dims=everything.shape[1], target=target, contestants=result)


def fit(sizes, key):
    """The exponent, of the sizes where the figure is at hand and exact; None
    where fewer than two are."""
    points = [(s["rows"], s[key]) for s in sizes if s.get(key) and not (key in ("ms", "cpu_ms") and s["mark"])]
    return float(np.polyfit(*np.log(points).T, 1)[0]) if len(points) > 1 else None
