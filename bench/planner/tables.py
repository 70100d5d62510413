"""Tables for what the planner is measured with: vectors near a surface of few
dimensions, as embeddings are, and two numbers to filter by.

plain_D_N has an index of the vectors alone, filter_D_N one with both numbers as
filter columns; f has a btree beside, g has none.  Both numbers are uniform in
0 .. 999,999 and do not depend on the vector.
"""

import struct

import numpy as np

LATENT = 24


def vectors(rng, count, dims):
    centers = np.random.default_rng(7).normal(size=(200, LATENT)).astype(np.float32)
    basis = np.random.default_rng(8).normal(size=(LATENT, dims)).astype(np.float32)
    latent = centers[rng.integers(0, len(centers), count)] + 0.5 * rng.normal(size=(count, LATENT)).astype(np.float32)
    return (latent @ basis + 0.3 * rng.normal(size=(count, dims))).astype(np.float32)


def literal(vector):
    return "[" + ",".join(f"{x:.5g}" for x in vector) + "]"


def load(conn, name, count, dims, seed=1):
    rng = np.random.default_rng(seed)
    conn.execute(f"DROP TABLE IF EXISTS {name}")
    conn.execute(f"CREATE TABLE {name} (id int, f int, g int, v vector({dims}))")
    head = struct.pack(">HH", dims, 0)
    with conn.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN (FORMAT binary)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for start in range(0, count, 10000):
            part = vectors(rng, min(10000, count - start), dims).astype(">f4")
            numbers = rng.integers(0, 1000000, (len(part), 2))
            data = bytearray()
            for i, row in enumerate(part):
                data += struct.pack(">hiiiiiii", 4, 4, start + i, 4, int(numbers[i][0]), 4, int(numbers[i][1]), 4 + 4 * dims)
                data += head + row.tobytes()
            copy.write(bytes(data))
        copy.write(struct.pack(">h", -1))


def make(conn, count, dims, method="hnsw", options="", kinds=("plain", "filter")):
    """The tables, unless they are there; their names"""
    names = [f"{kind}_{dims}_{count}" + ("" if method == "hnsw" else "_" + method) for kind in kinds]
    for name in names:
        if conn.execute("SELECT to_regclass(%s)", (name,)).fetchone()[0] is not None:
            continue
        load(conn, name, count, dims)
        columns = "v vector_l2_ops" + (", f, g" if name.startswith("filter") else "")
        conn.execute(f"CREATE INDEX ON {name} USING {method} ({columns}) {options}")
        conn.execute(f"CREATE INDEX ON {name} (f)")
        conn.execute(f"VACUUM ANALYZE {name}")
        conn.execute(f"SELECT count(*), max(f), sum(vector_dims(v)) FROM {name}")
    return names
