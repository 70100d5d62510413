"""Data sets and exact answers.

`dataset` knows: fashion (60,000 x 784 images), sentences (300,000 x 384, see
sentences.py), bge (9,748 x 768 real embeddings), synthetic:N:D, and
ann-benchmarks' HDF5 files by their names (glove-100-angular,
sift-128-euclidean, gist-960-euclidean, dbpedia-openai-1000k-angular, ...) where
a person has put them into the data folder or the cache.
"""

import pathlib
import sys

import common
import numpy as np

K = 10
SENTENCES = 300000		# rows; what sentences.py made beyond them are queries and rows to insert
METRICS = ("angular", "euclidean")


def dataset(name, data, rows=None, queries=1000):
    """(rows [n, d], queries [queries, d]), float32."""
    base, test = whole(name, data, queries)
    if rows and rows > len(base):
        sys.exit(f"{name} has {len(base)} rows")
    return np.ascontiguousarray(base[:rows]), np.ascontiguousarray(test[:queries])


def whole(name, data, queries):
    if name == "fashion":
        return common.fashion_mnist(data)
    if name == "sentences":
        base = np.load(common.CACHE / "sentences.npy", mmap_mode="r")
        return base[:-queries][:SENTENCES], base[-queries:]
    if name == "bge":
        base = np.load(data / "bge_base_768" / "embeddings_f16.npy").astype(np.float32)
        base = base[np.random.default_rng(1).permutation(len(base))]
        return base[:-queries], base[-queries:]
    if name.startswith("synthetic:"):
        n, dims = (int(x) for x in name.split(":")[1:])
        return stored_synthetic(n, dims), synthetic(queries, dims, 2)
    path = hdf5(name, data)
    if path:
        return read_hdf5(path)
    sys.exit(f"no data set {name}: not one of fashion, sentences, bge, synthetic:N:D, "
             f"and no {name}.hdf5 in {data} or {common.CACHE}")


def more_rows(name, data, rows, queries):
    """Rows of the same kind as dataset's that are neither among its first
    `rows` nor its queries, as many as there are (synthetic: 50,000)."""
    if name == "fashion":
        train, test = common.fashion_mnist(data)
        return np.concatenate([train[rows:], test[queries:]])
    if name == "sentences":
        return np.load(common.CACHE / "sentences.npy", mmap_mode="r")[rows:-queries]
    if name.startswith("synthetic:"):
        return synthetic(50000, int(name.split(":")[2]), 3)
    return whole(name, data, queries)[0][rows:]


def present(name, data):
    """Why the data set is not to be had here, or None."""
    if name == "sentences":
        missing = not (common.CACHE / "sentences.npy").exists()
        return "bench/data/sentences.py has not made it yet" if missing else None
    if name == "fashion":
        return None if (data / "fashion_mnist").is_dir() else f"no {data}/fashion_mnist"
    if name == "bge":
        return None if (data / "bge_base_768").is_dir() else f"no {data}/bge_base_768"
    if name.startswith("synthetic:") or hdf5(name, data):
        return None
    return f"no {name}.hdf5 in {data} or {common.CACHE}"


def hdf5(name, data):
    for folder in (data, pathlib.Path(common.CACHE)):
        if (folder / f"{name}.hdf5").exists():
            return folder / f"{name}.hdf5"
    return None


def read_hdf5(path):
    """ann-benchmarks' files: train and test.  Of an angular set the order by
    cosine is the order by L2 of the unit vectors, so these are taken."""
    import h5py
    with h5py.File(path) as file:
        sets = [file[part][:].astype(np.float32) for part in ("train", "test")]
    if path.stem.rsplit("-", 1)[-1] == "angular":
        sets = [s / np.maximum(np.linalg.norm(s, axis=1, keepdims=True), 1e-12) for s in sets]
    return sets


def kept(name, rows):
    """The cache's file of a synthetic set of so many rows, or None."""
    n, dims = map(int, name.split(":")[1:]) if name.startswith("synthetic:") else (0, 0)
    return synthetic_path(n, dims) if rows == n and synthetic_path(n, dims).exists() else None


def synthetic_path(n, dims):
    return common.CACHE / f"synthetic-{n}-{dims}.npy"


