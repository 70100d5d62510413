"""FAISS: an index file whose vectors can be reconstructed."""

import faiss
import numpy as np

from ..errors import ImportFailed
from . import base


class Source(base.Rows):
    def __init__(self, location, collection, vector):
        base.need_file(location)
        try:
            index = faiss.read_index(location)
        except RuntimeError as e:
            raise ImportFailed(f"{location}: {str(e).splitlines()[-1]}") from e
        # It owns those inside it.
        self.outer = index
        self.ids = None
        if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
            self.ids = faiss.vector_to_array(index.id_map)
            index = faiss.downcast_index(index.index)
        inner = index
        if isinstance(inner, faiss.IndexPreTransform):
            inner = faiss.downcast_index(inner.index)
        if isinstance(inner, faiss.IndexIVF):
            lists = inner.invlists
            held = [faiss.rev_swig_ptr(lists.get_ids(n), lists.list_size(n)).copy()
                    for n in range(inner.nlist) if lists.list_size(n)]
            # An inverted file reconstructs by the ids that it was given.
            self.keys = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
            inner.set_direct_map_type(faiss.DirectMap.Hashtable)
        else:
            self.keys = None
        self.index, self.count, self.dimensions = index, index.ntotal, index.d
        metrics = {faiss.METRIC_L2: "l2", faiss.METRIC_INNER_PRODUCT: "ip", faiss.METRIC_L1: "l1"}
        if index.metric_type not in metrics:
            raise ImportFailed(f"{location}: metric {index.metric_type} of FAISS has no counterpart")
        self.metric = metrics[index.metric_type]
        if "PQ" in type(inner).__name__ or "ScalarQuantizer" in type(inner).__name__:
            self.note = "the index keeps codes: what is imported is what they stand for, not the vectors that were added"

    def part(self, start, end):
        try:
            if self.keys is None:
                keys = np.arange(start, end)
                vectors = self.index.reconstruct_n(start, end - start)
            else:
                keys = self.keys[start:end]
                vectors = self.index.reconstruct_batch(keys)
        except RuntimeError as e:
            raise ImportFailed(f"this kind of index, {type(self.index).__name__}, gives no vectors back: "
                               f"{str(e).splitlines()[-1]}") from e
        ids = keys if self.ids is None else self.ids[keys]
        return [base.Record(int(i), v) for i, v in zip(ids, vectors)]
