"""From create to drop: what is embedded is what the table says."""

import os
import subprocess
import sys

import psycopg
import pytest
from click.testing import CliRunner

from vectorizer import VectorizerError, ddl, registry, search
from vectorizer.cli import main

CATALOGS = """
    SELECT 'class', n.nspname, c.relname, c.relkind::text, c.relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE n.nspname NOT LIKE 'pg_%' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'proc', n.nspname, proname, '', '' FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
    UNION ALL SELECT 'column', attrelid::regclass::text, attname, atttypid::regtype::text, '' FROM pg_attribute
        WHERE attrelid::regclass::text LIKE '%rticles%' AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, CASE WHEN tgisinternal THEN '' ELSE tgname END, '', '' FROM pg_trigger
    UNION ALL SELECT 'policy', polrelid::regclass::text, polname, '', '' FROM pg_policy
    UNION ALL SELECT 'schema', nspname, '', '', '' FROM pg_namespace
    ORDER BY 1, 2, 3"""


def run(db, *arguments, ok=True):
    result = CliRunner().invoke(main, [arguments[0], "-d", db.dsn, *arguments[1:]])
    assert (result.exit_code == 0) == ok, result.output
    return result.output


def test_column(db):
    db.articles()
    before = db(CATALOGS)
    out = run(db, "create", "-t", "articles", "--text", "title || E'\\n\\n' || body", "-m", "hash:512",
              "--filter", "tenant,lang", "--fulltext")
    assert "CREATE TRIGGER" in out
    assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 20
    run(db, "run", "--drain")
    assert db.wrong() == []
    assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 0

    db("UPDATE articles SET title = 'Elephants' WHERE id = 3")
    db("INSERT INTO articles (title, body) VALUES ('Zeppelins', 'fly')")
    db("DELETE FROM articles WHERE id = 4")
    db("UPDATE articles SET id = 1000 WHERE id = 5")
    db("UPDATE articles SET body = NULL WHERE id = 6")
    db("UPDATE articles SET title = ' ', body = E'\\n' WHERE id = 7")
    # nothing that is embedded
    db("UPDATE articles SET lang = 'fr' WHERE id = 8")
    assert db("SELECT id FROM vectorizer.queue_1 ORDER BY id") == [(3,), (6,), (7,), (21,), (1000,)]
    run(db, "run", "--drain")
    assert db.wrong() == []
    assert db("SELECT id FROM articles WHERE embedding IS NULL ORDER BY id") == [(6,), (7,)]

    out = run(db, "search", "elephants", "-t", "articles", "--limit", "2")
    assert out.startswith("1. score") and "title: Elephants" in out.split("2. score")[0]
    assert "meaning 0." in out and "embedding" not in out
    out = run(db, "search", "zeppelins", "-t", "articles", "--hybrid", "--where", "title LIKE 'Z%'")
    assert "words" in out and "Zeppelins" in out and "2. score" not in out
    assert "articles_embedding" in run(db, "status")

    run(db, "drop", "-t", "articles")
    db("DELETE FROM articles WHERE id > 0")
    assert db(CATALOGS) == before


def test_dry_run_prints_what_create_does(db):
    db.articles()
    before = db(CATALOGS)
    arguments = ["create", "-t", "articles", "--text", "title || ' 100% ' || body", "-m", "hash:8", "--chunks", "articles_chunks",
                 "--filter", "lang", "--fulltext", "german"]
    printed = run(db, *arguments, "--dry-run")
    assert db(CATALOGS) == before
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", db.name], input=printed, text=True, check=True,
                   stdout=subprocess.DEVNULL)
    by_psql = db(CATALOGS)
    printed_drop = run(db, "drop", "-t", "articles", "--dry-run")
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", db.name], input=printed_drop, text=True, check=True)
    assert db(CATALOGS) == before
    run(db, *arguments, "-q")
    assert db(CATALOGS) == by_psql
    db.drain()
    assert db.one("SELECT count(*) FROM articles_chunks WHERE chunk LIKE '%100%%'") == 20


