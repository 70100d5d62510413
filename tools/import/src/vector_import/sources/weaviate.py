"""Weaviate, by its REST API.  A token is the last object's id.

The key, if one is needed, is in WEAVIATE_API_KEY.  A class with tenants is read
one tenant at a time: --collection Class/tenant.
"""

import os

import numpy as np

from . import base


class Source(base.Source):
    id_type = "uuid"
    MOST = 1000			# objects of a page
    METRICS = {"cosine": "cosine", "l2-squared": "l2", "dot": "ip", "manhattan": "l1"}

    def __init__(self, location, collection, vector):
        key = os.environ.get("WEAVIATE_API_KEY")
        self.api = base.Api(location.rstrip("/"), {"Authorization": f"Bearer {key}"} if key else {})
        classes = {c["class"]: c for c in self.api.get("/v1/schema")["classes"]}
        name, _, tenant = (collection or "").partition("/")
        self.name = base.one_of("collection", classes, name or None, location)
        self.tenant = {"tenant": tenant} if tenant else {}
        self.collection = f"{self.name}/{tenant}" if tenant else self.name
        named = classes[self.name].get("vectorConfig") or {}
        self.vector = base.one_of("vector", named, vector, self.name) if named else None
        config = named[self.vector] if named else classes[self.name]
        self.metric = self.METRICS.get((config.get("vectorIndexConfig") or {}).get("distance", "cosine"), "cosine")
        found = [v for v in map(self.take, self.page(None, 100)) if v is not None]
        if found:
            self.dimensions = len(found[0])

    def page(self, after, limit):
        params = {"class": self.name, "limit": limit, "include": "vector", **self.tenant}
        if after:
            params["after"] = after
        return self.api.get("/v1/objects", params)["objects"]

    def take(self, o):
        found = (o.get("vectors") or {}).get(self.vector) if self.vector else o.get("vector")
        return np.asarray(found, np.float32) if found else None

    def read(self, after, batch):
        while found := self.page(after, min(batch, self.MOST)):
            after = found[-1]["id"]
            yield after, [base.Record(o["id"], self.take(o), None, dict(o.get("properties") or {})) for o in found]

    def close(self):
        self.api.close()
