"""Stage: a living index: single-row INSERTs by one and by four clients, WAL a
row, DELETE, VACUUM, COPY, and recall before and after.

Each INSERT is a prepared statement with binary parameters and a transaction of
its own.  "table alone" is the same table without an index.  COPY is of inverted
files only: a graph takes a COPY's rows as it takes INSERTs.
"""

import common
import measure
import numpy as np
from contestants import CORES
from driver import Driver
from measure import say
from sets import Truth

NAMES = ("ours hnsw", "ours ivfrabitq", "pgvector hnsw", "pgvector ivfflat")
ALONE = "table alone"
CHUNKS = 10
CLIENTS = 4
POINT = {"hnsw": (40,), "ivfflat": (16,), "ivfpq": (16, 100), "ivfrabitq": (16, 0)}


class Inserts:
    """The connections that insert into one contestant's table."""

    def __init__(self, c, rows, first_id):
        self.c = c
        self.one, self.many = Driver(c.dsn, 1), Driver(c.dsn, CLIENTS)
        statements = [((first_id + i).to_bytes(4, "big"), common.vector_binary(v)) for i, v in enumerate(rows)]
        for driver in (self.one, self.many):
            driver.load(statements)
            driver.prepare(f"INSERT INTO {c.table} (id, v) VALUES ($1, $2)")

    def chunk(self, first, count):
        """(wall, CPU) ms a row, bytes of WAL a row, by one client."""
        wal, used = self.c.wal(), self.c.on_cpu(self.one)
        whole = self.one.run(first, count, 0)[0]
        return whole / count / 1e6, (self.c.on_cpu(self.one) - used) / count / 1e6, (self.c.wal() - wal) / count

    def together(self, first, count):
        """Rows a second by CLIENTS clients."""
        return count / self.many.run(first, count, 0)[0] * 1e9

    def close(self):
        self.one.close()
        self.many.close()


def run(env, inserts):
    rows, queries = env.dataset()
    new = np.asarray(env.more_rows(len(rows))[:5 * inserts])
    path = env.stored(rows)
    result = {}

    def setup(c):
        c.load(path, len(rows))
        build = c.build(CORES)
        c.prepare(queries)
        result[c.name] = dict(home=c.home, version=c.version(), build=build, search={})

    running, lost = measure.gather(env.servers(NAMES), env.peers, setup)
    if not running:
        return dict(dataset=env.dataset_name, rows=len(rows), contestants={n: dict(not_run=w) for n, w in lost.items()})
    base = next(iter(running.values()))
    alone = type(base)(ALONE, base.dsn, "hnsw", "", base.home)
    alone.load(path, len(rows))
    result[ALONE] = dict(home="")

    everything = np.concatenate([rows, new])
    alive = np.zeros(len(everything), bool)

    def recall(when):
        truth = Truth(everything, queries, alive)
        for c in running.values():
            seen = measure.look(c, POINT.get(c.method, (40,)), truth, env.effort.look, None)
            result[c.name]["search"][when] = dict(**seen, bytes=c.size())
        say(f"{when}: " + ", ".join(f"{n} {result[n]['search'][when]['recall']:.4f}" for n in running))

    alive[:len(rows)] = True
    recall("built")

    all_ = {**running, ALONE: alone}
    clients = {name: Inserts(c, new, len(rows)) for name, c in all_.items()}
    for first, when in ((0, "steady"), (inserts, "checkpointed")):
        if when == "checkpointed":
            for c in all_.values():
                c.conn.execute("CHECKPOINT")
        chunk = inserts // CHUNKS
        at = {name: iter(range(first, first + inserts, chunk)) for name in all_}
        for name, i in clients.items():
            all_[name].pin(env.cpu, i.one)
        figures = common.interleaved(
            {name: lambda n=name: clients[n].chunk(next(at[n]), chunk) for name in all_}, CHUNKS)
        for name, i in clients.items():
            all_[name].pin(None, i.one)
        for name, values in figures.items():
            # Means: what happens now and then belongs to it.
            wall, cpu, wal = (float(np.mean(v)) for v in zip(*values))
            result[name][when] = dict(rows_s=1e3 / wall, cpu_ms=cpu, wal_bytes=wal, rounds=[v[0] for v in values])
    for name, i in clients.items():
        result[name]["clients"] = dict(many=CLIENTS, rows_s=i.together(2 * inserts, inserts))
        i.close()
    used = 3 * inserts
    alive[:len(rows) + used] = True
    recall("inserted")

    held = len(rows) + used
    gone = np.random.default_rng(1).permutation(held)[:held // 10]
    alive[gone] = False
    for name, c in all_.items():
        took = common.timed(c.conn.execute, f"DELETE FROM {c.table} WHERE id = ANY(%s)", (gone.tolist(),))[0]
        wall, cpu = (common.timed_backend(c.pid, c.conn.execute, f"VACUUM (INDEX_CLEANUP on) {c.table}") if c.local
                     else (common.timed(c.conn.execute, f"VACUUM (INDEX_CLEANUP on) {c.table}")[0], float("nan")))
        result[name]["delete"] = dict(rows=len(gone), delete_seconds=took / 1e3, vacuum_seconds=wall / 1e3,
                                      vacuum_cpu_seconds=cpu / 1e3)
    recall("deleted")
    for name, c in all_.items():
        if c.family == "ivf" or name == ALONE:
            took = common.timed(common.copy_in, c.conn, c.table, new[used:], "vector", len(rows) + used)[0]
            result[name]["copy"] = dict(rows=len(new) - used, rows_s=(len(new) - used) / took * 1e3)
    for c in all_.values():
        measure.close(c)
    for name, why in lost.items():
        result[name] = dict(not_run=why)
    return dict(dataset=env.dataset_name, rows=len(rows), dims=rows.shape[1], inserts=inserts, contestants=result)
