"""VectorDBBench's view of this extension: hnsw, ivfrabitq, ivfpq and ivfflat,
filters on ids and labels by filter columns where the access method has them.
run.py registers it.
"""

import struct
from contextlib import contextmanager

import numpy as np
import psycopg
from psycopg import sql
from pydantic import BaseModel, SecretStr
from vectordb_bench.backend.clients.api import DBCaseConfig, DBConfig, MetricType, VectorDB
from vectordb_bench.backend.filter import Filter, FilterOp

OPERATORS = {MetricType.L2: ("<->", "vector_l2_ops"), MetricType.COSINE: ("<=>", "vector_cosine_ops"),
             MetricType.IP: ("<#>", "vector_ip_ops"), MetricType.DP: ("<#>", "vector_ip_ops")}
KNOBS = {"hnsw": "hnsw.ef_search", "ivfflat": "ivfflat.probes", "ivfpq": "ivfpq.probes", "ivfrabitq": "ivfrabitq.probes"}


def binary(values):
    return struct.pack(">hh", len(values), 0) + np.asarray(values).astype(">f4").tobytes()


class VectorConfig(DBConfig):
    dsn: SecretStr = SecretStr("host=/var/run/postgresql user=postgres dbname=postgres")

    def to_dict(self) -> dict:
        return {"dsn": self.dsn.get_secret_value()}


class VectorIndexConfig(BaseModel, DBCaseConfig):
    metric_type: MetricType | None = None
    method: str = "hnsw"
    options: str = ""
    effort: int = 40				# ef_search or probes
    columns: str = ""				# further key columns of the index: "id", "label", "id, label"
    maintenance_work_mem: str = "4GB"
    workers: int = 0

    def index_param(self) -> dict:
        return {"operator": OPERATORS[self.metric_type or MetricType.COSINE], "method": self.method,
                "options": self.options, "columns": self.columns}

    def search_param(self) -> dict:
        return {KNOBS[self.method]: self.effort}


class Vector(VectorDB):
    supported_filter_types = [FilterOp.NonFilter, FilterOp.NumGE, FilterOp.StrEqual]
    thread_safe = False				# a connection has one conversation
    name = "vector"

    def __init__(self, dim, db_config, db_case_config, collection_name="items", drop_old=False, **kwargs):
        self.dsn, self.case, self.dim = db_config["dsn"], db_case_config or VectorIndexConfig(), dim
        self.table = sql.Identifier(collection_name)
        self.operator, self.operator_class = self.case.index_param()["operator"]
        self.conn, self.where = None, sql.SQL("")
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
            if drop_old:
                conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self.table))
            conn.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (id bigint, label text, embedding vector({}))").format(
                self.table, sql.Literal(dim)))

    @contextmanager
    def init(self):
        self.conn = psycopg.connect(self.dsn, autocommit=True)
        try:
            self.conn.execute("SET jit = off")
            for name, value in self.case.search_param().items():
                self.conn.execute(f"SET {name} = {int(value)}")
            yield
        finally:
            self.conn.close()
            self.conn = None

    def insert_embeddings(self, embeddings, metadata, labels_data=None, tenant_labels_data=None, **kwargs):
        try:
            with self.conn.cursor() as cursor, cursor.copy(
                    sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(self.table)) as copy:
                copy.set_types(["bigint", "text", "bytea"])		# the bytes are the type's binary form
                for i, (number, values) in enumerate(zip(metadata, embeddings)):
                    copy.write_row((number, labels_data[i] if labels_data else None, binary(values)))
        except psycopg.Error as error:
            return 0, error
        return len(metadata), None

    def optimize(self, data_size=None):
        """Build the index: the time counts as loading."""
        self.conn.execute(f"SET maintenance_work_mem = '{self.case.maintenance_work_mem}'")
        self.conn.execute(f"SET max_parallel_maintenance_workers = {int(self.case.workers)}")
        columns = f", {self.case.columns}" if self.case.columns else ""
        options = f" WITH ({self.case.options})" if self.case.options else ""
        self.conn.execute(sql.SQL("CREATE INDEX ON {} USING " + self.case.method +
                                  f" (embedding {self.operator_class}{columns}){options}").format(self.table))
        self.conn.execute(sql.SQL("VACUUM ANALYZE {}").format(self.table))

    def prepare_filter(self, filters: Filter):
        if filters.type == FilterOp.NonFilter:
            self.where = sql.SQL("")
        elif filters.type == FilterOp.NumGE:
            self.where = sql.SQL("WHERE id >= {}").format(sql.Literal(int(filters.int_value)))
        elif filters.type == FilterOp.StrEqual:
            self.where = sql.SQL("WHERE label = {}").format(sql.Literal(filters.label_value))
        else:
            raise ValueError(f"no filter {filters.type}")

    def search_embedding(self, query, k=100, **kwargs):
        statement = sql.SQL("SELECT id FROM {} {} ORDER BY embedding " + self.operator + " %b::vector LIMIT {}").format(
            self.table, self.where, sql.Literal(k))
        rows = self.conn.execute(statement, (VectorValue(query),), prepare=True, binary=True)
        return [row[0] for row in rows]


class VectorValue:
    """A query as a binary parameter."""

    def __init__(self, values):
        self.values = values


class VectorDumper(psycopg.adapt.Dumper):
    format = psycopg.pq.Format.BINARY

    def dump(self, value):
        return binary(value.values)


psycopg.adapters.register_dumper(VectorValue, VectorDumper)
