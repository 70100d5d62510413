"""Random tables and indexes."""

import dataclasses
import re

import values
from case import Rows, Step

METRICS = {"<->": "l2", "<#>": "ip", "<=>": "cosine", "<+>": "l1", "<~>": "hamming", "<%>": "jaccard"}
DENSE = ("<->", "<#>", "<=>")
OPERATORS = {
    "hnsw": {"vector": DENSE + ("<+>",), "halfvec": DENSE + ("<+>",), "sparsevec": DENSE + ("<+>",),
             "bit": ("<~>", "<%>")},
    "ivfflat": {"vector": DENSE + ("<+>",), "halfvec": DENSE + ("<+>",), "bit": ("<~>",)},
    "ivfpq": {"vector": DENSE, "halfvec": DENSE},
    "ivfrabitq": {"vector": DENSE, "halfvec": DENSE},
    "flat": {"vector": DENSE, "halfvec": DENSE},
    "sparse_inverted": {"sparsevec": ("<#>", "<=>")},
}
DIMS = {
    "vector": (1, 2, 3, 4, 7, 8, 16, 16, 31, 32, 33, 64, 100, 128, 255, 256, 300, 768, 1536, 2049, 4000, 16000),
    "bit": (1, 2, 7, 8, 9, 31, 64, 65, 128, 500, 1000, 5000, 64000),
    "sparsevec": (1, 3, 10, 100, 1000, 30522, 32768, 32769, 1000000, 1000000000),
}
DIMS["halfvec"] = DIMS["vector"]


@dataclasses.dataclass
class Target:
    """What an index is on, and a query orders by."""
    expression: str
    type: str
    operator: str
    am: str
    predicate: str = ""
    filters: tuple = ()

    @property
    def opclass(self):
        return f"{self.type}_{METRICS[self.operator]}_ops"

    def of(self, alias):
        """The expression over another name of the table."""
        return re.sub(r"\b(emb|half)\b(?!vec)", alias + r".\1", self.expression)

    def distance(self, query):
        return f"{self.expression} {self.operator} {query}"


