#!/usr/bin/env python3
"""The tables of docs/sizing.md: formulas fitted to measured builds and searches
(MEASURED, of ../RESULTS.md), what they say for large sets, and how far off they are.

    python bench/defaults/sizing.py            # tables in Markdown
    python bench/defaults/sizing.py --check    # the formulas beside what was measured
"""

import argparse
import math

# method, rows, dimensions, index MB, peak MB of the build, CPU seconds of the build by one
# process, ms at the recall in brackets; None: not measured.  Of ../RESULTS.md: growth-1M and
# growth-synthetic, search-1M-768, search-1M-1536, search-10M-96, "A run of everybody".
MEASURED = [
    ("hnsw", 10_000, 768, 22.6, 8.0, 2.19, .074),
    ("hnsw", 100_000, 768, 226, 84.9, 33.9, .102),
    ("hnsw", 300_000, 768, 677, 255, 123, .096),
    ("hnsw", 1_000_000, 768, 2258, 849, 467, .119),
    ("hnsw", 1_000_000, 1536, 5180, 1681, None, .145),
    ("hnsw", 300_000, 384, 364, None, None, .117),
    ("ivfrabitq index", 10_000, 768, 21.1, 34.2, .902, .093),
    ("ivfrabitq index", 100_000, 768, 186, 259, 10.4, .149),
    ("ivfrabitq index", 300_000, 768, 546, 451, 19.4, .226),
    ("ivfrabitq index", 1_000_000, 768, 1796, 820, 56.2, .133),
    ("ivfrabitq index", 1_000_000, 1536, 4394, 1635, None, .195),
    ("ivfrabitq index", 10_000_000, 96, 3100, 1488, None, 1.29),
    ("ivfrabitq", 1_000_000, 768, 157, 819, 41.9, .222),
    ("ivfrabitq", 300_000, 384, 31, None, None, .314),
    ("flat", 300_000, 384, 123, None, .6, 10.2),
    ("flat", 60_000, 784, 49, None, .7, 5.7),
]

M = 16
PAGE = 8192 - 24 - 16


def slots(size):
    """Bytes of a row in slots of so many bytes: pages hold whole ones"""
    per_page = PAGE // size
    return 8192 / per_page if per_page else 8192 * math.ceil(size / PAGE)


def align(n):
    return (n + 7) // 8 * 8


def code_bits(dims):
    return 8 if dims < 256 else 4


def hnsw_hot(dims):
    """Bytes of a row that searches read: node, code, 2 m edges; upper nodes are one in 16"""
    code = align(8 + math.ceil(dims / 64) * 64 * code_bits(dims) / 8)
    return slots(align(32 + code + 8 * M)) + slots(align(32 + code + 4 * M)) / (M - 1)


def half_value(dims):
    return slots(align(2 * dims + 8))


def rabitq_entry(dims, rows):
    """RaBitQ codes of an inverted file; a list has a page that is half full, and its centroid"""
    bits = 4 if dims < 64 else 2 if dims < 256 else 1
    lists = min(4 * math.sqrt(rows), 32768)
    return (18 + 8 + math.ceil(dims / 64) * 64 * bits / 8) * 8192 / PAGE * 1.02 + lists * (4096 + 4 * dims) / rows


def trained(rows):
    return min(rows, 64 * min(4 * math.sqrt(rows), 32768))


# -- formulas: bytes, bytes, seconds of one core, milliseconds -----------------

def size(method, rows, dims):
    if method == "hnsw":
        return rows * (hnsw_hot(dims) + half_value(dims))
    if method == "hnsw heap":
        return rows * hnsw_hot(dims)
    if method == "flat":
        return rows * (dims + 26) * 1.01
    return rows * (rabitq_entry(dims, rows) + (half_value(dims) if method.endswith("index") else 0))


def hot(method, rows, dims):
    return size({"hnsw": "hnsw heap", "ivfrabitq index": "ivfrabitq"}.get(method, method), rows, dims)


def memory(method, rows, dims):
    """Of the build: a graph's nodes; the rows that lists are trained by"""
    if method.startswith("hnsw"):
        return rows * (.95 * hnsw_hot(dims) + 16 * M + 20)
    if method == "flat":
        return 50e6
    return 1.06 * (trained(rows) * 65 / 64) * dims * 4


def seconds(method, rows, dims):
    if method.startswith("hnsw"):
        return 467 * (rows / 1e6) ** 1.18 * (.55 + .45 * dims / 768)
    if method == "flat":
        return rows * dims * 1.0e-8
    at_corner = 7.3 * (dims / 768) ** .9
    return at_corner * min(rows / 65536, 1) ** 1.1 * max(rows / 65536, 1) ** .75


def latency(method, rows, dims):
    """At recall .95, everything in memory, one client: text embeddings like the sets measured"""
    if method == "hnsw":
        return .121 * (rows / 1e6) ** .15 * (.75 + .25 * dims / 768)
    if method == "hnsw heap":
        return 2 * latency("hnsw", rows, dims)
    if method == "flat":
        return rows * dims * 1e-7 * .95
    return (.1 + .13 * (rows / 1e6) ** .5) * (.55 + .45 * dims / 768) * (.75 if method.endswith("index") else 1)


METHODS = ["hnsw", "hnsw heap", "ivfrabitq index", "ivfrabitq", "flat"]
ROWS = [10 ** 6, 10 ** 7, 10 ** 8, 10 ** 9]
DIMS = [96, 384, 768, 1536]


def human(n, units=((1e12, "TB"), (1e9, "GB"), (1e6, "MB"))):
    for factor, unit in units:
        if n >= factor * .9995:
            break
    return f"{n / factor:.3g} {unit}"


def period(s):
    for factor, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if s >= factor:
            break
    return f"{s / factor:.2g} {unit}"


def milliseconds(ms):
    return f"{ms:.2g}" if ms < 10 else f"{ms:,.0f}"


def check():
    print("| | rows | dimensions | size | memory | build | latency |\n|---|---|---|---|---|---|---|")
    for method, rows, dims, mb, peak, cpu, ms in MEASURED:
        pairs = ((size, mb and mb * 1e6), (memory, peak and peak * 1e6), (seconds, cpu), (latency, ms))
        print(f"| {method} | {rows:,} | {dims} | " + " | ".join("" if not m else f"{f(method, rows, dims) / m:.2f}" for f, m in pairs) + " |")


def tables(dollars):
    for rows in ROWS:
        print(f"\n**{rows:,} rows**\n")
        print("| | dimensions | table | index | memory that searches want | memory of the build | build, one core | ms a search | $ a month |\n|---|---|---|---|---|---|---|---|---|")
        for method in METHODS:
            for dims in DIMS:
                table = rows * slots(min(4 * dims + 8, PAGE)) if dims <= 1900 else rows * dims * 4.3
                index, warm, build = (f(method, rows, dims) for f in (size, hot, memory))
                cost = warm / 1e9 * dollars[0] + (index + table) / 1e9 * dollars[1]
                print(f"| {method} | {dims} | {human(table)} | {human(index)} | {human(warm)} | {human(build)} | "
                      f"{period(seconds(method, rows, dims))} | {milliseconds(latency(method, rows, dims))} | {cost:,.0f} |")


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--check", action="store_true")
    arg.add_argument("--dollars", type=float, nargs=2, default=[5, .1], metavar=("MEMORY", "DISK"), help="a month, for a GB")
    arg = arg.parse_args()
    if arg.check:
        check()
    else:
        tables(arg.dollars)


if __name__ == "__main__":
    main()
