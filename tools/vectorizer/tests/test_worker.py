"""Workers that are killed, many at once, stopped, woken; texts that change meanwhile."""

import os
import signal
import threading
import time
import urllib.request

import psycopg
import pytest
from stub import Stub

from vectorizer import batch, registry
from vectorizer.batch import Embedder
from vectorizer.models.hashing import HashingModel
from vectorizer.worker import Worker


def test_killed_at_every_statement(db):
    """kill -9 before each statement of a batch, and after the last, loses nothing."""
    db.articles(6)
    db.create(text="body", chunks="c")
    db.drain()
    points = 0
    for point in range(1, 100):
        db("UPDATE articles SET body = 'Number ' || id || ' at point ' || %s || '. Another sentence about ships and bread.'", point)
        db.conn.close()
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
                    Embedder(conn, 1).run(conn, 64)
            finally:
                os._exit(7)
        status = os.waitpid(child, 0)[1]
        db.conn = psycopg.connect(db.dsn, autocommit=True)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or os.waitstatus_to_exitcode(status) == 7
        points += killed
        if killed:
            assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 6
        else:
            assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 0
        db.drain()
        assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 0
        assert db.wrong(table="c", text="chunk") == []
        assert db.one("SELECT string_agg(chunk, '' ORDER BY chunk_no) LIKE %s FROM c WHERE id = 1", f"% {point}.%")
        if not killed:
            break
    assert points > 10


def test_processes_killed_while_they_work(db, process):
    db.articles(2000)
    db.create()
    for n in range(4):
        p = db.worker("--batch", "16", "--poll", "0.1")
        process(p)
        before = db.one("SELECT count(embedding) FROM articles")
        until = time.monotonic() + 60
        while db.one("SELECT count(embedding) FROM articles") <= before and time.monotonic() < until:
            db("UPDATE articles SET title = title || '!' WHERE id = %s", n + 1)
        p.kill()
        p.wait()
    db.drain(limit=200)
    assert db.wrong() == []
    assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 0


def test_many_workers_and_writers(db):
    db.articles(2000)
    db.create()
    counts, errors = [0, 0, 0], []

    def work(n):
        def report(task, r):
            counts[n] += r.embedded
        try:
            Worker(db.dsn, limit=20, drain=True, poll=0.05, report=report).run()
        except Exception as e:
            errors.append(e)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    # rows in another order than the workers': no deadlock, nothing lost
    with psycopg.connect(db.dsn, autocommit=True) as writer:
        for n in range(60):
            with writer.transaction():
                for id in (1999 - n, 7 + n, 1000, 3 + n):
                    writer.execute("UPDATE articles SET title = title || ' ' || %s WHERE id = %s", [str(n), id])
    for t in threads:
        t.join()
    db.drain()
    assert errors == []
    assert db.wrong() == []
    assert sum(counts) >= 2000 and min(counts) > 0


def test_each_row_is_embedded_once(db):
    db.articles(600)
    db.create()
    seen = []
    original = HashingModel.embed

    def embed(self, inputs):
        seen.extend(inputs)
        return original(self, inputs)
    HashingModel.embed = embed
    try:
        threads = [threading.Thread(target=lambda: Worker(db.dsn, limit=16, drain=True, poll=0.05).run()) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        HashingModel.embed = original
    assert len(seen) == len(set(seen)) == 600


@pytest.mark.parametrize("chunks", [None, "c"])
def test_text_changed_while_it_is_embedded(db, monkeypatch, chunks):
    db.articles(5)
    db.create(text="title", chunks=chunks)
    changes = iter(["UPDATE articles SET title = 'changed' WHERE id = 2", "DELETE FROM articles WHERE id = 3",
                    "UPDATE articles SET id = 400, title = 'moved' WHERE id = 4", "UPDATE articles SET title = NULL WHERE id = 5"])
    original = HashingModel.embed

    def embed(self, inputs):
        # the worker holds no lock that a writer would wait for
        for c in changes:
            with db.conn.transaction():
                db("SET LOCAL lock_timeout = '2s'")
                db(c)
        return original(self, inputs)
    monkeypatch.setattr(HashingModel, "embed", embed)
    with psycopg.connect(db.dsn, autocommit=True) as conn:
        result = Embedder(conn, 1).run(conn, 64)
    assert result.embedded == 1 and result.settled == 4
    assert sorted(i for i, in db("SELECT id FROM vectorizer.queue_1")) == [2, 5, 400]
    db.drain()
    if chunks:
        assert db("SELECT id, chunk FROM c ORDER BY id") == [(1, "Title 1"), (2, "changed"), (400, "moved")]
    else:
        assert db.wrong(text="title") == []


def test_row_locked_by_a_writer_is_left_for_later(db):
    db.articles(5)
    db.create()
    with psycopg.connect(db.dsn) as writer, psycopg.connect(db.dsn, autocommit=True) as conn:
        writer.execute("UPDATE articles SET title = 'not yet' WHERE id = 2")
        result = Embedder(conn, 1).run(conn, 64)
        assert (result.embedded, result.skipped) == (4, 1)
        assert db("SELECT id FROM vectorizer.queue_1") == [(2,)]
        writer.rollback()
    db.drain()
    assert db.wrong() == []


def test_woken_by_notice_and_stopped_by_signal(db, process):
    db.articles(3)
    db.create()
    p = db.worker("--poll", "600")
    process(p)
    db.wait("SELECT count(embedding) FROM articles", 3)
    for n in range(3):
        db("INSERT INTO articles (title, body) VALUES ('woken', 'at once')")
        db.wait("SELECT count(embedding) FROM articles", 4 + n)
    p.send_signal(signal.SIGTERM)
    assert p.wait(30) == 0
    assert db.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                  " AND application_name = 'vectorizer run'") == 0