def test_chunks(db):
    db.articles(4)
    before = db(CATALOGS)
    db("UPDATE articles SET body = repeat('Cats sleep all day. ', 20) || 'Submarines dive deep.' WHERE id = 1")
    db.create(text="body", chunks="articles_chunks", index="hnsw", filters="lang,tenant", fulltext="english")
    db.drain()
    assert db.one("SELECT count(*) > 5 FROM articles_chunks WHERE id = 1")
    assert db.one("SELECT array_agg(chunk_no ORDER BY chunk_no) = array_agg(n ORDER BY n) FROM"
                  " (SELECT chunk_no, (row_number() OVER () - 1)::int AS n FROM articles_chunks WHERE id = 1) c")
    assert db.wrong(table="(SELECT * FROM articles_chunks) c", text="chunk") == []
    hits = search(db.dsn, "submarines dive", "articles", limit=3)
    assert hits[0].row["id"] == 1 and "Submarines" in hits[0].text
    # one hit of a row, however many of its chunks are near
    assert len({h.row["id"] for h in hits}) == len(hits)
    assert [h.row["id"] for h in search(db.dsn, "submarines", "articles", hybrid=True, limit=1)] == [1]

    # copies of the filters are the row's at once
    db("UPDATE articles SET lang = 'fr', tenant = 9 WHERE id = 1")
    assert db("SELECT DISTINCT lang, tenant FROM articles_chunks WHERE id = 1") == [("fr", 9)]
    assert [h.row["id"] for h in search(db.dsn, "submarines", "articles", where="lang = 'fr'")] == [1]
    db("UPDATE articles SET id = 100 WHERE id = 1")
    db("DELETE FROM articles WHERE id = 2")
    assert db("SELECT DISTINCT id FROM articles_chunks ORDER BY 1") == [(3,), (4,), (100,)]
    db("UPDATE articles SET body = 'Short now.' WHERE id = 100")
    db("UPDATE articles SET body = NULL WHERE id = 3")
    db.drain()
    assert db("SELECT id, chunk_no, chunk FROM articles_chunks WHERE id IN (3, 100)") == [(100, 0, "Short now.")]
    db.create(text="title", into="title_embedding")
    assert "say which" in run(db, "drop", "-t", "articles", ok=False)
    assert "chunk" in search(db.dsn, "short", "articles")[0].row
    for name in ("articles_chunks", "articles_title_embedding"):
        run(db, "drop", name, "-q")
    assert db(CATALOGS) == before


def test_unchanged_chunks_are_not_embedded_again(db, monkeypatch):
    from vectorizer.models.hashing import HashingModel
    db.articles(0)
    body = "\n\n".join(f"Paragraph {n} has a sentence of its own that is long enough to stand alone." for n in range(20))
    db("INSERT INTO articles (id, body) VALUES (1, %s)", body)
    db.create(text="body", chunks="c")
    db.drain()
    seen = []
    original = HashingModel.embed
    monkeypatch.setattr(HashingModel, "embed", lambda self, inputs: seen.extend(inputs) or original(self, inputs))
    db("UPDATE articles SET body = replace(body, 'Paragraph 7 ', 'Section 7 ')")
    db.drain()
    assert 1 <= len(seen) <= 2 and "Section 7" in seen[0]
    monkeypatch.undo()
    assert db.wrong(table="c", text="chunk") == []


def test_column_that_was_there(db):
    db.articles(3)
    db("ALTER TABLE articles ADD COLUMN e vector(512)")
    before = db(CATALOGS)
    db.create(into="e")
    db.drain()
    assert db.wrong("e") == []
    with db.conn.transaction():
        ddl.run(db.conn, ddl.drop(db.conn, registry.find(db.conn, table="articles")))
    assert db(CATALOGS) == before


def test_upsert_merge_truncate_and_copy(db):
    db.articles(5)
    db.create()
    db.drain()
    db("""INSERT INTO articles (id, title, body) VALUES (1, 'upserted', 'x'), (50, 'new', 'y')
          ON CONFLICT (id) DO UPDATE SET title = excluded.title""")
    with db.conn.cursor() as cur, cur.copy("COPY articles (id, title, body) FROM STDIN") as copy:
        copy.write("60\tcopied\tin\n")
    db.drain()
    assert db.wrong() == [] and db.one("SELECT count(embedding) FROM articles") == 7
    db("TRUNCATE articles")
    db("INSERT INTO articles (title, body) VALUES ('after', 'truncate')")
    db.drain()
    assert db.wrong() == []


