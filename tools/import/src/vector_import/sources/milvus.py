"""Milvus: a file of Milvus Lite, or a server.  A token is the last primary key."""

import json
import os

import numpy as np
from pymilvus import DataType, MilvusClient

from . import base

METRICS = {"COSINE": "cosine", "L2": "l2", "IP": "ip"}
DENSE = (DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR)


class Source(base.Source):
    def __init__(self, location, collection, vector):
        if location.startswith(("http://", "https://")):
            self.client = MilvusClient(location, token=os.environ.get("MILVUS_TOKEN", ""))
        else:
            if not os.path.exists(location):
                raise base.ImportFailed(f"there is no file {location}")
            self.client = MilvusClient(location)
        self.collection = base.one_of("collection", self.client.list_collections(), collection, location)
        self.client.load_collection(self.collection)
        fields = self.client.describe_collection(self.collection)["fields"]
        kinds = {f["name"]: f for f in fields}
        key = next(f for f in fields if f.get("is_primary"))
        self.key, self.id_type = key["name"], "bigint" if key["type"] == DataType.INT64 else "text"
        vectors = [n for n, f in kinds.items() if f["type"] in (*DENSE, DataType.SPARSE_FLOAT_VECTOR)]
        self.others = [n for n, f in kinds.items() if "VECTOR" in DataType(f["type"]).name]
        self.vector = base.one_of("vector", vectors, vector, self.collection)
        self.half = kinds[self.vector]["type"] == DataType.FLOAT16_VECTOR
        self.sparse = kinds[self.vector]["type"] == DataType.SPARSE_FLOAT_VECTOR
        if not self.sparse:
            self.dimensions = int(kinds[self.vector]["params"]["dim"])
        self.metric = "ip" if self.sparse else "cosine"
        for name in self.client.list_indexes(self.collection):
            found = self.client.describe_index(self.collection, name)
            if found and found.get("field_name") == self.vector:
                self.metric = METRICS.get(found["metric_type"], self.metric)
        self.count = int(self.client.query(self.collection, filter="", output_fields=["count(*)"])[0]["count(*)"])

    def read(self, after, batch):
        # An iterator goes by the primary key.
        condition = "" if after is None else f"{self.key} > {json.dumps(after)}"
        pages = self.client.query_iterator(self.collection, batch_size=batch, filter=condition, output_fields=["*"])
        try:
            while rows := pages.next():
                out = []
                for row in rows:
                    v = row[self.vector]
                    if self.half:
                        v = np.frombuffer(v[0] if isinstance(v, list) else v, np.float16)
                    rest = {n: x for n, x in row.items() if n != self.key and n not in self.others}
                    out.append(base.Record(row[self.key], dict(v) if self.sparse else np.asarray(v, np.float32), None, rest))
                yield out[-1].id, out
        finally:
            pages.close()

    def close(self):
        self.client.close()
