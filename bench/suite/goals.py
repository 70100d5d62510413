"""The goals of the access methods' issues, each with what was measured.

A goal's figures are (where, value) pairs found in a result; "at least" and "at
most" say which side is good.  QPS ratios are at equal recall, medians of the
rounds' ratios, in CPU time of client and server together, which other work on
the machine leaves nearly alone; by the clock they stand beside it.
"""

import dataclasses
import tomllib
from pathlib import Path
from statistics import median
from typing import Callable

import measure

REASONS = tomllib.loads(Path(__file__).with_name("reasons.toml").read_text())


@dataclasses.dataclass
class Goal:
    key: str					# of reasons.toml
    issue: int
    text: str
    bound: float
    figures: Callable			# of the stages: yields (where, value)
    at_least: bool = True
    unit: str = ""


def of_kind(stages, kind):
    return [s for s in stages.values() if s["kind"] == kind]


def ran(stage, *names):
    """The contestants of those names, or None unless all ran."""
    all_ = [stage["contestants"].get(n) for n in names]
    return all_ if all(c and "not_run" not in c for c in all_) else None


def place(stage):
    return f"{stage['dataset']}, {stage['rows']:,} x {stage['dims']}"


# -- search stages -----------------------------------------------------------

def faster(mine, theirs, targets):
    """How many times as fast at equal recall; theirs may be several: the best."""
    def figures(stages):
        for s in of_kind(stages, "search"):
            for target in targets:
                ratios = [(r[0], other) for other in theirs if ran(s, mine, other) and (r := measure.times_as_fast(
                    s["contestants"][mine]["at10"], s["contestants"][other]["at10"], target))]
                if ratios:
                    ratio, other = min(ratios)
                    clock = measure.times_as_fast(s["contestants"][mine]["at10"], s["contestants"][other]["at10"],
                                                  target, 0)[0]
                    yield f"{place(s)}, recall {target}, {other} (by the clock {number(clock)})", ratio
    return figures


def built(mine, theirs, key, processes=None):
    """theirs / mine for seconds (how many times as fast), mine / theirs else."""
    def figures(stages):
        for s in of_kind(stages, "search"):
            both = ran(s, mine, theirs)
            if not both:
                continue
            for n in sorted(set(both[0]["build"]) & set(both[1]["build"]), key=int):
                if processes and int(n) != processes:
                    continue
                a, b = both[0]["build"][n].get(key), both[1]["build"][n].get(key)
                if a and b:
                    where = f"{place(s)}, {n} process{'es' if int(n) > 1 else ''}"
                    if key == "seconds":
                        used = both[1]["build"][n]["cpu_seconds"] / both[0]["build"][n]["cpu_seconds"]
                        where += f" (in CPU time {number(used)})"
                    yield where, b / a if key == "seconds" else a / b
    return figures


def by_cores(name):
    def figures(stages):
        for s in of_kind(stages, "search"):
            me = ran(s, name)
            if me and {"1", "2"} <= set(me[0]["build"]):
                yield place(s), me[0]["build"]["1"]["seconds"] / me[0]["build"]["2"]["seconds"]
    return figures


def memory_at_equal_speed(stages):
    """By one process: a parallel build of pgvector reserves all it may use."""
    for s in of_kind(stages, "search"):
        both = ran(s, "ours hnsw", "pgvector hnsw")
        if both and all("1" in c["build"] for c in both):
            a, b = (c["build"]["1"] for c in both)
            yield (f"{place(s)}, 1 process, {b['seconds'] / a['seconds']:.1f} times as fast",
                   a["peak_bytes"] / b["peak_bytes"])
    for s in of_kind(stages, "growth"):
        both = ran(s, "ours hnsw", "pgvector hnsw")
        if both and all(c["sizes"] for c in both):
            a, b = (c["sizes"][-1] for c in both)
            if a["rows"] == b["rows"] and a["peak_bytes"] and b["peak_bytes"]:
                yield (f"{s['dataset']}, {a['rows']:,} rows, 1 process, {b['build_seconds'] / a['build_seconds']:.1f} "
                       "times as fast", a["peak_bytes"] / b["peak_bytes"])


def same_probes(mine, theirs):
    def figures(stages):
        for s in of_kind(stages, "search"):
            both = ran(s, mine, theirs)
            if both:
                a, b = ({tuple(p["point"]): p["qps"] for p in c["at10"]} for c in both)
                shared = sorted(set(a) & set(b))
                if shared:
                    yield (f"{place(s)}, {', '.join(str(p[0]) for p in shared)} probes",
                           median(a[p] / b[p] for p in shared))
    return figures


# -- other stages ------------------------------------------------------------

def writes(value, *names):
    def figures(stages):
        for s in of_kind(stages, "writes"):
            both = ran(s, *names)
            if both:
                figure = value(*both, s["contestants"]["table alone"])
                if isinstance(figure, tuple):
                    figure, beside = figure
                    yield f"into {place(s)} ({beside})", figure
                elif figure is not None:
                    yield f"into {place(s)}", figure
    return figures


