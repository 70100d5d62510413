"""Connections, as workers and searches want them."""

import psycopg

from .errors import VectorizerError


def connect(dsn, name="vectorizer"):
    """Connect by a connection string; empty for what PGHOST and the like say."""
    try:
        conn = psycopg.connect(dsn or "", autocommit=True, fallback_application_name=name)
    except psycopg.OperationalError as e:
        raise VectorizerError(f"no connection: {e}") from e
    # In a database without an encoding, too: there the server checks what it sends.
    conn.execute("SET client_encoding = 'UTF8'")
    return conn