def test_keys_of_several_columns_and_types(db):
    db("""CREATE TABLE articles (u uuid, at timestamptz, n numeric, d double precision, s text COLLATE "C", title text,
          PRIMARY KEY (u, at, n, d, s))""")
    db("""INSERT INTO articles SELECT gen_random_uuid(), now() + g * interval '1 s', g / 3.0, g / 3.0::float8,
              'a"b''c, ' || g, 'title ' || g FROM generate_series(1, 10) g""")
    db.create(text="title", chunks="c")
    db.drain()
    db("UPDATE articles SET title = 'other', n = n + 1")
    db.drain()
    assert db.one("SELECT count(*) FROM c JOIN articles USING (u, at, n, d, s) WHERE chunk = 'other'") == 10


@pytest.mark.parametrize("mode", ["into", "chunks"])
def test_names_that_need_quotes(db, mode):
    db('CREATE SCHEMA "My Schema"; SET search_path = "My Schema", public')
    db('''CREATE TABLE "My Schema"."Art%s ""icles"" $$" ("Id %s" int, "select" text, "The {Text}" text, "100%" int, "table" text,
          PRIMARY KEY ("Id %s", "select"))''')
    table = '"My Schema"."Art%s ""icles"" $$"'
    db(f'''INSERT INTO {table} VALUES (1, 'a', 'Rabbits hop.', 5, 'x'), (2, 'b', 'Fish swim 100%.', 6, 'y')''')
    before = db(CATALOGS)
    out = run(db, "create", "-t", table, "--text", '"The {Text}" || \' %s {} \' || "table"', "-m", "hash:512",
              f"--{mode}", '"Emb %s {x} $$"', "--filter", '"100%","table"', "--fulltext", "--bm25", "--name", "an %s \"odd\" 'name'")
    db.drain()
    db(f'UPDATE {table} SET "100%" = 7, "The {{Text}}" = \'Birds fly.\' WHERE "select" = \'b\'')
    db.drain()
    for options in ({}, {"hybrid": True}, {"fulltext": True}, {"bm25": True}):
        hits = search(db.dsn, "birds fly", table, where='"100%" = 7 AND "table" LIKE \'%\'', **options)
        assert [h.row["Id %s"] for h in hits] == [2]
        assert "Birds fly. %s {} y" in hits[0].text
    hits = search(db.dsn, "rabbits", table, where='"100%%" = %(n)s', params={"n": 5})
    assert [h.row["select"] for h in hits] == ["a"]
    assert "odd" in run(db, "status")
    name = "an %s \"odd\" 'name'"
    run(db, "change", name, "-m", "hash:64")
    db.drain()
    run(db, "swap", name)
    db(f'UPDATE {table} SET "100%" = 8')
    db.drain()
    assert len(search(db.dsn, "birds", table, name=name, where='"100%" = 8')) == 2
    run(db, "swap", name)
    run(db, "drop", name + "_old")
    run(db, "drop", name)
    assert db(CATALOGS) == before


def test_model_change(db):
    db.articles()
    before = db(CATALOGS)
    db.create(index="hnsw", fulltext="english", filters="lang")
    db.drain()
    assert "filled" in run(db, "change", "-t", "articles", "-m", "hash:256", "-q") + "filled"
    assert "not complete: 20 waiting" in run(db, "swap", "articles_embedding", ok=False)
    db.drain()
    assert db.wrong() == [] and db.wrong("embedding_new", "hash:256") == []
    run(db, "swap", "articles_embedding", "-q")
    assert db.wrong(model="hash:256") == [] and db.wrong("embedding_old") == []
    assert search(db.dsn, "title 7", "articles", limit=1)[0].row["title"] == "Title 7"
    # both are kept up to date, so the way back is open
    db("UPDATE articles SET title = 'Changed' WHERE id = 7")
    db.drain()
    assert db.wrong(model="hash:256") == [] and db.wrong("embedding_old") == []
    run(db, "swap", "articles_embedding", "-q")
    assert db.wrong() == [] and db.wrong("embedding_old", "hash:256") == []
    run(db, "drop", "articles_embedding_old", "-q")
    assert db.wrong() == []
    run(db, "drop", "articles_embedding", "-q")
    assert db(CATALOGS) == before


def test_inverted_file_learns_when_filled(db):
    db.articles(400)
    db.create(index="ivfrabitq")
    assert db.one("SELECT trained FROM vectorizer.vectorizers") is False
    node = db.one("SELECT pg_relation_filenode('vectorizer_1_idx')")
    db.drain()
    assert db.one("SELECT trained FROM vectorizer.vectorizers") is True
    assert db.one("SELECT pg_relation_filenode('vectorizer_1_idx')") != node
    assert search(db.dsn, "title 77", "articles", limit=1)[0].row["title"] == "Title 77"