class Schema:
    """The table of a case, what may be in it and what is known of it."""

    def __init__(self, rng, case, am, type_name, kind, compressions):
        self.rng = rng
        self.case = case
        self.type = type_name
        self.source = values.Source(rng, type_name, kind, case.dims)
        self.kind = kind
        self.next_id = 1
        self.indexes = {}           # name to Target
        self.named = 0
        self.compressions = compressions
        self.filters = [f"f{i}" for i in range(rng.randint(0, 3))]
        self.filter_types = {f: rng.choice(list(values.FILTER_TYPES)) for f in self.filters}
        self.persistence = rng.choices(("", "UNLOGGED ", "TEMP "), (80, 10, 10))[0]
        self.partitions = rng.choices((0, 2, 4), (80, 10, 10))[0] if not self.persistence else 0
        self.not_null = rng.random() < 0.3 and kind != "all_null"
        self.domain = rng.random() < 0.1
        self.generated = type_name == "vector" and rng.random() < 0.15
        self.targets = self._targets(am)
        if self.generated or any(target.type == "halfvec" for target in self.targets):
            self.source.limit_to_half()
        self.policy = "grp IS DISTINCT FROM 1"

    def create(self):
        rng, domain = self.rng, "g.item" if self.domain else None
        statements = [f"CREATE DOMAIN g.item AS {self.type}(@D@)"] if domain else []
        column = f"emb {domain or self.type + '(@D@)'}"
        if self.not_null:
            column += " NOT NULL"
        columns = ["grp int4", "note text", "n float8"] + [f"{f} {self.filter_types[f]}" for f in self.filters]
        rng.shuffle(columns)
        columns.insert(rng.randint(0, len(columns)), column)
        columns.insert(rng.choice((0, len(columns))), "id int8")
        if self.generated:
            columns.append("half halfvec(@D@) GENERATED ALWAYS AS (emb::halfvec(@D@)) STORED")
        if rng.random() < 0.2:
            columns.insert(0, "gone int4")
        persistence = self.persistence
        name = "t" if persistence == "TEMP " else "g.t"
        part = " PARTITION BY HASH (id)" if self.partitions else ""
        options = "" if part or rng.random() < 0.7 else f" WITH (fillfactor = {rng.choice((20, 50, 90))})"
        statements.append(f"CREATE {persistence}TABLE {name} ({', '.join(columns)}){part}{options}")
        for i in range(self.partitions):
            statements.append(f"CREATE TABLE g.t{i} PARTITION OF g.t FOR VALUES WITH "
                              f"(MODULUS {self.partitions}, REMAINDER {i})")
        statements += self.storage()
        if "gone int4" in columns:
            statements.append("ALTER TABLE t DROP COLUMN gone")
        if persistence != "TEMP ":
            statements += ["ALTER TABLE t ENABLE ROW LEVEL SECURITY",
                           f"CREATE POLICY p ON t TO g_reader USING ({self.policy})"]
        if rng.random() < 0.3:
            statements.append("CREATE INDEX t_grp ON t (grp)")
        self.key = rng.random() < 0.3
        if self.key:
            statements.append("ALTER TABLE t ADD PRIMARY KEY (id)")
        return Step("create table", statements)

    def storage(self):
        rng = self.rng
        if rng.random() < 0.5:
            return []
        statements = [f"ALTER TABLE t ALTER emb SET STORAGE {rng.choice(('PLAIN', 'EXTENDED', 'EXTERNAL', 'MAIN'))}"
                      if self.case.dims < 1000 or self.type == "sparsevec" else
                      f"ALTER TABLE t ALTER emb SET STORAGE {rng.choice(('EXTENDED', 'EXTERNAL', 'MAIN'))}"]
        if rng.random() < 0.5:
            statements.append(f"ALTER TABLE t ALTER emb SET COMPRESSION {rng.choice(self.compressions)}")
        return statements

    def rows(self, count, copy=None):
        rng = self.rng
        rows = []
        for _ in range(count):
            rows.append(self.row(self.next_id))
            self.next_id += 1
        columns = ["id", "grp", "note", "n", *self.filters, "emb"]
        return Rows("t", columns, rows, rng.random() < 0.5 if copy is None else copy)

    def row(self, number):
        rng = self.rng
        vec = self.source.value()
        while vec is None and self.not_null:
            vec = self.source.value()
        return [str(number), rng.choice((None, "0", "1", "2", "3", "4")), rng.choice((None, "x", "long " * 20)),
                f"{rng.uniform(0, 1):.3f}", *(values.filter_value(rng, self.filter_types[f]) for f in self.filters),
                None if vec is None else self.case.vector(vec)]

    def _targets(self, am):
        """One to three of them, the first by the access method that was drawn."""
        rng, found = self.rng, []
        for i in range(rng.choices((1, 2, 3), (5, 3, 2))[0]):
            if i > 0:
                am = rng.choice([a for a in OPERATORS if self.type in OPERATORS[a]])
            expression, type_name = "emb", self.type
            if rng.random() < 0.25 and type_name == "vector":
                other = rng.choice(("halfvec", "bit", "sub"))
                if other == "halfvec":
                    expression, type_name = "(emb::halfvec(@D@))", "halfvec"
                    if self.generated and rng.random() < 0.7:
                        expression = "half"
                elif other == "bit" and am in ("hnsw", "ivfflat"):
                    expression, type_name = "(binary_quantize(emb)::bit(@D@))", "bit"
                elif other == "sub" and self.case.dims > 3:
                    expression = "(subvector(emb, 1, 2)::vector(2))"
            operator = rng.choice(OPERATORS[am][type_name])
            filters = ()
            if rng.random() < 0.4:
                filters = tuple(rng.sample(self.filters + ["grp", "id"], rng.randint(1, 2)))
            found.append(Target(expression, type_name, operator, am,
                                rng.choice(("grp = 2", "id % 3 = 0", "grp IS NOT NULL"))
                                if rng.random() < 0.15 else "", filters))
        return found

    def create_index(self, target, concurrently=False):
        rng = self.rng
        self.named += 1
        name = f"i{self.named}_{target.am}"
        self.indexes[name] = target
        options = index_options(rng, target, self.case.dims)
        before = []
        if target.am in ("ivfflat", "ivfpq", "ivfrabitq") and rng.random() < 0.15:
            before = self.centroids(target, name, options)
        if target.am == "hnsw" and rng.random() < 0.15:
            before = self.neighbors(target, name, options)
        text = f"CREATE INDEX {'CONCURRENTLY ' if concurrently else ''}{name} ON t USING {target.am} " \
               f"({target.expression} {target.opclass}{''.join(', ' + f for f in target.filters)})"
        if options:
            text += " WITH (" + ", ".join(f"{k} = {v}" for k, v in options.items()) + ")"
        if target.predicate:
            text += f" WHERE {target.predicate}"
        before += [f"SET maintenance_work_mem = '{rng.choice(('1MB', '2MB', '64MB'))}'",
                  f"SET max_parallel_maintenance_workers = {rng.choice((0, 2))}",
                  f"SET min_parallel_table_scan_size = {rng.choice(('0', '8MB')) !r}"]
        # Too many dimensions for a page, or for this maintenance_work_mem.
        return Step("create index" + (" concurrently" if concurrently else ""), before + [text],
                    allowed=("54000",))

    def centroids(self, target, name, options):
        """A table of centroids, and perhaps one of the rows' lists; statements."""
        rng, type_name = self.rng, target.type
        if self.persistence == "TEMP " or target.expression not in ("emb", "half") or type_name not in ("vector", "halfvec"):
            return []
        options.pop("lists", None)
        options["centroids"] = f"'g.{name}_c'"
        statements = [f"CREATE TABLE g.{name}_c (c {type_name}(@D@))",
                      f"INSERT INTO g.{name}_c SELECT {target.expression} FROM t WHERE {target.expression} IS NOT NULL ORDER BY id LIMIT {rng.choice((1, 3, 20))}"]
        # at least one, which a build asks for where there are rows
        statements.append(f"INSERT INTO g.{name}_c VALUES ({self.vector_constant(target)})")
        if rng.random() < 0.4:
            options["assignments"] = f"'g.{name}_a'"
            lists = rng.choice(("1", "1 + id % 3", "id - 2", "NULL"))
            statements += [f"CREATE TABLE g.{name}_a (id int8, list int)",
                           f"INSERT INTO g.{name}_a SELECT id, {lists} FROM t WHERE {rng.choice(('true', 'id % 3 = 0', 'false'))}"]
        return statements

    def neighbors(self, target, name, options):
        """A table of neighbours, which may be the nearest ones, any, or none that there are; statements."""
        rng = self.rng
        if self.persistence == "TEMP " or self.partitions:
            return []
        options["neighbors"] = f"'g.{name}_n'"
        far = f"({target.of('b')} {target.operator} {target.of('a')})"
        order = rng.choice((far, "b.id", "b.id DESC"))
        ids = rng.choice((f"ARRAY(SELECT b.id FROM t b WHERE b.id <> a.id AND b.id % 10 = a.id % 10 ORDER BY {order} LIMIT {rng.choice((1, 8, 30))})",
                          "ARRAY[a.id, a.id + 1, a.id + 2, -1, NULL]", "'{}'::int8[]", "NULL::int8[]"))
        return [f"CREATE TABLE g.{name}_n (id int8, {rng.choice(('', 'extra text, '))}neighbors int8[])",
                f"INSERT INTO g.{name}_n (id, neighbors) SELECT a.id, {ids} FROM t a WHERE {rng.choice(('a.id < 400', 'a.id % 3 = 0', 'false'))}"]

    def vector_constant(self, target):
        """A query of the target's type, as an SQL expression."""
        rng = self.rng
        if target.expression.startswith("(subvector"):
            return f"'[{rng.gauss(0, 1):.5g},{rng.gauss(0, 1):.5g}]'::vector(2)"
        vec = self.source.query()
        if target.type != vec.type:
            vec = values.Vec(target.type, vec.values)
        mark = self.case.vector(vec)
        return f"'{mark}'::{target.type}(@D@)"


