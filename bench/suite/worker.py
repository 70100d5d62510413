"""A library in a process of its own: its memory, its threads and its crashes
are its alone.  Worker is the handle, serve what runs there.
"""

import ctypes
import multiprocessing
import os
import time
import traceback


class Lost(Exception):
    """It died, failed or took too long: the reason it is listed as not run."""


class Worker:
    def __init__(self, name):
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # Memory in huge pages, as the servers' is where it can be had.
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        self.process = context.Process(target=serve, args=(name, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.pid = self.process.pid

    def call(self, what, *args, timeout=600):
        try:
            self.pipe.send((what, args))
            if not self.pipe.poll(timeout):
                self.close()
                raise Lost(f"{what} took more than {timeout} s")
            good, value = self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join(5)
            raise Lost(f"died in {what} (exit status {self.process.exitcode})") from None
        if not good:
            raise Lost(value)
        return value

    def close(self):
        self.process.kill()
        self.process.join()


def serve(name, pipe):
    from embedded import EMBEDDED
    from libraries import LIBRARIES

    # Their chatter is none of ours; what went wrong is told by exceptions.
    os.environ["LANCE_LOG"] = "error"
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    server = Server({**LIBRARIES, **EMBEDDED}[name])
    while True:
        try:
            what, args = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, getattr(server, what)(*args)))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            pipe.send((False, f"{type(error).__name__}: {str(error)[:300]} ({os.path.basename(where.filename)})"))


class Server:
    def __init__(self, kind):
        self.library = kind()

    def version(self):
        return self.library.version()

    def load(self, path, rows):
        import numpy as np
        self.library.load(np.load(path, mmap_mode="r")[:rows])

    def build(self, threads, cpus):
        pin(cpus)
        before_peak = own_memory("VmRSS", forget=True)
        wall, used = time.perf_counter(), time.process_time()
        size = self.library.build(threads)
        wall, used = time.perf_counter() - wall, time.process_time() - used
        return dict(seconds=wall, cpu_seconds=used, bytes=size, peak_bytes=own_memory("VmHWM") - before_peak)

    def points(self, k):
        return [tuple(p) for p in self.library.points(k)]

    def set(self, point):
        self.library.set(point)

    def queries(self, queries):
        self.library_queries = queries

    def pin(self, cpus):
        pin(cpus)

    def run(self, first, count, k, threads):
        """(ns of the whole, ns of each or None, ids, CPU ns)"""
        library, queries = self.library, self.library_queries
        many = len(queries)
        if threads > 1:
            batch = queries[[i % many for i in range(first, first + count)]]
            used, started = time.process_time_ns(), time.perf_counter_ns()
            ids = library.batch(batch, k, threads)
            return time.perf_counter_ns() - started, None, ids, time.process_time_ns() - used
        each, ids, clock = [], [], time.perf_counter_ns
        used, started = time.process_time_ns(), clock()
        for i in range(first, first + count):
            query = queries[i % many][None]
            before = clock()
            ids.append(library.search(query, k))
            each.append(clock() - before)
        return clock() - started, each, ids, time.process_time_ns() - used


def pin(cpus):
    """Every thread of this process."""
    for task in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(task), cpus)
        except ProcessLookupError:
            pass


def own_memory(field, forget=False):
    """Bytes of this process now (VmRSS) or at most (VmHWM; since forget)."""
    if forget:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field}")
