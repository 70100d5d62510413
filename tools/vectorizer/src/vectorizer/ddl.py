"""The statements that make a table searchable by meaning, and undo it."""

import dataclasses
import json

import psycopg
from psycopg import sql

from . import registry
from .errors import VectorizerError
from .names import columns, ident, literal, raw
from .source import check_expression, parse_name, read_extension, read_source, split_names, text_function, trigger_tables

INDEXES = ("hnsw", "ivfrabitq", "ivfpq", "ivfflat", "sparse_inverted")
FEW = 100			# rows of an INSERT that go to the queue one by one; of more, their keys go as arrays
CHUNK_COLUMNS = ("chunk_no", "chunk")
SQL = sql.SQL


@dataclasses.dataclass
class Wish:
    """What create was asked for; names as SQL spells them."""
    table: str
    text: str
    model: str
    dimensions: int
    kind: str
    input: str = "text"
    into: str = None
    chunks: str = None
    name: str = None
    index: str = None
    filters: str = ""
    fulltext: str = None
    bm25: str = None
    chunker: dict = None
    type: str = None
    notify: bool = True
    partner: int = None


def plan(conn, wish):
    """Check a wish against the database; its Vectorizer, Source and the schema
    of the extension."""
    extension = read_extension(conn)
    source = read_source(conn, wish.table)
    if wish.chunks and wish.into:
        raise VectorizerError("say --into COLUMN or --chunks TABLE, not both")
    if wish.chunks and wish.input == "image":
        raise VectorizerError("an image has no chunks")
    reads = check_expression(conn, source, wish.text, "bytea" if wish.input == "image" else "text")
    filters = [parse_name(conn, f, "--filter") for f in split_names(wish.filters or "")]
    for f in filters:
        if f not in source.columns:
            raise VectorizerError(f"--filter: {wish.table} has no column {f}")
    type = wish.type or ("vector" if wish.kind == "dense" else "sparsevec")
    if (type == "sparsevec") != (wish.kind == "sparse"):
        raise VectorizerError(f"{wish.model} gives {wish.kind} vectors, which the type {type} does not hold")
    if wish.index and wish.index != "hnsw" and (wish.index == "sparse_inverted") != (wish.kind == "sparse"):
        raise VectorizerError(f"{wish.index} does not index {wish.kind} vectors")
    for option, config in (("--fulltext", wish.fulltext), ("--bm25", wish.bm25)):
        if config is None:
            continue
        try:
            with conn.transaction():
                conn.execute("SELECT %s::regconfig", [config])
        except psycopg.Error as e:
            raise VectorizerError(f"{option}: there is no text search configuration {config} (\\dF in psql lists them)") from e
        if wish.input == "image":
            raise VectorizerError("an image has no words")
    target = parse_name(conn, wish.into, "--into") if wish.into else "embedding"
    if not wish.chunks and len(target.encode()) > 57:
        raise VectorizerError(f"--into {target}: longer than 57 bytes")
    chunks = parse_name(conn, wish.chunks, "--chunks") if wish.chunks else None
    if chunks and len(chunks.encode()) > 58:
        raise VectorizerError(f"--chunks {chunks}: longer than 58 bytes")
    if wish.name is not None and not wish.name.strip():
        raise VectorizerError("--name is empty")
    v = registry.Vectorizer(
        id=registry.next_id(conn), name=wish.name or chunks or f"{source.name}_{target}",
        source=wish.table, source_oid=source.oid, input=wish.input, expression=wish.text, reads=reads,
        target=target, added=True, chunker=wish.chunker if chunks else None, filters=filters, model=wish.model,
        kind=wish.kind, type=type, dimensions=wish.dimensions, index=wish.index, fulltext=wish.fulltext,
        # an inverted file learns its centroids, and BM25 the average length, when there is data
        trained=wish.index in (None, "hnsw", "sparse_inverted") and not wish.bm25, bm25=wish.bm25, notify=wish.notify, partner=wish.partner,
        chunks=chunks, chunks_name=chunks, chunks_schema=source.schema, view_name=f"{chunks}_view" if chunks else None)
    if v.bm25:
        v.bm25_column = f"bm25_{v.id}"
        held = chunks or source.name
        if len(held.encode()) > 40:
            raise VectorizerError(f"--bm25: {held} is longer than 40 bytes, and the names of BM25's tables begin with it")
    if registry.read_all(conn, "WHERE v.name = %s", [v.name]):
        raise VectorizerError(f'a vectorizer is called "{v.name}" already; drop it, or give this one another --name')
    if chunks:
        _plan_chunks(conn, v, source)
    else:
        _plan_column(conn, v, source, extension)
    return v, source, extension


