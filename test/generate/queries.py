"""Random queries over the table of a case, by shape, with random settings."""

import math

import values
from case import Query
from rewritten import Rewritten

SPHERES = {"<->": "<<->>", "<#>": "<<#>>", "<=>": "<<=>>", "<+>": "<<+>>", "<~>": "<<~>>", "<%>": "<<%>>"}
FUNCTIONS = {"<->": "l2_distance", "<=>": "cosine_distance", "<+>": "l1_distance", "<~>": "hamming_distance",
             "<%>": "jaccard_distance"}
ALL_LISTS = "32768"


def distance(operator, a, b):
    """About the distance of two vectors, to choose radii by; sparse ones are dicts."""
    if isinstance(a, dict):
        keys = a.keys() | b.keys()
        a, b = [a.get(k, 0) for k in keys], [b.get(k, 0) for k in keys]
    if operator == "<->":
        return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))
    if operator == "<+>":
        return sum(abs(x - y) for x, y in zip(a, b))
    if operator in ("<~>", "<%>"):
        a, b = [x > 0 for x in a], [x > 0 for x in b]
        both = sum(x and y for x, y in zip(a, b))
        differ = sum(x != y for x, y in zip(a, b))
        return differ if operator == "<~>" else 1 - both / max(1, both + differ)
    product = sum(x * y for x, y in zip(a, b))
    if operator == "<#>":
        return -product
    norms = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return 1 - product / norms if norms else 1.0


