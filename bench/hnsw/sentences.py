#!/usr/bin/env python3
"""Vectors of real short texts, 306,000 x 384, for the graph benchmarks.

The texts are those a Debian has: dictionary definitions (GCIDE), glosses
(WordNet) and package descriptions.  No pretrained model is at hand, so the
vectors are made from the texts alone: word vectors by SVD of their positive
pointwise mutual information (Levy, Goldberg & Dagan 2015), texts as their
weighted average without the first principal component (SIF: Arora, Liang & Ma
2017), unit norm.  Writes bench/cache/sentences.npy (float32)
and sentences.txt (the texts, same order).  Takes a minute and a half.
"""

import argparse
import gzip
import pathlib
import random
import re
import subprocess
import sys

import numpy as np
import scipy.sparse as sp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common

CACHE = common.ROOT / "bench" / "cache"
PACKAGES = ("wordnet-base", "dict-gcide")
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*|[0-9]+")
LONGEST = 64		# words of a text that count


def unpacked():
    """The folder with the packages' files, fetched by apt, not installed."""
    folder = CACHE / "texts"
    if not (folder / "usr").is_dir():
        debs = folder / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES],
                       cwd=debs, check=True)
        for deb in debs.glob("*.deb"):
            subprocess.run(["dpkg", "-x", deb, folder], check=True)
    return folder


def wordnet(folder):
    """Word: gloss; its examples are left out."""
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"usr/share/wordnet/data.{part}").open():
            if line[0] != " ":
                head, gloss = line.split(" | ", 1)
                words = head.split()[4:4 + 2 * int(head.split()[3], 16):2]
                yield ", ".join(w.replace("_", " ") for w in words) + ": " + gloss.split('; "')[0]


def gcide(folder):
    """Headword: each paragraph of its definition."""
    text = gzip.open(folder / "usr/share/dictd/gcide.dict.dz", "rt", errors="replace").read()
    head = ""
    for paragraph in re.split(r"\n[ \t]*\n|\[1913 Webster[^]]*\]|\[PJC\]|\[WordNet[^]]*\]", text):
        lines = paragraph.strip("\n").split("\n")
        if lines[0][:1].strip():
            head = lines.pop(0).split("\\")[0].split("[")[0].strip()
        body = re.sub(r"\[[^]]*\]|--[A-Z][^\n]*|[{}\"]", " ", "\n".join(lines))
        yield head + ": " + re.sub(r"^\W*(\d+\.)?\s*(\(.*?\))?", "", body)


def debian():
    out = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    for stanza in out.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line and line[0] != " ")
        yield fields.get("Package", "") + ": " + fields.get("Description", "")


def texts(count):
    """Distinct texts of at least four words, shuffled, always alike."""
    folder = unpacked()
    seen = {}
    for source in (wordnet(folder), gcide(folder), debian()):
        for text in source:
            text = " ".join(text.split())
            words = WORD.findall(text.lower())[:LONGEST]
            if len(words) >= 4:
                seen.setdefault(" ".join(words), text)
    items = sorted(seen.items())
    random.Random(1).shuffle(items)
    print(f"{len(items)} distinct texts")
    return items[:count]


def truncated_svd(m, dims, rng):
    """U sqrt(S) of the sparse m, by a randomized range finder (Halko et al. 2011)."""
    q = rng.standard_normal((m.shape[1], dims + 32), np.float32)
    for _ in range(5):
        q = np.linalg.qr(m.T @ np.linalg.qr(m @ q)[0])[0]
    u, s, _ = np.linalg.svd(m @ q, full_matrices=False)
    return u[:, :dims] * np.sqrt(s[:dims])


def embed(items, dims):
    tokens = [words.split() for words, _ in items]
    counts = {}
    for words in tokens:
        for w in words:
            counts[w] = counts.get(w, 0) + 1
    vocabulary = {w: i for i, w in enumerate(sorted(w for w, c in counts.items() if c >= 3))}
    frequency = np.array([counts[w] for w in vocabulary], np.float64)
    print(f"{len(vocabulary)} words, {frequency.sum():.0f} tokens", flush=True)

    column = [[vocabulary[w] for w in words if w in vocabulary] for words in tokens]
    index = np.fromiter((i for c in column for i in c), np.int32)
    start = np.cumsum([0] + [len(c) for c in column])
    bag = sp.csr_matrix((np.ones(len(index), np.float32), index, start), (len(items), len(vocabulary)))
    bag.sum_duplicates()

    # How often two words share a text, against chance (contexts smoothed by ^.75).
    once = bag.copy()
    once.data[:] = 1
    pairs = (once.T @ once).tocoo()
    off = (pairs.row != pairs.col) & (pairs.data >= 2)
    row, col, n = pairs.row[off], pairs.col[off], pairs.data[off].astype(np.float64)
    total = np.bincount(row, n, len(vocabulary))
    context = total ** .75
    pmi = np.log(n * context.sum() / (total[row] * context[col]))
    keep = pmi > 0
    matrix = sp.csr_matrix((pmi[keep].astype(np.float32), (row[keep], col[keep])),
                           (len(vocabulary), len(vocabulary)))
    print(f"{matrix.nnz} pairs", flush=True)
    word = truncated_svd(matrix, dims, np.random.default_rng(1))

    share = frequency / frequency.sum()
    bag = sp.diags(1 / np.maximum(np.diff(start), 1)).dot(bag).dot(sp.diags(1e-3 / (1e-3 + share)))
    out = np.asarray(bag.astype(np.float32) @ word, np.float32)
    first = np.linalg.eigh(out.T @ out)[1][:, -1]
    out -= np.outer(out @ first, first)
    norm = np.linalg.norm(out, axis=1, keepdims=True)
    return out / np.maximum(norm, 1e-12), norm[:, 0] > 1e-6


def main():
    arg = argparse.ArgumentParser(description="Make vectors of real short texts")
    arg.add_argument("--count", type=int, default=310000, help="texts; some have equal vectors and are left out")
    arg.add_argument("--dims", type=int, default=384)
    arg = arg.parse_args()
    items = texts(arg.count)
    vectors, good = embed(items, arg.dims)
    # Texts of the same known words have the same vector: one of them is enough.
    good &= np.isin(np.arange(len(vectors)), np.unique(vectors.round(5), axis=0, return_index=True)[1])
    np.save(CACHE / "sentences.npy", vectors[good])
    (CACHE / "sentences.txt").write_text("\n".join(t for (_, t), g in zip(items, good) if g) + "\n")
    print(f"{good.sum()} x {arg.dims} in {CACHE / 'sentences.npy'}")


if __name__ == "__main__":
    main()