def _plan_column(conn, v, source, extension):
    if v.target in v.reads or v.target in [k.name for k in source.keys]:
        raise VectorizerError(f"--into {v.target}: the embedding cannot be written to what it is made from")
    if v.target in source.columns:
        found = conn.execute("""SELECT t.typname, n.nspname, a.atttypmod FROM pg_attribute a
            JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
            WHERE a.attrelid = %s AND a.attname = %s""", [source.oid, v.target]).fetchone()
        if found != (v.type, extension, v.dimensions):
            size = f"({found[2]})" if found[1] == extension and found[2] > 0 else ""
            raise VectorizerError(f"{v.source} has a column {v.target} of type {found[0]}{size}; "
                                  f"the model {v.model} wants {v.type}({v.dimensions})")
        v.added = False
    if v.fulltext and v.words in source.columns:
        raise VectorizerError(f"{v.source} has a column {v.words} already")
    if v.bm25:
        if source.partitioned:
            raise VectorizerError(f"--bm25: {v.source} is partitioned, which BM25 does not know; with --chunks, the table of chunks has it")
        if not bm25_columns(conn, v, source):
            raise VectorizerError(f"--bm25: {v.expression} reads no column of words (text or tsvector, not generated)")


def bm25_columns(conn, v, source):
    """Of the columns that the text is made from, those that BM25 takes."""
    found = {n for n, in conn.execute("""SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0
        AND attgenerated = '' AND atttypid IN ('text'::regtype, 'varchar'::regtype, 'tsvector'::regtype)""", [source.oid])}
    return [n for n in v.reads if n in found]


def _plan_chunks(conn, v, source):
    taken = (*CHUNK_COLUMNS, v.target, v.words)
    for n in source.columns:
        own = n in [k.name for k in source.keys] or n in v.filters
        if n in taken and (own or not source.columns[n].split(".")[-1].startswith(("vector", "halfvec", "sparsevec", "tsvector"))):
            raise VectorizerError(f"{v.source} has a column {n}, as a column of the table of chunks is called")
    for n in (v.chunks_name, v.view_name):
        if conn.execute("SELECT to_regclass(%s)", [f'{_q(source.schema)}.{_q(n)}']).fetchone()[0]:
            raise VectorizerError(f"{n} exists already")
    if source.row_security and conn.info.server_version < 150000:
        raise VectorizerError(f"{v.source} has row-level security, which a view obeys for the one who asks "
                              "only from PostgreSQL 15 on: a table of chunks cannot be searched safely here; use --into")


def _q(name):
    return '"' + name.replace('"', '""') + '"'


