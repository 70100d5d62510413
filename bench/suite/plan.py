"""Stages and profiles: what is measured, on how many rows, in which order.

A stage is a function of one of the modules beside this one, its data set, and
its options; it runs on two servers of its own (bench/servers.sh).  Stages that
need a data set that is not here are listed as not run.
"""

import dataclasses

from contestants import CORES
from measure import Effort

LARGE = ("ours hnsw", "ours ivfrabitq", "faiss ivfpq")
HDF5 = ("glove-100-angular", "sift-128-euclidean", "gist-960-euclidean", "dbpedia-openai-1000k-angular",
        "nytimes-256-angular", "deep-image-96-angular")


@dataclasses.dataclass
class Stage:
    name: str
    module: str
    dataset: str
    rows: int | None = None
    options: dict = dataclasses.field(default_factory=dict)
    queries: int = 1000
    names: tuple | None = None			# None: everybody
    effort: Effort = dataclasses.field(default_factory=Effort)
    settings: tuple = ("shared_buffers=4GB",)
    optional: bool = False				# left out, not "not run", where the data is missing


def quick():
    effort = Effort(rounds=3, a_round=50, seconds=.1, look=.15, points=4, targets=(.95, .99))
    small = dict(dataset="fashion", effort=effort, queries=200, settings=("shared_buffers=1GB",))
    return [
        Stage("search", "search", rows=8000, options=dict(processes=(CORES,), ks=(10,)), **small),
        Stage("writes", "writes", rows=8000, options=dict(inserts=400), **small),
        Stage("filtered", "filtered", rows=10000, **small),
        Stage("cold", "cold", rows=10000, **small),
        Stage("growth", "growth", options=dict(sizes=(2000, 4000, 8000)),
              **{**small, "dataset": "synthetic:8000:256"}),
    ]


def full(rows=None):
    """rows: of the sentences, for those in a hurry."""
    many = rows or 300000
    part = min(many, 100000)
    light = Effort(rounds=5, look=1, points=6, targets=(.95, .99))
    return [
        Stage("search-fashion", "search", "fashion", options=dict(processes=(1, CORES))),
        Stage("search-sentences", "search", "sentences", many, options=dict(processes=(CORES,)),
              settings=("shared_buffers=7GB",)),
        Stage("writes-sentences", "writes", "sentences", part, options=dict(inserts=2000)),
        Stage("filtered-fashion", "filtered", "fashion", effort=light, queries=400),
        Stage("filtered-sentences", "filtered", "sentences", many, effort=light, queries=400,
              settings=("shared_buffers=7GB",)),
        Stage("cold-sentences", "cold", "sentences", part, effort=light, queries=400),
        Stage("growth-synthetic", "growth", "synthetic:100000:768", options=dict(sizes=(10000, 30000, 100000)),
              effort=light, queries=500),
        Stage("search-bge", "search", "bge", options=dict(processes=(CORES,))),
        *(Stage(f"search-{name}", "search", name, options=dict(processes=(CORES,)), optional=True,
                settings=("shared_buffers=8GB",)) for name in HDF5),
    ]


def scale():
    effort = Effort(rounds=5, points=6, targets=(.9, .95, .99))
    large = dict(effort=effort, queries=500, names=LARGE)

    def settings(buffers, memory):
        return (f"shared_buffers={buffers}", f"maintenance_work_mem={memory}", "max_wal_size=4GB")

    def search(name, n, dims, buffers, memory):
        return Stage(name, "search", f"synthetic:{n}:{dims}", options=dict(processes=(CORES,), ks=(10,)),
                     settings=settings(buffers, memory), **large)
    return [
        search("search-1M-768", 1000000, 768, "7GB", "4GB"),
        search("search-1M-1536", 1000000, 1536, "8GB", "4GB"),
        search("search-10M-96", 10000000, 96, "9GB", "6GB"),
        Stage("growth-1M", "growth", "synthetic:1000000:768",
              options=dict(sizes=(10000, 100000, 300000, 1000000), names=("ours hnsw", "ours ivfrabitq"), target=.99),
              effort=effort, queries=500, settings=settings("7GB", "4GB")),
    ]


def check():
    """Every stage in seconds, on almost nothing: does the instrument work?"""
    effort = Effort(rounds=2, a_round=10, seconds=.05, look=.05, points=3, targets=(.9,))
    tiny = dict(dataset="synthetic:1200:32", effort=effort, queries=30, settings=("shared_buffers=256MB",))
    return [
        Stage("search", "search", rows=1000, options=dict(processes=(CORES,)), **tiny),
        Stage("writes", "writes", rows=800, options=dict(inserts=40), **tiny),
        Stage("filtered", "filtered", rows=1000, **tiny),
        Stage("cold", "cold", rows=1000, **tiny),
        Stage("growth", "growth", options=dict(sizes=(400, 1200)), **tiny),
    ]


PROFILES = {"quick": quick, "full": full, "scale": scale, "check": check}
