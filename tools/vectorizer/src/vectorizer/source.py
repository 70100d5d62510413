"""What the catalogs say about a table whose text is to be embedded."""

import dataclasses

import psycopg
from psycopg import sql

from .errors import VectorizerError
from .names import columns, ident, load_keywords, operator, raw


# what the tables of the queue hold beside the key
QUEUE_COLUMNS = ("queued_at", "attempts", "due_at", "error")


@dataclasses.dataclass
class Key:
    name: str
    type: str
    # the equality operator of the primary key's index
    equals: sql.Composable
    # the type of an array of such keys; None where there is no array of arrays
    array: str = None


@dataclasses.dataclass
class Source:
    oid: int
    schema: str
    name: str
    owner: str
    keys: list
    columns: dict           # name: type, in the table's order
    row_security: bool
    forced_security: bool
    partitioned: bool = False

    @property
    def table(self):
        return ident(self.schema, self.name)

    @property
    def packs(self):
        """Whether many keys can be held as arrays."""
        return all(k.array for k in self.keys)

    def join(self, left, right):
        """Equality of the keys of two relations: a.id = b.id AND ..."""
        return sql.SQL(" AND ").join(
            sql.SQL("{} {} {}").format(ident(left, k.name), k.equals, ident(right, k.name))
            for k in self.keys)

    def key_list(self, alias=None):
        return columns((k.name for k in self.keys), alias)


def parse_name(conn, text, what):
    """One identifier as SQL spells it: folded to lower case unless quoted."""
    try:
        with conn.transaction():
            parts = conn.execute("SELECT parse_ident(%s)", [text]).fetchone()[0]
    except psycopg.errors.InvalidParameterValue as e:
        raise VectorizerError(f"{what} {text!r}: {e.diag.message_primary}"
                              " (write names as in SQL, with double quotes where they need them)") from e
    if len(parts) != 1:
        raise VectorizerError(f"{what} {text!r}: one name is wanted, without a schema")
    if len(parts[0].encode()) > 63:
        raise VectorizerError(f"{what} {text!r}: longer than 63 bytes")
    return parts[0]


def split_names(text):
    """The names of a list with commas, which quoted names may contain."""
    out, quoted = [""], False
    for c in text:
        quoted ^= c == '"'
        if c == "," and not quoted:
            out.append("")
        else:
            out[-1] += c
    return [n for n in out if n.strip()]


def read_source(conn, table):
    """Read a table named as in SQL; refuse what cannot be kept up to date."""
    load_keywords(conn)
    try:
        with conn.transaction():
            oid = conn.execute("SELECT to_regclass(%s)::oid", [table]).fetchone()[0]
    except psycopg.Error as e:
        raise VectorizerError(f"table {table!r}: {e.diag.message_primary}") from e
    if oid is None:
        raise VectorizerError(f"there is no table {table} (names are read as in SQL: "
                              "quote those with capitals or blanks, give the schema if it is not in search_path)")
    row = conn.execute("""
        SELECT n.nspname, c.relname, c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), c.relrowsecurity,
               c.relforcerowsecurity, c.relispartition,
               EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid OR inhrelid = c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s""", [oid]).fetchone()
    schema, name, kind, persistence, owner, rls, forced, partition, inherits = row
    if partition:
        raise VectorizerError(f"{table} is a partition: name the partitioned table that it belongs to")
    if kind not in "rp":
        raise VectorizerError(f"{table} is no table: only a table has triggers that tell of changed rows")
    if inherits and kind != "p":
        raise VectorizerError(f"{table} is part of an inheritance tree: triggers of one table "
                              "are not told of rows of the others")
    if persistence == "t":
        raise VectorizerError(f"{table} is temporary: no worker can see it")
    keys = [Key(n, t, operator(s, o), a) for n, t, s, o, a in conn.execute("""
        SELECT a.attname, format_type(a.atttypid, a.atttypmod) || COALESCE((
            SELECT format(' COLLATE %%I.%%I', cn.nspname, l.collname) FROM pg_type y, pg_collation l
            JOIN pg_namespace cn ON cn.oid = l.collnamespace
            WHERE y.oid = a.atttypid AND l.oid = a.attcollation AND l.oid <> y.typcollation), ''), n.nspname, o.oprname,
            (SELECT format_type(y.typarray, a.atttypmod) FROM pg_type y
             WHERE y.oid = a.atttypid AND y.typarray <> 0 AND y.typcategory <> 'A')
        FROM pg_index i
        CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY k(attnum, opclass, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        JOIN pg_opclass c ON c.oid = k.opclass
        JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3
            AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
        JOIN pg_operator o ON o.oid = p.amopopr
        JOIN pg_namespace n ON n.oid = o.oprnamespace
        WHERE i.indrelid = %s AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place""", [oid])]
    if not keys:
        raise VectorizerError(f"{table} has no primary key, and without one a changed row cannot be named; "
                              f"add one: ALTER TABLE {table} ADD PRIMARY KEY (...)")
    cols = dict(conn.execute("""
        SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum""", [oid]))
    for k in keys:
        if k.name in QUEUE_COLUMNS:
            raise VectorizerError(f"{table} has a key column {k.name}, as the queue's own column is called")
    return Source(oid, schema, name, owner, keys, cols, rls, forced, kind == "p")


