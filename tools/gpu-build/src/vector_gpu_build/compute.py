"""k-means, lists of rows, nearest neighbours.

Rows are an array on the host, possibly a file mapped into memory; blocks of them
go to the device, as many as its memory allows."""

import numpy as np

ITERATIONS = 10
SAMPLE_ROWS = 64          # of a list, for k-means
NEAR_LISTS = 16           # whose rows are compared with a list's
LIST_ROWS = 2000          # of a list, for neighbours by lists


def prepared(x, metric, mean=None):
    """Rows such that the nearest by Euclidean distance are meant: of norm 1 for
    cosine; less their mean, for inner product."""
    x = np.asarray(x, np.float32)
    if metric == "cosine":
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(norms > 0, norms, 1)
    return x if mean is None else x - mean


class Bias:
    """What is taken off the product of rows.  An hnsw index by inner product
    compares elements by less than their distance (src/hnsw/README.md): with a
    sixteenth of the squared length, which is capped."""

    def __init__(self, metric, graph, sample):
        self.weight, self.most = 1.0, np.inf
        if graph and metric == "ip":
            lengths = np.einsum("ij,ij->i", sample, sample)
            self.weight = 1.0 if sample.shape[1] <= 4 else 1 / 16
            self.most = 4 * float(np.quantile(lengths, .9))

    def of(self, e, y):
        n = e.norms2(y)
        return self.weight * (n if self.most == np.inf else n.clip(max=self.most) if hasattr(n, "get_device")
                              else np.minimum(n, np.float32(self.most)))


def block_rows(e, width, parts=4):
    """Rows of a block on either side of a product: three parts of memory are scores."""
    side = int((e.memory / parts / 4) ** .5)
    return max(64, min(side, e.memory // parts // (4 * max(width, 1)), 1 << 16))


def nearest(e, rows, centroids, transform, bar=None):
    """The number of each row's nearest centroid."""
    c = e.put(centroids)
    bias, step = e.norms2(c), max(64, min(e.memory // 16 // max(len(centroids), rows.shape[1]), 1 << 18))
    out = np.empty(len(rows), np.int64)
    for i in range(0, len(rows), step):
        x = e.put(transform(rows[i:i + step]))
        out[i:i + step] = e.get(e.scores(x, c, bias).argmax(1))
        if bar:
            bar(len(x))
    return out


def kmeans(e, rows, k, transform, seed=0, bar=None):
    """k centroids of a sample of the rows."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.choice(len(rows), min(len(rows), max(SAMPLE_ROWS * k, 10000)), replace=False))
    sample = transform(rows[at])
    k = min(k, len(sample))
    centroids = sample[rng.choice(len(sample), k, replace=False)]
    whole = len(sample) * sample.shape[1] * 4 <= e.memory // 4
    there = e.put(sample) if whole else None
    step = max(64, e.memory // 16 // max(k, sample.shape[1]))
    for _ in range(ITERATIONS):
        c = e.put(centroids)
        bias, total, count = e.norms2(c), np.zeros_like(centroids), np.zeros(k, np.int64)
        for i in range(0, len(sample), step):
            x = there[i:i + step] if whole else e.put(sample[i:i + step])
            s, n = e.sums(x, e.scores(x, c, bias).argmax(1), k)
            total, count = total + s, count + n
        empty = np.flatnonzero(count == 0)
        centroids = total / np.maximum(count, 1)[:, None]
        # an empty one begins again at some row
        centroids[empty] = sample[rng.choice(len(sample), len(empty))]
        centroids = centroids.astype(np.float32)
        if bar:
            bar(1)
    return centroids


def _top(e, x, blocks, bias, k):
    """The k best of all blocks (place of the first row, rows) for rows x."""
    values = places = None
    for first, y in blocks:
        v, p = e.best(e.scores(x, y, bias.of(e, y)), k)
        p = p + first
        if values is not None:
            v, p = e.join((values, v)), e.join((places, p))
            v, at = e.best(v, k)
            p = e.pick(p, at)
        values, places = v, p
    return e.get(values), e.get(places)


def _ordered(values, places):
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(places, order, 1)


def _without_self(places, own, k):
    """Each row of places without its own number, k of them."""
    out = np.empty((len(places), k), np.int64)
    for i, (row, o) in enumerate(zip(places, own)):
        out[i] = row[row != o][:k]
    return out


def neighbors_by_blocks(e, rows, k, transform, bias, out, start=0, done=None):
    """The k nearest of each row, exactly, into out from row start on; done(n) is
    called when the first n are there."""
    n, step = len(rows), block_rows(e, rows.shape[1])
    k = min(k, n - 1)
    for i in range(start, n, step):
        x = e.put(transform(rows[i:i + step]))
        blocks = ((j, e.put(transform(rows[j:j + step]))) for j in range(0, n, step))
        places = _ordered(*_top(e, x, blocks, bias, k + 1))
        out[i:i + step, :k] = _without_self(places, np.arange(i, i + len(places)), k)
        if done:
            done(min(i + step, n))


def neighbors_by_lists(e, rows, k, transform, bias, out, centroids, labels, done=None):
    """The k nearest of each row among the rows of the lists near its own."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(len(centroids) + 1))
    c = e.put(centroids)
    _, near = e.best(e.scores(c, c, e.norms2(c)), min(NEAR_LISTS, len(centroids)))
    near, step, finished = e.get(near), block_rows(e, rows.shape[1]), 0
    for l in range(len(centroids)):
        own = order[starts[l]:starts[l + 1]]
        lists = {*near[l].tolist(), l}
        members = np.sort(np.concatenate([order[starts[m]:starts[m + 1]] for m in lists]))
        if len(members) <= k:
            members = np.sort(np.unique(np.concatenate((members, order[:4 * k + 2]))))
        for i in range(0, len(own), step):
            part = own[i:i + step]
            x = e.put(transform(rows[part]))
            blocks = ((j, e.put(transform(rows[members[j:j + step]]))) for j in range(0, len(members), step))
            places = members[_ordered(*_top(e, x, blocks, bias, min(k + 1, len(members))))]
            out[part, :k] = _without_self(places, part, k)
        finished += len(own)
        if done:
            done(finished)