def stored_synthetic(n, dims):
    """synthetic(n, dims, 1), kept in the cache if it takes long to make."""
    if n * dims < 1 << 26:
        return synthetic(n, dims, 1)
    path = synthetic_path(n, dims)
    if not path.exists():
        partly = path.with_suffix(".part.npy")
        out = np.lib.format.open_memmap(partly, "w+", np.float32, (n, dims))
        synthetic(n, dims, 1, out)
        out.flush()
        partly.rename(path)
    return np.load(path, mmap_mode="r")


def synthetic(n, dims, seed, out=None):
    """Unit vectors [n, dims] like embeddings: the spectrum falls like that of
    bge-base (i^-.6 exp(-4i/d)), and a hierarchy of clusters gives its local
    dimension (25) and its contrast of near to far.  The first rows of a longer
    set are the shorter set."""
    i = np.arange(1, dims + 1)
    scale = np.sqrt(i ** -.6 * np.exp(-4 * i / dims)).astype(np.float32)
    fixed = np.random.default_rng(0)
    turn = np.linalg.qr(fixed.standard_normal((dims, dims)))[0].astype(np.float32)
    turn *= scale[:, None]
    levels = [(share, fixed.standard_normal((many, dims), np.float32))
              for share, many in ((.22, 30), (.2, 1000), (.25, 30000))]
    noise = np.sqrt(1 - sum(share for share, _ in levels)).astype(np.float32)
    if out is None:
        out = np.empty((n, dims), np.float32)
    for at in range(0, n, 10000):
        rng = np.random.default_rng([seed, at])
        leaf = rng.integers(0, 30000, 10000)
        x = noise * rng.standard_normal((10000, dims), np.float32)
        for share, centres in levels:
            x += np.sqrt(share).astype(np.float32) * centres[leaf % len(centres)]
        x = x @ turn
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        out[at:at + 10000] = x[:n - at]
    return out


class Truth:
    """Exact answers over the rows that are alive; a row at the distance of the
    kth nearest is as right as that one."""

    def __init__(self, rows, queries, alive=None, k=K):
        self.rows, self.queries, self.k = rows, queries, k
        keep_most = 2 * k
        best = np.full((len(queries), keep_most), np.inf, np.float32)
        ids = np.zeros((len(queries), keep_most), np.int64)
        for at in range(0, len(rows), 20000):
            block = np.asarray(rows[at:at + 20000])
            distance = (block ** 2).sum(1) - 2 * queries @ block.T
            if alive is not None:
                distance[:, ~alive[at:at + 20000]] = np.inf
            distance = np.concatenate([best, distance], 1)
            keep = np.argpartition(distance, keep_most, 1)[:, :keep_most]
            best = np.take_along_axis(distance, keep, 1)
            ids = np.where(keep < keep_most, np.take_along_axis(ids, np.minimum(keep, keep_most - 1), 1),
                           keep - keep_most + at)
        # How many there are to find: less than k where few rows are alive.
        self.many = np.minimum(k, np.isfinite(best).sum(1))
        exact = [np.sort(np.where(np.isfinite(b), self.distance(i, found), np.inf))
                 for i, (b, found) in enumerate(zip(best, ids))]
        self.nearest = np.array([e[:k] for e in exact])
        self.kth = np.array([e[max(many, 1) - 1] for e, many in zip(exact, self.many)])
        self.alive = alive

    def distance(self, query, ids):
        return ((self.rows[ids] - self.queries[query]).astype(np.float64) ** 2).sum(1)

    def recall(self, answers, first=0, k=None):
        """Of the k nearest, over the queries from first on; answers: ids of each
        (-1: none).  k: other than the k of the beginning, and less."""
        right = total = 0
        for i, ids in enumerate(answers, first):
            kth = self.kth[i] if k is None else self.nearest[i, k - 1]
            ids = np.unique(np.asarray(ids, np.int64))
            ids = ids[ids >= 0]
            if self.alive is not None:
                ids = ids[self.alive[ids]]
            right += (self.distance(i, ids) <= kth * (1 + 1e-9) + 1e-12).sum()
            total += self.many[i] if k is None else k
        return float(right / max(total, 1))
