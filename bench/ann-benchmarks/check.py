#!/usr/bin/env python3
"""Does the adapter work?  Runs its class as ann-benchmarks does, with a base
class of the same interface, on the server that VECTOR_DSN names.

    bench/servers.sh bash -c 'VECTOR_DSN=$OURS bench/cache/venv/bin/python bench/ann-benchmarks/check.py'
"""

import importlib
import pathlib
import re
import sys
import types

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
import numpy as np


def main():
    package = types.ModuleType("algorithms")
    package.__path__ = [str(HERE)]
    base, module = types.ModuleType("algorithms.base"), types.ModuleType("algorithms.base.module")
    base.__path__ = []
    module.BaseANN = type("BaseANN", (), {})
    sys.modules.update({"algorithms": package, "algorithms.base": base, "algorithms.base.module": module})
    made = importlib.import_module("algorithms.vector")

    rng = np.random.default_rng(1)
    rows, queries = rng.standard_normal((3000, 24), np.float32), rng.standard_normal((40, 24), np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near = {"euclidean": ((rows ** 2).sum(1) - 2 * queries @ rows.T).argsort(1)[:, :10],
            "angular": (-(queries @ unit.T)).argsort(1)[:, :10]}
    # The arguments of each group, as the configuration has them.
    groups = re.findall(r"args: \[(\w+), \{(.*)\}\]\n\s*query_args: \[\[(.*)\]\]", (HERE / "vector/config.yml").read_text())
    assert len(groups) == 4, groups
    for method, options, efforts in groups:
        for metric, truth in near.items():
            ann = made.Vector(metric, method, dict(o.split(": ") for o in options.split(", ")))
            ann.fit(rows)
            ann.set_query_arguments(int(efforts.split(", ")[-1]))
            found = [ann.query(q, 10) for q in queries]
            recall = np.mean([len(set(f) & set(t)) for f, t in zip(found, truth)]) / 10
            print(f"{ann.name}, {metric}: recall {recall:.3f}, {ann.get_memory_usage():.0f} kB")
            assert recall > .9 and all(len(f) == 10 for f in found)
            ann.done()


if __name__ == "__main__":
    main()
