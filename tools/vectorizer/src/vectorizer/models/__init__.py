"""Models by name: "provider:model", or the name of a local model alone.

A provider is a class with the interface of Model.  Its module is imported when
a model of it is asked for, so that nobody needs the libraries of the others.
Keys and addresses come from the environment; nothing here takes them from the
database.
"""

import functools
import importlib

from ..errors import VectorizerError
from .base import Model, Reranker

# provider: module, class, what installs its libraries
PROVIDERS = {
    "onnx": ("onnx", "OnnxModel", "vectorizer[onnx]"),
    "sentence-transformers": ("sentence_transformers", "SentenceTransformersModel",
                              "vectorizer[sentence-transformers]"),
    "openai": ("http", "OpenAI", None),
    "ollama": ("http", "Ollama", None),
    "tei": ("http", "TEI", None),
    "voyage": ("http", "Voyage", None),
    "cohere": ("http", "Cohere", None),
    "splade": ("onnx", "OnnxSplade", "vectorizer[onnx]"),
    "clip": ("clip", "Clip", "vectorizer[clip]"),
    "hash": ("hashing", "HashingModel", None),
}
RERANKERS = {
    "onnx": ("onnx", "OnnxCrossEncoder", "vectorizer[onnx]"),
    "sentence-transformers": ("sentence_transformers", "SentenceTransformersCrossEncoder",
                              "vectorizer[sentence-transformers]"),
    "tei": ("http", "TEIReranker", None),
    "voyage": ("http", "VoyageReranker", None),
    "cohere": ("http", "CohereReranker", None),
    "words": ("hashing", "SharedWords", None),
}


def _load(table, spec):
    provider, _, name = spec.partition(":")
    if not name:
        # a bare name is a local model's
        provider, name = "onnx", spec
    if provider not in table:
        raise VectorizerError(f'no provider "{provider}" (of "{spec}"); there are: {", ".join(table)}')
    module, cls, extra = table[provider]
    try:
        return getattr(importlib.import_module(f".{module}", __name__), cls)(name)
    except ModuleNotFoundError as e:
        raise VectorizerError(f'"{spec}" needs the Python module {e.name}: '
                              f"pip install '{extra or e.name}'") from e


@functools.lru_cache(maxsize=8)
def load_model(spec) -> Model:
    """The model a spec names, loaded once in a process."""
    return _load(PROVIDERS, spec)


@functools.lru_cache(maxsize=4)
def load_reranker(spec) -> Reranker:
    return _load(RERANKERS, spec)
