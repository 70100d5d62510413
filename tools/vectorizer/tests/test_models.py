"""Local models, chunkers and retrievers, with the libraries they need."""

import io
import json
import math

import numpy as np
import pytest

from vectorizer import VectorizerError, chunkers, models, search
from vectorizer.models.base import to_text

pytestmark = pytest.mark.full
MINILM = "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def minilm():
    return models.load_model(MINILM)


def test_minilm(minilm):
    assert minilm.probe() == 384
    a, b, c, d = minilm.embed(["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose again.", "x" * 5000])
    assert np.linalg.norm(a) == pytest.approx(1, abs=1e-5) and a @ b > 0.6 > 0.2 > a @ c
    # what shares a batch does not matter, nor its length
    alone = minilm.embed(["A cat sleeps on the sofa."])[0]
    assert np.abs(alone - a).max() < 1e-5


def test_minilm_is_the_model_of_the_demo(minilm):
    """The demo's data holds embeddings by the same weights, made by other code."""
    import gzip
    import pathlib
    data = pathlib.Path(__file__).parents[3] / "demo" / "data" / "packages.tsv.gz"
    with gzip.open(data, "rt") as f:
        rows = [next(f).rstrip("\n").split("\t") for _ in range(20)]
    for row, got in zip(rows, minilm.embed([f"{r[3]}. {r[4]}".replace("\\n", "\n") for r in rows])):
        want = np.array(json.loads(row[5].replace("[.", "[0.").replace(",.", ",0.").replace("-.", "-0.")))
        assert got @ want / np.linalg.norm(want) > 0.9995


def test_life_with_minilm(db):
    db("CREATE TABLE articles (id int PRIMARY KEY, title text)")
    db("INSERT INTO articles VALUES (1, 'How to feed a kitten'), (2, 'Repairing a bicycle chain'), (3, 'Baking sourdough')")
    db.create(text="title", model=MINILM, index="hnsw", type="halfvec")
    db.drain()
    assert [h.row["id"] for h in search(db.dsn, "food for young cats", "articles", limit=1)] == [1]
    frame = search(db.dsn, "bike", "articles", as_pandas=True)
    assert list(frame.columns) == ["id", "title", "score", "why"] and frame["id"][0] == 2
    with pytest.raises(VectorizerError, match="no model"):
        models.load_model("no-such-model")


@pytest.mark.parametrize("by, text", [
    ("tokens", "Some words, MORE Words. " * 200), ("sentences", "A sentence of seven words is here. Next! " * 100),
    ("markdown", "# Head\n\nText of it.\n\n## Sub\n\n- one\n- two\n\n" * 50),
    ("code:python", "def f(a):\n    return a + 1\n\n\nclass B:\n    x = 2\n\n\n" * 50)])
def test_chunkers(minilm, by, text):
    c = chunkers.parse(by, 32, 8 if by in ("tokens", "sentences") else 0)
    out = chunkers.cut(c, minilm, text)
    assert len(out) > 10
    for chunk in out:
        assert chunk in text and len(minilm.tokenizer.encode(chunk, add_special_tokens=False).ids) <= 32
    if by == "sentences":
        assert all(c.startswith(("A sentence", "Next!")) for c in out)
    elif by == "markdown":
        assert all(c.startswith(("#", "Text", "-")) for c in out)
    elif by == "code:python":
        assert all(c.startswith(("def", "class")) for c in out)
    assert out[0][:10] == text[:10] and text.strip().endswith(out[-1][-10:].strip())


def toy(folder, outputs, build):
    """A folder with a tokenizer of a few words and a model of one operator."""
    import onnx
    from onnx import TensorProto, helper
    from tokenizers import Tokenizer, models as tm, pre_tokenizers, processors
    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "cat", "dog", "ship", "bread", "eats"]
    t = Tokenizer(tm.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                     special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    folder.mkdir(exist_ok=True)
    t.save(str(folder / "tokenizer.json"))
    nodes, constants = build(helper, onnx.numpy_helper)
    g = helper.make_graph(nodes, "toy", [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "t"]) for n in ("input_ids",)],
                          [helper.make_tensor_value_info(outputs, TensorProto.FLOAT, None)], constants)
    onnx.save(helper.make_model(g, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), str(folder / "model.onnx"))
    return folder


