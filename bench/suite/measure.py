"""How contestants are asked: a first look, rounds, many clients, figures at
equal recall.  Method: bench/README.md.
"""

import dataclasses
import statistics
import time

import common
import numpy as np
from contestants import CORES, make
from worker import Lost

import graph


@dataclasses.dataclass
class Effort:
    """How long a measurement may take."""
    rounds: int = 5				# each contestant once a round
    a_round: int = 200			# queries of one point in a round, at most
    seconds: float = .4			# and of a round's point, at most
    look: float = .8			# seconds of the first look at a point, at most
    points: int = 7				# settings of a contestant that are timed, at most
    targets: tuple = (.9, .95, .99)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


# -- who takes part ----------------------------------------------------------

def gather(names, peers, setup):
    """({name: contestant}, {name: reason}) after setup(contestant); whoever
    fails in it is listed as not run and takes no further part."""
    running, lost = {}, {}
    for name in names:
        try:
            c = make(name, peers)
        except Exception as error:
            lost[name] = reason(error)
            say(f"{name}: not run: {lost[name]}")
            continue
        try:
            setup(c)
            running[name] = c
        except Exception as error:
            lost[name] = reason(error)
            say(f"{name}: not run: {lost[name]}")
            close(c)
    return running, lost


def reason(error):
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, Lost) else f"{type(error).__name__}: {text}"


def not_cached(running):
    """Warnings where a server's tables and indexes do not fit its buffers."""
    out, total = [], {}
    for c in running.values():
        if hasattr(c, "conn"):
            size = common.one(c.conn, "SELECT pg_total_relation_size(%s::regclass)", c.table)
            total.setdefault(c.dsn, [c, 0])[1] += size
    for c, size in total.values():
        have = common.setting_bytes(c.conn, "shared_buffers")
        if size > have:
            out.append(f"{size / 1e9:.1f} GB of tables and indexes of {c.home}, shared_buffers {have / 1e9:.1f} GB")
            say("not all cached: " + out[-1])
    return out


def close(c):
    try:
        c.close()
    except Exception as error:			# it may be why we close it
        say(f"{c.name}: {reason(error)}")


# -- a first look ------------------------------------------------------------

def look(c, point, truth, seconds, k):
    """dict(recall, ms, cpu_ms, asked) of one setting; also fills the caches."""
    c.set(point)
    many = len(truth.queries)
    first = min(10, many)
    run = c.run(0, first, 1)
    answers, spent, used = list(run.ids), run.whole, run.cpu
    more = min(many - first, max(40, int(seconds * 1e9 / max(spent / first, 1))) - first)
    if more > 0:
        run = c.run(first, more, 1)
        # The first few found the caches cold: their time counts only alone.
        answers, spent, used, first = answers + list(run.ids), run.whole, run.cpu, more
    ms, cpu = spent / first / 1e6, used / first / 1e6
    return dict(recall=truth.recall(answers, k=k), ms=ms, cpu_ms=ms if cpu != cpu else cpu, asked=len(answers))


def explore(c, truth, effort, k, enough=.998):
    """{point: look} from fast to thorough, for each way of re-ranking up to
    where recall is enough or has not grown for three settings: a scan that
    fills its LIMIT from further lists is as good with one as with four."""
    out, done, ways = {}, set(), {}
    for point in dict.fromkeys(c.points(k)):
        way = point[1:]
        if way in done:
            continue
        out[point] = seen = look(c, point, truth, effort.look, k)
        before = ways.setdefault(way, [])
        stuck = len(before) > 2 and seen["recall"] - before[-3] < .0005 and seen["recall"] > .5
        if seen["recall"] >= enough or stuck:
            done.add(way)
        before.append(seen["recall"])
    return out


def frontier(seen, effort):
    """Points that no other beats in both recall and time, the targets'
    neighbours first if there are more than effort.points."""
    best, out = float("inf"), []
    for point in sorted(seen, key=lambda p: (-seen[p]["recall"], seen[p]["cpu_ms"])):
        if seen[point]["cpu_ms"] < best:
            best = seen[point]["cpu_ms"]
            out.append(point)
    out.reverse()
    if len(out) <= effort.points:
        return out
    keep = set()
    for target in effort.targets:
        above = next((i for i, p in enumerate(out) if seen[p]["recall"] >= target), None)
        if above is not None:
            keep |= {above, max(0, above - 1)}
    for i in [len(out) - 1, 0, *range(1, len(out) - 1)]:
        if len(keep) < effort.points:
            keep.add(i)
    return [out[i] for i in sorted(keep)]


# -- rounds ------------------------------------------------------------------