def inserts(mine, theirs, _):
    """In CPU time of client and backend; by the clock beside it."""
    a, b = mine["steady"], theirs["steady"]
    return b["cpu_ms"] / a["cpu_ms"], f"by the clock {number(a['rows_s'] / b['rows_s'])}"


def vacuums(mine, theirs, _):
    a, b = mine["delete"], theirs["delete"]
    return (b["vacuum_cpu_seconds"] / a["vacuum_cpu_seconds"],
            f"by the clock {number(b['vacuum_seconds'] / a['vacuum_seconds'])}")


def wal_of_index(mine, theirs, alone):
    table = alone["steady"]["wal_bytes"]
    return (mine["steady"]["wal_bytes"] - table) / (theirs["steady"]["wal_bytes"] - table)


def cold(stages):
    for s in of_kind(stages, "cold"):
        both = ran(s, "ours hnsw", "pgvector hnsw")
        # Not where the servers are somebody's, with buffers that hold it all.
        if both and any(c["shared_buffers"] > .2 * c["bytes"] for c in both):
            continue
        for when in ("dropped", "kept"):
            if both:
                yield (f"{place(s)}, page cache {when}, recall {both[0]['recall']:.3f} and {both[1]['recall']:.3f}",
                       both[0][when]["p50"] / both[1][when]["p50"])


def grown(name, key):
    def figures(stages):
        for s in of_kind(stages, "growth"):
            me = ran(s, name)
            if me and me[0]["exponents"].get(key) is not None:
                sizes = [x["rows"] for x in me[0]["sizes"]]
                yield f"{s['dataset']}, {min(sizes):,} to {max(sizes):,} rows, recall {s['target']}", me[0]["exponents"][key]
    return figures


FILTERED = "ours hnsw, filter columns"
CHOOSING = "ours hnsw, filter columns and btrees"


def cells_at(stage, name=FILTERED, enough=.95):
    """(ef_search, {(column, share): cell}): one setting for all conditions, the
    least with which each has the recall, else the one whose worst is best."""
    by_ef = {}
    for cell in stage["contestants"][name]["cells"]:
        by_ef.setdefault(cell["ef"], {})[cell["column"], cell["share"]] = cell
    lowest = {ef: min(cell["recall"] for cell in cells.values()) for ef, cells in by_ef.items()}
    good = [ef for ef in sorted(by_ef) if lowest[ef] >= enough]
    ef = good[0] if good else max(lowest, key=lowest.get)
    return ef, by_ef[ef]


def filtered(value, worst):
    """The worst selectivity, of random and of correlated conditions; worst: min
    where more is better, else max."""
    def figures(stages):
        for s in of_kind(stages, "filtered"):
            if not ran(s, FILTERED):
                continue
            ef, cells = cells_at(s)
            for column, kind in (("u", "random"), ("c", "correlated")):
                found = [(v, share, cell["plan"]) for (c, share), cell in cells.items()
                         if c == column and (v := value(s, cells, cell)) is not None]
                if found:
                    figure, share, plan = worst(found)
                    yield (f"{s['dataset']}, {s['rows']:,} rows, {kind}, ef_search {ef}; the worst of {len(found)}: "
                           f"{share:.2%} of the rows, plan: {plan}", figure)
    return figures


def to_exact(stage, _, cell):
    """Beside btrees on the columns, as the exact plan has them"""
    if not ran(stage, "ours exact plan") or not ran(stage, CHOOSING):
        return None
    cell = next(c for c in stage["contestants"][CHOOSING]["cells"]
                if (c["column"], c["share"], c["ef"]) == (cell["column"], cell["share"], cell["ef"]))
    exact = next(c for c in stage["contestants"]["ours exact plan"]["cells"]
                 if (c["column"], c["share"]) == (cell["column"], cell["share"]))
    return cell["p50"] / exact["p50"]


