#!/usr/bin/env python3
"""Find a program by saying what you want, from text alone.

    examples/ask.sh                      installs, starts a throwaway server, asks
    examples/ask.sh "draw a floor plan"

or, with tools/vectorizer[onnx] and the weights installed, in a database of yours
that may create an extension (PGHOST and the like say which; it makes the table
vectorizer_demo, and drops it in the end):

    python examples/ask.py [question ...]

The 7,000 descriptions of the demo are loaded without their embeddings. The
vectorizer makes them by all-MiniLM-L6-v2, a worker fills the column, and
questions are answered by meaning and words. Then a row is changed, to show that
its embedding follows.
"""

import gzip
import logging
import pathlib
import sys
import time

import psycopg

from vectorizer import ddl, registry, search
from vectorizer.chunkers import parse
from vectorizer.models import load_model
from vectorizer.worker import Worker

DATA = pathlib.Path(__file__).resolve().parent.parent / "demo" / "data" / "packages.tsv.gz"
MODEL = "all-MiniLM-L6-v2"
QUESTIONS = ["edit photos", "what fills up my hard disk", "a program to learn chess", "personal finance"]


def load(conn):
    conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    conn.execute("DROP TABLE IF EXISTS vectorizer_demo")
    conn.execute("CREATE TABLE vectorizer_demo (name text PRIMARY KEY, section text, summary text)")
    with conn.cursor() as cur, gzip.open(DATA, "rt") as f, \
            cur.copy("COPY vectorizer_demo (name, section, summary) FROM STDIN") as copy:
        for line in f:
            name, section, _, summary, _ = line.split("\t", 4)
            copy.write(f"{name}\t{section}\t{summary}\n")


def main(questions):
    # a throwaway server's superuser is what this one is
    logging.getLogger("vectorizer").setLevel(logging.ERROR)
    began = time.monotonic()
    with psycopg.connect("", autocommit=True) as conn:
        for old in registry.read_all(conn, "WHERE v.name = 'vectorizer_demo_embedding'"):
            ddl.run(conn, ddl.drop(conn, old))
        load(conn)
        model = load_model(MODEL)
        v, source, extension = ddl.plan(conn, ddl.Wish(
            "vectorizer_demo", "summary", MODEL, model.probe(), model.kind, index="hnsw", filters="section",
            fulltext="english", chunker=parse("sentences", 200, 0)))
        ddl.run(conn, ddl.create(conn, v, source, extension))

        done = 0

        def report(task, result):
            nonlocal done
            done += result.progress
            print(f"\rembedded {done} of 7000", end="", flush=True)
        Worker("", drain=True, limit=256, names=[v.name], report=report).run()
        print(f", {time.monotonic() - began:.0f} s since the start\n")

        for q in questions or QUESTIONS:
            print(q)
            for hit in search(conn, q, name=v.name, limit=3, hybrid=True):
                print(f"  {hit.row['name']:22} {hit.row['summary'][:48]:50} {hit.why}")
        print('\nNow "gimp" says that it is "software for making sourdough bread":')
        conn.execute("UPDATE vectorizer_demo SET summary = 'software for making sourdough bread' WHERE name = 'gimp'")
        Worker("", drain=True, names=[v.name]).run()
        for hit in search(conn, "bake a loaf", name=v.name, limit=1):
            print(f"bake a loaf\n  {hit.row['name']:22} {hit.row['summary'][:48]:50} {hit.why}")
        ddl.run(conn, ddl.drop(conn, registry.find(conn, v.name)))
        conn.execute("DROP TABLE vectorizer_demo")
    print(f"\n{time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    main(sys.argv[1:])
