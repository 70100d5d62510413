"""Plans of one query, forced and chosen: their costs, as estimated and as measured.

A query is SELECT id FROM t [WHERE f < x] ORDER BY v <-> q LIMIT k.  A plan is
forced by switching off what makes the others.  Time is the backend's CPU time
of the whole statement, planning included: what a client waits, on a machine that
others leave alone; or in execution alone, that of EXPLAIN ANALYZE less EXPLAIN.
"""

import statistics

# What leaves only this plan, if it is possible at all
ALTERNATIVES = {
    "ordered": {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"},
    "bitmap": {"enable_seqscan": "off", "enable_indexscan": "off"},
    "exact": {"enable_indexscan": "off", "enable_bitmapscan": "off"},
}


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0])


class Plans:
    def __init__(self, conn):
        self.conn = conn
        conn.prepare_threshold = None       # a kept plan would outlive its settings
        self.pid = conn.execute("SELECT pg_backend_pid()").fetchone()[0]

    def set(self, **settings):
        for name, value in settings.items():
            self.conn.execute("SELECT set_config(%s, %s, false)", (name, value))

    def reset(self, names):
        for name in names:
            self.conn.execute(f"RESET {name}")

    def explain(self, sql):
        return self.conn.execute("EXPLAIN (FORMAT JSON) " + sql).fetchone()[0][0]["Plan"]

    @staticmethod
    def kind(plan):
        """Of a plan: which alternative, as far as it is one of them"""
        nodes = []

        def walk(node):
            nodes.append(node)
            for child in node.get("Plans", []):
                walk(child)
        walk(plan)
        types = {n["Node Type"] for n in nodes}
        if "Bitmap Heap Scan" in types:
            return "bitmap"
        if any(n["Node Type"] == "Index Scan" and "Order By" in n for n in nodes):
            return "ordered"
        if "Index Scan" in types:
            return "bitmap"
        return "exact"

    def cpu(self, sql):
        """Microseconds of a statement, and its rows"""
        start = cpu_ns(self.pid)
        rows = self.conn.execute(sql).fetchall()
        return (cpu_ns(self.pid) - start) / 1000, rows

    def measure(self, sqls, rounds=3):
        """Of statements: median over them of the least of rounds; rows of the last"""
        times = []
        for sql in sqls:
            done = [self.cpu(sql) for _ in range(rounds)]
            times.append(min(us for us, _ in done))
        return statistics.median(times), len(done[-1][1])

    def measure_execution(self, sqls, rounds=3):
        """The same without planning"""
        whole, _ = self.measure(["EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + sql for sql in sqls], rounds)
        planning, _ = self.measure(["EXPLAIN (FORMAT JSON) " + sql for sql in sqls], rounds)
        return max(whole - planning, 0)
