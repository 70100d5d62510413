#!/usr/bin/env python3
"""Are defaults good?  CREATE INDEX and searches with nothing set, from few rows to many
and from 3 dimensions to 4,096: recall@10, CPU time of a search and of the build.

    bash -c '. tools/server.sh
             server_start "$(tools/private-install.sh)" shared_buffers=2GB maintenance_work_mem=1GB
             python bench/defaults/defaults.py --data DIR'

Rows and queries are near a surface of 16 dimensions (all of them where there are fewer),
in which they are normally distributed, with a tenth of noise in all dimensions; queries
are not rows.  --uniform has independent uniform numbers instead, the hardest there is.
"""

import argparse
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / p) for p in ("", "data")]

import common
import numpy as np
from sets import Truth

GRID = ["1000x3", "10000x3", "100000x3", "1000x32", "10000x32", "100000x32", "1000x128", "10000x128", "1000x768", "10000x768", "1000x1536", "1000x4096", "4000x4096"]


def values(n, dims, uniform):
    rng = np.random.default_rng([n, dims])
    if uniform:
        return rng.random((n, dims), np.float32)
    latent = min(16, dims)
    turn = rng.standard_normal((latent, dims), np.float32) / np.sqrt(latent)
    x = rng.standard_normal((n, latent), np.float32) @ turn
    return x + .1 * rng.standard_normal((n, dims), np.float32)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.data_argument(arg)
    arg.add_argument("--grid", nargs="+", default=GRID, metavar="ROWSxDIMS")
    arg.add_argument("--methods", nargs="+", default=["hnsw", "ivfrabitq"])
    arg.add_argument("--queries", type=int, default=200)
    arg.add_argument("--uniform", action="store_true")
    arg = arg.parse_args()
    conn = common.connect()
    pid = common.one(conn, "SELECT pg_backend_pid()")
    out = []
    for point in arg.grid:
        n, dims = map(int, point.split("x"))
        everything = values(n + arg.queries, dims, arg.uniform)
        rows, queries = everything[:n], everything[n:]
        truth = Truth(rows, queries)
        conn.execute("DROP TABLE IF EXISTS defaults")
        conn.execute(f"CREATE TABLE defaults (id int, v vector({dims}))")
        common.copy_in(conn, "defaults", rows, "vector")
        conn.execute("VACUUM ANALYZE defaults")
        line = [f"{n:,}", f"{dims:,}"]
        for method in arg.methods:
            build = common.timed_backend(pid, conn.execute, f"CREATE INDEX defaults_v ON defaults USING {method} (v vector_l2_ops)")[1]
            for name in ("enable_seqscan", "enable_sort", "vector.enable_exact_scan"):
                conn.execute(f"SET {name} = off")
            conn.execute("SET plan_cache_mode = force_generic_plan")
            statement = common.Prepared(conn, f"nearest_{method}_{point}", "SELECT id FROM defaults ORDER BY v <-> $1 LIMIT 10", "vector")
            wanted = [common.vector_binary(q) for q in queries]
            recall = truth.recall([statement.int4s(q) for q in wanted])
            ms = common.timed_backend(pid, lambda: [statement.run(q) for q in wanted])[1]
            conn.execute("DROP INDEX defaults_v")
            line += [f"{recall:.3f}", f"{ms * 1000 / len(wanted):.0f}", f"{build / 1000:.1f}"]
        out.append(line)
        print(*line, flush=True)
    common.print_table(["rows", "dimensions", *(f"{m} {what}" for m in arg.methods for what in ("recall@10", "µs", "build s"))], out)


if __name__ == "__main__":
    main()
