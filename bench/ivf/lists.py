"""What the benchmarks of inverted files share: contestants and their settings.

A contestant is one of ../hnsw/graph.py's kind.  Its "ef" is a point: (probes,
re-ranking), re-ranking being None where there is none to set; a graph's point
is (ef, None).
"""

import ctypes
import math
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "hnsw"))
import graph
import common

PROBES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
METHODS = ("ivfflat", "ivfpq", "ivfrabitq")
FAISS = {
    "flat": "IVF{lists},Flat",
    "sq8": "IVF{lists},SQ8",
    "pq": "IVF{lists},PQ{quarter}x4fs,RFlat",
    "pqr": "IVF{lists},PQ{quarter}x4fsr,RFlat",
    "pq2": "IVF{lists},PQ{half}x4fs,RFlat",
    "rabitq": "RR{dims},IVF{lists},RaBitQ,RFlat",
    "rabitqfs": "RR{dims},IVF{lists},RaBitQfs,RFlat",
    "rabitqfs0": "IVF{lists},RaBitQfs,RFlat",
}
CONTESTANTS = ("ivfrabitq ivfrabitq-index ivfpq ivfpq-index ivfpq-opq ivfflat pgvector"
               " faiss-pq faiss-flat faiss-sq8 faiss-rabitqfs hnswlib").split()


def default_lists(rows):
    return round(4 * math.sqrt(rows))


# -- servers -----------------------------------------------------------------

class Sql(graph.Sql):
    """spec: a method with modifiers after dashes: "index" (rerank = index),
    "opq", "bitsN", "mN", "plain" (values in line); or pgvector."""

    def __init__(self, spec, dsn, lists):
        super().__init__(spec, dsn)
        self.method, *rest = ("ivfflat" if spec == "pgvector" else spec).split("-")
        self.with_ = [f"lists = {lists}"]
        self.plain = "plain" in rest
        for word in rest:
            if word == "index":
                self.with_.append("rerank = index")
            elif word == "opq":
                self.with_.append("opq = on")
            elif word.startswith("bits"):
                self.with_.append(f"bits = {word[4:]}")
            elif word.startswith("m"):
                self.with_.append(f"m = {word[1:]}")
            elif word != "plain":
                sys.exit(f"{spec}: what is {word}?")
        self.probes = PROBES
        self.reranks = [None] if self.method == "ivfflat" else [20, 30, 50, 100, 200]
        # A point of its own: what comes without any setting.
        self.default = None if self.method == "ivfflat" else (0, 0)

    def load(self, rows):
        super().load(rows[:0])
        if self.plain:
            self.conn.execute(f"ALTER TABLE {self.table} ALTER v SET STORAGE PLAIN")
        common.copy_in(self.conn, self.table, rows, "vector")
        self.conn.execute(f"VACUUM (FREEZE, ANALYZE) {self.table}")

    def using(self):
        return f"{self.method} (v vector_l2_ops) WITH ({', '.join(self.with_)})"

    def build(self, processes, cpu=None):
        """Counts the CPU time of workers too: their parent's of children that
        have ended, in hundredths of a second."""
        parent = int(graph.Memory.status(self.pid)["PPid"])
        before = of_children(parent)
        figures = super().build(processes, cpu)
        figures["cpu_seconds"] += of_children(parent) - before
        return figures

    def set_ef(self, point):
        probes, rerank = point
        self.conn.execute(f"SET {self.method}.probes = {probes}")
        if rerank is not None:
            self.conn.execute(f"SET {self.method}.rerank = {rerank}")


def of_children(pid):
    """Seconds of CPU time of the process's children that have ended."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


class PgvectorHnsw(graph.Sql):
    probes, reranks, default = graph.EFS, [None], None

    def __init__(self, name, dsn):
        super().__init__(name, dsn)

    def set_ef(self, point):
        super().set_ef(point[0])


# -- libraries ---------------------------------------------------------------

class Hnswlib(graph.Hnswlib):
    probes, reranks, default = graph.EFS, [None], None

    def set_ef(self, point):
        super().set_ef(point[0])


class Faiss(graph.InProcess):
    """One of FAISS's indexes.  Training and adding, CPU time is the process's;
    searching, one thread."""
    default = None

    def __init__(self, spec, lists, sample=None):
        self.name, self.lists, self.sample = spec, lists, sample
        self.factory = FAISS[spec.removeprefix("faiss-")]
        self.probes = PROBES
        self.reranks = [2, 3, 5, 10, 20] if "RFlat" in self.factory else [None]

    def build(self, processes, cpu=None):
        import faiss
        dims = self.rows.shape[1]
        self.whole = None
        whole = faiss.index_factory(dims, self.factory.format(
            lists=self.lists, dims=dims, quarter=dims // 4, half=dims // 2))
        self.ivf = faiss.extract_index_ivf(whole)
        if self.sample:
            self.ivf.cp.max_points_per_centroid = self.sample
        faiss.omp_set_num_threads(processes)
        # BLAS has threads of its own, of which one CPU leaves one running.
        pin_all({cpu} if processes == 1 else range(os.cpu_count()))
        with OwnMemory() as memory:
            before = time.process_time()
            train = common.timed(whole.train, self.rows)[0]
            add = common.timed(whole.add, self.rows)[0]
            used = time.process_time() - before
        pin_all(range(os.cpu_count()))
        faiss.omp_set_num_threads(1)
        size = faiss.serialize_index(getattr(whole, "base_index", whole)).nbytes
        self.whole = whole
        return dict(seconds=(train + add) / 1e3, cpu_seconds=used, bytes=size, peak_bytes=memory.peak,
                    train_seconds=train / 1e3)

    def set_ef(self, point):
        self.ivf.nprobe = point[0]
        if point[1] is not None:
            self.whole.k_factor = point[1]

    def search(self, query):
        return self.whole.search(query, graph.K)[1][0]

    def ask(self, i):
        return self.search(self.queries[i][None])


class OwnMemory:
    """Peak of this process's memory over what it was on entry."""

    def __enter__(self):
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")		# the peak begins anew
        self.before = self.status("VmRSS")
        return self

    def __exit__(self, *_):
        self.peak = self.status("VmHWM") - self.before

    @staticmethod
    def status(field):
        return int(graph.Memory.status("self")[field].split()[0]) * 1024