def trigger_tables(conn, source):
    """The table, and of a partitioned one its partitions: the triggers of a
    statement are those of the table that it names."""
    if not source.partitioned:
        return [source.table]
    return [ident(schema, name) for schema, name in conn.execute("""
        SELECT n.nspname, c.relname FROM pg_partition_tree(%s::oid::regclass) t
        JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') ORDER BY t.level, c.oid""", [source.oid])]


def read_extension(conn):
    """The schema where the extension's types and operators are."""
    row = conn.execute("""SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
                          WHERE extname = 'vector'""").fetchone()
    if row is None:
        raise VectorizerError("this database has no extension vector: CREATE EXTENSION vector")
    return row[0]


def check_expression(conn, source, expression, wanted):
    """The columns that an expression over the table reads.

    Refuses what a trigger on this table would not notice: other tables,
    functions that give another value each time.  wanted is the type it must
    have.  Leaves nothing behind.
    """
    function = ident("pg_temp", "vectorizer_check")
    try:
        with conn.transaction(force_rollback=True):
            # A newline ends a comment that the expression may end in.
            conn.execute(sql.SQL("CREATE TEMP VIEW vectorizer_check AS SELECT ({}\n) AS input FROM {} AS {}").format(
                raw(expression), source.table, ident(source.name)), [])
            kind = conn.execute("""SELECT format_type(atttypid, NULL) FROM pg_attribute
                                   WHERE attrelid = 'pg_temp.vectorizer_check'::regclass AND attnum = 1""").fetchone()[0]
            if wanted == "text" and kind in ("character varying", "character", "name"):
                kind = "text"
            if kind != wanted:
                raise VectorizerError(f"{expression} is of type {kind}, not {wanted}")
            used = conn.execute("""
                SELECT d.refobjid::oid, a.attname FROM pg_rewrite r
                JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                    AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n'
                LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
                WHERE r.ev_class = 'pg_temp.vectorizer_check'::regclass AND d.refobjid <> r.ev_class""").fetchall()
            if any(oid != source.oid for oid, _ in used):
                raise VectorizerError(f"{expression} reads another table: changes there would go unnoticed. "
                                      "Keep what it takes from there in a column of this table")
            names = {n for _, n in used if n}
            names = [n for n in source.columns if n in names]
            if not names:
                raise VectorizerError(f"{expression} reads no column of the table")
            # PostgreSQL inlines a function that is no less volatile than declared.
            conn.execute(text_function(sql.SQL("pg_temp.vectorizer_check"), source, names, expression, wanted, ""), [])
            plan = "\n".join(r[0] for r in conn.execute(sql.SQL("EXPLAIN (VERBOSE, COSTS OFF) SELECT {}({}) FROM {}").format(
                function, columns(names), source.table), []))
            if "vectorizer_check(" in plan:
                raise VectorizerError(f"{expression} is not stable: it calls a volatile function, or has a subquery. "
                                      "Without a change to its row a text must stay what it is")
    except psycopg.Error as e:
        if isinstance(e, (psycopg.errors.InsufficientPrivilege, psycopg.OperationalError)):
            raise
        raise VectorizerError(f"{expression}: {e.diag.message_primary or e}"
                              + (f" ({e.diag.message_hint})" if e.diag.message_hint else "")) from e
    return names


def text_function(name, source, names, expression, returns, security):
    """CREATE FUNCTION for an expression, with the columns it reads as arguments."""
    return sql.SQL("CREATE FUNCTION {}({}) RETURNS {} LANGUAGE sql STABLE{}\n    RETURN ({}\n    )").format(
        name,
        sql.SQL(", ").join(sql.SQL("{} {}").format(ident(n), raw(source.columns[n])) for n in names),
        sql.SQL(returns), sql.SQL(security),
        raw(expression))
