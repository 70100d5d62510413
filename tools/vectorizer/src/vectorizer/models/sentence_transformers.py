"""Local models by sentence-transformers, for those that onnxruntime does not run."""

import sentence_transformers

from ..errors import VectorizerError
from .base import Model, Reranker


class SentenceTransformersModel(Model):
    def __init__(self, name):
        try:
            self.model = sentence_transformers.SentenceTransformer(name, trust_remote_code=False)
        except (OSError, ValueError) as e:
            raise VectorizerError(f"sentence-transformers:{name}: {e}") from e
        # its name up to version 5
        ask = getattr(self.model, "get_embedding_dimension", None) or self.model.get_sentence_embedding_dimension
        self.dimensions = ask()
        # its own truncates, and texts are measured with it
        backend = getattr(self.model.tokenizer, "backend_tokenizer", None)
        if backend is not None:
            self.tokenizer = type(backend).from_str(backend.to_str())
            self.tokenizer.no_truncation()
            self.tokenizer.no_padding()

    def embed(self, inputs):
        return self.model.encode(inputs, normalize_embeddings=True, show_progress_bar=False)


class SentenceTransformersCrossEncoder(Reranker):
    def __init__(self, name):
        self.model = sentence_transformers.CrossEncoder(name, trust_remote_code=False)

    def score(self, query, texts):
        return [float(s) for s in self.model.predict([(query, t) for t in texts], show_progress_bar=False)]
