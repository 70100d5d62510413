"""Embedded databases, in the process that asks: Chroma, Milvus Lite, Qdrant's
local mode, LanceDB.  Of libraries.py's kind; each keeps its files in a folder
of its own that is deleted with it.
"""

import concurrent.futures
import os
import pathlib
import tempfile

import numpy as np

from libraries import EF_CONSTRUCTION, M, PROBES, Library, efs, lists_for


class Embedded(Library):
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vector-bench-")
        self.path = pathlib.Path(self.folder.name)

    def stored(self):
        """Bytes of its files, the rows' own included."""
        return sum(f.stat().st_size for f in self.path.rglob("*") if f.is_file())

    def batch(self, queries, k, threads):
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda q: self.search(q[None], k), queries))


class Chroma(Embedded):
    package = "chromadb"

    def build(self, threads):
        os.environ["ANONYMIZED_TELEMETRY"] = "False"
        import chromadb
        self.client = chromadb.PersistentClient(str(self.path))
        self.collection = self.client.create_collection("rows", embedding_function=None, configuration={"hnsw": {
            "space": "l2", "max_neighbors": M, "ef_construction": EF_CONSTRUCTION, "num_threads": threads}})
        step = self.client.get_max_batch_size()
        for at in range(0, len(self.rows), step):
            part = self.rows[at:at + step]
            self.collection.add(ids=[str(i) for i in range(at, at + len(part))], embeddings=part)
        return self.stored()

    points = staticmethod(efs)

    def set(self, point):
        # An index that is loaded keeps the setting it was loaded with.
        import chromadb
        self.collection.modify(configuration={"hnsw": {"ef_search": point[0]}})
        self.client.clear_system_cache()
        self.client = chromadb.PersistentClient(str(self.path))
        self.collection = self.client.get_collection("rows")
        self.search(self.rows[:1], 1)

    def search(self, query, k):
        return [int(i) for i in self.collection.query(query_embeddings=query, n_results=k, include=[])["ids"][0]]


class MilvusLite(Embedded):
    package = "milvus-lite"

    def build(self, _):
        from pymilvus import DataType, MilvusClient
        self.client = MilvusClient(str(self.path / "milvus.db"))
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=self.dims)
        self.client.create_collection("t", schema=schema)
        for at in range(0, len(self.rows), 1000):
            part = self.rows[at:at + 1000]
            self.client.insert("t", [{"id": at + i, "v": v} for i, v in enumerate(part)])
        params = self.client.prepare_index_params()
        params.add_index("v", index_type="HNSW", metric_type="L2",
                         params={"M": M, "efConstruction": EF_CONSTRUCTION})
        self.client.flush("t")
        self.client.create_index("t", params)
        self.client.load_collection("t")
        return self.stored()

    points = staticmethod(efs)

    def set(self, point):
        self.ef = point[0]

    def search(self, query, k):
        found = self.client.search("t", data=query, limit=k, anns_field="v",
                                   search_params={"metric_type": "L2", "params": {"ef": self.ef}})
        return [hit["id"] for hit in found[0]]


class QdrantLocal(Embedded):
    """Has no index in local mode: it compares every row."""
    package = "qdrant-client"

    def build(self, _):
        import warnings
        from qdrant_client import QdrantClient, models
        warnings.filterwarnings("ignore")
        self.client = QdrantClient(":memory:")
        self.client.create_collection("t", vectors_config=models.VectorParams(
            size=self.dims, distance=models.Distance.EUCLID))
        for at in range(0, len(self.rows), 5000):
            part = self.rows[at:at + 5000]
            self.client.upsert("t", models.Batch(ids=list(range(at, at + len(part))), vectors=part.tolist()))
        return None

    def points(self, _):
        return [()]

    def set(self, _):
        pass

    def search(self, query, k):
        return [p.id for p in self.client.query_points("t", query=query[0], limit=k, with_payload=False).points]


class LanceDB(Embedded):
    package = "lancedb"

    def build(self, _):
        import lancedb
        import pyarrow
        db = lancedb.connect(str(self.path))
        values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(self.rows.ravel()), self.dims)
        self.table = db.create_table("t", pyarrow.table({"id": np.arange(len(self.rows)), "v": values}))
        self.lists = min(lists_for(len(self.rows)), max(1, len(self.rows) // 256))
        self.table.create_index(metric="l2", vector_column_name="v", index_type="IVF_PQ",
                                num_partitions=self.lists, num_sub_vectors=self.dims // 4, num_bits=4)
        return self.stored()

    def points(self, _):
        return [(p, r) for p in PROBES if p <= self.lists for r in (2, 8)]

    def set(self, point):
        self.point = point

    def search(self, query, k):
        probes, refine = self.point
        return (self.table.search(query[0], vector_column_name="v").nprobes(probes).refine_factor(refine)
                .limit(k).select(["id", "_distance"]).to_arrow()["id"].to_pylist())


EMBEDDED = {"chroma": Chroma, "milvus lite": MilvusLite, "qdrant local": QdrantLocal, "lancedb": LanceDB}
