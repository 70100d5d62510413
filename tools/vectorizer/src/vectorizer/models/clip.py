"""CLIP by onnxruntime: pictures are embedded, and looked for by words.

A folder as transformers.js names its files: vision_model.onnx (pixel_values to
image_embeds), text_model.onnx (input_ids to text_embeds), tokenizer.json and
preprocessor_config.json.
"""

import io

import numpy as np
import onnxruntime
from PIL import Image, UnidentifiedImageError
from tokenizers import Tokenizer

from ..errors import Rejected
from .base import Model
from .onnx import folder_of, read_json

PIXELS = 50_000_000		# of a picture, at most: a small file may hold a huge one


class Clip(Model):
    inputs = "image"
    batch = 16

    def __init__(self, name):
        folder = folder_of(name)
        inside = folder / "onnx" if (folder / "onnx").is_dir() else folder
        self.vision, self.words = (onnxruntime.InferenceSession(str(inside / f"{part}_model.onnx"),
                                                                providers=["CPUExecutionProvider"])
                                   for part in ("vision", "text"))
        self.cutter = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.cutter.enable_truncation(77)
        config = read_json(folder / "preprocessor_config.json")
        crop = config.get("crop_size", 224)
        self.size = crop if isinstance(crop, int) else crop["height"]
        self.mean = np.array(config.get("image_mean", [0.48145466, 0.4578275, 0.40821073]), np.float32)
        self.std = np.array(config.get("image_std", [0.26862954, 0.26130258, 0.27577711]), np.float32)

    def pixels(self, data):
        """The middle of a picture, its shorter side scaled: [3, size, size]."""
        try:
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > PIXELS:
                    raise Rejected(f"the picture has {image.width} x {image.height} pixels")
                image = image.convert("RGB")
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as e:
            raise Rejected(f"no picture: {e}") from e
        scale = self.size / min(image.size)
        image = image.resize([max(self.size, round(s * scale)) for s in image.size], Image.Resampling.BICUBIC)
        left, top = ((s - self.size) // 2 for s in image.size)
        image = image.crop((left, top, left + self.size, top + self.size))
        return ((np.asarray(image, np.float32) / 255 - self.mean) / self.std).transpose(2, 0, 1)

    def embed(self, inputs):
        return unit(self.vision.run(["image_embeds"], {"pixel_values": np.stack([self.pixels(i) for i in inputs])})[0])

    def embed_query(self, text):
        ids = np.array([self.cutter.encode(text).ids], np.int64)
        feeds = {i.name: ids if i.name == "input_ids" else np.ones_like(ids) for i in self.words.get_inputs()}
        return unit(self.words.run(["text_embeds"], feeds)[0])[0]


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