def create(conn, v, source, extension):
    """All statements that make v, in order; they run in one transaction."""
    out = []

    def add(template, *args, **kwargs):
        out.append(SQL(template).format(*args, **kwargs))

    # A policy that hid rows would have them never embedded: an error instead.
    add("SET LOCAL row_security = off")
    if not registry.exists(conn):
        out.extend(SQL(s) for s in registry.CREATE.split(";\n"))
    returns = "bytea" if v.input == "image" else "text"
    out.append(text_function(v.text, source, v.reads, v.expression, returns, " SECURITY DEFINER"))
    keys = SQL(",\n    ").join(SQL("{} {} NOT NULL").format(ident(k.name), raw(k.type)) for k in source.keys)
    add("CREATE TABLE {} (\n    {},\n    queued_at timestamptz NOT NULL DEFAULT now()\n)"
        " WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)", v.queue, keys)
    add("CREATE TABLE {} (\n    {},\n    queued_at timestamptz NOT NULL,\n    attempts integer NOT NULL,\n"
        "    due_at timestamptz,\n    error text NOT NULL,\n    PRIMARY KEY ({})\n)",
        v.retry, keys, source.key_list())
    if source.packs:
        add("CREATE TABLE {} (\n    {},\n    queued_at timestamptz NOT NULL DEFAULT now()\n)", v.loaded,
            SQL(",\n    ").join(SQL("{} {} NOT NULL").format(ident(k.name), raw(k.array)) for k in source.keys))
        # They are soon gone: not worth the time to compress them.
        add("ALTER TABLE {} {}", v.loaded, SQL(", ").join(
            SQL("ALTER {} SET STORAGE EXTERNAL").format(ident(k.name)) for k in source.keys))
    type = SQL("{}.{}({})").format(ident(extension), ident(v.type), literal(v.dimensions))
    if v.chunks:
        _chunk_table(conn, out, v, source, type, extension)
    else:
        if v.added:
            add("ALTER TABLE {} ADD COLUMN {} {}", source.table, ident(v.target), type)
        if v.fulltext:
            add("ALTER TABLE {} ADD COLUMN {} tsvector", source.table, ident(v.words))
        if v.bm25:
            _bm25(conn, out, v, source, source.name, bm25_columns(conn, v, source), extension)
    noting = source.packs and can_note(conn, extension)
    out.append(trigger_function(v, source, noting and extension))
    if noting:
        out.append(note_trigger(v, source, extension))
    for table in trigger_tables(conn, source):
        out.extend(triggers(v, table, noting))
    held = v.chunk_table if v.chunks else source.table
    if v.index:
        add("CREATE INDEX {} ON {} USING {} ({})", ident(f"vectorizer_{v.id}_idx"), held, ident(v.index), SQL(", ").join(
            [SQL("{} {}.{}").format(ident(v.target), ident(extension),
                                    ident(f"{v.type}_{'cosine' if v.kind == 'dense' else 'ip'}_ops")),
             *map(ident, v.filters)]))
    if v.fulltext:
        add("CREATE INDEX {} ON {} USING gin ({})", ident(f"vectorizer_{v.id}_words_idx"), held, ident(v.words))
    if v.bm25:
        add("CREATE INDEX {} ON {} USING sparse_inverted ({} {}.sparsevec_ip_ops)",
            ident(f"vectorizer_{v.id}_bm25_idx"), held, ident(v.bm25_column), ident(extension))
    add("INSERT INTO {} ({}) SELECT {} FROM {}", v.queue, source.key_list(), source.key_list(), source.table)
    out.append(_register(v, source))
    out.extend(_owners(conn, v, source))
    if v.notify:
        out.append(SQL("SELECT pg_notify('vectorizer', {})").format(literal(str(v.id))))
    return out


def can_note(conn, extension):
    """Whether the extension notes keys of new rows."""
    return conn.execute("SELECT to_regprocedure(format('%%I.vector_queue_take(integer)', %s::text)) IS NOT NULL",
                        [extension]).fetchone()[0]


def notes(conn, v):
    """The schema of the extension, if it notes the keys of v's new rows; else None."""
    found = conn.execute("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = to_regproc(%s)::oid AND tgtype & 1 = 1)",
                         [f"vectorizer.changed_{v.id}"]).fetchone()[0]
    return read_extension(conn) if found else None


def note_trigger(v, source, extension):
    """The trigger whose condition notes the key of each new row, and never
    holds.  PostgreSQL gives it to partitions, those to come as well.

    A transition table would do without, and does where there are no arrays of
    keys; but it is a copy of all rows, whole."""
    return SQL("CREATE TRIGGER {} AFTER INSERT ON {}\n    FOR EACH ROW WHEN ({}.vector_queue_note({}, {}))"
               "\n    EXECUTE FUNCTION {}()").format(ident(f"vectorizer_{v.id}_note"), source.table, ident(extension),
                                                    literal(v.id), source.key_list("new"), v.changed)


def triggers(v, table, noting):
    """The triggers of a table, or of one of its partitions, for a statement."""
    for event, rows in (("INSERT", "" if noting else "\n    REFERENCING NEW TABLE AS new_rows"),
                        ("UPDATE", "\n    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows")):
        yield SQL("CREATE TRIGGER {} AFTER {} ON {}{}\n    FOR EACH STATEMENT EXECUTE FUNCTION {}()").format(
            ident(f"vectorizer_{v.id}_{event.lower()}"), SQL(event), table, SQL(rows), v.changed)


