#!/usr/bin/env python3
"""COPY of vectors against COPY of the same numbers as float4[].

The server reads and writes the files itself (no client, no socket in the way)
and they sit in the page cache; COPY TO writes to /dev/null.  "parse" is COPY
FROM with WHERE false: every row is read and converted, none is stored.  Tables
are unlogged and empty before each COPY FROM; both types are stored EXTERNAL,
so that types are compared and not ways of storage.  See bench/README.md.
"""

import os
import sys

# The folder above instead of this one, where "import copy" would find us.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

import argparse
import pathlib
import shutil
import tempfile

import common
import numpy as np

SPARSE_DIMS, SPARSE_VALUES = 30522, 45		# a SPLADE vocabulary, terms of a query


def dense_text(path, values, kind):
    """float32's shortest decimals, as the types print them."""
    left, right = "{}" if kind == "float4[]" else "[]"
    with open(path, "w") as out:
        for i, row in enumerate(values):
            number = np.float16 if kind == "halfvec" else np.float32
            out.write(f"{i}\t{left}{','.join(map(str, row.astype(number)))}{right}\n")


def sparse_text(path, rows, rng):
    with open(path, "w") as out:
        for i in range(rows):
            at = np.sort(rng.choice(SPARSE_DIMS, SPARSE_VALUES, replace=False)) + 1
            values = rng.gamma(2.0, 0.5, SPARSE_VALUES).astype(np.float32)
            out.write(f"{i}\t{{{','.join(f'{a}:{v}' for a, v in zip(at, values))}}}/{SPARSE_DIMS}\n")


class Case:
    """One type at one number of dimensions: its table and its two files."""

    def __init__(self, conn, folder, kind, dims, rows, values):
        self.conn, self.kind, self.dims, self.rows = conn, kind, dims, rows
        self.label = f"{kind} {dims}"
        self.values = rows * (SPARSE_VALUES if kind == "sparsevec" else dims)
        name = f"{kind.rstrip('[]')}_{dims}"
        self.table = f"copy_{name}"
        declared = kind if kind == "float4[]" else f"{kind}({dims})"
        conn.execute(f"DROP TABLE IF EXISTS {self.table}")
        conn.execute(f"CREATE UNLOGGED TABLE {self.table} (id integer, v {declared})"
                     " WITH (autovacuum_enabled = off)")
        conn.execute(f"ALTER TABLE {self.table} ALTER v SET STORAGE EXTERNAL")
        self.text = folder / f"{name}.txt"
        self.binary = folder / f"{name}.bin"
        if kind == "sparsevec":
            sparse_text(self.text, rows, values)
            conn.execute(f"COPY {self.table} FROM '{self.text}'")
            conn.execute(f"COPY {self.table} TO '{folder}/out/{name}.bin' (FORMAT binary)")
            shutil.move(folder / "out" / self.binary.name, self.binary)
        else:
            dense_text(self.text, values, kind)
            self.binary.write_bytes(common.COPY_HEADER + common.copy_records(values, kind)
                                    + common.COPY_TRAILER)
        self.size = {f: p.stat().st_size for f, p in (("text", self.text), ("binary", self.binary))}

    def time(self, sql, truncate=False):
        if truncate:
            self.conn.execute(f"TRUNCATE {self.table}")
        return common.timed_backend(self.conn.info.backend_pid, self.conn.execute, sql)

    def operations(self):
        """{operation: (format, function returning (wall, CPU) ms)}; COPY TO
        comes after a COPY FROM that has filled the table."""
        def copy_to(form):
            if common.one(self.conn, f"SELECT count(*) FROM {self.table}") != self.rows:
                self.time(f"COPY {self.table} FROM '{self.binary}' (FORMAT binary)", True)
            return self.time(f"COPY {self.table} TO '/dev/null' (FORMAT {form})")

        out = {}
        for form, path in (("text", self.text), ("binary", self.binary)):
            out[f"{form} FROM, parse"] = (form, lambda f=form, p=path: self.time(
                f"COPY {self.table} FROM '{p}' (FORMAT {f}) WHERE false"))
            out[f"{form} FROM"] = (form, lambda f=form, p=path: self.time(
                f"COPY {self.table} FROM '{p}' (FORMAT {f})", True))
            out[f"{form} TO"] = (form, lambda f=form: copy_to(f))
        return out


def main():
    arg = argparse.ArgumentParser(description="COPY of vectors against float4[]")
    arg.add_argument("--dims", type=int, nargs="+", default=[384, 1536])
    arg.add_argument("--values", type=int, default=7_680_000, help="numbers a table, rows times dims")
    arg.add_argument("--rounds", type=int, default=7)
    arg.add_argument("--cpu", type=int, default=1 % (common.os.cpu_count() or 1))
    arg.add_argument("--json", type=pathlib.Path, help="append the figures to this file")
    arg = arg.parse_args()

    conn = common.connect(max_parallel_workers_per_gather=0)
    about = common.describe(conn)
    common.require_shared_buffers(conn, 1 << 30)
    rng = np.random.default_rng(1)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vector-copy-"))
    folder.chmod(0o755)
    (folder / "out").mkdir()
    (folder / "out").chmod(0o777)
    try:
        groups = []
        for dims in arg.dims:
            rows = arg.values // dims
            values = rng.standard_normal((rows, dims)).astype(np.float32)
            values /= np.linalg.norm(values, axis=1, keepdims=True)
            groups.append([Case(conn, folder, kind, dims, rows, values)
                           for kind in ("float4[]", "vector", "halfvec")])
        groups.append([Case(conn, folder, "sparsevec", SPARSE_DIMS, arg.values // 8 // SPARSE_VALUES, rng)])
        common.pin(arg.cpu, conn.info.backend_pid)
        result = {}
        for group in groups:
            contestants = {}
            for case in group:
                for operation, (_, run) in case.operations().items():
                    run()			# caches, and the table's file
                    contestants[case.label, operation] = run
            figures = common.interleaved(contestants, arg.rounds)
            rows = []
            for operation, (form, _) in group[0].operations().items():
                for case in group:
                    times = figures[case.label, operation]
                    wall, ms = common.median(times)
                    row = dict(ms=wall, cpu_ms=ms, mb_s=case.size[form] / ms / 1e3, rows_s=case.rows / ms * 1e3,
                               mvalues_s=case.values / ms / 1e3)
                    compared = ["", ""]
                    if group[0].kind == "float4[]" and case is not group[0]:
                        # How many times faster than the array.
                        r, low, high = common.ratio(figures[group[0].label, operation], times)
                        row.update(speedup=r, low=low, high=high)
                        compared = [f"{r:.2f}", f"{low:.2f}-{high:.2f}"]
                    result[f"{case.label} {operation}"] = row
                    rows.append([operation, case.kind, f"{wall:.0f}", f"{ms:.0f}", f"{row['mb_s']:.0f}",
                                 f"{row['rows_s']:.0f}", f"{row['mvalues_s']:.1f}", *compared])
            case = group[0]
            print(f"\n{case.rows} rows of {case.dims} dims"
                  + (f", {SPARSE_VALUES} values each" if case.kind == "sparsevec" else "")
                  + f", {arg.rounds} rounds; load now {common.load()}\n")
            common.print_table(["COPY", "type", "ms", "CPU ms", "MB/s", "rows/s", "M values/s",
                                "times float4[]", "range"], rows)
        common.add_result(arg.json, "copy", dict(about=about, figures=result))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