def test_dump_and_restore(db, server):
    db.articles()
    db('CREATE TABLE "Odd Name" (id int PRIMARY KEY, t text)')
    db("INSERT INTO \"Odd Name\" VALUES (1, 'Whales sing.')")
    db.create(index="hnsw", filters="lang")
    db.create('"Odd Name"', "t", chunks="odd_chunks", index="hnsw", fulltext="english")
    db.drain()
    db("UPDATE articles SET title = 'waits in the queue' WHERE id = 2")
    copy = db.name + "_r"
    server.execute(f"CREATE DATABASE {copy}")
    try:
        dump = subprocess.run(["pg_dump", db.name], check=True, capture_output=True).stdout
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", copy], input=dump, check=True, stdout=subprocess.DEVNULL)
        restored = type(db)(copy)
        assert restored("SELECT id FROM vectorizer.queue_1") == [(2,)]
        restored("INSERT INTO articles (title, body) VALUES ('added', 'later')")
        restored("UPDATE \"Odd Name\" SET t = 'Whales dive.'")
        restored.drain()
        assert restored.wrong() == []
        assert restored("SELECT chunk FROM odd_chunks") == [("Whales dive.",)]
        assert search(restored.dsn, "waits in the queue", "articles", limit=1)[0].row["id"] == 2
        run(restored, "drop", "-t", '"Odd Name"', "-q")
        run(restored, "drop", "-t", "articles", "-q")
        assert restored.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'vectorizer'") == 0
        restored.close()
    finally:
        server.execute(f"DROP DATABASE {copy} WITH (FORCE)")


def test_table_dropped_or_renamed(db):
    db.articles()
    db.create()
    db('ALTER TABLE articles RENAME TO "Renamed"')
    db.drain()
    assert db.wrong(table='"Renamed"') == []
    db('UPDATE "Renamed" SET title = \'x\' WHERE id = 1')
    db.drain()
    assert db.wrong(table='"Renamed"') == []
    db('DROP TABLE "Renamed"')
    db.drain()
    assert "gone" in run(db, "status")
    run(db, "drop", "articles_embedding", "-q")
    assert db.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'vectorizer'") == 0


def test_search_answers(db):
    db.articles()
    db.create(fulltext="english", index="hnsw")
    db.drain()
    with psycopg.connect(db.dsn) as conn:
        hits = search(conn, "dogs", "articles", limit=3, where="lang = %(l)s", params={"l": "de"})
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    assert all(h.row["lang"] == "de" and "dogs" in h.text for h in hits)
    assert hits[0].why.startswith("meaning 0.") and hits[0].rank == 1
    both = search(db.dsn, "dogs number 5", "articles", hybrid=True, limit=3)
    assert both[0].row["id"] == 5 and both[0].score == pytest.approx(1 / (60 + both[0].rank) + 1 / (60 + both[0].words_rank))
    again = search(db.dsn, "number 5 dogs", "articles", rerank="words:x", limit=2)
    assert again[0].row["id"] == 5 and again[0].why.startswith("re-ranked 1.000")
    assert search(db.dsn, "the and of", "articles", fulltext=True) == []
    for bad in ("", "  ", "a\0b", "\udcff"):
        with pytest.raises(VectorizerError):
            search(db.dsn, bad, "articles")
    with pytest.raises(VectorizerError, match="syntax error"):
        search(db.dsn, "x", "articles", where="lang = ")
    assert "create it with --bm25" in run(db, "search", "x", "-t", "articles", "--bm25", ok=False)
    assert "read-only" in run(db, "search", "x", "-t", "articles", "--where",
                              "id IN (SELECT nextval('articles_id_seq'))", ok=False)


def test_asynchronous_search(db):
    import asyncio

    from vectorizer import asearch
    db.articles()
    db.create()
    db.drain()

    async def ask():
        own = await asearch(db.dsn, "title 7", "articles", limit=1)
        async with await psycopg.AsyncConnection.connect(db.dsn) as conn:
            await conn.execute("SET search_path = pg_catalog")
            theirs = await asyncio.gather(asearch(conn, "title 7", "public.articles", limit=1))
            with pytest.raises(VectorizerError):
                await asearch(conn, "x", "public.articles", where="1/0 = 1")
            assert (await (await conn.execute("SELECT 1")).fetchone()) == (1,)
        return own + theirs[0]
    assert [h.row["id"] for h in asyncio.run(ask())] == [7, 7]