def _bm25(conn, out, v, source, table, names, extension):
    """BM25 on a table, of the table's owner, for those who may read and write it."""
    other = conn.execute("SELECT current_user").fetchone()[0] != source.owner
    if other:
        if v.chunks:
            out.append(SQL("ALTER TABLE {} OWNER TO {}").format(v.chunk_table, ident(source.owner)))
        out.append(SQL("SET LOCAL ROLE {}").format(ident(source.owner)))
    out.append(SQL("SELECT {}.bm25_setup({}, ARRAY[{}], {}, vector_column => {})").format(
        ident(extension), literal(f"{_q(source.schema)}.{_q(table)}"), SQL(", ").join(map(literal, names)),
        literal(v.bm25), literal(v.bm25_column)))
    if other:
        out.append(SQL("RESET ROLE"))
    held, terms, changes = v.bm25_tables(source.schema, table)
    for role in _roles(conn, source, ("SELECT",)):
        out.append(SQL("GRANT SELECT ON {}, {}, {} TO {}").format(held, terms, changes, role))
    if not v.chunks:
        for role in _roles(conn, source, ("INSERT", "UPDATE", "DELETE", "TRUNCATE")):
            out.append(SQL("GRANT SELECT, UPDATE ON {} TO {}").format(held, role))
            out.append(SQL("GRANT SELECT, INSERT, UPDATE ON {} TO {}").format(terms, role))
            out.append(SQL("GRANT SELECT, INSERT, DELETE ON {} TO {}").format(changes, role))


def _roles(conn, source, privileges):
    """Who else than the owner has one of these rights to the table."""
    return [ident(role) if role else SQL("PUBLIC") for role, in conn.execute("""
        SELECT DISTINCT CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END
        FROM pg_class, aclexplode(relacl) a
        WHERE pg_class.oid = %s AND privilege_type = ANY (%s) AND grantee <> relowner""", [source.oid, list(privileges)])]


def _chunk_table(conn, out, v, source, type, extension):
    parts = [SQL("{} {} NOT NULL").format(ident(k.name), raw(k.type)) for k in source.keys]
    parts += [SQL("chunk_no integer NOT NULL"), SQL("chunk text NOT NULL")]
    parts += [SQL("{} {}").format(ident(f), raw(source.columns[f])) for f in v.filters
              if f not in [k.name for k in source.keys]]
    parts.append(SQL("{} {} NOT NULL").format(ident(v.target), type))
    if v.fulltext:
        parts.append(SQL("{} tsvector GENERATED ALWAYS AS (to_tsvector({}::regconfig, left(chunk, 100000))) STORED").format(
            ident(v.words), literal(v.fulltext)))
    parts.append(SQL("PRIMARY KEY ({}, chunk_no)").format(source.key_list()))
    parts.append(SQL("FOREIGN KEY ({}) REFERENCES {} ON UPDATE CASCADE ON DELETE CASCADE").format(
        source.key_list(), source.table))
    out.append(SQL("CREATE TABLE {} (\n    {}\n)").format(v.chunk_table, SQL(",\n    ").join(parts)))
    if v.bm25:
        _bm25(conn, out, v, source, v.chunks_name, ["chunk"], extension)

    copied = [f for f in v.filters if f not in [k.name for k in source.keys]]
    own = [n for n in source.columns if n not in (v.target, v.words) and n not in copied]
    same = [source.join("c", "a")]
    if copied:
        same.append(SQL("ROW({})::record OPERATOR(pg_catalog.*=) ROW({})::record").format(columns(copied, "c"), columns(copied, "a")))
    shown = [ident("a", n) for n in own] + [ident("c", n) for n in copied]
    shown += [ident("c", n) for n in (*CHUNK_COLUMNS, v.target)] + [
        ident("c", n) for n, kept in ((v.words, v.fulltext), (v.bm25_column, v.bm25)) if kept]
    out.append(SQL("CREATE VIEW {}{} AS\nSELECT {}\nFROM {} c JOIN {} a ON {}").format(
        v.view_table, SQL(" WITH (security_invoker = true)" if conn.info.server_version >= 150000 else ""),
        SQL(", ").join(shown), v.chunk_table, source.table, SQL(" AND ").join(same)))
    if source.row_security:
        out.append(SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(v.chunk_table))
        out.append(SQL("CREATE POLICY seen_with_its_row ON {} FOR SELECT\n    USING (EXISTS (SELECT FROM {} a WHERE {}))").format(
            v.chunk_table, source.table, source.join("a", v.chunks_name)))
    for role in _roles(conn, source, ("SELECT",)):
        out.append(SQL("GRANT SELECT ON {}, {} TO {}").format(v.chunk_table, v.view_table, role))


