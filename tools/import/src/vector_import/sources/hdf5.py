"""HDF5 as ann-benchmarks has it: a data set train, its metric in an attribute."""

import h5py
import numpy as np

from ..errors import ImportFailed
from . import base

METRICS = {"euclidean": "l2", "angular": "cosine", "dot": "ip"}


class Source(base.Rows):
    def __init__(self, location, collection, vector):
        base.need_file(location)
        try:
            self.file = h5py.File(location, "r")
        except OSError as e:
            raise ImportFailed(f"{location}: {e}") from e
        matrices = [n for n in self.file if getattr(self.file[n], "ndim", 0) == 2 and self.file[n].dtype.kind == "f"]
        if collection is None and "train" in matrices:
            collection = "train"
        self.collection = base.one_of("collection", matrices, collection, location)
        self.data = self.file[self.collection]
        self.count, self.dimensions = self.data.shape
        self.metric = METRICS.get(self.file.attrs.get("distance"), "l2")

    def part(self, start, end):
        return [base.Record(start + n, v) for n, v in enumerate(np.asarray(self.data[start:end], np.float32))]

    def close(self):
        self.file.close()
