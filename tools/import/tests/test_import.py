"""What holds for every source: restarts, checks, types, names, bad input."""

import datetime
import importlib
import io
import os
import pathlib
import re
import shlex
import signal
import tarfile
import uuid

import numpy as np
import psycopg
import pytest
from stub import Stub

from vector_import import ImportFailed, Plan, run, sources, target
from vector_import.cli import main
from vector_import.sources import base

running = importlib.import_module("vector_import.run")

X = np.random.default_rng(7).random((500, 8), dtype=np.float32)


class Made(base.Rows):
    """A source of given records."""

    def __init__(self, records, **has):
        self.records, self.count, self.dimensions = records, len(records), 8
        for k, v in has.items():
            setattr(self, k, v)

    def part(self, start, end):
        return self.records[start:end]


def load(db, records, monkeypatch, table="items", source=None, **plan):
    made = source or Made(records)
    monkeypatch.setattr(running, "open_source", lambda *a: made)
    said = []
    rows = run(db.conn, Plan("made", "here", table, **plan), said.append)
    return rows, "\n".join(said)


def test_npy_and_vecs(db, tmp_path):
    np.save(tmp_path / "x.npy", X)
    out = db.load("npy", tmp_path / "x.npy", "--create-index")
    assert "500 records, 8 dimensions" in out and "checked: 500 rows" in out and "500 rows\n" in out
    assert 'CREATE INDEX ON "items" USING hnsw (embedding "public".vector_l2_ops)' in out
    assert (db.vectors() == X).all() and db.one("SELECT count(*) FROM pg_indexes WHERE tablename = 'items'") == 2
    assert db.one("SELECT to_regclass('vector_import_state')") is None
    for suffix, type, data in ((".fvecs", "<f4", X), (".bvecs", "u1", (X * 255).astype("u1")), (".ivecs", "<i4", (X * 1000).astype("<i4"))):
        rows = np.zeros(500, [("d", "<i4"), ("v", type, (8,))])
        rows["d"], rows["v"] = 8, data
        rows.tofile(tmp_path / f"x{suffix}")
        db.load("vecs", tmp_path / f"x{suffix}", "--batch", "123", table=f"t{suffix[1]}")
        assert (db.vectors(f"t{suffix[1]}") == data.astype(np.float32)).all()
    db.load("npy", tmp_path / "x.npy", "--index", "flat", "--distance", "cosine", "--create-index", table="exact")
    assert "USING flat (embedding vector_cosine_ops)" in db.one("SELECT string_agg(indexdef, ';') FROM pg_indexes WHERE tablename = 'exact'")
    db.load("npy", tmp_path / "x.npy", "--type", "halfvec", "--id-type", "text", table="half")
    assert (db.vectors("half", "id::int") == X.astype(np.float16).astype(np.float32)).all()


def test_dry_run_writes_nothing(db, tmp_path):
    np.save(tmp_path / "x.npy", X)
    out = db.load("npy", tmp_path / "x.npy", "--dry-run", "--index", "ivfrabitq")
    assert "CREATE TABLE" in out and "COPY" in out and "USING ivfrabitq" in out
    assert db.one("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'") == 0


def killed_before(point, db, path):
    """Import in a process that kills itself before its statement of that number; whether it did."""
    child = os.fork()
    if child == 0:
        count = 0
        original = psycopg.Connection.execute

        def execute(self, *args, **kwargs):
            nonlocal count
            count += 1
            if count == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, *args, **kwargs)
        try:
            with psycopg.connect(db.dsn, autocommit=True) as conn:
                psycopg.Connection.execute = execute
                run(conn, Plan("npy", str(path), "items", batch=100), lambda said: None)
                os._exit(0)
        finally:
            os._exit(7)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return status != 0


def test_killed_anywhere(db, tmp_path):
    """kill -9 before each statement: the next run goes on, and nothing is there twice."""
    np.save(tmp_path / "x.npy", X)
    killed = 0
    went_on = False
    for point in range(1, 60):
        db.conn.close()
        was_killed = killed_before(point, db, tmp_path / "x.npy")
        db.conn = psycopg.connect(db.dsn, autocommit=True)
        if not was_killed:
            break
        killed += 1
        before = db.one("SELECT count(*) FROM items") if db.one("SELECT to_regclass('items')") else 0
        state = db.one("SELECT to_regclass('vector_import_state')") and db("SELECT rows FROM vector_import_state")
        if state:
            assert state == [(before,)]
            out = db.load("npy", tmp_path / "x.npy", "--batch", "100")
            went_on = went_on or f"going on after {before} rows" in out
        elif before:
            # all was done but for the word
            assert before == 500
        else:
            db.load("npy", tmp_path / "x.npy", "--batch", "100")
        assert (db.vectors() == X).all()
        db("DROP TABLE items; DROP TABLE IF EXISTS vector_import_state")
    assert killed > 8 and went_on


