#!/usr/bin/env python3
"""Search pictures by a picture: 1,797 handwritten digits, and a page that shows the nearest ones.

    pip install scikit-learn psycopg[binary] pgvector
    python examples/image_search.py [page.html]

in a database of yours (PGHOST and the like say which), where it makes the table
digit_images and drops it in the end. The pictures come with scikit-learn; their
64 pixels are the vector. For photographs, take the embeddings of a model such as
CLIP instead: nothing else changes.
"""

import base64
import struct
import sys
import zlib

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from sklearn.datasets import load_digits

QUERIES = range(0, 1797, 180)


def png(pixels):
    """An <img> of an array of 8 x 8 grey values from 0 to 16."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    grey = (255 - pixels.reshape(8, 8) * 255 / 16).astype(np.uint8)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in grey))
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return f'<img src="data:image/png;base64,{base64.b64encode(image).decode()}">'


def main(page="digits.html"):
    digits = load_digits()
    with psycopg.connect(autocommit=True) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(conn)
        conn.execute("DROP TABLE IF EXISTS digit_images")
        conn.execute("CREATE TABLE digit_images (id integer PRIMARY KEY, digit integer, pixels vector(64))")
        with conn.cursor().copy("COPY digit_images FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["integer", "integer", "vector"])
            for i, (pixels, digit) in enumerate(zip(digits.data, digits.target)):
                copy.write_row((i, int(digit), pixels))
        conn.execute("CREATE INDEX ON digit_images USING hnsw (pixels vector_l2_ops)")
        conn.execute("ANALYZE digit_images")

        rows, right = [], 0
        for query in QUERIES:
            found = conn.execute("SELECT id, digit, pixels <-> %s AS distance FROM digit_images WHERE id <> %s ORDER BY distance LIMIT 8",
                                 (digits.data[query], query)).fetchall()
            right += sum(digit == digits.target[query] for _, digit, _ in found)
            cells = "".join(f"<td>{png(digits.data[i])}<br>{digit}, {distance:.1f}" for i, digit, distance in found)
            rows.append(f"<tr><th>{png(digits.data[query])}<br>{digits.target[query]}{cells}")
        conn.execute("DROP TABLE digit_images")
    with open(page, "w") as out:
        out.write("<!doctype html><meta charset=utf-8><title>Digits</title><style>img { width: 64px; image-rendering: pixelated }"
                  " th { background: #cde } td, th { padding: 4px; text-align: center; font: 12px sans-serif }</style>"
                  "<h1>Nearest pictures</h1><p>The query, then the nearest: digit, distance<table>" + "".join(rows) + "</table>")
    print(f"{right} of the {8 * len(QUERIES)} nearest pictures show the digit of the query: see {page}")


if __name__ == "__main__":
    main(*sys.argv[1:])
