#!/usr/bin/env python3
"""A million short documents: BM25 beside other libraries, and hybrid search in one
statement (a dense vector, BM25 and a filter, fused).

    million.py [--rows N] [--parts bm25 hybrid] [--index ivfrabitq|hnsw] [--queries N]

The documents are made: words by a Zipf-Mandelbrot law (200,000 of them, 20 a
document on average), a third of a document's from the fifty words of its topic, of
which there are 2,000; its vector (384 numbers) lies about the topic's, in a space of
64 dimensions that all are projected from, with a little noise.  A query has two to
six words of one document, none of the 50 most frequent, and a vector beside that
document's.  A row's tag is one of ten: filters pass a tenth.

A search in SQL is a prepared statement of one connection over a Unix socket; times
are the client's by the clock, and CPU time is the backend's (/proc/PID/schedstat).
Libraries are timed in this process: by the clock, and its CPU time.  All use one
thread, and one query at a time; engines take turns query by query, or, with
--at-a-time, after so many: then each has its own memory in the processor's caches.

Scores are compared: the ten best of SQL must be those of bm25s.  Recall of the fused
search is that of its ten best, against the same statement without indexes.
"""

import argparse
import atexit
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import numpy as np
import common

K = 10
K1, B = 1.2, 0.75
WORDS, TOPICS, DIMS, LATENT = 200_000, 2_000, 384, 64


