"""A database of its own for each test, on the server that PGHOST names."""

import uuid

import numpy as np
import psycopg
import pytest
from click.testing import CliRunner

from vector_gpu_build.cli import main


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

    def load(self, x, table="items", key="id bigint PRIMARY KEY", ids=None, type="vector"):
        self(f"CREATE TABLE {table} ({key}, embedding {type}({x.shape[1]}))")
        with self.conn.cursor() as cur, cur.copy(f"COPY {table} FROM STDIN") as copy:
            for i, v in enumerate(x):
                copy.write_row([*(ids(i) if ids else [i]), str(v.tolist())])
        self(f"ANALYZE {table}")

    def build(self, *arguments, ok=True, table="items"):
        """The command vector-gpu-build; what it prints."""
        result = CliRunner().invoke(main, ["-d", self.dsn, "-t", table, "-c", "embedding", "--device", "numpy", *map(str, arguments)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert (result.exit_code == 0) == ok, result.output
        return result.output


@pytest.fixture
def db(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "g_" + uuid.uuid4().hex[:10]
    with psycopg.connect("dbname=postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        d = Database(name)
        yield d
        d.conn.close()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def x():
    rng = np.random.default_rng(3)
    return (rng.standard_normal((20, 24))[rng.integers(0, 20, 3000)] + .5 * rng.standard_normal((3000, 24))).astype(np.float32)
