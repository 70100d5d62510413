#!/usr/bin/env python3
"""Exact top-k of sparse vectors in SQL: sparse_inverted against a sequential scan,
scipy and other libraries.

    sparse.py VECTORS.npz [--rows N] [--queries N] [--terms N] [--peers scipy,seismic,qdrant]

VECTORS.npz has the arrays indptr, indices and weights (CSR).  A few rows are held
out as queries, cut to their --terms greatest elements.  With --rows beyond what the
file has, a document is made of two: each of its elements comes from the first with
probability 0.7, and from the second with 0.3, its weight changed by up to 15 %.  So
lengths of lists, lengths of documents and what occurs together stay as they are.

In SQL a search is

    SELECT id FROM t ORDER BY v <#> $1 LIMIT 10

timed in the server (PL/pgSQL), one query at a time in one backend; libraries are
timed in this process, queries one at a time, one thread.  Every answer of the index
is compared with the product by scipy: the ten scores must be the same.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import psycopg
import scipy.sparse as sp

K = 10


def load(path, dims):
    data = np.load(path)
    matrix = sp.csr_matrix((data["weights"].astype(np.float32), data["indices"], data["indptr"]),
                           shape=(len(data["indptr"]) - 1, dims))
    matrix.sort_indices()
    return matrix


def synthetic(source, rows, rng):
    """Documents made of two of the source's each, in parts of 50,000."""
    parts = []
    for start in range(0, rows, 50000):
        count = min(50000, rows - start)
        pair = []
        for share in (0.7, 0.3):
            part = source[rng.integers(0, source.shape[0], count)]
            keep = rng.random(part.nnz) < share
            noise = 1 + (rng.random(part.nnz) - 0.5) * 0.3
            part.data = (np.maximum(np.rint(part.data * noise), 1) * keep).astype(np.float32)
            part.eliminate_zeros()
            pair.append(part)
        parts.append(pair[0].maximum(pair[1]).tocsr())
    matrix = sp.vstack(parts, format="csr")
    matrix.sort_indices()
    return matrix


def text(matrix, i):
    a, b = matrix.indptr[i], matrix.indptr[i + 1]
    pairs = ",".join(f"{d + 1}:{w:g}" for d, w in zip(matrix.indices[a:b], matrix.data[a:b]))
    return "{%s}/%d" % (pairs, matrix.shape[1])


def cut(matrix, terms):
    """Rows with their greatest elements only."""
    rows = []
    for i in range(matrix.shape[0]):
        row = matrix[i].tocoo()
        best = np.argsort(-row.data, kind="stable")[:terms]
        rows.append(sp.csr_matrix((row.data[best], (np.zeros(len(best), int), row.col[best])), shape=(1, matrix.shape[1])))
    return sp.vstack(rows, format="csr")


def say(name, figure):
    """A figure as soon as it is there, for who does not wait for all."""
    print(json.dumps({name: figure}), file=sys.stderr, flush=True)
    return figure


def median_ms(times):
    times = sorted(times)
    return {"median_ms": round(statistics.median(times), 3), "p95_ms": round(times[int(len(times) * 0.95)], 3)}


def search(conn, queries, rounds, settings):
    """Times and scores of each query, from the server."""
    times, scores = [], []
    with conn.transaction():
        for name, value in settings.items():
            conn.execute(f"SET LOCAL {name} = {value}")
        for _ in range(rounds):
            scores = []
            for q in queries:
                ms, found = conn.execute("SELECT * FROM timed_search(%s::sparsevec)", (q,)).fetchone()
                times.append(ms)
                scores.append(found)
    return times, scores


def build(conn, table, options):
    conn.execute(f"DROP INDEX IF EXISTS {table}_v")
    conn.execute("CHECKPOINT")
    start = time.perf_counter()
    conn.execute(f"CREATE INDEX {table}_v ON {table} USING sparse_inverted (v) WITH ({options})")
    seconds = time.perf_counter() - start
    size, raw = conn.execute(f"SELECT pg_relation_size('{table}_v'), (SELECT sum(pg_column_size(v)) FROM {table})").fetchone()
    return {"build_s": round(seconds, 2), "index_mb": size >> 20, "index_to_raw": round(size / float(raw), 3)}


