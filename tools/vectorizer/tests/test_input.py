"""What may go wrong with tables, texts, roles and rights."""

import subprocess

import psycopg
import pytest
from click.testing import CliRunner

from vectorizer import VectorizerError, search
from vectorizer.chunkers import parse
from vectorizer.cli import main
from vectorizer.worker import GivenUp


@pytest.mark.parametrize("make, text, error", [
    ("CREATE TABLE articles (id int, title text)", "title", "no primary key"),
    ("CREATE VIEW articles AS SELECT 1 AS id, 'x' AS title", "title", "is no table"),
    ("CREATE TABLE p (id int PRIMARY KEY, title text) PARTITION BY RANGE (id); CREATE TABLE articles PARTITION OF p DEFAULT", "title", "is a partition"),
    ("CREATE TABLE articles (id int, title text) PARTITION BY RANGE (id)", "title", "no primary key"),
    ("CREATE TABLE p (id int PRIMARY KEY, title text); CREATE TABLE articles (PRIMARY KEY (id)) INHERITS (p)", "title", "inheritance"),
    ("CREATE TEMP TABLE articles (id int PRIMARY KEY, title text)", "title", "there is no table|temporary"),
    ("SELECT 1", "title", "there is no table"),
    ("CREATE TABLE articles (error text PRIMARY KEY, title text)", "title", "queue's own column"),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text)", "titel", 'column "titel" does not exist'),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text)", "id", "of type integer, not text"),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text)", "'constant'", "reads no column"),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text)", "title || random()::text", "not stable"),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text)", "title || (SELECT max(relname) FROM pg_class WHERE oid = id)", "another table|not stable"),
    ("CREATE TABLE t (x text); CREATE TABLE articles (id int PRIMARY KEY, title text)", "title || (SELECT max(x) FROM t)", "another table"),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text)", "title)", "syntax error"),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text, embedding vector(3))", "title", "wants vector"),
    ("CREATE TABLE articles (id int PRIMARY KEY, title text, embedding text)", "title", "of type text"),
])
def test_refused_with_the_reason(db, make, text, error):
    db(make)
    with pytest.raises(VectorizerError, match=error):
        db.create(text=text)
    assert db.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'vectorizer'") == 0


def test_more_that_is_refused(db):
    db.articles(1)
    for wish, error in ((dict(filters="nothing"), "no column nothing"), (dict(fulltext="klingon"), "no text search"),
                        (dict(into='"'), "names as in SQL"), (dict(into="a.b"), "one name"), (dict(into="x" * 64), "63 bytes"),
                        (dict(into="title"), "made from"), (dict(table='"unclosed'), "unclosed"),
                        (dict(model="hash:0"), "hash:384"), (dict(chunks="c", into="e"), "not both")):
        with pytest.raises(VectorizerError, match=error):
            db.create(**wish)
    with pytest.raises(VectorizerError, match="code:LANGUAGE"):
        parse("code", 20, 0)
    db.create()
    with pytest.raises(VectorizerError, match="already"):
        db.create()
    db("DROP EXTENSION vector CASCADE")
    with pytest.raises(VectorizerError, match="CREATE EXTENSION vector"):
        db.create(into="e2")


def test_texts_of_all_kinds(db):
    db("CREATE TABLE articles (id int PRIMARY KEY, title text)")
    texts = [None, "", " \n\t ", "!?", "é" * 10, "日本語の文章", "👩‍👩‍👧 family", "a" * 1_000_000, "word " * 200_000, "\x01\x7f"]
    for n, t in enumerate(texts):
        db("INSERT INTO articles VALUES (%s, %s)", n, t)
    db.create(text="title", fulltext="english")
    db.create(text="title", chunks="c", fulltext="english", chunker=parse("sentences", 200, 0))
    results = db.drain()
    assert sum(r.set_aside + r.retried for r in results) == 0
    assert db("SELECT id FROM articles WHERE embedding IS NULL ORDER BY id") == [(0,), (1,), (2,)]
    assert db.wrong(text="title") == []
    assert db("SELECT DISTINCT id FROM c ORDER BY id") == [(n,) for n in range(3, 10)]
    assert db.one("SELECT max(length(chunk)) FROM c") <= 800
    assert db.one("SELECT string_agg(chunk, '' ORDER BY chunk_no) FROM c WHERE id = 7") == texts[7]


def test_bytes_that_are_no_utf8(db, server):
    name = db.name + "_a"
    server.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        ascii = type(db)(name)
        ascii("CREATE EXTENSION vector")
        ascii("CREATE TABLE articles (id int PRIMARY KEY, title text)")
        subprocess.run(["psql", "-X", "-q", name], check=True, input=b"SET client_encoding = 'SQL_ASCII';\n"
                       b"INSERT INTO articles VALUES (1, 'good'), (2, 'bad \xff\xfe'), (3, 'g\xc3\xbct');")
        ascii.create(text="title")
        ascii.drain()
        assert ascii.one("SELECT array_agg(id ORDER BY id) FROM articles WHERE embedding IS NOT NULL") == [1, 3]
        assert ascii("SELECT id, due_at IS NULL, error ~ 'invalid byte sequence for encoding \"UTF8\"' FROM vectorizer.retry_1") == [(2, True, True)]
        ascii.create(text="title", chunks="c")
        ascii.drain()
        assert ascii("SELECT id, chunk FROM c ORDER BY id") == [(1, "good"), (3, "güt")]
        ascii.close()
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    result = CliRunner().invoke(main, ["search", "-d", db.dsn, "\udcff", "-t", "x"])
    assert result.exit_code == 1 and "UTF-8" in result.output