FAISS_IVF = ("faiss ivfpq", "faiss ivfflat")
BOTH = (.95, .99)
GOALS = [
    Goal("hnsw-pgvector", 3, "hnsw: times pgvector's QPS at equal recall", 5,
         faster("ours hnsw", ("pgvector hnsw",), BOTH)),
    Goal("hnsw-hnswlib", 3, "hnsw from SQL: times hnswlib's QPS in process", 1.5, faster("ours hnsw", ("hnswlib",), BOTH)),
    Goal("hnsw-build", 3, "hnsw build: times as fast as pgvector's", 3, built("ours hnsw", "pgvector hnsw", "seconds")),
    Goal("hnsw-build-cores", 3, "hnsw build: two processes, times as fast as one", 1.8, by_cores("ours hnsw")),
    Goal("hnsw-size", 3, "hnsw index: share of pgvector's size", .6, built("ours hnsw", "pgvector hnsw", "bytes"), False),
    Goal("hnsw-smallest", 3, "smallest hnsw index: share of pgvector's size", .2,
         built("ours hnsw, heap", "pgvector hnsw", "bytes"), False),
    Goal("hnsw-insert", 3, "hnsw: times pgvector's rows a second, one client", 5,
         writes(inserts, "ours hnsw", "pgvector hnsw")),
    Goal("hnsw-insert-4", 3, "the same, four clients, by the clock", 5,
         writes(lambda a, b, _: a["clients"]["rows_s"] / b["clients"]["rows_s"], "ours hnsw", "pgvector hnsw")),
    Goal("hnsw-vacuum", 3, "hnsw: vacuum of a tenth deleted, times as fast as pgvector's", 5,
         writes(vacuums, "ours hnsw", "pgvector hnsw")),
    Goal("hnsw-growth", 3, "hnsw: latency at equal recall grows as rows^", .15, grown("ours hnsw", "cpu_ms"), False),
    Goal("hnsw-wal", 6, "hnsw: WAL an insert (the index's part), share of pgvector's", .5,
         writes(wal_of_index, "ours hnsw", "pgvector hnsw"), False),
    Goal("hnsw-memory", 6, "hnsw build: peak memory, share of pgvector's", .5, memory_at_equal_speed, False),
    Goal("hnsw-cold", 6, "hnsw, buffers a tenth of the index: latency, share of pgvector's", .5, cold, False),
    Goal("ivfpq-faiss", 4, "ivfpq from SQL: times FAISS IVFPQ FastScan with refining", 1,
         faster("ours ivfpq", ("faiss ivfpq",), (.9, .95))),
    Goal("ivfpq-size", 4, "ivfpq index, re-ranking from the heap: share of pgvector's ivfflat", 1 / 8,
         built("ours ivfpq, heap", "pgvector ivfflat", "bytes"), False),
    Goal("ivfrabitq-faiss", 4, "ivfrabitq from SQL: times FAISS's best inverted file", 1.5,
         faster("ours ivfrabitq", FAISS_IVF, (.95,))),
    Goal("ivfrabitq-hnswlib", 4, "ivfrabitq from SQL: times hnswlib in process", 1,
         faster("ours ivfrabitq", ("hnswlib",), (.95,))),
    Goal("ivfrabitq-size", 4, "ivfrabitq index, re-ranking from the heap: share of pgvector's hnsw", .1,
         built("ours ivfrabitq, heap", "pgvector hnsw", "bytes"), False),
    Goal("ivfflat-pgvector", 4, "ivfflat: times pgvector's QPS at equal lists and probes", 1.5,
         same_probes("ours ivfflat", "pgvector ivfflat")),
    Goal("ivfflat-build", 4, "ivfflat build: times as fast as pgvector's", 3,
         built("ours ivfflat", "pgvector ivfflat", "seconds")),
    Goal("ivf-build-faiss", 4, "ivfrabitq build: times as fast as FAISS IVFPQ with as many threads", 1,
         built("ours ivfrabitq", "faiss ivfpq", "seconds")),
    Goal("ivf-copy", 4, "COPY into a living ivfrabitq index, rows a second", 10000,
         writes(lambda a, _: a["copy"]["rows_s"], "ours ivfrabitq")),
    Goal("exact-faiss", 2, "exact search in SQL: time, times FAISS's flat index", 1.5,
         lambda stages: ((where, 1 / value) for where, value in faster("ours exact", ("faiss flat",), (.99,))(stages)),
         False),
    Goal("filter-recall", 5, "filter columns: recall@10", .95, filtered(lambda s, cells, cell: cell["recall"], min)),
    Goal("filter-full", 5, "filter columns: share of searches with all rows asked for", 1,
         filtered(lambda s, cells, cell: cell["full"], min)),
    Goal("filter-unfiltered", 5, "filter columns: median latency, times the search without a filter, same settings", 2,
         filtered(lambda s, cells, cell: cell["p50"] / cells["all", 1]["p50"], max),
         False),
    Goal("filter-exact", 5, "filter columns and btrees: median latency, times the exact plan's", 1, filtered(to_exact, max), False),
]


def judge(stages):
    """A row for each goal and place: dict(key, issue, text, goal, where, value,
    met, by, why); value None where it was not measured."""
    rows = []
    for g in GOALS:
        bound = f"{'at least' if g.at_least else 'at most'} {number(g.bound)}"
        found = [(w, v) for w, v in g.figures(stages) if v == v]
        for where, value in found or [("", None)]:
            met = value is not None and (value >= g.bound if g.at_least else value <= g.bound)
            by = None if value is None else value / g.bound if g.at_least else g.bound / max(value, 1e-9)
            rows.append(dict(key=g.key, issue=g.issue, text=g.text, goal=bound, where=where, value=value,
                             shown="" if value is None else number(value), met=met, by=by,
                             why="" if met or value is None else REASONS.get(g.key, "")))
    return rows


def number(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"