def peers(names, matrix, queries, exact):
    figures = {}

    def recall(found):
        return round(float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found, exact)])), 4)

    if "scipy" in names:
        columns = matrix.tocsc()
        times = []
        for i in range(queries.shape[0]):
            start = time.perf_counter()
            scores = columns[:, queries[i].indices] @ queries[i].data
            best = np.argpartition(-scores, K)[:K]
            best[np.argsort(-scores[best])]
            times.append((time.perf_counter() - start) * 1000)
        figures["scipy, CSC columns"] = say("scipy, CSC columns of the query's terms", median_ms(times))

        times = []
        for i in range(min(queries.shape[0], 20)):
            column = queries[i].T.tocsc()
            start = time.perf_counter()
            scores = (matrix @ column).toarray().ravel()
            np.argpartition(-scores, K)[:K]
            times.append((time.perf_counter() - start) * 1000)
        figures["scipy, CSR product"] = say("scipy, CSR product", median_ms(times))

    if "seismic" in names:
        try:
            import seismic
            docs = [(str(i), np.array([str(d) for d in matrix[i].indices], dtype=seismic.get_seismic_string()), matrix[i].data)
                    for i in range(matrix.shape[0])]
            dataset = seismic.SeismicDataset()
            for doc in docs:
                dataset.add_document(*doc)
            start = time.perf_counter()
            index = seismic.SeismicIndex.build_from_dataset(dataset)
            seconds = time.perf_counter() - start
            times, found = [], []
            for i in range(queries.shape[0]):
                terms = np.array([str(d) for d in queries[i].indices], dtype=seismic.get_seismic_string())
                start = time.perf_counter()
                result = index.search(query_id="0", query_components=terms, query_values=queries[i].data.astype(np.float32),
                                      k=K, query_cut=10, heap_factor=0.7)
                times.append((time.perf_counter() - start) * 1000)
                found.append([int(r[2]) for r in result])
            figures["pyseismic-lsr"] = say("pyseismic-lsr, approximate", median_ms(times) | {"recall": recall(found), "build_s": round(seconds, 1)})
        except Exception as error:
            figures["pyseismic-lsr"] = {"not run": repr(error)[:200]}

    if "qdrant" in names:
        try:
            from qdrant_client import QdrantClient, models
            client = QdrantClient(":memory:")
            rows = min(matrix.shape[0], 20000)
            client.create_collection("c", vectors_config={}, sparse_vectors_config={"v": models.SparseVectorParams()})
            for start in range(0, rows, 5000):
                client.upsert("c", [models.PointStruct(id=i, vector={"v": models.SparseVector(
                    indices=matrix[i].indices.tolist(), values=matrix[i].data.tolist())}) for i in range(start, min(start + 5000, rows))])
            times = []
            for i in range(5):
                q = models.SparseVector(indices=queries[i].indices.tolist(), values=queries[i].data.tolist())
                start = time.perf_counter()
                client.query_points("c", query=q, using="v", limit=K)
                times.append((time.perf_counter() - start) * 1000)
            figures["Qdrant, local mode"] = say(f"Qdrant, local mode, {rows} rows", median_ms(times))
        except Exception as error:
            figures["Qdrant, local mode"] = {"not run": repr(error)[:200]}
    return figures


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("vectors", type=pathlib.Path)
    arg.add_argument("--dims", type=int, default=30522)
    arg.add_argument("--rows", type=int, default=0, help="0: those of the file")
    arg.add_argument("--queries", type=int, default=100)
    arg.add_argument("--terms", type=int, default=30)
    arg.add_argument("--rounds", type=int, default=3)
    arg.add_argument("--maintenance-work-mem", default="256MB")
    arg.add_argument("--peers", default="", help="of scipy, seismic, qdrant")
    arg = arg.parse_args()

    rng = np.random.default_rng(7)
    source = load(arg.vectors, arg.dims)
    order = rng.permutation(source.shape[0])
    queries = cut(source[order[:arg.queries]], arg.terms)
    matrix = source[np.sort(order[arg.queries:])]
    if arg.rows > matrix.shape[0]:
        matrix = synthetic(matrix, arg.rows, rng)
    texts = [text(queries, i) for i in range(queries.shape[0])]
    figures = {"rows": matrix.shape[0], "elements a row": round(matrix.nnz / matrix.shape[0], 1),
               "elements a query": round(queries.nnz / queries.shape[0], 1)}

    scores = (queries @ matrix.T.tocsr()).toarray()
    best = np.argpartition(-scores, K, axis=1)[:, :K]
    exact = [sorted((-scores[i, b] for b in best[i]))[:K] for i in range(len(texts))]
    del scores

    table = f"sparse_{matrix.shape[0]}"
    with psycopg.connect("", autocommit=True) as conn:
        conn.execute("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS vector; SET jit = off;"
                     "SET max_parallel_workers_per_gather = 0; SET vector.enable_exact_scan = off")
        conn.execute(f"SET maintenance_work_mem = '{arg.maintenance_work_mem}'")
        if conn.execute("SELECT to_regclass(%s) IS NULL", (table,)).fetchone()[0]:
            conn.execute(f"CREATE TABLE {table} (id int, v sparsevec({arg.dims}) NOT NULL) WITH (autovacuum_enabled = off, parallel_workers = 1)")
            with conn.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for i in range(matrix.shape[0]):
                    copy.write(f"{i}\t{text(matrix, i)}\n")
            conn.execute(f"VACUUM (FREEZE, ANALYZE) {table}")
        conn.execute(f"""
            CREATE OR REPLACE FUNCTION timed_search(q sparsevec, OUT ms float8, OUT scores float8[]) LANGUAGE plpgsql AS $$
            DECLARE start timestamptz := clock_timestamp(); ids int[];
            BEGIN
                ids := ARRAY(SELECT id FROM {table} ORDER BY v <#> q LIMIT {K});
                ms := extract(epoch FROM clock_timestamp() - start) * 1000;
                scores := ARRAY(SELECT v <#> q FROM {table} ORDER BY v <#> q LIMIT {K});
            END $$""")
        for options in ("weights = int8", "weights = float4"):
            conn.execute("SET max_parallel_maintenance_workers = 1")
            result = build(conn, table, options)
            result["docs_a_second"] = round(matrix.shape[0] / result["build_s"])
            search(conn, texts, 1, {"enable_seqscan": "off"})
            times, found = search(conn, texts, arg.rounds, {"enable_seqscan": "off"})
            result |= median_ms(times)
            result["wrong"] = sum(a != b for a, b in zip(found, exact))
            figures[f"sparse_inverted, {options}"] = say(f"sparse_inverted, {options}", result)
        times, _ = search(conn, texts[:10], 1, {"enable_indexscan": "off"})
        figures["sequential scan and sort"] = say("sequential scan and sort", median_ms(times))
    figures |= peers(arg.peers.split(","), matrix, queries, [[int(x) for x in row] for row in best])
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
