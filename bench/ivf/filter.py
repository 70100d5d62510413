#!/usr/bin/env python3
"""Inverted files with filter columns: recall and latency by selectivity.

    bash -c '. tools/server.sh
             server_start "$(tools/private-install.sh)" shared_buffers=1GB
             bench/cache/venv/bin/python bench/ivf/filter.py'

Rows are Fashion-MNIST's, with its label and a random number u; a query is
SELECT id FROM t WHERE condition ORDER BY v <-> $1 LIMIT 10, prepared, with a
binary parameter.  Conditions let a share of the rows pass: "random" ones on u
alone; "own" ones also on the label, among them the query's own; "other" ones on
labels that are not the query's.  Beside them the same index without condition,
and the exact plan: a table without vector index, with btrees on u and label.
Everything sits on one CPU, in interleaved rounds.  See bench/README.md.
"""

import argparse
import itertools
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common
import numpy as np

K = 10
SHARES = [.5, .1, .01, .001, .0001]
LABELS = 10
RANGE = 1000000                 # of u


def arguments():
    arg = argparse.ArgumentParser(description="Inverted files with filter columns")
    common.data_argument(arg)
    arg.add_argument("--methods", nargs="+", default=["ivfrabitq", "ivfpq", "ivfflat"])
    arg.add_argument("--shares", type=float, nargs="+", default=SHARES)
    arg.add_argument("--kinds", nargs="+", default=["random", "own", "other"])
    arg.add_argument("--with", dest="options", default="", help="storage parameters, such as 'rerank = index'")
    arg.add_argument("--queries", type=int, default=200, help="of which recall is taken")
    arg.add_argument("--rounds", type=int, default=5)
    arg.add_argument("--a-round", type=int, default=40)
    arg.add_argument("--exact-queries", type=int, default=4, help="a round of the exact plan; 0: none")
    arg.add_argument("--cpu", type=int, default=1 % (os.cpu_count() or 1))
    arg.add_argument("--json", type=pathlib.Path, help="append the figures to this file")
    return arg.parse_args()


def labels_of(data, part):
    return common.read_idx(data / "fashion_mnist" / f"{part}-labels-idx1-ubyte.gz").astype(int)


