"""Names and values in statements that are put together.

Every statement of this package is a psycopg.sql object in which a percent sign
of a name, a value or an expression is written twice, as psycopg wants it where
there are parameters, and is run with parameters, if only with none.  show()
gives the statement as a reader, or psql, wants it.
"""

import re

from psycopg import sql

from .errors import VectorizerError

PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
# Words that SQL reads as something else than a name: known once a server was
# asked; until then every name is quoted.
_keywords = None


def load_keywords(conn):
    global _keywords
    if _keywords is None:
        _keywords = {w for w, in conn.execute("SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'")}


def raw(text):
    """SQL that the user wrote, as it is."""
    return sql.SQL(text.replace("%", "%%"))


def ident(*parts):
    """A name, with its schema or alias before it, in quotes where it needs them."""
    out = []
    for part in parts:
        if "\0" in part or not part:
            raise VectorizerError(f"{part!r} is no name")
        plain = _keywords is not None and PLAIN.match(part) and part not in _keywords
        out.append(part if plain else '"' + part.replace('"', '""') + '"')
    return raw(".".join(out))


def literal(value):
    """A value as a constant, for statements that take no parameters."""
    return raw(sql.Literal(value).as_string(None).strip())


def columns(names, alias=None):
    """A list of columns, with a prefix where an alias is given."""
    return sql.SQL(", ").join(ident(alias, n) if alias else ident(n) for n in names)


def operator(schema, name):
    return raw(name) if schema == "pg_catalog" else sql.SQL("OPERATOR({}.{})").format(ident(schema), raw(name))


def show(statement):
    return statement.as_string(None).replace("%%", "%")