@pytest.mark.parametrize("index", ["hnsw", "sparse_inverted"])
def test_sparse(db, tmp_path, index):
    """A graph whose logits say: this token, with weight 2; special ones, nothing."""
    table = np.diag([0, 0, 0, 0, 2, 2, 2, 2, 2]).astype(np.float32)
    folder = toy(tmp_path / "splade", "logits", lambda h, nh: (
        [h.make_node("Gather", ["table", "input_ids"], ["logits"])], [nh.from_array(table, "table")]))
    spec = f"splade:{folder}"
    m = models.load_model(spec)
    assert m.embed(["cat eats bread"])[0] == {n: pytest.approx(math.log(3)) for n in (4, 7, 8)}
    assert to_text(m.embed(["cat"])[0], 9, "sparse").startswith("{5:1.09861")
    db("CREATE TABLE articles (id int PRIMARY KEY, title text)")
    db("INSERT INTO articles VALUES (1, 'cat eats bread'), (2, 'dog eats'), (3, 'ship')")
    db.create(text="title", model=spec, index=index)
    assert db.one("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'articles'::regclass AND attname = 'embedding'") == "sparsevec(9)"
    db.drain()
    hits = search(db.dsn, "bread cat", "articles", limit=2)
    assert hits[0].row["id"] == 1 and hits[0].similarity == pytest.approx(2 * math.log(3) ** 2, rel=1e-3)


def test_cross_encoder(tmp_path):
    """A graph whose logit is the sum of the text's token numbers."""
    folder = toy(tmp_path / "cross", "logits", lambda h, nh: (
        [h.make_node("Cast", ["input_ids"], ["f"], to=1), h.make_node("ReduceSum", ["f", "axis"], ["logits"], keepdims=1)],
        [nh.from_array(np.array([1]), "axis")]))
    r = models.load_reranker(f"onnx:{folder}")
    assert r.score("cat", ["dog", "eats eats", ""]) == [1 + 4 + 2 + 5 + 2, 1 + 4 + 2 + 16 + 2, 1 + 4 + 2 + 2]


def test_images(db, tmp_path):
    """Towers that give the mean colour, and for a word its colour."""
    from PIL import Image
    colours = np.zeros((9, 3), np.float32)
    colours[4], colours[5] = (9, 0, 0), (0, 0, 9)
    folder = toy(tmp_path / "clip", "text_embeds", lambda h, nh: (
        [h.make_node("Gather", ["table", "input_ids"], ["all"]), h.make_node("ReduceSum", ["all", "axis"], ["text_embeds"], keepdims=0)],
        [nh.from_array(colours, "table"), nh.from_array(np.array([1]), "axis")]))
    (folder / "model.onnx").rename(folder / "text_model.onnx")
    import onnx
    from onnx import TensorProto, helper
    g = helper.make_graph([helper.make_node("ReduceMean", ["pixel_values"], ["image_embeds"], axes=[2, 3], keepdims=0)], "v",
                          [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["b", 3, 8, 8])],
                          [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["b", 3])])
    onnx.save(helper.make_model(g, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), str(folder / "vision_model.onnx"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"crop_size": 8, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}))
    db("CREATE TABLE photos (id int PRIMARY KEY, file bytea)")
    for n, colour in enumerate(("red", "blue")):
        png = io.BytesIO()
        Image.new("RGB", (20 + n, 11), colour).save(png, "PNG")
        db("INSERT INTO photos VALUES (%s, %s)", n, png.getvalue())
    db("INSERT INTO photos VALUES (2, 'no picture'), (3, NULL)")
    db.create("photos", "file", model=f"clip:{folder}", input="image", index="hnsw")
    db.drain()
    assert db("SELECT id FROM photos WHERE embedding IS NULL ORDER BY id") == [(2,), (3,)]
    assert "no picture" in db.one("SELECT error FROM vectorizer.retry_1 WHERE due_at IS NULL")
    assert [h.row["id"] for h in search(db.dsn, "cat", "photos")] == [0, 1]
    assert [h.row["id"] for h in search(db.dsn, "dog", "photos")] == [1, 0]


def test_retrievers(db):
    import asyncio

    from vectorizer.langchain import VectorizerRetriever as LangChain
    from vectorizer.llama_index import VectorizerRetriever as LlamaIndex
    db.articles()
    db.create(fulltext="english")
    db.drain()
    chain = LangChain(conn=db.dsn, table="articles", options={"limit": 2, "hybrid": True})
    for docs in (chain.invoke("title 7"), asyncio.run(chain.ainvoke("title 7"))):
        assert len(docs) == 2 and docs[0].page_content.startswith("Title 7") and docs[0].metadata["id"] == 7
    index = LlamaIndex(db.dsn, "articles", limit=2)
    for nodes in (index.retrieve("title 7"), asyncio.run(index.aretrieve("title 7"))):
        assert nodes[0].text.startswith("Title 7") and nodes[0].score > nodes[1].score


def test_sentence_transformers():
    pytest.importorskip("sentence_transformers", reason="a framework of several gigabytes; not installed here")
    from vectorizer.models.onnx import folder_of
    theirs = models.load_model(f"sentence-transformers:{folder_of(MINILM)}")
    texts = ["A cat sleeps.", "word " * 1000, "x"]
    for a, b in zip(theirs.embed(texts), models.load_model(MINILM).embed(texts)):
        assert np.abs(np.asarray(a) - b).max() < 1e-4
    assert theirs.tokenizer is not None and theirs.probe() == 384