def condition(kind, share, label):
    """(labels, bound of u) so that about a share of all rows passes."""
    if kind == "random":
        return range(LABELS), round(share * RANGE)
    if share >= .5:             # a half of the labels
        first = (label // 5 if kind == "own" else 1 - label // 5) * 5
        return range(first, first + 5), round(share * 2 * RANGE)
    first = label if kind == "own" else (label + 1) % LABELS
    return range(first, first + 1), round(share * LABELS * RANGE)


class Contestant:
    """A table and how it is asked; statements are prepared as they are needed."""

    def __init__(self, name, conn, table, **settings):
        self.name, self.conn, self.table, self.settings, self.statements = name, conn, table, settings, {}

    def statement(self, labels, bound):
        key = (labels, bound)
        if key not in self.statements:
            where = []
            if len(labels) == 1:
                where.append(f"label = {labels[0]}")
            elif len(labels) < LABELS:
                where.append(f"label BETWEEN {labels[0]} AND {labels[-1]}")
            where += [f"u < {bound}"] if bound < RANGE else []
            sql = (f"SELECT id FROM {self.table} {'WHERE ' + ' AND '.join(where) if where else ''}"
                   f" ORDER BY v <-> $1 LIMIT {K}")
            name = f"statement {next(NUMBERS)}"
            self.statements[key] = common.Prepared(self.conn, name, sql, "vector")
            self.plan = "\n".join(r[0] for r in self.conn.execute(f"EXPLAIN EXECUTE \"{name}\" ('{ZERO}')"))
        return self.statements[key]

    def enter(self):
        for name, value in self.settings.items():
            self.conn.execute("SELECT set_config(%s, %s, false)", (name.replace("__", "."), str(value)))

    def ask(self, query, labels=range(LABELS), bound=RANGE):
        return self.statement(labels, bound).int4s(query)


NUMBERS = itertools.count()
ZERO = "[" + ",".join("0" * 784) + "]"


def load(conn, table, rows, labels, u):
    conn.execute(f"DROP TABLE IF EXISTS {table}, {table}_values; CREATE TABLE {table}_values (id int, v vector(784))")
    common.copy_in(conn, f"{table}_values", rows, "vector")
    conn.execute("CREATE TEMP TABLE attributes (id int, label int, u int)")
    with conn.cursor() as cur, cur.copy("COPY attributes FROM STDIN") as copy:
        for i in range(len(rows)):
            copy.write_row((i, int(labels[i]), int(u[i])))
    conn.execute(f"CREATE TABLE {table} AS SELECT id, v, label, u FROM {table}_values JOIN attributes USING (id) ORDER BY id")
    conn.execute(f"DROP TABLE attributes, {table}_values")
    conn.execute(f"VACUUM (FREEZE, ANALYZE) {table}")


def main():
    arg = arguments()
    rows, queries = common.fashion_mnist(arg.data)
    queries = queries[:arg.queries]
    row_labels, query_labels = labels_of(arg.data, "train"), labels_of(arg.data, "t10k")
    u = np.random.default_rng(1).permutation(RANGE)[:len(rows)]
    conn = common.connect(plan_cache_mode="force_generic_plan", enable_bitmapscan="on",
                          max_parallel_workers_per_gather=0)
    common.require_shared_buffers(conn, 1 << 30)
    about = common.describe(conn)
    params = [common.vector_binary(q) for q in queries]
    distances = (queries.astype(np.float64) ** 2).sum(1)[:, None] + (rows.astype(np.float64) ** 2).sum(1)[None]
    distances -= 2 * queries.astype(np.float64) @ rows.T.astype(np.float64)

    load(conn, "filter_exact", rows, row_labels, u)
    conn.execute("CREATE INDEX ON filter_exact (u); CREATE INDEX ON filter_exact (label, u); ANALYZE filter_exact")
    exact = Contestant("exact", conn, "filter_exact", enable_seqscan="on", vector__enable_exact_scan="on")
    pid = conn.info.backend_pid
    out, figures = [], []
    for method in arg.methods:
        load(conn, "filter_items", rows, row_labels, u)
        exact.statements.clear()    # psycopg has deallocated all, with the table that went
        with_ = f"WITH ({arg.options})" if arg.options else ""
        built = common.timed(conn.execute, f"CREATE INDEX filter_index ON filter_items USING {method}"
                             f" (v vector_l2_ops, label, u) {with_}")[0]
        size = common.one(conn, "SELECT pg_relation_size('filter_index')")
        print(f"{method}: built in {built / 1e3:.1f} s, {size / 1e6:.1f} MB", flush=True)
        index = Contestant(method, conn, "filter_items", enable_seqscan="off", vector__enable_exact_scan="off",
                           ivf__target_recall=.95 if method == "ivfflat" else 0)
        common.pin(arg.cpu, pid)
        cases = [("none", 1.0)] + [(kind, share) for kind in arg.kinds for share in arg.shares]
        for kind, share in cases:
            conditions = [condition("random" if kind == "none" else kind, share, query_labels[i])
                          for i in range(len(queries))]
            index.enter()
            hits = wanted = short = passing = 0
            for i, (labels, bound) in enumerate(conditions):
                passes = (u < bound) & np.isin(row_labels, labels)
                ids = index.ask(params[i], labels, bound)
                if not passes[ids].all():
                    sys.exit(f"{method}: a row that does not fulfil its condition")
                d = np.sort(distances[i][passes])[:K]
                passing += passes.sum()
                short += len(ids) < len(d)
                wanted += len(d)
                hits += (distances[i][ids] <= d[-1] * (1 + 1e-9)).sum() if len(d) else 0
            if "Index Scan using filter_index" not in index.plan or "Filter:" in index.plan:
                sys.exit(f"not by the index:\n{index.plan}")

            def timed(contestant, conditions, count):
                contestant.enter()
                for i in range(count):
                    contestant.ask(params[i], *conditions[i])
                times = []
                for i in range(count):
                    times.append(common.timed(contestant.ask, params[i], *conditions[i])[0])
                median = statistics.median(times)
                return median, median

            contestants = {"filtered": lambda: timed(index, conditions, arg.a_round),
                           "unfiltered": lambda: timed(index, [(range(LABELS), RANGE)] * len(queries), arg.a_round)}
            if arg.exact_queries:
                contestants["exact"] = lambda: timed(exact, conditions, arg.exact_queries)
            seen = common.interleaved(contestants, arg.rounds)
            f, n = common.median(seen["filtered"])[0], common.median(seen["unfiltered"])[0]
            e = common.median(seen["exact"])[0] if arg.exact_queries else None
            ratio = common.ratio(seen["filtered"], seen["unfiltered"])
            row = [method, kind, f"{passing / len(queries) / len(rows):.2%}", f"{hits / max(wanted, 1):.4f}", short,
                   f"{f * 1e3:.0f}", f"{ratio[0]:.2f} ({ratio[1]:.2f}–{ratio[2]:.2f})", f"{e * 1e3:.0f}" if e else ""]
            out.append(row)
            print(*row, flush=True)
            figures.append(dict(method=method, kind=kind, share=share, recall=hits / max(wanted, 1), short=short,
                                filtered_ms=f, unfiltered_ms=n, exact_ms=e))
        common.pin(None, pid)
    common.print_table(["", "condition", "rows that pass", "recall@10", "answers short", "µs", "to no condition",
                        "exact µs"], out)
    print("load", common.load())
    common.add_result(arg.json, "filter", dict(about=about, options=arg.options, figures=figures))


if __name__ == "__main__":
    main()