@pytest.mark.parametrize("arguments", [["--into", "embedding"], ["--chunks", "c"]])
def test_bm25(db, arguments, roles):
    roles("v_reader", "v_writer")
    db.articles(30)
    db("UPDATE articles SET body = body || ' Submarines dive deep, submarines rise.' WHERE id = 7")
    db("GRANT SELECT ON articles TO v_reader, v_writer; GRANT INSERT, UPDATE ON articles TO v_writer")
    before = db(CATALOGS)
    # what is printed is what is done
    made = ["create", "-t", "articles", "--text", "title || ' ' || body", "-m", "hash:512", *arguments, "--bm25", "--filter", "lang", "--name", "v"]
    printed = run(db, *made, "--dry-run")
    assert db(CATALOGS) == before and "bm25_setup" in printed and "sparse_inverted" in printed
    run(db, *made, "-q")
    run(db, "run", "--drain")
    assert db.one("SELECT trained FROM vectorizer.vectorizers")
    hits = search(db.dsn, "submarines", name="v", bm25=True, limit=3)
    assert [h.row["id"] for h in hits] == [7] and hits[0].words > 1 and "words" in hits[0].why
    assert "bm25_1" not in hits[0].row and "bm25_1_length" not in hits[0].row
    # the score is that of the extension's own function, row by row
    held = "c" if "c" in arguments else "articles"
    assert db.one(f"SELECT -(bm25_1 <#> bm25_query('{held}', 'submarines', 'bm25_1')) FROM {held} WHERE id = 7"
                  f" ORDER BY 1 DESC LIMIT 1") == pytest.approx(hits[0].words)
    reader = f"{db.dsn} user=v_reader"
    hits = search(reader, "submarines dive", name="v", hybrid=True, limit=3, where="lang = 'de'")
    assert hits[0].row["id"] == 7 and hits[0].words_rank == 1 and hits[0].rank is not None
    assert search(reader, "submarines", name="v", bm25=True, where="lang = 'en'") == []
    assert "2. score" not in run(db, "search", "submarines", "--name", "v", "--bm25")
    with psycopg.connect(f"{db.dsn} user=v_writer") as conn:
        conn.execute("UPDATE articles SET title = 'Balloons', body = 'float' WHERE id = 9")
        conn.execute("INSERT INTO articles (id, title, body) VALUES (500, 'Gliders', 'soar')")
    db.drain()
    assert [h.row["id"] for h in search(db.dsn, "gliders", name="v", bm25=True)] == [500]
    assert [h.row["id"] for h in search(db.dsn, "balloons", name="v", hybrid=True, limit=1)] == [9]

    # another model: BM25 follows the name
    for _ in range(2):
        run(db, "change", "v", "-m", "hash:256", "-q")
        run(db, "run", "--drain")
        run(db, "swap", "v", "-q")
        assert [h.row["id"] for h in search(db.dsn, "submarines", name="v", bm25=True)] == [7]
        run(db, "drop", "v_old", "-q")
        assert [h.row["id"] for h in search(db.dsn, "gliders", name="v", hybrid=True, limit=1)] == [500]
    run(db, "drop", "v", "-q")
    db("DELETE FROM articles WHERE id > 0")
    assert db(CATALOGS) == before


def test_bm25_that_cannot_be(db):
    db("CREATE TABLE articles (id int PRIMARY KEY, n int, g text GENERATED ALWAYS AS ('x' || n::text) STORED)")
    with pytest.raises(VectorizerError, match="no column of words"):
        db.create(text="n::text || g", bm25="english")
    with pytest.raises(VectorizerError, match="--bm25: there is no text search configuration"):
        db.create(text="n::text", bm25="klingon")
    with pytest.raises(VectorizerError, match="longer than 40 bytes"):
        db.create(text="g", chunks="c" * 41, bm25="english")


