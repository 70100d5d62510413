"""Connections, as workers and searches want them."""

import psycopg

from .errors import VectorizerError


def arguments(conn):
    """What every session of ours sets once it is connected."""
    # A database without an encoding hands out bytes as they are.
    if conn.info.parameter_status("server_encoding") == "SQL_ASCII":
        return "SQL_ASCII"
    return "UTF8"


def connect(dsn, name="vectorizer"):
    """Connect by a connection string; empty for what PGHOST and the like say."""
    try:
        conn = psycopg.connect(dsn or "", autocommit=True, fallback_application_name=name)
    except psycopg.OperationalError as e:
        raise VectorizerError(f"no connection: {e}") from e
    conn.execute("SELECT set_config('client_encoding', %s, false)", [arguments(conn)])
    return conn
