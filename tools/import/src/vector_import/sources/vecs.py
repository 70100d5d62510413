""".fvecs, .bvecs and .ivecs: before each vector its number of dimensions, an
int32 of little end first; then floats, bytes or int32."""

import os

import numpy as np

from ..errors import ImportFailed
from . import base

KINDS = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4"}


class Source(base.Rows):
    def __init__(self, location, collection, vector):
        base.need_file(location)
        kind = os.path.splitext(location)[1]
        if kind not in KINDS:
            raise ImportFailed(f"{location}: the name ends in {', '.join(KINDS)}")
        size = os.path.getsize(location)
        self.count = 0
        if not size:
            return
        if size < 4:
            raise ImportFailed(f"{location} is shorter than a vector")
        self.dimensions = int(np.fromfile(location, "<i4", 1)[0])
        type = np.dtype([("dimensions", "<i4"), ("vector", KINDS[kind], (max(self.dimensions, 0),))])
        if self.dimensions < 1 or size % type.itemsize:
            raise ImportFailed(f"{location}: {size} bytes are no vectors of {self.dimensions} dimensions")
        self.location, self.data = location, np.memmap(location, type, "r")
        self.count = len(self.data)

    def part(self, start, end):
        part = self.data[start:end]
        if (part["dimensions"] != self.dimensions).any():
            raise ImportFailed(f"{self.location}: a vector after number {start} has another number of dimensions")
        return [base.Record(start + n, v) for n, v in enumerate(np.asarray(part["vector"], np.float32))]