def test_two_at_once(db, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", X)

    def other(records):
        with psycopg.connect(db.dsn, autocommit=True) as conn:
            conn.execute("UPDATE vector_import_state SET rows = rows + 1")
        return records
    records = [base.Record(n, v) for n, v in enumerate(X)]
    source = Made(records)
    part = source.part
    source.part = lambda start, end: other(part(start, end)) if start == 200 else part(start, end)
    with pytest.raises(ImportFailed, match="another run"):
        load(db, records, monkeypatch, source=source, batch=100)


def test_metadata(db, monkeypatch):
    day = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, datetime.timezone.utc)
    records = [base.Record(n, X[n], f"text {n}\0", {"lang": "en" if n % 2 else "de", "year": 2000 + n, "score": n / 3 if n else 1,
               "ok": n % 3 == 0, "at": day, "tags": ["a", {"b": None}], "id": "own", "Odd \"%s\" Näme": "ü'\\", "mixed": n if n % 2 else "x",
               "nan": float("nan"), "zero": "a\0b", "none": None}) for n in range(50)]
    records[7].metadata = {}
    records[8].text = None
    _, out = load(db, records, monkeypatch, source=Made(records, has_text=True, metric="cosine"), columns="auto", filters="lang,year")
    assert 'USING hnsw (embedding "public".vector_cosine_ops, "lang", "year")' in out
    types = dict(db("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0"))
    assert types == {"id": "bigint", "content": "text", "lang": "text", "year": "bigint", "score": "double precision", "ok": "boolean",
                     "at": "timestamp with time zone", "tags": "jsonb", "id_": "text", 'Odd "%s" Näme': "text", "mixed": "jsonb",
                     "nan": "double precision", "zero": "text", "metadata": "jsonb", "embedding": "vector(8)"}
    row = db('SELECT content, lang, year, score, ok, "at", tags, id_, "Odd ""%s"" Näme", mixed, nan::text, zero, metadata FROM items WHERE id = 4')[0]
    assert row == ("text 4", "de", 2004, 4 / 3, False, day, ["a", {"b": None}], "own", "ü'\\", "x", "NaN", "ab", {"none": None})
    assert db("SELECT lang, metadata FROM items WHERE id = 7") == [(None, None)] and db.one("SELECT content IS NULL FROM items WHERE id = 8")
    # a key with a colon, and a filter named twice
    for r in records:
        r.metadata["dc:title"] = "t"
    _, out = load(db, records, monkeypatch, table="colon", columns="dc:title", filters="dc:title,lang,year:bigint,lang")
    assert '("dc:title", "lang", "year")' in out.replace('embedding "public".vector_l2_ops, ', "")
    for r in records:
        r.metadata.pop("dc:title")
    # all in one column
    load(db, records, monkeypatch, table="one")
    assert db.one("SELECT metadata ->> 'year' FROM one WHERE id = 3") == "2003"
    # a key that comes late, and one whose type does not fit all
    records[40].metadata["late"] = 5
    load(db, records, monkeypatch, table="late", columns="lang,late:int", batch=10)
    assert db.one("SELECT late FROM late WHERE id = 40") == 5
    records[45].metadata["year"] = "MMXX"
    with pytest.raises(ImportFailed, match="id 45: metadata 'year' is 'MMXX', no bigint"):
        load(db, records, monkeypatch, table="bad", columns="year", batch=10)
    assert db.one("SELECT count(*) FROM bad") == 40
    records[45].metadata["year"] = 2045
    assert load(db, records, monkeypatch, table="bad", columns="year", batch=10)[0] == 50


