#!/usr/bin/env python3
"""Real sentence embeddings: texts.py's texts by all-MiniLM-L6-v2, 384 dims.

    bench/cache/venv/bin/python bench/data/sentences.py [--count 314000]

Writes CACHE/sentences.npy (float32, unit vectors) and sentences.txt (the texts,
one a line, same order).  About 300 texts a second on two idle cores.  Works in
blocks that are kept, so it may be stopped and started again; --partly puts
together what is there.
"""

import argparse
import multiprocessing
import os
import sys
import time

import numpy as np

sys.dont_write_bytecode = True
import texts as source
import common

BLOCK = 4000
PARTS = common.CACHE / "sentences.parts"


def path_of(at):
    return PARTS / f"{at:07}.npy"


def finished(at, many):
    return path_of(at).exists() and len(np.load(path_of(at), mmap_mode="r")) == many


def start():
    global encoder
    from encoder import Encoder
    encoder = Encoder(1)


def embed(block):
    at, part = block
    # Whole or not at all: a stop in between must not leave half a file.
    partly = path_of(at).with_suffix(".tmp.npy")
    np.save(partly, encoder.encode(part))
    partly.rename(path_of(at))


def main():
    arg = argparse.ArgumentParser(description="Embed real short texts")
    arg.add_argument("--count", type=int, default=314000)
    arg.add_argument("--processes", type=int, default=os.cpu_count())
    arg.add_argument("--partly", action="store_true", help="embed nothing, put together the blocks there are")
    arg = arg.parse_args()
    PARTS.mkdir(parents=True, exist_ok=True)
    items = source.texts(arg.count)
    blocks = range(0, len(items), BLOCK)
    missing = [at for at in blocks if not finished(at, len(items[at:at + BLOCK]))]
    if missing and not arg.partly:
        # Processes of one thread each: threads would wait for one another.
        with multiprocessing.get_context("spawn").Pool(arg.processes, initializer=start) as pool:
            started = time.time()
            for done, _ in enumerate(pool.imap_unordered(embed, ((at, items[at:at + BLOCK]) for at in missing)), 1):
                print(f"{len(blocks) - len(missing) + done} of {len(blocks)} blocks of {BLOCK}, "
                      f"{done * BLOCK / (time.time() - started):.0f} texts/s", flush=True)
    out = []
    for at in blocks:
        if not finished(at, len(items[at:at + BLOCK])):
            break
        out.append(np.load(path_of(at)))
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