def test_a_row_that_cannot_be_read_or_written(db):
    db.articles(4)
    db("ALTER TABLE articles ADD COLUMN n int DEFAULT 1")
    db("UPDATE articles SET n = 0 WHERE id = 1")
    db.create(text="title || (10 / n)::text")
    db("ALTER TABLE articles ADD CONSTRAINT c CHECK (id <> 2 OR embedding IS NULL)")
    db.drain()
    assert db("SELECT id, attempts, error FROM vectorizer.retry_1 ORDER BY id") == [
        (1, 1, "reading the text: division by zero"),
        (2, 1, 'writing the embedding: new row for relation "articles" violates check constraint "c"')]
    assert db.one("SELECT count(embedding) FROM articles") == 2
    db("UPDATE articles SET n = 1 WHERE id = 1")
    db("ALTER TABLE articles DROP CONSTRAINT c")
    assert CliRunner().invoke(main, ["retry", "-d", db.dsn, "-t", "articles"]).exit_code == 0
    db.drain()
    assert db.wrong(text="title || (10 / n)::text") == []
    assert db.one("SELECT count(*) FROM vectorizer.retry_1") == 0


def test_roles(db, roles):
    roles("v_owner", "v_other", "v_reader")
    db.articles(6)
    db("ALTER TABLE articles OWNER TO v_owner")
    db("GRANT SELECT ON articles TO v_reader")
    other, owner, reader = (f"{db.dsn} user={r}" for r in ("v_other", "v_owner", "v_reader"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.create(dsn=other)
    out = CliRunner().invoke(main, ["create", "-d", other, "-t", "articles", "--text", "title", "-m", "hash:8"])
    assert out.exit_code == 1 and "permission denied" in out.output and "GRANT CREATE" in out.output
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.create(dsn=owner)
    db(f"GRANT CREATE ON DATABASE {db.name} TO v_owner")
    db("GRANT CREATE ON SCHEMA public TO v_owner")
    db.create(dsn=owner, chunks="c", text="title", fulltext="english")
    db.create(dsn=owner, text="title", index="ivfflat")
    with pytest.raises(GivenUp, match="permission denied"):
        db.drain(dsn=other)
    assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 6
    db.drain(dsn=owner)
    assert db.wrong(text="title") == []
    assert db.one("SELECT bool_and(trained) FROM vectorizer.vectorizers")
    # those who may read the table may search, and write it without a right to the queue
    assert search(reader, "title 3", name="c", hybrid=True, limit=1)[0].row["id"] == 3
    with pytest.raises(VectorizerError, match="may not read"):
        search(other, "title 3", name="c")
    db("GRANT INSERT, UPDATE ON articles TO v_reader")
    with psycopg.connect(reader) as conn:
        conn.execute("INSERT INTO articles (id, title) VALUES (77, 'by another')")
    db.drain(dsn=owner)
    assert search(reader, "by another", name="c", limit=1)[0].row["id"] == 77


def test_expressions_run_as_the_owner(db, roles):
    """A superuser's worker lends its rights to no table's owner."""
    roles("v_owner")
    db.articles(2)
    db("ALTER TABLE articles OWNER TO v_owner")
    db("CREATE FUNCTION who(t text) RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN t || ' ' || current_user; END $$")
    db("ALTER FUNCTION who OWNER TO v_owner")
    v = db.create(text="who(title)", chunks="c")
    db.drain()
    assert db("SELECT chunk FROM c ORDER BY id") == [("Title 1 v_owner",), ("Title 2 v_owner",)]
    db("""CREATE OR REPLACE FUNCTION who(t text) RETURNS text STABLE LANGUAGE plpgsql AS $$
          BEGIN PERFORM set_config('role', 'none', true); RETURN t || session_user || current_user; END $$""")
    db("UPDATE articles SET title = 'again'")
    with pytest.raises(GivenUp, match="security-definer"):
        db.drain()
    db(f"ALTER FUNCTION vectorizer.text_{v.id} SECURITY INVOKER")
    with pytest.raises(GivenUp, match="missing, or does not belong"):
        db.drain()


def test_row_level_security(db, roles):
    roles("v_owner", "v_tenant")
    db.articles(9)
    db("ALTER TABLE articles OWNER TO v_owner; ALTER TABLE articles ENABLE ROW LEVEL SECURITY;"
       "CREATE POLICY tenant ON articles USING (tenant = current_setting('app.tenant')::int);"
       f"GRANT SELECT, INSERT ON articles TO v_tenant; GRANT CREATE ON DATABASE {db.name} TO v_owner;"
       "GRANT CREATE ON SCHEMA public TO v_owner")
    owner = f"{db.dsn} user=v_owner"
    db.create(dsn=owner, chunks="c", text="title || body", filters="tenant", index="hnsw")
    db.create(dsn=owner, text="title || body")
    db.drain(dsn=owner)
    assert db.one("SELECT count(embedding) FROM articles") == 9
    with psycopg.connect(f"{db.dsn} user=v_tenant", autocommit=True) as conn:
        conn.execute("SET app.tenant = 1")
        for name in ("c", "articles_embedding"):
            assert {h.row["tenant"] for h in search(conn, "title", name=name, limit=9)} == {1}
        assert conn.execute("SELECT DISTINCT tenant FROM c").fetchall() == [(1,)]
        assert conn.execute("SELECT count(*) FROM c").fetchone() == (3,)
    # forced for the owner as well: rows would look deleted, so the worker says no
    db("ALTER TABLE articles FORCE ROW LEVEL SECURITY")
    db("UPDATE articles SET title = 'x' WHERE id = 1")
    with pytest.raises(GivenUp, match="row-level security"):
        db.drain(dsn=owner)
    assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 1
    db.drain()
    assert db.wrong(text="title || body") == []
