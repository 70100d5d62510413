"""Qdrant: the folder of its local mode, or a server.  A token is the id where
the next page begins."""

import os

import numpy as np
from qdrant_client import QdrantClient

from . import base

METRICS = {"Cosine": "cosine", "Euclid": "l2", "Dot": "ip", "Manhattan": "l1"}


class Source(base.Source):
    def __init__(self, location, collection, vector):
        if location.startswith(("http://", "https://")):
            self.client = QdrantClient(url=location, api_key=os.environ.get("QDRANT_API_KEY"))
        else:
            # Qdrant would make a new one of any other folder.
            base.need_file(os.path.join(base.need_folder(location), "meta.json"))
            self.client = QdrantClient(path=location)
        names = [c.name for c in self.client.get_collections().collections]
        self.collection = base.one_of("collection", names, collection, location)
        self.count = self.client.count(self.collection, exact=True).count
        params = self.client.get_collection(self.collection).config.params
        dense = params.vectors if isinstance(params.vectors, dict) else {"": params.vectors} if params.vectors else {}
        sparse = params.sparse_vectors or {}
        self.vector = base.one_of("vector", [*dense, *sparse], vector, self.collection)
        self.sparse = self.vector in sparse
        if self.sparse:
            self.metric = "ip"
        else:
            config = dense[self.vector]
            self.dimensions, self.metric = config.size, METRICS[str(config.distance.value)]
            if self.metric == "cosine":
                self.note = "a server of Qdrant keeps vectors for cosine at length 1: that is how they come then"
        first, _ = self.client.scroll(self.collection, limit=100, with_payload=False)
        self.id_type = "bigint" if base.id_type([p.id for p in first]) == "bigint" else "text"

    def read(self, after, batch):
        while True:
            points, after = self.client.scroll(self.collection, limit=batch, offset=after, with_vectors=[self.vector]
                                               if self.vector else True, with_payload=True)
            yield after, [base.Record(str(p.id) if self.id_type == "text" else p.id, self.take(p.vector), None,
                                      dict(p.payload or {})) for p in points]
            if after is None:
                return

    def take(self, vector):
        if self.vector:
            vector = (vector or {}).get(self.vector)
        if vector is None:
            return None
        return dict(zip(vector.indices, vector.values)) if self.sparse else np.asarray(vector, np.float32)

    def close(self):
        self.client.close()
