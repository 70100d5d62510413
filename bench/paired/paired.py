"""Two versions of the extension beside each other (paired.sh): build time, and
queries by turns on two servers that have the same tables.

For each index: seconds to build, median microseconds of a query, recall of ten,
for both, and the ratio new / old of the medians. Blocks of queries alternate, so
that what else the machine does meets both.
"""
import argparse
import gzip
import os
import pwd
import shutil
import statistics
import subprocess
import tempfile
import time

import numpy as np
import psycopg

BLOCK = 40


class Server:
    def __init__(self, bin, core):
        self.bin = bin
        self.dir = tempfile.mkdtemp(prefix="paired-")
        shutil.chown(self.dir, "postgres")
        user = pwd.getpwnam("postgres")
        self.drop = (lambda: (os.setgid(user.pw_gid), os.setuid(user.pw_uid))) if os.getuid() == 0 else None
        self.run("initdb", "-D", self.dir + "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale")
        self.run("pg_ctl", "-D", self.dir + "/data", "-l", self.dir + "/log", "-w", "start", "-o",
                 f"-c listen_addresses= -c unix_socket_directories={self.dir} -c shared_buffers=1GB -c fsync=off "
                 "-c max_wal_size=4GB -c autovacuum=off -c maintenance_work_mem=1GB -c jit=off")
        self.connection = psycopg.connect(host=self.dir, user="postgres", dbname="postgres", autocommit=True, prepare_threshold=1)
        self.connection.execute("CREATE EXTENSION vector")
        self.connection.execute("SET max_parallel_workers_per_gather = 0")
        self.connection.execute("SET max_parallel_maintenance_workers = 0")
        os.sched_setaffinity(self.connection.info.backend_pid, {core})

    def run(self, program, *arguments):
        subprocess.run([f"{self.bin}/{program}", *arguments], check=True, stdout=subprocess.DEVNULL, preexec_fn=self.drop, cwd="/")

    def stop(self):
        self.connection.close()
        self.run("pg_ctl", "-D", self.dir + "/data", "-m", "immediate", "stop")
        shutil.rmtree(self.dir)


def fashion(folder, rows):
    with gzip.open(f"{folder}/fashion_mnist/train-images-idx3-ubyte.gz") as f:
        data = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(f"{folder}/fashion_mnist/t10k-images-idx3-ubyte.gz") as f:
        queries = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784)
    return data[:rows].astype(np.float32), queries[:400].astype(np.float32)


def bge(folder, rows):
    data = np.load(f"{folder}/bge_base_768/embeddings_f16.npy").astype(np.float32)
    data /= np.linalg.norm(data, axis=1, keepdims=True)
    return data[400:], data[:400]


def text(row):
    return "[" + ",".join(f"{x:.7g}" for x in row) + "]"


CASES = [
    # name, data, distance, operator class, index
    ("hnsw L2 fashion", fashion, "<->", "vector_l2_ops", "hnsw", ""),
    ("hnsw cosine bge", bge, "<=>", "vector_cosine_ops", "hnsw", ""),
    ("hnsw ip bge", bge, "<#>", "vector_ip_ops", "hnsw", ""),
    ("ivfrabitq L2 fashion", fashion, "<->", "vector_l2_ops", "ivfrabitq", ""),
    ("ivfrabitq cosine bge", bge, "<=>", "vector_cosine_ops", "ivfrabitq", ""),
    ("ivfflat L2 fashion", fashion, "<->", "vector_l2_ops", "ivfflat", "ivfflat.probes = 10"),
    ("ivfpq L2 fashion", fashion, "<->", "vector_l2_ops", "ivfpq", ""),
    ("exact L2 fashion", fashion, "<->", None, None, ""),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--data", default=os.environ.get("VECTOR_BENCH_DATA", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cache/data")))
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="")
    options = parser.parse_args()

    core = os.cpu_count() - 1
    servers = [Server(options.old, core), Server(options.new, core)]
    os.sched_setaffinity(0, {0})
    try:
        print("| | build s, old / new | ratio | query µs, old / new | ratio | recall, old / new |\n|---|---|---|---|---|---|")
        loaded = None
        for name, make, operator, opclass, method, setting in CASES:
            if options.only not in name:
                continue
            if loaded is not make:
                data, queries = make(options.data, options.rows)
                for server in servers:
                    server.connection.execute("DROP TABLE IF EXISTS items")
                    server.connection.execute(f"CREATE TABLE items (id int, v vector({data.shape[1]}))")
                    with server.connection.cursor().copy("COPY items FROM STDIN") as copy:
                        for i, row in enumerate(data):
                            copy.write_row((i, text(row)))
                    server.connection.execute("VACUUM ANALYZE items")
                loaded = make
                texts = [text(q) for q in queries]
            distance = {"<->": lambda q: np.linalg.norm(data - q, axis=1), "<#>": lambda q: -(data @ q), "<=>": lambda q: -(data @ q)}[operator]
            truth = [set(np.argpartition(distance(q), 10)[:10].tolist()) for q in queries]
            build = [0.0, 0.0]
            for which, server in enumerate(servers):
                server.connection.execute("DROP INDEX IF EXISTS items_v_idx")
                if method is not None:
                    start = time.monotonic()
                    server.connection.execute(f"CREATE INDEX items_v_idx ON items USING {method} (v {opclass})")
                    build[which] = time.monotonic() - start
                if setting:
                    server.connection.execute("SET " + setting)
            statement = f"SELECT id FROM items ORDER BY v {operator} %s::vector LIMIT 10"
            times = [[], []]
            hits = [0, 0]
            asked = [0, 0]
            rounds = options.rounds if method is not None else 1
            for round in range(rounds):
                for block in range(0, len(queries) if method is not None else 80, BLOCK):
                    for which in ((0, 1) if (round + block // BLOCK) % 2 == 0 else (1, 0)):
                        execute = servers[which].connection.execute
                        for n in range(block, min(block + BLOCK, len(queries))):
                            start = time.perf_counter()
                            rows = execute(statement, (texts[n],)).fetchall()
                            times[which].append(time.perf_counter() - start)
                            hits[which] += len(truth[n] & {row[0] for row in rows})
                            asked[which] += 10
            median = [statistics.median(t) * 1e6 for t in times]
            ratio = f"{build[1] / build[0]:.2f}" if method is not None else ""
            print(f"| {name} | {build[0]:.1f} / {build[1]:.1f} | {ratio} | {median[0]:.0f} / {median[1]:.0f} | {median[1] / median[0]:.3f} "
                  f"| {hits[0] / asked[0]:.4f} / {hits[1] / asked[1]:.4f} |", flush=True)
    finally:
        for server in servers:
            server.stop()


main()