def pin_all(cpus):
    """Every thread of this process."""
    for task in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(task), cpus)
        except ProcessLookupError:
            pass


# -- which -------------------------------------------------------------------

def contestants(names, lists, sample=None):
    out = []
    for name in names:
        if name == "hnswlib":
            out.append(Hnswlib())
        elif name == "pgvector-hnsw":
            out.append(PgvectorHnsw(name, graph.server("PEER")))
        elif name == "pgvector":
            out.append(Sql(name, graph.server("PEER"), lists))
        elif name.startswith("faiss-"):
            out.append(Faiss(name, lists, sample))
        elif name.split("-")[0] in METHODS:
            out.append(Sql(name, graph.server("OURS"), lists))
        else:
            sys.exit(f"no contestant {name}")
    return out


def explore(c, truth, enough, cpu, limit=None):
    """{point: (recall, CPU ms a query)} for each way of re-ranking, by probes
    upwards until recall is enough or grows no more.  A first look, one round."""
    out = {}
    common.pin(cpu, *([c.pid] if c.pid else []))
    for rerank in c.reranks:
        last = 0
        for probes in c.probes:
            if limit and probes > limit:
                break
            out[probes, rerank] = recall, _ = look(c, (probes, rerank), truth)
            if recall >= enough or (recall - last < .0005 and recall > .5):
                break
            last = recall
    if c.default:
        out[c.default] = look(c, c.default, truth)
    common.pin(None, *([c.pid] if c.pid else []))
    return out


def look(c, point, truth):
    c.set_ef(point)
    answers = []

    def ask():
        answers.extend(c.ask(i) for i in range(len(truth.queries)))
    cpu = common.timed_backend(c.pid, ask)[1] if c.pid else common.timed_here(ask)[1]
    return truth.recall(answers), cpu / len(truth.queries)


def around(target, seen, near=1.1):
    """The points to time for a target: those around it, for the re-ranking that
    was the fastest at first sight, and any other about as fast."""
    cost, points = {}, {}
    for rerank in dict.fromkeys(r for _, r in seen):
        recall = {p: v[0] for (p, r), v in seen.items() if r == rerank and p}
        ms = {p: v[1] for (p, r), v in seen.items() if r == rerank and p}
        if not recall:
            continue
        cost[rerank] = graph.at_recall(target, recall, ms)[0]
        if cost[rerank] is None:
            del cost[rerank]
            continue
        above = min(p for p in recall if recall[p] >= target)
        points[rerank] = [p for p in sorted(recall) if p <= above][-2:]
    best = sorted(cost, key=cost.get)[:2]
    return [(p, r) for r in best if cost[r] <= near * cost[best[0]] for p in points[r]]


def at_target(target, seen, figures):
    """(recall mark, re-ranking, [(wall, CPU) of each round]) of the re-ranking
    with the least median CPU time; None if the target was not reached."""
    best = None
    for rerank in dict.fromkeys(r for _, r in figures):
        recall = {p: seen[p, r][0] for p, r in figures if r == rerank and p}
        if not recall:
            continue
        # Only points around: recall may not grow evenly over others.
        above = min((p for p in recall if recall[p] >= target), default=None)
        if above is None:
            continue
        keep = [p for p in sorted(recall) if p <= above][-2:]
        values, mark = graph.at_recall_by_round(target, {p: recall[p] for p in keep},
                                                {p: figures[p, rerank] for p in keep})
        if values and (best is None or common.median(values)[1] < common.median(best[2])[1]):
            best = mark, rerank, values
    return best


def print_builds(builds, rows, bases):
    """builds: {name: {processes: figures}}; bases: {name: bytes} to compare
    sizes with."""
    out = []
    for name, by_processes in builds.items():
        for processes, b in by_processes.items():
            mb = [f"{b[key] / 1e6:.1f}" if key in b else "" for key in ("bytes", "peak_bytes", "wal")]
            out.append([name, processes, f"{b['seconds']:.1f}", f"{b['cpu_seconds']:.1f}", *mb,
                        f"{b['bytes'] / rows:.0f}", *(f"1/{size / b['bytes']:.1f}" for size in bases.values())])
    common.print_table(["build", "processes", "s", "CPU s", "index MB", "peak MB", "WAL MB", "bytes a row",
                        *(f"to {base}" for base in bases)], out)
