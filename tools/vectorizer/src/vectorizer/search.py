"""Search by meaning, by words, or by both; then re-ranked, if asked.

A search is two statements, the first to know the vectorizer, the second to ask;
search() runs them on a psycopg connection, asearch() on an asynchronous one.
"""

import asyncio
import contextlib
import dataclasses

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from . import registry
from .connect import connect
from .errors import VectorizerError
from .models import load_model, load_reranker
from .models.base import to_text
from .names import columns, ident, literal, raw
from .source import read_extension, read_source

# Reciprocal rank fusion: Cormack, Clarke, Buettcher, SIGIR 2009; the constant is theirs.
RRF = 60
LONGEST_QUERY = 10000		# characters


@dataclasses.dataclass
class Hit:
    """A row that was found: its columns, how well it fits and why.

    score is what the order is by: the similarity, the fused ranks or what the
    re-ranker said.  text is the text of the row, or of its best chunk.
    """
    row: dict
    text: str
    score: float
    similarity: float = None    # cosine similarity, or inner product of sparse vectors
    rank: int = None            # by meaning
    words: float = None         # BM25, or ts_rank_cd
    words_rank: int = None
    reranked: float = None

    @property
    def why(self):
        out = []
        if self.reranked is not None:
            out.append(f"re-ranked {self.reranked:.3f}")
        if self.rank is not None:
            out.append(f"meaning {self.similarity:.3f} (no. {self.rank})")
        if self.words_rank is not None:
            out.append(f"words {self.words:.3f} (no. {self.words_rank})")
        return ", ".join(out)


@dataclasses.dataclass
class Question:
    """What was asked, checked."""
    text: str
    limit: int
    where: str
    params: dict
    mode: str                   # "meaning", "fulltext", "bm25" or "hybrid"
    rerank: str
    depth: int                  # rows that are re-ranked, or fused
    vector: str = None


def question(text, limit=5, where=None, params=None, hybrid=False, fulltext=False, bm25=False, rerank=None, depth=None):
    if not isinstance(text, str) or not text.strip():
        raise VectorizerError("there is nothing to look for")
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise VectorizerError("the question is not valid UTF-8") from e
    if "\0" in text:
        raise VectorizerError("the question has a zero byte")
    if not 1 <= limit <= 10000:
        raise VectorizerError("--limit is from 1 to 10000")
    if hybrid + fulltext + bm25 > 1:
        raise VectorizerError("either by words alone, or by both")
    depth = depth or (max(50, 4 * limit) if rerank or hybrid else limit)
    return Question(text[:LONGEST_QUERY], limit, where, params or {},
                    "hybrid" if hybrid else "fulltext" if fulltext else "bm25" if bm25 else "meaning", rerank, max(depth, limit))


