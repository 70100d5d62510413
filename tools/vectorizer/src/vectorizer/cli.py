"""The command vectorizer."""

import json
import logging
import sys

import click
import psycopg
from psycopg import sql
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import __version__, chunkers, ddl, metrics, registry, swap as swapping
from .connect import connect
from .errors import Unavailable, VectorizerError
from .models import load_model
from .names import show
from .search import search as ask
from .worker import Worker, waiting

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 250)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Group(click.Group):
    """Errors that are the user's to mend end in one line."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (VectorizerError, Unavailable) as e:
            raise click.ClickException(str(e)) from e
        except psycopg.Error as e:
            hint = f"\nHint: {e.diag.message_hint}" if e.diag.message_hint else ""
            raise click.ClickException(f"{e.diag.message_primary or e}{hint}{_right_hint(e)}") from e


def _right_hint(e):
    if not isinstance(e, psycopg.errors.InsufficientPrivilege):
        return ""
    return ("\nOnly the owner of a table can create or drop a vectorizer of it; the first one of a database also needs "
            "CREATE on the database, others GRANT CREATE ON SCHEMA vectorizer and "
            "GRANT INSERT, UPDATE, DELETE ON vectorizer.vectorizers.")


dsn = click.option("--dsn", "-d", default="", help="Connection string; by default what PGHOST and the like say.")
which = [click.argument("name", required=False),
         click.option("--table", "-t", help="The table, if it has only one vectorizer.")]


def one(f):
    for o in reversed(which):
        f = o(f)
    return dsn(f)


@click.group(cls=Group)
@click.version_option(__version__, package_name="vectorizer")
def main():
    """Keep the embeddings of PostgreSQL tables up to date, and search them."""


@main.command()
@dsn
@click.option("--table", "-t", required=True, help="The table, named as in SQL.")
@click.option("--text", "expression", help="What is embedded: an SQL expression over the table's columns.")
@click.option("--image", help="Instead: an expression of type bytea, the file of a picture (clip models).")
@click.option("--into", help="The column for the embedding; made unless it is there. [default: embedding]")
@click.option("--chunks", help="Instead: a table of chunks to make, in the table's schema.")
@click.option("--model", "-m", required=True, help="PROVIDER:MODEL, or the name of a local model.")
@click.option("--dimensions", type=click.IntRange(1, 1000000), help="Of the model; asked of it unless given.")
@click.option("--type", "type_", type=click.Choice(["vector", "halfvec", "sparsevec"]), help="[default: vector; sparsevec for sparse models]")
@click.option("--index", type=click.Choice([*ddl.INDEXES, "none"]), default="hnsw", show_default=True)
@click.option("--filter", "filters", default="", help="Columns that searches filter by, with commas: they go into the index.")
@click.option("--fulltext", is_flag=False, flag_value="english",
              help="Also keep words, for search by words and hybrid search: a text search configuration. [english if none is named]")
@click.option("--bm25", is_flag=False, flag_value="english",
              help="Also rank words by BM25, for search by words and hybrid search: a text search configuration. [english if none is named]")
@click.option("--chunker", default="sentences", show_default=True, help="tokens, sentences, markdown or code:LANGUAGE.")
@click.option("--chunk-size", default=200, show_default=True, help="In tokens.")
@click.option("--chunk-overlap", default=0, show_default=True, help="In tokens.")
@click.option("--name", help="What to call it. [default: TABLE_COLUMN, or the table of chunks]")
@click.option("--notify/--no-notify", default=True,
              help="Wake workers at once; without, they find changes when they poll, and PREPARE TRANSACTION is possible.")
@click.option("--dry-run", is_flag=True, help="Print the SQL, run nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Do not print the SQL.")
def create(dsn, table, expression, image, into, chunks, model, dimensions, type_, index, filters, fulltext, bm25,
           chunker, chunk_size, chunk_overlap, name, notify, dry_run, quiet):
    """Make a table searchable by meaning: print the SQL, and run it."""
    if (expression is None) == (image is None):
        raise VectorizerError("say --text EXPRESSION or --image EXPRESSION")
    loaded = load_model(model)
    input = "image" if image is not None else "text"
    if loaded.inputs != input:
        raise VectorizerError(f"{model} takes {loaded.inputs}s: give --{loaded.inputs}")
    wish = ddl.Wish(table, expression if image is None else image, model, dimensions or loaded.probe(), loaded.kind,
                    input, into, chunks, name, None if index == "none" else index, filters, fulltext, bm25,
                    chunkers.parse(chunker, chunk_size, chunk_overlap), type_, notify)
    with connect(dsn) as conn:
        v, source, extension = ddl.plan(conn, wish)
        statements = ddl.create(conn, v, source, extension)
        if not quiet:
            _print(statements)
        if not dry_run:
            ddl.run(conn, statements)
            n = waiting(conn, v)
            err.print(f"{v.name}: made; {n} row{'s' if n != 1 else ''} to embed. Now: vectorizer run")


def _print(statements):
    click.echo("BEGIN;")
    for s in statements:
        click.echo(show(s) + ";")
    click.echo("COMMIT;")


@main.command()
@one
@click.option("--dry-run", is_flag=True, help="Print the SQL, run nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Do not print the SQL.")
def drop(dsn, name, table, dry_run, quiet):
    """Undo create: nothing of it is left."""
    with connect(dsn) as conn:
        v = registry.find(conn, name, table)
        statements = ddl.drop(conn, v)
        if not quiet:
            _print(statements)
        if not dry_run:
            ddl.run(conn, statements, swapping.table_of(conn, v))


@main.command()
@dsn
@click.argument("names", nargs=-1)
@click.option("--batch", default=64, show_default=True, type=click.IntRange(1, 10000), help="Rows of a batch.")
@click.option("--poll", default=10.0, show_default=True, type=click.FloatRange(0.05, 3600), help="Seconds between looks without a notice.")
@click.option("--drain", is_flag=True, help="End when nothing is left to do.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics there.")
@click.option("--metrics-address", default="127.0.0.1", show_default=True)
@click.option("--verbose", "-v", is_flag=True)
def run(dsn, names, batch, poll, drain, metrics_port, metrics_address, verbose):
    """Embed what has changed, until stopped (Ctrl-C or SIGTERM: after the batch)."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO,
                        format="%(message)s" if err.is_terminal else "%(asctime)s %(levelname)s %(message)s",
                        handlers=[RichHandler(console=err, show_path=False)] if err.is_terminal else None)
    # Libraries tell of every request.
    for noisy in ("httpx", "httpcore", "psycopg"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if metrics_port:
        metrics.serve(metrics_port, metrics_address)
    bar = FillBar() if err.is_terminal else None
    worker = Worker(dsn, names, batch, poll, drain, bar and bar.advance)
    worker.handle_signals()
    try:
        if bar:
            with connect(dsn) as conn:
                bar.start([v for v in registry.read_all(conn) if not names or v.name in names], conn)
        worker.run()
    finally:
        if bar:
            bar.progress.stop()


class FillBar:
    """A progress bar for each queue that was long when the worker began."""

    LONG = 200

    def __init__(self):
        self.progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                                 TimeRemainingColumn(), console=err, transient=True)
        self.bars = {}

    def start(self, vectorizers, conn):
        for v in vectorizers:
            n = waiting(conn, v)
            if n > self.LONG:
                self.bars[v.name] = self.progress.add_task(v.name, total=n)
        if self.bars:
            self.progress.start()

    def advance(self, task, result):
        if task.name in self.bars:
            self.progress.advance(self.bars[task.name], result.progress)
            if self.progress.finished:
                self.progress.stop()
                self.bars.clear()