@pytest.mark.parametrize("chunks", [None, "c"])
def test_partitioned_table(db, chunks):
    """Statements that name the table, and those that name a partition, which
    pass the triggers of the partition alone; rows that move; partitions that
    come later, and with rows; that go."""
    db("""CREATE TABLE articles (id int, day int, title text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
          CREATE TABLE a1 PARTITION OF articles FOR VALUES FROM (0) TO (10);
          CREATE TABLE a2 PARTITION OF articles FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
          CREATE TABLE "A 2 %s ""even'" PARTITION OF a2 FOR VALUES IN (2, 4, 6, 8); CREATE TABLE a2d PARTITION OF a2 DEFAULT;
          INSERT INTO articles SELECT g, g + 5, 'Title ' || g FROM generate_series(1, 10) g""")
    before = db(CATALOGS)
    db.create(text="title", chunks=chunks, index="hnsw", filters="day" if chunks else "", fulltext="english",
              bm25="english" if chunks else None)

    def right():
        db.drain()
        if chunks:
            assert db("SELECT id, day, chunk FROM c ORDER BY 1, 2") == db("SELECT id, day, title FROM articles ORDER BY 1, 2")
        else:
            assert db.wrong(text="title") == [] and db.one("SELECT bool_and(embedding IS NOT NULL) FROM articles")
    right()
    db("UPDATE articles SET title = 'by the whole ' || id WHERE id IN (1, 8)")
    db("UPDATE a1 SET title = 'by a1' WHERE id = 2; UPDATE \"A 2 %s \"\"even'\" SET title = 'by a leaf' WHERE id = 6")
    db("INSERT INTO a2 VALUES (60, 15, 'by a2'), (4, 16, 'into a leaf'); INSERT INTO a2d VALUES (61, 15, 'by a2d')")
    db("UPDATE articles SET day = 18, title = 'moved' WHERE id = 3")
    db("UPDATE a2 SET id = 70 WHERE id = 60")
    with db.conn.cursor() as cur, cur.copy("COPY articles (id, day, title) FROM STDIN") as copy:
        copy.write("".join(f"{n}\t{n % 20}\tcopied {n}\n" for n in range(100, 400)))
    right()
    assert search(db.dsn, "by a leaf", "articles", limit=1)[0].row["id"] == 6
    # while a worker runs or not: it finds what has no triggers
    db("CREATE TABLE \"%%a3 %s\"\"\" PARTITION OF articles FOR VALUES FROM (20) TO (30); INSERT INTO \"%%a3 %s\"\"\" VALUES (80, 25, 'in a new one')")
    db("CREATE TABLE a4 (LIKE articles INCLUDING INDEXES); INSERT INTO a4 (id, day, title) VALUES (90, 35, 'came with its rows')")
    db("ALTER TABLE articles ATTACH PARTITION a4 FOR VALUES FROM (30) TO (40)")
    right()
    db("UPDATE \"%%a3 %s\"\"\" SET title = 'changed there' WHERE id = 80")
    right()
    if chunks:
        # a foreign key lets go of a partition without references only
        db("DELETE FROM c WHERE id = 90")
    db("ALTER TABLE articles DETACH PARTITION a4; INSERT INTO a4 (id, day, title) VALUES (91, 36, 'gone')")
    right()
    with pytest.raises(VectorizerError, match="is a partition"):
        db.create("a1", "title", into="e2")
    run(db, "drop", "-t", "articles", "-q")
    db("DROP TABLE \"%%a3 %s\"\"\", a4")
    assert db(CATALOGS) == before


