"""ann-benchmarks' view of this extension: one class for all access methods.

fit() starts the container's server unless VECTOR_DSN names one that runs, loads
the rows by binary COPY and builds the index; query() is a prepared statement.
"""

import os
import struct
import subprocess

import numpy
import psycopg

from ..base.module import BaseANN

CONTAINER = "host=/var/run/postgresql user=postgres dbname=postgres"
OPERATORS = {"euclidean": ("<->", "vector_l2_ops"), "angular": ("<=>", "vector_cosine_ops")}
# What makes a search of the index more thorough.
KNOBS = {"hnsw": "hnsw.ef_search", "ivfflat": "ivfflat.probes", "ivfpq": "ivfpq.probes", "ivfrabitq": "ivfrabitq.probes"}


def binary(values):
    return struct.pack(">hh", len(values), 0) + numpy.asarray(values).astype(">f4").tobytes()


class Vector(BaseANN):
    def __init__(self, metric, method, options=None):
        if metric not in OPERATORS:
            raise NotImplementedError(f"no distance {metric}")
        self.operator, self.operator_class = OPERATORS[metric]
        self.method = method
        self.options = ", ".join(f"{key} = {value}" for key, value in (options or {}).items())
        self.name = f"vector {method} ({self.options})"
        self.conn = None
        self.k = None

    def fit(self, X):
        dsn = os.environ.get("VECTOR_DSN")
        if dsn is None:
            subprocess.run(["service", "postgresql", "start"], check=True, stdout=subprocess.DEVNULL)
            dsn = CONTAINER
        self.conn = psycopg.connect(dsn, autocommit=True)
        for command in ("CREATE EXTENSION IF NOT EXISTS vector", "DROP TABLE IF EXISTS items",
                        f"CREATE TABLE items (id integer, embedding vector({X.shape[1]}))",
                        "SET jit = off", "SET maintenance_work_mem = '4GB'"):
            self.conn.execute(command)
        with self.conn.cursor() as cursor, cursor.copy("COPY items FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["integer", "bytea"])			# the bytes are the type's binary form
            for i, row in enumerate(X):
                copy.write_row((i, binary(row)))
        options = f" WITH ({self.options})" if self.options else ""
        self.conn.execute(f"CREATE INDEX ON items USING {self.method} (embedding {self.operator_class}){options}")
        self.conn.execute("VACUUM ANALYZE items")
        # Of a small set the planner would rather read the table.
        self.conn.execute("SET enable_seqscan = off")

    def set_query_arguments(self, effort):
        self.conn.execute(f"SET {KNOBS[self.method]} = {int(effort)}")
        self.name = f"vector {self.method} ({self.options}), {KNOBS[self.method]} {effort}"

    def query(self, q, n):
        pg = self.conn.pgconn
        if n != self.k:
            self.conn.execute("DEALLOCATE ALL")
            oid = self.conn.execute("SELECT 'vector'::regtype::oid").fetchone()[0]
            self.checked(pg.prepare(
                b"q", f"SELECT id FROM items ORDER BY embedding {self.operator} $1 LIMIT {int(n)}".encode(), [oid]))
            self.k = n
        result = self.checked(pg.exec_prepared(b"q", [binary(q)], [1], 1))
        return [struct.unpack(">i", result.get_value(i, 0))[0] for i in range(result.ntuples)]

    @staticmethod
    def checked(result):
        if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
            raise RuntimeError(result.error_message.decode())
        return result

    def get_memory_usage(self):
        """Kilobytes of the table and its index: they are the server's to hold."""
        if self.conn is None:
            return 0
        return self.conn.execute("SELECT pg_total_relation_size('items')").fetchone()[0] / 1024

    def done(self):
        if self.conn is not None:
            self.conn.close()
