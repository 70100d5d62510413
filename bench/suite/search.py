"""Stage: build and search of one data set by all contestants.

Builds by the numbers of processes asked for (the last one's index is searched),
then recall against speed for the 10 and the 100 nearest, by one client and by
one for each core.
"""

import dataclasses

import common
import measure
from contestants import CORES
from measure import say
from sets import Truth


def run(env, processes=(1, CORES), ks=(10, 100)):
    rows, queries = env.dataset()
    path = env.stored(rows)
    truth = Truth(rows, queries, k=max(ks))
    result = {name: {} for name in env.names}

    def setup(c):
        c.load(path, len(rows))
        build = {}
        # How the embedded databases scale with cores is nobody's question.
        for n in dict.fromkeys(processes if c.home != "embedded" else processes[-1:]):
            build[n] = c.build(n, env.cpu)
        c.prepare(queries)
        result[c.name].update(family=c.family, home=c.home, version=c.version(), build=build)
        say(f"{c.name}: built in " + ", ".join(f"{b['seconds']:.1f} s by {n}" for n, b in build.items() if b)
            + f"; load {common.load()}")

    running, lost = measure.gather(env.names, env.peers, setup)
    warnings = measure.not_cached(running)
    for k in ks:
        seen = {}
        # Of the second k, less: it is the same indexes.
        effort = env.effort if k == ks[0] else dataclasses.replace(env.effort, rounds=3, points=5)
        for name, c in list(running.items()):
            try:
                c.prepare(queries, k)
                seen[name] = measure.explore(c, truth, effort, k)
                best = max(s["recall"] for s in seen[name].values())
                say(f"{name}: {len(seen[name])} settings, recall@{k} up to {best:.4f}")
            except Exception as error:
                lost[name] = measure.reason(error)
                say(f"{name}: not run: {lost[name]}")
                measure.close(running.pop(name))
        points = {name: measure.frontier(seen[name], effort) for name in running}
        timed, failed = measure.rounds(running, points, seen, truth, effort, env.cpu)
        for name in failed:
            lost[name] = failed[name]
            measure.close(running.pop(name))
        cores = measure.by_all_cores(running, points, seen, effort) if k == ks[0] else {}
        for name in running:
            result[name][f"at{k}"] = measure.record(points[name], seen[name], timed[name], cores.get(name))
        say(f"recall@{k} done; load {common.load()}")
    for c in running.values():
        measure.close(c)
    for name, why in lost.items():
        result[name]["not_run"] = why
    return dict(dataset=env.dataset_name, rows=len(rows), dims=rows.shape[1], queries=len(queries),
                warnings=warnings, contestants=result)
