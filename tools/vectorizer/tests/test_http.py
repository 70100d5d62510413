"""Models behind HTTP: formats, errors, limits, time-outs, keys."""

import logging

import pytest
from stub import Stub

from vectorizer import Rejected, Unavailable, VectorizerError, search
from vectorizer import models
from vectorizer.models.base import to_text
from vectorizer.models import http as http_models

KEY = "sk-secret-0123456789"


@pytest.fixture
def stub(monkeypatch):
    s = Stub()
    for prefix in ("OPENAI", "OLLAMA", "TEI", "VOYAGE", "COHERE"):
        monkeypatch.setenv(f"{prefix}_BASE_URL", s.url)
        monkeypatch.setenv(f"{prefix}_API_KEY", KEY)
    monkeypatch.setenv("VECTORIZER_TIMEOUT", "0.5")
    monkeypatch.setattr(http_models, "PATIENCE", 10.0)
    models.load_model.cache_clear()
    models.load_reranker.cache_clear()
    yield s
    s.close()
    models.load_model.cache_clear()
    models.load_reranker.cache_clear()


@pytest.mark.parametrize("spec, path, query, document", [
    ("openai:m", "/embeddings", {"encoding_format": "float"}, {"encoding_format": "float"}),
    ("ollama:m", "/embeddings", {}, {}),
    ("tei:m", "/v1/embeddings", {}, {}),
    ("voyage:m", "/embeddings", {"input_type": "query"}, {"input_type": "document"}),
    ("cohere:m", "/v2/embed", {"input_type": "search_query"}, {"input_type": "search_document", "embedding_types": ["float"]}),
])
def test_formats(stub, spec, path, query, document):
    m = models.load_model(spec)
    assert m.probe() == 64
    texts = ["one cat", "two dogs", "three"]
    for got, want in zip(m.embed(texts), stub.model.embed(texts)):
        assert to_text(got, 64, "dense") == to_text(want, 64, "dense")
    (path1, headers, asked), (path2, _, told) = stub.seen
    assert path1 == path2 == path and headers["Authorization"] == f"Bearer {KEY}"
    assert asked["model"] == "m" and query.items() <= asked.items() and document.items() <= told.items()
    assert (told.get("input") or told["texts"]) == texts


@pytest.mark.parametrize("spec", ["cohere:r", "voyage:r", "tei:r"])
def test_rerankers(stub, spec):
    r = models.load_reranker(spec)
    assert r.score("cats and dogs", ["dogs", "cats and dogs", "ships"]) == [pytest.approx(1 / 3), 1, 0]
    assert r.score("x", []) == []
    stub.plan = [(200, {}, {"results": [], "data": []})]
    if spec != "tei:r":
        with pytest.raises(Exception, match="scored 0 of 1"):
            r.score("x", ["y"])


def test_passing_errors_are_tried_again(stub):
    m = models.load_model("openai:m")
    stub.plan = [503, (429, {"Retry-After": "0"}, {"error": {"message": "slow down"}})]
    assert len(m.embed(["a"])) == 1 and len(stub.seen) == 3
    stub.plan = ["close", "hang"]
    assert len(m.embed(["a"])) == 1
    stub.always = (429, {"Retry-After": "77"}, {"error": {"message": "slow down"}})
    with pytest.raises(Unavailable, match="429: slow down") as e:
        m.embed(["a"])
    assert e.value.retry_after == 77
    stub.always = (500, {}, b"<html>oops</html>")
    with pytest.raises(Unavailable, match="500"):
        m.embed(["a"])
    stub.close()
    models.load_model.cache_clear()
    with pytest.raises(Unavailable, match="ConnectError"):
        models.load_model("openai:m").embed(["a"])


def test_errors_for_good(stub):
    m = models.load_model("openai:m")
    with pytest.raises(Rejected, match="too long"):
        m.embed(["poison"])
    assert len(stub.seen) == 1
    for status in (401, 403, 404):
        stub.plan = [(status, {}, {"error": {"message": f"no {KEY} here"}})]
        with pytest.raises(Unavailable) as e:
            m.embed(["a"])
        assert KEY not in str(e.value) and "***" in str(e.value)
    for answer in (b"no json", {"data": 1}, {}, [], {"data": [{"index": 7, "embedding": []}]}, {"data": []}):
        stub.plan = [(200, {}, answer)]
        with pytest.raises(Exception, match="answered|gave"):
            m.embed(["a"])


def test_addresses(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "ftp://x")
    models.load_model.cache_clear()
    with pytest.raises(VectorizerError, match="no address"):
        models.load_model("openai:m")
    monkeypatch.delenv("TEI_BASE_URL", raising=False)
    with pytest.raises(VectorizerError, match="Set TEI_BASE_URL"):
        models.load_model("tei:m")
    with pytest.raises(VectorizerError, match="no provider"):
        models.load_model("nobody:m")


def test_worker_sets_aside_what_is_refused(stub, db, caplog):
    caplog.set_level(logging.DEBUG)
    db.articles()
    db("UPDATE articles SET body = 'poison' WHERE id IN (3, 9)")
    db.create(model="openai:m")
    db.drain()
    assert db("SELECT id FROM articles WHERE embedding IS NULL ORDER BY id") == [(3,), (9,)]
    assert db("SELECT id, attempts, due_at, error ~ 'too long' FROM vectorizer.retry_1 ORDER BY id") == \
        [(3, 1, None, True), (9, 1, None, True)]
    # a new text is a new chance
    db("UPDATE articles SET body = 'fine' WHERE id = 3")
    db.drain()
    assert db("SELECT id FROM vectorizer.retry_1") == [(9,)]
    assert search(db.dsn, "title 3 fine", "articles", rerank="cohere:r", limit=1)[0].row["id"] == 3
    assert KEY not in caplog.text
    assert not any(KEY in str(r) for t in ("vectorizer.vectorizers", "vectorizer.retry_1") for r in db(f"TABLE {t}"))


def test_worker_waits_while_the_endpoint_is_down(stub, db):
    db.articles(200)
    db.create(model="openai:m")
    stub.plan = ["close"] * 3 + [503] * 4 + [(429, {"Retry-After": "0"}, {})] * 4
    results = db.drain()
    assert db.one("SELECT count(*) FROM articles WHERE embedding IS NULL") == 0
    assert db.one("SELECT count(*) FROM vectorizer.retry_1") == 0
    assert sum(r.embedded for r in results) == 200


@pytest.mark.parametrize("change, error", [
    (lambda vs: [v[:3] for v in vs], "3 dimensions, the column has 64"),
    (lambda vs: [[float("nan")] * 64 for v in vs], "not finite"),
    (lambda vs: vs[:-1], "gave"),
    (lambda vs: [["x"] * 64 for v in vs], "no vector"),
])
def test_answers_that_do_not_fit(stub, db, change, error):
    db.articles(3)
    db.create(model="openai:m")
    stub.change = change
    db.drain()
    assert db("SELECT count(*) FROM vectorizer.retry_1 WHERE attempts = 1 AND due_at > now() AND error LIKE %s",
              f"%{error}%") == [(3,)]
    for attempts in range(2, 6):
        db("UPDATE vectorizer.retry_1 SET due_at = now()")
        db.drain()
        assert db("SELECT DISTINCT attempts, due_at IS NULL FROM vectorizer.retry_1") == [(attempts, attempts == 5)]
    stub.change = lambda vs: vs
    db("UPDATE vectorizer.retry_1 SET due_at = now()")
    db.drain()
    assert db.one("SELECT count(embedding) FROM articles") == 3
    assert db.one("SELECT count(*) FROM vectorizer.retry_1") == 0
