"""Sources by name.  Each is a module with a class Source (base.py); its
libraries are imported when it is asked for."""

import importlib

from ..errors import ImportFailed

# name: what it reads, the extra that installs its library
SOURCES = {
    "chroma": ("a persistent folder of Chroma", "chroma"),
    "faiss": ("an index file of FAISS", "faiss"),
    "qdrant": ("a folder of Qdrant's local mode, the address of a server, or a snapshot", "qdrant"),
    "milvus": ("a file of Milvus Lite, or the address of a server", "milvus"),
    "lancedb": ("a folder of LanceDB", "lancedb"),
    "weaviate": ("the address of a server", None),
    "pinecone": ("the address of an index", None),
    "hdf5": ("a file of ann-benchmarks", "hdf5"),
    "parquet": ("a Parquet file", "parquet"),
    "npy": ("a matrix saved by numpy", None),
    "vecs": ("a file .fvecs, .bvecs or .ivecs", None),
}


def in_short(error):
    """What a library said, in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def open_source(name, location, collection=None, vector=None):
    """The Source of that name.  collection: which of several at the location;
    vector: which vectors, where a record has several.  Raises ImportFailed."""
    if name not in SOURCES:
        raise ImportFailed(f"no source is called {name}; there are: {', '.join(SOURCES)}")
    extra = SOURCES[name][1]
    try:
        module = importlib.import_module(f".{name}", __name__)
        return module.Source(location, collection, vector)
    except ModuleNotFoundError as e:
        raise ImportFailed(f"{name} needs the Python module {e.name}: pip install './tools/import[{extra}]'") from e
    except ImportFailed:
        raise
    except Exception as e:
        raise ImportFailed(f"{location}: {in_short(e)}") from e
