#!/usr/bin/env python3
"""Real sentence embeddings: texts.py's texts by all-MiniLM-L6-v2, 384 dims.

    bench/cache/venv/bin/python bench/data/sentences.py [--count 312000]

Writes CACHE/sentences.npy (float32, unit vectors) and sentences.txt (the texts,
one a line, same order).  About 300 texts a second on two idle cores.  Works in
blocks that are kept, so it may be stopped and started again; --partly puts
together what is there.
"""

import argparse
import os
import sys
import time

import numpy as np

sys.dont_write_bytecode = True
import texts as source
import common

BLOCK = 4000
PARTS = common.CACHE / "sentences.parts"


def main():
    arg = argparse.ArgumentParser(description="Embed real short texts")
    arg.add_argument("--count", type=int, default=312000)
    arg.add_argument("--threads", type=int, default=os.cpu_count())
    arg.add_argument("--partly", action="store_true", help="embed nothing, put together the blocks there are")
    arg = arg.parse_args()
    PARTS.mkdir(parents=True, exist_ok=True)
    items = source.texts(arg.count)
    encoder, started, new, out = None, time.time(), 0, []
    for at in range(0, len(items), BLOCK):
        path = PARTS / f"{at:07}.npy"
        part = items[at:at + BLOCK]
        if path.exists() and len(np.load(path, mmap_mode="r")) == len(part):
            out.append(np.load(path))
            continue
        if arg.partly:
            break
        if encoder is None:
            from encoder import Encoder
            encoder = Encoder(arg.threads)
        out.append(encoder.encode(part))
        # Whole or not at all: a stop in between must not leave half a file.
        np.save(path.with_suffix(".tmp.npy"), out[-1])
        path.with_suffix(".tmp.npy").rename(path)
        new += len(part)
        print(f"{at + len(part)} of {len(items)}, {new / (time.time() - started):.0f} texts/s", flush=True)
    vectors = np.concatenate(out)
    # Texts that differ beyond the model's limit, or in nothing it sees, have the
    # same vector: one of them is enough.
    first = np.sort(np.unique(vectors.round(5), axis=0, return_index=True)[1])
    (common.CACHE / "sentences.txt").write_text("\n".join(items[i] for i in first) + "\n")
    np.save(common.CACHE / "sentences.tmp.npy", vectors[first])
    (common.CACHE / "sentences.tmp.npy").rename(common.CACHE / "sentences.npy")
    print(f"{len(first)} x {vectors.shape[1]} in {common.CACHE / 'sentences.npy'}")


if __name__ == "__main__":
    main()
