"""Random histories: what happens to a table between and before its queries."""

from case import Crash, Step
from schema import BEYOND, SETTINGS_BEYOND, index_options

# Deleting and updating by chance, the same rows for the same case.
PICK = ("id % 2 = 0", "id % 3 = 1", "id % 10 <> 3", "id % 17 = 0", "grp = 1", "true")

# Whatever builds indexes anew may have too little maintenance_work_mem.
MEMORY = ("54000",)


class History:
    def __init__(self, rng, schema):
        self.rng = rng
        self.schema = schema
        self.snapshot = False       # does session b hold one?
        self.operations = {name[3:]: getattr(self, name) for name in dir(self) if name.startswith("do_")}

    def step(self):
        """The next operation; None where the one drawn does not fit."""
        name = self.rng.choice(list(self.operations))
        return self.operations[name]()

    def _alone(self):
        """May a lock be taken that session b's old snapshot is in the way of?"""
        return not self.snapshot

    def _whole(self):
        return not self.schema.partitions

    def do_insert(self):
        return Step("insert", [self.schema.rows(self.rng.choice((1, 3, 30)), copy=False)])

    def do_copy(self):
        return Step("copy", [self.schema.rows(self._bulk(), copy=True)])

    def _bulk(self):
        return max(1, min(self.rng.choice((20, 100, 400)), 30000 // min(self.schema.case.dims, 30000)))

    def do_single_inserts(self):
        return Step("single inserts", [self.schema.rows(1, copy=False) for _ in range(20)])

    def do_upsert(self):
        rng, schema = self.rng, self.schema
        if not schema.key:
            return None
        rows = schema.rows(10, copy=False)
        for row in rows.rows[:8]:
            row[0] = str(rng.randint(1, schema.next_id - 1))
        ids = set()
        rows.rows = [row for row in rows.rows if not (row[0] in ids or ids.add(row[0]))]
        rows.tail = " ON CONFLICT (id) DO UPDATE SET emb = excluded.emb, note = excluded.note"
        return Step("upsert", [rows])

    def do_churn(self):
        """Rows come and go, with vacuums in between, so that places are used again."""
        statements = []
        for i in range(4):
            statements += [self.schema.rows(15), f"DELETE FROM t WHERE id % 4 = {i}", "VACUUM (INDEX_CLEANUP on) t"]
        return Step("churn", statements)

    def do_flush(self):
        names = [name for name, target in self.schema.indexes.items() if target.am == "sparse_inverted"]
        if not names or self.schema.partitions:
            return None
        return Step("flush", [f"SELECT sparse_inverted_flush('{self.rng.choice(names)}', {self.rng.choice(('true', 'false'))})"],
                    allowed=("42P01",))

    def do_rebalance(self):
        names = [name for name, target in self.schema.indexes.items() if target.am in ("ivfflat", "ivfpq", "ivfrabitq")]
        if not names or self.schema.partitions:
            return None
        budget = self.rng.choice((1, 50, 100000))
        # one that was built with too little data refuses
        return Step("rebalance", [f"SELECT replaced FROM ivf_rebalance('{self.rng.choice(names)}', {budget})"],
                    allowed=(*MEMORY, "42P01", "55000"))

    do_rebalance_again = do_rebalance

    def do_alter_index(self):
        rng, schema = self.rng, self.schema
        if not schema.indexes or not self._whole() or not self._alone():
            return None
        name = rng.choice(list(schema.indexes))
        options = index_options(rng, schema.indexes[name], schema.case.dims)
        if not options:
            return None
        text = ", ".join(f"{k} = {v}" for k, v in options.items())
        return Step("alter index", [f"ALTER INDEX {name} SET ({text})", f"REINDEX INDEX {name}"],
                    allowed=(*MEMORY, "42P01"))

    def do_beyond(self):
        """What is beyond the range of an option is refused, by the right error, and changes nothing."""
        rng, schema = self.rng, self.schema
        target = rng.choice(schema.targets)
        wrong = rng.choice(BEYOND[target.am])
        tries = [f"SET LOCAL {rng.choice(SETTINGS_BEYOND)}"]
        if self._alone():
            tries.append(f"CREATE INDEX ON t USING {target.am} ({target.expression} {target.opclass}) WITH ({wrong})")
            if schema.indexes and self._whole():
                name = rng.choice(list(schema.indexes))
                tries.append(f"ALTER INDEX IF EXISTS {name} SET ({rng.choice(BEYOND[schema.indexes[name].am])})")
        body = " ".join(f"BEGIN EXECUTE $q${text}$q$; IF to_regclass('t') IS NOT NULL AND {taken(text)} THEN RAISE 'taken: %', $q${text}$q$ USING ERRCODE = 'XX999'; END IF; "
                        "EXCEPTION WHEN invalid_parameter_value OR undefined_object OR undefined_parameter OR invalid_name OR undefined_table OR program_limit_exceeded THEN NULL; END;" for text in tries)
        return Step("beyond ranges", [f"DO $do$BEGIN {body} END$do$"])

    def do_timeout(self):
        """Something that is cut short, anywhere."""
        rng = self.rng
        statements = [f"DELETE FROM t WHERE {rng.choice(PICK)}", "VACUUM t", "UPDATE t SET emb = emb",
                      self.schema.rows(200)]
        if self._alone():
            statements += ["REINDEX TABLE t", "REINDEX TABLE CONCURRENTLY t", "VACUUM FULL t"]
        return Step("timeout", [f"SET statement_timeout = '{rng.choice((1, 3, 10, 30))}ms'", rng.choice(statements)],
                    allowed=(*MEMORY, "57014"))

    def do_copied_rows(self):
        rng, schema = self.rng, self.schema
        first, count = schema.next_id, rng.choice((10, 200))
        columns = ", ".join(["grp", "note", "n", *schema.filters, "emb"])
        schema.next_id += count
        return Step("copies of rows", [f"INSERT INTO t (id, {columns}) SELECT {first} + row_number() OVER (ORDER BY id), "
                                       f"{columns} FROM t ORDER BY id LIMIT {count - 1}"])

    def do_update_vector(self):
        pick = self.rng.choice(PICK)
        value = "emb"
        if self.schema.type in ("vector", "halfvec"):
            value = self.rng.choice(("emb", "l2_normalize(emb)"))
        elif self.schema.type == "bit":
            value = "~emb"
        return Step("update", [f"UPDATE t SET emb = {value} WHERE {pick}"])

    def do_update_from_other(self):
        return Step("update", ["UPDATE t SET emb = coalesce((SELECT o.emb FROM t o WHERE o.emb IS NOT NULL AND o.id <> t.id "
                               "ORDER BY o.id LIMIT 1), emb) WHERE id % 7 = 1"])

    def do_hot_update(self):
        return Step("hot update", [f"UPDATE t SET note = 'y', n = n / 2 WHERE {self.rng.choice(PICK)}"])

    def do_update_key(self):
        return Step("update of keys", [f"UPDATE t SET grp = (grp + 1) % 5 WHERE {self.rng.choice(PICK)}"])

    def do_delete(self):
        return Step("delete", [f"DELETE FROM t WHERE {self.rng.choice(PICK[:-1] if self.rng.random() < .8 else PICK)}"])

    def do_vacuum(self):
        return Step("vacuum", [f"VACUUM ({self.rng.choice(('INDEX_CLEANUP on', 'ANALYZE', 'FREEZE', 'PARALLEL 0'))}) t"])

    do_vacuum_again = do_vacuum

    def do_vacuum_full(self):
        return Step("vacuum full", ["VACUUM FULL t"], allowed=MEMORY) if self._alone() else None

    def do_analyze(self):
        return Step("analyze", ["ANALYZE t"])

    def do_reindex(self):
        if not self._alone():
            return None
        how = self.rng.choice(("TABLE t", "TABLE CONCURRENTLY t"))
        return Step("reindex" + (" concurrently" if "CONC" in how else ""), [f"REINDEX {how}"], allowed=MEMORY)

    def do_cluster(self):
        if not self._alone() or not self._whole():
            return None
        return Step("cluster", ["CREATE INDEX IF NOT EXISTS t_order ON t (n)", "CLUSTER t USING t_order", "DROP INDEX t_order"], allowed=MEMORY)

    def do_truncate(self):
        if not self._alone() or self.rng.random() < 0.7:
            return None
        return Step("truncate", ["TRUNCATE t"], allowed=MEMORY)

    def do_alter(self):
        schema, rng = self.schema, self.rng
        if not self._alone():
            return None
        if schema.domain or schema.generated or rng.random() < 0.5:
            return Step("alter storage", schema.storage() or ["ALTER TABLE t ADD COLUMN extra int4 DEFAULT 7",
                                                              "ALTER TABLE t DROP COLUMN extra"])
        return Step("alter type", [f"ALTER TABLE t ALTER emb TYPE {schema.type}(@D@) USING (emb::text)::{schema.type}(@D@)"], allowed=MEMORY)

    def do_abort(self):
        rows = self.schema.rows(self.rng.choice((1, 20)))
        return Step("abort", ["BEGIN", rows, f"DELETE FROM t WHERE {self.rng.choice(PICK)}", "ROLLBACK"])

    def do_savepoint(self):
        return Step("savepoint", ["BEGIN", self.schema.rows(5), "SAVEPOINT s", self.schema.rows(5),
                                  f"UPDATE t SET emb = emb WHERE {self.rng.choice(PICK)}", "ROLLBACK TO s",
                                  self.schema.rows(2), "COMMIT"])

    def do_prepared(self):
        rng = self.rng
        if self.schema.persistence == "TEMP ":
            return None
        between = rng.choice(([], ["CHECKPOINT"], ["VACUUM t"]))
        return Step("prepared transaction", ["BEGIN", self.schema.rows(5), f"DELETE FROM t WHERE {rng.choice(PICK)}",
                                             "PREPARE TRANSACTION 'g'", *between,
                                             f"{rng.choice(('COMMIT', 'ROLLBACK'))} PREPARED 'g'"])

    def do_crash(self):
        if self.schema.persistence == "TEMP " or self.rng.random() < 0.6 or self.snapshot:
            return None
        return Crash()

    def do_snapshot(self):
        """An old snapshot in another session, until do_release."""
        if self.schema.persistence == "TEMP " or self.snapshot:
            return None
        self.snapshot = True
        return Step("old snapshot", ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM t"], session="b")

    def do_release(self):
        if not self.snapshot:
            return None
        self.snapshot = False
        return Step("release snapshot", ["COMMIT"], session="b")

    def do_index(self):
        rng, schema = self.rng, self.schema
        if not self._alone():
            return None
        if schema.indexes and rng.random() < 0.5:
            name = rng.choice(list(schema.indexes))
            if rng.random() < 0.5 and self._whole():
                return Step("reindex index", [f"REINDEX INDEX {name}"], allowed=(*MEMORY, "42P01"))
            target = schema.indexes.pop(name)
            step = schema.create_index(target)
            return Step("drop index", [f"DROP INDEX IF EXISTS {name}", *step.statements], allowed=step.allowed)
        if len(schema.indexes) >= 4:
            return None
        return schema.create_index(rng.choice(schema.targets), self._whole() and rng.random() < 0.4)


def taken(text):
    """Whether a statement that ought to be refused had something to change, in SQL."""
    found = text.split("IF EXISTS ")
    return "true" if len(found) == 1 else f"to_regclass('{found[1].split()[0]}') IS NOT NULL"
