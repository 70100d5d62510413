#!/usr/bin/env python3
"""Does the adapter work?  Registers it with the VectorDBBench that is installed
and uses it as its runners do, on the server that VECTOR_DSN names.
"""

import os
import sys

import numpy as np

import run
from vectordb_bench.backend.clients import DB
from vectordb_bench.backend.clients.api import MetricType
from vectordb_bench.backend.filter import IntFilter, LabelFilter, non_filter


def main():
    assert DB.Test.init_cls is run.Vector and DB.Test.config_cls is run.VectorConfig
    config = DB.Test.config_cls(dsn=os.environ["VECTOR_DSN"]).to_dict()
    rng = np.random.default_rng(1)
    rows, query = rng.standard_normal((3000, 24), np.float32), rng.standard_normal(24, np.float32)
    order = ((rows - query) ** 2).sum(1).argsort()
    labels = [f"label_{i % 2}p" for i in range(len(rows))]
    for method, effort in ((m, 200) for m in ("hnsw", "ivfrabitq", "ivfpq", "ivfflat")):
        case = DB.Test.case_config_cls()(metric_type=MetricType.L2, method=method, effort=effort)
        db = DB.Test.init_cls(24, config, case, "vdbb_check", drop_old=True)
        with db.init():
            for at in range(0, len(rows), 1000):
                part = slice(at, at + 1000)
                done, error = db.insert_embeddings(rows[part].tolist(), list(range(at, at + 1000)), labels[part])
                assert (done, error) == (1000, None), error
            db.optimize(len(rows))
        for filters, wanted in ((non_filter, order), (IntFilter(int_value=1500, filter_rate=.5), order[order >= 1500]),
                                (LabelFilter(label_percentage=.01), order[order % 2 == 1])):
            each = db.copy_for_thread()
            assert db.filter_supported(filters)
            each.prepare_filter(filters)
            with each.init():
                found = each.search_embedding(query.tolist(), k=10)
            right = len(set(found) & set(wanted[:10].tolist()))
            print(f"{method}, {filters.type}: {right} of 10")
            assert right >= 9, (found, wanted[:10])


if __name__ == "__main__":
    sys.exit(main())