def index_options(rng, target, dims):
    """Storage parameters by chance, of all that there are."""
    options = {}
    if rng.random() < 0.3:
        return options
    am = target.am
    if am == "hnsw":
        most = 40 if dims > 1000 else 100
        m = options["m"] = rng.choice((2, 3, 8, 16, most, rng.randint(2, most)))
        options["ef_construction"] = rng.choice((max(4, 2 * m), max(64, 2 * m), rng.randint(max(4, 2 * m), 2 * m + 100)))
        if target.type in ("vector", "halfvec") and target.operator != "<+>":
            options["quantizer"] = rng.choice(("auto", "none", "rabitq8", "rabitq4", "rabitq2", "rabitq1"))
        options["rerank"] = rng.choice(("index", "heap"))
        if rng.random() < 0.2:
            options["ef_search"] = rng.choice((0, 1, 1000, rng.randint(1, 1000)))
        if rng.random() < 0.2:
            options["target_recall"] = rng.choice(("0", "0.5", "0.95", "1", f"{rng.random():.3f}"))
        return options
    if am == "flat":
        return {}
    if am == "sparse_inverted":
        return {"weights": rng.choice(("int8", "float4")), "pending_list_limit": rng.choice((64, 1024, rng.randint(64, 2000)))}
    options["lists"] = rng.choice((0, 1, 2, 10, 50, rng.randint(1, 200)))
    if am == "ivfrabitq":
        options["bits"] = rng.choice((0, 1, 2, 4, 8))
    if am == "ivfpq":
        width = 2 if target.expression.startswith("(subvector") else dims
        options["m"] = rng.choice((0, 1, min(width, 8), min(width, 64), rng.randint(1, min(width, 100))))
        options["nbits"] = rng.choice((4, 8))
        if width <= 64:
            options["opq"] = rng.choice(("on", "off"))
    if am != "ivfflat":
        options["rerank"] = rng.choice(("index", "heap"))
    return options


