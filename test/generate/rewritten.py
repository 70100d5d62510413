"""Shapes of queries that the planner puts in other words: rows numbered by distance
up to a number, two tables in the order of their distance; and what is near these."""

# A number at which rows end, and how many rows that are
PLACES = (1, 2, 5, 10, 30, 200, 3000)


class Rewritten:
    """A part of Queries, which has rng, schema, target, dist and the helpers."""

    def _up_to(self, k, name="p"):
        return self.rng.choice((f"{name} <= {k}", f"{name} < {k + 1}", f"{k} >= {name}", f"{k + 1} > {name}",
                                f"{name} <= {k} AND {name} >= 1", f"{name} <= {k} AND {name} <= {k + 7}"))

    def _numbered(self, function, where, alias="x"):
        """A subquery whose rows have ids, distances and numbers p by these."""
        over = self.rng.choice((f"{function}() OVER (ORDER BY {self.dist})", f"{function}() OVER (ORDER BY {self.dist} ASC NULLS LAST)"))
        tail = f" ORDER BY {self.dist}" if self.rng.random() < 0.2 else ""
        return f"(SELECT id, {self.dist} AS d, {over} AS p FROM t{where}{tail}) {alias}"

    def shape_numbered(self):
        rng, k, where = self.rng, self.rng.choice(PLACES), self._where()
        function = rng.choice(("row_number", "row_number", "rank"))
        numbered = self._numbered(function, where)
        bound = self._up_to(k)
        more = {"limit": k, "ties": function == "rank", "numbered": function}
        head, rows = "SELECT 0, id, d, p", f"FROM {numbered} WHERE {bound}"
        sql = rng.choice((f"{head} {rows}", f"{head} {rows} ORDER BY p", f"{head} {rows} ORDER BY d", f"{head} {rows} ORDER BY d, p"))
        how = rng.random()
        if how < 0.2:
            sql = f"WITH x AS {numbered[:-2]} {head} FROM x WHERE {bound} ORDER BY p"
        elif how < 0.3:
            view = f"CREATE TEMP VIEW v AS SELECT * FROM {numbered}"
            return self._nearest("numbered view", [view, f"{head} FROM v WHERE {bound} ORDER BY p"], where, **more)
        elif how < 0.4:
            prepare = f"PREPARE q (int8) AS {head} FROM {numbered} WHERE p <= $1 ORDER BY p"
            return self._nearest("numbered, prepared", [prepare, f"EXECUTE q ({k})"], where,
                                 settings={"plan_cache_mode": rng.choice(("force_generic_plan", "force_custom_plan"))}, **more)
        promise = "nearest" if "ORDER BY" in sql[sql.index(bound):] else "nearest unordered"
        return self._nearest("numbered", [sql], where, promise=promise, **more)

    shape_numbered_again = shape_numbered

    def shape_numbered_filter_outside(self):
        """A condition beside the number: of the k nearest rows, those that it lets pass."""
        k, where = self.rng.choice(PLACES), self._where()
        sql = f"SELECT id, p FROM {self._numbered('rank', where)} WHERE {self._up_to(k)} AND id % 2 = 0"
        truth = f"SELECT id, p FROM (SELECT id, rank() OVER (ORDER BY {self.dist}) AS p FROM t{where}) x WHERE p <= {k} AND id % 2 = 0"
        return self._rows("numbered, filtered", sql, truth, unless_approximate=True)

    def shape_numbered_exact(self):
        """What no LIMIT may take the place of."""
        k, where = self.rng.choice(PLACES), self._where()
        over = f"PARTITION BY grp ORDER BY {self.dist}"
        function = self.rng.choice(("rank", "dense_rank"))
        sql = self.rng.choice((
            f"SELECT id, p FROM (SELECT id, {function}() OVER ({over}) AS p FROM t{where}) x WHERE p <= {k}",
            f"SELECT id, p FROM (SELECT id, dense_rank() OVER (ORDER BY {self.dist}) AS p FROM t{where}) x WHERE p <= {k}",
            f"SELECT id, p FROM (SELECT id, rank() OVER (ORDER BY {self.dist} DESC) AS p FROM t{where}) x WHERE p <= {k}",
            f"SELECT id, p, c FROM (SELECT id, rank() OVER (ORDER BY {self.dist}) AS p, count(*) OVER () AS c FROM t{where}) x WHERE p <= {k}",
            f"SELECT id, p FROM (SELECT id, rank() OVER (ORDER BY {self.dist}) AS p FROM t{where}) x WHERE p > {k}",
            f"SELECT count(*) FROM (SELECT rank() OVER (ORDER BY {self.dist}) AS p, grp FROM t{where}) x WHERE p <= grp"))
        return self._rows("numbered exactly", sql)

    def shape_ranks_beside_limit(self):
        limit, where = self._limit(), self._where()
        function = self.rng.choice(("row_number", "rank", "dense_rank"))
        offset = self.rng.choice((0, 0, 3))
        sql = f"SELECT 0, id, {self.dist}, {function}() OVER (ORDER BY {self.dist}) FROM t{where} ORDER BY {self.dist}{self._tail(limit, offset)}"
        return self._nearest("ranks beside limit", [sql], where, limit=limit, offset=offset, numbered=function)

    # -- two tables -----------------------------------------------------------

    def _pair(self, outer, where, condition=""):
        """Rows of t beside those of outer, which has keys k and values e."""
        target = self.target
        far = f"({target.of('b')} {target.operator} a.e)" if self.rng.random() < 0.5 else f"(a.e {target.operator} {target.of('b')})"
        join = self.rng.choice((f"{outer} a CROSS JOIN {{b}} b", f"{outer} a, {{b}} b", f"{{b}} b CROSS JOIN {outer} a"))
        if condition:
            join = f"{outer} a JOIN {{b}} b ON {condition}"
        inner = f"(SELECT * FROM t{where})"
        return far, join.format(b=inner if where or self.rng.random() < 0.5 else "t"), join.format(b=inner)

    def _pairs(self, kind, outer, limit, with_=""):
        rng = self.rng
        condition = rng.choice(("", "", "b.id <> a.k", "b.id > a.k", "b.id % 3 < a.k % 4"))
        far, join, plain = self._pair(outer, self._where(), condition)
        number = "b.id + 1000000 * a.k"
        ordered = rng.choice((f"SELECT 0, {number}, {far} FROM {join} ORDER BY {far} LIMIT {limit}",
                              f"SELECT 0, {number} AS n, {far} AS d FROM {join} ORDER BY d LIMIT {limit}",
                              f"SELECT 0, n, d FROM (SELECT {number} AS n, {far} AS d FROM {join} ORDER BY {far}) x LIMIT {limit}"))
        return self._nearest(kind, [with_ + ordered], limit=limit, truth=f"SELECT 0, {number}, {far} FROM {plain}")

    def shape_cross_join(self):
        constants = [self.constant] + [self.schema.vector_constant(self.target) for _ in range(self.rng.choice((0, 0, 2)))]
        values = "(SELECT column1 AS k, column2 AS e FROM (VALUES {}) z)".format(
            ", ".join(f"({i}, {c})" for i, c in enumerate(constants, 1)))
        return self._pairs("cross join order limit", values, self.rng.choice((1, 5, 50, 1000)))

    def shape_cte_join(self):
        """The query is a CTE of one row."""
        limit, target = self.rng.choice((1, 5, 50, 1000)), self.target
        where = self._where()
        far = f"({target.of('b')} {target.operator} q.e)"
        how = self.rng.choice(("", "MATERIALIZED", "NOT MATERIALIZED"))
        sql = f"WITH q AS {how} (SELECT {self.constant} AS e) SELECT 0, id, {far} FROM q, (SELECT * FROM t{where}) b ORDER BY {far} LIMIT {limit}"
        return self._nearest("cte join order limit", [sql], where, limit=limit)

    def shape_self_join(self):
        rows = self.rng.choice(("id = 1", "id = 7", "id IN (2, 3, 4)", "id % 101 = 1", "id = -1"))
        outer = f"(SELECT id AS k, {self.target.expression} AS e FROM t WHERE {rows} AND emb IS NOT NULL)"
        return self._pairs("self join order limit", outer, self.rng.choice((1, 5, 50)))

    def shape_lateral_unnest(self):
        """A search for each element of an array."""
        rng, target, limit, where = self.rng, self.target, self.rng.choice((1, 5, 50)), self._where()
        constants = [self.constant] + [self.schema.vector_constant(target) for _ in range(rng.choice((0, 1, 3)))]
        outer = f"unnest(ARRAY[{', '.join(constants)}]) WITH ORDINALITY q (e, o)"
        far = f"({target.expression} {target.operator} q.e)"
        sql = f"SELECT q.o, x.id, x.d FROM {outer}, LATERAL (SELECT id, {far} AS d FROM t{where} ORDER BY {far} LIMIT {limit}) x"
        if rng.random() < 0.3:
            function = rng.choice(("row_number", "rank"))
            numbered = f"SELECT id, {far} AS d, {function}() OVER (ORDER BY {far}) AS p FROM t{where}"
            sql = f"SELECT q.o, x.id, x.d FROM {outer}, LATERAL (SELECT * FROM ({numbered}) y WHERE p <= {limit} ORDER BY p) x"
            return self._nearest("lateral numbers", [sql], limit=limit, ties=function == "rank",
                                 truth=f"SELECT q.o, id, {far} FROM {outer}, t{where}", promise="nearest unordered")
        return self._nearest("lateral over unnest", [sql], limit=limit,
                             truth=f"SELECT q.o, id, {far} FROM {outer}, t{where}", promise="nearest unordered")

    # -- groups ---------------------------------------------------------------

    def shape_groups(self):
        rng, where = self.rng, self._where()
        groups, rows = rng.choice((1, 2, 3, 10)), rng.choice((1, 2, 5, 40))
        inner = f"SELECT grp, id, {self.dist} FROM t{where} ORDER BY {self.dist}"
        call = f"SELECT * FROM nearest_groups($q${inner}$q$, {groups}, {rows}) AS x (grp int4, id int8, d float8)"
        if "@V" in self.constant and rng.random() < 0.5:
            inner_by_number = inner.replace(self.constant, "$1")
            call = f"SELECT * FROM nearest_groups($q${inner_by_number}$q$, {groups}, {rows}, {self.constant}) AS x (grp int4, id int8, d float8)"
        return self._nearest("groups", [f"DECLARE c NO SCROLL CURSOR FOR {inner}", call], promise="groups", limit=groups, each=rows,
                             truth=f"SELECT grp, id, {self.dist} FROM t{where}", explain=f"DECLARE c NO SCROLL CURSOR FOR {inner}")

    # -- changes --------------------------------------------------------------

    def _change(self, rows):
        """A statement that changes the rows whose ids a query has."""
        return self.rng.choice((f"DELETE FROM t WHERE id IN (SELECT id FROM {rows}) RETURNING 0, id",
                                f"UPDATE t SET n = n + 1 WHERE id IN (SELECT id FROM {rows}) RETURNING 0, id",
                                f"UPDATE t SET emb = t.emb FROM (SELECT id AS chosen FROM {rows}) s WHERE t.id = s.chosen RETURNING 0, t.id",
                                f"DELETE FROM t USING (SELECT id AS chosen FROM {rows}) s WHERE t.id = s.chosen RETURNING 0, t.id"))

    def shape_change_numbered(self):
        """What a statement changes is found exactly: no LIMIT takes the place of numbers there."""
        k, where, function = self.rng.choice(PLACES), self._where(), self.rng.choice(("row_number", "rank"))
        rows = f"{self._numbered(function, where)} WHERE {self._up_to(k)}"
        return self._nearest("change of numbered rows", [self._change(rows)], where, limit=k, ties=function == "rank", promise="exact unordered")

    def shape_change_joined(self):
        limit, target, where = self.rng.choice((1, 5, 50)), self.target, self._where()
        far = f"({target.of('b')} {target.operator} q.e)"
        outer = f"(SELECT {target.expression} AS e FROM t WHERE id = {self.rng.choice((1, 7))} AND emb IS NOT NULL)"
        joined = f"FROM {outer} q CROSS JOIN (SELECT * FROM t{where}) b"
        rows = f"(SELECT b.id {joined} ORDER BY {far} LIMIT {limit}) z"
        return self._nearest("change of joined rows", [self._change(rows)], limit=limit, promise="exact unordered",
                             truth=f"SELECT 0, b.id, {far} {joined}")

    def shape_merge_numbered(self):
        k, where = self.rng.choice(PLACES), self._where()
        rows = f"{self._numbered('rank', where)} WHERE {self._up_to(k)}"
        merge = f"MERGE INTO t USING (SELECT id AS chosen FROM {rows}) s ON t.id = s.chosen WHEN MATCHED THEN DELETE"
        truth = f"SELECT id FROM t WHERE id NOT IN (SELECT id FROM (SELECT id, rank() OVER (ORDER BY {self.dist}) AS p FROM t{where}) y WHERE p <= {k})"
        query = self._rows("merge of numbered rows", "SELECT id FROM t", truth)
        query.statements.insert(0, merge)
        query.explain = merge
        return query
