"""Libraries that search in the process that asks: FAISS, hnswlib, usearch.

A library is made by name(), and has
    load(rows)                  float32 [n, d]
    build(threads) -> bytes     of the index, or None
    points(k)                   settings from fast to thorough, as tuples
    set(point)
    search(query, k) -> ids     one query, one thread
    batch(queries, k, threads) -> ids
worker.py runs one in a process of its own.
"""

import math

import numpy as np

M, EF_CONSTRUCTION = 16, 200
EFS = [10, 12, 16, 20, 24, 32, 40, 60, 80, 120, 200, 320, 500, 800]
PROBES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]


def lists_for(rows):
    """Inverted lists, the same for every contestant."""
    return max(1, round(4 * math.sqrt(rows)))


def efs(k):
    return [(ef,) for ef in EFS if ef >= k]


class Library:
    package = ""

    def version(self):
        import importlib.metadata
        return importlib.metadata.version(self.package)

    def load(self, rows):
        self.rows = np.ascontiguousarray(rows)
        self.dims = rows.shape[1]


class Hnswlib(Library):
    package = "hnswlib"

    def build(self, threads):
        import hnswlib
        self.index = hnswlib.Index("l2", self.dims)
        self.index.init_index(len(self.rows), M=M, ef_construction=EF_CONSTRUCTION)
        self.index.add_items(self.rows, num_threads=threads)
        return self.index.index_file_size()

    points = staticmethod(efs)

    def set(self, point):
        self.index.set_ef(point[0])

    def search(self, query, k):
        return self.index.knn_query(query, k, num_threads=1)[0][0]

    def batch(self, queries, k, threads):
        return self.index.knn_query(queries, k, num_threads=threads)[0]


class Usearch(Library):
    package = "usearch"

    def build(self, threads):
        from usearch.index import Index
        self.index = Index(ndim=self.dims, metric="l2sq", dtype="f32", connectivity=M,
                           expansion_add=EF_CONSTRUCTION)
        self.index.add(np.arange(len(self.rows)), self.rows, threads=threads)
        return self.index.serialized_length

    points = staticmethod(efs)

    def set(self, point):
        self.index.expansion_search = point[0]

    def search(self, query, k):
        return self.index.search(query[0], k, threads=1).keys

    def batch(self, queries, k, threads):
        return self.index.search(queries, k, threads=threads).keys


class Faiss(Library):
    package = "faiss-cpu"
    refined = False

    def factory(self):
        raise NotImplementedError

    def build(self, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        self.index = self.factory()
        if not self.index.is_trained:
            self.index.train(self.rows)
        self.index.add(self.rows)
        faiss.omp_set_num_threads(1)
        # The rows that refining reads are not the index.
        whole = self.index.base_index if self.refined else self.index
        return faiss.serialize_index(faiss.downcast_index(whole)).nbytes

    def search(self, query, k):
        return self.index.search(query, k)[1][0]

    def batch(self, queries, k, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        ids = self.index.search(queries, k)[1]
        faiss.omp_set_num_threads(1)
        return ids


class FaissFlat(Faiss):
    def factory(self):
        import faiss
        return faiss.IndexFlatL2(self.dims)

    def points(self, _):
        return [()]

    def set(self, _):
        pass


class FaissHnsw(Faiss):
    def factory(self):
        import faiss
        index = faiss.IndexHNSWFlat(self.dims, M)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        return index

    points = staticmethod(efs)

    def set(self, point):
        self.index.hnsw.efSearch = point[0]


class FaissIvf(Faiss):
    """IVFFlat; with refined, PQ FastScan codes whose best are refined."""

    def factory(self):
        import faiss
        words = f"IVF{lists_for(len(self.rows))}," + (f"PQ{self.dims // 4}x4fs,RFlat" if self.refined else "Flat")
        index = faiss.index_factory(self.dims, words)
        self.ivf = faiss.extract_index_ivf(index)
        # As many rows a list as ours trains on; FAISS's own 256 take long and
        # gain nothing here.
        self.ivf.cp.max_points_per_centroid = 64
        return index

    def points(self, _):
        return [(p, r) if self.refined else (p,) for p in PROBES if p <= self.ivf.nlist
                for r in ((2, 4, 8, 16, 32) if self.refined else (0,))]

    def set(self, point):
        self.ivf.nprobe = point[0]
        if self.refined:
            self.index.k_factor = point[1]


class FaissPq(FaissIvf):
    refined = True


LIBRARIES = {"hnswlib": Hnswlib, "usearch": Usearch, "faiss hnsw": FaissHnsw, "faiss ivfflat": FaissIvf,
             "faiss ivfpq": FaissPq, "faiss flat": FaissFlat}
