"""A case: steps that make a state, and the query whose answer is compared.

Text of a step holds marks instead of values, @D@ for the number of dimensions and
@V7@ for the case's seventh vector, so that a case can be cut to fewer dimensions.
"""

import dataclasses
import re

MARK = re.compile(r"@V(\d+)@|@D@")


class Rows:
    """Rows that a step inserts, one by one so that a case can lose any of them."""

    def __init__(self, table, columns, rows, copy):
        self.table = table
        self.columns = columns
        self.rows = rows            # lists of text (None: null), a vector as its mark
        self.copy = copy
        self.tail = ""              # behind an INSERT


@dataclasses.dataclass
class Step:
    kind: str                       # what it is counted as
    statements: list                # of text and Rows; all of them or none stay when a case shrinks
    session: str = "a"              # a, or b, which holds an old snapshot
    allowed: tuple = ()             # SQLSTATEs that are right, too


@dataclasses.dataclass
class Crash:
    kind: str = "crash"
    session: str = "a"


@dataclasses.dataclass
class Query:
    """A query and what its answer is compared with.

    promise: "nearest", rows (key, id, distance) that an index may give approximately;
    "members", rows (id, distance) that may lack some; "rows", any rows, exactly;
    "groups", rows (group, id, distance): each of the first limit groups, its first ones.
    truth: gives, by a sequential scan and nothing else, all rows (key, id, distance)
    or (id, distance) that pass the conditions, or the very rows.
    """
    kind: str
    promise: str
    settings: dict
    statements: list                # the last ones give the rows
    collect: int                    # how many of the last statements give rows
    explain: str                    # what to show the plan of, after the other statements
    truth: str
    limit: int = None
    offset: int = 0
    bounded: bool = False           # does a range or a sphere end the scan?
    nan_first: bool = False         # a descending order of similarity
    ties: bool = False              # WITH TIES
    each: int = 0                   # rows of a group
    numbered: str = ""              # the window function whose number stands behind a distance
    allowed: tuple = ()             # SQLSTATEs that are right, too
    session: str = "a"
    target: object = None


class Case:
    def __init__(self, seed, dims):
        self.seed = seed
        self.dims = dims
        self.vectors = []
        self.steps = []

    def vector(self, vec):
        """Keep a vector; its mark."""
        self.vectors.append(vec)
        return f"@V{len(self.vectors) - 1}@"

    def render(self, text):
        return MARK.sub(lambda m: self.vectors[int(m[1])].text(self.dims) if m[1] else str(self.dims), text)

    def copy_with(self, steps=None, dims=None):
        other = Case(self.seed, self.dims if dims is None else dims)
        other.vectors = self.vectors
        other.steps = list(self.steps if steps is None else steps)
        return other

    def statement_text(self, statement):
        """What psql would be given."""
        if not isinstance(statement, Rows):
            return self.render(statement) + ";"
        head = f"{statement.table} ({', '.join(statement.columns)})"
        if statement.copy:
            return f"COPY {head} FROM stdin;\n{self.copy_text(statement)}\\."
        return f"INSERT INTO {head} VALUES\n{self.values_text(statement)}{statement.tail};"

    def copy_text(self, rows):
        return "".join("\t".join("\\N" if cell is None else self.render(cell).replace("\\", "\\\\")
                                 for cell in row) + "\n" for row in rows.rows)

    def values_text(self, rows):
        def cell_text(cell):
            return "NULL" if cell is None else "'" + self.render(cell).replace("'", "''") + "'"
        return ",\n".join("(" + ", ".join(map(cell_text, row)) + ")" for row in rows.rows)

    def sql(self, comment):
        """The case as a file for psql that stands alone."""
        lines = [f"-- {line}" for line in comment.splitlines()]
        lines += ["CREATE EXTENSION IF NOT EXISTS vector;", "SET search_path = g, public;", *map(str, SETUP)]
        for step in self.steps:
            if step.session != "a":
                lines.append("-- in a second session, which stays open:")
            if isinstance(step, Crash):
                lines.append("-- here the server is stopped by pg_ctl stop -m immediate and started again")
            elif isinstance(step, Step):
                lines += [self.statement_text(s) for s in step.statements]
            else:
                lines += self.query_sql(step)
        return "\n".join(lines) + "\n"

    def query_sql(self, query):
        lines = ["BEGIN ISOLATION LEVEL REPEATABLE READ;" if query.session == "a" else "SAVEPOINT query;"]
        lines += [f"SET LOCAL {name} = '{value}';" for name, value in query.settings.items()]
        lines += [self.render(s) + ";" for s in query.statements]
        lines.append("ROLLBACK;" if query.session == "a" else "ROLLBACK TO query;")
        return lines + ["-- all that the conditions let pass, by a sequential scan:",
                        self.render(query.truth) + ";"]


SETUP = (
    "DROP SCHEMA IF EXISTS g CASCADE;",
    "CREATE SCHEMA g;",
    "DO $$BEGIN CREATE ROLE g_reader; EXCEPTION WHEN duplicate_object THEN NULL; END$$;",
    "GRANT USAGE ON SCHEMA g TO g_reader;",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA g GRANT ALL ON TABLES TO g_reader;",
    "CREATE TYPE g.mood AS ENUM ('sad', 'ok', 'happy');",
    "CREATE TABLE g.dim (grp int4, name text);",
    "INSERT INTO g.dim VALUES (0, 'a'), (1, 'b'), (2, 'c'), (3, 'd');",
    "CREATE DOMAIN g.small AS int4 CHECK (VALUE BETWEEN 0 AND 9);",
)
