"""Counts what was run, so that one sees which paths a run has come to."""

import collections


class Statistics:
    def __init__(self):
        self.cases = collections.Counter()      # access method, type, metric
        self.kinds = collections.Counter()      # of data
        self.history = collections.Counter()
        self.shapes = collections.Counter()
        self.plans = collections.Counter()
        self.errors = collections.Counter()
        self.orders = collections.defaultdict(lambda: [0, 0, 0])
        self.rows = 0                           # in the case's table, at most

    def case(self, schema):
        self.kinds[schema.kind] += 1

    def index(self, target):
        self.cases[target.am, target.type, target.operator] += 1

    def query(self, query, plan):
        self.shapes[query.kind] += 1
        for kind in plan.kinds:
            self.plans[kind] += 1

    def found(self, plan, promise, query, rows, least):
        """Rows that came, of those that there are, where not all are promised."""
        if promise is None or promise.exact or least == 0:
            return
        mode = "members" if query.promise == "members" else promise.mode
        name = "+".join(sorted(plan.approximate)) + (" every row" if promise.every else "") + ", " + mode
        counts = self.orders[name]
        counts[0] += 1
        counts[1] += min(rows, least)
        counts[2] += least

    def report(self):
        lines = []

        def table(title, counter, name=str):
            lines.append(f"{title}: " + ", ".join(f"{name(k)} {n}" for k, n in sorted(counter.items(), key=lambda i: str(i[0]))))

        table("indexes", self.cases, lambda k: f"{k[0]}/{k[1]}/{k[2]}")
        table("data", self.kinds)
        table("history", self.history)
        table("queries", self.shapes)
        table("plan nodes", self.plans)
        table("errors that are right", self.errors)
        for name, (queries, rows, least) in sorted(self.orders.items()):
            lines.append(f"{name}: {queries} queries, {rows} of {least} rows")
        return "\n".join(lines)