@main.command()
@dsn
@click.argument("text")
@click.option("--table", "-t", help="The table, named as in SQL.")
@click.option("--name", help="Or the vectorizer.")
@click.option("--limit", "-n", default=5, show_default=True)
@click.option("--where", help="A condition in SQL on the table's columns.")
@click.option("--hybrid", is_flag=True, help="By meaning and by words, ranks fused.")
@click.option("--fulltext", is_flag=True, help="By words alone, by PostgreSQL's ts_rank_cd.")
@click.option("--bm25", is_flag=True, help="By words alone, by BM25.")
@click.option("--rerank", help="A re-ranker that orders the best: PROVIDER:MODEL.")
@click.option("--depth", type=click.IntRange(1, 10000), help="How many are fused and re-ranked. [default: 50, or 4 times the limit]")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def search(dsn, text, table, name, limit, where, hybrid, fulltext, bm25, rerank, depth, format_):
    """Print the rows that answer TEXT, with scores and why."""
    with connect(dsn, "vectorizer search") as conn:
        conn.execute("SET default_transaction_read_only = on")
        hits = ask(conn, text, table, name, limit=limit, where=where, hybrid=hybrid, fulltext=fulltext, bm25=bm25,
                                rerank=rerank, depth=depth)
    if format_ == "json":
        for h in hits:
            click.echo(json.dumps({"score": h.score, "why": h.why, **h.row}, default=str, ensure_ascii=False))
        return
    for place, h in enumerate(hits, 1):
        out.print(f"[bold]{place}. score {h.score:.4f}[/bold]: {h.why}")
        for column, value in h.row.items():
            line = " ".join(str(value).split())
            out.print(f"   {column}: {line if len(line) <= 200 else line[:197] + '...'}", markup=False)
    if not hits:
        err.print("nothing found")


