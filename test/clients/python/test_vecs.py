"""vecs: collections, filters, measures, both kinds of index."""
import math
import os

import pytest
import vecs
from vecs import IndexArgsHNSW, IndexArgsIVFFlat, IndexMeasure, IndexMethod

URL = f"postgresql+psycopg2://postgres:postgres@localhost:5432/{os.environ['PGDATABASE']}"
N = 500
VECTORS = [(str(i), [math.sin(i), math.cos(i), i / N], {"number": i, "parity": "even" if i % 2 == 0 else "odd"})
           for i in range(N)]


@pytest.fixture(scope="module")
def client():
    with vecs.create_client(URL) as client:
        yield client


@pytest.fixture
def docs(client):
    docs = client.get_or_create_collection(name="docs", dimension=3)
    docs.upsert(records=VECTORS)
    yield docs
    client.delete_collection("docs")


def true_nearest(query, distance, n=5, accept=lambda m: True):
    return [i for _, i in sorted((distance(query, v), i) for i, v, m in VECTORS if accept(m))][:n]


def l2(a, b):
    return math.dist(a, b)


def cosine(a, b):
    return 1 - sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)


def inner(a, b):
    return -sum(x * y for x, y in zip(a, b))


MEASURES = [(IndexMeasure.l2_distance, l2), (IndexMeasure.cosine_distance, cosine), (IndexMeasure.max_inner_product, inner)]


def test_upsert_fetch_delete(docs):
    assert len(docs) == N
    docs.upsert([("7", [9, 9, 9], {"number": -1})])
    (record,) = docs.fetch(["7"])
    assert list(record[1]) == [9, 9, 9] and record[2] == {"number": -1}
    docs.delete(ids=["7"])
    assert len(docs) == N - 1
    assert len(docs.delete(filters={"parity": {"$eq": "odd"}})) == N // 2 - 1
    assert len(docs) == N // 2


@pytest.mark.parametrize("measure,distance", MEASURES)
@pytest.mark.parametrize("method", [None, IndexMethod.hnsw, IndexMethod.ivfflat])
def test_nearest(docs, measure, distance, method):
    if method:
        arguments = IndexArgsHNSW(m=16, ef_construction=64) if method == IndexMethod.hnsw else IndexArgsIVFFlat(n_lists=4)
        docs.create_index(measure=measure, method=method, index_arguments=arguments)
        assert docs.is_indexed_for_measure(measure)
    query = [0.3, -0.2, 0.7]
    found = docs.query(data=query, limit=5, measure=measure, include_value=True, probes=4, ef_search=100)
    assert [i for i, _ in found] == true_nearest(query, distance)
    values = {i: v for i, v, _ in VECTORS}
    for i, value in found:
        assert value == pytest.approx(distance(query, values[i]), abs=1e-5)


@pytest.mark.parametrize("filters,accept", [
    ({"parity": {"$eq": "odd"}}, lambda m: m["parity"] == "odd"),
    ({"number": {"$lt": 20}}, lambda m: m["number"] < 20),
    ({"$and": [{"number": {"$gte": 100}}, {"parity": {"$ne": "odd"}}]}, lambda m: m["number"] >= 100 and m["parity"] == "even"),
    ({"number": {"$in": [3, 5, 8]}}, lambda m: m["number"] in (3, 5, 8)),
])
def test_filters(docs, filters, accept):
    docs.create_index(measure=IndexMeasure.l2_distance)
    query = [0.3, -0.2, 0.7]
    found = docs.query(data=query, limit=5, filters=filters, measure=IndexMeasure.l2_distance, ef_search=100)
    assert found == true_nearest(query, l2, accept=accept)


def test_replacing_an_index(docs):
    docs.create_index(method=IndexMethod.ivfflat)
    assert "ivfflat" in docs.index
    with pytest.raises(vecs.exc.ArgError):
        docs.create_index(replace=False)
    docs.create_index(method=IndexMethod.hnsw)
    assert "hnsw" in docs.index


def test_disconnecting_and_listing(client, docs):
    assert [c.name for c in client.list_collections()] == ["docs"]
    assert client.get_collection("docs").dimension == 3