def trigger_function(v, source, extension):
    """A changed row is one whose key is new, or whose text or filters differ,
    byte by byte: *<> of records needs no operator of the columns' types.
    (Between ROW() and ROW(), without the cast, it would be one of each column's.)

    Rows that come many at a time go to the queue as arrays of keys, so that a load
    writes one row where it would write thousands.  extension is its schema, if it
    notes keys."""
    watched = list(dict.fromkeys(v.reads + (v.filters if v.chunks else [])))
    first = source.keys[0].name
    changed = SQL("FROM new_rows n LEFT JOIN old_rows o ON {}\n        WHERE o.{} IS NULL OR ROW({})::record *<> ROW({})::record").format(
        source.join("o", "n"), ident(first), columns(watched, "o"), columns(watched, "n"))
    copied = [f for f in v.filters if f not in [k.name for k in source.keys]] if v.chunks else []
    sync = SQL("")
    if copied:
        sync = SQL("        UPDATE {} c SET {} FROM (\n        SELECT n.* {}\n        ) r WHERE {} AND ROW({})::record *<> ROW({})::record;\n").format(
            v.chunk_table, SQL(", ").join(SQL("{} = {}").format(ident(f), ident("r", f)) for f in copied), changed,
            source.join("c", "r"), columns(copied, "c"), columns(copied, "r"))
    body = SQL("""
BEGIN
    IF TG_OP = 'INSERT' THEN
{insert}    ELSE
{sync}        INSERT INTO {queue} ({keys}) SELECT {nkeys} {difference};
    END IF;
{notify}    RETURN NULL;
END
""").format(
        insert=_insert_keys(v, source, extension), queue=v.queue, keys=source.key_list(), nkeys=source.key_list("n"), difference=changed,
        sync=sync, notify=SQL("    IF FOUND THEN\n        PERFORM pg_notify('vectorizer', {});\n    END IF;\n").format(
            literal(str(v.id))) if v.notify else SQL(""))
    # A name may have dollars, too.
    tag = "$$"
    while tag in body.as_string(None):
        tag = f"$x{tag[1:]}"
    return SQL("CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql\n"
               "    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {}{}{}").format(
        v.changed, SQL(tag), body, SQL(tag))


def _insert_keys(v, source, extension):
    """Keys of new rows, into the queue or, where they are many, into arrays."""
    if not extension:
        return SQL("        INSERT INTO {} ({}) SELECT {} FROM new_rows;\n").format(v.queue, source.key_list(), source.key_list())
    return SQL("""\
        IF {extension}.vector_queue_noted({id}) > {few} THEN
            INSERT INTO {loaded} ({keys}) SELECT {tkeys} FROM {extension}.vector_queue_take({id}) AS t({arrays});
        ELSE
            INSERT INTO {queue} ({keys}) SELECT {ukeys}
            FROM {extension}.vector_queue_take({id}) AS t({arrays}), unnest({tkeys}) AS u({keys});
        END IF;
""").format(extension=ident(extension), id=literal(v.id), few=literal(FEW), loaded=v.loaded, queue=v.queue,
           keys=source.key_list(), tkeys=source.key_list("t"), ukeys=source.key_list("u"),
           arrays=SQL(", ").join(SQL("{} {}").format(ident(k.name), raw(k.array)) for k in source.keys))


