"""Builds on the CPU: what is computed, what is in the index, restarts."""

import os
import re

import numpy as np
import psycopg
import pytest

from vector_gpu_build import Plan, compute, run
from vector_gpu_build.arrays import engine


def recall_of(out):
    return float(re.search(r"default settings: ([\d.]+)", out)[1])


def exact(x, k):
    d = ((x ** 2).sum(1)[:, None] + (x ** 2).sum(1) - 2 * x @ x.T)
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :k]


def used(db, index):
    """Were lists or neighbours taken?  The index is sound, and there are no leftovers."""
    assert db(f"SELECT * FROM vector_index_check('{index}', true)") == []
    assert db.one("SELECT count(*) FROM pg_class WHERE relname ~ '_(neighbors|assignments)$'") == 0


@pytest.mark.parametrize("memory", [0, 1 << 18])
def test_neighbors_by_blocks_and_by_lists(x, memory):
    e, x = engine("numpy", memory), x[:1000]
    true, bias = exact(x, 10), compute.Bias("l2", True, x)
    out = np.full((1000, 10), -1, np.int32)
    compute.neighbors_by_blocks(e, x, 10, lambda r: r, bias, out)
    assert (out == true).mean() > .999 and not (out == np.arange(1000)[:, None]).any()
    centroids = compute.kmeans(e, x, 30, lambda r: r)
    labels = compute.nearest(e, x, centroids, lambda r: r)
    assert (labels == ((x[:, None] - centroids) ** 2).sum(2).argmin(1)).mean() > .999
    out[:] = -1
    compute.neighbors_by_lists(e, x, 10, lambda r: r, bias, out, centroids, labels)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(out, true)]) > 9


@pytest.mark.parametrize("distance", ["l2", "cosine", "ip"])
def test_hnsw(db, x, distance):
    db.load(x)
    out = db.build("--distance", distance, "--with", "m = 12", "--no-concurrently")
    assert "nearest neighbours" in out and recall_of(out) > .95, out
    used(db, "items_embedding_hnsw")
    assert db.one("SELECT reloptions FROM pg_class WHERE relname = 'items_embedding_hnsw'") == ["m=12"]
    assert not os.path.exists("vector-gpu-build-items-embedding")


@pytest.mark.parametrize("method", ["ivfflat", "ivfpq", "ivfrabitq"])
def test_inverted_files(db, x, method):
    db.load(x, type="halfvec")
    out = db.build("--method", method, "--distance", "cosine", "--lists", 40)
    assert recall_of(out) > (.3 if method == "ivfflat" else .9), out
    index = f"items_embedding_{method}"
    used(db, index)
    assert db.one(f"SELECT lists FROM ivf_drift('{index}')") == 40
    assert db.one(f"SELECT count(*) FROM pg_class WHERE relname = 'items_embedding_centroids'") == 1


def test_keys(db, x):
    """Of text and of two columns; names that need quotes; rows that come and go."""
    x = x[:600]
    db.load(x, '"It\'s ""so"""', '"the key" text, n smallint, PRIMARY KEY ("the key", n)', lambda i: (f"k{i}", i % 7))
    out = db.build("--name", 'a "name"', table='"It\'s ""so"""')
    assert recall_of(out) > .95
    used(db, '"a ""name"""')
    db.load(x, "plain", "id int")
    assert "no primary key" in db.build(ok=False, table="plain")
    db("INSERT INTO plain VALUES (NULL, NULL), (NULL, %s), (9999, NULL)", str(x[0].tolist()))
    assert recall_of(db.build("--key", "id", table="plain")) > .95
    used(db, "plain_embedding_hnsw")


def test_dry_run_and_errors(db, x):
    db.load(x[:100])
    out = db.build("--dry-run", "--filter", "id")
    assert "100 rows of 24 dimensions" in out and '"id") WITH (neighbors = ' in out
    assert db.one("SELECT count(*) FROM pg_class WHERE relname LIKE 'items_embedding%%'") == 0
    assert "no column" in db.build("-c", "nothing", ok=False)
    assert "does not exist" in db.build(ok=False, table="nowhere")
    db("CREATE VIEW v AS SELECT * FROM items")
    assert "not an ordinary table" in db.build(ok=False, table="v")
    db.build()
    assert "exists already" in db.build(ok=False)


def test_restart(db, x, monkeypatch):
    """Killed while it computes, a run goes on where it was; one of other arguments begins anew."""
    x = x[:1000]
    db.load(x)
    done, real = [], compute.neighbors_by_blocks

    def killed(e, rows, k, transform, bias, out, start, done_):
        def stop(n):
            done_(n)
            if n > 300:
                raise KeyboardInterrupt
        done.append(start)
        real(e, rows, k, transform, bias, out, start, stop if len(done) == 1 else done_)

    monkeypatch.setattr(compute, "neighbors_by_blocks", killed)
    plan = Plan("items", "embedding", device="numpy", device_memory=1 << 18)
    with pytest.raises(KeyboardInterrupt):
        run(db.conn, plan, lambda m: None)
    said = []
    assert run(db.conn, plan, said.append) > .95
    assert done[0] == 0 and done[1] > 300
    assert not any(m.startswith("reading vectors") for m in said) and any(m.startswith("nearest") for m in said)
    used(db, "items_embedding_hnsw")


def test_torch(db, x):
    torch = pytest.importorskip("torch")
    assert torch
    db.load(x)
    assert recall_of(db.build("--device", "cpu")) > .95
    assert recall_of(db.build("--device", "cpu", "--method", "ivfrabitq")) > .9


def test_from_faiss(db, x):
    """The examples of docs/gpu-build.md."""
    faiss = pytest.importorskip("faiss")
    db.load(x)
    path = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs", "gpu-build.md")
    blocks = re.findall(r"```python\n(# FAISS.*?)```", open(path).read(), re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {"connection": db.conn, "ids": np.arange(len(x)), "x": x, "faiss": faiss, "psycopg": psycopg})
        db.conn.commit()
    assert db.one("SELECT count(*) FROM pg_indexes WHERE indexname IN ('items_graph', 'items_lists')") == 2
    for index in ("items_graph", "items_lists"):
        assert db(f"SELECT * FROM vector_index_check('{index}', true)") == []
