"""llama-index: PGVectorStore with every filter, hybrid search, HNSW, halfvec, sync and async."""
import copy
import math
import os

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (FilterCondition, FilterOperator, MetadataFilter, MetadataFilters,
                                                  VectorStoreQuery, VectorStoreQueryMode)
from llama_index.vector_stores.postgres import PGVectorStore

N = 200
WORDS = ["cats", "dogs", "birds", "trains"]
HNSW = {"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_ef_search": 200}


def embedding(i):
    return [math.sin(i), math.cos(i), math.sin(2.3 * i), i / N]


def node(i):
    return TextNode(id_=f"n{i}", text=f"text about {WORDS[i % 4]} number {i}", embedding=embedding(i),
                    metadata={"number": i, "word": WORDS[i % 4], "tags": [WORDS[i % 4], f"t{i % 10}"]},
                    relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"doc{i % 7}")})


def make(name, **options):
    store = PGVectorStore.from_params(host="localhost", port="5432", user="postgres", password="postgres",
                                      database=os.environ["PGDATABASE"], table_name=name, embed_dim=4, **options)
    store.initialization_fail_on_error = True
    return store


@pytest.fixture(params=[{}, {"hnsw_kwargs": HNSW}, {"use_halfvec": True},
                        {"use_halfvec": True, "hnsw_kwargs": {**HNSW, "hnsw_dist_method": "halfvec_cosine_ops"}},
                        {"use_jsonb": True, "hybrid_search": True, "hnsw_kwargs": HNSW}],
                ids=["plain", "hnsw", "halfvec", "halfvec_hnsw", "jsonb_hybrid_hnsw"])
def store(request):
    store = make("nodes", **copy.deepcopy(request.param))
    store.add([node(i) for i in range(N)])
    yield store
    store.clear()
    with store._engine.begin() as c:
        c.exec_driver_sql("DROP TABLE data_nodes")


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)


def true_nearest(query, n, accept=lambda i: True):
    return [f"n{i}" for i in sorted(filter(accept, range(N)), key=lambda i: -cosine(query, embedding(i)))][:n]


QUERY = [0.5, -0.4, 0.2, 0.6]


def test_nearest(store):
    found = store.query(VectorStoreQuery(query_embedding=QUERY, similarity_top_k=5))
    assert found.ids == true_nearest(QUERY, 5)
    assert found.similarities == pytest.approx([cosine(QUERY, embedding(int(i[1:]))) for i in found.ids], abs=2e-3)
    assert found.nodes[0].metadata["word"] in WORDS


@pytest.mark.asyncio
async def test_async(store):
    await store.async_add([TextNode(id_="x", text="another", embedding=QUERY)])
    found = await store.aquery(VectorStoreQuery(query_embedding=QUERY, similarity_top_k=3))
    assert found.ids == ["x", *true_nearest(QUERY, 2)]
    await store.close()


F = MetadataFilter
@pytest.mark.parametrize("filters,accept", [
    ([F(key="word", value="cats")], lambda i: i % 4 == 0),
    ([F(key="word", value="cats", operator=FilterOperator.NE)], lambda i: i % 4),
    ([F(key="number", value=20, operator=FilterOperator.LT)], lambda i: i < 20),
    ([F(key="number", value=100, operator=FilterOperator.GTE), F(key="word", value="dogs")], lambda i: i >= 100 and i % 4 == 1),
    ([F(key="word", value=["cats", "birds"], operator=FilterOperator.IN)], lambda i: i % 2 == 0),
    ([F(key="word", value=["cats", "birds"], operator=FilterOperator.NIN)], lambda i: i % 2),
    ([F(key="word", value="rain", operator=FilterOperator.TEXT_MATCH)], lambda i: i % 4 == 3),
])
def test_filters(store, filters, accept):
    found = store.query(VectorStoreQuery(query_embedding=QUERY, similarity_top_k=5, filters=MetadataFilters(filters=filters)))
    assert found.ids == true_nearest(QUERY, 5, accept)


def test_filters_or(store):
    filters = MetadataFilters(filters=[F(key="word", value="cats"), F(key="number", value=3)], condition=FilterCondition.OR)
    found = store.query(VectorStoreQuery(query_embedding=QUERY, similarity_top_k=N, filters=filters))
    assert sorted(found.ids) == sorted(true_nearest(QUERY, N, lambda i: i % 4 == 0 or i == 3))


def test_mmr(store):
    found = store.query(VectorStoreQuery(query_embedding=QUERY, similarity_top_k=4, mode=VectorStoreQueryMode.MMR))
    assert len(set(found.ids)) == 4 and found.ids[0] == true_nearest(QUERY, 1)[0]


def test_hybrid(store):
    if not store.hybrid_search:
        pytest.skip("a store without hybrid search")
    found = store.query(VectorStoreQuery(query_embedding=QUERY, query_str="trains", similarity_top_k=3, sparse_top_k=5,
                                         mode=VectorStoreQueryMode.HYBRID))
    assert found.ids[:3] == true_nearest(QUERY, 3)
    assert sum(n.metadata["word"] == "trains" for n in found.nodes) >= 5
    sparse = store.query(VectorStoreQuery(query_str="trains", sparse_top_k=5, mode=VectorStoreQueryMode.SPARSE))
    assert {n.metadata["word"] for n in sparse.nodes} == {"trains"}


def test_deleting(store):
    store.delete("doc3")
    assert not [n for n in store.get_nodes(node_ids=[f"n{i}" for i in range(N)]) if int(n.node_id[1:]) % 7 == 3]
    store.delete_nodes(["n0", "n1"])
    found = store.query(VectorStoreQuery(query_embedding=QUERY, similarity_top_k=5))
    assert found.ids == true_nearest(QUERY, 5, lambda i: i % 7 != 3 and i > 1)