# What is just beyond the range of a storage parameter, or none of its values
BEYOND = {
    "hnsw": ("m = 1", "m = 101", "ef_construction = 3", "ef_construction = 1001", "m = 16, ef_construction = 31", "ef_search = -1",
             "ef_search = 1001", "target_recall = -0.001", "target_recall = 1.001", "target_recall = 'NaN'", "quantizer = rabitq3",
             "rerank = table", "neighbors = n", "lists = 5", "m = 2147483648", "m = ''"),
    "ivfflat": ("lists = -1", "lists = 32769", "lists = 2147483648", "centroids = c", "rerank = heap", "bits = 1",
                "assignments = a"),
    "ivfpq": ("lists = 32769", "m = -1", "m = 100000", "nbits = 5", "nbits = 3", "nbits = 16", "opq = perhaps", "rerank = ''"),
    "ivfrabitq": ("lists = 32769", "bits = 3", "bits = 9", "bits = -1", "rerank = none", "m = 8"),
    "flat": ("lists = 1", "m = 8", "rerank = heap", "quantizer = none"),
    "sparse_inverted": ("weights = int4", "pending_list_limit = 63", "pending_list_limit = 1048577", "lists = 5"),
}
# and of a setting
SETTINGS_BEYOND = (
    "hnsw.ef_search = 0", "hnsw.ef_search = 1001", "hnsw.target_recall = 1.001", "hnsw.target_recall = -0.001", "hnsw.target_recall = 'NaN'",
    "hnsw.iterative_scan = perhaps", "hnsw.max_scan_tuples = 0", "hnsw.max_scan_tuples = 2147483648", "hnsw.scan_mem_multiplier = 0.9",
    "hnsw.scan_mem_multiplier = 1001", "hnsw.seed = -1", "ivf.target_recall = 1.001", "ivf.target_recall = -1",
    "ivf.seed = -1", "ivfflat.probes = 0", "ivfflat.probes = 32769", "ivfpq.probes = -1", "ivfrabitq.probes = 32769",
    "ivfpq.rerank = -1", "ivfpq.rerank = 100001", "ivfrabitq.iterative_scan = 7", "ivfflat.max_probes = 0", "ivfrabitq.max_probes = 32769",
    "sparse_inverted.drop_ratio = 1.001", "sparse_inverted.drop_ratio = -0.1", "vector.simd = sse")