class Corpus:
    def __init__(self, rows, seed=7):
        rng = np.random.default_rng(seed)
        self.rows = rows
        self.topic = rng.integers(0, TOPICS, rows)
        lengths = np.clip(rng.lognormal(2.9, 0.45, rows), 3, 100).astype(int)
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        share = 1 / (np.arange(WORDS) + 2.7) ** 1.07
        total = int(self.starts[-1])
        self.tokens = np.searchsorted(np.cumsum(share / share.sum()), rng.random(total)).astype(np.int32).clip(0, WORDS - 1)
        own = rng.integers(1000, WORDS, (TOPICS, 50)).astype(np.int32)
        of_topic = rng.random(total) < 0.33
        topic = np.repeat(self.topic, lengths)[of_topic]
        self.tokens[of_topic] = own[topic, rng.integers(0, 50, of_topic.sum()) * rng.integers(0, 50, of_topic.sum()) // 50]
        names = np.array([self.word(i) for i in range(WORDS)], dtype=object)
        self.names = names
        self.centers = rng.standard_normal((TOPICS, LATENT), dtype=np.float32)
        self.projection = rng.standard_normal((LATENT, DIMS), dtype=np.float32) / np.sqrt(LATENT)
        self.rng = rng

    @staticmethod
    def word(i):
        letters = ""
        i += 26 ** 3
        while i:
            letters += chr(97 + i % 26)
            i //= 26
        return letters

    def text(self, i):
        return " ".join(self.names[self.tokens[self.starts[i]:self.starts[i + 1]]])

    def vectors(self, topics, seed):
        rng = np.random.default_rng(seed)
        z = self.centers[topics] + 0.7 * rng.standard_normal((len(topics), LATENT), dtype=np.float32)
        v = z @ self.projection + 0.1 * rng.standard_normal((len(topics), DIMS), dtype=np.float32)
        return v / np.linalg.norm(v, axis=1, keepdims=True)

    def queries(self, count):
        rng = np.random.default_rng(11)
        found = []
        while len(found) < count:
            i = int(rng.integers(0, self.rows))
            words = np.unique(self.tokens[self.starts[i]:self.starts[i + 1]])
            words = words[words >= 50]
            if len(words) < 2:
                continue
            words = rng.choice(words, min(len(words), int(rng.integers(2, 7))), replace=False)
            vector = self.vectors(self.topic[i:i + 1], 1000 + len(found))[0]
            found.append((" ".join(self.names[words]), vector, int(rng.integers(0, 10))))
        return found


def load(conn, corpus, index):
    rows = corpus.rows
    conn.execute("DROP TABLE IF EXISTS docs, docs_bm25, docs_bm25_terms, docs_bm25_changes")
    conn.execute(f"CREATE TABLE docs (id int PRIMARY KEY, tag int NOT NULL, body text, embedding vector({DIMS}) NOT NULL)"
                 " WITH (autovacuum_enabled = off, parallel_workers = 1)")
    figures = {}
    start = time.perf_counter()
    tags = np.random.default_rng(5).integers(0, 10, rows)
    with conn.cursor().copy("COPY docs FROM STDIN (FORMAT binary)") as copy:
        copy.write(common.COPY_HEADER)
        for at in range(0, rows, 10000):
            end = min(at + 10000, rows)
            vectors = corpus.vectors(corpus.topic[at:end], 100 + at).astype(">f4")
            out = bytearray()
            for i in range(at, end):
                text = corpus.text(i).encode()
                v = vectors[i - at].tobytes()
                out += (b"\0\4\0\0\0\4" + i.to_bytes(4, "big") + b"\0\0\0\4" + int(tags[i]).to_bytes(4, "big") +
                        len(text).to_bytes(4, "big") + text + (len(v) + 4).to_bytes(4, "big") + DIMS.to_bytes(2, "big") + b"\0\0" + v)
            copy.write(bytes(out))
        copy.write(common.COPY_TRAILER)
    figures["loaded_s"] = round(time.perf_counter() - start, 1)
    for what, sql in (("bm25_setup_s", f"SELECT bm25_setup('docs', '{{body}}', 'simple', {K1}, {B})"),
                      ("vacuum_s", "VACUUM (FREEZE, ANALYZE) docs"),
                      ("sparse_inverted_s", "CREATE INDEX docs_words ON docs USING sparse_inverted (bm25, tag)"),
                      (f"{index}_s", f"CREATE INDEX docs_vectors ON docs USING {index} (embedding vector_cosine_ops, tag)" if index else "SELECT 1")):
        start = time.perf_counter()
        conn.execute(sql)
        figures[what] = round(time.perf_counter() - start, 1)
        say(what, figures[what])
    return figures


def say(name, figure):
    print(json.dumps({name: figure}), file=sys.stderr, flush=True)


class Clock:
    """Times by the clock, and CPU times, of this process or another one that sleeps
    while it is read."""

    def __init__(self, pid):
        self.path = f"/proc/{pid}/schedstat" if pid != os.getpid() else None
        self.clock, self.cpu = [], []

    def used(self):
        return int(open(self.path).read().split()[0]) / 1e6 if self.path else time.process_time() * 1000

    def __enter__(self):
        self.before = self.used()
        self.start = time.perf_counter()

    def __exit__(self, *_):
        self.clock.append((time.perf_counter() - self.start) * 1000)
        self.cpu.append(self.used() - self.before)

    def figures(self):
        def quantiles(times):
            times = sorted(times)
            return [round(statistics.median(times), 2), round(times[int(len(times) * 0.95)], 2)]
        return {"clock_ms p50, p95": quantiles(self.clock), "cpu_ms p50, p95": quantiles(self.cpu)}


BM25 = "SELECT id FROM docs ORDER BY bm25 <#> (SELECT bm25_query('docs', $1)) LIMIT 10"
FUSED = """SELECT id FROM (
    SELECT id, rrf_score(0.5) OVER (ORDER BY distance) AS score
    FROM (SELECT id, embedding <=> $2 AS distance FROM docs WHERE tag = $3 ORDER BY distance LIMIT 50) by_meaning
    UNION ALL
    SELECT id, rrf_score(0.5) OVER (ORDER BY distance)
    FROM (SELECT id, bm25 <#> (SELECT bm25_query('docs', $1)) AS distance FROM docs WHERE tag = $3 ORDER BY distance LIMIT 50) by_words
    WHERE distance < 0
) branches GROUP BY id ORDER BY sum(score) DESC, id LIMIT 10"""


def bm25_peers(corpus, queries):
    """Functions that give the ten best of a query, by name."""
    found = {}
    try:
        import tantivy
        schema = tantivy.SchemaBuilder().add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq") \
            .add_unsigned_field("id", stored=True).build()
        folder = tempfile.mkdtemp(prefix="tantivy-", dir=os.environ.get("TMPDIR"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        index = tantivy.Index(schema, path=folder)
        writer = index.writer(300_000_000, 1)
        start = time.perf_counter()
        for i in range(corpus.rows):
            writer.add_document(tantivy.Document(body=corpus.text(i), id=i))
        writer.commit()
        writer.wait_merging_threads()
        # one segment, as the index in SQL has after a build
        say("tantivy built_s", round(time.perf_counter() - start, 1))
        index.reload()
        searcher = index.searcher()
        say("tantivy segments", searcher.num_segments)

        def by_tantivy(words):
            query = tantivy.Query.boolean_query([(tantivy.Occur.Should, tantivy.Query.term_query(schema, "body", w, "freq")) for w in words.split()])
            return searcher.search(query, K, count=False).hits
        by_tantivy(queries[0][0])
        found["tantivy"] = by_tantivy
    except Exception as error:
        say("tantivy not run", repr(error)[:300])
    try:
        import bm25s
        lucene = bm25s.BM25(method="lucene", k1=K1, b=B, backend="numba")
        start = time.perf_counter()
        lucene.index(([corpus.tokens[corpus.starts[i]:corpus.starts[i + 1]].tolist() for i in range(corpus.rows)],
                      {int(i): int(i) for i in range(WORDS)}), show_progress=False)
        say("bm25s built_s", round(time.perf_counter() - start, 1))
        number = {w: i for i, w in enumerate(corpus.names)}
        # a CSC matrix of a column a word
        scores = lucene.scores

        def by_scipy(words):
            total = np.zeros(corpus.rows, np.float32)
            for w in words.split():
                a, b = scores["indptr"][number[w]], scores["indptr"][number[w] + 1]
                total[scores["indices"][a:b]] += scores["data"][a:b]
            best = np.argpartition(-total, K)[:K]
            return [(float(total[b]), int(b)) for b in best[np.argsort(-total[best])]]
        found["numpy, columns of the words"] = by_scipy

        def by_bm25s(words):
            return lucene.retrieve([[number[w] for w in words.split()]], k=K, show_progress=False, n_threads=1)
        by_bm25s(queries[0][0])
        found["bm25s, numba"] = by_bm25s
    except Exception as error:
        say("bm25s not run", repr(error)[:300])
    return found


def measure_bm25(conn, corpus, queries, rounds, at_a_time):
    pid = conn.info.backend_pid
    peers = bm25_peers(corpus, queries)
    sql = common.Prepared(conn, "bm25", BM25, "text")
    engines = {"SQL": lambda words: sql.int4s(words.encode())} | peers
    answers = {name: [search(words) for words, _, _ in queries] for name, search in engines.items()}
    wrong = 0
    for name in answers:
        for i, hits in enumerate(answers[name] if name.startswith("numpy") else []):
            scores = conn.execute("SELECT array_agg(-(bm25 <#> q)) FROM docs, (SELECT bm25_query('docs', %s) AS q) x WHERE id = ANY (%s)", (queries[i][0], answers["SQL"][i])).fetchone()[0]
            wrong += not np.allclose(sorted(scores, reverse=True), [h[0] for h in hits], rtol=1e-4)
    clocks = {name: Clock(pid if name == "SQL" else os.getpid()) for name in engines}
    for turn in range(rounds):
        # each comes after each other one in some round
        order = list(engines)[turn % len(engines):] + list(engines)[:turn % len(engines)]
        for first in range(0, len(queries), at_a_time):
            for name in order if turn % 2 == 0 else reversed(order):
                for words, _, _ in queries[first:first + at_a_time]:
                    with clocks[name]:
                        engines[name](words)
    figures = {name: clock.figures() for name, clock in clocks.items()}
    figures["answers that differ from bm25s's"] = wrong
    for name in figures:
        say(name, figures[name])
    return figures


def measure_hybrid(conn, queries, rounds, exact_queries):
    sql = common.Prepared(conn, "fused", FUSED, "text", "vector", "int4")
    plan = "\n".join(r[0] for r in conn.execute("EXPLAIN EXECUTE fused ('abc', '[%s]', 1)" % ",".join(["1"] * DIMS)))
    if plan.count("Index Scan using docs_vectors") != 1 or plan.count("Index Scan using docs_words") != 1:
        sys.exit("not by both indexes:\n" + plan)
    clock = Clock(conn.info.backend_pid)
    found = []
    for turn in range(rounds + 1):
        if turn == 1:
            clock = Clock(conn.info.backend_pid)
        found = []
        for words, vector, tag in queries:
            with clock:
                found.append(sql.int4s(words.encode(), common.vector_binary(vector), tag.to_bytes(4, "big")))
    figures = clock.figures()
    conn.execute("SET enable_indexscan = off; SET vector.enable_exact_scan = on; DEALLOCATE fused")
    sql = common.Prepared(conn, "fused", FUSED, "text", "vector", "int4")
    hits = [len(set(found[i]) & set(sql.int4s(words.encode(), common.vector_binary(vector), tag.to_bytes(4, "big"))))
            for i, (words, vector, tag) in enumerate(queries[:exact_queries])]
    conn.execute("RESET enable_indexscan; RESET vector.enable_exact_scan; DEALLOCATE fused")
    figures["recall@10 of the fused ten"] = sum(hits) / (K * len(hits))
    return figures


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--rows", type=int, default=1_000_000)
    arg.add_argument("--parts", nargs="+", default=["bm25", "hybrid"], choices=["bm25", "hybrid"])
    arg.add_argument("--index", default="ivfrabitq", choices=["ivfrabitq", "hnsw", "ivfflat"])
    arg.add_argument("--queries", type=int, default=200)
    arg.add_argument("--exact-queries", type=int, default=50)
    arg.add_argument("--rounds", type=int, default=3)
    arg.add_argument("--at-a-time", type=int, default=1, metavar="N", help="queries of BM25 that an engine answers before the next one's turn")
    arg.add_argument("--keep", action="store_true", help="use the tables that there are")
    arg.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    arg = arg.parse_args()
    corpus = Corpus(arg.rows)
    queries = corpus.queries(arg.queries)
    conn = common.connect(maintenance_work_mem="1GB", max_parallel_maintenance_workers=1)
    figures = {"rows": arg.rows, "words a document": round(len(corpus.tokens) / arg.rows, 1),
               "load": os.getloadavg()[0]}
    if not arg.keep:
        figures |= load(conn, corpus, arg.index if "hybrid" in arg.parts else "")
    for setting in arg.set:
        conn.execute("SELECT set_config(%s, %s, false)", setting.split("=", 1))
    conn.execute("SET max_parallel_workers_per_gather = 0")
    figures["sizes, MB"] = dict(conn.execute("SELECT relname, pg_relation_size(oid) >> 20 FROM pg_class WHERE relname LIKE 'docs%' AND relkind IN ('r', 'i')").fetchall())
    if "hybrid" in arg.parts:
        figures["hybrid"] = measure_hybrid(conn, queries, arg.rounds, arg.exact_queries)
        say("hybrid", figures["hybrid"])
    if "bm25" in arg.parts:
        figures["BM25"] = measure_bm25(conn, corpus, queries, arg.rounds, arg.at_a_time)
    figures["load at the end"] = os.getloadavg()[0]
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
