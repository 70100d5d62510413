"""What the benchmark scripts share: connection, pinning, rounds, tables, data.

The server is whatever PGHOST, PGPORT, PGUSER and PGDATABASE point at; it runs
on this machine, since its backend is pinned and reads files written here.
"""

import gzip
import json
import os
import pathlib
import platform
import random
import statistics
import struct
import sys
import time

# The OpenBLAS in FAISS's package takes some newer processors for a Prescott, and
# then multiplies at a fifth of the speed.
if "avx512f" in open("/proc/cpuinfo").read():
    os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")

import numpy as np
import psycopg

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("VECTOR_BENCH_CACHE", ROOT / "bench" / "cache"))
DATA = pathlib.Path(os.environ.get("VECTOR_BENCH_DATA", CACHE / "data"))


# -- server ------------------------------------------------------------------

def connect(dsn="", **settings):
    """A connection in autocommit mode, the extension created, settings set.
    dsn: another server than the environment's."""
    conn = psycopg.connect(dsn, autocommit=True)
    conn.execute("SET client_min_messages = warning")
    conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    conn.execute("SET jit = off")
    for name, value in settings.items():
        conn.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
    return conn


def one(conn, sql, *args):
    return conn.execute(sql, args or None).fetchone()[0]


def pin(cpu, *pids):
    """Bind this process and the given ones to one CPU; None: to any."""
    cpus = range(os.cpu_count()) if cpu is None else {cpu}
    for pid in (0, *pids):
        try:
            os.sched_setaffinity(pid, cpus)
        except PermissionError:
            sys.exit(f"may not pin process {pid}: run as root or as the server's user")


def setting_bytes(conn, name):
    return one(conn, "SELECT pg_size_bytes(current_setting(%s))", name)


def require_shared_buffers(conn, least):
    have = setting_bytes(conn, "shared_buffers")
    if have < least:
        sys.exit(f"shared_buffers is {have >> 20} MB, this benchmark needs {least >> 20} MB: "
                 "every table must be cached")
    return have


class Prepared:
    """A prepared statement with binary parameters and a binary result."""

    def __init__(self, conn, name, sql, *types):
        self.pgconn = conn.pgconn
        self.name = name.encode()
        oids = [one(conn, "SELECT %s::regtype::oid", t) for t in types]
        self.check(self.pgconn.prepare(self.name, sql.encode(), oids))

    @staticmethod
    def check(result):
        if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
            sys.exit(result.error_message.decode())
        return result

    def run(self, *params):
        return self.check(self.pgconn.exec_prepared(self.name, params, [1] * len(params), 1))

    def int4s(self, *params):
        result = self.run(*params)
        return [struct.unpack(">i", result.get_value(i, 0))[0] for i in range(result.ntuples)]


# -- binary formats ----------------------------------------------------------

def vector_binary(v, half=False):
    """One vector or halfvec as its type's receive function wants it."""
    return struct.pack(">hh", len(v), 0) + np.asarray(v).astype(">f2" if half else ">f4").tobytes()


COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)


def copy_records(values, kind):
    """Rows (id, value) of binary COPY without header and trailer.

    values: float32 [rows, dims]; kind: vector, halfvec or float4[].
    """
    rows, dims = values.shape
    number = ">f2" if kind == "halfvec" else ">f4"
    width = 2 if kind == "halfvec" else 4
    if kind == "float4[]":
        head = [("ndim", ">i4"), ("flags", ">i4"), ("oid", ">i4"), ("dim", ">i4"), ("low", ">i4")]
        item = [("size", ">i4"), ("v", number)]
        out = np.zeros(rows, [("fields", ">i2"), ("l1", ">i4"), ("id", ">i4"), ("l2", ">i4"), *head,
                              ("items", item, (dims,))])
        out["ndim"], out["oid"], out["dim"], out["low"] = 1, 700, dims, 1
        out["items"]["size"], out["items"]["v"] = 4, values
        out["l2"] = 20 + 8 * dims
    else:
        out = np.zeros(rows, [("fields", ">i2"), ("l1", ">i4"), ("id", ">i4"), ("l2", ">i4"),
                              ("dim", ">i2"), ("unused", ">i2"), ("v", number, (dims,))])
        out["dim"], out["v"] = dims, values
        out["l2"] = 4 + width * dims
    out["fields"], out["l1"], out["id"] = 2, 4, np.arange(rows)
    return out.tobytes()


