#!/usr/bin/env python3
"""Hybrid search with filters from SQLAlchemy, over the 7,000 descriptions of the demo.

    pip install pgvector sqlalchemy psycopg[binary]
    python examples/hybrid_sqlalchemy.py

in a database of yours (PGHOST and the like say which), where it makes tables called
hybrid_packages* and drops them in the end. Words are ranked by BM25, meaning by
embeddings; the index on these has the filtered columns, too. The questions are the
demo's, whose embeddings are in its data.
"""

import csv
import gzip
import pathlib

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, create_engine, func, insert, literal_column, select, text, union_all

DATA = pathlib.Path(__file__).resolve().parent.parent / "demo/data"
QUESTIONS = [("edit photos", {"graphics"}, 20000), ("watch disk usage", {"utils", "admin"}, 5000)]
csv.field_size_limit(1 << 20)

packages = Table("hybrid_packages", MetaData(), Column("name", Text, primary_key=True), Column("section", Text),
                 Column("kb", Integer), Column("summary", Text), Column("embedding", HALFVEC(384)))
Index("hybrid_packages_embedding", packages.c.embedding, packages.c.section, packages.c.kb, postgresql_using="ivfrabitq",
      postgresql_ops={"embedding": "halfvec_cosine_ops"})


def rows():
    with gzip.open(DATA / "packages.tsv.gz", "rt") as f:
        for name, section, size, summary, _, embedding in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield {"name": name, "section": section, "kb": int(size), "summary": summary,
                   "embedding": [float(x) for x in embedding[1:-1].split(",")]}


def hybrid(question, embedding, sections, kb):
    """Reciprocal ranks of both searches, added up. Each has the filter, and its own index."""
    def branch(distance, below, limit=50):
        found = (select(packages.c.name, distance.label("distance"))
                 .where(packages.c.section.in_(sections), packages.c.kb < kb).order_by(distance).limit(limit).subquery())
        score = func.rrf_score().over(order_by=(found.c.distance, found.c.name))
        return select(found.c.name, score.label("score")).where(found.c.distance < below)

    # A distance of 0 means that a row has none of the words.
    words = literal_column("bm25").op("<#>")(select(func.bm25_query("hybrid_packages", question)).scalar_subquery())
    both = union_all(branch(packages.c.embedding.cosine_distance(embedding), 1), branch(words, 0)).subquery()
    score = func.sum(both.c.score)
    return (select(both.c.name, packages.c.summary, score).join(packages, packages.c.name == both.c.name)
            .group_by(both.c.name, packages.c.summary).order_by(score.desc(), both.c.name).limit(5))


def main():
    engine = create_engine("postgresql+psycopg://")
    embeddings = {q: [float(x) for x in e.strip()[1:-1].split(",")]
                  for _, q, e in csv.reader(open(DATA / "questions.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE)}
    with engine.begin() as conn:
        conn.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        packages.create(conn)
        conn.execute(insert(packages), list(rows()))
        conn.execute(text("SELECT bm25_setup('hybrid_packages', ARRAY['summary'], 'english')"))
        conn.execute(text("CREATE INDEX hybrid_packages_words ON hybrid_packages USING sparse_inverted (bm25 sparsevec_ip_ops)"))
        conn.execute(text("REINDEX INDEX hybrid_packages_embedding"))      # now that there is data to learn from
        conn.execute(text("ANALYZE hybrid_packages"))
    with engine.begin() as conn:
        conn.execute(text("SET LOCAL ivf.target_recall = 0.99"))
        for question, sections, kb in QUESTIONS:
            print(f"{question}, in {' or '.join(sorted(sections))}, below {kb // 1000} MB")
            for name, summary, score in conn.execute(hybrid(question, embeddings[question], sections, kb)):
                print(f"  {score:.4f}  {name:24} {summary[:56]}")
    with engine.begin() as conn:
        conn.execute(text("SELECT bm25_drop('hybrid_packages')"))
        packages.drop(conn)


if __name__ == "__main__":
    main()
