"""Embeddings by hashing words: no model, no download, the same everywhere.

"hash:384" hashes the words of a text, and their triples of letters, to 384
signed counts (the hashing trick: Weinberger et al., Feature Hashing for Large
Scale Multitask Learning, 2009).  Texts that share words are near each other;
meaning it knows nothing of.  It is for tests, and for trying things out.
"""

import re
import zlib

import numpy as np

from ..errors import VectorizerError
from .base import Model, Reranker

WORD = re.compile(r"\w+")


def words(text):
    return WORD.findall(text.lower())


class HashingModel(Model):
    def __init__(self, name):
        if not name.isdecimal() or not 1 <= int(name) <= 16000:
            raise VectorizerError(f'"hash:{name}": the name is the number of dimensions, hash:384')
        self.dimensions = int(name)

    def embed(self, inputs):
        out = np.zeros((len(inputs), self.dimensions), np.float32)
        for row, text in zip(out, inputs):
            for word in words(text):
                padded = f" {word} "
                for piece, weight in [(word, 2.0), *((padded[i:i + 3], 0.3) for i in range(len(padded) - 2))]:
                    h = zlib.crc32(piece.encode())
                    row[(h >> 1) % self.dimensions] += weight if h & 1 else -weight
            # a text without a word has a direction as well
            length = np.linalg.norm(row)
            if length:
                row /= length
            else:
                row[0] = 1
        return out


class SharedWords(Reranker):
    """The share of the query's words that a text has.  For tests."""

    def __init__(self, name):
        pass

    def score(self, query, texts):
        wanted = set(words(query))
        return [len(wanted & set(words(t))) / max(1, len(wanted)) for t in texts]