def rounds(running, points, seen, truth, effort, cpu):
    """{name: {point: dict(rounds=[(wall, CPU) ms a query], p50, p95, p99)}} by
    one client, interleaved, everything on one CPU.  A round takes the next of
    the queries, the same for all, after a few others that bring the contestant
    back into the CPU's caches.  Whoever fails is left out of what is returned."""
    each, failed = {}, {}

    def asks(c, point):
        count = a_round(seen[c.name][point]["ms"], effort)
        at = iter(range(0, 1 << 30, effort.a_round))

        def run():
            first = next(at)
            if c.name in failed:
                return float("nan"), float("nan")
            try:
                c.set(point)
                c.run(first + count, min(20, count), 1)
                run = c.run(first, count, 1)
            except Exception as error:
                failed[c.name] = reason(error)
                say(f"{c.name}: {failed[c.name]}")
                return float("nan"), float("nan")
            each.setdefault((c.name, point), []).append(run.each)
            wall = run.whole / count / 1e6
            return wall, run.cpu / count / 1e6 if run.cpu == run.cpu else wall
        return run

    pin(running.values(), cpu)
    figures = common.interleaved({(name, point): asks(c, point) for name, c in running.items()
                                  for point in points[name]}, effort.rounds)
    pin(running.values(), None)
    out = {}
    for (name, point), values in figures.items():
        if name not in failed:
            out.setdefault(name, {})[point] = dict(rounds=values, **percentiles(each[name, point]))
    return out, failed


def a_round(ms, effort):
    return int(max(5, min(effort.a_round, effort.seconds * 1e3 / max(ms, 1e-3))))


def percentiles(parts):
    if any(p is None for p in parts):
        return {}
    values = np.concatenate(parts) / 1e6
    return {f"p{p}": float(np.percentile(values, p)) for p in (50, 95, 99)}


def pin(all_, cpu):
    for c in all_:
        try:
            c.pin(cpu)
        except Lost:
            pass					# it died; rounds finds out
    common.pin(cpu)


def by_all_cores(running, points, seen, effort, repeats=3):
    """{name: {point: dict(qps, p50, p95, p99)}} with a client for each core."""
    def asks(c, point):
        count = a_round(seen[c.name][point]["ms"] / CORES, dataclasses.replace(effort, a_round=2 * effort.a_round))
        at = iter(range(0, 1 << 30, count))

        def run():
            first = next(at)
            try:
                c.set(point)
                c.run(first + count, min(40, count), CORES)
                run = c.run(first, count, CORES)
            except Exception as error:
                say(f"{c.name}: {reason(error)}")
                return None
            return count / run.whole * 1e9, run.each
        return run

    figures = common.interleaved({(name, point): asks(c, point) for name, c in running.items()
                                  for point in points[name]}, repeats)
    out = {}
    for (name, point), values in figures.items():
        if all(values):
            out.setdefault(name, {})[point] = dict(clients=CORES, qps=statistics.median(v[0] for v in values),
                                                   **percentiles([v[1] for v in values]))
    return out


def record(points, seen, timed, cores=None):
    """What a stage keeps of a contestant: a list of points, recall upwards."""
    out = []
    for point in points:
        if point not in timed:
            continue
        wall, cpu = common.median(timed[point]["rounds"])
        out.append(dict(point=list(point), recall=seen[point]["recall"], asked=seen[point]["asked"],
                        qps=1e3 / wall, cpu_qps=1e3 / cpu, **timed[point], **({"cores": cores[point]}
                                                                      if cores and point in cores else {})))
    return sorted(out, key=lambda p: p["recall"])


# -- at equal recall ---------------------------------------------------------

def at_recall(target, points):
    """([(wall, CPU) ms of each round], mark) at the target: interpolated
    between the recorded points around it; mark ">=" where even the fastest
    point has more recall; (None, "") where none has as much."""
    recall = {i: p["recall"] for i, p in enumerate(points)}
    rounds_ = {i: [tuple(r) for r in p["rounds"]] for i, p in enumerate(points)}
    return graph.at_recall_by_round(target, recall, rounds_) if points else (None, "")


def times_as_fast(a, b, target, column=1):
    """(median, least, greatest) over the rounds of b's time / a's at the target
    recall, or None; column 0: by the clock, 1: CPU time of both sides."""
    mine, theirs = at_recall(target, a)[0], at_recall(target, b)[0]
    if not mine or not theirs:
        return None
    ratios = [y[column] / x[column] for x, y in zip(mine, theirs)]
    return statistics.median(ratios), min(ratios), max(ratios)
