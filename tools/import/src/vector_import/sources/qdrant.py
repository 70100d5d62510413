"""Qdrant: the folder of its local mode, a server, or the file of a snapshot.  A
token is the id where the next page begins; of a snapshot [shard, that id]."""

import json
import os
import tarfile
import tempfile

import numpy as np

from . import base
from ..errors import ImportFailed

METRICS = {"Cosine": "cosine", "Euclid": "l2", "Dot": "ip", "Manhattan": "l1"}


class Client:
    """A collection of a server, or of a folder of the local mode."""

    def __init__(self, location, collection):
        from qdrant_client import QdrantClient
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
        self.dense = {name: (v.size, str(v.distance.value), v.multivector_config is not None) for name, v in dense.items()}
        self.sparse = list(params.sparse_vectors or {})

    def page(self, after, limit, vector):
        """Points, and the token of what follows, None at the end.  vector: the
        name of those that are wanted, "" of the one without a name, None of none."""
        wanted = vector is not None and ([vector] if vector else True)
        return self.client.scroll(self.collection, limit=limit, offset=after, with_vectors=wanted, with_payload=True)

    def close(self):
        self.client.close()


class Snapshot:
    """The file of a snapshot of a collection, or of one of its shards: a tar.  It
    is unpacked into a temporary folder, and read by Qdrant's library for shards."""

    def __init__(self, location, collection):
        from qdrant_edge import CountRequest, EdgeShard, ScrollRequest
        self.request = ScrollRequest
        self.collection = collection or os.path.splitext(os.path.basename(location))[0]
        self.folder = tempfile.TemporaryDirectory(prefix="vector-import-")
        try:
            self.shards = []
            for n, prefix in enumerate(shards_of(location)):
                path = os.path.join(self.folder.name, str(n))
                if prefix:
                    part = path + ".tar"
                    cut_out(location, prefix, part)
                    EdgeShard.unpack_snapshot(part, path)
                    os.remove(part)
                else:
                    EdgeShard.unpack_snapshot(location, path)
                self.shards.append(EdgeShard.load(path))
            # What the library has found in the files it writes down beside them.
            with open(os.path.join(path, "edge_config.json"), encoding="utf-8") as f:
                config = json.load(f)
            vectors = config.get("vectors") or {}
            self.dense = {name: (v["size"], v["distance"], bool(v.get("multivector_config"))) for name, v in vectors.items()}
            self.sparse = list(config.get("sparse_vectors") or {})
            self.count = sum(shard.count(CountRequest(exact=True)) for shard in self.shards)
        except BaseException:
            self.close()
            raise

    def page(self, after, limit, vector):
        """As Client.page()."""
        n, offset = after or (0, None)
        wanted = vector is not None and ([vector] if vector else True)
        points, offset = self.shards[n].scroll(self.request(offset=offset, limit=limit, with_payload=True, with_vector=wanted))
        if offset is not None:
            return points, [n, offset if isinstance(offset, int) else str(offset)]
        return points, [n + 1, None] if n + 1 < len(self.shards) else None

    def close(self):
        for shard in self.shards:
            shard.close()
        self.folder.cleanup()


def shards_of(path):
    """Where in the tar the shards are, in an order that stays: the folders that
    have one called segments, "" for the tar itself."""
    if not tarfile.is_tarfile(path):
        raise ImportFailed(f"{path} is no snapshot of Qdrant")
    found = set()
    try:
        with tarfile.open(path) as tar:
            names = [os.path.normpath(member.name) for member in tar]
    except tarfile.TarError as error:
        raise ImportFailed(f"{path} is cut off or damaged: {error}") from error
    for name in names:
        parts = name.split("/")
        if "segments" in parts[:-1]:
            found.add("/".join(parts[:parts.index("segments")]))
    if not found:
        inner = [name for name in names if name.endswith(".snapshot")]
        raise ImportFailed(f"{path} is a snapshot of a whole server: unpack it by tar, and import "
                           f"the files in it one by one: {', '.join(inner)}" if inner else f"{path} has no shard of Qdrant")
    return sorted(found, key=lambda name: (len(name), name))


def cut_out(path, folder, to):
    """Write the files below a folder of a tar to another one, as its own."""
    with tarfile.open(path) as tar, tarfile.open(to, "w") as part:
        for member in tar:
            name = os.path.normpath(member.name)
            if member.isfile() and name.startswith(folder + "/"):
                entry = tarfile.TarInfo(name[len(folder) + 1:])
                entry.size = member.size
                part.addfile(entry, tar.extractfile(member))


class Source(base.Source):
    def __init__(self, location, collection, vector):
        if location.endswith(".snapshot"):
            base.need_file(location)
        self.points = (Snapshot if os.path.isfile(location) else Client)(location, collection)
        try:
            self.collection, self.count = self.points.collection, self.points.count
            self.vector = base.one_of("vector", [*self.points.dense, *self.points.sparse], vector, self.collection)
            self.sparse = self.vector in self.points.sparse
            if self.sparse:
                self.metric = "ip"
            else:
                self.dimensions, distance, several = self.points.dense[self.vector]
                self.metric = METRICS[distance]
                if several:
                    raise ImportFailed(f"{self.collection} has several vectors a point, which a column of type vector does not hold")
                if self.metric == "cosine":
                    self.note = "a server of Qdrant keeps vectors for cosine at length 1: that is how they come then"
            first, _ = self.points.page(None, 100, None)
            self.id_type = "bigint" if base.id_type([p.id for p in first]) == "bigint" else "text"
        except BaseException:
            self.close()
            raise

    def read(self, after, batch):
        while True:
            points, after = self.points.page(after, batch, self.vector)
            yield after, [base.Record(str(p.id) if self.id_type == "text" else p.id, self.take(p.vector), None,
                                      dict(p.payload or {})) for p in points]
            if after is None:
                return

    def take(self, vector):
        if isinstance(vector, dict):
            vector = vector.get(self.vector)
        if vector is None:
            return None
        return dict(zip(vector.indices, vector.values)) if self.sparse else np.asarray(vector, np.float32)

    def close(self):
        self.points.close()