@main.command()
@dsn
@click.option("--errors", default=5, show_default=True, help="How many of each are shown.")
def status(dsn, errors):
    """What there is, how much waits, and what failed."""
    with connect(dsn) as conn:
        found = registry.read_all(conn)
        table = Table("name", "table", "into", "model", "waiting", "to retry", "set aside")
        failures = []
        for v in found:
            if not v.exists:
                table.add_row(v.name, "gone", "", v.model, "", "", "")
                continue
            retry, aside = conn.execute(sql.SQL("SELECT count(due_at), count(*) - count(due_at) FROM {}").format(v.retry), []).fetchone()
            table.add_row(v.name, v.source, v.chunks or v.target, v.model, str(waiting(conn, v)), str(retry), str(aside))
            failures += [(v.name, *row) for row in conn.execute(sql.SQL(
                "SELECT to_jsonb(r) - '{{queued_at,attempts,due_at,error}}'::text[], attempts, due_at, error FROM {} r"
                " ORDER BY due_at IS NOT NULL, queued_at LIMIT %s").format(v.retry), [errors])]
    out.print(table)
    for name, key, attempts, due, error in failures:
        when = "set aside" if due is None else f"again at {due:%Y-%m-%d %H:%M:%S}"
        out.print(f"{name} {json.dumps(key)}: {when} after {attempts}: {error}", markup=False)


@main.command()
@one
def retry(dsn, name, table):
    """Try again, at once, what failed or was set aside."""
    with connect(dsn) as conn:
        v = registry.find(conn, name, table)
        n = conn.execute(sql.SQL("UPDATE {} SET due_at = now(), attempts = 0").format(v.retry), []).rowcount
        conn.execute("SELECT pg_notify('vectorizer', %s)", [str(v.id)])
    err.print(f"{v.name}: {n} to try again")


@main.command()
@one
@click.option("--model", "-m", required=True)
@click.option("--dimensions", type=click.IntRange(1, 1000000))
@click.option("--dry-run", is_flag=True, help="Print the SQL, run nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Do not print the SQL.")
def change(dsn, name, table, model, dimensions, dry_run, quiet):
    """Fill a second column or table with another model; then: vectorizer swap."""
    loaded = load_model(model)
    with connect(dsn) as conn:
        v = registry.find(conn, name, table)
        new, statements = swapping.change(conn, v, model, dimensions or loaded.probe(), loaded)
        if not quiet:
            _print(statements)
        if not dry_run:
            ddl.run(conn, statements)
            err.print(f"{new.name}: made; {waiting(conn, new)} rows to embed. When vectorizer run has filled it: "
                      f"vectorizer swap {v.name}")


@main.command()
@one
@click.option("--force", is_flag=True, help="Even if rows wait or were set aside.")
@click.option("--dry-run", is_flag=True, help="Print the SQL, run nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Do not print the SQL.")
def swap(dsn, name, table, force, dry_run, quiet):
    """Exchange the names of the two that change made; again: back."""
    with connect(dsn) as conn:
        v = registry.find(conn, name, table)
        other, statements = swapping.swap(conn, v, force)
        if not quiet:
            _print(statements)
        if not dry_run:
            swapping.run(conn, v, other, statements, force)
            err.print(f"{v.name} is now by {other.model}. {v.name}_old, by {v.model}, is kept and kept up to date: "
                      f"vectorizer swap {v.name} goes back, vectorizer drop {v.name}_old removes it")


if __name__ == "__main__":
    sys.exit(main())
