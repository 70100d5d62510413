"""mem0: its store on PostgreSQL, with HNSW and without, and every operator of its filters."""
import math
import os
import uuid

import pytest
from mem0.vector_stores.pgvector import PGVector

N = 200
IDS = [str(uuid.UUID(int=i)) for i in range(N)]


def embedding(i):
    return [math.sin(i), math.cos(i), i / N]


def cosine_distance(a, b):
    return 1 - sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)


@pytest.fixture(params=[True, False], ids=["hnsw", "exact"])
def store(request):
    store = PGVector(dbname=os.environ["PGDATABASE"], collection_name="memories", embedding_model_dims=3, user="postgres",
                     password="postgres", host="localhost", port=5432, diskann=False, hnsw=request.param)
    store.insert([embedding(i) for i in range(N)], ids=IDS,
                 payloads=[{"number": i, "user_id": f"u{i % 3}", "data": f"memory {i}"} for i in range(N)])
    yield store
    store.delete_col()


QUERY = [0.3, -0.2, 0.7]


def true_nearest(n, accept=lambda i: True):
    return [IDS[i] for i in sorted(filter(accept, range(N)), key=lambda i: cosine_distance(QUERY, embedding(i)))][:n]


def test_search(store):
    found = store.search("", QUERY, top_k=5)
    assert [f.id for f in found] == true_nearest(5)
    assert found[0].payload["data"].startswith("memory")


@pytest.mark.parametrize("filters,accept", [
    ({"user_id": "u1"}, lambda i: i % 3 == 1),
    ({"number": {"gte": 50, "lt": 60}}, lambda i: 50 <= i < 60),
    ({"user_id": {"in": ["u0", "u2"]}}, lambda i: i % 3 != 1),
    ({"user_id": {"nin": ["u0", "u2"]}}, lambda i: i % 3 == 1),
    ({"data": {"icontains": "MEMORY 1"}}, lambda i: str(i).startswith("1")),
    ({"$or": [{"user_id": "u0"}, {"number": {"eq": 7}}]}, lambda i: i % 3 == 0 or i == 7),
    ({"$not": [{"user_id": "u0"}]}, lambda i: i % 3),
    ({"user_id": "*"}, lambda i: True),
])
def test_filters(store, filters, accept):
    assert [f.id for f in store.search("", QUERY, top_k=5, filters=filters)] == true_nearest(5, accept)


def test_update_get_delete(store):
    store.update(IDS[3], vector=QUERY, payload={"user_id": "new"})
    assert store.search("", QUERY, top_k=1)[0].id == IDS[3]
    assert store.get(IDS[3]).payload == {"user_id": "new"}
    store.delete(IDS[3])
    assert store.get(IDS[3]) is None
    assert [f.id for f in store.search("", QUERY, top_k=5)] == true_nearest(5, lambda i: i != 3)


def test_listing(store):
    assert "memories" in store.list_cols()
    assert len(store.list(filters={"user_id": "u1"}, top_k=1000)[0]) == N // 3 + 1