def test_names_that_need_quotes(db, tmp_path):
    np.save(tmp_path / "x.npy", X)
    db('CREATE SCHEMA "My %s"')
    db.load("npy", tmp_path / "x.npy", "--create-index", table='"My %s"."T ""x"" {y}; DROP"')
    assert db.one('SELECT count(*) FROM "My %s"."T ""x"" {y}; DROP"') == 500


@pytest.mark.parametrize("spoil, error", [
    (lambda r: setattr(r, "vector", np.array([1, np.nan] * 4, np.float32)), "id 300: the vector has a value that is not finite"),
    (lambda r: setattr(r, "vector", np.ones(9, np.float32)), "id 300: the vector has 9 dimensions"),
    (lambda r: setattr(r, "id", "x"), "id 'x' is no bigint: --id-type text"),
    (lambda r: setattr(r, "id", 4), "an id is there twice: Key \\(id\\)=\\(4\\)"),
    (lambda r: setattr(r, "id", 2**63), "no bigint"),
])
def test_bad_records(db, monkeypatch, spoil, error):
    records = [base.Record(n, v) for n, v in enumerate(X)]
    spoil(records[300])
    with pytest.raises(ImportFailed, match=error):
        load(db, records, monkeypatch, batch=100)
    assert db.one("SELECT count(*) FROM items") == 300


def test_null_vectors_and_sparse(db, monkeypatch):
    records = [base.Record(str(n), {3: 0.5, 700: n} if n else None, None, {"n": n}) for n in range(5)]
    _, out = load(db, records, monkeypatch, source=Made(records, sparse=True, metric="ip", id_type="text", dimensions=None))
    assert "USING sparse_inverted (embedding \"public\".sparsevec_ip_ops)" in out
    assert db("SELECT embedding::text FROM items WHERE id IN ('0', '2') ORDER BY id") == [(None,), ("{4:0.5,701:2}/1000000000",)]


def test_refused_with_the_reason(db, tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY garbage")
    (tmp_path / "x.fvecs").write_bytes(b"\1\0\0")
    (tmp_path / "y.fvecs").write_bytes(b"\x08\0\0\0" + b"1234" * 7)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.ones(3))
    np.save(tmp_path / "none.npy", np.ones((0, 3)))
    (tmp_path / "empty.npy").touch()
    for arguments, error in ((("npy", "nowhere.npy"), "there is no file"), (("npy", tmp_path / "bad.npy"), "bad.npy"),
                             (("npy", tmp_path / "objects.npy"), "Python objects"), (("npy", tmp_path / "flat.npy"), "a matrix of numbers"),
                             (("npy", tmp_path / "none.npy"), "no records"), (("vecs", tmp_path / "x.fvecs"), "shorter than a vector"),
                             (("vecs", tmp_path / "y.fvecs"), "are no vectors of 8 dimensions"),
                             (("vecs", tmp_path / "x.npy"), "the name ends in"),
                             (("npy", tmp_path / "x.npy", "--type", "sparsevec"), "dense, which sparsevec does not hold"),
                             (("npy", tmp_path / "x.npy", "--filter", "lang"), "give its type"),
                             (("npy", tmp_path / "x.npy", "--filter", "lang:klingon"), "the types are"),
                             (("npy", tmp_path / "x.npy", "--filter", "tags:jsonb"), "jsonb is no type of a filter column"),
                             (("npy", tmp_path / "x.npy", "--index", "sparse_inverted"), "sparse_inverted has no vector_l2_ops"),
                             (("npy", tmp_path / "x.npy", "--index", "ivfrabitq", "--distance", "l1"), "ivfrabitq has no vector_l1_ops"),
                             (("npy", tmp_path / "empty.npy"), "empty.npy: EOFError"),
                             (("npy", tmp_path / "x.npy", "--dimensions", "3"), "8 dimensions, the others have 3"),
                             (("weaviate", "http://me:secret@127.0.0.1:1"), "//127.0.0.1:1: [Errno 111] Connection refused")):
        base.Api.FIRST_PAUSE, kept = 0.001, base.Api.FIRST_PAUSE
        try:
            said = db.load(*arguments, ok=False)
            assert error in said and "secret" not in said
            # before anything is made, but for what only the rows tell
            assert db.one("SELECT to_regclass('items')") is None or "the others have 3" in error
        finally:
            base.Api.FIRST_PAUSE = kept
        db("DROP TABLE IF EXISTS items, vector_import_state")
    assert "write names as in SQL" in db.load("npy", tmp_path / "x.npy", ok=False, table='"')
    db("CREATE TABLE items (x int)")
    assert "exists" in db.load("npy", tmp_path / "x.npy", ok=False)
    db("DROP EXTENSION vector")
    assert "CREATE EXTENSION vector" in db.load("npy", tmp_path / "x.npy", ok=False, table="other")
    with pytest.raises(ImportFailed, match="no source"):
        sources.open_source("oracle", "x")