def copy_in(conn, table, values, kind, first_id=0):
    """Fill table (id integer, v kind) through the client, in binary."""
    with conn.cursor() as cur, cur.copy(f"COPY {table} (id, v) FROM STDIN (FORMAT binary)") as copy:
        copy.write(COPY_HEADER)
        for at in range(0, len(values), 1000):
            records = bytearray(copy_records(values[at:at + 1000], kind))
            ids = np.ndarray(len(values[at:at + 1000]), ">i4", records, 6,
                             (len(records) // len(values[at:at + 1000]),))
            ids += at + first_id
            copy.write(bytes(records))
        copy.write(COPY_TRAILER)


# -- data --------------------------------------------------------------------

def data_argument(parser):
    parser.add_argument("--data", type=pathlib.Path, default=DATA,
                        help="folder of the benchmark data (default: %(default)s)")


def read_idx(path):
    """An IDX file (gzip or not) of unsigned bytes as an array of its shape."""
    raw = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    zero, kind, ndim = struct.unpack(">HBB", raw[:4])
    if zero != 0 or kind != 8:
        raise ValueError(f"{path} is not an IDX file of bytes")
    shape = struct.unpack(f">{ndim}I", raw[4:4 + 4 * ndim])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * ndim).reshape(shape)


def fashion_mnist(data):
    """(train [60000, 784], test [10000, 784]), float32."""
    folder = data / "fashion_mnist"
    if not folder.is_dir():
        sys.exit(f"no {folder}: say --data DIR")
    return tuple(read_idx(folder / f"{part}-images-idx3-ubyte.gz").reshape(-1, 784).astype(np.float32)
                 for part in ("train", "t10k"))


# -- measuring ---------------------------------------------------------------

def timed(f, *args):
    """(milliseconds, result)"""
    started = time.perf_counter_ns()
    result = f(*args)
    return (time.perf_counter_ns() - started) / 1e6, result


def on_cpu(pid):
    """Milliseconds the process has spent on a CPU, itself now waiting."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e6


def timed_backend(pid, f, *args):
    """(wall, CPU) milliseconds: of f here, of the backend while f ran.  Other
    work on the machine lengthens the first and hardly touches the second."""
    before = on_cpu(pid)
    wall = timed(f, *args)[0]
    return wall, on_cpu(pid) - before


def timed_here(f, *args):
    """(wall, CPU) milliseconds of f in this thread."""
    before = time.thread_time_ns()
    wall = timed(f, *args)[0]
    return wall, (time.thread_time_ns() - before) / 1e6


def interleaved(contestants, rounds, seed=1):
    """Run each contestant once a round, in an order shuffled each round.

    contestants: {name: function returning (wall, CPU)}.  Returns
    {name: [(wall, CPU) of each round]}; the figures of one round were taken
    within moments of each other, so ratios are taken round by round.
    """
    rng = random.Random(seed)
    figures = {name: [] for name in contestants}
    for _ in range(rounds):
        names = list(contestants)
        rng.shuffle(names)
        for name in names:
            figures[name].append(contestants[name]())
    return figures


def median(figures):
    """The median of each column of [(wall, CPU)], as (wall, CPU)."""
    return tuple(statistics.median(column) for column in zip(*figures))


def ratio(figures, base):
    """(median, least, greatest) over the rounds of CPU / base's CPU."""
    ratios = [a[1] / b[1] for a, b in zip(figures, base)]
    return statistics.median(ratios), min(ratios), max(ratios)


def print_table(header, rows):
    rows = [[str(c) for c in r] for r in [header, *rows]]
    widths = [max(len(r[i]) for r in rows) for i in range(len(header))]
    for n, r in enumerate(rows):
        print("| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w)
                                for i, (c, w) in enumerate(zip(r, widths))) + " |")
        if n == 0:
            print("|" + "|".join(("-" * (w + 1) + (":" if i else "-")) for i, w in enumerate(widths)) + "|")
    sys.stdout.flush()


def cpu_name():
    try:
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def describe(conn):
    """Print and return where the figures were taken."""
    about = dict(cpu=cpu_name(), cpus=os.cpu_count(), server=one(conn, "SHOW server_version"),
                 shared_buffers=one(conn, "SHOW shared_buffers"), load=load())
    print(", ".join(f"{k} {v}" for k, v in about.items()))
    return about


def load():
    """The load average: other work on the machine shows here."""
    return " ".join(f"{x:.2f}" for x in os.getloadavg())


def add_result(path, name, result):
    """Append a result to the JSON file path, a list of objects."""
    if path:
        results = json.loads(path.read_text()) if path.exists() else []
        results.append(dict(name=name, time=time.strftime("%Y-%m-%d %H:%M:%S"), **result))
        path.write_text(json.dumps(results, indent=1) + "\n")
