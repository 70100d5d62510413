#!/usr/bin/env python3
"""The figures of docs/vectorizer.md, in an empty database that PGHOST and
PGDATABASE name, on this machine: load is measured in processor time of the
server's process, which other work on the machine disturbs less.

- rows a second of the local model, one worker with two threads, and two workers
  with one thread each, on texts of the demo;
- the lag from commit to searchable at 10 updates a second;
- the time of a bulk load with the triggers, over that without, by turns.
"""

import gzip
import io
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import psycopg

from vectorizer import ddl
from vectorizer.chunkers import parse
from vectorizer.models import load_model

MODEL = "all-MiniLM-L6-v2"
DATA = pathlib.Path(__file__).resolve().parents[2] / "demo" / "data" / "packages.tsv.gz"


def create(conn, table, text, model=MODEL, index="hnsw"):
    m = load_model(model)
    v, source, extension = ddl.plan(conn, ddl.Wish(table, text, model, m.probe(), m.kind, index=index,
                                                   chunker=parse("sentences", 200, 0)))
    ddl.run(conn, ddl.create(conn, v, source, extension))
    return v


def worker(threads, *arguments):
    return subprocess.Popen([sys.executable, "-m", "vectorizer.cli", "run", *arguments],
                            env={**os.environ, "VECTORIZER_THREADS": str(threads)}, stderr=subprocess.DEVNULL)


def wait(conn, statement):
    while not conn.execute(statement).fetchone()[0]:
        time.sleep(0.02)


def fill(conn, rows):
    text = [line.split("\t") for line in gzip.open(DATA, "rt")][:rows]
    conn.execute("CREATE TABLE texts (id serial PRIMARY KEY, t text)")
    with conn.cursor() as cur:
        cur.executemany("INSERT INTO texts (t) VALUES (%s)", [(f"{r[3]}. {r[4]}",) for r in text])
    tokens = statistics.mean(len(e.ids) for e in load_model(MODEL).tokenizer.encode_batch([f"{r[3]}. {r[4]}" for r in text]))
    for workers, threads in ((1, 2), (2, 1)):
        # Started, with the model loaded, before there is anything to do.
        conn.execute("CREATE TABLE warm (id int PRIMARY KEY, t text)")
        create(conn, "warm", "t")
        running = [worker(threads) for _ in range(workers)]
        for n in range(8):
            conn.execute("INSERT INTO warm VALUES (%s, 'warm')", [n])
            time.sleep(0.5)
        wait(conn, "SELECT count(embedding) = 8 FROM warm")
        began = time.monotonic()
        create(conn, "texts", "t")
        wait(conn, f"SELECT count(embedding) = {rows} FROM texts")
        seconds = time.monotonic() - began
        print(f"{workers} worker(s) of {threads} thread(s): {rows / seconds:.0f} rows/s ({rows} texts, {tokens:.0f} tokens on average)")
        for p in running:
            p.terminate()
            p.wait()
        from vectorizer import registry
        for v in registry.read_all(conn):
            ddl.run(conn, ddl.drop(conn, v))
        conn.execute("DROP TABLE warm")


def lag(conn, seconds=20):
    conn.execute("CREATE TABLE IF NOT EXISTS texts (id serial PRIMARY KEY, t text)")
    conn.execute("TRUNCATE texts; INSERT INTO texts SELECT g, 'text ' || g FROM generate_series(1, 200) g")
    create(conn, "texts", "t")
    p = worker(1)
    wait(conn, "SELECT count(embedding) = count(*) FROM texts")
    lags, threads = [], []

    def watch(id, before, committed):
        with psycopg.connect("", autocommit=True) as own:
            while own.execute("SELECT embedding::text FROM texts WHERE id = %s", [id]).fetchone()[0] == before:
                time.sleep(0.02)
        lags.append(time.monotonic() - committed)
    for n in range(seconds * 10):
        began = time.monotonic()
        before = conn.execute("SELECT embedding::text FROM texts WHERE id = %s", [n + 1]).fetchone()[0]
        conn.execute("UPDATE texts SET t = %s WHERE id = %s", [f"changed, number {n}", n + 1])
        t = threading.Thread(target=watch, args=(n + 1, before, time.monotonic()))
        t.start()
        threads.append(t)
        time.sleep(max(0, 0.1 - (time.monotonic() - began)))
    for t in threads:
        t.join()
    q = statistics.quantiles(lags, n=100)
    print(f"lag at 10 updates/s, {len(lags)} of them: p50 {q[49] * 1000:.0f} ms, p95 {q[94] * 1000:.0f} ms")
    p.terminate()
    p.wait()


def processor(conn):
    """Seconds that the server's process of a connection has run."""
    return int(pathlib.Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def load(conn, rows=40000, rounds=7):
    """COPY of articles with three indexes; the median of the ratios of neighbours."""
    lines = [line.split("\t")[:5] for line in gzip.open(DATA, "rt")]
    for size in (1, 5):
        made = io.StringIO()
        for n in range(rows):
            body = " ".join(lines[(n * 7 + k * 101) % len(lines)][4] for k in range(size)).replace("\\", " ")
            made.write(f"{n}\t{n % 50}\ten\t{lines[n % len(lines)][3]}\t{body}\t2026-01-01\n")
        text = made.getvalue()
        ratios, plain = [], []
        for r in range(rounds):
            times = []
            for trigger in (False, True) if r % 2 else (True, False):
                conn.execute("DROP TABLE IF EXISTS loaded")
                conn.execute("CREATE TABLE loaded (id bigint PRIMARY KEY, tenant int, lang text, title text, body text, at timestamptz)")
                conn.execute("CREATE INDEX ON loaded (tenant)")
                conn.execute("CREATE INDEX ON loaded (at)")
                v = create(conn, "loaded", "title || body", "hash:384", None) if trigger else None
                conn.execute("CHECKPOINT")
                began = processor(conn)
                with conn.cursor() as cur, cur.copy("COPY loaded (id, tenant, lang, title, body, at) FROM STDIN") as copy:
                    copy.write(text)
                times.append((trigger, processor(conn) - began))
                if v:
                    ddl.run(conn, ddl.drop(conn, v))
            times = dict(times)
            ratios.append(times[True] / times[False])
            plain.append(times[False])
        print(f"COPY of {rows} rows of {len(text) // rows} bytes: {statistics.median(plain) * 1000:.0f} ms of processor time, "
              f"with triggers {100 * (statistics.median(ratios) - 1):+.1f} % (of {rounds}: "
              + ", ".join(f"{100 * (r - 1):+.0f}" for r in sorted(ratios)) + ")")


with psycopg.connect("", autocommit=True) as conn:
    conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    print("load average", os.getloadavg())
    wanted = sys.argv[1:] or ["load", "fill", "lag"]
    if "load" in wanted:
        load(conn)
    if "fill" in wanted:
        fill(conn, 500)
    if "lag" in wanted:
        lag(conn)
    print("load average", os.getloadavg())