class Queries(Rewritten):
    def __init__(self, rng, schema, simd):
        self.rng = rng
        self.schema = schema
        self.simd = simd
        self.shapes = [getattr(self, name) for name in dir(self) if name.startswith("shape_")]

    def query(self, session):
        """One query of a random shape, by a random target of the case."""
        rng, schema = self.rng, self.schema
        target = rng.choice(schema.targets)
        if schema.indexes and rng.random() < 0.8:
            target = rng.choice(list(schema.indexes.values()))
        self.target = target
        self.constant = schema.vector_constant(target)
        if target.expression == "emb" and rng.random() < 0.05:
            self.constant = rng.choice((f"(SELECT emb FROM t WHERE id = {rng.randint(1, 20)})", f"NULL::{target.type}"))
        self.dist = f"({target.distance(self.constant)})"
        self.where = self._conditions()
        query = rng.choice(self.shapes)()
        query.settings = dict(self._settings(), **query.settings)
        if rng.random() < 0.2:
            self._spell(query)
        query.session = session
        query.target = target
        return query

    # -- parts ----------------------------------------------------------------

    def _spell(self, query):
        """The distance in other words, wherever the query has it."""
        target, constant = self.target, self.constant
        ways = [f"({constant} {target.operator} {target.expression})", f"({target.distance(constant)})"]
        if target.operator == "<#>":
            ways.append(f"{target.type}_negative_inner_product({target.expression}, {constant})"
                        if target.type != "bit" else self.dist)
        else:
            ways.append(f"{FUNCTIONS[target.operator]}({target.expression}, {constant})")
        way = self.rng.choice(ways)
        query.statements = [s.replace(self.dist, way) for s in query.statements]
        query.explain = query.explain.replace(self.dist, way)

    def _conditions(self):
        rng, schema, found = self.rng, self.schema, []
        if self.target.predicate and rng.random() < 0.9:
            found.append(self.target.predicate)
        for name in self.target.filters:
            if rng.random() < 0.6:
                kind = schema.filter_types.get(name)
                if kind:
                    found.append(values.condition(rng, name, kind))
                else:
                    found.append(rng.choice((f"{name} = 2", f"{name} IN (1, 3, 77)", f"{name} < 100", f"{name} >= 2")))
        if rng.random() < 0.2:
            found.append(rng.choice(("n < 0.5", "n > 0.9", "id % 5 = 0", "note IS NULL", "note LIKE 'l%'", "grp <> 1", "false")))
        if schema.filters and rng.random() < 0.1:
            name = rng.choice(schema.filters)
            found.append(values.condition(rng, name, schema.filter_types[name]))
        return found

    def _where(self, *more, alias=None):
        found = [*more, *self.where]
        return " WHERE " + " AND ".join(f"({c})" for c in found) if found else ""

    def _radius(self):
        rng, case = self.rng, self.schema.case
        if "emb" != self.target.expression and self.target.type != "halfvec" or "@V" not in self.constant:
            return f"{rng.choice((-1, 0, 0.3, 1, 3, 10))}"
        last = case.vectors[int(self.constant.split("@V")[1].split("@")[0])]
        other = rng.choice(case.vectors)
        if other.type != last.type and "bit" in (other.type, last.type):
            return "1"
        radius = distance(self.target.operator, last.values, other.values)
        return f"{radius * rng.choice((0.5, 0.9, 1, 1.1)):.9g}"

    def _inside(self, distance_, radius):
        """Whether something is in a sphere, without its operator. With the radius NaN all
        is that has a distance from itself."""
        if radius == "'NaN'":
            target = self.target
            return f"({target.expression} {target.operator} {target.expression}) <> 'NaN'"
        return f"({distance_} <= {radius} AND {distance_} <> 'NaN')"

    def _limit(self):
        return self.rng.choice((1, 3, 10, 10, 10, 50, 200, 1000, 5000))

    def _settings(self):
        rng = self.rng
        found = {"jit": "off"}

        def maybe(chance, name, *choices):
            if rng.random() < chance:
                found[name] = rng.choice(choices)

        maybe(0.7, "enable_seqscan", "off")
        maybe(0.2, "enable_sort", "off")
        maybe(0.3, "enable_bitmapscan", "off")
        maybe(0.2, "vector.enable_exact_scan", "off")
        maybe(0.2, "work_mem", "64kB", "256kB", "64MB")
        maybe(0.3, "vector.simd", *self.simd)
        maybe(0.1, "cursor_tuple_fraction", "1", "0.5")
        if rng.random() < 0.15:
            found.update({"parallel_setup_cost": "0", "parallel_tuple_cost": "0",
                          "min_parallel_table_scan_size": "0", "min_parallel_index_scan_size": "0"})
        maybe(0.5, "hnsw.ef_search", "1", "10", "100", "400", "1000", "1000", str(rng.randint(1, 1000)))
        maybe(0.5, "hnsw.iterative_scan", "off", "relaxed_order", "relaxed_order")
        maybe(0.3, "hnsw.max_scan_tuples", "1", "100", "1000000")
        maybe(0.2, "hnsw.scan_mem_multiplier", "1000")
        maybe(0.1, "ivf.target_recall", "0", "0.5", "0.99", "1", f"{rng.random():.3f}")
        maybe(0.1, "hnsw.target_recall", "0", "0.5", "0.99", "1", f"{rng.random():.3f}")
        for am in ("ivfflat", "ivfpq", "ivfrabitq"):
            maybe(0.6, f"{am}.probes", "1", "3", ALL_LISTS, ALL_LISTS)
            maybe(0.5, f"{am}.iterative_scan", "off", "relaxed_order", "relaxed_order")
            maybe(0.1, f"{am}.max_probes", "1", "3")
            if am != "ivfflat":
                maybe(0.5, f"{am}.rerank", "1", "10", "100000", "100000")
        maybe(0.05, "sparse_inverted.drop_ratio", "0.3")
        return found

    def _nearest(self, kind, statements, where="", **more):
        """A query whose rows are (key, id, distance), by ascending distance. where: of
        the truth, which is all rows."""
        truth = more.pop("truth", None) or f"SELECT 0, id, {self.dist} FROM t{where}"
        more.setdefault("settings", {})
        more.setdefault("explain", statements[-1])
        return Query(kind, more.pop("promise", "nearest"), statements=statements,
                     collect=more.pop("collect", 1), truth=with_table(truth), **more)

    def _rows(self, kind, sql, truth=None, unless_approximate=False):
        promise = "rows unless approximate" if unless_approximate else "rows"
        return Query(kind, promise, {}, [sql], 1, sql, with_table(truth or sql))

    # -- nearest --------------------------------------------------------------

    def _tail(self, limit, offset):
        return f" LIMIT {limit}" + (f" OFFSET {offset}" if offset else "")

    def shape_nearest(self):
        limit, offset, where = self._limit(), self.rng.choice((0, 0, 0, 5, 60)), self._where()
        columns = self.rng.choice((f"0, id, {self.dist}", "0, id"))
        sql = f"SELECT {columns} FROM t{where} ORDER BY {self.dist}{self._tail(limit, offset)}"
        return self._nearest("order limit" + (" offset" if offset else ""), [sql], where, limit=limit, offset=offset)

    shape_nearest_again = shape_nearest_more = shape_nearest_most = shape_nearest

    def shape_range_order(self):
        limit, where = self._limit(), self._where(f"{self.dist} {self.rng.choice(('<', '<='))} {self._radius()}")
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("range order limit", [sql], where, limit=limit, bounded=True)

    def shape_sphere_order(self):
        limit, radius, op = self._limit(), self._radius(), SPHERES[self.target.operator]
        inside = f"{self.target.expression} {op} sphere({self.constant}, {radius})"
        sql = f"SELECT 0, id, {self.dist} FROM t{self._where(inside)} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("sphere order limit", [sql],
                             self._where(self._inside(self.dist, radius)), limit=limit, bounded=True)

    def shape_subquery(self):
        limit, where = self._limit(), self._where()
        sql = f"SELECT 0, id, d FROM (SELECT id, {self.dist} AS d FROM t{where} ORDER BY d) x LIMIT {limit}"
        return self._nearest("limit around subquery", [sql], where, limit=limit)

    def shape_sorted_again(self):
        limit, where = self._limit(), self._where()
        sql = f"SELECT 0, id, d FROM (SELECT id, {self.dist} AS d FROM t{where} ORDER BY d LIMIT {limit}) x ORDER BY d + 0"
        return self._nearest("sorted again", [sql], where, limit=limit)

    def shape_tie_breaker(self):
        limit, where = self._limit(), self._where()
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist}, id LIMIT {limit}"
        return self._nearest("order by distance and id", [sql], where, limit=limit)

    def shape_cursor(self):
        rng, where = self.rng, self._where()
        declare = f"DECLARE c {rng.choice(('', 'SCROLL ', 'NO SCROLL '))}CURSOR FOR " \
                  f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist}"
        pieces = rng.choice(((1, 10, 100), (7, 7, 7), (3, "ALL"), ("ALL",), (50, "ALL")))
        limit = None if "ALL" in pieces else sum(pieces)
        return self._nearest("cursor", [declare, *(f"FETCH {n} FROM c" for n in pieces)], where, limit=limit,
                             collect=len(pieces), explain=declare)

    shape_cursor_again = shape_cursor

    def shape_rewound_cursor(self):
        where = self._where()
        declare = f"DECLARE c SCROLL CURSOR FOR SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist}"
        return self._nearest("cursor rewound", [declare, "FETCH 20 FROM c", "MOVE ABSOLUTE 0 FROM c", "FETCH 3 FROM c",
                                                "FETCH 40 FROM c"], where, limit=43, collect=2, explain=declare)

    def shape_current_of(self):
        where = self._where()
        declare = f"DECLARE c CURSOR FOR SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist} FOR UPDATE"
        delete = f"DELETE FROM t WHERE CURRENT OF c RETURNING 0, id, {self.dist}"
        query = self._nearest("current of", [declare, "FETCH 1 FROM c", delete], where, limit=1, explain=declare)
        query.allowed = ("24000",)      # the cursor has no row
        return query

    def shape_similarity(self):
        """Descending order of what falls as the distance rises; NaN is first in it."""
        limit, target = self._limit(), self.target
        where = self._where(f"{target.expression} IS NOT NULL")
        ways = {"<#>": (f"{self.dist} * -1", f"- {self.dist}")}.get(target.operator, (f"1 - {self.dist}", f"2.5 - {self.dist}"))
        way = self.rng.choice(ways)
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {way} DESC{self.rng.choice(('', ' NULLS LAST'))} LIMIT {limit}"
        return self._nearest("similarity", [sql], where, limit=limit, nan_first=True)

    def shape_similarity_range(self):
        limit, radius = self._limit(), self._radius()
        where = self._where(f"1 - {self.dist} > 1 - {radius}")
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("similarity range", [sql], where, limit=limit, bounded=True)

    def shape_ties(self):
        limit, where = self.rng.choice((1, 5, 50)), self._where()
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist} FETCH FIRST {limit} ROWS WITH TIES"
        return self._nearest("with ties", [sql], where, limit=limit, ties=True)

    def shape_join_dim(self):
        limit, where = self._limit(), self._where()
        sql = f"SELECT 0, id, {self.dist} FROM t JOIN dim USING (grp){where} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("join order limit", [sql], limit=limit,
                             truth=f"SELECT 0, id, {self.dist} FROM t JOIN dim USING (grp){where}")

    def shape_semi_join(self):
        limit = self._limit()
        where = self._where(f"grp {self.rng.choice(('IN', 'NOT IN'))} (SELECT d.grp FROM dim d WHERE d.name <> 'b')")
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("semi join order limit", [sql], where, limit=limit)

    def shape_outer_join(self):
        limit, where = self._limit(), self._where()
        sql = f"SELECT 0, id, {self.dist} FROM t LEFT JOIN dim USING (grp){where} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("outer join order limit", [sql], where, limit=limit)

    def shape_prepared_often(self):
        """The sixth execution may take the generic plan."""
        limit, where = self._limit(), self._where()
        if "@V" not in self.constant:
            return self.shape_nearest()
        param = f"({self.target.distance('$1')})"
        radius = self._radius()
        within = self._where(f"{param} < $2")
        prepare = f"PREPARE q ({self.target.type}, float8) AS SELECT 0, id, {param} FROM t{within} ORDER BY {param} LIMIT {limit}"
        if self.target.type == "bit":
            return self.shape_nearest()
        execute = f"EXECUTE q ({self.constant.rsplit('::', 1)[0]}, {radius})"
        return self._nearest("prepared, executed often", [prepare] + [execute] * 7,
                             self._where(f"{self.dist} < {radius}"), limit=limit, bounded=True)

    def shape_scalar_subquery(self):
        target = self.target
        far = f"({target.of('b')} {target.operator} a.e)"
        outer = f"(SELECT id, {target.expression} AS e FROM t WHERE id % 37 = 1 AND emb IS NOT NULL) a"
        where = f" WHERE {target.predicate}" if target.predicate else ""
        sql = f"SELECT * FROM (SELECT a.id, (SELECT b.id FROM t b{where} ORDER BY {far} LIMIT 1) AS n FROM {outer}) x WHERE n IS NOT NULL"
        return self._nearest("scalar subquery", [sql], limit=1,
                             truth=f"SELECT a.id, b.id, {far} FROM {outer}, (SELECT * FROM t{where}) b")

    def shape_function(self):
        where = self._where()
        body = f"FOR k, id, d IN SELECT 0, x.id, x.dd FROM (SELECT id, {self.dist} AS dd FROM t{where}) x ORDER BY x.dd LOOP RETURN NEXT; END LOOP;"
        create = f"CREATE FUNCTION pg_temp.f() RETURNS TABLE (k int, id int8, d float8) LANGUAGE plpgsql AS " \
                 f"$f$#variable_conflict use_column\nBEGIN {body} END$f$"
        return self._nearest("loop in a function", [create, "SELECT * FROM pg_temp.f()"], where, promise="exact")

    def shape_prepared(self):
        rng, limit, where = self.rng, self._limit(), self._where()
        if "@V" not in self.constant:
            return self.shape_nearest()
        kind = self.constant.rsplit("::", 1)[1]
        param = f"({self.target.distance('$1::' + kind)})"
        prepare = f"PREPARE q (text, int8) AS SELECT 0, id, {param.replace('$1::', '$1::text::')} FROM t{where} " \
                  f"ORDER BY {param.replace('$1::', '$1::text::')} LIMIT $2"
        if rng.random() < 0.7:
            base = kind.split("(")[0]
            if self.target.type != "bit":
                param = f"({self.target.distance('$1')})"
                prepare = f"PREPARE q ({base}, int8) AS SELECT 0, id, {param} FROM t{where} ORDER BY {param} LIMIT $2"
        execute = f"EXECUTE q ({self.constant.rsplit('::', 1)[0]}, {limit})"
        return self._nearest("prepared", [prepare, execute], where, limit=limit,
                             settings={"plan_cache_mode": rng.choice(("force_generic_plan", "force_custom_plan"))})

    def shape_for_update(self):
        limit, where = self._limit(), self._where()
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist} LIMIT {limit} FOR UPDATE"
        return self._nearest("for update", [sql], where, limit=limit)

    def shape_policy(self):
        limit, where = self._limit(), self._where()
        # who reads through the policy may not see the row that a value is taken from
        if self.schema.persistence == "TEMP " or "FROM t" in self.constant:
            return self.shape_nearest()
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("row security", ["SET LOCAL ROLE g_reader", sql],
                             self._where(self.schema.policy), limit=limit)

    def shape_view(self):
        limit, where = self._limit(), self._where()
        view = f"CREATE TEMP VIEW v WITH (security_barrier) AS SELECT * FROM t WHERE {self.schema.policy}"
        sql = f"SELECT 0, id, {self.dist} FROM v{where} ORDER BY {self.dist} LIMIT {limit}"
        return self._nearest("security barrier", [view, sql], self._where(self.schema.policy), limit=limit)

    def shape_union(self):
        limit, where = self._limit(), self._where()
        one, two = (f"(SELECT {k}, id, {self.dist} FROM t{where} ORDER BY {self.dist} LIMIT {limit})" for k in (1, 2))
        return self._nearest("union", [f"{one} UNION ALL {two}"], limit=limit,
                             truth=f"SELECT k, id, {self.dist} FROM t CROSS JOIN (VALUES (1), (2)) v (k){where}")

    def shape_lateral(self):
        """A search for each of a few rows."""
        target, limit = self.target, self.rng.choice((1, 5, 50))
        pick = f"id % {self.rng.choice((29, 101))} = 1 AND emb IS NOT NULL"
        far = f"({target.of('b')} {target.operator} a.e)"
        outer = f"(SELECT id, {target.expression} AS e FROM t WHERE {pick}) a"
        where = f" WHERE {target.predicate}" if target.predicate else ""
        sql = f"SELECT a.id, x.id, x.d FROM {outer}, LATERAL (SELECT id, {far} AS d FROM t b{where} ORDER BY {far} LIMIT {limit}) x"
        inner = f"(SELECT * FROM t{where}) b"
        return self._nearest("lateral", [sql], limit=limit, truth=f"SELECT a.id, b.id, {far} FROM {outer}, {inner}")

    def shape_delete_nearest(self):
        limit, where = self._limit(), self._where()
        inner = f"SELECT id FROM t{where} ORDER BY {self.dist} LIMIT {limit}"
        sql = self.rng.choice((f"DELETE FROM t WHERE id IN ({inner}) RETURNING 0, id",
                               f"UPDATE t SET emb = emb WHERE id IN ({inner}) RETURNING 0, id"))
        return self._nearest("change of the nearest", [sql], where, limit=limit, promise="nearest unordered")

    # -- members --------------------------------------------------------------

    def shape_sphere(self):
        radius = self.rng.choice((self._radius(), self._radius(), "'NaN'" if "@V" in self.constant else "0"))
        inside = f"{self.target.expression} {SPHERES[self.target.operator]} sphere({self.constant}, {radius})"
        sql = f"SELECT 0, id, {self.dist} FROM t{self._where(inside)}"
        return self._nearest("sphere", [sql], self._where(self._inside(self.dist, radius)), promise="members", bounded=True)

    shape_sphere_again = shape_sphere

    def shape_spheres(self):
        radius, other = self._radius(), self.schema.vector_constant(self.target)
        op = SPHERES[self.target.operator]
        inside = f"{self.target.expression} {op} ANY (ARRAY[sphere({self.constant}, {radius}), sphere({other}, {radius})])"
        far = f"({self.target.distance(other)})"
        sql = f"SELECT 0, id, {self.dist} FROM t{self._where(inside)}"
        truth = self._where(f"{self._inside(self.dist, radius)} OR {self._inside(far, radius)}")
        return self._nearest("any of spheres", [sql], truth, promise="members", bounded=True)

    def shape_sphere_join(self):
        target, radius = self.target, self._radius()
        pick = "a.id % 29 = 1"
        far = f"({target.of('b')} {target.operator} {target.of('a')})"
        inside = f"{target.of('b')} {SPHERES[target.operator]} sphere({target.of('a')}, {radius})"
        where = f" AND {target.of('b')} IS NOT NULL"
        sql = f"SELECT a.id, b.id, {far} FROM t a JOIN t b ON {inside}{where} WHERE {pick}"
        truth = f"SELECT a.id, b.id, {far} FROM t a JOIN t b ON {self._inside(far, radius)} WHERE {pick}"
        return self._nearest("join by sphere", [sql], truth=truth, promise="members", bounded=True)

    # -- exact ----------------------------------------------------------------

    def _range(self):
        return f"{self.dist} {self.rng.choice(('<', '<=', '>', '>='))} {self._radius()}"

    def shape_order_only(self):
        where = self._where()
        offset = self.rng.choice((0, 0, 7))
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY {self.dist}" + (f" OFFSET {offset}" if offset else "")
        return self._nearest("order without limit", [sql], where, promise="exact", offset=offset)

    def shape_similarity_only(self):
        where, sign = self._where(), "DESC NULLS LAST"
        sql = f"SELECT 0, id, {self.dist} FROM t{where} ORDER BY 2 - {self.dist} {sign}"
        return self._nearest("similarity without limit", [sql], where, promise="exact", nan_first=True)

    def shape_count(self):
        return self._rows("count in range", f"SELECT count(*), min(id), max(id), sum(id) FROM t{self._where(self._range())}")

    def shape_range(self):
        return self._rows("range", f"SELECT id, {self.dist} FROM t{self._where(self._range())}")

    def shape_min(self):
        return self._rows("aggregate", f"SELECT min({self.dist}), max({self.dist}), count({self.dist}) FROM t{self._where()}")

    def shape_group(self):
        return self._rows("group by", f"SELECT grp, count(*), min({self.dist}) FROM t{self._where()} GROUP BY grp")

    def shape_window(self):
        return self._rows("window", f"SELECT id, rank() OVER (ORDER BY {self.dist}), dense_rank() OVER "
                                    f"(PARTITION BY grp ORDER BY {self.dist}) FROM t{self._where()}")

    def shape_window_limit(self):
        return self._rows("window limit", f"SELECT r, d FROM (SELECT rank() OVER (ORDER BY {self.dist}) AS r, {self.dist} AS d "
                                          f"FROM t{self._where()}) x ORDER BY d, r LIMIT {self._limit()}")

    def shape_distinct_on(self):
        return self._rows("distinct on", f"SELECT DISTINCT ON (grp) grp, {self.dist} FROM t{self._where()} ORDER BY grp, {self.dist}")

    def shape_distinct(self):
        return self._rows("distinct", f"SELECT DISTINCT {self.dist} AS d FROM t{self._where()} ORDER BY d LIMIT {self._limit()}")

    def shape_farthest(self):
        return self._rows("farthest", f"SELECT {self.dist} AS d FROM t{self._where()} ORDER BY d DESC LIMIT {self._limit()}")

    def shape_plus_zero(self):
        return self._rows("plus zero", f"SELECT {self.dist} + 0 AS d FROM t{self._where()} ORDER BY d LIMIT {self._limit()}")

    def shape_join(self):
        target = self.target
        far = f"({target.of('b')} {target.operator} {target.of('a')})"
        return self._rows("join by range", f"SELECT a.id, count(*), min(b.id) FROM t a JOIN t b ON {far} < {self._radius()} "
                                           "WHERE a.id % 29 = 1 GROUP BY a.id")

    def shape_except(self):
        return self._rows("set operations", f"SELECT id FROM t{self._where(self._range())} UNION SELECT id FROM t{self._where(self._range())} "
                                            f"EXCEPT SELECT id FROM t{self._where(self._range())}")

    def shape_exists(self):
        target = self.target
        far = f"({target.of('b')} {target.operator} {target.of('a')})"
        return self._rows("exists", f"SELECT a.id FROM t a WHERE a.id % 13 = 1 AND {self.rng.choice(('', 'NOT '))}EXISTS "
                                    f"(SELECT 1 FROM t b WHERE b.id <> a.id AND {far} < {self._radius()})")

    def shape_merge(self):
        where = self._range()
        merge = f"MERGE INTO t USING (SELECT 1) one ON {where} WHEN MATCHED THEN DELETE"
        query = self._rows("merge", "SELECT id FROM t", f"SELECT id FROM t WHERE ({where}) IS NOT TRUE")
        query.statements.insert(0, merge)
        query.explain = merge
        return query

    def shape_update_from(self):
        where = self._where("dim.grp = t.grp", self._range()).replace("grp ", "t.grp ").replace("dim.t.", "dim.").replace("t.t.", "t.")
        return self._rows("update from", f"UPDATE t SET n = 0 FROM dim{where} RETURNING t.id",
                          f"SELECT t.id FROM t, dim{where}")

    def shape_full_join(self):
        target = self.target
        far = f"({target.of('b')} {target.operator} {target.of('a')})"
        return self._rows("left join by range", f"SELECT a.id, b.id FROM (SELECT * FROM t WHERE id % 37 = 1) a LEFT JOIN t b ON {far} < {self._radius()}")

    def shape_change(self):
        where = self._where(self._range())
        if self.rng.random() < 0.4:
            radius = self._radius()
            where = self._where(f"{self.target.expression} {SPHERES[self.target.operator]} sphere({self.constant}, {radius})")
            truth = self._where(self._inside(self.dist, radius))
        else:
            truth = where
        sql = self.rng.choice((f"DELETE FROM t{where} RETURNING id", f"UPDATE t SET n = n + 1{where} RETURNING id",
                               f"UPDATE t SET emb = emb{where} RETURNING id"))
        return self._rows("change in range", sql, f"SELECT id FROM t{truth}")


def with_table(sql):
    """The same over a copy of the table that no index and no scan of ours is for."""
    return f"WITH t AS MATERIALIZED (SELECT * FROM t) {sql}"