def test_what_was_written_to_meanwhile(db, monkeypatch):
    records = [base.Record(n, v) for n, v in enumerate(X)]
    source = Made(records)
    source.part = lambda start, end: (db("DELETE FROM items WHERE id = 5"), records[start:end])[1] if start == 400 else records[start:end]
    with pytest.raises(ImportFailed, match="the table has 499 rows, 500 were copied"):
        load(db, records, monkeypatch, source=source, batch=100)
    db("DROP TABLE items, vector_import_state")
    source = Made(records)
    source.part = lambda start, end: (db("UPDATE items SET embedding = '[0,0,0,0,0,0,0,0]' WHERE id = 5"), records[start:end])[1] \
        if start == 400 else records[start:end]
    with pytest.raises(ImportFailed, match="differ, of id 5"):
        load(db, records, monkeypatch, source=source, batch=100)


def test_a_library_that_raises(db, monkeypatch):
    def part(start, end):
        if start < 200 or mended:
            return records[start:end]
        raise RuntimeError("the server\nis http://me:secret@there")
    mended = False
    records = [base.Record(n, v) for n, v in enumerate(X)]
    source = Made(records)
    source.part = part
    with pytest.raises(ImportFailed, match="RuntimeError: the server is http://there$"):
        load(db, records, monkeypatch, source=source, batch=100)
    mended = True
    assert load(db, records, monkeypatch, source=source, batch=100)[0] == 500


def test_what_is_printed_is_sql(db, monkeypatch):
    """A name from the source ends no comment."""
    records = [base.Record(n, v) for n, v in enumerate(X)]
    source = Made(records, collection="docs\nDROP TABLE kept;\r\x1b[2J", metric="l2")
    _, out = load(db, records, monkeypatch, source=source, dry_run=True, distance="cosine")
    assert "distance cosine" in out and "vector_cosine_ops" in out and "\x1b" not in out and "\r" not in out
    db("CREATE TABLE kept ()")
    db("".join(line for line in out.splitlines(True) if not line.startswith("COPY")))
    assert db.one("SELECT to_regclass('kept') IS NOT NULL AND to_regclass('items') IS NOT NULL")


def test_uuids_in_any_spelling(db, monkeypatch):
    ids = [str(uuid.UUID(int=n << 100)) for n in range(3)]
    spelled = [ids[0].upper(), ids[1].replace("-", ""), "{" + ids[2] + "}"]
    records = [base.Record(i, v) for i, v in zip(spelled, X)]
    assert load(db, records, monkeypatch, source=Made(records, id_type="text"), id_type="uuid")[0] == 3
    assert [str(i) for i, in db("SELECT id FROM items ORDER BY id")] == ids
    records[1].id = None
    with pytest.raises(ImportFailed, match="a record has no id"):
        load(db, records, monkeypatch, table="none", source=Made(records, id_type="text"))


def test_state_of_another_import(db, tmp_path, monkeypatch):
    """An import that ends leaves what another has noted meanwhile."""
    records = [base.Record(n, v) for n, v in enumerate(X)]
    source = Made(records)
    first = Made(records)
    first.part = lambda start, end: (_ for _ in ()).throw(RuntimeError) if start else records[start:end]
    with pytest.raises(ImportFailed):
        load(db, records, monkeypatch, table="one", source=first, batch=100)
    load(db, records, monkeypatch, table="two", source=source, batch=100)
    assert db("SELECT rows FROM vector_import_state") == [(100,)]
    assert load(db, records, monkeypatch, table="one", source=source, batch=100)[0] == 500
    assert db.one("SELECT to_regclass('vector_import_state')") is None