class Found:
    """The statement that answers a question, for one vectorizer."""

    def __init__(self, v, source, extension, q, shown):
        S = sql.SQL
        if q.mode == "hybrid" and not (v.bm25 or v.fulltext):
            raise VectorizerError(f"{v.name} keeps no words: create it with --bm25 or --fulltext")
        if q.mode in ("bm25", "fulltext") and not getattr(v, q.mode):
            raise VectorizerError(f"{v.name} keeps no words for it: create it with --{q.mode}")
        bm25 = v.bm25 and q.mode in ("hybrid", "bm25")
        self.v, self.q = v, q
        relation = v.view_table if v.chunks else source.table
        alias = ident(source.name)
        # Without parameters of the caller's, a percent sign is one.
        where = sql.SQL(q.where) if q.params and q.where else raw(q.where or "true")
        keys = source.key_list()
        n = {"from": S("{} AS {}").format(relation, alias), "where": where, "keys": keys,
             "target": ident(v.target), "words": ident(v.words), "config": literal(v.fulltext or "simple"),
             "dist": S("{} OPERATOR({}.{}) %(vectorizer_query)s::{}.{}").format(
                 ident(v.target), ident(extension), S(v.distance), ident(extension), ident(v.type)),
             "chunk_no": S(", chunk_no") if v.chunks else S("")}
        # The nearest chunks are of fewer rows.
        n["near"] = literal(q.depth * (4 if v.chunks else 1))
        parts = []
        if q.mode in ("meaning", "hybrid"):
            parts.append(S("""nearest AS MATERIALIZED (
    SELECT {keys}{chunk_no}, {dist} AS vectorizer_distance
    FROM {from} WHERE ({where}
    ) AND {target} IS NOT NULL ORDER BY {dist} LIMIT {near}
)""").format(**n))
        if bm25:
            n["bm25"] = S("{} OPERATOR({}.<#>) (SELECT {}.bm25_query({}, %(vectorizer_text)s, {}))").format(
                ident(v.bm25_column), ident(extension), ident(extension),
                literal((v.chunk_table if v.chunks else source.table).as_string(None).replace("%%", "%")), literal(v.bm25_column))
            parts.append(S("""matching AS MATERIALIZED (
    SELECT {keys}{chunk_no}, -vectorizer_distance AS vectorizer_words FROM (
        SELECT {keys}{chunk_no}, {bm25} AS vectorizer_distance
        FROM {from} WHERE ({where}
        ) AND {column} IS NOT NULL ORDER BY {bm25} LIMIT {near}
    ) b WHERE vectorizer_distance < 0
)""").format(column=ident(v.bm25_column), **n))
        elif q.mode != "meaning":
            parts.append(S("""asked AS MATERIALIZED (
    SELECT replace(plainto_tsquery({config}::regconfig, %(vectorizer_text)s)::text, ' & ', ' | ')::tsquery AS vectorizer_asked
), matching AS MATERIALIZED (
    SELECT {keys}{chunk_no}, ts_rank_cd({words}, (SELECT vectorizer_asked FROM asked)) AS vectorizer_words
    FROM {from} WHERE ({where}
    ) AND {words} @@ (SELECT vectorizer_asked FROM asked) ORDER BY vectorizer_words DESC, {keys} LIMIT {near}
)""").format(**n))
        by = []
        for cte, value, order in (("nearest", "vectorizer_distance", "ASC"), ("matching", "vectorizer_words", "DESC")):
            if any(p.as_string(None).find(f"{cte} AS") >= 0 for p in parts):
                by.append(cte)
                # of a row with several chunks the best one
                best = S("SELECT DISTINCT ON ({keys}) * FROM {cte} ORDER BY {keys}, {value} {order}") if v.chunks \
                    else S("SELECT * FROM {cte}")
                parts.append(S("{ranked} AS (SELECT *, row_number() OVER (ORDER BY {value} {order}, {keys}) AS {rank} FROM ("
                               + "{best}) b)").format(
                    ranked=S(f"{cte}_ranked"), value=S(value), order=S(order), keys=keys, rank=S(f"vectorizer_{cte}"),
                    best=best.format(keys=keys, cte=S(cte), value=S(value), order=S(order))))
        score = S(" + ").join(S(f"COALESCE(1.0 / ({RRF} + {{}}), 0)").format(S(f"vectorizer_{c}")) for c in by) \
            if len(by) > 1 else S("-vectorizer_nearest::float8") if by == ["nearest"] else S("-vectorizer_matching::float8")
        if len(by) > 1:
            ranked = S("SELECT {both}{no}, n.vectorizer_distance, n.vectorizer_nearest, m.vectorizer_words, m.vectorizer_matching"
                       " FROM nearest_ranked n FULL JOIN matching_ranked m ON {join}").format(
                both=S(", ").join(S("COALESCE({}, {}) AS {}").format(ident("n", k.name), ident("m", k.name), ident(k.name))
                                  for k in source.keys),
                no=S(", COALESCE(n.chunk_no, m.chunk_no) AS chunk_no") if v.chunks else S(""),
                join=source.join("n", "m"))
        else:
            other = S("NULL::float4 AS vectorizer_words, NULL::bigint AS vectorizer_matching") if by == ["nearest"] else \
                S("NULL::float8 AS vectorizer_distance, NULL::bigint AS vectorizer_nearest")
            ranked = S("SELECT r.*, {} FROM {} r").format(other, S(f"{by[0]}_ranked"))
        join = source.join("f", "t")
        if v.chunks:
            join = S("{} AND f.chunk_no = t.chunk_no").format(join)
            text = S("t.chunk")
        elif v.input == "image":
            text = S("NULL::text")
        else:
            text = S("{}({})").format(v.text, columns(v.reads, "t"))
        self.statement = S("""WITH {parts}
SELECT {shown}, {text} AS vectorizer_text, f.vectorizer_distance, f.vectorizer_nearest, f.vectorizer_words,
    f.vectorizer_matching, ({score})::float8 AS vectorizer_score
FROM (
    {ranked}
) f JOIN {relation} t ON {join}
ORDER BY vectorizer_score DESC, {fkeys} LIMIT {depth}""").format(
            parts=S(", ").join(parts), shown=columns(shown, "t"), text=text, score=score, ranked=ranked,
            relation=relation, join=join, fkeys=source.key_list("f"),
            depth=literal(q.depth if q.rerank else q.limit))
        self.params = {**q.params, "vectorizer_query": q.vector, "vectorizer_text": q.text}

    def hits(self, rows):
        out = []
        for r in rows:
            d, n, w, m, s = (r.pop(f"vectorizer_{c}") for c in ("distance", "nearest", "words", "matching", "score"))
            text = r.pop("vectorizer_text")
            similarity = None if d is None else 1 - d if self.v.kind == "dense" else -d
            if self.q.mode == "meaning":
                s = similarity
            elif self.q.mode != "hybrid":
                s = w
            out.append(Hit(r, text, s, similarity, n, w, m))
        return out


SHOWN = """SELECT attname FROM pg_attribute a WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
    AND atttypid::regtype::text !~ '(vector|halfvec|sparsevec|tsvector)"?$' AND attname !~ '^bm25_[0-9]+_length$'
    AND has_column_privilege(attrelid, attnum, 'SELECT') ORDER BY attnum"""


