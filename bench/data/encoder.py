"""all-MiniLM-L6-v2 for many short texts: onnxruntime's fused BERT operators.

The same model as demo/minilm.py, whose weights and tokenizer it uses; that one
needs nothing but numpy, this one is several times as fast.  The graph is put
together here from the weights, so no converter and no framework is needed.
"""

import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import common
sys.path.insert(0, str(common.ROOT / "demo"))
import minilm

LONGEST = 128		# tokens of a text that count; the model's own limit is 256
FUSED = "com.microsoft"


def graph(weights, config):
    """The encoder as an ONNX model: input_ids [batch, tokens], no padding, to
    the last layer's values [batch, tokens, hidden]."""
    constants, nodes = {}, []

    def constant(name, value):
        constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weight(name, transposed=False):
        return constant(name, weights[name].T if transposed else weights[name])

    def node(op, inputs, domain=FUSED, **attributes):
        out = f"{op}{len(nodes)}"
        # It has a second output that nobody needs here.
        more = {"EmbedLayerNormalization": [out + ".mask"]}.get(op, [])
        nodes.append(helper.make_node(op, inputs, [out, *more], domain=domain, name=out, **attributes))
        return out

    def norm(at, x, skip, bias):
        return node("SkipLayerNormalization",
                    [x, skip, weight(at + ".weight"), weight(at + ".bias"), weight(bias)],
                    epsilon=config["layer_norm_eps"])

    at = "embeddings."
    x = node("EmbedLayerNormalization",
             ["input_ids", "segments", *(weight(f"{at}{kind}_embeddings.weight")
                                         for kind in ("word", "position", "token_type")),
              weight(at + "LayerNorm.weight"), weight(at + "LayerNorm.bias")],
             epsilon=config["layer_norm_eps"])
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        qkv = [f"{at}attention.self.{part}" for part in ("query", "key", "value")]
        attention = node("Attention", [
            x,
            constant(at + "qkv", np.concatenate([weights[p + ".weight"].T for p in qkv], 1)),
            constant(at + "qkv.bias", np.concatenate([weights[p + ".bias"] for p in qkv]))],
            num_heads=config["num_attention_heads"])
        y = node("MatMul", [attention, weight(at + "attention.output.dense.weight", True)], "")
        x = norm(at + "attention.output.LayerNorm", y, x, at + "attention.output.dense.bias")
        y = node("MatMul", [x, weight(at + "intermediate.dense.weight", True)], "")
        y = node("BiasGelu", [y, weight(at + "intermediate.dense.bias")])
        y = node("MatMul", [y, weight(at + "output.dense.weight", True)], "")
        x = norm(at + "output.LayerNorm", y, x, at + "output.dense.bias")
    nodes.append(helper.make_node("Identity", [x], ["hidden"]))
    shape = ["batch", "tokens"]
    made = helper.make_graph(
        nodes, "minilm",
        [helper.make_tensor_value_info(name, TensorProto.INT32, shape) for name in ("input_ids", "segments")],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [*shape, config["hidden_size"]])],
        list(constants.values()))
    return helper.make_model(made, ir_version=9, opset_imports=[helper.make_opsetid("", 17),
                                                               helper.make_opsetid(FUSED, 1)])


class Encoder:
    def __init__(self, threads):
        model = minilm.MiniLM()
        self.tokenizer = model.tokenizer
        self.tokenizer.enable_truncation(LONGEST)
        self.dims = model.config["hidden_size"]
        made = graph(model.w, model.config)
        onnx.checker.check_model(made, skip_opset_compatibility_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(made.SerializeToString(), options,
                                                    providers=["CPUExecutionProvider"])

    def batches(self, texts, batch_tokens):
        """For each batch, which texts it has, and their tokens' last layer [texts,
        tokens, dims].  Only texts of equal token count share a batch: no padding,
        no mask."""
        ids = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        by_length = {}
        for i, t in enumerate(ids):
            by_length.setdefault(len(t), []).append(i)
        for length, rows in by_length.items():
            step = max(1, batch_tokens // length)
            for at in range(0, len(rows), step):
                part = rows[at:at + step]
                batch = np.array([ids[i] for i in part], np.int32)
                yield part, self.session.run(["hidden"], {"input_ids": batch, "segments": np.zeros_like(batch)})[0]

    def encode(self, texts, batch_tokens=2048):
        """Unit vectors, float32 [len(texts), dims], in the order of texts."""
        texts = list(texts)
        out = np.empty((len(texts), self.dims), np.float32)
        for part, hidden in self.batches(texts, batch_tokens):
            out[part] = hidden.mean(axis=1)
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def encode_tokens(self, texts, batch_tokens=2048):
        """A unit vector for each token, without the two that mark a text's beginning
        and end: a list of float32 [tokens, dims], in the order of texts."""
        texts = list(texts)
        out = [None] * len(texts)
        for part, hidden in self.batches(texts, batch_tokens):
            hidden = hidden / np.linalg.norm(hidden, axis=2, keepdims=True)
            for i, vectors in zip(part, hidden):
                out[i] = vectors[1:-1] if len(vectors) > 2 else vectors
        return out
