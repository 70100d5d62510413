#!/usr/bin/env python3
"""VectorDBBench with this extension in it.

    python run.py --dsn "host=... dbname=..." --case Performance768D1M \\
        --method ivfrabitq --options "lists = 0, rerank = index" --effort 16

VectorDBBench has no way to add a database from outside, so ours takes the place
of its "Test" entry.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from client import KNOBS, Vector, VectorConfig, VectorIndexConfig
from vectordb_bench.backend.clients import DB


def register():
    """DB.Test is ours from now on, for whoever asks it for its classes.  Done
    when this file is imported: VectorDBBench's processes import it anew."""
    theirs, configs, cases = DB.init_cls.fget, DB.config_cls.fget, DB.case_config_cls
    DB.init_cls = property(lambda self: Vector if self is DB.Test else theirs(self))
    DB.config_cls = property(lambda self: VectorConfig if self is DB.Test else configs(self))
    DB.case_config_cls = lambda self, index_type=None: (
        VectorIndexConfig if self is DB.Test else cases(self, index_type))


register()


def main():
    from vectordb_bench.backend.cases import CaseType
    from vectordb_bench.interface import benchmark_runner
    from vectordb_bench.models import CaseConfig, TaskConfig

    arg = argparse.ArgumentParser(description="VectorDBBench with this extension")
    arg.add_argument("--dsn", required=True)
    arg.add_argument("--case", required=True, choices=[c.name for c in CaseType])
    arg.add_argument("--method", default="hnsw", choices=KNOBS)
    arg.add_argument("--options", default="", help="storage parameters of the index")
    arg.add_argument("--columns", default="", help="further key columns of the index, for filters: id, label")
    arg.add_argument("--effort", type=int, default=40, help="ef_search or probes")
    arg.add_argument("--workers", type=int, default=0)
    arg.add_argument("--k", type=int, default=100)
    arg.add_argument("--label", default="vector")
    arg = arg.parse_args()
    task = TaskConfig(
        db=DB.Test, db_config=VectorConfig(db_label=arg.label, dsn=arg.dsn),
        db_case_config=VectorIndexConfig(method=arg.method, options=arg.options, columns=arg.columns,
                                         effort=arg.effort, workers=arg.workers),
        case_config=CaseConfig(case_id=CaseType[arg.case], k=arg.k))
    benchmark_runner.run([task], arg.label)
    benchmark_runner._sync_running_task()


if __name__ == "__main__":
    main()