def anonymous():
    """Bytes of memory of this process that are no file's."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon"))


def test_memory_is_bounded(tmp_path):
    """Of a file of 96 MB, never more than a fraction is in memory."""
    rows = np.zeros(94000, [("d", "<i4"), ("v", "<f4", (256,))])
    rows["d"] = 256
    rows.tofile(tmp_path / "x.fvecs")
    del rows
    source = sources.open_source("vecs", str(tmp_path / "x.fvecs"))
    before, most, n = anonymous(), 0, 0
    for _, records in source.read(None, 2000):
        n += sum(len(target.pack_vector(r.vector, "vector", 256)) == 1028 for r in records)
        most = max(most, anonymous())
    assert n == 94000 and most - before < 24 << 20


def test_weaviate(db, monkeypatch):
    stub = Stub(500)
    monkeypatch.setattr(base.Api, "FIRST_PAUSE", 0.001)
    monkeypatch.setenv("WEAVIATE_API_KEY", "secret-key")
    stub.fail = [429, 503, 500]
    out = db.load("weaviate", stub.url, "--filter", "lang", "-c", "Doc")
    assert "secret-key" not in out and "cosine" in out and stub.fail == []
    assert (db.vectors(order="(metadata ->> 'n')::int") == stub.vectors).all()
    assert db.one("SELECT pg_typeof(id)::text FROM items LIMIT 1") == "uuid" and db.one("SELECT count(*) FROM items WHERE lang = 'de'") == 250
    assert "several" not in db.load("weaviate", stub.url, "-c", "Tenants/b", table="b")
    assert "has no collection 'Nope'" in db.load("weaviate", stub.url, "-c", "Nope", ok=False, table="c")
    assert "--collection" in db.load("weaviate", stub.url, ok=False, table="c")
    stub.without = {0, 3}
    db.load("weaviate", stub.url, "-c", "Doc", table="nulls")
    assert db("SELECT metadata -> 'n' FROM nulls WHERE embedding IS NULL ORDER BY 1") == [(0,), (3,)] and db.one("SELECT count(*) FROM nulls") == 500
    monkeypatch.setenv("WEAVIATE_API_KEY", "wrong")
    out = db.load("weaviate", stub.url, "-c", "Doc", ok=False, table="c")
    assert "answered 401" in out and "wrong" not in out
    stub.close()


def test_pinecone(db, monkeypatch):
    stub = Stub(250)
    monkeypatch.setattr(base.Api, "FIRST_PAUSE", 0.001)
    assert "PINECONE_API_KEY is not set" in db.load("pinecone", stub.url, ok=False)
    monkeypatch.setenv("PINECONE_API_KEY", "secret-key")
    # interrupted at the second page
    stub.fail = [200, 200, 200, 200, 200, 200, 404]
    assert "answered 404" in db.load("pinecone", stub.url, "-c", "ns1", ok=False)
    assert 0 < db.one("SELECT count(*) FROM items") < 250
    out = db.load("pinecone", stub.url, "-c", "ns1")
    assert "going on after" in out and "ip" in out
    assert (db.vectors(order="(metadata ->> 'n')::int") == stub.vectors).all()
    stub.close()


def test_commands_of_the_documentation():
    """They can be read, and what they name is there."""
    top = pathlib.Path(__file__).parents[3]
    extras = re.findall(r"^(\w+) = \[", (top / "tools/import/pyproject.toml").read_text(), re.M)
    seen = set()
    for page in [top / "README.md", *sorted((top / "docs/from").glob("*.md"))]:
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["pip", "install"]:
                    extra = re.fullmatch(r"\./tools/import(?:\[(\w+)\])?", words[2])
                    assert extra and extra[1] in (None, *extras), (page, line)
                elif words[:1] == ["vector-import"] and words[1] != "SOURCE":
                    given = main.make_context("vector-import", words[1:]).params
                    assert given["table"], (page, line)
                    seen.add(given["source"])
    assert seen == set(sources.SOURCES)


def test_qdrant_snapshot_cut_off(tmp_path):
    from vector_import.sources import qdrant
    whole, cut = tmp_path / "whole.snapshot", tmp_path / "cut.snapshot"
    with tarfile.open(whole, "w") as tar:
        for name in ("0/segments/a", "0/segments/b"):
            entry = tarfile.TarInfo(name)
            entry.size = 20000
            tar.addfile(entry, io.BytesIO(bytes(20000)))
    assert qdrant.shards_of(whole) == ["0"]
    cut.write_bytes(whole.read_bytes()[:9000])
    with pytest.raises(ImportFailed, match="cut off"):
        qdrant.shards_of(cut)
