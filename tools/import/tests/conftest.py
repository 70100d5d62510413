"""A database of its own for each test, on the server that PGHOST names."""

import uuid

import psycopg
import pytest
from click.testing import CliRunner

from vector_import.cli import main


class Database:
    def __init__(self, name):
        self.name, self.dsn = name, f"dbname={name}"
        self.conn = psycopg.connect(self.dsn, autocommit=True)
        self.conn.execute("CREATE EXTENSION vector")

    def __call__(self, statement, *params):
        cur = self.conn.execute(statement, params or None)
        return cur.fetchall() if cur.description else None

    def one(self, statement, *params):
        return self(statement, *params)[0][0]

    def load(self, *arguments, ok=True, table="items"):
        """The command vector-import; what it prints."""
        result = CliRunner().invoke(main, [*map(str, arguments), "-d", self.dsn, "-t", table])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert (result.exit_code == 0) == ok, result.output
        return result.output

    def vectors(self, table="items", order="id"):
        import numpy as np
        return np.array([v for v, in self(f"SELECT embedding::real[] FROM {table} ORDER BY {order}")], np.float32)


@pytest.fixture
def db():
    name = "i_" + uuid.uuid4().hex[:10]
    with psycopg.connect("dbname=postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        d = Database(name)
        yield d
        d.conn.close()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