def _prepare(conn, q, name, table):
    """The vectorizer, and what the catalogs say; on an ordinary connection."""
    v = registry.find(conn, name, table, first=True)
    source = read_source(conn, v.source)
    relation = conn.execute("SELECT %s::regclass::oid", [v.view]).fetchone()[0] if v.chunks else source.oid
    shown = [n for n, in conn.execute(SHOWN, [relation])]
    if not shown:
        raise VectorizerError(f"this role may not read {v.source}")
    return v, source, read_extension(conn), shown


def search(conn, text, table=None, name=None, *, limit=5, where=None, params=None, hybrid=False, fulltext=False,
           bm25=False, rerank=None, depth=None, as_pandas=False):
    """Rows of a table that answer a question, the best first.

    conn: a psycopg connection, or a connection string.  table: named as in SQL,
    of which the vectorizer that was made first is searched; or name: the
    vectorizer's.  where: a condition in SQL on the table's columns,
    with params for %(name)s in it.  hybrid: by meaning and words, fused;
    fulltext, bm25: by words alone.  rerank: a re-ranker, that orders the depth best.
    Returns a list of Hit, or with as_pandas a DataFrame of the rows' columns,
    score and why.  Raises VectorizerError, and Unavailable where the model is.
    """
    q = question(text, limit, where, params, hybrid, fulltext, bm25, rerank, depth)
    if isinstance(conn, psycopg.Connection):
        return _answer(_run(conn, q, name, table), as_pandas)
    with connect(conn, "vectorizer search") as own:
        return _answer(_run(own, q, name, table), as_pandas)


async def asearch(conn, text, table=None, name=None, *, limit=5, where=None, params=None, hybrid=False, fulltext=False,
                  bm25=False, rerank=None, depth=None, as_pandas=False):
    """search() for a psycopg.AsyncConnection, or a connection string.  The model
    runs in a thread, what the server does on the caller's own connection."""
    q = question(text, limit, where, params, hybrid, fulltext, bm25, rerank, depth)
    if isinstance(conn, psycopg.AsyncConnection):
        blocking = Blocking(conn, asyncio.get_running_loop())
        return _answer(await asyncio.to_thread(_run, blocking, q, name, table), as_pandas)
    async with await psycopg.AsyncConnection.connect(conn or "", autocommit=True) as own:
        await own.execute("SET client_encoding = 'UTF8'")
        blocking = Blocking(own, asyncio.get_running_loop())
        return _answer(await asyncio.to_thread(_run, blocking, q, name, table), as_pandas)


def _run(conn, q, name, table):
    v, source, extension, shown = _prepare(conn, q, name, table)
    if q.mode in ("meaning", "hybrid"):
        q.vector = to_text(load_model(v.model).embed_query(q.text), v.dimensions, v.kind)
    found = Found(v, source, extension, q, shown)
    try:
        with conn.transaction(), conn.cursor(row_factory=dict_row) as cur:
            # A scan of an index ends after so many candidates.
            if q.mode in ("meaning", "hybrid") and q.depth > 40:
                cur.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(min(1000, q.depth))])
            hits = found.hits(cur.execute(found.statement, found.params).fetchall())
    except psycopg.errors.InsufficientPrivilege as e:
        raise VectorizerError(f"{e.diag.message_primary}: this role may not read the table") from e
    except psycopg.Error as e:
        raise VectorizerError(f"the search failed: {e.diag.message_primary or e}") from e
    if not q.rerank:
        return hits
    for hit, score in zip(hits, load_reranker(q.rerank).score(q.text, [h.text or "" for h in hits]), strict=True):
        hit.reranked = hit.score = float(score)
    return sorted(hits, key=lambda h: -h.score)[:q.limit]


class Blocking:
    """An asynchronous connection, for a thread beside its event loop: as much of
    a connection as a search needs."""

    def __init__(self, conn, loop):
        self.conn, self.loop = conn, loop

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    @contextlib.contextmanager
    def transaction(self):
        block = self.conn.transaction()
        self.wait(block.__aenter__())
        try:
            yield
        except BaseException as e:
            self.wait(block.__aexit__(type(e), e, e.__traceback__))
            raise
        self.wait(block.__aexit__(None, None, None))

    @contextlib.contextmanager
    def cursor(self, row_factory):
        yield Rows(self, self.conn.cursor(row_factory=row_factory))

    def execute(self, statement, params=None):
        return Rows(self, self.conn.cursor()).execute(statement, params)


class Rows:
    def __init__(self, blocking, cur):
        self.blocking, self.cur, self.rows = blocking, cur, []

    def execute(self, statement, params=None):
        async def ask():
            await self.cur.execute(statement, params)
            return await self.cur.fetchall() if self.cur.description else []
        self.rows = self.blocking.wait(ask())
        return self

    def fetchall(self):
        return self.rows

    def fetchone(self):
        return self.rows[0] if self.rows else None

    def __iter__(self):
        return iter(self.rows)


def _answer(hits, as_pandas):
    if not as_pandas:
        return hits
    import pandas
    frame = pandas.DataFrame([h.row for h in hits])
    frame["score"] = [h.score for h in hits]
    frame["why"] = [h.why for h in hits]
    return frame
