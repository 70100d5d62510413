#!/usr/bin/env python3
"""vector_build_estimate beside the builds that it foretells: size, memory, time.

    bash -c '. tools/server.sh
             server_start "$(tools/private-install.sh)" shared_buffers=1GB maintenance_work_mem=512MB
             python bench/defaults/estimate.py --data DIR'

Estimate and build follow each other, so that both have the same machine; figures are
estimate / build.
"""

import argparse
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / p) for p in ("", "data", "hnsw")]

import common
from declared import load

SETS = ["fashion:40000", "bge", "uniform:60000:32", "synthetic:60000:256"]
METHODS = ["hnsw", "hnsw rerank=heap", "ivfflat", "ivfpq", "ivfrabitq", "ivfrabitq rerank=index", "flat"]


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.data_argument(arg)
    arg.add_argument("--sets", nargs="+", default=SETS)
    arg.add_argument("--methods", nargs="+", default=METHODS)
    arg.add_argument("--seconds", type=float, default=3, help="for each estimate")
    arg = arg.parse_args()
    conn = common.connect(max_parallel_maintenance_workers=0)
    out = []
    for name in arg.sets:
        rows, _ = load(name, arg.data, 10)
        conn.execute("DROP TABLE IF EXISTS estimated")
        conn.execute(f"CREATE TABLE estimated (id int, v vector({rows.shape[1]}))")
        common.copy_in(conn, "estimated", rows, "vector")
        conn.execute("VACUUM ANALYZE estimated")
        for method in arg.methods:
            method, *options = method.split()
            said = conn.execute("SELECT size, memory, seconds, probed_rows, rows FROM vector_build_estimate('estimated', 'v', %s, %s, time_limit => make_interval(secs => %s))",
                                (method, options, arg.seconds)).fetchone()
            conn.execute(f"CREATE INDEX estimated_v ON estimated USING {method} (v vector_l2_ops)" + (f" WITH ({', '.join(options)})" if options else ""))
            built = conn.execute("SELECT size, memory, seconds FROM vector_last_build()").fetchone()
            conn.execute("DROP INDEX estimated_v")
            out.append([f"{name} {method} {' '.join(options)}", said[4], said[3], f"{built[0] / 1e6:.1f}", f"{built[1] / 1e6:.1f}", f"{built[2]:.2f}",
                        *(f"{s / b:.2f}" for s, b in zip(said[:3], built))])
            print(*out[-1], flush=True)
    common.print_table(["", "rows", "probed", "MB", "memory MB", "s", "size, estimate / build", "memory", "time"], out)


if __name__ == "__main__":
    main()
