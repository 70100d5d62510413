"""Pinecone, by its REST API: the address of an index (a serverless one, for
only these list their ids).  A token is the next page's.

The key is in PINECONE_API_KEY.  --collection is the namespace.
"""

import os

import numpy as np

from ..errors import ImportFailed
from . import base


class Source(base.Source):
    id_type = "text"
    MOST = 100			# ids of a page, and of a fetch

    def __init__(self, location, collection, vector):
        key = os.environ.get("PINECONE_API_KEY")
        if not key:
            raise ImportFailed("PINECONE_API_KEY is not set")
        url = location if "://" in location else f"https://{location}"
        self.api = base.Api(url.rstrip("/"), {"Api-Key": key, "X-Pinecone-Api-Version": "2025-04"})
        stats = self.api.ask("POST", "/describe_index_stats", json={})
        self.collection = base.one_of("collection", stats.get("namespaces") or {"": {}}, collection, location)
        self.count = (stats.get("namespaces") or {}).get(self.collection, {}).get("vectorCount")
        self.dimensions, self.metric = stats["dimension"], {"dotproduct": "ip", "euclidean": "l2"}.get(stats.get("metric"), "cosine")

    def read(self, after, batch):
        if after == "":
            return
        while True:
            params = {"namespace": self.collection, "limit": self.MOST}
            if after:
                params["paginationToken"] = after
            page = self.api.get("/vectors/list", params)
            ids = [v["id"] for v in page.get("vectors") or []]
            found = self.api.get("/vectors/fetch", [("namespace", self.collection), *(("ids", i) for i in ids)])["vectors"] if ids else {}
            # the empty token: there is no other page
            after = (page.get("pagination") or {}).get("next") or ""
            yield after, [base.Record(i, np.asarray(found[i]["values"], np.float32), None, dict(found[i].get("metadata") or {}))
                          for i in ids if i in found]
            if not after:
                return

    def close(self):
        self.api.close()
