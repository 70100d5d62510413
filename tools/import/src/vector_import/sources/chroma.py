"""Chroma: a persistent folder.  A token is how many records were read."""

import os

import chromadb
import numpy as np

from . import base

SPACES = {"l2": "l2", "cosine": "cosine", "ip": "ip"}


class Source(base.Rows):
    id_type = "text"
    has_text = True

    def __init__(self, location, collection, vector):
        # Chroma would make a new one of any other folder.
        base.need_file(os.path.join(base.need_folder(location), "chroma.sqlite3"))
        self.client = chromadb.PersistentClient(location, settings=chromadb.Settings(anonymized_telemetry=False))
        names = [getattr(c, "name", c) for c in self.client.list_collections()]
        self.collection = base.one_of("collection", names, collection, location)
        # No embedding function: nothing is embedded here.
        self.held = self.client.get_collection(self.collection, embedding_function=None)
        self.count = self.held.count()
        config = getattr(self.held, "configuration_json", None) or {}
        space = ((config.get("hnsw") or config.get("spann") or {}).get("space")
                 or (self.held.metadata or {}).get("hnsw:space") or "l2")
        self.metric = SPACES[space]
        if self.count:
            self.dimensions = len(self.held.get(limit=1, include=["embeddings"])["embeddings"][0])

    def part(self, start, end):
        got = self.held.get(limit=end - start, offset=start, include=["embeddings", "documents", "metadatas"])
        return [base.Record(id, np.asarray(v, np.float32), d, dict(m or {})) for id, v, d, m in
                zip(got["ids"], got["embeddings"], got["documents"], got["metadatas"])]
