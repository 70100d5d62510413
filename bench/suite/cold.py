"""Stage: latency where little is in memory.

shared_buffers is a tenth of the index (the smaller one's, and the same for
both servers).  "dropped": before every few queries the kernel forgets the
table's and the index's pages, so that what is not in shared buffers comes from
the disk.  "kept": the same queries with the kernel's cache left alone.  Each
contestant runs at the least setting whose recall@10 is the target.
"""

import glob
import os

import common
import measure
import numpy as np
from contestants import CORES
from measure import say
from sets import Truth

import graph

NAMES = ("ours hnsw", "ours ivfrabitq", "pgvector hnsw", "pgvector ivfflat")
CHUNK = 10


def run(env, target=.95, chunks=20):
    rows, queries = env.dataset()
    path = env.stored(rows)
    truth = Truth(rows, queries)
    result, points = {}, {}

    def setup(c):
        if not c.local:
            raise measure.Lost("the files of a server elsewhere cannot be dropped from its cache")
        c.load(path, len(rows))
        build = c.build(CORES)
        c.prepare(queries)
        seen = measure.explore(c, truth, env.effort, 10, enough=target)
        points[c.name] = best = enough(seen, target)
        c.conn.execute("CHECKPOINT")
        result[c.name] = dict(home=c.home, version=c.version(), bytes=build["bytes"], point=list(best),
                              recall=seen[best]["recall"],
                              shared_buffers=common.setting_bytes(c.conn, "shared_buffers"))

    running, lost = measure.gather(env.servers(NAMES), env.peers, setup)
    chunks = min(chunks, len(queries) // CHUNK)
    for when in ("dropped", "kept"):
        each, read = {name: [] for name in running}, dict.fromkeys(running, 0)

        def asks(c):
            at = iter(range(0, chunks * CHUNK, CHUNK))

            def run_chunk():
                if when == "dropped":
                    drop(c)
                before = bytes_read(c)
                run = c.run(next(at), CHUNK, 1)
                read[c.name] += bytes_read(c) - before
                each[c.name].append(run.each)
            return run_chunk

        for name, c in running.items():
            c.set(points[name])
        common.interleaved({name: asks(c) for name, c in running.items()}, chunks)
        for name in running:
            result[name][when] = dict(mean=float(np.mean(np.concatenate(each[name])) / 1e6),
                                      read_bytes=read[name] / (chunks * CHUNK), **measure.percentiles(each[name]))
            say(f"{name}, {when}: median {result[name][when]['p50']:.2f} ms, "
                f"{result[name][when]['read_bytes'] / 1e3:.0f} kB read a query")
    for c in running.values():
        measure.close(c)
    for name, why in lost.items():
        result[name] = dict(not_run=why)
    return dict(dataset=env.dataset_name, rows=len(rows), dims=rows.shape[1], target=target, contestants=result)


def enough(seen, target):
    """The fastest point with the target recall, else the one with the most."""
    good = [p for p in seen if seen[p]["recall"] >= target]
    return min(good, key=lambda p: seen[p]["ms"]) if good else max(seen, key=lambda p: seen[p]["recall"])


def drop(c):
    """Have the kernel forget the pages of the table, its TOAST and its index."""
    files = c.conn.execute(
        "SELECT current_setting('data_directory') || '/' || pg_relation_filepath(oid) FROM pg_class"
        " WHERE oid IN (%(t)s::regclass, %(i)s::regclass) OR oid = (SELECT reltoastrelid FROM pg_class"
        " WHERE oid = %(t)s::regclass)", dict(t=c.table, i=c.index)).fetchall()
    for (file,) in files:
        for segment in glob.glob(f"/proc/{c.pid}/root{file}*"):
            fd = os.open(segment, os.O_RDONLY)
            os.fsync(fd)			# dirty pages stay
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def bytes_read(c):
    """From disk, by all of the server's processes: some read for others."""
    total, parent = 0, c.parent()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if graph.Memory.status(pid).get("PPid") == parent:
            try:
                total += int(next(line for line in open(f"/proc/{pid}/io") if line.startswith("read_bytes")).split()[1])
            except OSError:
                pass				# it has ended meanwhile
    return total