def _register(v, source):
    table = f"{_q(source.schema)}.{_q(source.name)}"

    def held(name):
        return SQL("NULL") if name is None else literal(f"{_q(source.schema)}.{_q(name)}")

    def array(names):
        return SQL("ARRAY[{}]::text[]").format(SQL(", ").join(map(literal, names)))

    row = {"id": literal(v.id), "name": literal(v.name), "source": literal(table), "input": literal(v.input),
           "expression": literal(v.expression), "reads": array(v.reads), "target": literal(v.target),
           "added": literal(v.added), "chunks": held(v.chunks), "view": held(v.view_name),
           "chunker": literal(json.dumps(v.chunker)) if v.chunker else SQL("NULL"), "filters": array(v.filters),
           "model": literal(v.model), "kind": literal(v.kind), "type": literal(v.type),
           "dimensions": literal(v.dimensions), "index": literal(v.index), "trained": literal(v.trained),
           "fulltext": literal(v.fulltext), "bm25": literal(v.bm25), "bm25_column": literal(v.bm25_column), "notify": literal(v.notify), "partner": literal(v.partner)}
    return SQL("INSERT INTO vectorizer.vectorizers ({})\n    VALUES ({})").format(
        columns(row), SQL(", ").join(row.values()))


def _owners(conn, v, source):
    """Everything belongs to the table's owner: the functions run as theirs."""
    if conn.execute("SELECT current_user").fetchone()[0] == source.owner:
        return
    owner = ident(source.owner)
    yield SQL("ALTER FUNCTION {} OWNER TO {}").format(v.text, owner)
    yield SQL("ALTER FUNCTION {} OWNER TO {}").format(v.changed, owner)
    for table in [v.queue, v.retry] + ([v.loaded] if source.packs else []) + ([v.chunk_table] if v.chunks else []):
        yield SQL("ALTER TABLE {} OWNER TO {}").format(table, owner)
    if v.chunks:
        yield SQL("ALTER VIEW {} OWNER TO {}").format(v.view_table, owner)


def drop(conn, v):
    """All statements that undo v, whatever of it is still there."""
    out = []
    add = out.append
    if v.exists:
        source = read_source(conn, v.source)
    # Partitions that were detached have theirs still.
    for name, table in conn.execute("""
            SELECT t.tgname, format('%%I.%%I', n.nspname, c.relname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE t.tgfoid = to_regproc(%s)::oid AND t.tgparentid = 0 ORDER BY c.oid, t.tgname""",
                                    [f"vectorizer.changed_{v.id}"]):
        add(SQL("DROP TRIGGER {} ON {}").format(ident(name), raw(table)))
    if v.chunks_name and v.view_name:
        add(SQL("DROP VIEW {}").format(v.view_table))
    if v.bm25 and (v.chunks_name or v.exists and not v.chunks):
        table = v.chunk_table if v.chunks_name else source.table
        add(SQL("SELECT {}.bm25_drop({}, {})").format(
            ident(read_extension(conn)), literal(table.as_string(None).replace("%%", "%")), literal(v.bm25_column)))
    if v.chunks_name:
        add(SQL("DROP TABLE {}").format(v.chunk_table))
    elif v.exists and not v.chunks:
        for index in (f"vectorizer_{v.id}_idx", f"vectorizer_{v.id}_words_idx"):
            add(SQL("DROP INDEX IF EXISTS {}").format(ident(source.schema, index)))
        if v.fulltext:
            add(SQL("ALTER TABLE {} DROP COLUMN {}").format(source.table, ident(v.words)))
        if v.added:
            add(SQL("ALTER TABLE {} DROP COLUMN {}").format(source.table, ident(v.target)))
    add(SQL("DROP FUNCTION {}()").format(v.changed))
    add(SQL("DROP FUNCTION {}").format(v.text))
    add(SQL("DROP TABLE {}, {}").format(v.queue, v.retry))
    add(SQL("DROP TABLE IF EXISTS {}").format(v.loaded))
    add(SQL("UPDATE vectorizer.vectorizers SET partner = NULL WHERE partner = {}").format(literal(v.id)))
    add(SQL("DELETE FROM vectorizer.vectorizers WHERE id = {}").format(literal(v.id)))
    if len(registry.read_all(conn)) == 1:
        add(SQL("DROP TABLE vectorizer.vectorizers"))
        add(SQL("DROP SCHEMA vectorizer"))
    return out


def run(conn, statements, lock=None):
    """Run statements in one transaction.  lock is a table to lock first: the
    order of locks is the worker's, the table and then its queue."""
    with conn.transaction():
        if lock is not None:
            conn.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(lock), [])
        for s in statements:
            conn.execute(s, [])