def test_stop_ends_the_batch_first(db, process):
    stub = Stub()
    stub.delay = 1.0
    db.articles(50)
    db.create(model="hash:64")
    db("UPDATE vectorizer.vectorizers SET model = 'openai:m'")
    p = db.worker("--batch", "20", OPENAI_BASE_URL=stub.url)
    process(p)
    until = time.monotonic() + 60
    while not stub.seen and time.monotonic() < until:
        time.sleep(0.01)
    p.send_signal(signal.SIGINT)
    assert p.wait(30) == 0
    assert db.one("SELECT count(embedding) FROM articles") == 20
    assert db.one("SELECT count(*) FROM vectorizer.queue_1") == 30
    stub.close()


def test_metrics(db, process):
    db.articles(30)
    db("UPDATE articles SET body = NULL WHERE id = 1")
    db.create()
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process(db.worker("--metrics-port", str(port)))
    db.wait("SELECT count(embedding) FROM articles", 29)
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert 'vectorizer_rows_embedded_total{vectorizer="articles_embedding"} 29.0' in text
    assert 'vectorizer_rows_settled_total{vectorizer="articles_embedding"} 1.0' in text
    assert 'vectorizer_lag_seconds_count{vectorizer="articles_embedding"} 29.0' in text
    assert "vectorizer_rows_failed_total" in text


def test_connection_lost(db, process):
    db.articles(3)
    db.create()
    p = db.worker("--poll", "600")
    process(p)
    db.wait("SELECT count(embedding) FROM articles", 3)
    db("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vectorizer run'"
       " AND datname = current_database()")
    db("INSERT INTO articles (title, body) VALUES ('after', 'the break')")
    db.wait("SELECT count(embedding) FROM articles", 4)


def test_swap_waits_for_a_batch(db, monkeypatch):
    """A batch that began before a swap cannot write into the other's column."""
    from vectorizer import swap
    from vectorizer.models import load_model
    db.articles(3)
    db.create()
    db.drain()
    v = registry.find(db.conn, table="articles")
    from vectorizer import ddl
    ddl.run(db.conn, swap.change(db.conn, v, "hash:256", 256, load_model("hash:256"))[1])
    db.drain()
    db("UPDATE articles SET title = 'new'")
    v = registry.find(db.conn, table="articles")
    inside, go = threading.Event(), threading.Event()
    original = HashingModel.embed

    def embed(self, inputs):
        inside.set()
        go.wait(30)
        return original(self, inputs)
    monkeypatch.setattr(HashingModel, "embed", embed)
    with psycopg.connect(db.dsn, autocommit=True) as conn, psycopg.connect(db.dsn, autocommit=True) as other:
        t = threading.Thread(target=lambda: Embedder(conn, v.id).run(conn, 64))
        t.start()
        assert inside.wait(30)
        partner, statements = swap.swap(other, v, True)
        s = threading.Thread(target=lambda: swap.run(other, v, partner, statements, True))
        s.start()
        db.wait("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'articles'::regclass", True)
        go.set()
        t.join()
        s.join()
    monkeypatch.undo()
    db.drain()
    assert db.wrong(model="hash:256") == [] and db.wrong("embedding_old") == []


def test_memory_is_bounded(db, monkeypatch):
    """However many long texts wait, a batch takes so many bytes of them."""
    monkeypatch.setattr(batch, "MAX_INPUT", 100_000)
    db("CREATE TABLE articles (id int PRIMARY KEY, title text)")
    db("INSERT INTO articles SELECT g, g || repeat(' word', 6000) FROM generate_series(1, 10) g")
    db("INSERT INTO articles VALUES (11, repeat('x', 100001))")
    db.create(text="title")
    with psycopg.connect(db.dsn, autocommit=True) as conn:
        result = Embedder(conn, 1).run(conn, 64)
        assert result.embedded == 3 and result.set_aside in (0, 1)
    db.drain()
    assert db.one("SELECT count(embedding) FROM articles") == 10
    assert db("SELECT id, due_at, error FROM vectorizer.retry_1") == [(11, None, "the text has 100001 bytes, more than 100000")]
