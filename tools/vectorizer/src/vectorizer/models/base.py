"""The interface of a model, and how its answers are checked and written."""

import math

import numpy as np

from ..errors import BadAnswer


class Model:
    """What turns inputs into embeddings.

    kind is "dense" or "sparse"; inputs "text" or "image" (bytes of a file).
    dimensions is their number, or None until the model has answered once.
    tokenizer is a tokenizers.Tokenizer, or None where the model keeps its own.
    batch is how many inputs one call of embed takes at most.

    embed and embed_query raise Unavailable and Rejected (errors.py), and
    nothing of what they raise may contain a key.
    """

    kind = "dense"
    inputs = "text"
    dimensions = None
    tokenizer = None
    batch = 64

    def embed(self, inputs):
        """One embedding for each input, in order: for a dense model a sequence
        of floats, for a sparse one {index from 0: weight}."""
        raise NotImplementedError

    def embed_query(self, text):
        """The embedding of what somebody looks for."""
        return self.embed([text])[0]

    def probe(self):
        """The number of dimensions, by asking for an embedding if need be."""
        if self.dimensions is None:
            self.dimensions = len(self.embed_query("dimensions"))
        return self.dimensions


class Reranker:
    def score(self, query, texts):
        """How well each text answers the query: a float for each, the higher
        the better."""
        raise NotImplementedError


def to_text(embedding, dimensions, kind):
    """The text form of a vector, or of a sparsevec, that PostgreSQL reads.
    Raises BadAnswer for what does not fit the column."""
    if kind == "sparse":
        items = sorted((int(i), float(v)) for i, v in embedding.items() if v)
        if items and not (0 <= items[0][0] and items[-1][0] < dimensions):
            raise BadAnswer(f"the model gave index {items[-1][0]}, the column has {dimensions} dimensions")
        if not all(math.isfinite(v) for _, v in items):
            raise BadAnswer("the model gave a value that is not finite")
        return "{" + ",".join("%d:%.9g" % (i + 1, v) for i, v in items) + "}/%d" % dimensions
    try:
        v = np.asarray(embedding, dtype=np.float32)
    except (TypeError, ValueError) as e:
        raise BadAnswer(f"the model gave something that is no vector: {e}") from e
    if v.shape != (dimensions,):
        got = "x".join(str(n) for n in v.shape)
        raise BadAnswer(f"the model gave {got} dimensions, the column has {dimensions}")
    if not np.isfinite(v).all():
        raise BadAnswer("the model gave a value that is not finite")
    return "[" + ",".join(["%.9g"] * dimensions) % tuple(v.tolist()) + "]"


def embed_checked(model, inputs, dimensions):
    """Embed inputs in calls of at most model.batch; the text form of each."""
    out = []
    for at in range(0, len(inputs), model.batch):
        part = inputs[at:at + model.batch]
        answer = model.embed(part)
        if len(answer) != len(part):
            raise BadAnswer(f"the model gave {len(answer)} embeddings of {len(part)} inputs")
        out.extend(to_text(e, dimensions, model.kind) for e in answer)
    return out
