"""A matrix saved by numpy.save; read as it is needed, and never unpickled."""

import numpy as np

from ..errors import ImportFailed
from . import base


class Source(base.Rows):
    def __init__(self, location, collection, vector):
        base.need_file(location)
        try:
            self.data = np.load(location, mmap_mode="r", allow_pickle=False)
        except ValueError as e:
            raise ImportFailed(f"{location}: {e}") from e
        if getattr(self.data, "ndim", 0) != 2 or self.data.dtype.kind not in "fiu":
            raise ImportFailed(f"{location}: a matrix of numbers is wanted, a row for each vector")
        self.count, self.dimensions = self.data.shape

    def part(self, start, end):
        return [base.Record(start + n, v) for n, v in enumerate(np.asarray(self.data[start:end], np.float32))]