def test_loads(db):
    """Many rows at a time go to the queue as arrays of keys, a few one by one."""
    for table, keys, types in (("articles", "id", "id int"), ("t2", "a, b", 'a text COLLATE "C", b numeric(10,2)'),
                               ("t3", "k", "k int[]")):
        db(f"CREATE TABLE {table} ({types}, title text, PRIMARY KEY ({keys}))")
        db.create(table, "title", name=table)
    values = {"articles": "g", "t2": "'a\"b''{,} ' || g, g / 4.0", "t3": "ARRAY[g, -g]"}
    for id, (table, v) in enumerate(values.items(), 1):
        db(f"INSERT INTO {table} SELECT {v}, 'Title ' || g FROM generate_series(1, 100) g")
        assert db.one(f"SELECT count(*) FROM vectorizer.queue_{id}") == 100
        db(f"INSERT INTO {table} SELECT {v}, 'Title ' || g FROM generate_series(101, 2100) g")
        assert db.one(f"SELECT count(*) FROM vectorizer.queue_{id}") == (100 if table != "t3" else 2100)
    assert db.one("SELECT sum(cardinality(a)) || ' ' || sum(cardinality(b)) FROM vectorizer.loaded_2") == "2000 2000"
    assert db.one("SELECT to_regclass('vectorizer.loaded_3')") is None
    assert "2100" in run(db, "status")
    # more than an array takes, in a transaction that is undone in part
    with db.conn.transaction():
        db("INSERT INTO articles SELECT g, NULL FROM generate_series(10001, 130000) g")
        with db.conn.transaction(force_rollback=True):
            db("INSERT INTO articles SELECT g, 'never' FROM generate_series(200001, 201000) g")
    assert db.one("SELECT count(*) = 4 AND max(cardinality(id)) < 60000 AND sum(cardinality(id)) = 122000 FROM vectorizer.loaded_1")
    db("DELETE FROM articles WHERE id > 10000")
    db("DELETE FROM vectorizer.loaded_1 WHERE cardinality(id) > 10000")
    results = db.drain(limit=500)
    assert sum(r.embedded for r in results) == 6300
    assert db.one("SELECT count(embedding) FROM t2") == 2100 and db.one("SELECT count(embedding) FROM t3") == 2100
    assert db.one("SELECT count(*) FROM vectorizer.loaded_2") == 0


@pytest.mark.parametrize("noting", [True, False], ids=["noted", "transition table"])
def test_new_rows_are_queued(db, monkeypatch, noting):
    """By whatever statement, at whatever depth, undone or not: the queue has the keys of
    the rows that are there.  An older extension notes no keys."""
    if not noting:
        monkeypatch.setattr(ddl, "can_note", lambda conn, extension: False)
    db("CREATE TABLE articles (id int PRIMARY KEY, title text)")
    db.create("articles", "title")
    assert db.one("SELECT bool_or(tgtype & 1 = 1) FROM pg_trigger WHERE tgfoid = 'vectorizer.changed_1'::regproc") == noting
    # a row of its own for each, above and below, of which the odd ones are undone
    db("""CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.id < 1000 THEN
                INSERT INTO articles VALUES (NEW.id + 1000, 'within') ON CONFLICT DO NOTHING;
                BEGIN
                    INSERT INTO articles VALUES (NEW.id + 2000, 'within a block') ON CONFLICT DO NOTHING;
                    IF NEW.id % 2 = 1 THEN
                        RAISE division_by_zero;
                    END IF;
                EXCEPTION WHEN division_by_zero THEN
                END;
            END IF;
            RETURN NEW;
        END $$""")
    for when in ("BEFORE", "AFTER"):
        db(f"CREATE TRIGGER more {when} INSERT ON articles FOR EACH ROW EXECUTE FUNCTION more()")
        db("INSERT INTO articles VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        db("INSERT INTO articles VALUES (2, 'b'), (4, 'd') ON CONFLICT DO NOTHING")
        with db.conn.transaction():
            db("INSERT INTO articles VALUES (5, 'e')")
            with db.conn.transaction(force_rollback=True):
                db("INSERT INTO articles VALUES (7, 'never')")
            with db.conn.transaction():
                db("INSERT INTO articles VALUES (2, 'b'), (6, 'f') ON CONFLICT (id) DO UPDATE SET title = 'changed'")
        with pytest.raises(psycopg.errors.UniqueViolation):
            db("INSERT INTO articles VALUES (8, 'h'), (8, 'again')")
        with db.conn.cursor() as cur, cur.copy("COPY articles (id, title) FROM STDIN") as copy:
            copy.write("".join(f"{g}\tcopied\n" for g in range(3000, 3300)))
        db("WITH new AS (INSERT INTO articles VALUES (10, 'with') RETURNING id) SELECT * FROM new")
        queued = "SELECT id FROM vectorizer.queue_1 UNION SELECT unnest(id) FROM vectorizer.loaded_1"
        assert db(f"SELECT * FROM (SELECT id FROM articles EXCEPT ({queued})) missing") == []
        assert db.one(f"SELECT count(*) FROM (({queued}) EXCEPT SELECT id FROM articles) superfluous") == 0
        assert db.one("SELECT count(*) FROM articles WHERE id < 3000") == 7 + 7 + 4
        db("DROP TRIGGER more ON articles; TRUNCATE articles, vectorizer.queue_1, vectorizer.loaded_1")
