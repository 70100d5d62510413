"""Runs random cases until the time is over; see README.md.

Exit status: 0 when nothing failed. The last line is counts, as of a fuzz test.
"""

import argparse
import os
import random
import re
import signal
import sys
import time

import history
import queries
import schema
import values
from case import Case
from compare import Failure, shortened
from execute import Run
from recall import Recall
from server import NotStarted, Server
from shrink import Shrinker
from counts import Statistics


def build(seed, simd, compressions, method="."):
    """The case of a seed, with the instruction sets and compressions that there are, and
    a first index by a method that is wanted."""
    rng = random.Random(seed)
    pairs = [(am, type_name) for am in schema.OPERATORS for type_name in schema.OPERATORS[am] if re.match(method, am)]
    am, type_name = rng.choice(pairs)
    dims = rng.choice(schema.DIMS[type_name])
    if dims > 300 and type_name != "sparsevec" and rng.random() < 0.6:
        dims = rng.choice((2, 5, 8, 16, 24, 64))
    case = Case(seed, dims)
    kind = rng.choice(values.KINDS)
    table = schema.Schema(rng, case, am, type_name, kind, compressions)
    past = history.History(rng, table)
    ask = queries.Queries(rng, table, simd)
    case.schema = table
    case.steps.append(table.create())

    count = {"empty": 0, "one_row": 1}.get(kind, rng.choice((10, 50, 200, 500, 1000, 2000)))
    count = min(count, max(3, 80000 // (dims if type_name != "sparsevec" else 1)))
    load = [past_step(table.rows(count))] if count else []
    indexes = [table.create_index(target) for target in table.targets[:rng.choice((1, 1, 2, 3))]]
    if rng.random() < 0.3:
        case.steps += indexes + load
    else:
        case.steps += load + indexes
    for _ in range(rng.choice((1, 2, 3))):
        if rng.random() < 0.7:
            case.steps.append(schema.Step("analyze", [rng.choice(("ANALYZE t", "VACUUM t"))]))
        for _ in range(rng.choice((3, 6))):
            case.steps.append(ask.query("b" if past.snapshot and rng.random() < 0.4 else "a"))
        for _ in range(rng.choice((0, 1, 2, 4, 10))):
            step = past.step()
            if step:
                case.steps.append(step)
    for _ in range(4):
        case.steps.append(ask.query("b" if past.snapshot and rng.random() < 0.4 else "a"))
    return case


def past_step(rows):
    return schema.Step("load", [rows])


class Generator:
    def __init__(self, args):
        self.args = args
        self.statistics = Statistics()
        self.failures = []
        self.passed = 0
        self.server = self.new_server()

    def revive(self):
        """After a crash: what has crashed may not come up again, and then a new one does."""
        if not self.server.alive():
            try:
                self.server.crash()
            except NotStarted:
                self.server.remove()
                self.server = self.new_server()
                self.start()
        self.server.complaints()

    def new_server(self):
        args = self.args
        return Server(args.bin, args.user, args.tmp, dict(s.split("=", 1) for s in args.set))

    def start(self):
        self.server.create()
        self.server.start()
        conn = self.server.connect("postgres")
        conn.cursor().execute("CREATE DATABASE generate")
        conn.close()
        conn = self.server.connect("generate")
        cur = conn.cursor()
        cur.execute("CREATE EXTENSION vector")
        self.simd = ["scalar"]
        for name in ("avx2", "avx512", "neon"):
            try:
                cur.execute(f"SET vector.simd = {name}")
                self.simd.append(name)
            except Exception:
                pass
        cur.execute("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'")
        self.compressions = cur.fetchone()[0]
        conn.close()

    def one(self, number):
        """Run a case; false where it failed."""
        seed = f"{self.args.seed}/{number}"
        case = build(seed, self.simd, self.compressions, self.args.method)
        table = case.schema
        self.statistics.case(table)
        for target in table.indexes.values():
            self.statistics.index(target)
        self.statistics.rows = table.next_id
        begun = time.monotonic()
        try:
            Run(self.server, case, self.statistics).run()
            complaints = self.server.complaints()
            if complaints:
                failure = Failure("log", "\n".join(complaints[:5]))
                failure.place = len(case.steps) - 1
                raise failure
        except Failure as failure:
            self.report(number, case, failure)
            return False
        self.passed += 1
        if self.args.verbose:
            print(f"case {number}: {table.type}({case.dims}) {table.kind} {sorted(table.indexes)} "
                  f"{len(case.steps)} steps {time.monotonic() - begun:.1f} s", flush=True)
        return True

    def report(self, number, case, failure):
        print(f"case {number} of seed {self.args.seed} failed: {shortened(failure)}", flush=True)
        self.revive()
        small = case.copy_with(case.steps[:failure.place + 1])
        text = str(failure)
        if self.args.shrink > 0 and failure.kind != "log":
            shrinker = Shrinker(self, failure.kind, self.args.shrink)
            if shrinker.fails(small):
                small = shrinker.shrink(small)
                try:
                    statistics = Statistics()
                    statistics.rows = self.statistics.rows
                    Run(self.server, small, statistics).run()
                except Failure as last:
                    text = str(last)
                print(f"  shrunk to {len(small.steps)} steps in {shrinker.tried} runs", flush=True)
            else:
                print("  does not fail again by itself", flush=True)
        self.revive()
        os.makedirs(self.args.out, exist_ok=True)
        name = os.path.join(self.args.out, f"{self.args.seed}-{number}.sql")
        with open(name, "w") as file:
            file.write(small.sql(f"seed {self.args.seed}, case {number}: {text}"))
        self.failures.append(name)
        print(f"  {name}: {shortened(text)}", flush=True)

    def run(self):
        args = self.args
        print(f"seed {args.seed}", flush=True)
        if args.recall:
            args.simd = self.simd
            recall = Recall(self.server, args.seed, args)
            failed = recall.run(args.seconds)
            print(f"fuzz: {0 if failed else 1} passed, {len(failed)} failed")
            return 1 if failed else 0
        end = time.monotonic() + args.seconds
        number = args.case if args.case is not None else 1
        while True:
            self.one(number)
            number += 1
            if args.case is not None or time.monotonic() > end or len(self.failures) >= args.failures:
                break
        print(self.statistics.report())
        for name in self.failures:
            print(f"failed: {name}")
        print(f"seed {args.seed}: {self.passed} cases passed, {len(self.failures)} failed")
        # As a test this counts once, however many cases a machine gets done.
        print(f"fuzz: {0 if self.failures else 1} passed, {len(self.failures)} failed")
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description="Random schemas, histories and queries, compared with sorts.")
    parser.add_argument("--bin", required=True, help="the server's bin folder")
    parser.add_argument("--user", default="postgres", help="who runs the server, where root starts it")
    parser.add_argument("--tmp", default="/tmp", help="where the server's folder is made")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--case", type=int, help="one case of the seed, nothing else")
    parser.add_argument("--method", default=".", help="a regular expression for the access method of a case's first index")
    parser.add_argument("--recall", action="store_true", help="compare recall after histories with a fresh index's")
    parser.add_argument("--shrink", type=float, default=120, help="seconds to make a failing case small")
    parser.add_argument("--failures", type=int, default=10, help="stop after so many")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server")
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/generate"))
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    args.out = os.path.abspath(args.out)
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(10 ** 6)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    generator = Generator(args)
    try:
        generator.start()
        return generator.run()
    finally:
        generator.server.remove()


if __name__ == "__main__":
    sys.exit(main())
